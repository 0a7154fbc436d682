//! A target with an empty database.

use std::path::{Path, PathBuf};

use rootless_install_fs::Target;

use crate::Database;

pub(super) struct Scene {
    directory: tempfile::TempDir,
    pub(super) target: Target,
}

impl Scene {
    pub(super) fn new() -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::open(directory.path()).unwrap();
        Database::create(&target, "riscv64", &[]).unwrap();
        Scene { directory, target }
    }

    /// Path outside the target of a file in it.
    pub(super) fn root(&self, path: &str) -> PathBuf {
        self.directory.path().join(path.trim_start_matches('/'))
    }

    pub(super) fn text(&self, path: &str) -> String {
        String::from_utf8(self.target.read(Path::new(path)).unwrap()).unwrap()
    }

    pub(super) fn put(&self, path: &str, contents: &str) {
        let path = self.root(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, contents).unwrap();
    }
}
