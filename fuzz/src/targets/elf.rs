//! ELF files and the cache of the dynamic loader.

use std::fs;
use std::path::{Path, PathBuf};

use deb_testing::Data;
use glibc_tools::{Architecture, ldconfig, ldd};
use rootless_install_fs::{ElfIdentity, Target as Root};

use super::{Spec, Target, nothing, outcome};

pub(super) const ELF: Spec = Spec {
    name: "elf",
    what: "an ELF file as program and library for ldd and ldconfig, and as `ld.so.cache`, of four architectures",
    open: |directory| Box::new(Tools::new(directory)),
    seeds,
    mend: nothing,
};

const ARCHITECTURES: [&str; 4] = ["riscv64", "s390x", "i386", "amd64"];

fn seeds() -> Vec<Vec<u8>> {
    // Of this machine, if it has them; others are among the files.
    let own = [
        "/lib/x86_64-linux-gnu/libutil.so.1",
        "/lib/aarch64-linux-gnu/libutil.so.1",
        "/etc/ld.so.cache",
    ];
    let mut seeds: Vec<Vec<u8>> = own.iter().filter_map(|path| fs::read(path).ok()).collect();
    for seed in &mut seeds {
        seed.truncate(60 << 10);
    }
    seeds.push(Data::default().finish());
    seeds
}

struct Tools {
    directory: PathBuf,
}

impl Tools {
    fn new(directory: &Path) -> Self {
        let directory = directory.join("root");
        for below in ["etc", "usr/bin", "usr/lib", "usr/sbin"] {
            let _ = fs::create_dir_all(directory.join(below));
        }
        let version = b"ldconfig (Debian GLIBC 2.41-12) stable release version 2.41\0";
        let _ = fs::write(directory.join("usr/sbin/ldconfig"), version);
        Self { directory }
    }
}

impl Target for Tools {
    fn read(&mut self, input: &[u8]) -> String {
        let last = input.last().copied().map_or(0, usize::from);
        let name = ARCHITECTURES
            .get(last % ARCHITECTURES.len())
            .copied()
            .unwrap_or("amd64");
        let Some(architecture) = Architecture::by_name(name) else {
            return "no architecture".to_owned();
        };
        let _ = fs::write(self.directory.join("usr/bin/p"), input);
        let _ = fs::write(self.directory.join("usr/lib/libp.so.1"), input);
        let _ = fs::write(self.directory.join("etc/ld.so.cache"), input);
        let root = match Root::open(&self.directory) {
            Ok(root) => root,
            Err(error) => return error.to_string(),
        };
        let mut seen = vec![format!("{name} {}", ElfIdentity::of_header(input).is_some())];
        let listed = ldd::list(&root, architecture, Path::new("/usr/bin/p"));
        seen.push(outcome(listed, |output| {
            output.stderr.len() + output.stdout.len()
        }));
        for arguments in [&["-p"][..], &[]] {
            let run = ldconfig::run(&root, architecture, arguments);
            seen.push(outcome(run, |output| output.stderr.len() + output.stdout.len()));
        }
        seen.join("\n")
    }
}
