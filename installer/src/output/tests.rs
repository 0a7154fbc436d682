mod lists;

use super::archive::member_name;
use super::*;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::process::Command;

use rootless_install_fs::{FileType, Meta};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use task_progress::Silent;

type Tested<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn temporary() -> io::Result<tempfile::TempDir> {
    tempfile::tempdir_in(
        std::env::var_os("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from),
    )
}

fn meta(kind: FileType, mode: u32, uid: u32, gid: u32, sec: i64) -> Meta {
    let mtime = Timestamp { sec, nsec: 0 };
    Meta {
        kind,
        mode,
        uid,
        gid,
        mtime,
    }
}

fn archive(target: &Target, source_date_epoch: Option<i64>) -> Result<Vec<u8>, Error> {
    let options = TarOptions {
        compression: Compression::None,
        source_date_epoch,
        ..TarOptions::default()
    };
    let mut out = Vec::new();
    let written = write_tar(target, &mut out, &options, &Silent, &Cancel::new())?;
    assert_eq!(
        (written.bytes, written.uncompressed),
        (out.len() as u64, out.len() as u64)
    );
    Ok(out)
}

/// What is compared: of a target and of an archive read back.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    kind: String,
    mode: u32,
    owner: (u64, u64),
    mtime: u64,
    content: Vec<u8>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The first name of the same file.
    first: Vec<u8>,
}

fn of_target(target: &Target) -> Tested<BTreeMap<Vec<u8>, Seen>> {
    let mut seen = BTreeMap::new();
    let mut firsts: HashMap<u64, Vec<u8>> = HashMap::new();
    for found in target.walk() {
        let (path, stat) = found?;
        let directory = stat.meta.kind == FileType::Directory;
        let name = member_name(&path, directory);
        let first = match directory {
            true => name.clone(),
            false => firsts.entry(stat.ino).or_insert_with(|| name.clone()).clone(),
        };
        let content = match stat.meta.kind {
            FileType::Regular => target.read(&path)?,
            FileType::Symlink => target.read_link(&path)?.into_os_string().into_encoded_bytes(),
            _ => Vec::new(),
        };
        seen.insert(
            name,
            Seen {
                kind: format!("{:?}", stat.meta.kind),
                mode: stat.meta.mode,
                owner: (stat.meta.uid.into(), stat.meta.gid.into()),
                mtime: stat.meta.mtime.sec as u64,
                content,
                xattrs: target
                    .xattrs(&path)?
                    .into_iter()
                    .map(|(name, value)| (name.into_encoded_bytes(), value))
                    .collect(),
                first,
            },
        );
    }
    Ok(seen)
}

/// The records of an extended header, by their lengths.
fn pax_records(mut data: &[u8]) -> Tested<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut records = BTreeMap::new();
    while !data.is_empty() {
        let blank = data.iter().position(|byte| *byte == b' ').ok_or("no length")?;
        let length: usize = std::str::from_utf8(&data[..blank])?.parse()?;
        let record = data[blank + 1..length].strip_suffix(b"\n").ok_or("no end")?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or("no key")?;
        records.insert(record[..equals].to_vec(), record[equals + 1..].to_vec());
        data = &data[length..];
    }
    Ok(records)
}

/// The names in their order, and what they name.
type Members = (Vec<Vec<u8>>, BTreeMap<Vec<u8>, Seen>);

