//! Places of files that a call names: archives, the log.

use rootless_install_fs::Target;
use std::path::{Path, PathBuf};

/// Meaning of the paths of a call.
#[derive(Clone, Debug, Default)]
pub enum Places {
    /// Paths of this machine, as this process has them.
    #[default]
    Machine,
    /// Paths of a view.
    View(ViewPlaces),
}

/// Meaning of the paths of a view.
#[derive(Clone, Debug)]
pub struct ViewPlaces {
    /// The target.
    pub target: Target,
    /// Working directory of the caller, a path of the view.
    pub directory: PathBuf,
    /// Directories and files of this machine that are seen in the view: the path there, and the path here. The last that
    /// fits counts.
    pub bound: Vec<(PathBuf, PathBuf)>,
}

impl Places {
    /// Returns the path on this machine of a file that the call names. It need not be there.
    pub fn on_machine(&self, path: &Path) -> PathBuf {
        match self {
            Self::Machine => path.to_owned(),
            Self::View(places) => places.on_machine(path),
        }
    }
}

impl ViewPlaces {
    fn on_machine(&self, path: &Path) -> PathBuf {
        let path = self.directory.join(path);
        for (seen, here) in self.bound.iter().rev() {
            if let Ok(rest) = path.strip_prefix(seen) {
                return match rest.as_os_str().is_empty() {
                    true => here.clone(),
                    false => here.join(rest),
                };
            }
        }
        // Links lead to where they lead in the target, never out of it.
        self.target.real_path(&path).unwrap_or_else(|_| {
            self.target
                .root_path()
                .join("\u{1}")
                .join(path.file_name().unwrap_or_default())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rootless_install_fs::{FileType, Meta};

    #[test]
    fn paths_of_a_view() {
        let root = tempfile::tempdir().unwrap();
        let target = Target::open(root.path()).unwrap();
        let directory = Meta::of_root(FileType::Directory, 0o755);
        let link = Meta::of_root(FileType::Symlink, 0o777);
        target.make_dir(Path::new("/var"), &directory).unwrap();
        target
            .make_symlink(Path::new("/out"), Path::new("/../var"), &link)
            .unwrap();
        let file = Meta::of_root(FileType::Regular, 0o644);
        target.write(Path::new("/var/a.deb"), b"", &file).unwrap();
        let places = Places::View(ViewPlaces {
            target,
            directory: PathBuf::from("/var"),
            bound: vec![("/mnt".into(), "/home/u".into())],
        });
        let here = std::fs::canonicalize(root.path()).unwrap().join("var/a.deb");
        for path in ["a.deb", "/var/a.deb", "/out/a.deb", "../out/./a.deb"] {
            assert_eq!(places.on_machine(Path::new(path)), here, "{path}");
        }
        assert_eq!(
            places.on_machine(Path::new("/mnt/b.deb")),
            Path::new("/home/u/b.deb")
        );
        assert!(!places.on_machine(Path::new("/no/such.deb")).exists());
    }
}
