//! localedef(1), and the locales of native programs.

use super::Execution;
use crate::paths::{Architecture, LOCALES, NATIVE_BIG_ENDIAN};
use std::ffi::OsString;

/// The target's locales are in its byte order: glibc has `--big-endian` and
/// `--little-endian` for this very case. Native programs cannot read them then,
/// so the same locale is made for them as well, where it is not in the result.
pub(super) fn localedef(arch: &Architecture, arguments: &[OsString]) -> Execution {
    let told = arguments
        .iter()
        .any(|a| a == "--big-endian" || a == "--little-endian");
    if told || arch.is_big_endian() == NATIVE_BIG_ENDIAN {
        return Execution::default();
    }
    let option = if arch.is_big_endian() {
        "--big-endian"
    } else {
        "--little-endian"
    };
    Execution {
        arguments: vec![option.into()],
        first: natively(arguments),
        ..Execution::default()
    }
}

/// The arguments for the native locale of the same name, where the name is the
/// last one and not a path.
fn natively(arguments: &[OsString]) -> Option<Vec<OsString>> {
    let (name, options) = arguments.split_last()?;
    let name = name
        .to_str()
        .filter(|name| !name.starts_with('-') && !name.contains('/'))?;
    // With a source file, that is: the others list or delete.
    options
        .iter()
        .any(|option| {
            option
                .to_str()
                .is_some_and(|o| o.starts_with("-i") || o.starts_with("--inputfile"))
        })
        .then(|| {
            let own = [OsString::from("--no-archive")];
            let place = [OsString::from(format!("{LOCALES}/{name}"))];
            [&own, options, &place].concat()
        })
}

#[cfg(test)]
mod tests {
    use super::super::tests::executed;
    use super::*;

    #[test]
    fn localedef_is_told_the_byte_order() {
        let given = ["-i", "en_US", "-c", "-f", "UTF-8", "en_US.UTF-8"];
        let of = |name, given: &[&str]| executed(name, "/usr/bin/localedef", given);
        let (other, same, option) = if NATIVE_BIG_ENDIAN {
            ("riscv64", "s390x", "--little-endian")
        } else {
            ("s390x", "riscv64", "--big-endian")
        };
        let execution = of(other, &given);
        assert_eq!(execution.arguments, [option]);
        let first = execution.first.unwrap();
        assert_eq!(first[0], "--no-archive");
        assert_eq!(*first.last().unwrap(), *format!("{LOCALES}/en_US.UTF-8"));
        assert!(of(same, &given).arguments.is_empty() && of(same, &given).first.is_none());
        assert!(of(other, &["--little-endian", "x"]).arguments.is_empty());
        for no_locale in [
            &["--list-archive"][..],
            &["-i", "x", "/a/path"],
            &["--delete-from-archive", "x"],
        ] {
            assert_eq!(of(other, no_locale).first, None);
        }
    }
}
