use super::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use task_progress::with_causes;

struct Scene {
    directory: tempfile::TempDir,
    target: Target,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::create_dir(directory.path().join("work")).unwrap();
        let target = Target::open(&root).unwrap();
        let scene = Self { directory, target };
        for path in ["/etc", "/usr", "/usr/lib"] {
            let meta = Meta::of_root(FileType::Directory, 0o755);
            scene.target.make_dir(Path::new(path), &meta).unwrap();
        }
        scene
    }

    fn work(&self, name: &str) -> PathBuf {
        self.directory.path().join("work").join(name)
    }

    fn run(&self, hook: &str) -> Result<()> {
        self.run_without(hook, &[])
    }

    fn run_without(&self, hook: &str, skip: &[&str]) -> Result<()> {
        let skip = Skip(skip.iter().map(|step| (*step).to_owned()).collect());
        let special = Special {
            target: &self.target,
            directory: &self.directory.path().join("work"),
            skip: &skip,
        };
        special.run(&words(OsStr::new(hook)).unwrap())
    }

    fn link(&self, path: &str, text: &str) {
        let meta = Meta::of_root(FileType::Symlink, 0o777);
        self.target
            .make_symlink(Path::new(path), Path::new(text), &meta)
            .unwrap();
    }

    fn file(&self, path: &str, text: &str) {
        let meta = Meta::of_root(FileType::Regular, 0o640);
        self.target
            .write(Path::new(path), text.as_bytes(), &meta)
            .unwrap();
    }

    fn read(&self, path: &str) -> String {
        String::from_utf8(self.target.read(Path::new(path)).unwrap()).unwrap()
    }
}

#[test]
fn commands_are_told_from_programs() {
    for (text, special) in [
        ("copy-in a b", true),
        ("tar-out /a b", true),
        ("copy-in", false),
        ("download-all x", false),
        ("./upload a b", false),
    ] {
        assert_eq!(is_special(OsStr::new(text)), special, "{text}");
    }
    assert_eq!(
        words(OsStr::new("upload 'a b' c\\ d")).unwrap(),
        ["upload", "a b", "c d"]
    );
    assert!(words(OsStr::new("upload 'a")).is_err());
}

