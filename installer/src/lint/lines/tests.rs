use super::super::process::Status;
use super::*;

const ADMIN: &str = "/target/var/lib/dpkg";

struct Family;

impl Processes for Family {
    fn command(&self, _: u32) -> Option<Vec<String>> {
        None
    }

    /// Process 1000 + n is n inside; its parent is the one before, up to 10.
    fn status(&self, pid: u32) -> Option<Status> {
        (pid > 1010).then(|| Status {
            parent: pid - 1,
            inner: pid - 1000,
        })
    }
}

fn spot(line: u32, command: &str) -> Option<Spot> {
    Some(Spot {
        file: "/target/var/lib/dpkg/info/p.postinst".into(),
        line,
        command: command.into(),
    })
}

#[test]
fn records_are_understood() {
    let script = "/target/var/lib/dpkg/info/p.postinst";
    let mut tracer = Tracer::blind(Path::new(ADMIN));
    let mut write = |text: &str| tracer.records.take(text.as_bytes(), Path::new(ADMIN));
    write(&format!("\u{1}12 2 0\u{3}{script}\u{2}set -e\n"));
    write(&format!("\u{1}\u{1}13 5 9 0\u{3}/lib.sh {script}\u{2}ec"));
    write("ho 'a\nb'\n");
    write("\u{1}13 what\n\u{1}x\u{3}y\u{2}z\nnonsense\n");
    assert_eq!(tracer.spot(&Family, 1012), spot(2, "set -e"));
    // The line that called the library's function.
    assert_eq!(tracer.spot(&Family, 1013), spot(9, "echo 'a"));
    // A process without a record of its own is of its nearest shell.
    assert_eq!(tracer.spot(&Family, 1016), spot(9, "echo 'a"));
    assert_eq!(tracer.spot(&Family, 1011), None);
    tracer.begin();
    assert_eq!(tracer.spot(&Family, 1012), None);
}

#[test]
fn endless_records_do_not_fill_memory() {
    let mut records = Records::default();
    for _ in 0..100 {
        records.take(&[b'x'; 4096], Path::new(ADMIN));
    }
    assert!(records.rest.len() <= LONGEST);
}

#[test]
fn a_native_root_gets_traced_shells() {
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let (root, private) = (dir.path().join("root"), dir.path().join("private"));
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    fs::create_dir(&private).unwrap();
    fs::write(root.join("usr/bin/dash"), "dash itself").unwrap();
    let native = Target::open(&root).unwrap();
    let shim = Path::new("/.rootless-install/shim");
    let mut tracer = Tracer::prepare(&private, &native, Path::new(ADMIN), shim).unwrap();
    assert_eq!(fs::read(private.join("shell/dash")).unwrap(), b"dash itself");
    assert_eq!(native.read_link(Path::new("/usr/bin/dash")).unwrap(), shim);
    assert!(native.stat(Path::new("/usr/bin/bash")).is_err());
    let record = format!("\u{1}12 2 0\u{3}{ADMIN}/tmp.ci/preinst\u{2}true\n");
    fs::OpenOptions::new()
        .append(true)
        .open(private.join(names::TRACE))
        .and_then(|mut pipe| io::Write::write_all(&mut pipe, record.as_bytes()))
        .unwrap();
    let seen = tracer.spot(&Family, 1012).unwrap();
    assert_eq!((seen.line, seen.command.as_str()), (2, "true"));
    assert_eq!(seen.file, Path::new("/target/var/lib/dpkg/tmp.ci/preinst"));
    tracer.executes(&Family, 1012);
    assert!(tracer.is_starting(&Family, 1012) && !tracer.is_starting(&Family, 1013));
    fs::OpenOptions::new()
        .append(true)
        .open(private.join(names::TRACE))
        .and_then(|mut pipe| io::Write::write_all(&mut pipe, record.as_bytes()))
        .unwrap();
    assert!(!tracer.is_starting(&Family, 1012));
}

/// The shell of this machine does what the module says, also as root.
#[test]
fn bash_tells_its_lines() {
    let dir = tempfile::tempdir().unwrap();
    let admin = dir.path().join("admin");
    fs::create_dir_all(admin.join("info")).unwrap();
    let script = admin.join("info/p.postinst");
    fs::write(dir.path().join("lib"), "inside() {\n  : inside\n}\n").unwrap();
    let text = "set -e\n. ./lib\nf() {\n  x=$(inside 2>&1)\n}\nf\n[ -z \"$x\" ]\n(\n  : sub\n)\n: 'a\nb'\n";
    fs::write(&script, text).unwrap();
    let trace = dir.path().join("trace");
    fs::write(&trace, "").unwrap();
    let startup = startup(&trace.to_string_lossy());
    fs::write(dir.path().join("startup"), startup).unwrap();
    let Ok(run) = std::process::Command::new("bash")
        .arg(&script)
        .current_dir(dir.path())
        .env("BASH_ENV", dir.path().join("startup"))
        .env(TRACE, "sh")
        .output()
    else {
        return;
    };
    assert!(run.status.success() && run.stderr.is_empty(), "{run:?}");
    let mut lines = Vec::new();
    for record in fs::read_to_string(&trace).unwrap().split_inclusive('\n') {
        let mut records = Records::default();
        records.take(record.as_bytes(), &admin);
        lines.extend(records.spots.into_values().map(|spot| (spot.line, spot.command)));
    }
    let seen = |line: u32, command: &str| lines.contains(&(line, command.to_owned()));
    assert!(
        seen(1, "set -e") && seen(6, "f") && seen(4, ": inside"),
        "{lines:?}"
    );
    assert!(seen(7, "'[' -z '' ']'") && seen(9, ": sub"), "{lines:?}");
}

#[test]
fn a_shell_reads_before_it_writes() {
    let script = "cat /etc/a\nwhile read x; do\n  :\ndone </etc/b\necho /etc/c\necho /etc/c\n";
    let last = spot(1, "cat /etc/a").unwrap();
    assert_eq!(nearer(script, "/etc/b", &last), spot(4, "done </etc/b"));
    assert_eq!(nearer(script, "/etc/a", &last), None);
    assert_eq!(nearer(script, "/etc/c", &last), spot(5, "echo /etc/c"));
    // It goes on, and does not come back, least of all to where a variable is set.
    let script = "A=/etc/a\n[ -e /etc/b ]\n[ -e /etc/b ]\nls /etc/d/*\n[ -e \"$A\" ]\n";
    let last = spot(2, "'[' -e /etc/b ']'").unwrap();
    assert_eq!(nearer(script, "/etc/a", &last), None);
    assert_eq!(nearer(script, "/etc/d", &last), spot(4, "ls /etc/d/*"));
}

#[test]
fn lines_are_guessed_where_there_is_but_one() {
    let script = "#!/usr/bin/perl\n# /etc/foo\nopen F, '/etc/foo';\nsystem 'chown x /a'; system 'chown y /b';\n\
                  open F, \"$ENV{DPKG_ROOT}/etc/bar\";\n";
    assert_eq!(guess(script, "perl", "/etc/foo"), Some(3));
    assert_eq!(guess(script, "chown", "/c"), Some(4));
    assert_eq!(guess(script, "useradd", "/etc/bar"), None);
    assert_eq!(guess("cp /a /b\ncp /a /c\n", "cp", "/a"), None);
}
