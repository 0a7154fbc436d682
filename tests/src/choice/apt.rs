//! The suite's own apt, in a directory, with the machine's loader left out: its answers to requests.
//!
//! The machine's apt fetches the indexes into a root of the setting's own, which has no other configuration. The suite's
//! apt reads them, and ends where it would begin to download, after it has told what it will do.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::setting::Setting;
use super::small::Small;
use super::{Answer, archive};
use crate::error::At as _;
use crate::program::Workplace;
use crate::real::KEYRING;
use crate::{Error, Result};

/// apt of a suite, unpacked.
#[derive(Clone, Debug)]
pub struct Apt {
    dir: PathBuf,
    loader: PathBuf,
    /// Its version.
    pub version: String,
}

impl Apt {
    /// Unpacks the apt of a suite with all that it needs, for this machine's architecture.
    ///
    /// # Errors
    /// When the program cannot unpack it, or it does not run.
    pub fn unpack(work: &Workplace, mirror: &str, suite: &str) -> Result<Self> {
        let dir = work.out(&format!("apt-{suite}"));
        let options = [
            "--variant",
            "extract",
            "--include",
            "apt",
            "--suite",
            suite,
            "--mirror",
            mirror,
        ];
        let run = work.run(
            options
                .into_iter()
                .chain(["--keyring", KEYRING])
                .map(Into::into)
                .chain([dir.as_os_str().to_owned()]),
        );
        let done = run.limit(Duration::from_secs(600)).end()?;
        if !done.status.success() {
            return Err(failed("rootless-install", done.stderr));
        }
        let loader = loader(&dir.join("usr"))
            .ok_or_else(|| Error::Machine(format!("{} has no dynamic loader", dir.display())))?;
        let mut apt = Self {
            dir,
            loader,
            version: String::new(),
        };
        let said = apt.command().arg("--version").output().at(&apt.loader)?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        apt.version = said.split_whitespace().nth(1).unwrap_or_default().to_owned();
        if apt.version.is_empty() {
            return Err(failed("apt-get --version", said));
        }
        Ok(apt)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.loader);
        let libraries = std::fs::read_dir(self.dir.join("usr/lib"))
            .into_iter()
            .flatten()
            .flatten();
        let libraries: Vec<String> = libraries
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        command.arg("--library-path").arg(libraries.join(":"));
        command.arg(self.dir.join("usr/bin/apt-get"));
        command
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.stdin(Stdio::null());
        command
    }

    /// Asks for items.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn ask(&self, root: &Root, solver: &str, items: &[String]) -> Result<Answer> {
        let mut command = self.command();
        command.env("APT_CONFIG", &root.configuration);
        // It ends after it has told what it will do.
        command.args(["-V", "--print-uris", "-oAPT::Solver::Timeout=300"]);
        command.arg(format!("-oAPT::Solver={solver}"));
        command.arg("install").args(items);
        let done = command.output().at(&self.loader)?;
        let said = String::from_utf8_lossy(&done.stdout);
        Ok(answer(
            &said,
            &String::from_utf8_lossy(&done.stderr),
            root.setting.archs,
        ))
    }

    /// The time of a whole simulation (`apt-get install -s`).
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn time(&self, root: &Root, items: &[String]) -> Result<Duration> {
        let mut command = self.command();
        command.env("APT_CONFIG", &root.configuration);
        command.args(["-qq", "-s", "install"]).args(items);
        let started = Instant::now();
        command.output().at(&self.loader)?;
        Ok(started.elapsed())
    }
}

/// The dynamic loader below a directory.
fn loader(usr: &Path) -> Option<PathBuf> {
    let mut dirs = vec![usr.join("lib64"), usr.join("lib")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("ld-linux") || name.starts_with("ld64.so") {
                return Some(entry.path());
            }
        }
    }
    None
}

/// A root directory of apt: its sources, indexes, and what is installed.
#[derive(Debug)]
pub struct Root {
    dir: PathBuf,
    configuration: PathBuf,
    setting: Setting,
}