fn of_archive(bytes: &[u8]) -> Tested<Members> {
    let mut order = Vec::new();
    let mut seen: BTreeMap<Vec<u8>, Seen> = BTreeMap::new();
    let mut records: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    // Raw, since the crate's reader divides extended headers at newlines, which
    // values may contain.
    for member in tar::Archive::new(bytes).entries()?.raw(true) {
        let mut member = member?;
        if member.header().entry_type() == tar::EntryType::XHeader {
            let mut data = Vec::new();
            member.read_to_end(&mut data)?;
            records = pax_records(&data)?;
            continue;
        }
        let records = std::mem::take(&mut records);
        let text = |key: &[u8], field: Option<std::borrow::Cow<'_, [u8]>>| match records.get(key) {
            Some(value) => value.clone(),
            None => field.map(|field| field.into_owned()).unwrap_or_default(),
        };
        let number = |key: &[u8], field: io::Result<u64>| -> Tested<u64> {
            match records.get(key) {
                Some(value) => Ok(std::str::from_utf8(value)?.parse()?),
                None => Ok(field?),
            }
        };
        let name = text(b"path", Some(member.header().path_bytes()));
        let link = text(b"linkpath", member.header().link_name_bytes());
        order.push(name.clone());
        let xattrs = records
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(b"SCHILY.xattr.")?.to_vec(), value.clone())))
            .collect();
        let header = member.header().clone();
        assert_eq!(header.username_bytes().unwrap_or_default(), b"");
        if header.entry_type() == tar::EntryType::Link {
            let first = seen.get(&link).ok_or("a hard link to nothing before it")?.clone();
            assert_eq!(header.mode()?, first.mode);
            seen.insert(name, first);
            continue;
        }
        let major = header.device_major()?.unwrap_or(0);
        let minor = header.device_minor()?.unwrap_or(0);
        let kind = match header.entry_type() {
            tar::EntryType::Regular => FileType::Regular,
            tar::EntryType::Directory => FileType::Directory,
            tar::EntryType::Symlink => FileType::Symlink,
            tar::EntryType::Fifo => FileType::Fifo,
            tar::EntryType::Char => FileType::CharDevice { major, minor },
            tar::EntryType::Block => FileType::BlockDevice { major, minor },
            other => return Err(format!("unexpected {other:?}").into()),
        };
        let mut content = link;
        member.read_to_end(&mut content)?;
        seen.insert(
            name.clone(),
            Seen {
                kind: format!("{kind:?}"),
                mode: header.mode()?,
                owner: (number(b"uid", header.uid())?, number(b"gid", header.gid())?),
                mtime: number(b"mtime", header.mtime())?,
                content,
                xattrs,
                first: name,
            },
        );
    }
    Ok((order, seen))
}

/// A small generator of numbers (xorshift): failures name their seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn bytes(&mut self, length: u64) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }

    /// A file name: short, long, or not UTF-8.
    fn name(&mut self, serial: usize) -> OsString {
        let text = match self.below(5) {
            0 => format!("{serial}-{}", "n".repeat(self.below(200) as usize)).into_bytes(),
            1 => [format!("{serial}é").as_bytes(), b"\xff\xfe"].concat(),
            2 => format!("-{serial} \n").into_bytes(),
            _ => format!("f{serial}").into_bytes(),
        };
        OsStr::from_bytes(&text).to_owned()
    }
}

fn fill(target: &Target, numbers: &mut Numbers, count: usize) -> Tested {
    let mut directories = vec![PathBuf::from("/")];
    let mut others: Vec<PathBuf> = Vec::new();
    for serial in 0..count {
        let parent = &directories[numbers.below(directories.len() as u64) as usize];
        let path = parent.join(numbers.name(serial));
        if path.as_os_str().len() > 2000 {
            continue;
        }
        let id = |numbers: &mut Numbers| {
            [0, 0, 33, 1000, 65534, 2_097_152, 4_000_000_000][numbers.below(7) as usize]
        };
        let (uid, gid) = (id(numbers), id(numbers));
        let mode = numbers.below(0o10000) as u32;
        let time = numbers.below(2_000_000_000) as i64;
        let major = numbers.below(4096) as u32;
        let minor = numbers.below(256) as u32;
        let of = |kind| meta(kind, mode, uid, gid, time);
        match numbers.below(9) {
            0 | 1 => {
                target.make_dir(&path, &of(FileType::Directory))?;
                directories.push(path);
                continue;
            }
            2 => {
                let length = 1 + numbers.below(300);
                let text = OsString::from("l".repeat(length as usize));
                target.make_symlink(
                    &path,
                    Path::new(&text),
                    &meta(FileType::Symlink, 0o777, uid, gid, time),
                )?;
            }
            3 => target.make_node(&path, &of(FileType::Fifo))?,
            4 => target.make_node(&path, &of(FileType::CharDevice { major, minor }))?,
            5 => target.make_node(&path, &of(FileType::BlockDevice { major, minor }))?,
            6 if !others.is_empty() => {
                let existing = &others[numbers.below(others.len() as u64) as usize];
                target.link(existing, &path)?;
            }
            _ => {
                let length = [0, 1, 511, 512, 513, 200_000][numbers.below(6) as usize];
                target.write(&path, &numbers.bytes(length), &of(FileType::Regular))?;
                if numbers.below(3) == 0 {
                    let value = numbers.bytes(20);
                    target.set_xattr(&path, OsStr::new("security.capability"), &value)?;
                    target.set_xattr(&path, OsStr::new("user.note"), b"")?;
                    target.set_mtime(&path, Timestamp { sec: time, nsec: 0 })?;
                }
            }
        }
        others.push(path);
    }
    Ok(())
}

