//! Links, and what stands against them.

use super::*;
use deb_testing::{Data, Deb};
use rootless_install_fs::FileType;

struct Scene {
    directory: tempfile::TempDir,
    target: Target,
    jobs: Vec<Job>,
}

impl Scene {
    fn new(packages: &[(&str, Data)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("target");
        std::fs::create_dir(&root).unwrap();
        let jobs = packages.iter().map(|(name, data)| {
            let path = directory.path().join(format!("{name}.deb"));
            std::fs::write(&path, Deb::new(name, data.clone()).bytes()).unwrap();
            Job {
                path,
                expected: None,
                recompressed: None,
            }
        });
        let jobs = jobs.collect();
        let target = Target::open(&root).unwrap();
        Self {
            directory,
            target,
            jobs,
        }
    }

    fn prepare(&self, arch: &str, wanted: MergedUsr) -> Result<Vec<String>, String> {
        assert!(self.directory.path().exists());
        let arch = Architecture::by_name(arch).unwrap();
        prepare(&self.target, arch, wanted, &self.jobs).map_err(|error| error.to_string())?;
        let names = self.target.read_dir(Path::new("/")).unwrap();
        Ok(names
            .into_iter()
            .map(|name| name.into_string().unwrap())
            .collect())
    }
}

/// Directories at the top and in /usr.
fn plain() -> Data {
    let mut data = Data::default().dir("./");
    for name in ["bin", "sbin", "lib", "usr", "usr/bin", "usr/sbin", "usr/lib"] {
        data = data.dir(&format!("./{name}/"));
    }
    data.file("./bin/sh", "x").link("./bin/rbash", b'2', "bash")
}

#[test]
fn links_of_the_architecture_and_of_packages() {
    for (arch, expected) in [
        ("riscv64", "bin lib sbin usr"),
        ("s390x", "bin lib lib32 sbin usr"),
        ("amd64", "bin lib lib32 lib64 libx32 sbin usr"),
    ] {
        let scene = Scene::new(&[("a", plain())]);
        assert_eq!(scene.prepare(arch, MergedUsr::Yes).unwrap().join(" "), expected);
        for name in expected.split(' ').filter(|name| *name != "usr") {
            let at = Path::new("/").join(name);
            assert_eq!(scene.target.read_link(&at).unwrap(), Path::new("usr").join(name));
            let stat = scene.target.stat_follow(&at).unwrap();
            assert_eq!((stat.meta.kind, stat.meta.mode), (FileType::Directory, 0o755));
        }
    }
    let scene = Scene::new(&[("a", plain()), ("b", Data::default().dir("./lib64/"))]);
    let made = scene.prepare("riscv64", MergedUsr::Yes).unwrap();
    assert!(made.contains(&"lib64".to_owned()));
}

#[test]
fn packages_that_bring_the_links() {
    let mut data = Data::default().dir("./").dir("./usr/");
    for name in ["bin", "sbin", "lib"] {
        data = data.dir(&format!("./usr/{name}/"));
        data = data.link(&format!("./{name}"), b'2', &format!("usr/{name}"));
    }
    let scene = Scene::new(&[("base-files", data.clone())]);
    // Unpacking them makes the links.
    assert!(scene.prepare("amd64", MergedUsr::Yes).unwrap().is_empty());
    let error = scene.prepare("amd64", MergedUsr::No).unwrap_err();
    assert!(error.contains("base-files"), "{error}");
    // Another package's directory still needs its link.
    let scene = Scene::new(&[("base-files", data), ("x", Data::default().dir("./lib32/"))]);
    assert_eq!(scene.prepare("amd64", MergedUsr::Yes).unwrap(), ["lib32", "usr"]);
}

#[test]
fn left_as_it_is() {
    let scene = Scene::new(&[("a", plain())]);
    assert!(scene.prepare("riscv64", MergedUsr::Auto).unwrap().is_empty());
    assert_eq!(scene.prepare("riscv64", MergedUsr::No).unwrap(), ["etc"]);
    assert_eq!(scene.target.read(Path::new(SKIP)).unwrap(), SKIP_TEXT);
}

#[test]
fn clashes_are_named() {
    for (data, named) in [
        // Two files, in one package or in two.
        (
            plain().file("./usr/bin/sh", "y"),
            "/bin/sh cannot be moved into /usr: /usr/bin/sh exists",
        ),
        (
            plain().link("./usr/bin/sh", b'2', "dash"),
            "/usr/bin/sh is a link there (of package b)",
        ),
        (
            plain().dir("./bin/x/").file("./usr/bin/x", ""),
            "/bin/x cannot be moved into /usr",
        ),
        (
            plain().file("./bin/x", "").dir("./usr/bin/x/"),
            "/bin/x cannot be moved into /usr",
        ),
        (
            plain().dir("./lib/x/").link("./usr/lib/x", b'2', "y"),
            "/usr/lib/x is a link there",
        ),
        (plain().link("./lib64", b'2', "lib"), "/lib64 is a link to 'lib'"),
        (plain().file("./lib32", ""), "/lib32"),
        // Links that mean something else one directory deeper.
        (
            plain().link("./bin/x", b'2', "../opt/x"),
            "'../opt/x' leads out of /bin",
        ),
        (plain().link("./lib/x", b'2', ".."), "/lib/x cannot be moved"),
        (
            plain().dir("./lib/a/").link("./lib/a/x", b'2', "../../sbin/x"),
            "/lib/a/x cannot be moved",
        ),
        (
            plain().link("./lib/x", b'2', "a/../../y"),
            "/lib/x cannot be moved",
        ),
    ] {
        let scene = Scene::new(&[("a", plain()), ("b", data)]);
        let error = scene.prepare("riscv64", MergedUsr::Yes).unwrap_err();
        assert!(error.contains(named), "{error}\n{named}");
        assert!(scene.target.read_dir(Path::new("/")).unwrap().is_empty());
    }
    for data in [
        plain().link("./bin/x", b'2', "/opt/x"),
        plain().dir("./lib/a/").link("./lib/a/x", b'2', "../y"),
        plain().link("./usr/bin/x", b'2', "../../etc/x"),
        plain()
            .dir("./lib/a/")
            .dir("./usr/lib/a/")
            .file("./usr/lib/a/f", ""),
    ] {
        let scene = Scene::new(&[("a", data)]);
        scene.prepare("riscv64", MergedUsr::Yes).unwrap();
    }
}
