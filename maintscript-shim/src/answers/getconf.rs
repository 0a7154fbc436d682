//! getconf(1) of glibc.

use super::{Execution, Rewrite};
use crate::paths::Architecture;
use std::ffi::OsString;

/// Variables whose value is compiled in and depends on the architecture are
/// put into what the counterpart prints, for `getconf NAME` and `getconf -a`. All
/// else is the kernel's or the same for every architecture.
pub(super) fn getconf(arguments: &[OsString]) -> Execution {
    let mut rest = arguments;
    // `-v SPECIFICATION` makes no difference: Debian has one for each architecture.
    if let [first, after @ ..] = rest
        && let Some(value) = first.to_str().and_then(|text| text.strip_prefix("-v"))
    {
        rest = if value.is_empty() {
            after.get(1..).unwrap_or_default()
        } else {
            after
        };
    }
    let text: fn(&Architecture, &[u8]) -> Vec<u8> = match rest {
        [all, ..] if all == "-a" => every,
        [name] | [name, _] => match NAMES.iter().find(|(known, _)| name == known) {
            Some((_, one)) => *one,
            None => return Execution::default(),
        },
        _ => return Execution::default(),
    };
    Execution {
        rewrite: Some(Rewrite {
            text,
            file: None,
            without: &[],
        }),
        ..Execution::default()
    }
}