#[test]
fn an_archive_read_back_equals_the_target() -> Tested {
    for seed in 1..=12 {
        let dir = temporary()?;
        let target = Target::open(dir.path())?;
        fill(
            &target,
            &mut Numbers(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed)),
            120,
        )?;
        let bytes = archive(&target, None)?;
        let (order, seen) = of_archive(&bytes)?;
        let expected = of_target(&target)?;
        assert!(
            seen == expected,
            "seed {seed}: {:?}",
            seen.iter()
                .find(|(name, seen)| expected.get(*name) != Some(seen))
                .map(|(name, seen)| (name, seen.clone(), expected.get(name)))
        );
        assert_eq!(order.len(), expected.len());
        assert!(
            bytes == archive(&target, None)?,
            "seed {seed}: a second archive differs"
        );
    }
    Ok(())
}

#[test]
fn order_does_not_depend_on_history() -> Tested {
    let (one, two) = (temporary()?, temporary()?);
    let names = ["a", "a-b", "a/b", "B", "é", "b"];
    let make = |dir: &Path, backwards: bool| -> Tested<Vec<u8>> {
        let target = Target::open(dir)?;
        target.make_dir(Path::new("/a"), &meta(FileType::Directory, 0o755, 0, 0, 9))?;
        let mut rest = names[1..].to_vec();
        if backwards {
            rest.reverse();
        }
        for name in rest {
            target.write(Path::new(name), b"x", &meta(FileType::Regular, 0o644, 0, 0, 5))?;
        }
        for directory in ["/a", "/"] {
            target.set_meta(Path::new(directory), &meta(FileType::Directory, 0o755, 0, 0, 9))?;
        }
        Ok(archive(&target, None)?)
    };
    let bytes = make(one.path(), false)?;
    assert!(bytes == make(two.path(), true)?);
    let order = of_archive(&bytes)?.0;
    let order: Vec<_> = order.iter().map(|name| String::from_utf8_lossy(name)).collect();
    assert_eq!(order, ["./", "./B", "./a/", "./a/b", "./a-b", "./b", "./é"]);
    Ok(())
}

#[test]
fn times_are_clamped() -> Tested {
    let dir = temporary()?;
    let target = Target::open(dir.path())?;
    for (name, sec, nsec) in [
        ("before", 50, 7),
        ("at", 100, 0),
        ("just", 100, 1),
        ("after", 5000, 0),
    ] {
        let mut meta = meta(FileType::Regular, 0o644, 0, 0, sec);
        meta.mtime.nsec = nsec;
        target.write(Path::new(name), b"", &meta)?;
    }
    let times = |seen: &BTreeMap<Vec<u8>, Seen>| seen.values().map(|seen| seen.mtime).collect::<Vec<_>>();
    // In the order of names: ./, after, at, before, just.
    let (_, seen) = of_archive(&archive(&target, Some(100))?)?;
    assert_eq!(times(&seen), [100, 100, 100, 50, 100]);
    clamp_times(&target, 100, &Cancel::new())?;
    assert_eq!(times(&of_target(&target)?), [100, 100, 100, 50, 100]);
    assert_eq!(target.stat(Path::new("just"))?.meta.mtime.nsec, 0);
    assert_eq!(target.stat(Path::new("before"))?.meta.mtime.nsec, 7);
    Ok(())
}

#[test]
fn devices_replace_whatever_was_there() -> Tested {
    let dir = temporary()?;
    let target = Target::open(dir.path())?;
    let epoch = 1_700_000_000;
    for round in 0..4 {
        match round {
            0 => {}
            1 => {
                target.make_dir(Path::new("/dev/deep"), &meta(FileType::Directory, 0o700, 1, 1, 1))?;
                target.write(
                    Path::new("/dev/deep/x"),
                    b"",
                    &meta(FileType::Regular, 0o600, 1, 1, 1),
                )?;
            }
            2 => {
                target.rename(Path::new("/dev"), Path::new("/away"))?;
                target.make_symlink(
                    Path::new("/dev"),
                    Path::new("away"),
                    &meta(FileType::Symlink, 0o777, 0, 0, 1),
                )?;
            }
            _ => fs::write(dir.path().join("away/mark"), "x")?,
        }
        make_devices(&target, Some(epoch), true)?;
        clamp_times(&target, epoch, &Cancel::new())?;
        let seen = of_target(&target)?;
        let in_dev: Vec<_> = seen
            .iter()
            .filter(|(name, _)| name.starts_with(b"./dev/"))
            .collect();
        assert_eq!(in_dev.len(), 1 + devices::DEVICES.len(), "round {round}");
        assert!(
            in_dev
                .iter()
                .all(|(_, seen)| seen.mtime == epoch as u64 && seen.owner == (0, 0))
        );
        let null = seen.get(b"./dev/null".as_slice()).ok_or("no null")?;
        assert_eq!(
            (null.kind.as_str(), null.mode),
            ("CharDevice { major: 1, minor: 3 }", 0o666)
        );
    }
    assert!(dir.path().join("away/mark").exists());
    Ok(())
}

