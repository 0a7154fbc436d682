//! Tells build scripts of dependents where the sources are, as `DEP_DEB_ARCH_SOURCES`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let directory = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo::metadata=sources={directory}/src");
}
