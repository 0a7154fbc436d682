//! Formats of the result: each says the same as the tar, is sound to those who read it, and has the same bytes each time.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use rootless_install_tests::compare::compare_files;
use rootless_install_tests::filled::{self, TIME};
use rootless_install_tests::listing::entries;
use rootless_install_tests::packing::{pack, run, told};
use rootless_install_tests::program::Workplace;
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::{Synthetic, package};

type Tested<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Endings of formats without a compression of their own.
const FILES: [&str; 8] = [
    "tar",
    "cpio",
    "squashfs",
    "ext2",
    "ext3",
    "ext4",
    "oci",
    "docker.tar",
];

/// Checks an image of ext2, ext3 or ext4 against the tar of the same target.
fn same_as_tar(image: &Path, tar: &Path) -> Tested {
    told("e2fsck", &[&"-fn", &image])?;
    let debugfs = |command: String| -> Tested<String> {
        Ok(String::from_utf8_lossy(&told("debugfs", &[&"-R", &command, &image])?).into_owned())
    };
    let facts = entries(tar)?;
    let mut compared = 0;
    for (path, facts) in &facts {
        // One of the many is enough.
        if path.contains("many/file") && !path.ends_with("01234") {
            continue;
        }
        let name = path.trim_end_matches('/').replace('"', "\"\"");
        let stat = debugfs(format!("stat \"/{name}\""))?;
        let (uid, gid) = facts
            .get("owner")
            .and_then(|owner| owner.split_once(':'))
            .ok_or("no owner")?;
        let has = |field: &str, value: &str| {
            let found = stat
                .split(field)
                .nth(1)
                .and_then(|rest| rest.split_whitespace().next());
            assert_eq!(found, Some(value), "{path}: {field} in {stat}");
        };
        // It prints large numbers with a sign.
        let signed = |id: &str| id.parse::<u32>().map(|id| id.cast_signed().to_string());
        has("User:", &signed(uid)?);
        has("Group:", &signed(gid)?);
        let kind = facts.get("type").map(String::as_str).unwrap_or_default();
        if kind != "Symlink" && kind != "Link" {
            assert!(
                stat.contains(&format!("Mode:  0{}", facts["mode"].trim_start_matches('0'))),
                "{path}: {stat}"
            );
        }
        let time = format!("mtime: 0x{:08x}", TIME);
        let crtime = format!("crtime: 0x{:08x}", TIME);
        // What setcap and the test's preparation have touched has times of its own.
        assert!(
            stat.contains(&time) && (stat.contains(&crtime) || !stat.contains("crtime")),
            "{path}: {stat}"
        );
        if let Some((major, minor)) = facts.get("device").and_then(|device| device.split_once(':')) {
            let number = format!("number: {major:0>2}:{minor:0>2} ");
            assert!(stat.contains(&number), "{path}: {number}: {stat}");
        }
        compared += 1;
    }
    assert!(compared > 30, "only {compared} entries were compared");
    let names = debugfs("ls -p /usr/share/many".to_owned())?;
    assert_eq!(names.matches("/file-").count(), 1500);
    let su = debugfs("stat /usr/bin/su".to_owned())?;
    assert!(su.contains("Links: 2"), "{su}");
    let first = |text: &str| text.split_whitespace().nth(1).map(str::to_owned);
    assert_eq!(
        first(&su),
        first(&debugfs("stat /usr/bin/su-too".to_owned())?),
        "two files"
    );
    let capability = debugfs("ea_get -V -x /usr/bin/ping security.capability".to_owned())?;
    assert!(
        capability.replace(' ', "").contains("0100000200200000"),
        "{capability}"
    );
    // Holes are holes: a file of 20 MB takes no block.
    let zeroes = debugfs("stat /var/zeroes".to_owned())?;
    assert!(
        zeroes.contains("Size: 20000000") && zeroes.contains("Blockcount: 0"),
        "{zeroes}"
    );
    let pattern = told("debugfs", &[&"-R", &"cat /var/pattern", &image])?;
    assert_eq!(pattern.len(), 3_000_000);
    Ok(())
}

