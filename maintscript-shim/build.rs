//! Compiles the shim as a static program and the library map as a module of the dynamic loader, with the
//! compiler alone.
//!
//! Cargo cannot give one package its own `-C target-feature`, and the shim must run in any target, whatever C
//! library is there. Of the crates that it uses Cargo says where the sources are (`DEP_NAME_SOURCES`, from their
//! `links`), since each is compiled here again, for the shim's own target and with its own options.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates that both use, in the order in which they are compiled.
const CRATES: [&str; 3] = ["deb_arch", "shim_protocol", "tool_table"];

/// At a fixed address there is nothing to relocate, and with nothing in it that it does not use a third fewer
/// pages are touched before it executes the next program.
const PROGRAM: [&str; 5] = [
    "--crate-type=bin",
    "-Ctarget-feature=+crt-static",
    "-Crelocation-model=static",
    "-Clto=fat",
    "-Ccodegen-units=1",
];

/// The dynamic loader of the native tools loads it, with their C library.
const LIBRARY_MAP: [&str; 6] = [
    "--crate-type=cdylib",
    "--crate-name=library_map",
    "--cfg=freestanding",
    "-Clink-arg=-lc",
    "-Clto=fat",
    "-Ccodegen-units=1",
];

fn main() {
    let target = env::var("TARGET").expect("cargo sets TARGET");
    for sources in ["build.rs", "src", "library-map"] {
        println!("cargo::rerun-if-changed={sources}");
    }
    for name in CRATES {
        println!("cargo::rerun-if-changed={}", sources(name).display());
    }
    // It is executed once more for each program, and most of that is what the C library does before `main`:
    // glibc asks the processor for its features, and in a virtual machine each of dozens of questions goes to
    // the hypervisor. musl asks nothing.
    let small = target.replace("-gnu", "-musl");
    let program = |target: &str| build(target, "src/main.rs", "maintscript-shim", &PROGRAM);
    let tried = (small != target && has_library(&small)).then(|| program(&small));
    if let Some(Err(reason)) = &tried {
        println!("cargo::warning=with glibc, as it cannot be built with musl: {reason}");
    }
    if !matches!(tried, Some(Ok(()))) {
        require(program(&target));
    }
    require(build(
        &target,
        "library-map/lib.rs",
        "library-map.so",
        &LIBRARY_MAP,
    ));
}

fn require(built: Result<(), String>) {
    if let Err(reason) = built {
        panic!("{reason}");
    }
}

/// Returns the directory with the sources of a crate.
fn sources(name: &str) -> PathBuf {
    let variable = format!("DEP_{}_SOURCES", name.to_uppercase());
    PathBuf::from(env::var_os(&variable).unwrap_or_else(|| panic!("{variable} is not set")))
}

fn out() -> PathBuf {
    PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"))
}

/// Compiles `source` with the crates it may use to `name` in the output directory; the error is why that
/// failed.
fn build(target: &str, source: &str, name: &str, options: &[&str]) -> Result<(), String> {
    let directory = out().join(format!("{name}.crates")).join(target);
    std::fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut crates = Vec::new();
    for used in CRATES {
        let library = directory.join(format!("lib{used}.rlib"));
        let named = format!("--crate-name={used}");
        let options = [
            "--crate-type=rlib",
            named.as_str(),
            "-Cembed-bitcode=yes",
            "--cap-lints=allow",
        ];
        compile(target, &sources(used).join("lib.rs"), &library, &options, &crates)?;
        let mut option = OsString::from(format!("{used}="));
        option.push(&library);
        crates.push(option);
    }
    compile(target, Path::new(source), &out().join(name), options, &crates)
}

fn compile(
    target: &str,
    source: &Path,
    to: &Path,
    options: &[&str],
    crates: &[OsString],
) -> Result<(), String> {
    let mut rustc = rustc();
    rustc
        .args(["--edition", "2024", "--target", target])
        .args(["-Copt-level=s", "-Cpanic=abort", "-Cstrip=symbols"])
        .args(options)
        .args(
            crates
                .iter()
                .flat_map(|used| [OsString::from("--extern"), used.clone()]),
        )
        .arg(source)
        .arg("-o")
        .arg(to);
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut option = OsString::from("linker=");
        option.push(linker);
        rustc.arg("-C").arg(option);
    }
    let done = rustc
        .output()
        .map_err(|error| format!("cannot run {rustc:?}: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!(
        "{} does not build: {}",
        source.display(),
        String::from_utf8_lossy(&done.stderr)
    ))
}

fn rustc() -> Command {
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

/// Returns whether the compiler has its standard library for a target.
fn has_library(target: &str) -> bool {
    let asked = rustc()
        .args(["--print", "target-libdir", "--target", target])
        .output();
    asked.is_ok_and(|told| {
        let directory = PathBuf::from(String::from_utf8_lossy(&told.stdout).trim());
        // Where all targets are: one may be added.
        if let Some(all) = directory.ancestors().nth(2).filter(|all| all.is_dir()) {
            println!("cargo::rerun-if-changed={}", all.display());
        }
        told.status.success() && directory.is_dir()
    })
}
