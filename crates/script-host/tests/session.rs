//! Sessions on a minimal target, without a network.
//!
//! A view executes `/proc/self/exe` as its agent, so this test program has a `main` of its own (`harness = false`).
//! The target is of a foreign architecture and has programs that are no more than an ELF header: this machine's own
//! stand in for them.

use apt_solve::Universe;
use deb_arch::{Architecture, ByteOrder};
use deb_archive::{FetchOptions, Fetcher, NoProgress};
use rootless_install_fs::{Access, FileType, Meta, Target, Watch};
use script_host::script::Script;
use script_host::session::check_native_system;
use script_host::view::{self, Ended, Machine};
use script_host::{
    Native, Observer, Options, RunResult, ScriptCall, ScriptRoot, ScriptSettings, Session, SessionError, open,
};
use shim_protocol::Violation;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use task_progress::{Cancel, Event, Reporter};

const SCRIPT: &str = "/var/lib/dpkg/info/example.postinst";

const TESTS: &[(&str, fn())] = &[
    ("a_script_runs_in_a_view", a_script_runs_in_a_view),
    ("a_script_runs_on_the_machine", a_script_runs_on_the_machine),
    (
        "an_unrunnable_program_stops_a_script",
        an_unrunnable_program_stops_a_script,
    ),
    ("an_observer_sees_accesses", an_observer_sees_accesses),
    (
        "nothing_is_prepared_without_programs",
        nothing_is_prepared_without_programs,
    ),
];

fn main() -> ExitCode {
    if let Some(status) = view::agent_entry() {
        return status;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let list = arguments.iter().any(|argument| argument == "--list");
    let filters: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    for (name, test) in TESTS {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        let line = if list {
            format!("{name}: test")
        } else {
            test();
            format!("test {name} ... ok")
        };
        let mut out = io::stdout();
        writeln!(out, "{line}").unwrap();
    }
    ExitCode::SUCCESS
}

/// Whether the machine has `need`. With `CI` in the environment it must.
fn has(need: &str, lack: Option<String>) -> bool {
    let Some(lack) = lack else { return true };
    assert!(std::env::var_os("CI").is_none(), "no {need}: {lack}");
    eprintln!("skipped for want of {need}: {lack}");
    false
}

fn has_view() -> bool {
    has("a view", view::probe().err().map(|error| error.to_string()))
        && has(
            "a merged /usr",
            check_native_system(Path::new("/"))
                .err()
                .map(|error| error.to_string()),
        )
}

/// The lines that scripts write.
#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl Reporter for Lines {
    fn event(&self, event: &Event<'_>) {
        if let Event::ScriptOutput { output, .. } = event {
            let line = String::from_utf8_lossy(output).into_owned();
            self.0.lock().unwrap().push(line);
        }
    }
}

/// A target of a foreign architecture with a shell, a program that this machine does not have, and a postinst.
struct Example {
    directory: tempfile::TempDir,
    target: Target,
    arch: &'static Architecture,
    lines: Arc<Lines>,
}

impl Example {
    fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["target", "scratch"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        let target = Target::open(&directory.path().join("target")).unwrap();
        let other = if Architecture::native().name == "s390x" {
            "riscv64"
        } else {
            "s390x"
        };
        let arch = Architecture::by_name(other).unwrap();
        let made = Meta::of_root(FileType::Directory, 0o755);
        target.set_meta(Path::new("/"), &made).unwrap();
        for path in [
            "/usr",
            "/usr/bin",
            "/usr/sbin",
            "/usr/lib",
            "/var",
            "/var/lib",
            "/var/lib/dpkg",
            "/var/lib/dpkg/info",
        ] {
            target.make_dir(Path::new(path), &made).unwrap();
        }
        let link = Meta::of_root(FileType::Symlink, 0o777);
        for name in ["bin", "sbin", "lib"] {
            target
                .make_symlink(&Path::new("/").join(name), &Path::new("usr").join(name), &link)
                .unwrap();
        }
        let program = Meta::of_root(FileType::Regular, 0o755);
        for path in ["/usr/bin/sh", "/usr/bin/example-without-counterpart"] {
            target
                .write(Path::new(path), &elf_header(arch), &program)
                .unwrap();
        }
        let script = format!("#!/bin/sh\n{script}");
        target
            .write(Path::new(SCRIPT), script.as_bytes(), &program)
            .unwrap();
        Self {
            directory,
            target,
            arch,
            lines: Arc::default(),
        }
    }

    fn scratch(&self) -> PathBuf {
        self.directory.path().join("scratch")
    }