type Name = (&'static str, fn(&Architecture, &[u8]) -> Vec<u8>);

/// One entry a variable, with what is printed for it alone.
macro_rules! names {
    ($($name:literal)*) => {
        [$(($name, |arch, _| alone(value(arch, $name)))),*]
    };
}

static NAMES: &[Name] = &names!(
    "LONG_BIT" "ULONG_MAX" "CHAR_MAX" "CHAR_MIN" "PTHREAD_STACK_MIN" "LFS_CFLAGS" "LFS_LINTFLAGS"
    "_XBS5_WIDTH_RESTRICTED_ENVS" "XBS5_WIDTH_RESTRICTED_ENVS"
    "_POSIX_V6_WIDTH_RESTRICTED_ENVS" "POSIX_V6_WIDTH_RESTRICTED_ENVS"
    "_POSIX_V7_WIDTH_RESTRICTED_ENVS" "POSIX_V7_WIDTH_RESTRICTED_ENVS"
    "_XBS5_ILP32_OFF32" "XBS5_ILP32_OFF32_CFLAGS" "XBS5_ILP32_OFF32_LDFLAGS"
    "_XBS5_ILP32_OFFBIG" "XBS5_ILP32_OFFBIG_CFLAGS" "XBS5_ILP32_OFFBIG_LDFLAGS"
    "_XBS5_LP64_OFF64" "XBS5_LP64_OFF64_CFLAGS" "XBS5_LP64_OFF64_LDFLAGS"
    "_POSIX_V6_ILP32_OFF32" "POSIX_V6_ILP32_OFF32_CFLAGS" "POSIX_V6_ILP32_OFF32_LDFLAGS"
    "_POSIX_V6_ILP32_OFFBIG" "POSIX_V6_ILP32_OFFBIG_CFLAGS" "POSIX_V6_ILP32_OFFBIG_LDFLAGS"
    "_POSIX_V6_LP64_OFF64" "POSIX_V6_LP64_OFF64_CFLAGS" "POSIX_V6_LP64_OFF64_LDFLAGS"
    "_POSIX_V7_ILP32_OFF32" "POSIX_V7_ILP32_OFF32_CFLAGS" "POSIX_V7_ILP32_OFF32_LDFLAGS"
    "_POSIX_V7_ILP32_OFFBIG" "POSIX_V7_ILP32_OFFBIG_CFLAGS" "POSIX_V7_ILP32_OFFBIG_LDFLAGS"
    "_POSIX_V7_LP64_OFF64" "POSIX_V7_LP64_OFF64_CFLAGS" "POSIX_V7_LP64_OFF64_LDFLAGS"
);

fn alone(value: Option<String>) -> Vec<u8> {
    format!("{}\n", value.as_deref().unwrap_or("undefined")).into_bytes()
}

/// The value of a variable; `None` where it is undefined.
fn value(arch: &Architecture, name: &str) -> Option<String> {
    const LARGE: &str = "-D_LARGEFILE_SOURCE -D_FILE_OFFSET_BITS=64";
    let narrow = arch.bits == 32;
    let number = |wide: &str, otherwise: &str| Some(if narrow { otherwise } else { wide }.to_owned());
    match name {
        "LONG_BIT" => return number("64", "32"),
        "ULONG_MAX" => return number("18446744073709551615", "4294967295"),
        "CHAR_MAX" => return Some(if arch.signed_char { "127" } else { "255" }.into()),
        "CHAR_MIN" => return Some(if arch.signed_char { "-128" } else { "0" }.into()),
        "PTHREAD_STACK_MIN" => return Some(arch.minimum_stack.to_string()),
        "LFS_CFLAGS" | "LFS_LINTFLAGS" => return number("", LARGE),
        _ => {}
    }
    let plain = name.strip_prefix('_').unwrap_or(name);
    let (family, rest) = ["XBS5_", "POSIX_V6_", "POSIX_V7_"]
        .iter()
        .find_map(|family| Some((*family, plain.strip_prefix(family)?)))?;
    if rest == "WIDTH_RESTRICTED_ENVS" {
        return Some(if narrow {
            format!("{family}ILP32_OFF32\n{family}ILP32_OFFBIG")
        } else {
            format!("{family}LP64_OFF64")
        });
    }
    let own = if narrow { "ILP32_" } else { "LP64_" };
    if plain != name {
        return rest.starts_with(own).then(|| "1".to_owned());
    }
    let flags = match rest {
        _ if !rest.starts_with(own) => String::new(),
        "ILP32_OFFBIG_CFLAGS" => format!("{} {LARGE}", arch.compiler_option)
            .trim_start()
            .to_owned(),
        _ => arch.compiler_option.to_owned(),
    };
    Some(flags)
}

/// `getconf -a`: a line for each variable, some values with lines of their own.
fn every(arch: &Architecture, output: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(output);
    let mut changed = String::with_capacity(text.len());
    for line in text.lines() {
        let name = line.split(' ').next().unwrap_or_default();
        if NAMES.iter().any(|(known, _)| *known == name) {
            let value = value(arch, name).unwrap_or_default();
            changed.push_str(&format!("{name:<35}{value}\n"));
        } else if line.contains(' ') {
            changed.push_str(line);
            changed.push('\n');
        }
        // What is left is the rest of a value that has been replaced.
    }
    changed.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{arguments, executed, is_plain};
    use super::*;
    use crate::paths::target;
    use std::ffi::OsStr;

    fn told(name: &str, given: &[&str]) -> Option<String> {
        let arch = target(OsStr::new(name)).unwrap();
        let text = getconf(&arguments(given)).rewrite?.text;
        Some(String::from_utf8(text(arch, b"")).unwrap())
    }

    /// As printed by the getconf of each architecture.
    #[test]
    fn variables() {
        for (name, variable, printed) in [
            ("riscv64", "LONG_BIT", "64"),
            ("armhf", "LONG_BIT", "32"),
            ("armhf", "ULONG_MAX", "4294967295"),
            ("i386", "CHAR_MIN", "-128"),
            ("s390x", "CHAR_MAX", "255"),
            ("ppc64el", "PTHREAD_STACK_MIN", "131072"),
            (
                "armhf",
                "LFS_CFLAGS",
                "-D_LARGEFILE_SOURCE -D_FILE_OFFSET_BITS=64",
            ),
            ("riscv64", "LFS_CFLAGS", ""),
            ("armhf", "_POSIX_V7_LP64_OFF64", "undefined"),
            ("arm64", "_POSIX_V7_LP64_OFF64", "1"),
            ("armhf", "_XBS5_ILP32_OFF32", "1"),
            ("arm64", "POSIX_V7_LP64_OFF64_CFLAGS", ""),
            ("s390x", "POSIX_V7_LP64_OFF64_CFLAGS", "-m64"),
            (
                "i386",
                "XBS5_ILP32_OFFBIG_CFLAGS",
                "-m32 -D_LARGEFILE_SOURCE -D_FILE_OFFSET_BITS=64",
            ),
            (
                "armhf",
                "POSIX_V6_ILP32_OFFBIG_CFLAGS",
                "-D_LARGEFILE_SOURCE -D_FILE_OFFSET_BITS=64",
            ),
            ("i386", "XBS5_LP64_OFF64_CFLAGS", ""),
            (
                "armhf",
                "POSIX_V7_WIDTH_RESTRICTED_ENVS",
                "POSIX_V7_ILP32_OFF32\nPOSIX_V7_ILP32_OFFBIG",
            ),
        ] {
            assert_eq!(told(name, &[variable]).unwrap(), format!("{printed}\n"), "{name}");
        }
        assert_eq!(
            told("armhf", &["-v", "POSIX_V7_ILP32_OFF32", "LONG_BIT"]).unwrap(),
            "32\n"
        );
        assert_eq!(told("armhf", &["GNU_LIBC_VERSION"]), None);
        assert!(is_plain(&executed(
            "armhf",
            "/usr/bin/getconf",
            &["NAME_MAX", "/"]
        )));
    }

    #[test]
    fn all_variables() {
        let arch = target(OsStr::new("armhf")).unwrap();
        let native = format!(
            "{:<35}4096\n{:<35}64\n{:<35}XBS5_LP64_OFF64\n{:<35}1\n",
            "PATH_MAX", "LONG_BIT", "XBS5_WIDTH_RESTRICTED_ENVS", "_XBS5_LP64_OFF64"
        );
        let printed = String::from_utf8(every(arch, native.as_bytes())).unwrap();
        let expected = format!(
            "{:<35}4096\n{:<35}32\n{:<35}XBS5_ILP32_OFF32\nXBS5_ILP32_OFFBIG\n{:<35}\n",
            "PATH_MAX", "LONG_BIT", "XBS5_WIDTH_RESTRICTED_ENVS", "_XBS5_LP64_OFF64"
        );
        assert_eq!(printed, expected);
    }
}
