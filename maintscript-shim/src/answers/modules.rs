//! Tools that load modules or know the machine they run on.

use super::{Execution, Rewrite};
use crate::paths::{Architecture, NATIVE_BIG_ENDIAN, NATIVE_TRIPLET, map_triplet};
use shim_protocol::paths::SYSROOT;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Loads modules that it is told, and names them as it was told.
pub(super) fn load() -> Execution {
    Execution {
        libraries: true,
        machine: true,
        ..Execution::default()
    }
}

/// Asks for the machine.
pub(super) fn machine() -> Execution {
    Execution {
        machine: true,
        ..Execution::default()
    }
}

/// gdk-pixbuf-query-loaders(1).
pub(super) fn pixbuf(arch: &Architecture, arguments: &[OsString]) -> Execution {
    let file = std::env::var("GDK_PIXBUF_MODULE_FILE")
        .unwrap_or_else(|_| format!("/usr/lib/{}/gdk-pixbuf-2.0/2.10.0/loaders.cache", arch.triplet));
    listed(arguments, file)
}

/// dot(1), which with `-c` lists the plug-ins of the directory of its library in a file there.
pub(super) fn graphviz(arch: &Architecture) -> Execution {
    Execution {
        variables: vec![("GVBINDIR", format!("/usr/lib/{}/graphviz", arch.triplet).into())],
        libraries: true,
        ..Execution::default()
    }
}

/// gtk-query-immodules-3.0(1).
pub(super) fn gtk3(arch: &Architecture, arguments: &[OsString]) -> Execution {
    gtk(arch, arguments, "gtk-3.0/3.0.0")
}

/// gtk-query-immodules-2.0(1).
pub(super) fn gtk2(arch: &Architecture, arguments: &[OsString]) -> Execution {
    gtk(arch, arguments, "gtk-2.0/2.10.0")
}

fn gtk(arch: &Architecture, arguments: &[OsString], version: &str) -> Execution {
    let file = std::env::var("GTK_IM_MODULE_FILE")
        .unwrap_or_else(|_| format!("/usr/lib/{}/{version}/immodules.cache", arch.triplet));
    listed(arguments, file)
}

/// A tool that lists modules: what it writes has paths of its own directory,
/// which is the native one.
fn listed(arguments: &[OsString], file: String) -> Execution {
    const UPDATE: &str = "--update-cache";
    Execution {
        libraries: true,
        machine: true,
        rewrite: Some(Rewrite {
            text: of_the_target,
            file: arguments.iter().any(|a| a == UPDATE).then_some(file),
            without: &[UPDATE],
        }),
        ..Execution::default()
    }
}

/// Text with the target's triplet and system type for the native ones.
pub(super) fn of_the_target(arch: &Architecture, text: &[u8]) -> Vec<u8> {
    let text = map_triplet(text, NATIVE_TRIPLET, arch.triplet);
    map_triplet(
        &text,
        &Architecture::native().system_type().join("-"),
        &arch.system_type().join("-"),
    )
}

/// fc-cache(1): what it says names files, which the installer brings into the
/// target's form and name in the end. Packages keep that, and its name, in a log.
pub(super) fn fontconfig(arch: &Architecture) -> Execution {
    let same = arch.fontconfig_name() == NATIVE_FORM;
    Execution {
        rewrite: (!same).then_some(Rewrite {
            text: |arch, text| {
                let (from, to) = (
                    format!("-{NATIVE_FORM}.cache-"),
                    format!("-{}.cache-", arch.fontconfig_name()),
                );
                String::from_utf8_lossy(text).replace(&from, &to).into_bytes()
            },
            file: None,
            without: &[],
        }),
        by_name: true,
        ..Execution::default()
    }
}

/// fontconfig's name for this machine's layout.
const NATIVE_FORM: &str = Architecture::native().fontconfig_name();

/// bash(1): HOSTTYPE and MACHTYPE are compiled in, but yield to the environment.
pub(super) fn bash(arch: &Architecture) -> Execution {
    let system = arch.system_type().join("-");
    Execution {
        variables: vec![("HOSTTYPE", arch.gnu_cpu.into()), ("MACHTYPE", system.into())],
        ..Execution::default()
    }
}

/// make(1): `MAKE_HOST` is compiled in, but yields to the environment.
pub(super) fn make(arch: &Architecture, arguments: &[OsString]) -> Execution {
    Execution {
        variables: vec![("MAKE_HOST", arch.system_type().join("-").into())],
        rewrite: version_text(arguments, &["-v", "--version"]),
        ..Execution::default()
    }
}