    fn open(
        &self,
        root: ScriptRoot<'_>,
        runs_programs: bool,
        observer: Option<Arc<dyn Observer>>,
        work: impl FnOnce(&mut Session<'_>) -> Result<RunResult, SessionError>,
    ) -> RunResult {
        let cache = self.directory.path().join("cache");
        let universe = Universe::new(&[], Architecture::native().name, &[]);
        let fetcher = Fetcher::new(FetchOptions::new(&cache), Arc::new(NoProgress)).unwrap();
        let scripts = ScriptSettings {
            timeout: Some(Duration::from_secs(60)),
            ..ScriptSettings::default()
        };
        let native = Native {
            universe: &universe,
            indexes: &[],
            fetcher: &fetcher,
            earlier: None,
            directory: Some("/".into()),
        };
        let options = Options {
            target: &self.target,
            arch: self.arch,
            foreign: &[],
            root,
            scripts: &scripts,
            native_scripts: None,
            dpkg_version: "1.22.21".to_owned(),
            runs_programs,
            scratch: &self.scratch(),
            mount_point: self.directory.path().join("view"),
            cache: &cache,
            surroundings: script_host::Surroundings::default(),
            observer,
            reporter: self.lines.clone(),
            cancel: &Cancel::new(),
        };
        let native = matches!(root, ScriptRoot::Target).then_some(native);
        open(options, native, work).unwrap()
    }

    fn run(&self, root: ScriptRoot<'_>, observer: Option<Arc<dyn Observer>>) -> RunResult {
        self.open(root, true, observer, |session| {
            session.run_script(&ScriptCall {
                package: "example",
                architecture: self.arch.name,
                script: &Script::Configure {
                    old: "1.0".to_owned(),
                },
                path: Path::new(SCRIPT),
                force: "",
                debug: false,
            })
        })
    }

    fn lines(&self) -> Vec<String> {
        self.lines.0.lock().unwrap().clone()
    }
}

/// The ELF header of a program without segments (elf(5)).
fn elf_header(arch: &Architecture) -> [u8; 64] {
    let half = |number: u16| match arch.byte_order {
        ByteOrder::Big => number.to_be_bytes(),
        ByteOrder::Little => number.to_le_bytes(),
    };
    let data = if arch.byte_order == ByteOrder::Big { 2 } else { 1 };
    let mut header = [0; 64];
    header[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, data, 1]);
    // e_type ET_EXEC, e_machine, e_ehsize.
    header[16..18].copy_from_slice(&half(2));
    header[18..20].copy_from_slice(&half(arch.elf_machine));
    header[52..54].copy_from_slice(&half(64));
    header
}

fn a_script_runs_in_a_view() {
    if !has_view() {
        return;
    }
    let example = Example::new("echo \"$DPKG_MAINTSCRIPT_PACKAGE:$DPKG_ROOT:$1:$2\"\n: > /made\nexit 7\n");
    let ran = example.run(ScriptRoot::Target, None);
    assert_eq!(ran.outcome.ended, Ended::Exited(7), "{ran:?}");
    assert_eq!(ran.refusal, None);
    assert_eq!(ran.failure().as_deref(), Some("exit status 7"));
    assert_eq!(example.lines(), ["example::configure:1.0"]);
    assert_eq!(ran.outcome.last_lines, example.lines());
    let made = example.target.stat(Path::new("/made")).unwrap().meta;
    assert_eq!((made.uid, made.gid, made.mode), (0, 0, 0o644));
}

fn a_script_runs_on_the_machine() {
    let lack = (!Machine::probe().protects).then(|| "the kernel has no landlock".to_owned());
    if !has("a sandbox", lack) {
        return;
    }
    let example = Example::new("echo \"$DPKG_ROOT\"\n: > \"$DPKG_ROOT/made\"\nexit 3\n");
    let ran = example.run(ScriptRoot::Machine { fuse: false }, None);
    assert_eq!(ran.outcome.ended, Ended::Exited(3), "{ran:?}");
    assert_eq!(example.lines(), [example.target.root_path().to_str().unwrap()]);
    assert_eq!(example.target.stat(Path::new("/made")).unwrap().meta.mode, 0o644);
}

fn an_unrunnable_program_stops_a_script() {
    if !has_view() {
        return;
    }
    let example = Example::new("echo before\nexample-without-counterpart\necho after\n");
    let ran = example.run(ScriptRoot::Target, None);
    let refusal = ran.refusal.as_ref().unwrap();
    assert_eq!(refusal.tool, Path::new("/usr/bin/example-without-counterpart"));
    assert!(refusal.reason.contains("--native-sysroot"), "{}", refusal.reason);
    assert!(ran.failure().is_some());
    assert_eq!(example.lines(), ["before"]);
}

/// The paths that were accessed, and whether the session has ended.
#[derive(Default)]
struct Seen {
    paths: Mutex<Vec<PathBuf>>,
    accompanied: Mutex<bool>,
}

impl Watch for Seen {
    fn seen(&self, access: &Access<'_>) {
        self.paths.lock().unwrap().push(access.path.to_owned());
    }
}

impl Observer for Seen {
    fn inside(self: Arc<Self>) -> Arc<dyn Watch> {
        self
    }

    fn outside(self: Arc<Self>) -> Arc<dyn Watch> {
        self
    }

    fn violation(&self, _: &Violation<'_>) {}

    fn prepare(&self, _: &Path, _: &Target, _: &Path, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn accompany(&self, ended: &dyn Fn() -> bool) {
        while !ended() {
            std::thread::sleep(Duration::from_millis(5));
        }
        *self.accompanied.lock().unwrap() = true;
    }
}

fn an_observer_sees_accesses() {
    if !has_view() {
        return;
    }
    let example = Example::new("test -e /usr/bin/nothing-here\n: > /made\n");
    let seen = Arc::new(Seen::default());
    let ran = example.run(ScriptRoot::Target, Some(seen.clone()));
    assert_eq!(ran.failure(), None, "{ran:?}");
    let paths = seen.paths.lock().unwrap();
    for path in [SCRIPT, "/made", "/usr/bin/nothing-here"] {
        assert!(
            paths.iter().any(|seen| seen == Path::new(path)),
            "{path}: {paths:?}"
        );
    }
    assert!(*seen.accompanied.lock().unwrap());
}

fn nothing_is_prepared_without_programs() {
    let example = Example::new("exit 1\n");
    let mut called = false;
    example.open(ScriptRoot::Target, false, None, |session| {
        called = true;
        assert!(session.is_redirected());
        assert!(!session.learns());
        Ok(RunResult {
            outcome: view::Outcome {
                ended: Ended::Exited(0),
                last_lines: Vec::new(),
            },
            refusal: None,
        })
    });
    assert!(called);
    assert_eq!(std::fs::read_dir(example.scratch()).unwrap().count(), 0);
    assert!(!example.directory.path().join("view").exists());
}
