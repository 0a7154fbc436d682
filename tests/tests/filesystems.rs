//! Images of btrfs and XFS: sound to their own checkers, and with all that the tar of the same target has, as other programs read it.

use std::collections::BTreeMap;
use std::path::Path;

use rootless_install_tests::filled::{self, TIME};
use rootless_install_tests::listing::{Facts, entries};
use rootless_install_tests::packing::{pack, run, text, told};
use rootless_install_tests::program::Workplace;
use rootless_install_tests::scenario;

type Tested<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// `cap_net_raw+ep`, as the kernel has it in an attribute (capabilities(7), version 2).
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// What is known of a file by the metadata of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Inode {
    /// With the kind of file, octal.
    mode: String,
    uid: String,
    gid: String,
    links: String,
    /// Major and minor number of a device.
    device: Option<(u32, u32)>,
    mtime: String,
}

/// Returns the mode of an entry of a tar with its kind, octal as it is printed.
fn mode_of(facts: &Facts) -> Option<String> {
    let kind = match facts.get("type")?.as_str() {
        "Regular" => 0o100_000,
        "Directory" => 0o40_000,
        "Symlink" => 0o120_000,
        "Char" => 0o20_000,
        "Block" => 0o60_000,
        "Fifo" => 0o10_000,
        // Another name of what was there before.
        _ => return None,
    };
    let mode = u32::from_str_radix(facts.get("mode")?, 8).ok()?;
    Some(format!("{:o}", kind | mode))
}

/// Compares what an image says of files with the tar of the same target.
fn compare(
    tar: &Path,
    of_image: impl Fn(&str) -> Tested<Inode>,
    content: impl Fn(&str) -> Tested<Vec<u8>>,
) -> Tested {
    let mut compared = 0;
    for (path, facts) in &entries(tar)? {
        let path = path.trim_end_matches('/');
        if path == "var" || path == "var/hole" {
            continue;
        }
        let odd = path.starts_with("odd/") && path != "odd/large";
        // One of the many is enough; odd names are in the tests of the crates.
        if odd || path == "." || (path.contains("many/file") && !path.ends_with("01234")) {
            continue;
        }
        let Some(mode) = mode_of(facts) else { continue };
        let found = of_image(path)?;
        let owner = format!("{}:{}", found.uid, found.gid);
        assert_eq!((&found.mode, &owner), (&mode, &facts["owner"]), "{path}");
        let device = found.device.map(|(major, minor)| format!("{major}:{minor}"));
        assert_eq!(device.as_ref(), facts.get("device"), "{path}");
        assert!(
            found.mtime == TIME.to_string() || found.mtime.contains("Jul 14 02:40:00 2017"),
            "{path}: {found:?}"
        );
        if path == "usr/bin/su" {
            assert_eq!(found.links, "2", "{path}");
        }
        compared += 1;
    }
    assert!(compared > 20, "only {compared} entries were compared");
    for (path, bytes) in [
        ("/usr/bin/su-too", b"su".as_slice()),
        ("/odd/#\"quoted\" 'name'\\", b"quoted"),
        ("/etc/shadow", b"root:*:::::::\n"),
    ] {
        assert_eq!(content(path)?, bytes, "{path}");
    }
    let pattern: Vec<u8> = (0..3_000_000_u32).map(|at| (at / 977 % 251) as u8).collect();
    assert!(content("/var/pattern")? == pattern);
    assert!(content("/var/zeroes")? == vec![0; 20_000_000]);
    Ok(())
}

/// Returns the content of a file as GRUB reads the image.
fn by_grub(image: &Path, path: &str) -> Tested<Vec<u8>> {
    Ok(told("grub-fstest", &[&image, &"cat", &path])?)
}

/// The inodes of a btrfs image by their paths, as `dump-tree` prints them.
fn inodes_of_btrfs(image: &Path) -> Tested<BTreeMap<String, Inode>> {
    let printed = text("btrfs", &[&"inspect-internal", &"dump-tree", &"-t", &"5", &image])?;
    let (mut inodes, mut names) = (BTreeMap::new(), Vec::new());
    let mut key = ["", "", ""];
    let mut lines = printed.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        if let Some((_, rest)) = line.split_once(" key (").filter(|_| line.starts_with("item ")) {
            let mut words = rest.split([' ', ')']);
            key = [
                words.next().unwrap_or(""),
                words.next().unwrap_or(""),
                words.next().unwrap_or(""),
            ];
            continue;
        }
        let field = |name: &str| {
            let mut words = line.split_whitespace().skip_while(|word| *word != name);
            words.nth(1).unwrap_or_default().to_owned()
        };
        if key[1] == "INODE_ITEM" && line.starts_with("block group") {
            let rdev: u64 = field("rdev").parse()?;
            let device = (rdev != 0).then_some(((rdev >> 20) as u32, (rdev & 0xf_ffff) as u32));
            let mtime = lines.by_ref().find_map(|line| line.strip_prefix("mtime "));
            let mtime = mtime.and_then(|time| time.split('.').next()).unwrap_or_default();
            let inode = Inode {
                mode: field("mode"),
                uid: field("uid"),
                gid: field("gid"),
                links: field("links"),
                device,
                mtime: mtime.to_owned(),
            };
            inodes.insert(key[0].to_owned(), inode);
        } else if let Some((_, name)) = line.split_once("name: ").filter(|_| key[1] == "INODE_REF") {
            names.push((key[0].to_owned(), key[2].to_owned(), name.to_owned()));
        }
    }
    // A directory may come after what is in it.
    let parent: BTreeMap<&str, (&str, &str)> = names
        .iter()
        .map(|(inode, parent, name)| (inode.as_str(), (parent.as_str(), name.as_str())))
        .collect();
    let mut found = BTreeMap::new();
    for (inode, inode_parent, name) in &names {
        let mut path = name.clone();
        let mut at = inode_parent.as_str();
        while let Some((up, name)) = parent.get(at).filter(|(up, _)| *up != at) {
            path = format!("{name}/{path}");
            at = up;
        }
        if let Some(known) = inodes.get(inode) {
            found.insert(path, Inode::clone(known));
        }
    }
    Ok(found)
}

