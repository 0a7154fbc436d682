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
    let asks = |option: &str| {
        let given = |argument: &OsString| {
            let text = argument.as_bytes();
            text == option.as_bytes() || text.strip_prefix(b"-") == Some(option.as_bytes())
        };
        arguments.iter().any(given)
    };
    let tells = arguments.iter().any(|argument| told(argument.as_bytes()));
    if Path::new(&own).is_dir() && !asks("-print-search-dirs") {
        execution.arguments.push(format!("-B{own}").into());
        if tells && !has_own_startfiles(arch) {
            execution.arguments.push(format!("-B{own}{ABOVE}").into());
        }
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
    if tells {
        execution.rewrite = Some(Rewrite {
            text: |arch, text| {
                let text = String::from_utf8_lossy(text);
                let text = text.replace(SYSROOT, "").replace("/gcc-cross/", "/gcc/");
                // The driver tells them from its own place.
                search_directories(arch, &text.replace("/usr/bin/../", "/usr/")).into_bytes()
            },
            file: None,
            without: &[],
        });
    }
    execution
}

/// From the directory of a compiler's version to that of libraries, where native compilers look for them.
const ABOVE: &str = "../../../";

/// Whether an option asks for paths.
fn told(argument: &[u8]) -> bool {
    argument.starts_with(b"-print-") || argument.starts_with(b"--print-")
}

/// Whether compilers for an architecture name the directories of its libraries for themselves (`STARTFILE_PREFIX_SPEC` of
/// GCC): native ones look nowhere else then.
fn has_own_startfiles(arch: &Architecture) -> bool {
    ["riscv", "mips", "loongarch"]
        .iter()
        .any(|cpu| arch.gnu_cpu.starts_with(cpu))
}

/// Makes what `-print-search-dirs` says that of a native compiler, which stands where it was built for, and looks for libraries
/// from there.
fn search_directories(arch: &Architecture, text: &str) -> String {
    let own = text.lines().find_map(|line| line.strip_prefix("install: "));
    let Some(own) = own.map(|own| own.trim_end_matches('/')) else {
        return text.to_owned();
    };
    let machine = own.rsplit_once('/').map_or(own, |(machine, _)| machine);
    let line = |line: &str| {
        let (what, directories) = line.split_once(": =").unwrap_or((line, ""));
        let directories: Vec<&str> = directories.split(':').collect();
        let all = match what {
            "programs" => programs(own, machine, &directories),
            "libraries" => libraries(arch, own, &directories),
            _ => return format!("{line}\n"),
        };
        format!("{what}: ={}\n", all.join(":"))
    };
    text.lines().map(line).collect()
}

fn programs(own: &str, machine: &str, directories: &[&str]) -> Vec<String> {
    // Since GCC 13 of Debian programs are in /usr/libexec.
    let apart = directories.iter().any(|one| one.starts_with("/usr/libexec/"));
    let place = |path: &str| match apart {
        true => format!("{}/", path.replacen("/usr/lib/", "/usr/libexec/", 1)),
        false => format!("{path}/"),
    };
    let mut all = vec![place(own), place(own), place(machine)];
    all.extend([own, machine].map(|path| format!("{path}/")));
    let others = directories.iter().filter(|one| one.contains("/../"));
    all.extend(others.map(|one| (*one).to_owned()));
    all
}

fn libraries(arch: &Architecture, own: &str, directories: &[&str]) -> Vec<String> {
    let elsewhere = [
        format!("/usr/lib/gcc/{}/", arch.triplet),
        "/usr/lib/gcc/".to_owned(),
    ];
    let above = ABOVE.trim_end_matches('/');
    let mut all: Vec<String> = Vec::new();
    let mut run = 0;
    for directory in directories {
        if elsewhere.iter().any(|one| one == directory) {
            continue;
        }
        match directory.strip_prefix("/lib/") {
            // Those of a run in /lib have as many before them.
            Some(below) if !has_own_startfiles(arch) => {
                all.insert(all.len() - run, format!("{own}/{above}/{below}"));
                run += 1;
            }
            _ => run = 0,
        }
        all.push((*directory).to_owned());
    }
    all
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
    // Debian's native compilers have no sysroot.
    if asked("-print-sysroot") || asked("--print-sysroot") {
        return Some(Vec::new());
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
    fn directories_of_native_compilers() {
        let told = |name: &str, text: &str| {
            let arch = crate::paths::target(std::ffi::OsStr::new(name)).unwrap();
            super::search_directories(arch, text)
        };
        let tools = "/usr/lib/gcc/i686-linux-gnu/14/../../../../i686-linux-gnu/bin/";
        let cross = format!(
            "install: /usr/lib/gcc/i686-linux-gnu/14/\n\
             programs: =/usr/libexec/gcc/i686-linux-gnu/14/:/usr/libexec/gcc/i386-linux-gnu/:/usr/libexec/gcc/:{tools}\n\
             libraries: =/usr/lib/gcc/i686-linux-gnu/14/:/usr/lib/gcc/i386-linux-gnu/:/usr/lib/gcc/\
             :/lib/i686-linux-gnu/14/:/lib/i386-linux-gnu/:/lib/../lib/:/usr/lib/../lib/:/y/:/lib/:/usr/lib/\n"
        );
        // As native compilers print them.
        let native = format!(
            "install: /usr/lib/gcc/i686-linux-gnu/14/\n\
             programs: =/usr/libexec/gcc/i686-linux-gnu/14/:/usr/libexec/gcc/i686-linux-gnu/14/:/usr/libexec/gcc/i686-linux-gnu/\
             :/usr/lib/gcc/i686-linux-gnu/14/:/usr/lib/gcc/i686-linux-gnu/:{tools}\n\
             libraries: =/usr/lib/gcc/i686-linux-gnu/14/\
             :/usr/lib/gcc/i686-linux-gnu/14/../../../i686-linux-gnu/14/\
             :/usr/lib/gcc/i686-linux-gnu/14/../../../i386-linux-gnu/\
             :/usr/lib/gcc/i686-linux-gnu/14/../../../../lib/\
             :/lib/i686-linux-gnu/14/:/lib/i386-linux-gnu/:/lib/../lib/:/usr/lib/../lib/:/y/\
             :/usr/lib/gcc/i686-linux-gnu/14/../../../:/lib/:/usr/lib/\n"
        );
        assert_eq!(told("i386", &cross), native);
        let riscv64 = told(
            "riscv64",
            "install: /usr/lib/gcc/riscv64-linux-gnu/14/\nlibraries: =/lib64/lp64d/:/usr/lib64/lp64d/:/lib/:/usr/lib/\n",
        );
        assert!(riscv64.ends_with("\nlibraries: =/lib64/lp64d/:/usr/lib64/lp64d/:/lib/:/usr/lib/\n"));
        assert_eq!(told("i386", "/usr/lib/x\n"), "/usr/lib/x\n");
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
        assert_eq!(told("/usr/bin/gcc", &["-print-sysroot"]).unwrap(), "");
        assert_eq!(told("/usr/bin/gcc", &["--version"]), None);
    }
}
