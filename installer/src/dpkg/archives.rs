//! `--install` and `--unpack`: which archives, and whether each is wanted.

use super::engine::Engine;
use super::fault::{Done, Fault, reason};
use super::options::Action;
use deb_unpack::{DebFile, Job, open_package};
use dpkg_db::ControlArchive;
use dpkg_db::{Flag, PackageKey, Status, Want, version_order};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// An archive that is about to be unpacked.
pub(super) struct Archive {
    pub(super) path: PathBuf,
    /// Its name in messages.
    pub(super) shown: String,
    pub(super) deb: DebFile,
    pub(super) control: ControlArchive,
    pub(super) key: PackageKey,
    pub(super) version: String,
}

impl Engine<'_, '_> {
    /// Unpacks all archives, and configures what was unpacked for `--install`.
    pub(super) fn archives(&mut self) -> Done {
        let action = self.call.action.name();
        self.voice.log(&format!("startup archives {action}"));
        let archives = self.archive_files()?;
        for path in &archives {
            match self.archive(path) {
                Err(Fault::Package(problem)) => {
                    self.fail("archive", &path.display().to_string(), &problem)?
                }
                done => done?,
            }
        }
        if self.call.action == Action::Install {
            let queue = std::mem::take(&mut self.queue);
            for key in queue.iter().filter(|key| self.repeated.contains(key)) {
                self.voice.say(&format!(
                    "More than one copy of package {} has been unpacked\n in this run !  Only configuring it once.",
                    self.name(key)
                ));
            }
            self.configure_all(&queue, true)?;
        }
        self.deferred_triggers()
    }

    /// The archives that are named, or those below the directories that are.
    fn archive_files(&self) -> Done<Vec<PathBuf>> {
        let named: Vec<PathBuf> = self.call.arguments.iter().map(PathBuf::from).collect();
        let action = self.call.action.name();
        let fatal = |problem: String| Err(Fault::Call(problem));
        let archives = if self.options().recursive {
            if named.is_empty() {
                return fatal(format!("--{action} --recursive needs at least one path argument"));
            }
            let mut found = Vec::new();
            for path in &named {
                below(path, &mut found).map_err(|error| {
                    Fault::Call(format!(
                        "cannot stat pathname '{}': {}",
                        path.display(),
                        reason(&error)
                    ))
                })?;
            }
            if found.is_empty() {
                return fatal("searched, but found no packages (files matching *.deb)".to_owned());
            }
            found
        } else {
            named
        };
        if archives.is_empty() {
            return fatal(format!(
                "--{action} needs at least one package archive file argument"
            ));
        }
        for path in &archives {
            match std::fs::metadata(path) {
                Ok(found) if found.is_file() => {}
                Ok(_) => return fatal(format!("archive '{}' is not a regular file", path.display())),
                Err(error) => {
                    let why = reason(&error);
                    return fatal(format!("cannot access archive '{}': {why}", path.display()));
                }
            }
        }
        Ok(archives)
    }

    fn archive(&mut self, path: &Path) -> Done {
        let job = Job {
            path: path.to_owned(),
            expected: None,
            recompressed: None,
        };
        let (deb, control) = open_package(&job)?;
        let new = control.package()?;
        let native = self.database.native();
        let known = [native, "all"].contains(&new.architecture.as_str())
            || self.database.foreign().contains(&new.architecture);
        if !known {
            let problem = format!(
                "package architecture ({}) does not match system ({native})",
                new.architecture
            );
            self.forcible("architecture", &problem)?;
        }
        let archive = Archive {
            path: path.to_owned(),
            shown: summary(&path.to_string_lossy()),
            deb,
            key: new.key(),
            version: new.version.clone(),
            control,
        };
        if self.wanted(&archive)? {
            self.unpack(&archive)?;
        }
        Ok(())
    }

    /// Whether a package is to be installed: its selection, and the version that is there.
    fn wanted(&mut self, archive: &Archive) -> Done<bool> {
        let new = archive.control.package()?;
        let name = new.display_name(self.database.native());
        let installed = self.database.resolve(&new.name).filter(|key| {
            *key == archive.key
                || self.status(key) > Status::ConfigFiles && new.multi_arch != deb_types::MultiArch::Same
        });
        let old = installed.and_then(|key| self.database.get(&key)).cloned();
        let want = old.as_ref().map_or(Want::Unknown, |old| old.want);
        if !matches!(want, Want::Install | Want::Hold) {
            if !self.options().also_select {
                self.voice.say(&format!("Skipping unselected package {name}."));
                return Ok(false);
            }
            self.voice
                .say(&format!("Selecting previously unselected package {name}."));
            return Ok(true);
        }
        let Some(old) = old.filter(|old| old.flag == Flag::Ok && old.status >= Status::Unpacked) else {
            return Ok(true);
        };
        let versions = format!("{name} from {} to {}", old.version, new.version);
        match version_order(&new.version, &old.version) {
            std::cmp::Ordering::Greater => Ok(true),
            std::cmp::Ordering::Equal if self.options().skip_same && old.architecture == new.architecture => {
                self.voice.notice(&format!(
                    "version {} of {name} already installed, skipping",
                    old.version
                ));
                Ok(false)
            }
            std::cmp::Ordering::Equal => Ok(true),
            std::cmp::Ordering::Less if self.forces("downgrade") => {
                self.voice.warning(&format!("downgrading {versions}"));
                Ok(true)
            }
            std::cmp::Ordering::Less => {
                self.voice
                    .notice(&format!("will not downgrade {versions}, skipping"));
                Ok(false)
            }
        }
    }

    /// A problem that the user may want passed over.
    pub(super) fn forcible(&self, thing: &str, problem: &str) -> Done {
        if self.forces(thing) {
            self.voice.warning("overriding problem because --force enabled:");
            self.voice.warning(problem);
            return Ok(());
        }
        Err(Fault::Package(problem.to_owned()))
    }
}

/// The files below a path whose names end in `.deb`, in the order of their names.
fn below(path: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !std::fs::metadata(path)?.is_dir() {
        if path.extension() == Some(OsStr::new("deb")) {
            found.push(path.to_owned());
        }
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = std::fs::read_dir(path)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    entries.sort();
    entries.iter().try_for_each(|entry| below(entry, found))
}

/// A file's name as dpkg shows it: no more than its last thirty characters, whole components.
fn summary(path: &str) -> String {
    let mut rest = path;
    while rest.len() > 30 {
        match rest.split_once('/') {
            Some((_, shorter)) => rest = shorter,
            None => break,
        }
    }
    if rest.len() < path.len() {
        format!(".../{rest}")
    } else {
        path.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_shortened() {
        assert_eq!(summary("a.deb"), "a.deb");
        assert_eq!(
            summary("/var/cache/apt/archives/a.deb"),
            "/var/cache/apt/archives/a.deb"
        );
        assert_eq!(
            summary("/var/cache/apt/archives/base-files_13_arm64.deb"),
            ".../base-files_13_arm64.deb"
        );
    }
}