#[test]
fn a_stopped_run_and_a_full_disk_are_errors() -> Tested {
    let dir = temporary()?;
    let target = Target::open(dir.path())?;
    let cancel = Cancel::new();
    cancel.cancel(2);
    let result = write_tar(&target, Vec::new(), &TarOptions::default(), &Silent, &cancel);
    assert!(matches!(result, Err(Error::Cancelled(_))));
    let full = fs::OpenOptions::new().write(true).open("/dev/full")?;
    let result = write_tar(&target, full, &TarOptions::default(), &Silent, &Cancel::new());
    assert!(result.is_err_and(|error| error.hint().is_some_and(|hint| hint.contains("room"))));
    Ok(())
}

/// Byte for byte what GNU tar makes of the same files, which is what mmdebstrap
/// calls. Skipped where there is no GNU tar.
#[test]
fn as_gnu_tar_writes_it() -> Tested {
    if !Command::new("tar")
        .arg("--version")
        .output()
        .is_ok_and(|out| out.stdout.starts_with(b"tar (GNU tar)"))
    {
        return Ok(());
    }
    let dir = temporary()?;
    let target = Target::open(dir.path())?;
    let file = |sec| meta(FileType::Regular, 0o644, 0, 0, sec);
    let directory = meta(FileType::Directory, 0o755, 0, 0, 1_600_000_000);
    target.make_dir(Path::new("dir"), &directory)?;
    target.make_dir(Path::new("dir/empty"), &directory)?;
    let deep = format!("dir/{}", "d".repeat(90));
    target.make_dir(Path::new(&deep), &directory)?;
    for name in [
        "dir/a",
        "dir/Főtanúsítvány.crt",
        "dir-x",
        &format!("{deep}/{}", "f".repeat(200)),
    ] {
        target.write(Path::new(name), &[b'c'; 700], &file(1_500_000_000))?;
    }
    target.link(Path::new("dir/a"), Path::new("dir/z"))?;
    target.link(
        Path::new("dir/a"),
        Path::new(&format!("{deep}/{}", "h".repeat(100))),
    )?;
    for (name, text) in [
        ("link", "dir/a".into()),
        ("long", "t".repeat(150)),
        ("utf8", "ú".into()),
    ] {
        target.make_symlink(
            Path::new(name),
            Path::new(&text),
            &meta(FileType::Symlink, 0o777, 0, 0, 1_800_000_000),
        )?;
    }
    for name in [deep.as_str(), "dir/empty", "dir", "/"] {
        target.set_meta(Path::new(name), &directory)?;
    }
    let theirs = Command::new("tar")
        .args([
            "--sort=name",
            "--mtime=@1700000000",
            "--clamp-mtime",
            "--numeric-owner",
            "--owner=:0",
            "--group=:0",
        ])
        .args([
            "--format=pax",
            "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
        ])
        .args(["--blocking-factor=1", "-c", "."])
        .current_dir(dir.path())
        .output()?;
    assert!(
        theirs.status.success(),
        "{}",
        String::from_utf8_lossy(&theirs.stderr)
    );
    let ours = archive(&target, Some(1_700_000_000))?;
    let differing = ours
        .chunks(512)
        .zip(theirs.stdout.chunks(512))
        .position(|(a, b)| a != b);
    if let Some(block) = differing {
        let show = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes.get(block * 512..block * 512 + 512).unwrap_or(&[])).into_owned()
        };
        panic!(
            "block {block} differs:\n{:?}\n{:?}",
            show(&ours),
            show(&theirs.stdout)
        );
    }
    assert_eq!(ours.len(), theirs.stdout.len());
    Ok(())
}
