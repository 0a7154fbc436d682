//! Builds the maintainer script shim as a static program and the module of the
//! dynamic loader, and embeds them.
//!
//! Cargo cannot give one package of a workspace its own `-C target-feature`,
//! and the shim must run in any target, whatever C library is there. It has no
//! dependencies, so the compiler alone is enough. Embedding it means that it is
//! always found, and always the one that belongs to this installer.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let sources = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default())
        .join("../../maintscript-shim/src");
    println!("cargo::rerun-if-changed={}", sources.display());
    println!("cargo::rerun-if-changed=../../installer/src/hazards/table.rs");
    println!("cargo::rerun-if-changed=../../installer/src/front");
    // At a fixed address there is nothing to relocate, and with nothing in it that it does not use a third
    // fewer pages are touched before it executes the next program.
    let program = [
        "--crate-type=bin",
        "-Ctarget-feature=+crt-static",
        "-Crelocation-model=static",
        "-Clto=fat",
        "-Ccodegen-units=1",
    ];
    let target = env::var("TARGET").unwrap_or_default();
    // It is executed once more for each program, and most of that is what the C library does before `main`:
    // glibc asks the processor for its features, and in a virtual machine each of dozens of questions goes to
    // the hypervisor. musl asks nothing.
    let small = target.replace("-gnu", "-musl");
    let shim = |target: &str| build(target, &sources.join("main.rs"), "maintscript-shim", &program);
    let tried = (small != target && has_library(&small)).then(|| shim(&small));
    if let Some(Err(reason)) = &tried {
        println!("cargo::warning=with glibc, as it cannot be built with musl: {reason}");
    }
    if !matches!(tried, Some(Ok(()))) {
        require(shim(&target));
    }
    // The dynamic loader of the native tools loads it, with their C library.
    let sources = sources.join("../../library-map/src");
    println!("cargo::rerun-if-changed={}", sources.display());
    let library = [
        "--crate-type=cdylib",
        "--crate-name=library_map",
        "--cfg=freestanding",
        "-Clink-arg=-lc",
    ];
    require(build(
        &target,
        &sources.join("lib.rs"),
        "library-map.so",
        &library,
    ));
}

fn require(built: Result<(), String>) {
    if let Err(reason) = built {
        panic!("{reason}");
    }
}

fn rustc() -> Command {
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

/// Whether the compiler has its standard library for a target.
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

/// Compiles `source` to `name`; the error is why that failed.
fn build(target: &str, source: &Path, name: &str, options: &[&str]) -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join(name);
    let mut rustc = rustc();
    rustc
        .args(["--edition", "2024", "--target", target])
        .args(["-Copt-level=s", "-Cpanic=abort", "-Cstrip=symbols"])
        .args(options)
        .arg(source)
        .arg("-o")
        .arg(&out);
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut option = std::ffi::OsString::from("linker=");
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
        "{name} does not build: {}",
        String::from_utf8_lossy(&done.stderr)
    ))
}
