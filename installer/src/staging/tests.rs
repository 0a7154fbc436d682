use super::*;
use std::os::unix::fs::symlink;

struct Fixture(tempfile::TempDir);

impl Fixture {
    fn new() -> Self {
        // Beside the build, not in /tmp: that may have no extended attributes.
        let base = std::env::var_os("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
        Self(tempfile::tempdir_in(base).unwrap_or_else(|error| panic!("{error}")))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn create(&self, name: &str) -> Result<Staging, Error> {
        let target = TargetSpec::parse(self.path(name).as_os_str()).unwrap_or_else(|e| panic!("{e}"));
        Staging::create(&target, self.0.path())
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

type Tested = Result<(), Box<dyn std::error::Error>>;

#[test]
fn a_directory_appears_whole() -> Tested {
    let dir = Fixture::new();
    for name in ["new", "empty"] {
        if name == "empty" {
            fs::create_dir(dir.path(name))?;
        }
        let staging = dir.create(name)?;
        fs::write(staging.root().join("file"), "x")?;
        assert_eq!(
            staging.commit()?,
            Some(fs::canonicalize(dir.0.path())?.join(name))
        );
        assert_eq!(fs::read(dir.path(name).join("file"))?, b"x");
    }
    assert_eq!(dir.names(), ["empty", "new"]);
    Ok(())
}

#[test]
fn a_failed_run_leaves_nothing_unless_told() -> Tested {
    let dir = Fixture::new();
    let staging = dir.create("t")?;
    fs::write(staging.root().join("file"), "x")?;
    drop(staging);
    assert!(dir.names().is_empty());

    let mut staging = dir.create("t")?;
    staging.keep();
    drop(staging);
    assert_eq!(dir.names().len(), 1);
    // The next run takes it for what it is.
    dir.create("t")?.commit()?;
    assert_eq!(dir.names(), ["t"]);
    Ok(())
}

#[test]
fn archives_are_replaced_when_complete() -> Tested {
    let dir = Fixture::new();
    fs::write(dir.path("a.tar"), "old")?;
    let staging = dir.create("a.tar")?;
    fs::File::create_new(staging.output())?.write_all(b"new")?;
    assert_eq!(fs::read(dir.path("a.tar"))?, b"old");
    staging.commit()?;
    assert_eq!(fs::read(dir.path("a.tar"))?, b"new");
    assert_eq!(dir.names(), ["a.tar"]);
    Ok(())
}

#[test]
fn standard_output_has_its_work_directory_elsewhere() -> Tested {
    let dir = Fixture::new();
    let one = Staging::create(
        &TargetSpec::Stdout {
            format: crate::output::Format::Squashfs,
        },
        dir.0.path(),
    )?;
    let two = Staging::create(
        &TargetSpec::Stdout {
            format: crate::output::Format::Squashfs,
        },
        dir.0.path(),
    )?;
    assert_ne!(one.root(), two.root());
    assert_eq!(one.commit()?, None);
    drop(two);
    assert!(dir.names().is_empty());
    Ok(())
}

#[test]
fn what_is_in_the_way_is_named() -> Tested {
    let dir = Fixture::new();
    fs::create_dir(dir.path("full"))?;
    fs::write(dir.path("full/x"), "")?;
    fs::write(dir.path("file"), "")?;
    fs::create_dir(dir.path("dir.tar"))?;
    symlink("nowhere", dir.path("link"))?;
    symlink("nowhere", dir.path("link.tar"))?;
    let before = dir.names();
    assert!(matches!(dir.create("full"), Err(Error::NotEmpty { .. })));
    assert!(matches!(dir.create("file"), Err(Error::NotADirectory { .. })));
    assert!(matches!(dir.create("link"), Err(Error::Symlink { .. })));
    assert!(matches!(dir.create("link.tar"), Err(Error::Symlink { .. })));
    assert!(matches!(dir.create("dir.tar"), Err(Error::IsADirectory { .. })));
    assert!(matches!(dir.create("no/t"), Err(Error::NoParent { .. })));
    assert!(matches!(
        dir.create("file/t"),
        Err(Error::ParentNotADirectory { .. })
    ));
    let proc = TargetSpec::Directory("/proc/t".into());
    assert!(Staging::create(&proc, dir.0.path()).is_err());
    let root = TargetSpec::Directory("/".into());
    assert!(matches!(
        Staging::create(&root, dir.0.path()),
        Err(Error::Unusable { .. })
    ));
    assert_eq!(dir.names(), before);
    Ok(())
}

#[test]
fn mount_points_are_refused() {
    // /dev/shm is one on every Linux machine that has it; it may have content.
    let result = preflight::check_directory(Path::new("/proc"));
    assert!(matches!(
        result,
        Err(Error::NotEmpty { .. } | Error::MountPoint { .. })
    ));
}

#[test]
fn no_xattrs() {
    let dir = Fixture::new();
    assert!(check_xattrs(dir.0.path()).is_ok());
    assert!(check_xattrs(Path::new("/proc")).is_err());
}

#[test]
fn leftovers_of_dead_runs_go_those_of_live_ones_stay() -> Tested {
    let dir = Fixture::new();
    // As SIGKILL leaves it: the marker is there, the lock is free.
    let dead = dir.path(".t.rootless-install-AAAAAA");
    fs::create_dir_all(dead.join("root/deep/er"))?;
    fs::write(dead.join(LOCK), MARKER)?;
    // Not ours to remove: no marker, another marker, other names.
    for (name, marker) in [
        (".t.rootless-install-BBBBBB", None),
        (".t.rootless-install-CCCCCC", Some("something else")),
        (".t.rootless-install-kept", Some("x")),
        (".tt.rootless-install-DDDDDD", Some("x")),
    ] {
        fs::create_dir(dir.path(name))?;
        fs::write(dir.path(name).join("data"), "x")?;
        if let Some(marker) = marker {
            fs::write(dir.path(name).join(LOCK), marker)?;
        }
    }
    symlink("/etc", dir.path(".t.rootless-install-EEEEEE"))?;
    let staging = dir.create("t")?;
    assert!(!dead.exists());
    assert_eq!(dir.names().len(), 6);

    // A second run for the same target, while the first lives.
    assert!(matches!(dir.create("t"), Err(Error::Busy { .. })));
    assert!(staging.root().exists());
    staging.commit()?;
    Ok(())
}

#[test]
fn long_names_fit() -> Tested {
    let dir = Fixture::new();
    let name = "n".repeat(255);
    dir.create(&name)?.commit()?;
    assert_eq!(dir.names(), [name]);
    Ok(())
}

#[test]
fn the_current_directory_has_a_name() -> Tested {
    let dir = Fixture::new();
    fs::create_dir(dir.path("cwd"))?;
    let (parent, name) = preflight::locate(&dir.path("cwd/."))?;
    assert_eq!((parent, name), (fs::canonicalize(dir.0.path())?, "cwd".into()));
    Ok(())
}
