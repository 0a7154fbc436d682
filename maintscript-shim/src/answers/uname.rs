//! uname(1).

use crate::paths::Architecture;
use crate::sys;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// uname(1) of coreutils: fields in its order whatever the order of options.
/// Unknown options are left to the counterpart, which complains as usual.
pub(super) fn uname(arch: &Architecture, arguments: &[OsString]) -> Option<Vec<u8>> {
    const LONG: [(&str, u8); 11] = [
        ("--all", b'a'),
        ("--kernel-name", b's'),
        ("--sysname", b's'),
        ("--nodename", b'n'),
        ("--kernel-release", b'r'),
        ("--release", b'r'),
        ("--kernel-version", b'v'),
        ("--machine", b'm'),
        ("--processor", b'p'),
        ("--hardware-platform", b'i'),
        ("--operating-system", b'o'),
    ];
    let mut wanted = Vec::new();
    for argument in arguments {
        let text = argument.to_str()?;
        if let Some(name) = text.strip_prefix("--").filter(|name| !name.is_empty()) {
            // getopt_long(3): the beginning of one name, or of several that mean the same.
            let exact = LONG.iter().find(|(option, _)| *option == text);
            let mut meant = LONG
                .iter()
                .filter(|(option, _)| option.strip_prefix("--").is_some_and(|o| o.starts_with(name)));
            let first = exact.or_else(|| meant.clone().next())?;
            if exact.is_none() && meant.any(|(_, letter)| *letter != first.1) {
                return None;
            }
            wanted.push(first.1);
        } else {
            let letters = text
                .strip_prefix('-')
                .filter(|l| !l.is_empty() && !l.starts_with('-'))?;
            wanted.extend_from_slice(letters.as_bytes());
        }
    }
    if wanted.is_empty() {
        wanted.push(b's');
    }
    if !wanted.iter().all(|l| b"asnrvmpio".contains(l)) {
        return None;
    }
    let all = wanted.contains(&b'a');
    let [name, node, release, version] = sys::kernel();
    let machine = OsString::from(arch.uname);
    // `uname -a` leaves out processor and platform, which Linux does not know.
    let fields = [
        (b's', name, true),
        (b'n', node, true),
        (b'r', release, true),
        (b'v', version, true),
        (b'm', machine, true),
        (b'p', OsString::from("unknown"), false),
        (b'i', OsString::from("unknown"), false),
        (b'o', OsString::from("GNU/Linux"), true),
    ];
    let shown: Vec<&[u8]> = fields
        .iter()
        .filter(|(letter, _, in_all)| wanted.contains(letter) && !all || (all && *in_all))
        .map(|(_, text, _)| text.as_bytes())
        .collect();
    let mut output = shown.join(&b' ');
    output.push(b'\n');
    Some(output)
}

#[cfg(test)]
mod tests {
    use super::super::tests::told;

    #[test]
    fn machine_names() {
        let uname = |given: &[&str]| told("/usr/bin/uname", given);
        assert_eq!(uname(&["-m"]).unwrap(), "riscv64\n");
        assert_eq!(uname(&["--machine", "-s"]).unwrap(), "Linux riscv64\n");
        assert_eq!(uname(&["-ms"]).unwrap(), "Linux riscv64\n");
        assert_eq!(uname(&["-om"]).unwrap(), "riscv64 GNU/Linux\n");
        assert_eq!(uname(&["--operating-system"]).unwrap(), "GNU/Linux\n");
        assert_eq!(uname(&["--mach"]).unwrap(), "riscv64\n");
        assert_eq!(uname(&["-p", "-i"]).unwrap(), "unknown unknown\n");
        assert_eq!(uname(&[]).unwrap(), "Linux\n");
        let all = uname(&["-a"]).unwrap();
        assert!(all.ends_with(" riscv64 GNU/Linux\n"), "{all}");
        // Asked for everything, it does not tell what it does not know.
        assert_eq!(uname(&["-ap"]).unwrap(), all);
        for left in [&["--bogus"][..], &["--kernel"], &["-z"], &["x"], &["--help"]] {
            assert_eq!(uname(left), None, "{left:?}");
        }
        assert_eq!(told("/usr/bin/arch", &[]).unwrap(), "riscv64\n");
    }
}