impl Root {
    /// Makes one, with the indexes as the mirror has them; one that is there for the same mirror and state stays.
    ///
    /// # Errors
    /// When indexes cannot be fetched.
    pub fn make(dir: &Path, setting: &Setting, mirror: &str, state: &str) -> Result<Self> {
        let root = Self {
            dir: dir.to_path_buf(),
            configuration: dir.join("apt.conf"),
            setting: *setting,
        };
        let mark = dir.join("state");
        if std::fs::read_to_string(&mark).is_ok_and(|have| have == state) {
            return Ok(root);
        }
        let root = Self::empty(dir, setting)?;
        let write = |path: &Path, text: &str| std::fs::write(path, text).at(path);
        let lines = setting.suites.iter().map(|suite| {
            format!(
                "deb [trusted=yes check-valid-until=no] {mirror} {suite} {}\n",
                setting.components
            )
        });
        write(&dir.join("etc/sources.list"), &lines.collect::<String>())?;
        let mut command = Command::new("apt-get");
        command
            .env("APT_CONFIG", &root.configuration)
            .env("LC_ALL", "C.UTF-8");
        let done = command.args(["-qq", "update"]).output().at("apt-get")?;
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        if !done.status.success() || said.lines().any(|line| line.starts_with("E:")) {
            return Err(failed("apt-get update", said));
        }
        write(&mark, state)?;
        Ok(root)
    }

    /// Makes one with a small archive of one's own, whose files are below `archive` in it.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn small(dir: &Path, small: &Small) -> Result<Self> {
        let root = Self::empty(dir, &small.setting)?;
        small.write(&dir.join("archive"), &dir.join("lists"))?;
        let lines = small
            .setting
            .suites
            .iter()
            .map(|suite| format!("deb [trusted=yes] http://archive {suite} main\n"));
        let path = dir.join("etc/sources.list");
        std::fs::write(&path, lines.collect::<String>()).at(&path)?;
        Ok(root)
    }

    /// Makes one without sources.
    fn empty(dir: &Path, setting: &Setting) -> Result<Self> {
        let root = Self {
            dir: dir.to_path_buf(),
            configuration: dir.join("apt.conf"),
            setting: *setting,
        };
        let _ = std::fs::remove_dir_all(dir);
        for name in [
            "etc/preferences.d",
            "lists/partial",
            "cache/archives/partial",
            "dpkg",
            "log",
            "none.d",
        ] {
            let path = dir.join(name);
            std::fs::create_dir_all(&path).at(&path)?;
        }
        let write = |path: &Path, text: &str| std::fs::write(path, text).at(path);
        write(&root.configuration, &root.configured())?;
        write(&dir.join("dpkg/status"), "")?;
        Ok(root)
    }

    fn configured(&self) -> String {
        let dir = self.dir.display();
        let archs = self.setting.archs.iter().map(|arch| format!("\"{arch}\"; "));
        format!(
            "Dir \"{dir}\";\nDir::Etc \"{dir}/etc\";\nDir::Etc::main \"none\";\nDir::Etc::parts \"{dir}/none.d\";\n\
             Dir::State \"{dir}\";\nDir::State::status \"{dir}/dpkg/status\";\nDir::Cache \"{dir}/cache\";\n\
             Dir::Log \"{dir}/log\";\nAPT::Architecture \"{}\";\nAPT::Architectures {{ {}}};\n\
             APT::Install-Recommends \"{}\";\nAcquire::Languages \"none\";\nAPT::Sandbox::User \"root\";\n\
             Acquire::Check-Valid-Until \"false\";\nDebug::NoLocking \"true\";\n",
            self.setting.archs.first().unwrap_or(&""),
            archs.collect::<String>(),
            self.setting.recommends,
        )
    }

    /// The packages of its indexes.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn packages(&self) -> Result<Vec<archive::Package>> {
        archive::read(&self.dir.join("lists"), self.setting.suites)
    }

    /// Says what is installed, `name:architecture=version` each.
    ///
    /// # Errors
    /// When the file cannot be written, or the archive does not have one of them.
    pub fn install(&self, packages: &[archive::Package], installed: &BTreeSet<String>) -> Result<()> {
        let mut text = String::new();
        for package in installed {
            let of = |one: &&archive::Package| {
                // What is for all architectures is shown as one of the first.
                let arch = Some(one.field("Architecture")).filter(|arch| *arch != "all");
                let arch = arch.or(self.setting.archs.first().copied()).unwrap_or_default();
                key(one.name(), arch, one.field("Version")) == *package
            };
            let found = packages.iter().find(of);
            let found = found.ok_or_else(|| Error::Machine(format!("no index has {package}")))?;
            text += &format!("{}\nStatus: install ok installed\n\n", found.text.trim_end());
        }
        let path = self.dir.join("dpkg/status");
        std::fs::write(&path, text).at(&path)
    }
}