scenario!(
    /// Every format has what the tar has, as the format's own tools read it, and what is unpacked of it is the same again.
    every_format_says_the_same, IMAGES, {
    let work = Workplace::new()?;
    let target = filled::target(&work, "t")?;
    for ending in FILES {
        pack(&work, &target, &format!("i.{ending}"), &[])?;
    }
    let tar = work.out("i.tar");
    let of_tar = entries(&tar)?;
    assert_eq!(of_tar["etc/shadow"]["owner"], "0:42");
    assert_eq!(of_tar["usr/bin/ping"]["SCHILY.xattr.security.capability"], "0100000200200000000000000000000000000000");
    assert!(!of_tar.keys().any(|name| name.contains("README")), "the marker is in the tar");
    std::fs::write(work.out("s.tar"), told("sqfs2tar", &[&work.out("i.squashfs")])?)?;
    // It has no entry for the root.
    let squashfs = compare_files(&tar, &work.out("s.tar"))?;
    let others: Vec<_> = squashfs.differences.iter().filter(|difference| difference.path != ".").collect();
    assert!(others.is_empty(), "{squashfs}");
    assert!(squashfs.entries.1 + 1 >= of_tar.len(), "{squashfs}");
    for ending in ["ext2", "ext3", "ext4"] {
        same_as_tar(&work.out(&format!("i.{ending}")), &tar)?;
    }
    let cpio = std::fs::File::open(work.out("i.cpio"))?;
    let listed = Command::new("cpio").args(["-itvn", "--quiet"]).stdin(cpio).env("LC_ALL", "C").output()?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    for line in ["-rwsr-xr-x   2 0        0", "drwxr-s---   2 1000     1001", "crw-rw-rw-   1 0        0          1,   3"] {
        assert!(listed.contains(line), "{line}: {}", listed.get(..2000).unwrap_or(&listed));
    }
    assert_eq!(listed.lines().count(), of_tar.len());
    for (ending, input) in [
        ("tar", ""),
        ("cpio", ""),
        ("squashfs", ""),
        ("oci", "oci-archive:"),
        ("docker.tar", "docker-archive:"),
    ] {
        let input = format!("{input}{}", work.out(&format!("i.{ending}")).display());
        let again = work.out(&format!("again-{ending}"));
        run(&work, &[&"unpack", &input, &again])?.succeeded();
        pack(&work, &again, &format!("again-{ending}.packed.tar"), &[])?;
        let compared = compare_files(&tar, &work.out(&format!("again-{ending}.packed.tar")))?;
        // A cpio archive has no capabilities.
        let lost: &[&str] = if ending == "cpio" { &["usr/bin/ping"] } else { &[] };
        let differ: Vec<&str> = compared.differences.iter().map(|difference| difference.path.as_str()).collect();
        assert_eq!(differ, lost, "{ending}: {compared}");
    }
});

scenario!(
    /// The same target gives the same bytes in another place, with another umask, time zone, locale and order on the disk.
    images_are_the_same_bytes, IMAGES, {
    let work = Workplace::new()?;
    let target = filled::target(&work, "t")?;
    // Copied as a user copies it; the order of names on the disk is another one.
    let copy = work.out("a-copy-with-another-name");
    let copied = work.run_plain([target.as_os_str(), copy.as_os_str()]).through("shift; exec cp -a \"$@\"");
    copied.end()?.succeeded();
    for ending in FILES.into_iter().chain(["btrfs", "xfs", "tar.xz", "tar.gz", "tar.zst", "cpio.gz"]) {
        pack(&work, &target, &format!("a.{ending}"), &[])?;
        let out = work.out(&format!("b.{ending}"));
        let words = ["pack".as_ref(), copy.as_os_str(), out.as_os_str()];
        let run = work
            .run_plain(words)
            .env("TZ", "Pacific/Auckland")
            .env("LC_ALL", "tr_TR.UTF-8")
            .through("umask 077; exec \"$@\"");
        run.end()?.succeeded();
        let (a, b) = (std::fs::read(work.out(&format!("a.{ending}")))?, std::fs::read(out)?);
        assert!(a == b, "{ending} differs");
    }
});

scenario!(
    /// Sizes, labels and UUIDs of filesystems, and what is said of options that cannot be.
    sizes_and_names, IMAGES, {
    let work = Workplace::new()?;
    let target = filled::target(&work, "t")?;
    let header = |name: &str| -> Tested<String> {
        Ok(String::from_utf8_lossy(&told("dumpe2fs", &[&"-h", &work.out(name)])?).into_owned())
    };
    let number = |header: &str, field: &str| -> u64 {
        let line = header.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
        line.trim().parse().unwrap_or_default()
    };
    let uuid = "11111111-2222-4333-8444-555555555555";
    let options = ["--free", "64M", "--fs-label", "root", "--fs-uuid", uuid];
    pack(&work, &target, "free.ext4", &options)?;
    let free = header("free.ext4")?;
    assert!(number(&free, "Free blocks:") * 4096 >= 64 << 20, "{free}");
    assert!(free.contains("root") && free.contains(uuid), "{free}");
    pack(&work, &target, "sized.img", &["--format", "ext4", "--size", "200M"])?;
    assert_eq!(std::fs::metadata(work.out("sized.img"))?.len(), 200 << 20);
    told("e2fsck", &[&"-fn", &work.out("sized.img")])?;
    let out = |name: &str| work.out(name);
    let small = run(&work, &[&"pack", &"--size", &"6M", &target, &out("small.ext4")])?;
    small.failed_with(&["6.3 MB is too small", "needed", "--size"]);
    assert!(!out("small.ext4").exists());
    for (words, said) in [
        (["--size", "1G", "x.tar"], "--size has no meaning"),
        (["--fs-label", "x", "x.squashfs"], "--fs-label has no meaning"),
        (["--fs-label", "0123456789abcdefg", "x.ext4"], "16 bytes"),
        (["--oci-user", "x", "x.ext4"], "container images"),
        (["--oci-env", "x", "x.oci"], "NAME=VALUE"),
        (["--size", "much", "x.ext4"], "2G"),
        (["--format", "f2fs", "x.img"], "xfs"),
        (["--format", "auto", "x"], "says no format"),
    ] {
        let [option, value, name] = words;
        let done = run(&work, &[&"pack", &option, &value, &target, &out(name)])?;
        assert_eq!(done.status.code(), Some(2), "{words:?}: {}", done.stderr);
        assert!(done.stderr.contains(said), "{words:?}: {}", done.stderr);
        assert!(!out(name).exists(), "{name}");
    }
    run(&work, &[&"pack", &work.path("home"), &out("x.tar")])?.failed_with(&["not a root filesystem", "adopt"]);
    assert_eq!(work.names("tmp")?, [""; 0], "temporary files are left");
});

