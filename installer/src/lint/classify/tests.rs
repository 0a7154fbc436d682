use super::*;

fn shell() -> Process {
    Process::Script {
        path: "/target/var/lib/dpkg/info/p.postinst".into(),
        shell: true,
    }
}

fn tool(line: &str) -> Process {
    let mut words = line.split(' ').map(str::to_owned);
    Process::Tool {
        name: words.next().unwrap(),
        arguments: words.collect(),
    }
}

fn judge(process: &Process, operation: Operation, path: &str, script: &str) -> Option<FindingKind> {
    Question {
        path: Path::new(path),
        operation,
        process,
        script: Some(script),
        is_covered: &|name| name == "update-rc.d",
    }
    .judge()
}

#[test]
fn a_script_has_no_business_outside() {
    let by_script = |operation, path| judge(&shell(), operation, path, "");
    assert_eq!(by_script(Test, "/etc/foo"), Some(FindingKind::Test));
    assert_eq!(by_script(Read, "/etc/foo"), Some(FindingKind::Read));
    assert_eq!(
        by_script(Read, "/usr/lib/foo/functions.sh"),
        Some(FindingKind::Read)
    );
    assert_eq!(by_script(Write, "/etc/outside"), Some(FindingKind::Write));
    assert_eq!(by_script(Write, "/usr/bin/tool"), Some(FindingKind::Write));
    assert_eq!(by_script(Read, "/run/systemd/system"), Some(FindingKind::Read));
    for (operation, path) in [
        (Test, "/usr/bin/tool"),
        (Test, "/bin"),
        (Write, "/dev/null"),
        (Read, "/proc/self/status"),
        (Write, "/tmp/x"),
        (Test, "/run/systemd/system"),
        (Test, "/run/systemd"),
        (Execute, "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
        (Read, "/usr/share/debconf/confmodule"),
        (Read, "/.rootless-install/trace.bash"),
    ] {
        assert_eq!(by_script(operation, path), None, "{path}");
    }
}

#[test]
fn what_a_shell_reads_itself_counts_when_the_script_says_so() {
    let libraries = [
        "/etc/ld.so.cache",
        "/usr/lib/x86_64-linux-gnu/libtinfo.so.6",
        "/usr/lib/locale/C.utf8/LC_CTYPE",
        "/usr/lib64/ld-linux-x86-64.so.2",
        "/lib64",
    ];
    for path in libraries {
        assert_eq!(judge(&shell(), Read, path, "echo"), None, "{path}");
    }
    let text = "x\nwhile read line; do :; done </etc/passwd\n";
    assert_eq!(
        judge(&shell(), Read, "/etc/passwd", text),
        Some(FindingKind::Read)
    );
    for text in [
        "done <\"$DPKG_ROOT/etc/passwd\"",
        "done <\"${DPKG_ROOT}\"/etc/passwd",
        "done <\"$DPKG_ROOT\"/etc/passwd",
        "# reads /etc/passwd",
        "cat /etc/passwd-",
    ] {
        assert_eq!(judge(&shell(), Read, "/etc/passwd", text), None, "{text}");
    }
}

#[test]
fn tools_may_read_what_is_theirs() {
    let cat = tool("cat /etc/foo /target/etc/bar");
    assert_eq!(judge(&cat, Read, "/etc/foo", ""), Some(FindingKind::Read));
    assert_eq!(judge(&cat, Read, "/etc/ld.so.cache", ""), None);
    let grep = tool("grep -r x /etc/foo.d/ --file=/usr/share/p/list");
    assert_eq!(judge(&grep, Read, "/etc/foo.d/a", ""), Some(FindingKind::Read));
    assert_eq!(
        judge(&grep, Read, "/usr/share/p/list", ""),
        Some(FindingKind::Read)
    );
    assert_eq!(judge(&grep, Read, "/etc/foo", ""), None);
    let list = tool("ls /usr");
    assert_eq!(
        judge(&list, Read, "/usr/lib/x86_64-linux-gnu/libc.so.6", ""),
        None
    );
    assert_eq!(judge(&list, Read, "/usr", ""), Some(FindingKind::Read));
    let sh = tool("sh -c [ -e /etc/foo ]||:");
    assert_eq!(judge(&sh, Test, "/etc/foo", ""), Some(FindingKind::Test));
    assert_eq!(judge(&tool("find / -name x"), Read, "/etc/foo", ""), None);
    assert_eq!(
        judge(&tool("nice /usr/bin/tool"), Test, "/usr/bin/tool", ""),
        None
    );
}

#[test]
fn directories_of_programs_may_be_missing() {
    // `command -v absent` where there is no /usr/local.
    let search = "command -v absent\n";
    assert_eq!(judge(&shell(), Test, "/usr/local", search), None);
    let named = "[ -d /usr/local ]\n";
    assert_eq!(
        judge(&shell(), Test, "/usr/local", named),
        Some(FindingKind::Test)
    );
    assert_eq!(
        judge(&shell(), Test, "/usr/local/share", search),
        Some(FindingKind::Test)
    );
}

#[test]
fn nobody_writes_outside() {
    let chown = tool("chown root /var/lib/x");
    assert_eq!(judge(&chown, Write, "/var/lib/x", ""), Some(FindingKind::Write));
    assert_eq!(
        judge(&tool("useradd x"), Write, "/etc/passwd", ""),
        Some(FindingKind::Write)
    );
    assert_eq!(judge(&tool("useradd x"), Write, "/run/lock/x", ""), None);
    assert_eq!(
        judge(&shell(), Write, "/run/lock/x", ""),
        Some(FindingKind::Write)
    );
}

#[test]
fn programs_by_their_paths() {
    let by_script = |path| judge(&shell(), Execute, path, "");
    assert_eq!(by_script("/usr/sbin/update-rc.d"), None);
    assert_eq!(by_script("/usr/lib/foo/helper"), Some(FindingKind::Uncovered));
    assert_eq!(
        judge(&tool("frontend x"), Execute, "/usr/lib/foo/helper", ""),
        None
    );
}

#[test]
fn other_interpreters_read_modules() {
    let perl = Process::Script {
        path: "/target/var/lib/dpkg/info/p.postinst".into(),
        shell: false,
    };
    assert_eq!(judge(&perl, Read, "/usr/share/perl5/Debconf/Client.pm", ""), None);
    assert_eq!(
        judge(&perl, Read, "/etc/foo", "open F, '/etc/foo';"),
        Some(FindingKind::Read)
    );
    assert_eq!(judge(&perl, Write, "/etc/foo", ""), Some(FindingKind::Write));
}

#[test]
fn patterns() {
    assert!(is_below("/lib*", "/lib64/ld.so"));
    assert!(is_below(
        "/usr/lib/*-linux-*/*.so*",
        "/usr/lib/arm-linux-gnueabihf/libc.so.6"
    ));
    assert!(!is_below("/usr/lib/*-linux-*/*.so*", "/usr/lib/libc.so.6"));
    assert!(!is_below("/tmp", "/tmpx"));
    assert!(!is_below("/usr/bin", "/usr"));
}
