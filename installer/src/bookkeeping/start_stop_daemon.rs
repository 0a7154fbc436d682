//! The trace of start-stop-daemon, which mmdebstrap puts aside for the time of its run.

use dpkg_db::DIVERSIONS;
use rootless_install_fs::{Error, FileType, Meta, Target};
use std::path::Path;

/// Leaves what dpkg-divert(1) leaves when the diversion of start-stop-daemon that mmdebstrap has made for the time of its run
/// is removed: the file of diversions as it was before, which has that diversion.
///
/// # Errors
/// Those of reading and writing the target.
pub fn undivert_start_stop_daemon(target: &Target) -> Result<(), Error> {
    let backup = format!("{DIVERSIONS}-old");
    let text = match target.read(Path::new(DIVERSIONS)) {
        Err(error) if error.is_not_found() => Vec::new(),
        text => text?,
    };
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let mut diversions: Vec<&[&str]> = lines.chunks_exact(3).collect();
    if diversions.is_empty() {
        for path in [DIVERSIONS, &backup] {
            match target.remove(Path::new(path)) {
                Err(error) if error.is_not_found() => {}
                removed => removed?,
            }
        }
        return Ok(());
    }
    let sbin = Path::new("/sbin");
    let merged = target
        .stat(sbin)
        .is_ok_and(|stat| stat.meta.kind == FileType::Symlink);
    let own = if !merged && target.stat(Path::new("/sbin/start-stop-daemon")).is_ok() {
        [
            "/sbin/start-stop-daemon",
            "/sbin/start-stop-daemon.REAL.usr-is-merged",
            ":",
        ]
    } else {
        [
            "/usr/sbin/start-stop-daemon",
            "/usr/sbin/start-stop-daemon.REAL",
            ":",
        ]
    };
    diversions.push(&own);
    // dpkg-divert writes them in the order of dpkg's hash table of files.
    diversions.sort_by_key(|diversion| diversion.first().map(|from| slot_of_file(from)));
    let text: String = diversions
        .concat()
        .iter()
        .map(|line| format!("{line}\n"))
        .collect();
    let meta = Meta::of_root(FileType::Regular, 0o644);
    target.write(Path::new(&backup), text.as_bytes(), &meta)
}

/// Returns the place of a path in dpkg's hash table of files (`lib/dpkg/fsys-hash.c` in its source): FNV-1a over the path
/// without its first slash, 262139 entries.
fn slot_of_file(path: &str) -> u32 {
    let hash = path
        .trim_start_matches('/')
        .bytes()
        .fold(2_166_136_261_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(16_777_619)
        });
    hash % 262_139
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_diversion_of_start_stop_daemon_leaves_a_backup() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::open(directory.path()).unwrap();
        for path in ["/var", "/var/lib", "/var/lib/dpkg"] {
            let meta = Meta::of_root(FileType::Directory, 0o755);
            target.make_dir(Path::new(path), &meta).unwrap();
        }
        let put = |text: &str| {
            let meta = Meta::of_root(FileType::Regular, 0o644);
            target
                .write(Path::new(DIVERSIONS), text.as_bytes(), &meta)
                .unwrap();
        };
        let text = |path: &str| {
            target
                .read(Path::new(path))
                .map(|text| String::from_utf8(text).unwrap())
        };
        let backup = format!("{DIVERSIONS}-old");
        put("");
        undivert_start_stop_daemon(&target).unwrap();
        assert!(text(DIVERSIONS).is_err() && text(&backup).is_err());
        // As dpkg-divert wrote them on an installed system.
        let some = "/lib/i386-linux-gnu/libhistory.so.8.2\n/a\nx\n/lib64\n/b\nx\n/libx32\n/c\nx\n/lib32\n/d\nx\n/libo32\n/e\nx\n";
        put(some);
        undivert_start_stop_daemon(&target).unwrap();
        assert_eq!(text(DIVERSIONS).unwrap(), some);
        let own = "/usr/sbin/start-stop-daemon\n/usr/sbin/start-stop-daemon.REAL\n:\n";
        let backup = text(&backup).unwrap();
        assert!(backup.contains(own), "{backup}");
        assert_eq!(backup.replace(own, ""), some);
    }
}
