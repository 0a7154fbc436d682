//! The examples of every row of the table, in the root `/target`, from whose `/target/var` the scripts run; and what
//! must hold for all of them.

mod recorded;

use super::paths::World;
use super::plan::{Action, Plan, plan};
use std::ffi::OsString;
use tool_table::{Method, Root, Tool};

/// Files of the examples.
struct Example;

impl World for Example {
    fn exists(&self, path: &[u8]) -> bool {
        let known = [
            "/only/outside",
            "/var/lib/only/outside",
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
    let method = tool_table::wrapped(tool.as_bytes()).and_then(|row| Some(&row.root.as_ref()?.method));
    plan(&Example, b"/target", method, tool.as_bytes(), arguments.to_vec())
}

/// Rows of tools whose arguments are changed: their first names, or all.
fn with_arguments() -> impl Iterator<Item = &'static Tool> {
    let by_arguments = |root: &Root| matches!(root.method, Method::Arguments(_));
    tool_table::tools().filter(move |tool| tool.root.as_ref().is_some_and(by_arguments))
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

#[test]
fn every_example_is_as_written() {
    let mut wrong = String::new();
    for row in tool_table::tools() {
        for example in row.examples().iter().filter(|example| example.setting.is_none()) {
            let (tool, arguments) = example.words.split_first().unwrap();
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            // Tools of one row are alike, but for the word that tells of the tool itself; an example may have
            // another name with a version.
            let names = row.names.split(' ').filter(|name| *name != "[" || *tool == "[");
            for name in names.chain([*tool]) {
                let got = shown(&made(name, &arguments));
                let said = got.replace(&format!(" {name} "), &format!(" {tool} "));
                if said != example.outcome && got != example.outcome {
                    wrong.push_str(&format!("{name} {}\n    {got}\n", example.words.join(" ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn tools_in_no_row_are_executed_and_reported() {
    for (tool, arguments, outcome) in [
        ("mystery", "/etc/x", "run /etc/x | uncovered mystery 0"),
        ("python3x", "x", "run x | uncovered python3x 0"),
    ] {
        assert_eq!(shown(&made(tool, &words(arguments))), outcome);
    }
}

#[test]
fn options_for_the_root_are_known() {
    for row in tool_table::tools() {
        let Some(Root {
            method: Method::Option(option),
            ..
        }) = &row.root
        else {
            continue;
        };
        let name = option.insert.trim_end_matches('=');
        let names = option
            .options
            .split(' ')
            .filter_map(|word| word.strip_suffix("=D"));
        let mut roots = names.flat_map(|names| names.split(','));
        assert!(roots.any(|root| root == name), "{}: {name}", row.names);
    }
}

#[test]
fn calls_within_the_contract_stay_as_they_are() {
    for row in with_arguments() {
        for tool in row.names.split(' ') {
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
    for row in with_arguments() {
        let tool = row.names.split(' ').next().unwrap();
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
