//! Handlers of binfmt_misc for foreign programs, in the view's own user namespace.
//!
//! Since Linux 6.7 a user namespace can have handlers of its own, which no other process of the machine
//! sees. The kernel then executes the shim by itself where a script executes a foreign program, with the
//! name by which the caller calls it; the server of the view need not see opens, which the kernel leaves
//! out then. Where there are none, the server redirects executions ([`rootless_install_fs::Redirect`]).
//!
//! Source: `Documentation/admin-guide/binfmt-misc.rst`.

use deb_arch::ARCHITECTURES;
use rootless_install_fs::{ElfIdentity, Redirect};
use rustix::fs::{Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
use shim_protocol::{HANDLERS, names};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Makes the names of the shim below `private`, and returns the lines for [`register`]; none where the
/// names cannot be made, since executions can be redirected without.
pub(super) fn prepare(redirect: &Redirect, private: &Path) -> Vec<String> {
    let made = std::fs::create_dir_all(private.join(HANDLERS)).and_then(|()| {
        let mut lines = Vec::new();
        for (number, (identity, word)) in handled(redirect).into_iter().enumerate() {
            let name = format!("{HANDLERS}/{word}");
            match symlink(Path::new("..").join(names::SHIM), private.join(&name)) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => lines.push(line(number, identity, &name)),
            }
        }
        Ok(lines)
    });
    made.unwrap_or_else(|error| {
        tracing::debug!(%error, "executions are redirected by the view's server");
        Vec::new()
    })
}

/// Returns the identities of redirected programs, each with the shim's argument for it: the target's, and others
/// that the machine would execute.
fn handled(redirect: &Redirect) -> Vec<(ElfIdentity, String)> {
    let native = redirect.native;
    let mut all: Vec<(ElfIdentity, String)> = Vec::new();
    let also = ARCHITECTURES
        .iter()
        .find(|arch| arch.elf_machine == native.machine && arch.bits == native.class_bits)
        .map_or(&[][..], |arch| arch.also_executes);
    let also = also.iter().map(|&(machine, class_bits)| ElfIdentity {
        machine,
        class_bits,
        ..native
    });
    let other = redirect.argument.clone().unwrap_or_default();
    let also = also.map(|identity| (identity, other.clone()));
    for (identity, word) in redirect.arguments.iter().cloned().chain(also) {
        let known = all.iter().any(|(known, _)| *known == identity);
        if !known && identity != native && !word.is_empty() {
            all.push((identity, word));
        }
    }
    all
}

/// Returns a line for [`register`]: executables of an identity, position-independent or not, are handled by
/// `interpreter`, which the kernel opens at once (`F`) and which gets the caller's `argv[0]`, too (`P`).
fn line(number: usize, identity: ElfIdentity, interpreter: &str) -> String {
    let half = |n: u16| match identity.big_endian {
        true => n.to_be_bytes(),
        false => n.to_le_bytes(),
    };
    let mut magic = [0; 20];
    let mut mask = [0; 20];
    let class = if identity.class_bits == 64 { 2 } else { 1 };
    let data = if identity.big_endian { 2 } else { 1 };
    magic[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, data]);
    mask[..6].fill(0xff);
    // e_type: ET_EXEC, or ET_DYN, which has one bit more (elf(5)).
    magic[16..18].copy_from_slice(&half(2));
    mask[16..18].copy_from_slice(&half(0xfffe));
    magic[18..].copy_from_slice(&half(identity.machine));
    mask[18..].fill(0xff);
    let hex = |bytes: [u8; 20]| -> String { bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect() };
    format!("|{number}|M|0|{}|{}|{interpreter}|PF", hex(magic), hex(mask))
}

/// Registers the handlers in the user namespace of this process, whose working directory is the private directory.
/// They last as long as the returned descriptor is open.
///
/// # Errors
/// The kernel's: `EPERM` before Linux 6.7, `ENODEV` without binfmt_misc.
pub(super) fn register(lines: &[String]) -> io::Result<OwnedFd> {
    let context = fsopen("binfmt_misc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let mounted = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    for line in lines {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let register = rustix::fs::openat(&mounted, "register", flags, Mode::empty())?;
        rustix::io::write(&register, line.as_bytes())?;
    }
    Ok(mounted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(machine: u16, class_bits: u8, big_endian: bool) -> ElfIdentity {
        ElfIdentity {
            machine,
            class_bits,
            big_endian,
        }
    }

    #[test]
    fn each_identity_has_one_handler() {
        let redirect = Redirect {
            interpreter: "/shim".into(),
            argument: Some("i386".into()),
            arguments: vec![
                (identity(3, 32, false), "i386".into()),
                (identity(62, 64, false), "i386+amd64".into()),
                (identity(22, 64, true), "i386+s390x".into()),
            ],
            native: identity(62, 64, false),
        };
        let found = handled(&redirect);
        let found: Vec<(u16, u8, &str)> = found
            .iter()
            .map(|(identity, word)| (identity.machine, identity.class_bits, word.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                (3, 32, "i386"),
                (22, 64, "i386+s390x"),
                (6, 32, "i386"),
                (62, 32, "i386")
            ]
        );
    }

    #[test]
    fn lines_have_the_bytes_of_elf() {
        assert_eq!(
            line(0, identity(243, 64, false), "h/riscv64"),
            format!(
                "|0|M|0|\\x7f\\x45\\x4c\\x46\\x02\\x01{}\\x02\\x00\\xf3\\x00|{}{}\\xfe\\xff\\xff\\xff|h/riscv64|PF",
                "\\x00".repeat(10),
                "\\xff".repeat(6),
                "\\x00".repeat(10)
            )
        );
        let big = line(3, identity(22, 64, true), "h/s390x");
        assert!(big.starts_with("|3|M|0|\\x7f\\x45\\x4c\\x46\\x02\\x02\\x00"));
        assert!(big.contains("\\x00\\x02\\x00\\x16|"));
        assert!(big.ends_with("\\xff\\xfe\\xff\\xff|h/s390x|PF"));
    }

    #[test]
    fn the_shim_has_a_name_for_each_word() {
        let private = tempfile::tempdir().unwrap();
        let redirect = Redirect {
            interpreter: "/shim".into(),
            argument: Some("riscv64".into()),
            arguments: vec![(identity(243, 64, false), "riscv64".into())],
            native: identity(62, 64, false),
        };
        let lines = prepare(&redirect, private.path());
        assert_eq!(lines.len(), 4);
        let names: Vec<_> = std::fs::read_dir(private.path().join(HANDLERS))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["riscv64"]);
        // The next view of a run.
        assert_eq!(prepare(&redirect, private.path()), lines);
        std::fs::write(private.path().join("file"), "").unwrap();
        assert!(prepare(&redirect, &private.path().join("file")).is_empty());
    }
}