/// file(1): it misreads compiled magic of another byte order, of which the native package has its own.
pub(super) fn magic(arch: &Architecture, arguments: &[OsString]) -> Execution {
    let tells = |argument: &OsString| argument == "-v" || argument == "--version";
    let differs = arch.is_big_endian() != NATIVE_BIG_ENDIAN && !arguments.iter().any(tells);
    let magic = differs.then(|| {
        (
            "MAGIC",
            format!("/etc/magic:{SYSROOT}/usr/lib/file/magic.mgc").into(),
        )
    });
    Execution {
        variables: magic.into_iter().collect(),
        ..Execution::default()
    }
}

/// perl(1): compiled modules are found where the target has them, and `Config` is
/// the target's. A native perl of another version has its own only.
pub(super) fn perl(arch: &Architecture, arguments: &[OsString]) -> Execution {
    let base = format!("/usr/lib/{}/perl-base", arch.triplet);
    let [target, native] =
        [&base, &format!("{SYSROOT}/usr/lib/{NATIVE_TRIPLET}/perl-base")].map(|directory| {
            perl_version(&fs::read_to_string(format!("{directory}/Config.pm")).unwrap_or_default())
        });
    let mut variables = Vec::new();
    if let (true, Some(version)) = (target == native, target) {
        // In the order of perl's own list. In the middle of an upgrade there are directories of another version, too.
        let own = interface(&version);
        let of_version = |directory: &str| {
            let found = versions(&format!("/usr/lib/{}/{directory}", arch.triplet));
            let is_own = |path: &PathBuf| path.file_name().is_some_and(|name| name == own);
            found.into_iter().filter(is_own).collect::<Vec<_>>()
        };
        let mut places = of_version("perl5");
        places.push(base.into());
        places.extend(of_version("perl"));
        variables.extend(
            std::env::join_paths(places)
                .ok()
                .map(|places| ("PERL5LIB", places)),
        );
    }
    Execution {
        libraries: !variables.is_empty(),
        variables,
        machine: true,
        rewrite: version_text(arguments, &["-v"]),
        ..Execution::default()
    }
}

/// Returns the change of what an interpreter tells of its version, which has the system type in it.
pub(super) fn version_text(arguments: &[OsString], options: &[&str]) -> Option<Rewrite> {
    let [only] = arguments else { return None };
    options.iter().any(|option| only == option).then_some(Rewrite {
        text: of_the_target,
        file: None,
        without: &[],
    })
}

/// The version of perl's interface, as 5.40 of 5.40.1.
fn interface(version: &str) -> &str {
    match version.match_indices('.').nth(1) {
        Some((at, _)) => version.get(..at).unwrap_or(version),
        None => version,
    }
}

/// Directories named by the version of perl's interface, as 5.40.
fn versions(directory: &str) -> Vec<PathBuf> {
    let mut found = entries(directory);
    found.retain(|path| {
        let name = path.file_name().unwrap_or_default().as_bytes();
        name.iter().filter(|byte| **byte == b'.').count() == 1
            && name.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
    });
    found
}

/// The version that a `Config.pm` is for, which it checks itself.
fn perl_version(config: &str) -> Option<String> {
    let line = config
        .lines()
        .find(|line| line.trim_start().starts_with("version =>"))?;
    line.split('\'').nth(1).map(str::to_owned)
}

