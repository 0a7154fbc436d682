use super::*;
use crate::output::Generation;

fn parse(argument: &str) -> Result<TargetSpec, TargetError> {
    TargetSpec::parse(OsStr::new(argument))
}

fn file(path: &str, format: Format) -> Result<TargetSpec, TargetError> {
    Ok(TargetSpec::File {
        path: path.into(),
        format,
    })
}

#[test]
fn forms() {
    let directory = |path: &str| Ok(TargetSpec::Directory(path.into()));
    let tar = |path, compression| file(path, Format::Tar(compression));
    let format = Format::Tar(Compression::None);
    assert_eq!(parse("-"), Ok(TargetSpec::Stdout { format }));
    assert_eq!(parse("target/"), directory("target/"));
    assert_eq!(parse("target"), directory("target"));
    assert_eq!(parse("a.tar"), tar("a.tar", Compression::None));
    assert_eq!(parse("a.tar/"), directory("a.tar/"));
    assert_eq!(parse("d/a.TAR.gz"), tar("d/a.TAR.gz", Compression::Gzip));
    assert_eq!(parse("a.tar.xz"), tar("a.tar.xz", Compression::Xz));
    assert_eq!(parse("a.tar.zst"), tar("a.tar.zst", Compression::Zstd));
    assert_eq!(parse("a.squashfs"), file("a.squashfs", Format::Squashfs));
    assert_eq!(parse("a.squashfs/"), directory("a.squashfs/"));
    for name in [
        "debian.13",
        "trixie-arm64",
        "target.d",
        "x.tmp",
        "mint",
        "line",
        "./help",
        "d/version",
        "a:b/",
        ".ext4",
    ] {
        assert_eq!(parse(name), directory(name));
    }
    assert_eq!(parse(""), Err(TargetError::Empty));
}

#[test]
fn container_images_as_other_tools_name_them() {
    let image = |path, layout| file(path, Format::Container(layout));
    assert_eq!(parse("oci:x"), image("x", Layout::OciDirectory));
    assert_eq!(parse("oci:d/x:latest"), image("d/x", Layout::OciDirectory));
    assert_eq!(parse("oci-archive:x.tar"), image("x.tar", Layout::OciArchive));
    assert_eq!(parse("docker-archive:x:a/b:c"), image("x", Layout::DockerArchive));
    let name = |argument: &str| TargetSpec::image_name(OsStr::new(argument));
    assert_eq!(name("docker-archive:x:a/b:c").as_deref(), Some("a/b:c"));
    assert_eq!((name("oci:x"), name("oci:x:"), name("x.tar")), (None, None, None));
    assert_eq!(parse("oci:"), Err(TargetError::Empty));
}

#[test]
fn the_format_can_be_said() {
    let find = |argument: &str, form| TargetSpec::find(OsStr::new(argument), form);
    let ext4 = Format::Ext(Generation::Ext4);
    assert_eq!(find("disk.img", Form::File(ext4)), file("disk.img", ext4));
    assert_eq!(
        find("-", Form::File(ext4)),
        Ok(TargetSpec::Stdout { format: ext4 })
    );
    let tar = |compression| Format::Tar(compression);
    let form = Form::File(tar(Compression::None));
    assert_eq!(find("x.gz", form), file("x.gz", tar(Compression::Gzip)));
    assert_eq!(
        find("a.tar", Form::Directory),
        Ok(TargetSpec::Directory("a.tar".into()))
    );
    assert_eq!(find("-", Form::Null), Ok(TargetSpec::Nothing));
    assert_eq!(find("", form), Err(TargetError::Empty));
}

#[test]
fn surprises_are_refused_with_the_nearest() {
    for (name, said) in [
        ("a.tar.bz2", "a.tar.xz"),
        ("a.tar.gzz", "a.tar.gz"),
        ("d.tar/a.tar.q", "d.tar/a.tar.zst"),
        ("a.sfs", "give a.squashfs,"),
        ("disk.f2fs", "give disk.ext4,"),
        ("rootfs.cpio.lz4", "give rootfs.cpio.zst,"),
        ("disk.img.xz", "give disk.img,"),
        ("disk.image", "give disk.img,"),
        ("y.tz2", "give y.tar.xz,"),
        ("rootfs.ext5", "give rootfs.ext4,"),
        ("d.d/rootfs.Squashf", "give d.d/rootfs.squashfs,"),
        ("disk.qcow3", "give disk.qcow2,"),
        ("disk.vmdx", "give disk.vmdk,"),
        ("A.TGZ", "give A.tar.gz,"),
        ("a.tra", "give a.tar,"),
        ("docker://x/y", "`docker:` is no kind of target"),
        ("file:///tmp/x", "./file:///tmp/x"),
        ("help", "rootless-install --help"),
        ("version", "rootless-install --version"),
        ("Help", "rootless-install --help"),
        ("install", "rootless-install TARGET"),
        ("simulate", "rootless-install plan"),
        ("boot", "rootless-install boot"),
        ("push", "rootless-install push"),
        ("publish", "rootless-install push"),
        ("clean", "rootless-install cache"),
        ("chroot", "rootless-install shell"),
        ("remove", "rootless-install dpkg"),
        ("lock", "--lock FILE"),
        ("compare", "rootless-install check"),
        ("lnit", "rootless-install lint"),
        ("lints", "rootless-install lint"),
        ("dkpg", "rootless-install dpkg"),
        ("LINT", "rootless-install lint"),
        ("pakc", "rootless-install pack"),
        ("Unpack", "rootless-install unpack"),
    ] {
        match parse(name) {
            Err(error) => assert!(error.to_string().contains(said), "{name}: {error}"),
            Ok(spec) => panic!("{name}: {spec:?}"),
        }
    }
}

#[test]
fn names_of_directories_are_left_alone() {
    for name in [
        "debian.13",
        "trixie.d",
        ".ext5",
        "a/.ext5",
        "ext5",
        "x.taz2",
        "rootfs.exts/t",
        "root.bar",
        "run2",
        "packs",
    ] {
        assert!(matches!(parse(name), Ok(TargetSpec::Directory(_))), "{name}");
    }
}

#[test]
fn words_before_others_are_commands() {
    for (word, said) in [
        ("runn", "rootless-install run`"),
        ("pak", "rootless-install pack"),
        ("chck", "rootless-install check"),
        ("umonut", "rootless-install umount"),
        ("mirrror", "rootless-install mirror"),
        ("enter", "rootless-install shell"),
        ("instal", "rootless-install TARGET"),
        ("udpate", "apt-get full-upgrade"),
    ] {
        let error = TargetError::of_word_before_others(OsStr::new(word));
        let error = error.unwrap_or_else(|| panic!("{word}")).to_string();
        assert!(error.contains(said), "{word}: {error}");
    }
    assert_eq!(TargetError::of_word_before_others(OsStr::new("target")), None);
}

#[test]
fn devices_and_pipes_are_written_to() {
    let null = TargetSpec::find(OsStr::new("/dev/null"), Form::Auto);
    let format = Format::Tar(Compression::None);
    assert_eq!(
        null,
        Ok(TargetSpec::Stream {
            path: "/dev/null".into(),
            format
        })
    );
    assert_eq!(TargetSpec::find(OsStr::new("x"), Form::Auto), parse("x"));
}
