//! Programs that make filesystems, fed with a stream or with commands.

use super::Error;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// Bytes of what a failing program said that are told.
const TOLD: u64 = 2000;

/// A program of a package of Debian's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Maker {
    /// Its name.
    pub(super) program: &'static str,
    /// The package.
    pub(super) package: &'static str,
    /// What it is for.
    pub(super) makes: &'static str,
}

/// Directories of system programs, which an ordinary user's `PATH` may lack.
const BESIDES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

impl Maker {
    /// Returns the path of the program.
    ///
    /// # Errors
    /// [`Error::NoMaker`].
    pub(super) fn find(&self) -> Result<PathBuf, Error> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .chain(BESIDES.map(PathBuf::from))
            .map(|directory| directory.join(self.program))
            .find(|file| file.is_file())
            .ok_or(Error::NoMaker {
                program: self.program,
                package: self.package,
                makes: self.makes,
            })
    }

    /// Returns a call of the program in an environment that is always the same. `time`, in seconds since 1970, is what
    /// it shall take for now; messages go to `log`.
    ///
    /// # Errors
    /// [`Error::NoMaker`], [`Error::Write`] for the log.
    pub(super) fn call(&self, time: i64, log: &Path) -> Result<Call, Error> {
        let mut command = Command::new(self.find()?);
        let log = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(log)
            .map_err(Error::Write)?;
        let time = time.to_string();
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .env("TZ", "UTC0")
            .env("SOURCE_DATE_EPOCH", &time)
            // What e2fsprogs had before it knew that one (1.47.1).
            .env("E2FSPROGS_FAKE_TIME", &time)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.try_clone().map_err(Error::Write)?);
        Ok(Call {
            program: self.program,
            command,
            log,
        })
    }
}

/// A call of a program that is being prepared.
pub(super) struct Call {
    program: &'static str,
    command: Command,
    log: File,
}

impl Call {
    /// Adds arguments.
    pub(super) fn args<S: AsRef<OsStr>>(&mut self, arguments: impl IntoIterator<Item = S>) -> &mut Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    pub(super) fn env(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self {
        self.command.env(name, value);
        self
    }

    /// Runs the program. Returns what it printed on standard output.
    ///
    /// # Errors
    /// [`Error::MakerFailed`].
    pub(super) fn output(mut self) -> Result<Vec<u8>, Error> {
        self.command.stdout(Stdio::piped());
        let output = self.command.output().map_err(|source| self.not_started(source))?;
        self.check(output.status)?;
        Ok(output.stdout)
    }

    /// Runs the program, and returns what it printed on standard error, which may mean that it failed.
    ///
    /// # Errors
    /// [`Error::MakerFailed`].
    pub(super) fn messages(mut self) -> Result<String, Error> {
        let status = self.command.status().map_err(|source| self.not_started(source))?;
        self.check(status)?;
        Ok(self.said(u64::MAX))
    }

    /// Runs the program while `feed` writes to its standard input.
    ///
    /// # Errors
    /// [`Error::MakerFailed`] where it fails, else those of `feed`.
    pub(super) fn feed<T>(
        mut self,
        feed: impl FnOnce(&mut dyn Write) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.command.stdin(Stdio::piped());
        let mut child = self.command.spawn().map_err(|source| self.not_started(source))?;
        let Some(mut input) = child.stdin.take() else {
            return Err(self.not_started(io::ErrorKind::BrokenPipe.into()));
        };
        let fed = feed(&mut input);
        drop(input);
        match fed {
            Ok(fed) => {
                let status = child.wait().map_err(|source| self.not_started(source))?;
                self.check(status)?;
                Ok(fed)
            }
            // It has ended before it read everything, and knows why.
            Err(Error::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                let status = child.wait().map_err(|source| self.not_started(source))?;
                self.check(status)?;
                Err(Error::Write(error))
            }
            Err(error) => {
                stop(&mut child);
                Err(error)
            }
        }
    }

    fn not_started(&self, source: io::Error) -> Error {
        Error::MakerNotStarted {
            program: self.program,
            source,
        }
    }

    fn check(&mut self, status: ExitStatus) -> Result<(), Error> {
        if status.success() {
            return Ok(());
        }
        Err(Error::MakerFailed {
            program: self.program,
            status: status.to_string(),
            said: self.said(TOLD),
        })
    }

    /// Returns the end of what the program said, at most `most` bytes.
    fn said(&mut self, most: u64) -> String {
        let length = self.log.metadata().map_or(0, |found| found.len());
        let _ = self.log.seek(SeekFrom::Start(length.saturating_sub(most)));
        let mut said = Vec::new();
        let _ = (&self.log).read_to_end(&mut said);
        String::from_utf8_lossy(&said).trim().to_owned()
    }
}

fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
