//! The packages of the workspace and all that they depend on, as `cargo metadata` tells them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{Error, Result};

/// A package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The directory of its `Cargo.toml`.
    pub dir: PathBuf,
    /// Its licence, an expression of SPDX, if its `Cargo.toml` has one.
    pub license: Option<String>,
    /// Whether it belongs to the workspace.
    pub member: bool,
    /// Its targets.
    pub targets: Vec<Target>,
    /// Its direct dependencies, as written in its `Cargo.toml`.
    pub dependencies: Vec<Dependency>,
}

/// A library, program, test, benchmark, example or build script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Its kind in cargo's words: `lib`, `bin`, `test`, `bench`, `example`, `custom-build`.
    pub kind: String,
    /// The file at its root.
    pub source: PathBuf,
}

/// A direct dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The package's name.
    pub name: String,
    /// When it is needed.
    pub kind: When,
}

/// When a dependency is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// In the finished library or program.
    Normal,
    /// In the build script.
    Build,
    /// In tests, examples and benchmarks.
    Dev,
}

/// The members of the workspace whose `Cargo.toml` is in `dir`.
///
/// # Errors
/// When cargo cannot be run, or does not understand the workspace.
pub fn members(dir: &Path) -> Result<Vec<Package>> {
    packages(dir, &["--no-deps"])
}

/// The members of a workspace and everything they depend on with every feature on this machine's
/// platform.
///
/// # Errors
/// As for [`members`], and when a dependency has not been fetched.
pub fn with_dependencies(dir: &Path) -> Result<Vec<Package>> {
    let platform = run("rustc", Command::new("rustc").args(["--print", "host-tuple"]))?;
    let platform = String::from_utf8_lossy(&platform);
    packages(
        dir,
        &["--all-features", "--locked", "--filter-platform", platform.trim()],
    )
}

// What a command prints.
fn run(name: &str, command: &mut Command) -> Result<Vec<u8>> {
    let fail = |what: String| Error::Command {
        command: name.to_owned(),
        what,
    };
    let done = command.output().map_err(|error| fail(error.to_string()))?;
    if !done.status.success() {
        return Err(fail(String::from_utf8_lossy(&done.stderr).into_owned()));
    }
    Ok(done.stdout)
}

fn packages(dir: &Path, options: &[&str]) -> Result<Vec<Package>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["metadata", "--format-version=1", "--offline"])
        .args(options)
        .current_dir(dir);
    let told = run("cargo metadata", &mut command)?;
    let all: Value = serde_json::from_slice(&told).map_err(|error| Error::Command {
        command: "cargo metadata".to_owned(),
        what: error.to_string(),
    })?;
    let members: Vec<&Value> = list(&all, "workspace_members").collect();
    Ok(list(&all, "packages")
        .map(|package| Package {
            name: text(package, "name"),
            version: text(package, "version"),
            dir: directory(&text(package, "manifest_path")),
            license: package.get("license").and_then(Value::as_str).map(str::to_owned),
            member: package.get("id").is_some_and(|id| members.contains(&id)),
            targets: list(package, "targets").map(target).collect(),
            dependencies: list(package, "dependencies").map(dependency).collect(),
        })
        .collect())
}

fn target(value: &Value) -> Target {
    let kind = list(value, "kind").next().and_then(Value::as_str);
    Target {
        name: text(value, "name"),
        kind: kind.unwrap_or_default().to_owned(),
        source: text(value, "src_path").into(),
    }
}

fn dependency(value: &Value) -> Dependency {
    Dependency {
        name: text(value, "name"),
        kind: match value.get("kind").and_then(Value::as_str) {
            Some("dev") => When::Dev,
            Some("build") => When::Build,
            _ => When::Normal,
        },
    }
}

fn directory(manifest: &str) -> PathBuf {
    Path::new(manifest)
        .parent()
        .unwrap_or(Path::new("/"))
        .to_path_buf()
}

fn text(value: &Value, name: &str) -> String {
    value
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_knows_itself() {
        let all = members(&crate::program::workspace()).expect("cargo metadata");
        let own = all
            .iter()
            .find(|package| package.name == "rootless-install-tests");
        let own = own.expect("this package");
        assert!(own.member && all.iter().all(|package| package.member));
        assert_eq!(own.dir, Path::new(env!("CARGO_MANIFEST_DIR")));
        let named = |kind: &str| own.targets.iter().filter(|target| target.kind == kind).count();
        assert_eq!(named("lib"), 1);
        assert!(named("bin") > 2 && named("test") > 10);
        let tempfile = own.dependencies.iter().find(|one| one.name == "tempfile");
        assert_eq!(tempfile.map(|one| one.kind), Some(When::Normal));
    }
}