scenario!(
    /// Installations straight into images; images with packages in common share their base layer; others read them.
    containers_in_layers, CONFIGURE_IMAGES, {
    let more = package("more")?.file("usr/share/more/file", "more\n", 0o644);
    let archive = Synthetic::with(&[more])?;
    let work = &archive.work;
    let make = |include: &str, target: String, options: &[&str]| -> Tested {
        let mut arguments = archive.options();
        arguments.extend(["--variant", "essential"].map(Into::into));
        arguments.extend(options.iter().map(Into::into));
        if !include.is_empty() {
            arguments.extend(["--include".into(), include.into()]);
        }
        arguments.push(target.into());
        work.run(arguments).env("SOURCE_DATE_EPOCH", "1700000000").end()?.succeeded();
        Ok(())
    };
    let out = |name: &str| work.out(name).display().to_string();
    make("", format!("oci:{}:base", out("one")), &[])?;
    let config = [
        "--oci-entrypoint", "/bin/dash", "--oci-entrypoint=-c", "--oci-cmd", "true", "--oci-env", "A=b c",
        "--oci-user", "33:33", "--oci-workdir", "/srv", "--oci-label", "org.example.x=y",
    ];
    make("more", out("two.oci"), &config)?;
    make("more", out("dir"), &[])?;
    make("more", out("three.ext4"), &[])?;
    told("e2fsck", &[&"-fn", &work.out("three.ext4")])?;
    let inspect = |image: String, options: &[&str]| -> Tested<serde_json::Value> {
        let mut words: Vec<&dyn AsRef<OsStr>> = vec![&"inspect"];
        words.extend(options.iter().map(|option| option as &dyn AsRef<OsStr>));
        words.push(&image);
        Ok(serde_json::from_slice(&told("skopeo", &words)?)?)
    };
    let one = inspect(format!("oci:{}:base", out("one")), &[])?;
    let two = inspect(format!("oci-archive:{}", out("two.oci")), &[])?;
    assert_eq!(one["Layers"][0], two["Layers"][0], "the base layer");
    assert_eq!((one["Layers"].as_array().map(Vec::len), two["Layers"].as_array().map(Vec::len)), (Some(2), Some(3)));
    assert_eq!(two["Created"], "2023-11-14T22:13:20Z");
    let config = inspect(format!("oci-archive:{}", out("two.oci")), &["--config"])?;
    let config = &config["config"];
    assert_eq!(config["Entrypoint"], serde_json::json!(["/bin/dash", "-c"]));
    assert_eq!((&config["Cmd"][0], &config["User"], &config["WorkingDir"]), (&"true".into(), &"33:33".into(), &"/srv".into()));
    assert_eq!((&config["Env"][1], &config["Labels"]["org.example.x"]), (&"A=b c".into(), &"y".into()));
    // Copying verifies every digest; unpacking applies the layers.
    let copied = format!("oci:{}:two", out("copied"));
    told("skopeo", &[&"--insecure-policy", &"copy", &"-q", &format!("oci-archive:{}", out("two.oci")), &copied])?;
    told("umoci", &[&"unpack", &"--rootless", &"--image", &format!("{}:two", out("copied")), &work.path("bundle")])?;
    let more = std::fs::read_to_string(work.path("bundle").join("rootfs/usr/share/more/file"))?;
    assert_eq!(more, "more\n");
    // The layers together are the target.
    pack(work, &work.out("dir"), "dir.tar", &[])?;
    let again = work.out("again");
    run(work, &[&"unpack", &format!("oci-archive:{}", out("two.oci")), &again])?.succeeded();
    pack(work, &again, "again.tar", &[])?;
    let compared = compare_files(&work.out("dir.tar"), &work.out("again.tar"))?;
    assert_eq!(compared.differences, [], "{compared}");
});
