//! Archives of others that become targets: several in one, layers of container images, what is cut off; and what is told
//! of what a target or a format cannot hold.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use rootless_install_tests::deb::{Entry, Kind, directory, entry, hex, tar as tar_of};
use rootless_install_tests::filled::{self, TIME};
use rootless_install_tests::listing::entries;
use rootless_install_tests::packing::{pack, run, text, told};
use rootless_install_tests::program::{Outcome, Workplace};
use rootless_install_tests::scenario;
use sha2::{Digest as _, Sha256};

type Tested<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Has the user's shell run a script, in which `"$1"` is the program.
fn shell(work: &Workplace, script: &str, words: &[&dyn AsRef<OsStr>]) -> Tested<Outcome> {
    let words: Vec<OsString> = words.iter().map(|word| word.as_ref().to_owned()).collect();
    Ok(work.run_plain(words).through(script).end()?)
}

fn file(name: &str, content: &[u8]) -> Entry {
    entry(name, Kind::File(content.to_vec()), 0o644)
}

/// What `docker save` writes of layers, under the name `debian:latest`.
fn docker(layers: &[Vec<Entry>]) -> Tested<Vec<u8>> {
    let mut all = Vec::new();
    let mut names = Vec::new();
    for layer in layers {
        let layer = tar_of(layer, TIME)?;
        let name = format!("{}.tar", hex(&Sha256::digest(&layer)));
        all.push(file(&name, &layer));
        names.push(name);
    }
    let manifest =
        serde_json::json!([{"Config": "config.json", "RepoTags": ["debian:latest"], "Layers": names}]);
    all.push(file("config.json", b"{}"));
    all.push(file("manifest.json", manifest.to_string().as_bytes()));
    Ok(tar_of(&all, TIME)?)
}

scenario!(
    /// Layers: a link takes the place of a directory that is not empty; what is removed is removed of the layers below
    /// only, wherever in its layer the marker is.
    layers_upon_layers, PROGRAM, {
    let work = Workplace::new()?;
    let link = |name: &str, to: &str| entry(name, Kind::Symlink(to.to_owned()), 0o777);
    let below = vec![
        directory("./lib/", 0o755), file("./lib/old", b"old"), directory("./usr/", 0o755),
        directory("./opaque/", 0o755), file("./opaque/below", b"below"), directory("./opaque/deep/", 0o755), file("./opaque/deep/x", b"x"),
        file("./gone", b"gone"), file("./anew", b"below"), file("./kept", b"kept"),
    ];
    let above = vec![
        link("./lib", "usr/lib"), directory("./usr/lib/", 0o755), file("./usr/lib/new", b"new"),
        directory("./opaque/", 0o755), file("./opaque/above", b"above"), file("./opaque/.wh..wh..opq", b""), file("./opaque/later", b"later"),
        file("./.wh.gone", b""), file("./anew", b"above"), file("./.wh.anew", b""),
    ];
    let archive = work.write("image", &docker(&[below, above])?)?;
    // A name without a tag means the latest.
    for name in ["", ":debian", ":debian:latest"] {
        let target = work.out("t");
        let input = format!("docker-archive:{}{name}", archive.display());
        run(&work, &[&"unpack", &input, &target])?.succeeded();
        let has = |name: &str| std::fs::read_to_string(target.join(name)).ok();
        assert_eq!(std::fs::read_link(target.join("lib"))?, Path::new("usr/lib"));
        assert_eq!(has("usr/lib/new").as_deref(), Some("new"));
        assert_eq!(work.names("out/t/opaque")?, ["above", "later"]);
        assert_eq!((has("gone"), has("anew").as_deref(), has("kept").as_deref()), (None, Some("above"), Some("kept")));
        run(&work, &[&"rm", &target])?.succeeded();
    }
    let input = format!("docker-archive:{}:debian:13", archive.display());
    run(&work, &[&"unpack", &input, &work.out("t")])?.failed_with(&["no image of that name"]);
});

