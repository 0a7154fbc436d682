//! depmod(8), where the target's byte order is not this machine's.
//!
//! `modules.symbols` lists symbols in the order of kmod's hash table (libkmod,
//! `shared/hash.c`: buckets by number, names within one sorted), and its hash reads
//! the name as 16-bit numbers of the machine. The other files are sorted, or in the
//! order of the modules.

use super::Execution;
use crate::paths::{Architecture, NATIVE_BIG_ENDIAN};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Buckets of the table of symbols.
const BUCKETS: u32 = 2048;
/// Directories of modules, below the directory of the options.
const MODULES: [&str; 2] = ["usr/lib/modules", "lib/modules"];
const SYMBOLS: &str = "modules.symbols";
/// The beginning of a line with a symbol; what comes before such lines stays there.
const ALIAS: &[u8] = b"alias symbol:";

pub(super) fn depmod(arch: &Architecture) -> Execution {
    Execution {
        after: (arch.is_big_endian() != NATIVE_BIG_ENDIAN).then_some(reorder),
        ..Execution::default()
    }
}

/// Puts the symbols of every kernel version into the order of the target's depmod.
fn reorder(arch: &Architecture, arguments: &[OsString]) -> std::io::Result<()> {
    let below = output_directory(arguments);
    for directory in MODULES.map(|modules| below.join(modules)) {
        let Ok(versions) = std::fs::read_dir(&directory) else {
            continue;
        };
        for version in versions {
            let file = version?.path().join(SYMBOLS);
            match std::fs::read(&file) {
                Ok(old) => {
                    let new = ordered(&old, arch.is_big_endian());
                    if new != old {
                        std::fs::write(&file, new)?;
                    }
                }
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

fn is_absent(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// The directory below which depmod writes (depmod(8), `--outdir` and `--basedir`).
fn output_directory(arguments: &[OsString]) -> PathBuf {
    let given = |short: u8, long: &str| {
        let mut found = None;
        let mut rest = arguments.iter().map(|argument| argument.as_bytes());
        while let Some(argument) = rest.next() {
            if let Some(name) = argument.strip_prefix(b"--") {
                match name.strip_prefix(long.as_bytes()) {
                    Some(b"") => found = rest.next(),
                    Some([b'=', value @ ..]) => found = Some(value),
                    _ => {}
                }
            } else if let Some([first, value @ ..]) = argument.strip_prefix(b"-")
                && *first == short
            {
                found = if value.is_empty() {
                    rest.next()
                } else {
                    Some(value)
                };
            }
        }
        found.map(|value| Path::new(OsStr::from_bytes(value)).to_owned())
    };
    given(b'o', "outdir")
        .or_else(|| given(b'b', "basedir"))
        .unwrap_or_else(|| PathBuf::from("/"))
}

/// The lines of `modules.symbols` as a machine of that byte order has them.
fn ordered(text: &[u8], big_endian: bool) -> Vec<u8> {
    let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    let (mut symbols, mut result) = (Vec::new(), Vec::with_capacity(text.len()));
    for line in lines {
        match line.strip_prefix(ALIAS) {
            Some(rest) => {
                let name = rest.split(|&byte| byte == b' ').next().unwrap_or_default();
                symbols.push((hash(name, big_endian) % BUCKETS, name, line));
            }
            None => result.extend_from_slice(line),
        }
    }
    symbols.sort();
    for (_, _, line) in symbols {
        result.extend_from_slice(line);
    }
    result
}

/// Paul Hsieh's "SuperFastHash" as kmod has it.
fn hash(key: &[u8], big_endian: bool) -> u32 {
    let number = |bytes: &[u8]| {
        let bytes = [bytes[0], bytes[1]];
        u32::from(if big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    };
    let mut hash = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let mut words = key.chunks_exact(4);
    for word in words.by_ref() {
        hash = hash.wrapping_add(number(word));
        hash = (hash << 16) ^ (number(&word[2..]) << 11) ^ hash;
        hash = hash.wrapping_add(hash >> 11);
    }
    match words.remainder() {
        rest @ [_, _, last] => {
            hash = hash.wrapping_add(number(rest));
            hash ^= hash << 16;
            hash ^= u32::from(*last) << 18;
            hash = hash.wrapping_add(hash >> 11);
        }
        rest @ [_, _] => {
            hash = hash.wrapping_add(number(rest));
            hash ^= hash << 11;
            hash = hash.wrapping_add(hash >> 17);
        }
        [last] => {
            hash = hash.wrapping_add(u32::from(*last));
            hash ^= hash << 10;
            hash = hash.wrapping_add(hash >> 1);
        }
        _ => {}
    }
    hash ^= hash << 3;
    hash = hash.wrapping_add(hash >> 5);
    hash ^= hash << 4;
    hash = hash.wrapping_add(hash >> 17);
    hash ^= hash << 25;
    hash.wrapping_add(hash >> 6)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{arguments, executed};
    use super::*;
    use crate::paths::target;

    /// Symbols of Debian's kernel as depmod of amd64 and of s390x lists them.
    const LITTLE: [&str; 12] = [
        "ir_raw_handler_register",
        "free_rs",
        "ipv4_synproxy_hook",
        "nfs3_set_ds_client",
        "cxd2841er_attach_t_c",
        "dasd_enable_device",
        "fwnode_get_phy_id",
        "register_nfs_version",
        "kvm_s390_pv_cpu_is_protected",
        "dasd_path_create_kobj",
        "base_old_true_key",
        "snd_seq_expand_var_event",
    ];
    const BIG: [&str; 12] = [
        "dasd_enable_device",
        "ipv4_synproxy_hook",
        "kvm_s390_pv_cpu_is_protected",
        "snd_seq_expand_var_event",
        "ir_raw_handler_register",
        "base_old_true_key",
        "register_nfs_version",
        "free_rs",
        "cxd2841er_attach_t_c",
        "dasd_path_create_kobj",
        "fwnode_get_phy_id",
        "nfs3_set_ds_client",
    ];

    fn file(names: [&str; 12]) -> String {
        let lines = names.map(|name| format!("alias symbol:{name} module\n"));
        format!("# Aliases for symbols.\n{}", lines.concat())
    }

    #[test]
    fn symbols_are_in_the_order_of_the_byte_order() {
        assert_eq!(ordered(file(LITTLE).as_bytes(), true), file(BIG).as_bytes());
        assert_eq!(ordered(file(BIG).as_bytes(), false), file(LITTLE).as_bytes());
    }

    #[test]
    fn only_for_another_byte_order() {
        for name in ["riscv64", "s390x"] {
            let other = target(OsStr::new(name)).unwrap().is_big_endian() != NATIVE_BIG_ENDIAN;
            // Debian's depmod is a link to kmod.
            let arch = target(OsStr::new(name)).unwrap();
            let [kmod, called] = ["/usr/bin/kmod", "/sbin/depmod"].map(OsStr::new);
            match super::super::answer(arch, kmod, called, &[]) {
                super::super::Answer::Execute(how) => assert_eq!(how.after.is_some(), other),
                _ => panic!("it is executed"),
            }
            assert!(executed(name, "/usr/bin/kmod", &["list"]).after.is_none());
        }
    }

    #[test]
    fn directories_of_options() {
        let of = |given: &[&str]| output_directory(&arguments(given));
        assert_eq!(of(&["-a", "6.12"]), Path::new("/"));
        assert_eq!(of(&["-a", "-b", "/tmp/x", "6.12"]), Path::new("/tmp/x"));
        assert_eq!(of(&["-b/tmp/x", "6.12"]), Path::new("/tmp/x"));
        assert_eq!(of(&["--outdir", "y", "--basedir=/tmp/x", "6.12"]), Path::new("y"));
        assert_eq!(of(&["-o"]), Path::new("/"));
    }

    #[test]
    fn files_are_reordered_where_they_are() {
        let [old, new] = match NATIVE_BIG_ENDIAN {
            true => [BIG, LITTLE],
            false => [LITTLE, BIG],
        };
        let top = std::env::temp_dir().join(format!("shim-depmod-{}", std::process::id()));
        let directory = top.join("usr/lib/modules/6.12.0");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(SYMBOLS), file(old)).unwrap();
        let other = target(OsStr::new(if NATIVE_BIG_ENDIAN { "riscv64" } else { "s390x" })).unwrap();
        let given = ["-b".into(), top.clone().into_os_string()];
        // In the place of depmod, which has made the file.
        let how = |after| Execution {
            after,
            ..Execution::default()
        };
        let after = depmod(other).after;
        assert!(after.is_some());
        let run = |tool: &str| {
            let status =
                crate::execution::run(other, OsStr::new(tool), OsStr::new("depmod"), &given, how(after));
            let written = std::fs::read_to_string(directory.join(SYMBOLS)).unwrap();
            (status.unwrap(), written)
        };
        assert_eq!(run("/bin/false"), (1, file(old)));
        assert_eq!(run("/bin/true"), (0, file(new)));
        std::fs::remove_dir_all(top).unwrap();
    }
}
