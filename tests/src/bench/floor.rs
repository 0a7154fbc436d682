//! The least that there is to do: package files are hashed, decompressed and
//! written with all processors, and nothing else. No owners, no database, no
//! scripts.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::error::At as _;
use crate::{Error, Result};

/// Most memory of a decoder.
const MEMORY: u64 = 512 << 20;

/// Writes the files of the packages that `list` names, one path a line, below `out`.
///
/// # Errors
/// A file that cannot be read, decompressed or written.
pub fn run(list: &Path, out: &Path) -> Result<()> {
    let text = std::fs::read_to_string(list).at(list)?;
    let mut packages: Vec<(u64, PathBuf)> = Vec::new();
    for path in text.lines().map(PathBuf::from) {
        packages.push((std::fs::metadata(&path).at(&path)?.len(), path));
    }
    packages.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    std::fs::create_dir_all(out).at(out)?;
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    let known = Mutex::new(HashSet::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((_, path)) = packages.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = unpack(path, out, &known) {
                        let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                        failed.get_or_insert(error);
                        return;
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.map_or(Ok(()), Err)
}

fn unpack(path: &Path, out: &Path, known: &Mutex<HashSet<PathBuf>>) -> Result<()> {
    let bytes = std::fs::read(path).at(path)?;
    // What it is compared with is known; to find it out is the work.
    let _sum = Sha256::digest(&bytes);
    let mut members = ar::Archive::new(bytes.as_slice());
    while let Some(member) = members.next_entry() {
        let member = member.at(path)?;
        let name = String::from_utf8_lossy(member.header().identifier()).into_owned();
        let data: Box<dyn Read + '_> = match name.strip_prefix("data.tar") {
            Some("") => Box::new(member),
            Some(".xz") => {
                let stream =
                    liblzma::stream::Stream::new_stream_decoder(MEMORY, liblzma::stream::CONCATENATED);
                let stream = stream.map_err(io::Error::from).at(path)?;
                Box::new(liblzma::read::XzDecoder::new_stream(member, stream))
            }
            Some(".gz") => Box::new(flate2::read::MultiGzDecoder::new(member)),
            Some(".zst") => Box::new(zstd::stream::read::Decoder::new(member).at(path)?),
            _ => continue,
        };
        return write(data, out, known).at(path);
    }
    Err(Error::Command {
        command: "floor".to_owned(),
        what: format!("{} has no data", path.display()),
    })
}

fn write(data: Box<dyn Read + '_>, out: &Path, known: &Mutex<HashSet<PathBuf>>) -> io::Result<()> {
    let mut archive = tar::Archive::new(data);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = below(out, &entry.path()?);
        let directory = |path: &Path| -> io::Result<()> {
            let is_known = |known: &mut HashSet<PathBuf>| known.contains(path);
            if is_known(&mut known.lock().unwrap_or_else(PoisonError::into_inner)) {
                return Ok(());
            }
            std::fs::create_dir_all(path)?;
            known
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(path.to_owned());
            Ok(())
        };
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            directory(&path)?;
            continue;
        }
        if let Some(parent) = path.parent() {
            directory(parent)?;
        }
        let link = entry.link_name()?.map(std::borrow::Cow::into_owned);
        let made = match link {
            Some(to) if kind.is_symlink() => std::os::unix::fs::symlink(to, &path),
            Some(to) => std::fs::hard_link(below(out, &to), &path),
            None => File::create(&path).and_then(|mut file| io::copy(&mut entry, &mut file).map(drop)),
        };
        match made {
            // Diversions and replaced files are nothing to the floor.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
    }
    Ok(())
}

fn below(out: &Path, path: &Path) -> PathBuf {
    let plain = path
        .components()
        .filter(|part| matches!(part, Component::Normal(_)));
    plain.fold(out.to_owned(), |path, part| path.join(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn files_of_packages_are_written() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        for kind in ["xz", "gzip", "zstd", "none"] {
            let tree = place(kind);
            std::fs::create_dir_all(tree.join("DEBIAN")).unwrap();
            std::fs::create_dir_all(tree.join("usr/bin")).unwrap();
            std::fs::write(tree.join("usr/bin").join(kind), kind).unwrap();
            std::os::unix::fs::symlink(kind, tree.join("usr/bin").join(format!("{kind}-link"))).unwrap();
            let control =
                format!("Package: p{kind}\nVersion: 1\nArchitecture: all\nMaintainer: a\nDescription: b\n");
            std::fs::write(tree.join("DEBIAN/control"), control).unwrap();
            let mut build = Command::new("dpkg-deb");
            build.arg(format!("-Z{kind}")).args(["--root-owner-group", "-b"]);
            let built = build
                .arg(&tree)
                .arg(place(&format!("{kind}.deb")))
                .output()
                .unwrap();
            assert!(
                built.status.success(),
                "{}",
                String::from_utf8_lossy(&built.stderr)
            );
        }
        let all =
            ["xz", "gzip", "zstd", "none"].map(|kind| place(&format!("{kind}.deb")).display().to_string());
        std::fs::write(place("list"), all.join("\n")).unwrap();
        run(&place("list"), &place("out")).unwrap();
        for kind in ["xz", "gzip", "zstd", "none"] {
            let link = place("out/usr/bin").join(format!("{kind}-link"));
            assert_eq!(std::fs::read_to_string(link).unwrap(), kind);
        }
        std::fs::write(place("none.deb"), "!<arch>\n").unwrap();
        assert!(run(&place("list"), &place("other")).is_err());
    }
}
