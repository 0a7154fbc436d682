//! Interpreters whose native counterparts look for compiled modules in directories of this machine. They are told the
//! target's, in which the modules load as native ones, and know the target's machine.

use super::{Execution, Rewrite, modules};
use crate::base_name;
use crate::paths::Architecture;
use shim_protocol::PHANTOM_DIRECTORY;
use shim_protocol::paths::{NODE_START, R_START, RUBY_START};
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
    let mut variables = Vec::new();
    // The variable with a version in its name would count more than the caller's.
    if env::var_os("LUA_CPATH").is_none() {
        variables.push((name, places.into()));
    }
    if jit {
        variables.push(("LUA_INIT", jit_machine(arch).into()));
    }
    with(variables)
}

/// What luajit(1) runs first: `jit.arch` and `ffi.arch` are compiled in.
fn jit_machine(arch: &Architecture) -> String {
    let name = arch.luajit_name();
    format!("jit.arch='{name}' do local o,f=pcall(require,'ffi') if o then f.arch='{name}' end end")
}

/// R(1): what is compiled into it is changed by a profile that it reads in the place of the site's, which that reads.
pub(super) fn r() -> Execution {
    with(vec![("R_PROFILE", R_START.into())])
}

/// Lines of `ocamlc -config` that tell of the machine, and the variables of the target's `Makefile.config` with their values.
const OCAML: &[(&str, &str)] = &[
    ("architecture", "ARCH"),
    ("asm_cfi_supported", "ASM_CFI_SUPPORTED"),
    ("function_sections", "FUNCTION_SECTIONS"),
    ("host", "HOST"),
    ("model", "MODEL"),
    ("native_compiler", "NATIVE_COMPILER"),
    ("system", "SYSTEM"),
    ("target", "TARGET"),
];

/// ocamlc(1): what `-config` tells is compiled in.
pub(super) fn ocaml(arguments: &[OsString]) -> Execution {
    let asked = matches!(arguments, [only] if only == "-config");
    Execution {
        rewrite: asked.then_some(Rewrite {
            text: |arch, text| {
                ocaml_configuration(arch, text, |library| {
                    std::fs::read_to_string(format!("{library}/Makefile.config")).unwrap_or_default()
                })
            },
            file: None,
            without: &[],
        }),
        ..modules::load()
    }
}

/// Returns the lines `text` of a native `ocamlc -config` as the target's says them, whose `Makefile.config` in the
/// directory of its standard library `read` returns.
fn ocaml_configuration(arch: &Architecture, text: &[u8], read: impl Fn(&str) -> String) -> Vec<u8> {
    let text = modules::of_the_target(arch, text);
    let text = String::from_utf8_lossy(&text);
    let library = text
        .lines()
        .find_map(|line| line.strip_prefix("standard_library: "));
    let makefile = library.map(read).unwrap_or_default();
    let value = |key: &str| match key {
        "word_size" => Some(arch.bits.to_string()),
        "int_size" => Some((arch.bits - 1).to_string()),
        _ => {
            let (_, name) = OCAML.iter().find(|(known, _)| *known == key)?;
            let mut lines = makefile.lines();
            lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix('=')?.trim().to_owned()))
        }
    };
    let lines = text.lines().map(|line| {
        let changed = line
            .split_once(": ")
            .and_then(|(key, _)| Some(format!("{key}: {}\n", value(key)?)));
        changed.unwrap_or_else(|| format!("{line}\n"))
    });
    lines.collect::<String>().into_bytes()
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
        ("GUILE_LOAD_PATH", PHANTOM_DIRECTORY.into()),
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
    fn what_ocamlc_tells_of_the_machine() {
        let arch = crate::paths::target("armhf".as_ref()).unwrap();
        let native = crate::paths::NATIVE_TRIPLET;
        let text = format!(
            "standard_library: /usr/lib/{native}/ocaml\nc_compiler: {native}-gcc\narchitecture: x\nint_size: 63\nword_size: 64\nos_type: Unix\n"
        );
        let told = super::ocaml_configuration(arch, text.as_bytes(), |library| {
            assert_eq!(library, "/usr/lib/arm-linux-gnueabihf/ocaml");
            "ARCH=arm\nNOT=x\n".to_owned()
        });
        let expected = "standard_library: /usr/lib/arm-linux-gnueabihf/ocaml\nc_compiler: arm-linux-gnueabihf-gcc\narchitecture: arm\nint_size: 31\nword_size: 32\nos_type: Unix\n";
        assert_eq!(String::from_utf8(told).unwrap(), expected);
        let asked = |arguments: &[&str]| executed("armhf", "/usr/bin/ocamlc.opt", arguments).rewrite;
        assert!(asked(&["-config"]).is_some() && asked(&["-c", "x.ml"]).is_none());
    }

    #[test]
    fn luajit_names_the_targets_processor() {
        let code = variable("/usr/bin/luajit-2.1", "LUA_INIT").unwrap();
        assert!(code.starts_with("jit.arch='riscv64'"), "{code}");
        assert_eq!(variable("/usr/bin/lua5.1", "LUA_INIT"), None);
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
