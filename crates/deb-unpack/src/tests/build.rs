//! Small packages, sound and otherwise, for tests.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use rootless_install_fs::Target;

use crate::{Context, DebError, Job, Layering, UnpackedPackage, unpack_all};
use dpkg_db::Database;
use dpkg_db::Unpacked;

/// A tar archive in the making.
#[derive(Clone, Default)]
pub(crate) struct Data(Vec<u8>);

pub(crate) const TIME: u64 = 1_000_000;

impl Data {
    /// An entry whose header the caller changes at will; the name is not checked.
    pub(crate) fn raw(
        mut self,
        name: &str,
        kind: u8,
        data: &[u8],
        change: impl Fn(&mut tar::Header),
    ) -> Data {
        let mut header = tar::Header::new_gnu();
        if name.len() >= 100 {
            let mut long = tar::Header::new_gnu();
            long.as_old_mut().name[..13].copy_from_slice(b"././@LongLink");
            long.set_entry_type(tar::EntryType::new(b'L'));
            long.set_size(name.len() as u64 + 1);
            long.set_cksum();
            self.append(&long, &[name.as_bytes(), b"\0"].concat());
        }
        let short = &name.as_bytes()[..name.len().min(99)];
        header.as_old_mut().name[..short.len()].copy_from_slice(short);
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_mode(if kind == b'5' { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(TIME);
        header.set_size(data.len() as u64);
        change(&mut header);
        header.set_cksum();
        self.append(&header, data);
        self
    }

    fn append(&mut self, header: &tar::Header, data: &[u8]) {
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }

    pub(crate) fn file(self, name: &str, data: &str) -> Data {
        self.raw(name, b'0', data.as_bytes(), |_| {})
    }

    pub(crate) fn dir(self, name: &str) -> Data {
        self.raw(name, b'5', b"", |_| {})
    }

    pub(crate) fn link(self, name: &str, kind: u8, to: &str) -> Data {
        self.raw(name, kind, b"", |header| {
            header.set_link_name_literal(to).unwrap()
        })
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// A package in the making.
#[derive(Clone)]
pub(crate) struct Deb {
    pub(crate) control: String,
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) data: Data,
    pub(crate) extension: &'static str,
}

impl Deb {
    pub(crate) fn new(name: &str, data: Data) -> Deb {
        let control = format!(
            "Package: {name}\nVersion: 1.0\nArchitecture: riscv64\nMaintainer: A <a@example.org>\n\
             Description: test\n"
        );
        Deb {
            control,
            files: BTreeMap::new(),
            data,
            extension: ".xz",
        }
    }

    pub(crate) fn field(mut self, line: &str) -> Deb {
        self.control.push_str(line);
        self.control.push('\n');
        self
    }

    pub(crate) fn with(mut self, name: &str, contents: &str) -> Deb {
        self.files.insert(name.to_owned(), contents.to_owned());
        self
    }

    pub(crate) fn control_tar(&self) -> Vec<u8> {
        let mut tar = Data::default().dir("./").file("./control", &self.control);
        for (name, contents) in &self.files {
            let script = ["preinst", "postinst", "prerm", "postrm"].contains(&name.as_str());
            tar = tar.raw(&format!("./{name}"), b'0', contents.as_bytes(), |header| {
                header.set_mode(if script { 0o755 } else { 0o644 });
            });
        }
        tar.finish()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let data = compress(&self.data.clone().finish(), self.extension);
        ar(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar.gz", &compress(&self.control_tar(), ".gz")),
            (&format!("data.tar{}", self.extension), &data),
        ])
    }

    pub(crate) fn write(&self, directory: &Path, name: &str) -> PathBuf {
        write(directory, name, &self.bytes())
    }
}

pub(crate) fn write(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

pub(crate) fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ar::Builder::new(Vec::new());
    for (name, data) in members {
        let header = ar::Header::new(name.as_bytes().to_vec(), data.len() as u64);
        archive.append(&header, *data).unwrap();
    }
    archive.into_inner().unwrap()
}

pub(crate) fn compress(data: &[u8], extension: &str) -> Vec<u8> {
    match extension {
        ".gz" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        ".xz" => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        ".zst" => zstd::encode_all(data, 1).unwrap(),
        _ => data.to_vec(),
    }
}

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
                quick: None,
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
    pub(crate) fn install(&mut self, deb: &Deb) -> dpkg_db::PackageKey {
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
