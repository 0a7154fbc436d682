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
    let sources =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../maintscript-shim/src");
    println!("cargo::rerun-if-changed={}", sources.display());
    println!("cargo::rerun-if-changed=src/hazards/table.rs");
    println!("cargo::rerun-if-changed=src/front");
    // At a fixed address there is nothing to relocate, and with nothing in it that it does not use a third
    // fewer pages are touched before it executes the next program.
    let program = [
        "--crate-type=bin",
        "-Ctarget-feature=+crt-static",
        "-Crelocation-model=static",
        "-Clto=fat",
        "-Ccodegen-units=1",
    ];
    build(&sources.join("main.rs"), "maintscript-shim", &program);
    // The dynamic loader of the native tools loads it, with their C library.
    let sources = sources.join("../../library-map/src");
    println!("cargo::rerun-if-changed={}", sources.display());
    let library = [
        "--crate-type=cdylib",
        "--crate-name=library_map",
        "--cfg=freestanding",
        "-Clink-arg=-lc",
    ];
    build(&sources.join("lib.rs"), "library-map.so", &library);
}

fn build(source: &Path, name: &str, options: &[&str]) {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join(name);
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc
        .args([
            "--edition",
            "2024",
            "--target",
            &env::var("TARGET").unwrap_or_default(),
        ])
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
        .unwrap_or_else(|error| panic!("cannot run {rustc:?}: {error}"));
    assert!(
        done.status.success(),
        "{name} does not build: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}