/// `name:architecture=version`.
#[must_use]
pub fn key(name: &str, architecture: &str, version: &str) -> String {
    format!("{name}:{architecture}={version}")
}

fn failed(command: &str, what: String) -> Error {
    Error::Command {
        command: command.to_owned(),
        what,
    }
}

/// Reads what apt-get has said with `-V`. Architectures are as apt shows them: none for the first one and `all`.
fn answer(said: &str, errors: &str, archs: &[&str]) -> Answer {
    let mut chosen = BTreeSet::new();
    let (mut others, mut told, mut section) = (Vec::new(), false, "");
    for line in said.lines() {
        match line.strip_prefix("   ") {
            None => section = line,
            Some(entry) if section.contains("NEW packages") => {
                chosen.extend(package(entry, archs));
            }
            Some(entry)
                if ["REMOVED", "upgraded:", "DOWNGRADED"]
                    .iter()
                    .any(|word| section.contains(word)) =>
            {
                others.push(format!("{}: {entry}", section.trim_end_matches(':')));
            }
            Some(_) => {}
        }
        told |= line.contains(" newly installed, ");
    }
    if told {
        others.sort();
        return Answer {
            chosen: Some(chosen),
            besides: others.join("; "),
        };
    }
    let why = said
        .lines()
        .skip_while(|line| !line.contains("unmet dependencies"));
    let why = why.chain(errors.lines().filter(|line| !line.starts_with("W:")));
    Answer {
        chosen: None,
        besides: why.collect::<Vec<_>>().join(" / "),
    }
}

fn package(entry: &str, archs: &[&str]) -> Option<String> {
    let (name, rest) = entry.split_once(" (")?;
    let version = rest.strip_suffix(')')?;
    let name = name.trim_end_matches('*');
    Some(match name.split_once(':') {
        Some((name, arch)) => key(name, arch, version),
        None => key(name, archs.first()?, version),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let said = "Reading package lists...\nThe following additional packages will be installed:\n   libc6 (2.41)\n\
                    The following packages will be REMOVED:\n   old (1)\nThe following NEW packages will be installed:\n   \
                    hello (2.10-5)\n   libc6:i386 (2.41)\n0 upgraded, 2 newly installed, 1 to remove and 0 not upgraded.\n";
        let found = answer(said, "", &["amd64", "i386"]);
        let chosen = found.chosen.expect("chosen");
        let expected = ["hello:amd64=2.10-5", "libc6:i386=2.41"].map(str::to_owned);
        assert_eq!(chosen, BTreeSet::from(expected));
        assert_eq!(found.besides, "The following packages will be REMOVED: old (1)");
        let said =
            "Reading package lists...\nThe following packages have unmet dependencies:\n x : Depends: y\n";
        let found = answer(said, "E: Unable to correct problems\n", &["amd64"]);
        assert_eq!(found.chosen, None);
        assert!(
            found
                .besides
                .ends_with("x : Depends: y / E: Unable to correct problems")
        );
    }
}