scenario!(
    /// An initrd of several archives, each compressed in its own way; further names of empty files are links.
    several_archives_in_one, IMAGES, {
    let work = Workplace::new()?;
    let script = "set -e; cd $TMPDIR; mkdir -p a/kernel/x86 b/etc c/usr d; echo microcode >a/kernel/x86/ucode; echo b >b/etc/b; ln b/etc/b b/etc/b2; \
        : >c/usr/empty; ln c/usr/empty c/usr/empty2; ln c/usr/empty c/usr/empty3; echo d >d/d; \
        for name in a b c d; do (cd $name; find . | LC_ALL=C sort | cpio -o -H newc --quiet) >$name.cpio; done; \
        head -c 1000 /dev/zero >zeroes; gzip -c b.cpio >b.gz; xz -c c.cpio >c.xz; zstd -q -c d.cpio >d.zst; \
        cat a.cpio zeroes b.gz zeroes c.xz d.zst >initrd.img; cat b.gz a.cpio c.xz >other.img; cat a.cpio b.gz | head -c -20 >cut.img; \
        (cat a.cpio zeroes; echo something else) >odd.img; \
        for name in initrd other; do $1 unpack $name.img $name; done; for name in cut odd; do ! $1 unpack $name.img $name || exit 1; ! [ -e $name ]; done";
    let done = shell(&work, script, &[])?;
    let said = &done.succeeded().stderr;
    assert!(said.contains("cut.img is damaged or cut off") && said.contains("odd.img is damaged") && said.contains("something else"), "{said}");
    let tmp = work.path("tmp");
    for (name, content) in [
        ("initrd/kernel/x86/ucode", "microcode\n"), ("initrd/etc/b2", "b\n"), ("initrd/usr/empty3", ""), ("initrd/d", "d\n"),
        ("other/kernel/x86/ucode", "microcode\n"), ("other/etc/b", "b\n"), ("other/usr/empty", ""),
    ] {
        assert_eq!(std::fs::read_to_string(tmp.join(name))?, content, "{name}");
    }
    pack(&work, &tmp.join("initrd"), "i.tar", &[])?;
    let of_tar = entries(&work.out("i.tar"))?;
    assert_eq!((of_tar["usr/empty2"]["type"].as_str(), of_tar["usr/empty3"]["type"].as_str()), ("Link", "Link"));
    assert_eq!((of_tar["etc/b"]["type"].as_str(), of_tar["etc/b2"]["type"].as_str()), ("Regular", "Link"));
});

scenario!(
    /// What is cut off between members, or damaged at its end, is no archive; and it is said that it could not be read.
    cut_off_anywhere, PROGRAM, {
    let work = Workplace::new()?;
    let whole = tar_of(&[directory("./", 0o755), file("./a", &[b'a'; 600]), file("./b", b"b")], TIME)?;
    let script = "set -e; cd $TMPDIR; gzip -nc $2 >x.gz; xz -c $2 >x.xz; zstd -q -c $2 >x.zst";
    let path = work.write("whole.tar", &whole)?;
    shell(&work, script, &[&path])?.succeeded();
    for end in ["gz", "xz", "zst"] {
        let good = work.path("tmp").join(format!("x.{end}"));
        run(&work, &[&"unpack", &good, &work.out("t")])?.succeeded();
        run(&work, &[&"rm", &work.out("t")])?.succeeded();
        let mut bytes = std::fs::read(&good)?;
        // Of gzip the checksum, of the others what is checked at the end.
        let at = bytes.len() - if end == "gz" { 6 } else { 2 };
        bytes[at] ^= 0x55;
        let bad = work.write(&format!("bad.{end}"), &bytes)?;
        run(&work, &[&"unpack", &bad, &work.out("t")])?.failed_with(&["damaged or cut off"]);
        let cut = work.write(&format!("cut.{end}"), &bytes[..bytes.len() - 9])?;
        run(&work, &[&"unpack", &cut, &work.out("t")])?.failed_with(&["damaged or cut off"]);
    }
    // After the member ./a, after its header, in its content, in a header.
    for length in [512 + 512 + 1024, 1024, 1500, 700] {
        let cut = work.write("cut.tar", &whole[..length])?;
        let done = run(&work, &[&"unpack", &cut, &work.out("t")])?;
        done.failed_with(&["damaged or cut off"]);
        assert!(!done.stderr.contains("cannot write"), "{length}: {}", done.stderr);
        assert_eq!(work.names("out")?, [""; 0]);
    }
});

