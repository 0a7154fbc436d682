//! Builds the maintainer script shim as a static program, and embeds it.
//!
//! Cargo cannot give one package of a workspace its own `-C target-feature`,
//! and the shim must run in any target, whatever C library is there. It has no
//! dependencies, so the compiler alone is enough. Embedding it means that it is
//! always found, and always the one that belongs to this installer.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    let shim =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../maintscript-shim/src");
    println!("cargo::rerun-if-changed={}", shim.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("maintscript-shim");
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc
        .args([
            "--edition",
            "2024",
            "--crate-name",
            "maintscript_shim",
            "--crate-type",
            "bin",
        ])
        .args([
            "-C",
            "opt-level=s",
            "-C",
            "panic=abort",
            "-C",
            "target-feature=+crt-static",
        ])
        .args([
            "-C",
            "strip=symbols",
            "--target",
            &env::var("TARGET").unwrap_or_default(),
        ])
        .arg(shim.join("main.rs"))
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
        "the shim does not build: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}
