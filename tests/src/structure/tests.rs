use std::path::Path;

use super::*;

// A workspace of one package with these source files.
fn workspace(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let manifest = "[package]\nname = \"small\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n";
    write(dir.path(), "Cargo.toml", manifest);
    for (name, text) in files {
        write(dir.path(), name, text);
    }
    dir
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    std::fs::write(path, text).expect("written");
}

fn found(files: &[(&str, &str)]) -> Vec<String> {
    findings(workspace(files).path()).expect("read")
}

const ROOT: (&str, &str) = ("src/lib.rs", "mod archive; mod solve; pub struct Error;");

#[test]
fn a_circle_is_found_with_the_imports_that_close_it() {
    let all = found(&[
        ROOT,
        (
            "src/archive.rs",
            "mod index; mod fetch; use crate::Error; use crate::solve::pick;",
        ),
        (
            "src/archive/index.rs",
            "use super::fetch::Fetch; pub struct Index;",
        ),
        (
            "src/archive/fetch.rs",
            "use super::index::Index; pub struct Fetch;",
        ),
        (
            "src/solve.rs",
            "pub fn pick() { let _: crate::archive::index::Index; }",
        ),
    ]);
    let text = "small (lib small): modules of crate import each other in a circle: archive, solve\n\
        \x20 archive -> solve\n\
        \x20   archive.rs -> solve.rs: solve::pick\n\
        \x20 solve -> archive\n\
        \x20   solve.rs -> archive/index.rs: archive::index::Index\n";
    assert_eq!(all, [text]);
}

#[test]
fn one_way_is_fine() {
    // Plain files of one directory, a parent's items in its children, a parent that re-exports.
    let all = found(&[
        ROOT,
        (
            "src/archive.rs",
            "mod index; mod fetch; pub use index::Index; pub struct Own; use fetch::go;",
        ),
        (
            "src/archive/index.rs",
            "use super::{Own, fetch}; pub struct Index;",
        ),
        (
            "src/archive/fetch.rs",
            "use super::Index; use crate::Error; pub fn go() {}",
        ),
        (
            "src/solve.rs",
            "use crate::archive::{self, Own}; use crate::{Error as E};",
        ),
    ]);
    assert_eq!(all, [""; 0]);
}

#[test]
fn imports_of_every_form_count() {
    let closing = [
        "use crate::solve;",
        "pub(crate) use crate::solve::pick as other;",
        "use super::super::solve::{self, pick};",
        "use crate::{Error, solve::*};",
        "fn f() { crate::solve::pick(); }",
        "fn f(_: &dyn Fn(crate::solve::Pick)) {}",
        "fn f() { assert!(crate::solve::pick()); }",
        "macro_rules! m { () => { $crate::solve::pick() }; }",
        "mod block { use super::super::super::solve::pick; }",
        "/// See [`crate::solve::pick`].\npub struct Index;",
        "//! See [choices](super::super::solve).",
        // Re-exported by the root: it is solve's all the same.
        "use crate::pick;",
        "use super::pick;",
    ];
    for import in closing {
        let files = |import| {
            found(&[
                ("src/lib.rs", "mod archive; mod solve; pub use solve::pick;"),
                ("src/archive.rs", "mod index; use super::pick; pub struct Own;"),
                ("src/archive/index.rs", import),
                ("src/solve.rs", "use crate::archive::Own; pub fn pick() {}"),
            ])
        };
        let all = files(import);
        assert!(
            all.len() == 1 && all[0].contains("archive/index.rs -> solve.rs: "),
            "{import}: {all:?}"
        );
    }
}

#[test]
fn tests_and_attributes_do_not_count() {
    let all = found(&[
        ROOT,
        (
            "src/archive.rs",
            "mod index; #[cfg(test)] mod tests; pub(in crate::archive) struct Own;",
        ),
        (
            "src/archive/index.rs",
            "#[cfg(all(test, unix))] mod tests { use crate::solve::pick; }\n\
             #[test] fn f() { crate::solve::pick(); }\n\
             // See [`crate::solve::pick`].\n#[allow(dead_code)] pub struct Index; use std::solve;",
        ),
        ("src/solve.rs", "use crate::archive::Own;"),
    ]);
    assert_eq!(all, [""; 0]);
}

#[test]
fn siblings_at_any_depth_are_held_apart() {
    let all = found(&[
        ("src/lib.rs", "mod view;"),
        ("src/view.rs", "mod agent; mod mount;"),
        ("src/view/agent/mod.rs", "mod child; pub struct Agent;"),
        ("src/view/agent/child.rs", "use crate::view::mount::Mount;"),
        ("src/view/mount.rs", "use super::agent::Agent; pub struct Mount;"),
    ]);
    assert_eq!(all.len(), 1);
    let text = "modules of crate::view import each other in a circle: agent, mount\n";
    assert!(all[0].contains(text), "{}", all[0]);
    assert!(
        all[0].contains("view/agent/child.rs -> view/mount.rs: "),
        "{}",
        all[0]
    );
}

#[test]
fn files_of_other_packages_are_strays() {
    let dir = workspace(&[
        (
            "src/lib.rs",
            "#[path = \"../../other.rs\"] mod other; #[path = \"own/it.rs\"] mod own; mod inner;",
        ),
        ("src/own/it.rs", "mod beside;"),
        (
            "src/own/beside.rs",
            "const A: &str = include_str!(\"../lib.rs\");",
        ),
        (
            "src/inner.rs",
            "fn f() -> &'static str { include_str!(\"../../x\") }",
        ),
    ]);
    let all = findings(dir.path()).expect("read");
    assert_eq!(
        all,
        [
            "small (lib small): src/lib.rs: #[path = \"../../other.rs\"] leaves the package",
            "small (lib small): src/inner.rs: include of \"../../x\" leaves the package",
        ]
    );
}

#[test]
fn packages_do_not_depend_on_each_other() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    write(
        dir.path(),
        "Cargo.toml",
        "[workspace]\nmembers = [\"a\", \"b\"]\nresolver = \"3\"\n",
    );
    for (name, section, other) in [("a", "dependencies", "b"), ("b", "dev-dependencies", "a")] {
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
             [{section}]\n{other} = {{ path = \"../{other}\" }}\n"
        );
        write(dir.path(), &format!("{name}/Cargo.toml"), &manifest);
        write(dir.path(), &format!("{name}/src/lib.rs"), "");
    }
    let all = findings(dir.path()).expect("read");
    assert_eq!(all, ["packages that depend on each other: a, b"]);
}

#[test]
fn the_workspace_imports_one_way() {
    let all = findings(&crate::program::workspace()).expect("the workspace can be read");
    assert!(all.is_empty(), "{} findings:\n{}", all.len(), all.join("\n"));
}