/// python(1): `sysconfig` reads the target's variables. Compiled modules are found by the target's suffixes, which the
/// library map gives it, and load as native ones. Nothing of this is code in python: names that the interpreter has
/// seen show in the byte code it writes.
pub(super) fn python(arch: &Architecture) -> Execution {
    let data = format!("_sysconfigdata__{}", arch.triplet);
    let known = entries("/usr/lib")
        .iter()
        .any(|library| library.join(format!("{data}.py")).exists());
    let mut variables: Vec<(&'static str, OsString)> = Vec::new();
    variables.extend(known.then(|| ("_PYTHON_SYSCONFIGDATA_NAME", data.into())));
    // Type libraries have numbers and offsets as in memory; the libraries that they name load as native ones.
    if has_native_layout(arch) {
        let types = format!("/usr/lib/{}/girepository-1.0", arch.triplet);
        variables.push(("GI_TYPELIB_PATH", types.into()));
    }
    Execution {
        variables,
        libraries: true,
        machine: true,
        ..Execution::default()
    }
}

/// Returns whether words have the size and the byte order that they have on this machine.
pub(super) fn has_native_layout(arch: &Architecture) -> bool {
    arch.is_big_endian() == NATIVE_BIG_ENDIAN && u32::from(arch.bits) == usize::BITS
}

fn entries(directory: &str) -> Vec<PathBuf> {
    let listed = fs::read_dir(directory).into_iter().flatten();
    let mut found: Vec<PathBuf> = listed.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::executed;
    use super::*;
    use crate::paths::target;
    use std::ffi::OsStr;

    fn rewritten(name: &str, path: &str, given: &[&str], text: &str) -> (String, Option<String>) {
        let arch = target(OsStr::new(name)).unwrap();
        let rewrite = executed(name, path, given).rewrite.unwrap();
        let text = (rewrite.text)(arch, text.as_bytes());
        (String::from_utf8(text).unwrap(), rewrite.file)
    }

    #[test]
    fn lists_of_modules_have_the_targets_paths() {
        let native = format!("\"/usr/lib/{NATIVE_TRIPLET}/gtk-3.0/3.0.0/immodules/im-xim.so\"\n");
        let path = "/usr/lib/s390x-linux-gnu/libgtk-3-0t64/gtk-query-immodules-3.0";
        let (text, file) = rewritten("s390x", path, &["--update-cache"], &native);
        assert_eq!(
            text,
            "\"/usr/lib/s390x-linux-gnu/gtk-3.0/3.0.0/immodules/im-xim.so\"\n"
        );
        assert_eq!(
            file.unwrap(),
            "/usr/lib/s390x-linux-gnu/gtk-3.0/3.0.0/immodules.cache"
        );
        let system = Architecture::native().system_type().join("-");
        let path = "/usr/lib/s390x-linux-gnu/libgtk2.0-0t64/gtk-query-immodules-2.0";
        let header = format!("# ModulesPath = /usr/lib/{NATIVE_TRIPLET}/gtk-2.0/{system}/immodules\n");
        let (text, _) = rewritten("s390x", path, &[], &header);
        assert_eq!(
            text,
            "# ModulesPath = /usr/lib/s390x-linux-gnu/gtk-2.0/s390x-ibm-linux-gnu/immodules\n"
        );
        let path = "/usr/lib/s390x-linux-gnu/gdk-pixbuf-2.0/gdk-pixbuf-query-loaders";
        let (_, file) = rewritten("s390x", path, &[], "");
        assert_eq!(file, None);
        let (_, file) = rewritten("s390x", path, &["--update-cache"], "");
        assert_eq!(
            file.unwrap(),
            "/usr/lib/s390x-linux-gnu/gdk-pixbuf-2.0/2.10.0/loaders.cache"
        );
        let load = executed(
            "s390x",
            "/usr/lib/s390x-linux-gnu/glib-2.0/gio-querymodules",
            &["/d"],
        );
        assert!(load.libraries && load.rewrite.is_none());
        let graphviz = executed("s390x", "/usr/sbin/libgvc6-config-update", &["-c"]);
        let directory = OsString::from("/usr/lib/s390x-linux-gnu/graphviz");
        assert!(graphviz.libraries && graphviz.variables == [("GVBINDIR", directory)]);
    }

    #[test]
    fn names_of_font_caches() {
        let line = format!("0a-{NATIVE_FORM}.cache-9\n");
        for (name, form) in [("s390x", "be64"), ("armhf", "le32d8"), ("i386", "le32d4")] {
            if form != NATIVE_FORM {
                let (text, _) = rewritten(name, "/usr/bin/fc-cache", &["-s"], &line);
                assert_eq!(text, format!("0a-{form}.cache-9\n"));
            }
        }
        if NATIVE_FORM == "le64" {
            assert!(executed("riscv64", "/usr/bin/fc-cache", &[]).rewrite.is_none());
        }
    }

    #[test]
    fn interpreters_know_the_target() {
        let variable = |tool: &str, name: &str| {
            let variables = executed("s390x", tool, &[]).variables;
            variables
                .into_iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| value)
        };
        assert_eq!(
            variable("/usr/bin/bash", "MACHTYPE").unwrap(),
            "s390x-ibm-linux-gnu"
        );
        assert_eq!(variable("/usr/bin/bash", "HOSTTYPE").unwrap(), "s390x");
        assert!(executed("s390x", "/usr/bin/python3.13", &[]).machine);
        assert!(executed("s390x", "/usr/bin/perl", &[]).machine);
        assert!(executed("s390x", "/usr/bin/lscpu", &[]).machine);
        let config = "    useithreads => 'define',\n    version => '5.40.1',\n);";
        assert_eq!(perl_version(config).unwrap(), "5.40.1");
        assert_eq!(perl_version(""), None);
    }
}
