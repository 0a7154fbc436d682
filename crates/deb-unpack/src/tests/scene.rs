//! A target with a database, into which packages made on the spot are unpacked.

use std::path::{Path, PathBuf};

use deb_testing::Deb;
use deb_types::PackageKey;
use dpkg_db::{Database, Unpacked};
use rootless_install_fs::Target;

use crate::{Context, DebError, Job, Layering, UnpackedPackage, unpack_all};

/// A target in a temporary directory, with packages beside it.
pub(crate) struct Scene {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) target: Target,
    pub(crate) database: Database,
    pub(crate) layering: Layering,
    pub(crate) limit: Option<u64>,
}

impl Scene {
    pub(crate) fn new() -> Scene {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("root")).unwrap();
        let target = Target::open(&directory.path().join("root")).unwrap();
        let database = Database::create(&target, "riscv64", &[]).unwrap();
        Scene {
            directory,
            target,
            database,
            layering: Layering::Dpkg,
            limit: None,
        }
    }

    pub(crate) fn root(&self, path: &str) -> PathBuf {
        self.directory
            .path()
            .join("root")
            .join(path.trim_start_matches('/'))
    }

    pub(crate) fn context(&self) -> Context<'_> {
        let mut context = Context::load(&self.target, &self.database, self.layering).unwrap();
        context.limits.fixed = self.limit;
        context
    }

    pub(crate) fn unpack_files(
        &self,
        paths: &[PathBuf],
        threads: usize,
    ) -> Result<Vec<UnpackedPackage>, DebError> {
        let jobs: Vec<Job> = paths
            .iter()
            .map(|path| Job {
                path: path.clone(),
                expected: None,
                recompressed: None,
            })
            .collect();
        unpack_all(&jobs, &self.target, &self.context(), threads, &|_, _| {})
    }

    pub(crate) fn unpack_all(&self, debs: &[Deb], threads: usize) -> Result<Vec<UnpackedPackage>, DebError> {
        let write = |(index, deb): (usize, &Deb)| deb.write(self.directory.path(), &format!("{index}.deb"));
        let paths: Vec<PathBuf> = debs.iter().enumerate().map(write).collect();
        self.unpack_files(&paths, threads)
    }

    pub(crate) fn unpack(&self, deb: &Deb) -> Result<Unpacked, DebError> {
        self.unpack_all(std::slice::from_ref(deb), 1)
            .map(|mut all| all.remove(0).files)
    }

    /// Unpacks and records it in the database.
    pub(crate) fn install(&mut self, deb: &Deb) -> PackageKey {
        let unpacked = self.unpack_all(std::slice::from_ref(deb), 1).unwrap().remove(0);
        self.database.begin_unpack(&unpacked.control).unwrap();
        self.database
            .finish_unpack(&self.target, &unpacked.control, &unpacked.files)
            .unwrap()
    }

    pub(crate) fn text(&self, path: &str) -> String {
        String::from_utf8(self.target.read(Path::new(path)).unwrap()).unwrap()
    }

    pub(crate) fn put(&self, path: &str, contents: &str) {
        let path = self.root(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, contents).unwrap();
    }
}
