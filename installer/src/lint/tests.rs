use super::process::Status;
use super::*;
use rootless_install_fs::{Access, AccessKind, Attribute, FileType, LookupResult, Meta, Watch};
use task_progress::{Event, Reporter, Silent};

const POSTINST: &str = "/target/var/lib/dpkg/info/p.postinst";

/// The script's shell is 100, each other process its child.
struct Commands(Vec<(u32, &'static str)>);

impl Processes for Commands {
    fn command(&self, pid: u32) -> Option<Vec<String>> {
        let (_, line) = self.0.iter().find(|(known, _)| *known == pid)?;
        Some(line.split(' ').map(str::to_owned).collect())
    }

    fn status(&self, pid: u32) -> Option<Status> {
        let parent = if pid == 100 { 1 } else { 100 };
        (pid > 1).then_some(Status { parent, inner: pid })
    }
}

struct Fixture {
    lint: Arc<Lint>,
    target: Target,
    _directory: tempfile::TempDir,
}

fn fixture(script: &str, commands: &[(u32, &'static str)]) -> Fixture {
    let directory = tempfile::tempdir_in("/var/tmp").unwrap();
    std::fs::create_dir_all(directory.path().join("var/lib/dpkg/info")).unwrap();
    let target = Target::open(directory.path()).unwrap();
    let meta = Meta::of_root(FileType::Regular, 0o755);
    let path = POSTINST.strip_prefix("/target").unwrap();
    target.write(Path::new(path), script.as_bytes(), &meta).unwrap();
    let mut all = vec![(100, "bash /target/var/lib/dpkg/info/p.postinst configure")];
    all.extend(commands);
    let admin = PathBuf::from("/target/var/lib/dpkg");
    let settings = LintContext {
        root: "/target".into(),
        admin,
        target: target.clone(),
        is_covered: Box::new(|_| false),
        processes: Box::new(Commands(all)),
    };
    Fixture {
        lint: Arc::new(Lint::new(settings)),
        target,
        _directory: directory,
    }
}

impl Fixture {
    fn see(&self, pid: u32, path: &str, kind: AccessKind<'_>) {
        let path = Path::new(path);
        self.lint.seen(&Access { pid, path, kind });
    }

    fn look(&self, pid: u32, path: &str, found: &LookupResult) {
        self.see(pid, path, AccessKind::Lookup { found });
    }

    fn found(&self) -> Vec<(Option<u32>, FindingKind, String, String)> {
        let (findings, _) = self.lint.findings(|_| true);
        findings
            .into_iter()
            .map(|f| (f.line, f.kind, f.tool, f.what))
            .collect()
    }
}

fn is(line: u32, kind: FindingKind, tool: &str, what: &str) -> (Option<u32>, FindingKind, String, String) {
    (Some(line), kind, tool.to_owned(), what.to_owned())
}

#[test]
fn accesses_become_findings() {
    let script = "#!/bin/sh\nset -e\n[ -e /etc/foo ] || :\necho x >/etc/outside\nchown root /var/lib/x\n";
    let f = fixture(script, &[(101, "chown root /var/lib/x")]);
    // Before any script begins nobody is to blame.
    f.see(100, "/etc/early", AccessKind::Create);
    f.lint.begin("p", "postinst configure");
    f.look(100, "/etc", &LookupResult::Directory);
    f.look(100, "/etc/foo", &LookupResult::Nothing);
    f.look(100, "/etc", &LookupResult::Directory);
    f.look(100, "/etc/outside", &LookupResult::Nothing);
    f.see(100, "/etc/outside", AccessKind::Create);
    f.look(100, "/target", &LookupResult::Directory);
    f.look(101, "/var", &LookupResult::Directory);
    f.look(101, "/var/lib", &LookupResult::Directory);
    f.look(101, "/var/lib/x", &LookupResult::Other);
    f.see(101, "/var/lib/x", AccessKind::Attributes(Attribute::Owner));
    f.lint.end();
    assert_eq!(
        f.found(),
        [
            is(3, FindingKind::Test, "shell", "/etc/foo"),
            is(4, FindingKind::Write, "shell", "/etc/outside"),
            is(5, FindingKind::Write, "chown", "/var/lib/x"),
        ]
    );
    assert_eq!(f.lint.findings(|name| name == "other"), (Vec::new(), 0));
}

#[test]
fn the_shim_tells_what_it_did() {
    let f = fixture("#!/bin/sh\ngetent passwd x\n", &[(102, "getent passwd x")]);
    let heard = LintReporter {
        lint: Arc::clone(&f.lint),
        reporter: Arc::new(Silent),
    };
    heard.event(&Event::ScriptStarted {
        package: "p",
        script: "postinst configure",
    });
    // The script's text is known from its first access.
    f.look(100, "/usr", &LookupResult::Directory);
    f.look(100, "/usr/bin", &LookupResult::Directory);
    f.lint.reported(&shim_protocol::Violation {
        kind: shim_protocol::ViolationKind::OuterQuery,
        tool: b"getent",
        subject: b"passwd",
        helped: true,
        process: 102,
    });
    heard.event(&Event::ScriptFinished {
        package: "p",
        script: "postinst configure",
        failure: None,
        elapsed: Duration::ZERO,
    });
    let (findings, scripts) = f.lint.findings(|name| name == "p");
    assert_eq!((findings.len(), scripts), (1, 1));
    assert!(findings.iter().all(|f| f.helped && f.line == Some(2)));
    assert_eq!(findings[0].command.as_deref(), Some("getent passwd x"));
}

#[test]
fn programs_of_the_target() {
    let script = "#!/bin/sh\n\"$DPKG_ROOT/usr/bin/tool\"\nnice \"$DPKG_ROOT/usr/bin/other\"\nucf x\n";
    let f = fixture(script, &[(101, "nice /target/usr/bin/other"), (102, "ucf x")]);
    let inside = TargetWatch(Arc::clone(&f.lint));
    let execute = |pid, path: &str| {
        let (path, kind) = (Path::new(path), AccessKind::Execute);
        inside.seen(&Access { pid, path, kind });
    };
    f.lint.begin("p", "postinst configure");
    execute(100, "/var/lib/dpkg/info/p.postinst");
    // The script's text is known from its first access.
    f.look(100, "/usr", &LookupResult::Directory);
    f.look(100, "/usr/bin", &LookupResult::Directory);
    execute(100, "/usr/bin/tool");
    execute(101, "/usr/bin/other");
    // It is confined there.
    execute(102, "/usr/bin/ucf");
    f.lint.end();
    let kind = FindingKind::TargetBinary;
    assert_eq!(
        f.found(),
        [
            is(2, kind, "tool", "$DPKG_ROOT/usr/bin/tool"),
            is(3, kind, "other", "$DPKG_ROOT/usr/bin/other"),
        ]
    );
}

#[test]
fn lines_of_config_are_its_own() {
    let config = "perl -w /target/var/lib/dpkg/info/p.config configure";
    let f = fixture("#!/bin/sh\n. /usr/share/debconf/confmodule\n", &[(105, config)]);
    let text = b"#!/usr/bin/perl -w\nif (-e '/etc/foo') { 1 }\n";
    let meta = Meta::of_root(FileType::Regular, 0o755);
    f.target
        .write(Path::new("var/lib/dpkg/info/p.config"), text, &meta)
        .unwrap();
    f.lint.begin("p", "postinst configure");
    f.look(105, "/etc/foo", &LookupResult::Nothing);
    f.lint.end();
    let (findings, _) = f.lint.findings(|_| true);
    let seen: Vec<_> = findings
        .iter()
        .map(|one| (one.script.as_str(), one.line))
        .collect();
    assert_eq!(seen, [("config", Some(2))]);
    assert_eq!(
        script_name(Path::new("/t/var/lib/dpkg/info/a.b:arm64.config")),
        Some("config")
    );
    assert_eq!(
        script_name(Path::new("/t/var/lib/dpkg/tmp.ci/preinst")),
        Some("preinst")
    );
    assert_eq!(script_name(Path::new("/tmp/helper.sh")), None);
    let long = shortened("é".repeat(LONGEST_COMMAND + 1));
    assert_eq!(long.chars().count(), LONGEST_COMMAND + 3);
    assert!(long.ends_with("..."));
}

#[test]
fn a_clean_script_has_no_findings() {
    let f = fixture(
        "#!/bin/sh\ncat \"$DPKG_ROOT/etc/foo\"\n",
        &[(103, "cat /target/etc/foo")],
    );
    f.lint.begin("p", "postinst configure");
    for pid in [100, 103] {
        for path in ["/lib", "/etc"] {
            f.look(pid, path, &LookupResult::Directory);
        }
        f.look(pid, "/etc/ld.so.cache", &LookupResult::Other);
        let read = AccessKind::Open {
            read: true,
            write: false,
        };
        f.see(pid, "/etc/ld.so.cache", read);
        f.look(pid, "/target", &LookupResult::Directory);
    }
    f.look(100, "/usr", &LookupResult::Directory);
    f.look(100, "/usr/bin", &LookupResult::Directory);
    f.look(100, "/usr/bin/cat", &LookupResult::Other);
    f.lint.end();
    assert_eq!(f.found(), []);
}

#[test]
fn what_scripts_leave_behind_is_searched() {
    let f = fixture("", &[]);
    f.lint.begin("p", "postinst configure");
    f.lint.writes().seen(&Access {
        pid: 100,
        path: Path::new("/a"),
        kind: AccessKind::Create,
    });
    f.lint.end();
    let meta = Meta::of_root(FileType::Regular, 0o644);
    f.target
        .write(Path::new("a"), b"dir = /target/etc\n", &meta)
        .unwrap();
    assert_eq!(
        f.found(),
        [(None, FindingKind::Leak, String::new(), "/a".to_owned())]
    );
}
