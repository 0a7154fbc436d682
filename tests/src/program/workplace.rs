//! A directory of the ordinary user's, and runs of the program in it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::unistd::{Gid, Uid, chown, geteuid};

use super::{Outcome, Running, Traces, passing, place, program};
use crate::account::Account;
use crate::error::At as _;
use crate::machine::Lack;
use crate::{Error, Result};

/// Where one test works: `home`, `tmp`, `cache` and `out` belong to the user.
#[derive(Debug)]
pub struct Workplace {
    dir: tempfile::TempDir,
    account: Account,
    program: PathBuf,
}

impl Workplace {
    /// A fresh one.
    ///
    /// # Errors
    /// When the program is not built or a directory cannot be made.
    pub fn new() -> Result<Self> {
        Self::of(program()?)
    }

    /// A fresh one in which `program` is run, a file that every user can execute.
    ///
    /// # Errors
    /// When a directory cannot be made.
    pub fn of(program: PathBuf) -> Result<Self> {
        let account = Account::of_tests()?;
        let base = place()?;
        let dir = tempfile::Builder::new()
            .prefix(&passing("work"))
            .tempdir_in(&base)
            .at(&base)?;
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).at(dir.path())?;
        let workplace = Self {
            dir,
            account,
            program,
        };
        for name in ["home", "tmp", "cache", "out"] {
            workplace.make_dir(name)?;
        }
        Ok(workplace)
    }

    /// The user the program runs as.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The copy of the program that is run.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// A path in the workplace.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A path in the directory that targets are made in.
    #[must_use]
    pub fn out(&self, name: &str) -> PathBuf {
        self.path("out").join(name)
    }

    /// Makes a directory of the user's.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make_dir(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name);
        std::fs::create_dir_all(&path).at(&path)?;
        self.give(&path)?;
        Ok(path)
    }

    /// Writes a file of the user's.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf> {
        let path = self.path(name);
        std::fs::write(&path, content).at(&path)?;
        self.give(&path)?;
        Ok(path)
    }

    fn give(&self, path: &Path) -> Result<()> {
        if geteuid().is_root() {
            let (uid, gid) = (Uid::from_raw(self.account.uid), Gid::from_raw(self.account.gid));
            chown(path, Some(uid), Some(gid))
                .map_err(std::io::Error::from)
                .at(path)?;
        }
        Ok(())
    }

    /// A run of the program with these arguments, `--cache` added.
    #[must_use]
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run<'_> {
        let mut all: Vec<OsString> = vec!["--cache".into(), self.path("cache").into()];
        all.extend(arguments.into_iter().map(|one| one.as_ref().to_owned()));
        self.run_plain(all)
    }

    /// A run of the program with these arguments and no others.
    #[must_use]
    pub fn run_plain<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run<'_> {
        Run {
            workplace: self,
            arguments: arguments.into_iter().map(|one| one.as_ref().to_owned()).collect(),
            environment: Vec::new(),
            lack: None,
            root: false,
            through: None,
            limit: Duration::from_secs(120),
        }
    }

    /// What is there before a run.
    #[must_use]
    pub fn traces(&self) -> Traces {
        Traces::before(&self.account, self.dir.path())
    }

    /// The names in a directory of the workplace, sorted.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn names(&self, name: &str) -> Result<Vec<String>> {
        let path = self.path(name);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&path).at(&path)? {
            names.push(entry.at(&path)?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// Panics unless the run left nothing: `out` holds exactly `expected`, `tmp`
    /// nothing, and no process and no mount is left.
    ///
    /// # Panics
    /// When something is left.
    #[track_caller]
    pub fn clean(&self, traces: &Traces, expected: &[&str]) {
        assert_eq!(traces.left(), [""; 0], "processes or mounts are left");
        assert_eq!(
            self.names("out").expect("out can be read"),
            expected,
            "half-made things are left"
        );
        assert_eq!(
            self.names("tmp").expect("tmp can be read"),
            [""; 0],
            "temporary files are left"
        );
    }
}

/// A run of the program that is not started yet.
#[derive(Debug)]
pub struct Run<'a> {
    workplace: &'a Workplace,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    lack: Option<Lack>,
    root: bool,
    through: Option<String>,
    limit: Duration,
}

impl Run<'_> {
    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Takes a part of the machine away; root only.
    #[must_use]
    pub fn without(mut self, lack: Lack) -> Self {
        self.lack = Some(lack);
        self
    }

    /// Has root run it, as nothing else does: for what there is for root only.
    #[must_use]
    pub fn as_root(mut self) -> Self {
        self.root = true;
        self
    }

    /// Adds an option.
    #[must_use]
    pub fn option(mut self, option: &str) -> Self {
        self.arguments.insert(0, option.into());
        self
    }

    /// Has a script of sh(1) run the program, which is `"$@"` there: on the same machine, and as
    /// the same user.
    #[must_use]
    pub fn through(mut self, script: impl Into<String>) -> Self {
        self.through = Some(script.into());
        self
    }

    /// The time after which the run counts as hung; two minutes by default.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(self) -> Result<Running> {
        let place = self.workplace;
        let program = match self.through {
            None => &place.program,
            Some(_) => Path::new("/bin/sh"),
        };
        let mut command = match &self.lack {
            None => place.account.command(program),
            Some(lack) => lack.command(&place.account, program)?,
        };
        if self.root {
            command.uid(0).gid(0);
        }
        if let Some(script) = &self.through {
            command.args(["-c", script, "sh"]).arg(&place.program);
        }
        command.args(&self.arguments).current_dir(place.path("home"));
        command
            .env("HOME", place.path("home"))
            .env("TMPDIR", place.path("tmp"));
        command.envs(self.environment);
        let log = |suffix: &str| -> Result<(PathBuf, File)> {
            let dir = place.dir.path();
            let file = tempfile::Builder::new().suffix(suffix).tempfile_in(dir).at(dir)?;
            let (file, path) = file.keep().map_err(|error| error.error).at(dir)?;
            Ok((path, file))
        };
        let (stdout, out) = log(".stdout")?;
        let (stderr, err) = log(".stderr")?;
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let started = Instant::now();
        let child = command.spawn().map_err(|error| Error::Command {
            command: place.program.display().to_string(),
            what: error.to_string(),
        })?;
        Ok(Running {
            child,
            started,
            limit: self.limit,
            stdout,
            stderr,
        })
    }

    /// Starts it and waits for its end.
    ///
    /// # Errors
    /// When it cannot be started or does not end in time.
    pub fn end(self) -> Result<Outcome> {
        self.start()?.wait()
    }
}
