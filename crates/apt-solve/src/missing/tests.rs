use super::*;
use crate::{DEFAULT_PRIORITY, IndexInput, Packages};

fn packages(architecture: &str, stanzas: &[&str]) -> Packages {
    let text: Vec<String> = stanzas
        .iter()
        .map(|stanza| {
            format!(
                "{stanza}\nVersion: 1\nArchitecture: {architecture}\nFilename: p.deb\nSize: 1\nSHA256: {}\n",
                "0".repeat(64)
            )
        })
        .collect();
    Packages::parse(text.join("\n")).unwrap()
}

fn input<'p>(packages: &'p Packages, architecture: &'p str) -> IndexInput<'p> {
    IndexInput {
        packages,
        suite: "stable",
        codename: "x",
        component: "main",
        architecture,
        priority: DEFAULT_PRIORITY,
    }
}

#[test]
fn what_can_be_installed_is_and_the_rest_is_listed_by_level() {
    let port = packages(
        "riscv64",
        &[
            "Package: base\nEssential: yes\nDepends: libgone | libthere",
            "Package: libthere",
            "Package: broken\nEssential: yes\nPre-Depends: middle (>= 1)",
            "Package: middle\nDepends: libgone, libthere",
            "Package: one\nDepends: middle",
            "Package: two\nDepends: base",
            "Package: three\nDepends: base\nConflicts: two",
        ],
    );
    let native = packages(
        "amd64",
        &["Package: base\nEssential: yes", "Package: tools\nEssential: yes"],
    );
    let (port, native) = (input(&port, "riscv64"), input(&native, "amd64"));
    let (port, native) = (
        Universe::new(&[port], "riscv64", &[]),
        Universe::new(&[native], "amd64", &[]),
    );
    let request = Request {
        variant: Variant::Essential,
        include: ["one", "two", "nowhere", "three"].map(str::to_owned).to_vec(),
        ..Request::default()
    };
    let expected = Expected { universe: &native };
    let (rest, selection, missing) = choose_available(&port, &request, Some(expected)).unwrap();
    let mut names: Vec<&str> = selection.packages().map(|id| rest.package(id).name).collect();
    names.sort_unstable();
    assert!(
        names == ["base", "libthere", "two"] || names == ["base", "libthere", "three"],
        "{names:?}"
    );
    let of = |name: &str| missing.items.iter().find(|item| item.name == name).unwrap();
    assert_eq!(
        (of("nowhere").level, of("tools").level, of("broken").level),
        (0, 0, 0)
    );
    assert_eq!((of("middle").level, of("libgone").level), (1, 2));
    assert_eq!(of("middle").needed_by, ["one", "broken"]);
    assert_eq!(
        (of("libgone").version.as_deref(), of("middle").version.as_deref()),
        (None, Some("1"))
    );
    assert!(of("tools").reason.contains("essential for amd64"));
    assert!(of("broken").reason.contains("middle (>= 1)"));
    let levels: Vec<usize> = missing.items.iter().map(|item| item.level).collect();
    assert!(
        levels.iter().filter(|level| **level == 0).count() == 5,
        "{:?}",
        missing.items
    );
}
