//! Whole runs.

use super::testing::{Elf, Place, library};
use super::{LdconfigError, run};
use crate::arch::{ARCHITECTURES, Architecture};
use std::path::Path;

#[test]
fn throwaway_golden() {
    let Some(list) = std::env::var_os("GOLDEN") else {
        return;
    };
    for entry in list.to_str().unwrap().split(',') {
        let (arch, dir) = entry.split_once('=').unwrap();
        let target = rootless_install_fs::Target::open(Path::new(dir)).unwrap();
        let before = target.read(Path::new("/etc/ld.so.cache")).unwrap();
        target.remove(Path::new("/etc/ld.so.cache")).unwrap();
        let ran = run(&target, Architecture::by_name(arch).unwrap(), &["-v"]).unwrap();
        eprintln!(
            "{arch}: {} {}",
            ran.status,
            String::from_utf8_lossy(&ran.messages)
        );
        std::fs::write(format!("{dir}.v"), &ran.output).unwrap();
        let after = target.read(Path::new("/etc/ld.so.cache")).unwrap();
        eprintln!(
            "{arch} {dir}: identical {}, {} bytes",
            before == after,
            after.len()
        );
        if before != after {
            target
                .write(
                    Path::new("/etc/ld.so.cache.ours"),
                    &after,
                    &target.stat(Path::new("/etc/ld.so.cache")).unwrap().meta,
                )
                .unwrap();
        }
        std::fs::write(Path::new(dir).join("etc/ld.so.cache"), before).unwrap();
    }
}