scenario!(
    /// What a target or a format cannot hold is told: access control lists as text, times; names that debugfs could take
    /// for something else are names.
    nothing_is_lost_in_silence, IMAGES, {
    let work = Workplace::new()?;
    let script = "set -e; cd $TMPDIR; mkdir -p s/etc; echo x >s/etc/x; echo y >'s/etc/<2>'; chmod 600 's/etc/<2>'; echo z >s/etc/z; touch -d '1960-01-01 UTC' s/etc/x; \
        tar --format=pax --pax-option=SCHILY.acl.access:=user::rw- -cf acl.tar -C s .; \
        $1 unpack acl.tar t";
    let done = shell(&work, script, &[])?;
    let said = &done.succeeded().stderr;
    assert!(said.contains("access control lists of") && said.contains("SCHILY.acl"), "{said}");
    let tree = work.path("tmp").join("t");
    for (ending, tells) in [("ext4", true), ("cpio", true), ("squashfs", true), ("tar", false)] {
        let out = work.out(&format!("i.{ending}"));
        let done = run(&work, &[&"pack", &tree, &out])?;
        assert_eq!(done.succeeded().stderr.contains("1 file has another time"), tells, "{ending}: {}", done.stderr);
    }
    // Lists whose users are numbers are taken.
    let mut builder = tar::Builder::new(Vec::new());
    let list: &[u8] = b"user::rw-,user:500:r--,group::r--,mask::r--,other::r--";
    let plain: &[u8] = b"user::rw-,group::r--,other::r--";
    for (name, list) in [("listed", list), ("plain", plain)] {
        builder.append_pax_extensions([("SCHILY.acl.access", list)])?;
        let mut header = tar::Header::new_ustar();
        header.set_size(1);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(TIME);
        builder.append_data(&mut header, name, &b"x"[..])?;
    }
    let path = work.write("acl.tar", &builder.into_inner()?)?;
    let done = run(&work, &[&"unpack", &path, &work.out("acl")])?;
    assert!(!done.succeeded().stderr.contains("access control"), "{}", done.stderr);
    pack(&work, &work.out("acl"), "packed.tar", &[])?;
    let packed = entries(&work.out("packed.tar"))?;
    let found = packed["listed"].get("SCHILY.xattr.system.posix_acl_access").cloned().unwrap_or_default();
    assert!(found.starts_with("0200000001000600ffffffff02000400f4010000"), "{found}");
    assert!(!packed["plain"].keys().any(|key| key.contains("acl")), "{:?}", packed["plain"]);
    let image = work.out("i.ext4");
    told("e2fsck", &[&"-fn", &image])?;
    let modes = text("debugfs", &[&"-R", &"ls -p /etc", &image])?;
    assert!(modes.contains("/100600/") && modes.lines().any(|line| line.contains("/<2>/") && line.contains("/100600/")), "{modes}");
    // The root, inode 2, is what it was.
    let root = text("debugfs", &[&"-R", &"stat <2>", &image])?;
    assert!(root.contains("Type: directory"), "{root}");
});

scenario!(
    /// A target is not written into itself; a name that says no format is answered with those that do.
    packed_elsewhere, PROGRAM, {
    let work = Workplace::new()?;
    let target = filled::target(&work, "t")?;
    for script in [
        "cd $2 && ! $1 pack . x.tar",
        "cd $2/etc && ! $1 pack .. x.tar",
        "cd $2 && ! $1 pack . ./etc/../x.squashfs",
        "cd $TMPDIR && ln -s $2 link && ! $1 pack $2 link/x.tar",
        "cd $2 && ! TMPDIR=$2/tmp $1 pack . - >/dev/null",
    ] {
        let done = shell(&work, script, &[&target])?;
        assert!(done.succeeded().stderr.contains("is in the target"), "{script}: {}", done.stderr);
    }
    assert!(!target.join("x.tar").exists() && std::fs::read_dir(&target)?.count() == 9, "something is left");
    shell(&work, "cd $2 && $1 pack . ../x.tar", &[&target])?.succeeded();
    let done = run(&work, &[&"pack", &target, &work.out("x")])?;
    assert_eq!(done.status.code(), Some(2));
    for ending in [".tar.zst", ".cpio", ".squashfs", ".ext4", ".erofs", ".img", ".qcow2", ".oci", "--format"] {
        assert!(done.stderr.contains(ending), "{ending}: {}", done.stderr);
    }
});
