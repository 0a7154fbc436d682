//! Permissions, and the operations that need them.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::chown;

use rustix::fs::{self as sys, XattrFlags};

use super::Transcript;
use crate::cases::as_user;

/// cap_net_raw=ep, as setcap(8) writes it.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

pub(super) fn privileges(t: &mut Transcript) {
    // Permissions in a directory that everybody may write.
    fs::create_dir(t.at("tmp")).unwrap();
    t.chmod("tmp", 0o1777);
    t.write("tmp/root", "r");
    for script in [
        "rm -f tmp/root",
        "mv tmp/root tmp/x",
        "echo > tmp/mine",
        "rm tmp/mine",
        "chmod 600 f",
        "ln f tmp/f",
        "touch f",
        "cat f",
        "echo >> f",
    ] {
        let done = as_user(1000, &t.dir, script);
        t.note(script, done);
    }
    // Operations that take set-id bits and capabilities away.
    for (index, script) in [
        "echo x >> victim0",
        ": > victim1",
        "truncate -s 1 victim2",
        "fallocate -l 100 victim3",
        "dd if=/bin/sh of=victim4 bs=10 count=1 conv=notrunc",
        "chmod g+s victim5",
        "chgrp 1000 victim6",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("victim{index}");
        for root in [false, true] {
            t.write(&name, "xxxx");
            chown(t.at(&name), Some(1000), Some(50)).unwrap();
            sys::lsetxattr(
                t.at(&name),
                "security.capability",
                &CAPABILITY,
                XattrFlags::empty(),
            )
            .unwrap();
            t.chmod(&name, 0o6777);
            let done = as_user(if root { 0 } else { 1000 }, &t.dir, script);
            t.note(script, done);
            t.stat(&name);
            let mut value = [0; 64];
            t.note(
                "capability",
                sys::lgetxattr(t.at(&name), "security.capability", &mut value[..]),
            );
        }
    }
    for (mode, owner) in [
        (0o6755, Some(0)),
        (0o6755, None),
        (0o2644, Some(1)),
        (0o6711, Some(1)),
    ] {
        t.write("owned", "");
        t.chmod("owned", mode);
        t.errno("chown", chown(t.at("owned"), owner, owner));
        t.stat("owned");
    }
    fs::create_dir(t.at("shared")).unwrap();
    chown(t.at("shared"), Some(0), Some(50)).unwrap();
    t.chmod("shared", 0o2777);
    let done = as_user(
        1000,
        &t.dir,
        "cd shared && echo > f && mkdir d && ln -s f l && mkfifo p && mkdir -m 2700 e && umask 0 && echo > g",
    );
    t.note("shared", done);
    for name in ["f", "d", "l", "p", "e", "g"] {
        t.stat(&format!("shared/{name}"));
    }
}

pub(super) fn attributes(t: &mut Transcript) {
    t.write("marked", "x");
    fs::create_dir(t.at("marked-dir")).unwrap();
    let name_255 = format!("user.{}", "u".repeat(250));
    for (file, name, value) in [
        ("marked", "user.x", &b"value"[..]),
        ("marked", "user.empty", b""),
        ("marked", "user.", b"1"),
        ("marked", &name_255, b"1"),
        ("marked", &format!("{name_255}u"), b"1"),
        ("marked", "nonsense", b"1"),
        ("marked", "system.x", b"1"),
        ("marked", "trusted.x", b"1"),
        ("marked", "security.capability", b"1"),
        ("marked", "security.capability", &CAPABILITY),
        ("marked-dir", "security.capability", &CAPABILITY),
        ("marked-dir", "user.x", b"1"),
        ("link", "user.x", b"1"),
        ("pipe", "user.x", b"1"),
        ("marked", "user.large", &[1; 2000]),
        ("marked", "user.too-large", &[1; 66_000]),
        // The name of our own record on disk is one of many here.
        ("marked", "user.containers.override_stat", b"9:9:0777:symlink"),
        ("marked", "user.rootless-install.security.capability", &CAPABILITY),
        (
            "marked",
            "user.rootless-install.system.posix_acl_access",
            b"nonsense",
        ),
        (
            "marked-dir",
            "user.rootless-install.user.containers.override_stat",
            b"9:9:0:file",
        ),
    ] {
        let set = sys::lsetxattr(t.at(file), name, value, XattrFlags::empty());
        let mut buffer = [0; 3000];
        let got = sys::lgetxattr(t.at(file), name, &mut buffer[..]);
        let same = got.map(|len| &buffer[..len] == value);
        t.note(&format!("{file} {name}"), (set, same));
        t.stat(file);
    }
    let mut buffer = [0; 3000];
    t.note(
        "replace",
        sys::lsetxattr(t.at("marked"), "user.none", b"", XattrFlags::REPLACE),
    );
    t.note(
        "create",
        sys::lsetxattr(t.at("marked"), "user.x", b"", XattrFlags::CREATE),
    );
    t.note(
        "none",
        sys::lgetxattr(t.at("marked"), "user.none", &mut buffer[..]),
    );
    t.note("remove none", sys::lremovexattr(t.at("marked"), "user.none"));
    t.note(
        "no room",
        sys::lgetxattr(t.at("marked"), "user.large", &mut buffer[..10]),
    );
    let len = sys::llistxattr(t.at("marked"), &mut buffer[..]).unwrap();
    let mut names: Vec<_> = buffer[..len]
        .split(|b| *b == 0)
        .map(String::from_utf8_lossy)
        .collect();
    names.sort_unstable();
    t.note("names", names);
    let mut text = String::new();
    File::open(t.at("marked"))
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    t.note("contents", text);
}
