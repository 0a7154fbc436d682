//! Compilers.
//!
//! The compiler of the target is executed as the suite's cross compiler for its machine, from the native sysroot. That has
//! programs of its own beside it, but no libraries and headers: those are the target's, where the target's own compiler
//! has them.

use super::{Execution, Rewrite, line};
use crate::base_name;
use crate::paths::Architecture;
use shim_protocol::paths::SYSROOT;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Directories of headers of C++ that the driver's own compiler would look in, in order (cpp(1)).
const CXX_HEADERS: &str = "CPLUS_INCLUDE_PATH";

/// Executes the cross compiler for `path`, a driver with its version behind its name: gcc(1), g++(1), cpp(1), gfortran(1).
pub(super) fn cross(arch: &Architecture, path: &OsStr, arguments: &[OsString]) -> Execution {
    let name = String::from_utf8_lossy(base_name(path)).into_owned();
    let version = name
        .rsplit('-')
        .next()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let Some(version) = version else {
        return Execution::default();
    };
    let own = format!("/usr/lib/gcc/{}/{version}/", machine_name(arch));
    let mut execution = Execution {
        by_path: true,
        ..Execution::default()
    };
    if Path::new(&own).is_dir() {
        execution.arguments.push(format!("-B{own}").into());
    }
    let headers = [
        format!("/usr/include/c++/{version}"),
        format!("/usr/include/{}/c++/{version}", arch.triplet),
        format!("/usr/include/c++/{version}/backward"),
    ];
    let callers = std::env::var_os(CXX_HEADERS).filter(|paths| !paths.is_empty());
    if callers.is_none() && Path::new(&headers[0]).is_dir() {
        execution.variables.push((CXX_HEADERS, headers.join(":").into()));
    }
    let tells = |argument: &OsString| argument.as_bytes().starts_with(b"-print-");
    if arguments.iter().any(tells) {
        execution.rewrite = Some(Rewrite {
            text: |_, text| {
                let text = String::from_utf8_lossy(text);
                let text = text.replace(SYSROOT, "").replace("/gcc-cross/", "/gcc/");
                // The driver tells them from its own place.
                text.replace("/usr/bin/../", "/usr/").into_bytes()
            },
            file: None,
            without: &[],
        });
    }
    execution
}

/// Returns a machine's name among compilers. Debian's for i386 make programs for i686.
pub(super) fn machine_name(arch: &Architecture) -> String {
    let (_, system) = arch.triplet.split_once('-').unwrap_or_default();
    format!("{}-{system}", arch.gnu_cpu)
}

/// gcc(1), clang(1): the options that print the machine programs are compiled for.
pub(super) fn machine(arch: &Architecture, arguments: &[OsString]) -> Option<Vec<u8>> {
    let asked = |option: &str| arguments.iter().any(|argument| argument == option);
    if asked("-dumpmachine") {
        return Some(line(&machine_name(arch)));
    }
    (asked("-print-multiarch") || asked("--print-multiarch")).then(|| line(arch.triplet))
}

#[cfg(test)]
mod tests {
    use super::super::tests::told;

    #[test]
    fn drivers_find_the_libraries_of_the_target() {
        let executed =
            super::super::tests::executed("riscv64", "/usr/bin/riscv64-linux-gnu-gcc-14", &["x.c"]);
        assert!(executed.by_path && executed.rewrite.is_none());
        // By whatever name it is called.
        let other = super::super::tests::called("i386", "/usr/bin/i686-linux-gnu-g++-14", "c++", &["x.cc"]);
        assert!(other.by_path);
        let asks = super::super::tests::executed(
            "riscv64",
            "/usr/bin/riscv64-linux-gnu-g++-14",
            &["-print-file-name=libc.so"],
        );
        let text = asks.rewrite.map(|rewrite| rewrite.text).unwrap();
        let arch = crate::paths::target(std::ffi::OsStr::new("riscv64")).unwrap();
        let told = format!(
            "{}/usr/bin/../lib/gcc-cross/riscv64-linux-gnu/14/x",
            shim_protocol::paths::SYSROOT
        );
        assert_eq!(
            text(arch, told.as_bytes()),
            b"/usr/lib/gcc/riscv64-linux-gnu/14/x"
        );
    }

    #[test]
    fn machines_of_compilers() {
        for compiler in ["gcc", "gcc-14", "riscv64-linux-gnu-gcc-14", "g++", "cpp-14"] {
            let path = format!("/usr/bin/{compiler}");
            assert_eq!(told(&path, &["-dumpmachine"]).unwrap(), "riscv64-linux-gnu\n");
        }
        assert_eq!(
            told("/usr/bin/gcc", &["-print-multiarch"]).unwrap(),
            "riscv64-linux-gnu\n"
        );
        assert_eq!(told("/usr/bin/gcc", &["--version"]), None);
    }
}
