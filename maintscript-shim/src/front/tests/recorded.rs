//! Messages for what the kernel refuses.

use super::super::record;
use super::{Example, words};
use std::ffi::OsStr;

fn recorded(tool: &str, line: &str) -> String {
    let record = record::record(&Example, b"/target", tool.as_bytes(), &words(line));
    let Some(record) = record else {
        return String::from("nothing");
    };
    let messages = record
        .messages
        .iter()
        .map(|message| String::from_utf8_lossy(message).replace('\0', " "));
    let mut text: Vec<String> = messages.collect();
    if let Some(before) = record.before {
        text.push(before.join(OsStr::new(" ")).to_string_lossy().into_owned());
    }
    text.join("| ")
}

#[test]
fn what_is_refused_is_recorded() {
    for (tool, line, message) in [
        ("chown", "root:shadow /target/x", "mowner /target/x 0 42 1 "),
        ("chown", "-h alice x", "mowner /target/var/x 7 - 0 "),
        ("chown", "-R www-data: /target/x", "mowner /target/x 33 33 0 "),
        ("chown", ":50 /target/x", "mowner /target/x - 50 1 "),
        ("chown", "bob /target/x", "nothing"),
        ("chown", "--from=a 0 /target/x", "nothing"),
        (
            "chown",
            "--reference=/target/y /target/x",
            "mowner-of /target/x /target/y both 1 ",
        ),
        ("chgrp", "shadow /a /b", "mowner /a - 42 1 | mowner /b - 42 1 "),
        (
            "mknod",
            "/target/dev/x c 1 0x10",
            "mnode /target/dev/x c 1 16 644 ",
        ),
        ("mknod", "-m 600 x b 7 010", "mnode /target/var/x b 7 8 600 "),
        ("mknod", "/target/dev/x p", "nothing"),
        (
            "setcap",
            "cap_net_raw+ep /target/x",
            "mcapability /target/x 0100000200200000000000000000000000000000 ",
        ),
        ("setcap", "-r /target/x", "mcapability /target/x  "),
        ("setcap", "-v cap_net_raw+ep /target/x", "nothing"),
        (
            "install",
            "-m 640 -o root -gshadow a /target/b",
            "mowner /target/b 0 42 1 | -m 640 -o 1000 -g1001 a /target/b",
        ),
        (
            "install",
            "-d -g 5 /target/b",
            "mowner /target/b - 5 1 | -d -g 1001 /target/b",
        ),
        (
            "install",
            "-o 0 -t /target/b x/a",
            "mowner /target/b/a 0 - 1 | -o 1000 -t /target/b x/a",
        ),
        ("install", "-m 640 a /target/b", "nothing"),
    ] {
        assert_eq!(recorded(tool, line), message, "{tool} {line}");
    }
}