#[test]
fn trees_are_copied_in_with_what_they_have() {
    let scene = Scene::new();
    let tree = scene.work("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("file"), "x").unwrap();
    fs::set_permissions(tree.join("file"), fs::Permissions::from_mode(0o4750)).unwrap();
    fs::hard_link(tree.join("file"), tree.join("other")).unwrap();
    symlink("/nowhere", tree.join("link")).unwrap();
    scene.run("copy-in tree /etc").unwrap();
    let stat = |path: &str| scene.target.stat(Path::new(path)).unwrap();
    let here = fs::metadata(tree.join("file")).unwrap();
    assert_eq!(
        (stat("/etc/tree/file").meta.mode, stat("/etc/tree/file").meta.uid),
        (0o4750, here.uid())
    );
    assert_eq!(stat("/etc/tree/file").ino, stat("/etc/tree/other").ino);
    assert_eq!(
        scene.target.read_link(Path::new("/etc/tree/link")).unwrap(),
        Path::new("/nowhere")
    );
    assert_eq!(
        stat("/etc/tree").meta.mtime.sec,
        fs::metadata(&tree).unwrap().mtime()
    );
    // Only what is in it, over what is there.
    scene.file("/etc/file", "old");
    scene.run("sync-in tree /etc").unwrap();
    assert_eq!(scene.read("/etc/file"), "x");
}

#[test]
fn links_never_lead_out_of_the_target() {
    let scene = Scene::new();
    let secret = scene.directory.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    fs::write(scene.work("new"), "new").unwrap();
    let up = format!("../../../../../../../..{}", scene.directory.path().display());
    scene.link("/etc/up", &up);
    scene.link("/etc/absolute", &secret.to_string_lossy());
    for hook in [
        "download /etc/absolute out",
        "download /etc/up/secret out",
        "upload new /etc/up/secret",
        "copy-in new /etc/up",
        "tar-out /etc/up/secret out.tar",
    ] {
        let error = with_causes(&scene.run(hook).unwrap_err());
        assert!(error.contains("in the target, does not exist"), "{hook}: {error}");
    }
    // A link at the end is followed, inside.
    scene.link("/etc/alias", "/usr/lib/real");
    scene.run("upload new /etc/alias").unwrap();
    assert_eq!(scene.read("/usr/lib/real"), "new");
    assert_eq!(fs::read(&secret).unwrap(), b"secret");
    assert!(!scene.work("out").exists());
}

#[test]
fn archives_go_in_and_out() {
    let scene = Scene::new();
    scene.file("/etc/passwd", "root:x:0:0\n");
    scene.target.set_owner(Path::new("/etc/passwd"), 0, 42).unwrap();
    let null = Meta::of_root(FileType::CharDevice { major: 1, minor: 3 }, 0o666);
    scene.target.make_node(Path::new("/etc/null"), &null).unwrap();
    scene.run("tar-out /etc below/etc.tar").unwrap();
    let length = fs::metadata(scene.work("below/etc.tar")).unwrap().len();
    assert_eq!(length % 10240, 0);
    scene.run("tar-in below/etc.tar /usr/lib").unwrap();
    let stat = |path: &str| scene.target.stat(Path::new(path)).unwrap();
    assert_eq!(stat("/usr/lib/etc/passwd").meta.gid, 42);
    assert_eq!(stat("/usr/lib/etc/null").meta.kind, null.kind);
    assert_eq!(scene.read("/usr/lib/etc/passwd"), "root:x:0:0\n");
    let other = Scene::new();
    fs::create_dir(other.work("below")).unwrap();
    fs::copy(scene.work("below/etc.tar"), other.work("below/etc.tar")).unwrap();
    other
        .run_without("tar-in below/etc.tar /usr", &["tar-in/mknod"])
        .unwrap();
    assert!(other.target.stat(Path::new("/usr/etc/null")).is_err());
    assert_eq!(other.read("/usr/etc/passwd"), "root:x:0:0\n");
    fs::write(
        other.work("no.tar"),
        "this is no archive at all, and shorter than a block",
    )
    .unwrap();
    assert!(with_causes(&other.run("tar-in no.tar /usr").unwrap_err()).contains("no.tar"));
}

#[test]
fn names_that_lead_out_of_an_archives_directory_are_refused() {
    let scene = Scene::new();
    let mut header = tar::Header::new_ustar();
    header.as_ustar_mut().unwrap().name[..9].copy_from_slice(b"../escape");
    header.set_size(0);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(&[0; 1024]);
    fs::write(scene.work("evil.tar"), bytes).unwrap();
    let error = with_causes(&scene.run("tar-in evil.tar /etc").unwrap_err());
    assert!(error.contains("../escape"), "{error}");
}

#[test]
fn what_is_copied_out_belongs_to_the_user() {
    let scene = Scene::new();
    let meta = Meta::of_root(FileType::Directory, 0o700);
    scene.target.make_dir(Path::new("/etc/d"), &meta).unwrap();
    scene.file("/etc/d/f", "x");
    scene.target.set_owner(Path::new("/etc/d/f"), 33, 33).unwrap();
    scene.target.set_mode(Path::new("/etc/d/f"), 0o4755).unwrap();
    scene.link("/etc/d/l", "/etc/shadow");
    scene.run("copy-out /etc/d made/for/it").unwrap();
    let found = fs::metadata(scene.work("made/for/it/d/f")).unwrap();
    assert_eq!(found.mode() & 0o7777, 0o755);
    assert_eq!(
        fs::metadata(scene.work("made/for/it/d")).unwrap().mode() & 0o777,
        0o700
    );
    assert_eq!(
        fs::read_link(scene.work("made/for/it/d/l")).unwrap(),
        Path::new("/etc/shadow")
    );
    // Again, over what is there, and the contents only.
    scene.run("copy-out /etc/d made/for/it").unwrap();
    scene.run("sync-out /etc/d flat").unwrap();
    assert_eq!(fs::read(scene.work("flat/f")).unwrap(), b"x");
    let null = Meta::of_root(FileType::CharDevice { major: 1, minor: 3 }, 0o666);
    scene.target.make_node(Path::new("/etc/d/null"), &null).unwrap();
    assert!(with_causes(&scene.run("copy-out /etc/d made").unwrap_err()).contains("device"));
}

#[test]
fn what_is_wrong_is_said() {
    let scene = Scene::new();
    fs::write(scene.work("file"), "").unwrap();
    scene.file("/etc/plain", "");
    for (hook, said) in [
        ("copy-in file", "a path outside and one in the target"),
        ("copy-in missing /etc", "cannot find"),
        ("copy-in file /nowhere", "/nowhere, in the target, does not exist"),
        ("copy-in file /etc/plain", "is no directory"),
        ("upload file /etc", "is a directory"),
        ("upload file /nowhere/x", "does not exist"),
        ("download /etc x", "is no regular file"),
        ("sync-out /etc/plain x", "is no directory"),
        ("copy-out /missing x", "does not exist"),
    ] {
        let error = with_causes(&scene.run(hook).unwrap_err());
        assert!(error.contains(said), "{hook}: {error}");
    }
    scene.link("/etc/loop", "loop");
    assert!(with_causes(&scene.run("download /etc/loop x").unwrap_err()).contains("too many links"));
}

#[test]
fn ways_in_the_target_are_its_own() {
    let scene = Scene::new();
    let real = Meta::of_root(FileType::Directory, 0o755);
    scene.target.make_dir(Path::new("/real"), &real).unwrap();
    scene.link("/link", "/real");
    fs::write(scene.work("foo"), "content").unwrap();
    for to in [
        "link/foo",
        "/link/foo",
        "///link///foo///",
        "/././link/././foo/././",
        "/link/../link/foo",
        "/link/../../link/foo",
        "/../../link/foo",
    ] {
        scene.run(&format!("upload foo {to}")).unwrap();
        assert_eq!(scene.read("/real/foo"), "content", "{to}");
        scene.target.remove(Path::new("/real/foo")).unwrap();
    }
}

#[test]
fn a_tar_comes_out_as_it_went_in() {
    let scene = Scene::new();
    let inner = scene.work("inner");
    fs::write(&inner, "content").unwrap();
    let at = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(1_700_000_000, 120_000_000);
    File::options()
        .write(true)
        .open(&inner)
        .unwrap()
        .set_modified(at)
        .unwrap();
    let made = std::process::Command::new("tar")
        .args([
            "--numeric-owner",
            "--format=pax",
            "--owner=0",
            "--group=0",
            "--mode=644",
        ])
        .arg("--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime")
        .args(["-cf", "in.tar", "inner"])
        .current_dir(scene.work(""))
        .status()
        .unwrap();
    assert!(made.success());
    scene.run("tar-in in.tar /usr").unwrap();
    scene.run("tar-out /usr/inner out.tar").unwrap();
    let read = |name: &str| fs::read(scene.work(name)).unwrap();
    assert!(read("in.tar") == read("out.tar"));
}
