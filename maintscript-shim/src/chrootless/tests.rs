//! One example at least for every row of the table, and what must hold for all of them.

mod recorded;

use super::paths::World;
use super::plan::{Action, Plan, plan};
use std::collections::BTreeSet;
use std::ffi::OsString;
use tool_table::chrootless::{self as table, Method};

/// Calls and what becomes of each, in lines of two: in the root `/target`, from whose `/target/var` the
/// scripts run.
const EXAMPLES: &str = include_str!("examples.txt");

/// Files of the examples.
struct Example;

impl World for Example {
    fn exists(&self, path: &[u8]) -> bool {
        let known = [
            "/only/outside",
            "/etc/conf",
            "/target/etc/conf",
            "/target/etc/passwd",
            "/etc/passwd",
        ];
        known.iter().any(|name| name.as_bytes() == path)
    }

    fn directory(&self) -> Vec<u8> {
        b"/target/var".to_vec()
    }

    fn read(&self, path: &[u8]) -> Vec<u8> {
        let text: &str = match path {
            b"/target/etc/passwd" => {
                "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/sh\nalice:x:7:8::/:/bin/sh\n"
            }
            b"/etc/passwd" => {
                "root:x:0:0::/root:/bin/sh\nwww-data:x:99:99::/:/bin/sh\nbob:x:5:5::/:/bin/sh\n"
            }
            b"/target/etc/group" => {
                "root:x:0:\nshadow:x:42:\nwww-data:x:33:\nstaff:x:50:bob,alice\nown:x:8:\n"
            }
            b"/etc/group" => "root:x:0:\nshadow:x:15:\n",
            b"/target/var/lib/dpkg/arch" => "s390x\nriscv64\n",
            b"/proc/self/status" => "Umask:\t0022\nUid:\t1000\t1000\nGid:\t1001\t1001\n",
            _ => "",
        };
        text.into()
    }
}

fn words(line: &str) -> Vec<OsString> {
    line.split(' ').map(OsString::from).collect()
}

fn made(tool: &str, arguments: &[OsString]) -> Plan {
    let row = table::find(tool.as_bytes());
    plan(&Example, b"/target", row, tool.as_bytes(), arguments.to_vec())
}

/// A plan in a line.
fn shown(plan: &Plan) -> String {
    let mut text = match &plan.action {
        Action::Run([]) => String::from("run"),
        Action::Run(set) => format!("run with {}={}", set[0].0, set[0].1),
        Action::Confine { or_nothing: false } => String::from("chroot"),
        Action::Confine { or_nothing: true } => String::from("chroot or nothing"),
        Action::Leave => String::from("leave"),
        Action::Ldconfig => String::from("installer"),
        Action::Answer(answer) => {
            let said = [&answer.output[..], &answer.messages].concat();
            format!("{} {:?}", answer.status, String::from_utf8_lossy(&said))
        }
    };
    if !matches!(plan.action, Action::Answer(_)) {
        for argument in &plan.arguments {
            text.push(' ');
            text.push_str(&argument.to_string_lossy());
        }
    }
    for finding in &plan.findings {
        let what = String::from_utf8_lossy(&finding.subject);
        let helped = u8::from(finding.helped);
        text.push_str(&format!(" | {} {what} {helped}", finding.kind.name()));
    }
    text
}

fn examples() -> Vec<(&'static str, &'static str)> {
    let lines: Vec<&str> = EXAMPLES.lines().filter(|line| !line.is_empty()).collect();
    lines
        .chunks(2)
        .map(|pair| (pair[0], pair[1].trim_start()))
        .collect()
}

