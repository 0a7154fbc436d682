//! The licence of everything that is compiled is one that `deny.toml` allows. cargo-deny checks the
//! same and more; this needs nothing but cargo.

use std::collections::BTreeMap;
use std::path::Path;

use crate::program::workspace;
use crate::workspace::with_dependencies;

/// Licences allowed for everything, and those allowed for one package only.
#[derive(Debug, Default, PartialEq, Eq)]
struct Allowed {
    all: Vec<String>,
    exceptions: BTreeMap<String, Vec<String>>,
}

impl Allowed {
    // The section `[licenses]` of cargo-deny's configuration, in the form it has here: an array of
    // strings and one of tables, each table on a line.
    fn of(text: &str) -> Self {
        let section = text.split("\n[licenses]\n").nth(1).unwrap_or_default();
        let section = section.split("\n[").next().unwrap_or_default();
        let mut allowed = Self::default();
        for line in section.lines().map(str::trim) {
            let strings: Vec<String> = line.split('"').skip(1).step_by(2).map(str::to_owned).collect();
            match strings.as_slice() {
                [] => {}
                _ if line.starts_with('#') => {}
                [package, licences @ ..] if line.starts_with("{ crate = ") => {
                    allowed.exceptions.insert(package.clone(), licences.to_vec());
                }
                licences => allowed.all.extend(licences.iter().cloned()),
            }
        }
        allowed
    }

    fn has(&self, package: &str, licence: &str) -> bool {
        let exceptions = self.exceptions.get(package).into_iter().flatten();
        self.all.iter().chain(exceptions).any(|one| one == licence)
    }
}

// Whether an expression of SPDX can be fulfilled with licences that `allowed` accepts. `/` is an
// old form of `OR`.
fn fulfilled(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let value = either(&words, &mut at, allowed);
    value && at == words.len()
}

fn either(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut value = both(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        value |= both(words, at, allowed);
    }
    value
}

fn both(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut value = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        value &= one(words, at, allowed);
    }
    value
}

fn one(words: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let Some(first) = words.get(*at) else {
        return false;
    };
    *at += 1;
    if *first == "(" {
        let value = either(words, at, allowed);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return value && closed;
    }
    match (words.get(*at), words.get(*at + 1)) {
        (Some(&"WITH"), Some(exception)) => {
            *at += 2;
            allowed(&format!("{first} WITH {exception}"))
        }
        _ => allowed(first),
    }
}

// Packages whose licence is not allowed, with what they say.
fn refused(workspace: &Path, allowed: &Allowed) -> crate::Result<Vec<String>> {
    let packages = with_dependencies(workspace)?;
    let refused = packages.iter().filter(|package| {
        let licence = package.license.as_deref().unwrap_or_default();
        !fulfilled(licence, &|licence| allowed.has(&package.name, licence))
    });
    Ok(refused
        .map(|package| {
            let licence = package.license.as_deref().unwrap_or("no licence");
            format!("{} {}: {licence}", package.name, package.version)
        })
        .collect())
}

#[test]
fn every_licence_is_allowed() {
    let text = std::fs::read_to_string(workspace().join("deny.toml")).expect("deny.toml");
    let mut allowed = Allowed::of(&text);
    let wrong = refused(&workspace(), &allowed).expect("cargo metadata");
    assert_eq!(wrong, [""; 0], "deny.toml does not allow these");
    // It would be noticed.
    allowed.exceptions.clear();
    let wrong = refused(&workspace(), &allowed).expect("cargo metadata");
    assert!(
        wrong.iter().any(|one| one.starts_with("sequoia-openpgp ")),
        "{wrong:?}"
    );
}

#[test]
fn the_configuration_is_read() {
    let text = "# x\n\n[licenses]\n# \"GPL-3.0\"\nallow = [\n\t\"MIT\",\n\t\"A WITH B\",\n]\n\
                exceptions = [\n\t{ crate = \"x\", allow = [\"C\"] },\n]\n\n[bans]\ndeny = [\"y\"]\n";
    let allowed = Allowed::of(text);
    assert_eq!(allowed.all, ["MIT", "A WITH B"]);
    assert!(allowed.has("x", "C") && !allowed.has("y", "C") && allowed.has("y", "A WITH B"));
}

#[test]
fn expressions_are_understood() {
    let allowed = |licence: &str| ["MIT", "ISC", "A WITH E"].contains(&licence);
    for (expression, fine) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND ISC", true),
        ("MIT AND GPL-3.0", false),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("GPL-3.0 OR (MIT AND X)", false),
        ("A WITH E OR B", true),
        ("A", false),
        ("", false),
        ("MIT ISC", false),
        ("(MIT", false),
    ] {
        assert_eq!(fulfilled(expression, &allowed), fine, "{expression}");
    }
}
