//! Resolvers that are programs of their own.

use super::*;
use std::sync::{Arc, Mutex};

/// One that answers with some packages, and remembers what it was asked.
#[derive(Debug, Default)]
struct Fixed {
    /// Its answer; `#NAME` stands for the number of a package.
    answer: String,
    asked: Mutex<Vec<String>>,
}

impl Resolver for Fixed {
    fn ask(&self, scenario: &str) -> Result<String, String> {
        self.asked.lock().unwrap().push(scenario.to_owned());
        let mut answer = self.answer.clone();
        for stanza in scenario
            .split("\n\n")
            .filter(|stanza| stanza.starts_with("Package: "))
        {
            let field = |name: &str| {
                let line = stanza.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap_or_default().trim()
            };
            answer = answer.replace(
                &format!("#{}={}", field("Package:"), field("Version:")),
                field("APT-ID:"),
            );
        }
        Ok(answer)
    }
}

const LINES: &[&str] = &[
    "a 1; Depends: b | c; Description: of a",
    "b 1",
    "c 1",
    "c 2",
    "d 1; Essential: yes",
    "e 1; Conflicts: d",
];

fn ask(variant: Variant, include: &[&str], answer: &str) -> (Result<Vec<String>, String>, Vec<String>) {
    let text = index(LINES);
    let universe = Universe::new(&[input(&text, "s", "riscv64")], "riscv64", &[]);
    let resolver = Arc::new(Fixed {
        answer: answer.to_owned(),
        ..Fixed::default()
    });
    let request = Request {
        variant,
        include: include.iter().map(ToString::to_string).collect(),
        solver: Solver::External(External {
            name: "aspcud".to_owned(),
            resolver: Arc::<Fixed>::clone(&resolver),
        }),
        ..Request::default()
    };
    let chosen = choose(&universe, &request)
        .map_err(|error| error.to_string())
        .map(|selection| {
            let named = |id| format!("{}={}", universe.display_name(id), universe.package(id).version);
            selection.packages().map(named).collect()
        });
    let asked = resolver.asked.lock().unwrap().clone();
    (chosen, asked)
}

#[test]
fn its_choice_is_taken() {
    let (chosen, asked) = ask(
        Variant::Custom,
        &["a"],
        "Progress: 1\n\nInstall: #c=2\nPackage: c\n\nInstall: #a=1\n",
    );
    assert_eq!(chosen.unwrap(), ["c=2", "a=1"]);
    let [scenario] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    assert!(scenario.starts_with(
        "Request: EDSP 0.5\nArchitecture: riscv64\nArchitectures: riscv64\nInstall: a:riscv64\nSolver: aspcud\n\n"
    ));
    assert!(scenario.contains(
        "\nDepends: b | c\nAPT-Pin: 500\nAPT-Release:\n a=s,n=s,c=main,b=riscv64\nAPT-Candidate: yes\n\n"
    ));
    assert!(!scenario.contains("Description") && !scenario.contains("SHA256"));
    // Of two versions one is the candidate.
    let of_c: Vec<&str> = scenario
        .split("\n\n")
        .filter(|stanza| stanza.starts_with("Package: c\n"))
        .collect();
    assert_eq!(
        of_c.iter()
            .filter(|stanza| stanza.contains("APT-Candidate: yes"))
            .count(),
        1
    );
    assert_eq!(of_c.len(), 2);
}

#[test]
fn what_is_there_is_told() {
    let answer = "Install: #d=1\n\nInstall: #a=1\n\nInstall: #b=1\n";
    let (chosen, asked) = ask(Variant::Essential, &["a"], answer);
    // The answer is the same for both phases, so that the first has all.
    assert_eq!(chosen.unwrap(), ["d=1", "a=1", "b=1"]);
    let second = asked.get(1).unwrap();
    let of_d = second
        .split("\n\n")
        .find(|stanza| stanza.starts_with("Package: d\n"))
        .unwrap();
    assert!(of_d.ends_with("Installed: yes"), "{of_d}");
}

#[test]
fn answers_that_cannot_be() {
    for (answer, said) in [
        ("Error: 1\nMessage: no\n  way\n", "the solver aspcud: no way"),
        ("Install: 99\n", "`Install: 99`, which is no package"),
        ("Install: x\n", "`Install: x`, which is no package"),
        ("Install: #c=1\n\nInstall: #c=2\n", "two versions of c"),
        ("", "does not work"),
        ("Install: #a=1\n", "does not work"),
    ] {
        let (chosen, _) = ask(Variant::Custom, &["a"], answer);
        let error = chosen.unwrap_err();
        assert!(error.contains(said), "{answer:?}: {error}");
    }
    // What is not to be installed is not told, and may not come back.
    let (chosen, asked) = ask(Variant::Custom, &["a", "c-"], "Install: #a=1\n\nInstall: 2\n");
    assert!(asked.iter().all(|scenario| !scenario.contains("Package: c\n")));
    assert!(chosen.unwrap_err().contains("`Install: 2`, which is no package"));
}