/// What `xfs_db` prints of the inode of a path.
fn inode_of_xfs(image: &Path, path: &str) -> Tested<Inode> {
    let find = format!("path /{path}");
    let printed = text("xfs_db", &[&"-r", &"-c", &find, &"-c", &"print", &image])?;
    let field = |name: &str| {
        let value = printed
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
        value.unwrap_or_default().to_owned()
    };
    let device = match field("u3.dev")
        .strip_prefix("0x")
        .filter(|_| field("core.format").contains("(dev)"))
    {
        // Fifos have this format as well.
        Some(number) => Some(u32::from_str_radix(number, 16)?).filter(|number| *number != 0),
        None => None,
    };
    Ok(Inode {
        mode: field("core.mode").trim_start_matches('0').to_owned(),
        uid: field("core.uid"),
        gid: field("core.gid"),
        links: field("core.nlinkv2"),
        // sysv_encode_dev
        device: device.map(|number| (number >> 18, number & 0x3_ffff)),
        mtime: field("core.mtime.sec"),
    })
}

scenario!(
    /// Owners, modes, times, devices, links, capabilities, holes and content are those of the tar.
    btrfs_and_xfs_say_the_same, IMAGES_GRUB, {
    let work = Workplace::new()?;
    let target = filled::target(&work, "t")?;
    std::fs::File::create(target.join("var/hole"))?.set_len(500_000_000)?;
    for ending in ["tar", "btrfs", "xfs"] {
        pack(&work, &target, &format!("i.{ending}"), &[])?;
    }
    let tar = work.out("i.tar");
    let btrfs = work.out("i.btrfs");
    told("btrfs", &[&"check", &"--readonly", &"--check-data-csum", &btrfs])?;
    let inodes = inodes_of_btrfs(&btrfs)?;
    let of_btrfs = |path: &str| -> Tested<Inode> {
        let found = inodes.get(path).cloned();
        Ok(found.ok_or_else(|| format!("no {path} in {:?}", inodes.keys()))?)
    };
    compare(&tar, of_btrfs, |path| by_grub(&btrfs, path))?;
    // `dump-tree` ends values at a zero; on the disk the value follows the name.
    let capability = [b"security.capability".as_slice(), &CAPABILITY].concat();
    let bytes = std::fs::read(&btrfs)?;
    assert!(bytes.windows(capability.len()).any(|found| found == capability), "no capability");

    let xfs = work.out("i.xfs");
    told("xfs_repair", &[&"-n", &xfs])?;
    compare(&tar, |path| inode_of_xfs(&xfs, path), |path| by_grub(&xfs, path))?;
    let ping = text("xfs_db", &[&"-r", &"-c", &"path /usr/bin/ping", &"-c", &"print", &xfs])?;
    let value = "secure = 1\na.sfattr.list[0].name = \"capability\"\na.sfattr.list[0].value = \"\\001\\000\\000\\002\\000 \\000";
    assert!(ping.contains(value), "{ping}");
    // Holes take no room, neither in the filesystem nor in its file.
    for image in [&btrfs, &xfs] {
        let size = std::fs::metadata(image)?.len();
        assert!(size < 300_000_000, "{}: {size}", image.display());
    }
});

scenario!(
    /// Sizes, labels and UUIDs of btrfs and XFS; the same bytes twice.
    their_sizes_and_names, IMAGES, {
    let work = Workplace::new()?;
    let target = filled::target(&work, "t")?;
    let uuid = "11111111-2222-4333-8444-555555555555";
    for (format, size) in [("btrfs", 300 << 20), ("xfs", 400 << 20)] {
        let name = format!("sized.{format}");
        let bytes = size.to_string();
        pack(&work, &target, &name, &["--size", &bytes, "--fs-uuid", uuid, "--fs-label", "root fs"])?;
        let image = work.out(&name);
        assert_eq!(std::fs::metadata(&image)?.len(), size);
        let header = match format {
            "btrfs" => text("btrfs", &[&"inspect-internal", &"dump-super", &image])?,
            _ => text("xfs_db", &[&"-r", &"-c", &"sb 0", &"-c", &"print uuid fname dblocks blocksize", &image])?,
        };
        assert!(header.contains(uuid) && header.contains("root fs"), "{header}");
        // With room besides, it is that much larger.
        pack(&work, &target, &format!("plain.{format}"), &[])?;
        pack(&work, &target, &format!("again.{format}"), &[])?;
        pack(&work, &target, &format!("free.{format}"), &["--free", "100M"])?;
        let plain = work.out(&format!("plain.{format}"));
        assert!(std::fs::read(&plain)? == std::fs::read(work.out(&format!("again.{format}")))?, "{format} differs");
        let more = std::fs::metadata(work.out(&format!("free.{format}")))?.len() - std::fs::metadata(&plain)?.len();
        assert!((90 << 20..200 << 20).contains(&more), "{format}: {more} bytes more");
        let small = run(&work, &[&"pack", &"--size", &"6M", &target, &work.out(&format!("small.{format}"))])?;
        small.failed_with(&["too small", "give --size"]);
    }
    let long = run(&work, &[&"pack", &"--fs-label", &"0123456789abc", &target, &work.out("long.xfs")])?;
    long.failed_with(&["12 bytes"]);
});
