//! Package files.

use std::fs;
use std::path::{Path, PathBuf};

use deb_testing::{Data, Deb, ar, compress};
use deb_unpack::{Context, DebError, DebFile, Job, Layering, unpack_all};
use dpkg_db::Database;
use rootless_install_fs::Target as Root;

use super::{Spec, Target, outcome};
use crate::mutate::mend_tar;

pub(super) const DEB: Spec = Spec {
    name: "deb",
    what: "container, control member and data member of a `.deb`, read to their ends",
    open: |directory| Box::new(Reader(directory.join("p.deb"))),
    seeds,
    mend: |input| mend_tar(input),
};

pub(super) const UNPACK: Spec = Spec {
    name: "unpack",
    what: "a `.deb` unpacked into a target; nothing is made beside that",
    open: |directory| Box::new(Unpacker::new(directory)),
    seeds,
    mend: |input| mend_tar(input),
};

/// Most bytes that a package may expand to.
const LIMIT: u64 = 4 << 20;

fn seeds() -> Vec<Vec<u8>> {
    let all = Data::default()
        .dir("./")
        .raw("./usr/", b'5', b"", |header| header.set_mode(0o1777))
        .raw("./usr/a", b'0', &b"hello".repeat(300), |header| {
            header.set_mode(0o4755)
        })
        .link("./usr/l", b'2', "../usr/a")
        .link("./usr/h", b'1', "./usr/a")
        .file(&format!("./usr/{}", "n".repeat(180)), "x")
        .raw("./usr/f", b'6', b"", |_| {})
        .raw("./usr/c", b'3', b"", |header| {
            let _ = header
                .set_device_major(1)
                .and_then(|()| header.set_device_minor(3));
        })
        .dir("/etc")
        .file("/etc/c", "conf\n");
    let few = Data::default()
        .dir("./")
        .file("./a", "x")
        .file("./a", "y")
        .link("./b", b'2', "/");
    let mut seeds = Vec::new();
    for data in [all, few] {
        let mut deb = Deb::new("p", data)
            .field("Depends: a (>= 1) | b, c:any")
            .field("Multi-Arch: foreign")
            .with("conffiles", "/etc/c\nremove-on-upgrade /etc/d\n")
            .with("triggers", "interest-noawait /usr/x\nactivate y\n")
            .with("md5sums", "d41d8cd98f00b204e9800998ecf8427e  usr/a\n")
            .with("postinst", "#!/bin/sh\nexit 0\n");
        // Without compression most mutations reach the tar archives.
        let control = deb.control_tar();
        let plain = deb.data.clone().finish();
        for _ in 0..3 {
            let members: [(&str, &[u8]); 3] = [
                ("debian-binary", b"2.0\n"),
                ("control.tar", &control),
                ("data.tar", &plain),
            ];
            seeds.push(ar(&members));
        }
        for extension in [".gz", ".xz", ".bz2", ".lzma", ".zst"] {
            deb.extension = extension;
            seeds.push(deb.bytes());
        }
        let packed = compress(&control, ".zst");
        seeds.push(ar(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar.zst", &packed),
            ("data.tar", &plain),
        ]));
    }
    seeds
}

struct Reader(PathBuf);

impl Target for Reader {
    fn read(&mut self, input: &[u8]) -> String {
        if let Err(error) = fs::write(&self.0, input) {
            return error.to_string();
        }
        let deb = match DebFile::open(&self.0) {
            Ok(deb) => deb,
            Err(error) => return error.to_string(),
        };
        let control = match deb.control() {
            Err(error) => error.to_string(),
            Ok(control) => {
                let package = outcome(control.package(), |package| package.requirements().count());
                let conffiles = outcome(control.conffiles(), |found| found.len());
                let triggers = outcome(control.triggers(), |_| 1);
                format!("{package}\n{conffiles}\n{triggers}")
            }
        };
        let mut entries = 0;
        let mut buffer = vec![0; 4096];
        let data = deb.walk_data(LIMIT, 1, |entry, contents| {
            entries += 1;
            while contents.read(&mut buffer).map_err(|source| DebError::Open {
                path: entry.path.clone(),
                source,
            })? > 0
            {}
            Ok(())
        });
        format!("{control}\n{}", outcome(data, |()| entries))
    }
}

struct Unpacker {
    directory: PathBuf,
}

impl Unpacker {
    fn new(directory: &Path) -> Self {
        let directory = directory.join("unpack");
        let _ = fs::remove_dir_all(&directory);
        Self { directory }
    }

    fn unpack(&self, input: &[u8]) -> Result<usize, Box<dyn std::error::Error>> {
        let root = self.directory.join("root");
        fs::create_dir_all(&root)?;
        let package = self.directory.join("p.deb");
        fs::write(&package, input)?;
        let root = Root::open(&root)?;
        let database = Database::create(&root, "riscv64", &[])?;
        let mut context = Context::load(&root, &database, Layering::Dpkg)?;
        context.limits.fixed = Some(LIMIT);
        let job = Job {
            path: package,
            expected: None,
            recompressed: None,
        };
        let unpacked = unpack_all(&[job], &root, &context, 1, &|_, _| {})?;
        Ok(unpacked.iter().map(|package| package.files.list.len()).sum())
    }
}

impl Target for Unpacker {
    fn read(&mut self, input: &[u8]) -> String {
        let done = self.unpack(input);
        let beside: Vec<_> = fs::read_dir(&self.directory)
            .map(|entries| entries.flatten().map(|entry| entry.file_name()).collect())
            .unwrap_or_default();
        assert!(
            beside.iter().all(|name| name == "root" || name == "p.deb"),
            "something was made beside the target: {beside:?}"
        );
        let _ = fs::remove_dir_all(&self.directory);
        outcome(done, |entries| entries)
    }
}
