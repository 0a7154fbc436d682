//! Orders that dpkg would take.

use super::*;
use dpkg_db::Package;

fn run(stanzas: &[(&str, bool)]) -> Vec<String> {
    run_without(stanzas, None)
}

// One of them may be deferred.
fn run_without(stanzas: &[(&str, bool)], left: Option<Node>) -> Vec<String> {
    let packages: Vec<Package> = stanzas
        .iter()
        .map(|(fields, _)| {
            let mut package =
                Package::parse(&format!("Architecture: riscv64\nVersion: 1\n{fields}\n")).unwrap();
            package.status = Status::Unpacked;
            package
        })
        .collect();
    let with: Vec<(&Package, bool)> = packages.iter().zip(stanzas).map(|(p, s)| (p, s.1)).collect();
    let graph = Graph::new(&with, &(0..with.len()).collect::<Vec<_>>(), "riscv64");
    let states = packages.iter().map(|p| match p.triggers_pending.is_empty() {
        true => Status::Unpacked,
        false => Status::TriggersPending,
    });
    let mut status = Simple(states.collect(), left);
    let mut queue = Queue::new((0..packages.len()).filter(|node| left != Some(*node)), false);
    let mut order = Vec::new();
    while let Some(step) = queue.next(&graph, &status) {
        match step {
            Step::Refuse(_) => panic!("nobody asks for that"),
            Step::CheckTriggers(node) => queue.requeue(node),
            Step::Defer { node, on } => {
                order.push(format!("{} waits for {}", packages[node].name, packages[on].name));
            }
            Step::Configure(node) => {
                status.0[node] = Status::Installed;
                order.push(packages[node].name.clone());
            }
            Step::Triggers(node) => {
                status.0[node] = Status::Installed;
                order.push(format!("({})", packages[node].name));
            }
        }
    }
    order
}

struct Simple(Vec<Status>, Option<Node>);

impl States for Simple {
    fn status(&self, node: Node) -> Status {
        self.0[node]
    }
    fn is_pending(&self, node: Node) -> bool {
        self.0[node] == Status::TriggersPending
    }
    fn awaits(&self, _: Node) -> Option<Node> {
        None
    }
    fn is_deferred(&self, node: Node) -> bool {
        self.1 == Some(node)
    }
}

#[test]
fn dependencies_come_first() {
    let order = run(&[
        ("Package: a\nDepends: b, c (>= 1) | x", true),
        ("Package: b\nPre-Depends: virtual", true),
        ("Package: c\nProvides: virtual", true),
    ]);
    assert_eq!(order, ["c", "b", "a"]);
}

#[test]
fn a_cycle_is_broken_at_the_package_without_postinst() {
    let cycle = |a, b| run(&[("Package: a\nDepends: b", a), ("Package: b\nDepends: a", b)]);
    assert_eq!(cycle(true, false), ["b", "a"]);
    assert_eq!(cycle(false, true), ["a", "b"]);
    assert_eq!(cycle(true, true), ["a", "b"]);
}

#[test]
fn what_cannot_be_satisfied_is_configured_last() {
    let order = run(&[
        ("Package: a\nDepends: missing (>= 2)", true),
        ("Package: b", true),
    ]);
    assert_eq!(order, ["b", "a"]);
}

#[test]
fn versions_and_versioned_provides_count() {
    let order = run(&[
        ("Package: a\nDepends: v (>= 2)", true),
        ("Package: old\nProvides: v (= 1)", true),
        ("Package: new\nProvides: v (= 2)", true),
    ]);
    assert_eq!(order, ["old", "new", "a"]);
}

#[test]
fn once_lenient_always_lenient() {
    // The cycle of b and c is met while that of a and z is under way; c is
    // configured at its first turn after that.
    let order = run(&[
        ("Package: z\nDepends: a", true),
        ("Package: a\nDepends: z", true),
        ("Package: b\nDepends: a, c", false),
        ("Package: d\nDepends: b", false),
        ("Package: c\nDepends: b", false),
    ]);
    assert_eq!(order, ["z", "a", "c", "b", "d"]);
}

#[test]
fn pending_triggers_wait_for_what_is_configured() {
    let order = run(&[
        ("Package: t\nTriggers-Pending: x", true),
        ("Package: a\nDepends: b", true),
        ("Package: b", true),
    ]);
    assert_eq!(order, ["b", "a", "(t)"]);
}

#[test]
fn what_depends_on_a_package_left_for_later_waits() {
    let order = run_without(
        &[
            ("Package: other", true),
            ("Package: later", true),
            ("Package: a\nDepends: later", true),
            ("Package: b\nDepends: later | other", true),
            ("Package: c\nDepends: b", true),
        ],
        Some(1),
    );
    assert_eq!(order, ["other", "a waits for later", "b", "c"]);
}

#[test]
fn a_strict_queue_refuses_what_cannot_be_satisfied() {
    let parse = |stanza: &str| Package::parse(stanza).unwrap();
    let package = |name: &str, depends: &str| {
        parse(&format!(
            "Package: {name}\nVersion: 1\nArchitecture: riscv64\n{depends}"
        ))
    };
    let packages = [
        package("lacking", "Depends: absent\n"),
        package("after", "Depends: lacking\n"),
        package("done", ""),
    ];
    let known: Vec<(&Package, bool)> = packages.iter().map(|package| (package, true)).collect();
    let graph = Graph::new(&known, &[0, 1, 2], "riscv64");
    let states = Simple(vec![Status::Unpacked, Status::Unpacked, Status::Installed], None);
    let mut queue = Queue::new([1, 0, 2], true).strict().telling_idle();
    // The first waits for the second, until that is given up.
    assert_eq!(queue.next(&graph, &states), Some(Step::Refuse(0)));
    queue.give_up(0);
    assert_eq!(queue.next(&graph, &states), Some(Step::Refuse(2)));
    assert_eq!(queue.next(&graph, &states), Some(Step::Refuse(1)));
    assert_eq!(queue.next(&graph, &states), None);
}
