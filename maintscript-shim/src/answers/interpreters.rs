//! Interpreters whose native counterparts look for compiled modules in directories of this machine. They are told the
//! target's, in which the modules load as native ones, and know the target's machine.

use super::{Execution, modules};
use crate::base_name;
use crate::paths::Architecture;
use shim_protocol::paths::{NODE_START, RUBY_START};
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

fn with(variables: Vec<(&'static str, OsString)>) -> Execution {
    Execution {
        variables,
        ..modules::load()
    }
}

/// Returns the version in a name: `3.3` of `ruby3.3`, `5.1` of `luajit`, whose language is that.
fn version(path: &OsStr) -> Option<String> {
    let name = String::from_utf8_lossy(base_name(path)).into_owned();
    let version = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    let plain = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    plain.then(|| version.to_owned())
}

/// ruby(1): `$LOAD_PATH` is the target's list (`ruby_initial_load_paths` in its source, with Debian's directories), in
/// which it finds the target's `rbconfig.rb`. What is compiled into it is changed by a file that it reads first: ruby
/// keeps no byte code in which that would be seen.
pub(super) fn ruby(arch: &Architecture, path: &OsStr, arguments: &[OsString]) -> Execution {
    let triplet = arch.triplet;
    let mut variables: Vec<(&'static str, OsString)> = Vec::new();
    if let Some(version) = version(path) {
        let version = format!("{version}.0");
        let places = [
            format!("/usr/local/lib/site_ruby/{version}"),
            format!("/usr/local/lib/{triplet}/site_ruby"),
            "/usr/local/lib/site_ruby".to_owned(),
            format!("/usr/lib/ruby/vendor_ruby/{version}"),
            format!("/usr/lib/{triplet}/ruby/vendor_ruby/{version}"),
            "/usr/lib/ruby/vendor_ruby".to_owned(),
            format!("/usr/lib/ruby/{version}"),
            format!("/usr/lib/{triplet}/ruby/{version}"),
        ];
        variables.push(("RUBYLIB", places.join(":").into()));
        variables.push(("RUBYOPT", format!("-r{RUBY_START}").into()));
    }
    Execution {
        rewrite: modules::version_text(arguments, &["-v", "--version"]),
        ..with(variables)
    }
}

/// lua(1): `package.cpath` is the target's (`luaconf.h` of Debian's packages).
pub(super) fn lua(arch: &Architecture, path: &OsStr) -> Execution {
    let triplet = arch.triplet;
    let jit = base_name(path).starts_with(b"luajit");
    let version = match version(path) {
        Some(version) if !jit => version,
        _ => "5.1".to_owned(),
    };
    let own = format!("/usr/local/lib/lua/{version}");
    let debians = format!("/usr/lib/{triplet}/lua/{version}/?.so");
    let other = format!("/usr/lib/lua/{version}/?.so");
    let (name, places) = match version.as_str() {
        _ if jit => (
            "LUA_CPATH",
            format!("./?.so;{own}/?.so;{debians};{own}/loadall.so"),
        ),
        "5.1" => (
            "LUA_CPATH",
            format!("./?.so;{own}/?.so;{debians};{other};{own}/loadall.so"),
        ),
        _ => (
            match version.as_str() {
                "5.2" => "LUA_CPATH_5_2",
                "5.3" => "LUA_CPATH_5_3",
                "5.5" => "LUA_CPATH_5_5",
                _ => "LUA_CPATH_5_4",
            },
            format!("{own}/?.so;{debians};{other};{own}/loadall.so;./?.so"),
        ),
    };
    // The variable with a version in its name would count more than the caller's.
    let callers = env::var_os("LUA_CPATH").is_some();
    with(if callers {
        Vec::new()
    } else {
        vec![(name, places.into())]
    })
}

/// tclsh(1): `auto_path` has the target's directory of packages with compiled modules.
pub(super) fn tcl(arch: &Architecture) -> Execution {
    with(vec![(
        "TCLLIBPATH",
        format!("/usr/lib/tcltk/{}", arch.triplet).into(),
    )])
}

/// node(1): the directories that it finds beside its program are the target's. What is compiled into it is changed by a
/// file that it reads first.
pub(super) fn node(arch: &Architecture) -> Execution {
    let places = format!(
        "/usr/lib/{}/nodejs:/usr/share/nodejs:/usr/lib/nodejs",
        arch.triplet
    );
    with(vec![
        ("NODE_PATH", places.into()),
        ("NODE_OPTIONS", format!("--require={NODE_START}").into()),
    ])
}

/// guile(1): modules are compiled to a form in which only byte order and word size are the machine's. Where these are
/// this machine's, it reads what the target's packages have; else none is written, since the target has what it needs.
pub(super) fn guile(arch: &Architecture, path: &OsStr) -> Execution {
    let library = format!("/usr/lib/{}", arch.triplet);
    let path = String::from_utf8_lossy(path.as_bytes()).into_owned();
    let version = path.split('/').skip_while(|part| *part != "guile").nth(1);
    let Some(version) = version.filter(|version| version.starts_with(|c: char| c.is_ascii_digit())) else {
        return with(Vec::new());
    };
    let own = format!("{library}/guile/{version}");
    let compiled = if modules::has_native_layout(arch) {
        (
            "GUILE_SYSTEM_COMPILED_PATH",
            format!("{own}/ccache:{own}/site-ccache").into(),
        )
    } else {
        ("GUILE_AUTO_COMPILE", "0".into())
    };
    with(vec![
        (
            "GUILE_SYSTEM_EXTENSIONS_PATH",
            format!("{library}:{own}/extensions").into(),
        ),
        compiled,
    ])
}

#[cfg(test)]
mod tests {
    use super::super::tests::executed;

    fn variable(tool: &str, name: &str) -> Option<String> {
        let variables = executed("riscv64", tool, &[]).variables;
        let found = variables.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.into_string().unwrap())
    }

    #[test]
    fn directories_of_the_target() {
        let lua = "/usr/local/lib/lua/5.4/?.so;/usr/lib/riscv64-linux-gnu/lua/5.4/?.so;/usr/lib/lua/5.4/?.so;\
                   /usr/local/lib/lua/5.4/loadall.so;./?.so";
        assert_eq!(variable("/usr/bin/lua5.4", "LUA_CPATH_5_4").as_deref(), Some(lua));
        assert_eq!(variable("/usr/bin/lua5.4", "LUA_CPATH"), None);
        for old in ["/usr/bin/lua5.1", "/usr/bin/luajit-2.1"] {
            let places = variable(old, "LUA_CPATH").unwrap();
            assert!(
                places.contains("/usr/lib/riscv64-linux-gnu/lua/5.1/?.so"),
                "{places}"
            );
        }
        let ruby = variable("/usr/bin/ruby3.3", "RUBYLIB").unwrap();
        assert!(ruby.ends_with(":/usr/lib/ruby/3.3.0:/usr/lib/riscv64-linux-gnu/ruby/3.3.0"));
        assert_eq!(variable("/usr/bin/ruby-build", "RUBYLIB"), None);
        let tcl = variable("/usr/bin/tclsh8.6", "TCLLIBPATH");
        assert_eq!(tcl.as_deref(), Some("/usr/lib/tcltk/riscv64-linux-gnu"));
        let guile = "/usr/lib/riscv64-linux-gnu/guile/3.0/bin/guile";
        let extensions = variable(guile, "GUILE_SYSTEM_EXTENSIONS_PATH").unwrap();
        assert!(extensions.ends_with("/guile/3.0/extensions"));
    }
}
