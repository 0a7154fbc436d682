//! Messages for what the kernel refuses.

use super::super::record;
use super::{Example, words};
use shim_protocol::{Device, Record, Request};
use std::ffi::OsStr;

/// A message in words: ids and modes as chown(1) and mknod(1) take them.
fn shown(message: &Request<'_>) -> String {
    let text = String::from_utf8_lossy;
    let id = |id: Option<u32>| id.map_or(String::from("-"), |id| id.to_string());
    match *message {
        Request::Record(Record::Owner {
            path,
            uid,
            gid,
            follow,
        }) => format!(
            "owner {} {} {} {} ",
            text(path),
            id(uid),
            id(gid),
            u8::from(follow)
        ),
        Request::Record(Record::OwnerOf {
            path,
            reference,
            group_only,
            follow,
        }) => {
            let which = if group_only { "group" } else { "both" };
            format!(
                "owner-of {} {} {which} {} ",
                text(path),
                text(reference),
                u8::from(follow)
            )
        }
        Request::Record(Record::Node {
            path,
            device,
            major,
            minor,
            mode,
        }) => {
            let device = if device == Device::Block { "b" } else { "c" };
            format!("node {} {device} {major} {minor} {mode:o} ", text(path))
        }
        Request::Record(Record::Capability { path, value }) => {
            let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("capability {} {hex} ", text(path))
        }
        _ => String::from("no record"),
    }
}

fn recorded(tool: &str, line: &str) -> String {
    let recorded = tool_table::wrapped(tool.as_bytes()).unwrap().recorded.unwrap();
    let record = record::record(&Example, b"/target", (tool.as_bytes(), recorded), &words(line));
    let Some(record) = record else {
        return String::from("nothing");
    };
    let messages = record
        .messages
        .iter()
        .map(|message| shown(&Request::decode(message).unwrap()));
    let mut text: Vec<String> = messages.collect();
    if let Some(before) = record.before {
        text.push(before.join(OsStr::new(" ")).to_string_lossy().into_owned());
    }
    text.join("| ")
}

#[test]
fn what_is_refused_is_recorded() {
    for (tool, line, message) in [
        ("chown", "root:shadow /target/x", "owner /target/x 0 42 1 "),
        ("chown", "-h alice x", "owner /target/var/x 7 - 0 "),
        ("chown", "-R www-data: /target/x", "owner /target/x 33 33 0 "),
        ("chown", ":50 /target/x", "owner /target/x - 50 1 "),
        ("chown", "bob /target/x", "nothing"),
        ("chown", "--from=a 0 /target/x", "nothing"),
        (
            "chown",
            "--reference=/target/y /target/x",
            "owner-of /target/x /target/y both 1 ",
        ),
        ("chgrp", "shadow /a /b", "owner /a - 42 1 | owner /b - 42 1 "),
        (
            "mknod",
            "/target/dev/x c 1 0x10",
            "node /target/dev/x c 1 16 644 ",
        ),
        ("mknod", "-m 600 x b 7 010", "node /target/var/x b 7 8 600 "),
        ("mknod", "/target/dev/x p", "nothing"),
        (
            "setcap",
            "cap_net_raw+ep /target/x",
            "capability /target/x 0100000200200000000000000000000000000000 ",
        ),
        ("setcap", "-r /target/x", "capability /target/x  "),
        ("setcap", "-v cap_net_raw+ep /target/x", "nothing"),
        (
            "install",
            "-m 640 -o root -gshadow a /target/b",
            "owner /target/b 0 42 1 | -m 640 -o 1000 -g1001 a /target/b",
        ),
        (
            "install",
            "-d -g 5 /target/b",
            "owner /target/b - 5 1 | -d -g 1001 /target/b",
        ),
        (
            "install",
            "-o 0 -t /target/b x/a",
            "owner /target/b/a 0 - 1 | -o 1000 -t /target/b x/a",
        ),
        ("install", "-m 640 a /target/b", "nothing"),
    ] {
        assert_eq!(recorded(tool, line), message, "{tool} {line}");
    }
}