#[test]
fn every_example_is_as_written() {
    let mut wrong = String::new();
    for (call, expected) in examples() {
        let (tool, rest) = call.split_once(' ').unwrap_or((call, ""));
        let arguments = if rest.is_empty() { Vec::new() } else { words(rest) };
        let names = table::find(tool.as_bytes()).map_or(tool, |row| row.tools);
        // Tools of one row are alike, but for the word that tells of the tool itself.
        for name in names.split(' ').filter(|name| *name != "[" || tool == "[") {
            let got = shown(&made(name, &arguments));
            let said = got.replace(&format!(" {name} "), &format!(" {tool} "));
            if said != expected && got != expected {
                wrong.push_str(&format!("{name} {rest}\n    {got}\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_row_has_an_example() {
    let shown: BTreeSet<&str> = examples()
        .into_iter()
        .filter_map(|(call, _)| call.split(' ').next())
        .filter_map(|tool| table::find(tool.as_bytes()))
        .map(|row| row.tools)
        .collect();
    for row in table::rows() {
        assert!(shown.contains(row.tools), "{} has no example", row.tools);
        assert!(!row.why.is_empty() && !row.method.name().is_empty());
    }
}

#[test]
fn a_tool_is_in_one_row() {
    let mut seen = BTreeSet::new();
    for tool in table::rows().flat_map(|row| row.tools.split(' ')) {
        assert!(
            !tool.is_empty() && seen.insert(tool),
            "{tool:?} is twice in the table"
        );
    }
}

#[test]
fn options_for_the_root_are_known() {
    for row in table::rows() {
        let Method::Option(option) = &row.method else {
            continue;
        };
        let name = option.insert.trim_end_matches('=');
        let names = option
            .options
            .split(' ')
            .filter_map(|word| word.strip_suffix("=D"));
        let mut roots = names.flat_map(|names| names.split(','));
        assert!(roots.any(|root| root == name), "{}: {name}", row.tools);
    }
}

#[test]
fn calls_within_the_contract_stay_as_they_are() {
    for row in table::rows() {
        let Method::Arguments(_) = &row.method else {
            continue;
        };
        for tool in row.tools.split(' ') {
            for arguments in [
                "/target/a /target/b",
                "a b",
                "-x /target/a",
                "-- /target/a ../x",
                "",
            ] {
                let arguments = words(arguments);
                let plan = made(tool, &arguments);
                assert_eq!(plan.arguments, arguments, "{tool}");
                assert_eq!(plan.findings, [], "{tool}");
            }
        }
    }
}

/// Only words that are paths outside the root may change, and only by the root in front.
#[test]
fn nothing_else_is_changed() {
    let options = [
        "-a",
        "-e",
        "-f",
        "-i",
        "-m",
        "-n",
        "-o",
        "-s",
        "-t",
        "-C",
        "-R",
        "--",
        "-rf",
        "--x=/etc/a",
        "-exec",
        ";",
    ];
    let others = [
        "text",
        "/etc/conf",
        "/target/x",
        "0",
        "s,/a,/b,",
        "/dev/null",
        "a=/etc/b",
        "!",
        "-",
        "/",
    ];
    let vocabulary: Vec<&str> = options.into_iter().chain(others).collect();
    let mut state = 1u32;
    let mut next = |limit: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % limit
    };
    for row in table::rows() {
        let Method::Arguments(_) = &row.method else {
            continue;
        };
        let tool = row.tools.split(' ').next().unwrap();
        for _ in 0..200 {
            let arguments: Vec<OsString> = (0..next(6))
                .map(|_| vocabulary[next(vocabulary.len())].into())
                .collect();
            let plan = made(tool, &arguments);
            assert_eq!(plan.arguments.len(), arguments.len(), "{tool} {arguments:?}");
            for (old, new) in arguments
                .iter()
                .zip(&plan.arguments)
                .filter(|(old, new)| old != new)
            {
                let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
                assert_eq!(new.replacen("/target", "", 1), old, "{tool} {arguments:?}");
            }
            // What is right now is right for ever.
            let again = made(tool, &plan.arguments);
            assert_eq!(again.arguments, plan.arguments, "{tool} {arguments:?}");
        }
    }
}

#[test]
fn the_text_of_links_stays() {
    for line in [
        "-s /etc/a /target/b",
        "-sf /etc/a /etc/b",
        "-fs -- /etc/a /b",
        "-s /a /b /etc",
        "-st /etc /a /b",
        "--symbolic /etc/a b",
        "-sfn /etc/a /etc/b",
    ] {
        let plan = made("ln", &words(line));
        for text in ["/etc/a", "/a"] {
            let count = |words: &[OsString]| words.iter().filter(|word| *word == text).count();
            assert_eq!(count(&plan.arguments), count(&words(line)), "{line}");
        }
    }
}

#[test]
fn messages_have_their_bytes() {
    let finding = super::Finding {
        kind: shim_protocol::ViolationKind::Path,
        subject: b"/etc/x".to_vec(),
        helped: true,
    };
    let expected = format!("vpath\0rm\0/etc/x\01\0{}\0", std::process::id());
    assert_eq!(finding.message(b"rm"), expected.as_bytes());
}

#[test]
fn roots_and_names() {
    let root = |text: &str| super::root(Some(text.into()));
    assert_eq!(root("/target/").unwrap(), b"/target");
    assert_eq!(
        (root(""), root("/"), root("//"), root("target"), super::root(None)),
        (None, None, None, None, None)
    );
    let called = |name: &str| super::is_called(&[name.into()]);
    assert!(called("/.rootless-install/bin/rm") && called("rm"));
    assert!(!called("/.rootless-install/shim") && !super::is_called(&[]));
}

/// In the tests' own process no tool of this name can be executed.
#[test]
fn what_is_not_there_is_said() {
    assert_eq!(super::run(&["no-such-tool-at-all".into()]), super::NOT_FOUND);
}
