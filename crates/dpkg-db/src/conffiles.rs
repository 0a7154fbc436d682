//! Conffiles at configuring: `NAME.dpkg-new` becomes `NAME`, unless dpkg would keep or ask.

use std::io::Read;
use std::path::{Path, PathBuf};

use deb_types::{PackageKey, hex};
use md5::{Digest, Md5};
use rootless_install_fs::{FileType, Meta, Target};

use super::database::Database;
use super::error::DpkgError;
use super::files::{failed, remove_optional};
use super::package::{Conffile, NEW_CONFFILE, Package};
use super::redirections::Diversions;
use super::states::Status;

/// Suffix of a conffile that waits to be installed.
pub const DPKG_NEW: &str = ".dpkg-new";
/// Suffix of what makes room for a new version, until that is unpacked.
pub const DPKG_TMP: &str = ".dpkg-tmp";
/// Suffix of a changed conffile that was replaced.
const DPKG_OLD: &str = ".dpkg-old";
/// Suffix of a package's conffile that was not installed.
const DPKG_DIST: &str = ".dpkg-dist";
/// Number of links that dpkg follows from a conffile.
const MAX_LINKS: usize = 25;

/// A conffile about which dpkg would ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question<'q> {
    /// The package.
    pub package: &'q str,
    /// The conffile.
    pub path: &'q str,
    /// Path of the file in the target, links followed.
    pub place: &'q Path,
    /// Path of the package's version in the target.
    pub new: &'q Path,
    /// The file is not the version installed last.
    pub edited: bool,
    /// The package's version is not the one installed last.
    pub updated: bool,
    /// The file was there before the package.
    pub local: bool,
    /// The file was deleted.
    pub deleted: bool,
}

/// The answer about a conffile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The file in the target stays.
    Keep,
    /// The package's version replaces it.
    Install,
}

/// Decides about conffiles (dpkg(1), `--force-conf…`).
pub trait ConffileRules {
    /// Returns whether a conffile that was deleted is installed again (`confmiss`).
    fn installs_missing(&self) -> bool {
        false
    }
    /// Returns whether to ask about every changed conffile, even if the package's is the same as before
    /// (`confask`).
    fn asks_always(&self) -> bool {
        false
    }
    /// Answers a question.
    ///
    /// # Errors
    /// There is no answer.
    fn answer(&mut self, question: &Question<'_>) -> Result<Choice, DpkgError>;
    /// Called when a deleted conffile is installed because of [`ConffileRules::installs_missing`].
    fn missing(&mut self, _path: &str) {}
    /// Called when a new version replaces an old one.
    fn replacing(&mut self, _path: &str) {}
}

/// Rules without answers: a question is an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strict;

impl ConffileRules for Strict {
    fn answer(&mut self, question: &Question<'_>) -> Result<Choice, DpkgError> {
        Err(DpkgError::Conffile {
            package: question.package.to_owned(),
            path: question.path.to_owned(),
            problem: "exists with other contents, and dpkg would ask which to keep; have nothing write it \
                      before the package is configured"
                .to_owned(),
        })
    }
}

/// Outcome for the file in the target and the package's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// Both are the same, or nothing changed in the package.
    Keep,
    /// Nothing was there.
    InstallNew,
    /// The old one was as installed.
    Replace,
    /// As answered; the other file stays beside it.
    Answered(Choice),
}

impl Database {
    /// Installs the conffiles of an unpacked package as dpkg does before `postinst configure`: each
    /// `.dpkg-new` takes its place where nothing is yet or what is there is the version installed
    /// last, and its MD5 is recorded. Fires the file triggers of the conffiles.
    ///
    /// # Errors
    /// A conffile that is there already with other contents: dpkg would ask.
    pub fn install_conffiles(
        &mut self,
        target: &Target,
        key: &PackageKey,
        diversions: &Diversions,
    ) -> Result<(), DpkgError> {
        self.install_conffiles_by(target, key, diversions, &mut Strict)
    }

    /// As [`Database::install_conffiles`], with `rules` that answer.
    ///
    /// # Errors
    /// The target cannot be read or written, or there is no answer.
    pub fn install_conffiles_by(
        &mut self,
        target: &Target,
        key: &PackageKey,
        diversions: &Diversions,
        rules: &mut dyn ConffileRules,
    ) -> Result<(), DpkgError> {
        let package = self.get(key).ok_or_else(|| DpkgError::NoPackage {
            package: key.to_string(),
        })?;
        let conffiles = package.conffiles.clone();
        // As dpkg does at the start of configuring.
        self.note(key);
        for (index, conffile) in conffiles.iter().enumerate() {
            if conffile.obsolete || conffile.remove_on_upgrade {
                continue;
            }
            let hash = self.install_conffile(target, key, diversions, conffile, rules)?;
            if let Some(hash) = hash.filter(|hash| *hash != conffile.hash) {
                self.update(key, |package| {
                    if let Some(conffile) = package.conffiles.get_mut(index) {
                        conffile.hash = hash;
                    }
                })?;
            }
        }
        Ok(())
    }

    /// Installs one conffile and returns the hash to record, if any.
    fn install_conffile(
        &mut self,
        target: &Target,
        key: &PackageKey,
        diversions: &Diversions,
        conffile: &Conffile,
        rules: &mut dyn ConffileRules,
    ) -> Result<Option<String>, DpkgError> {
        let name = diversions.used(Path::new(&conffile.path), &key.name).to_owned();
        let Some(place) = dereference(target, &name)? else {
            return Ok(Some("-".to_owned()));
        };
        let new = with_suffix(&place, DPKG_NEW);
        let Some(new_meta) = existing(target, &new)? else {
            return Ok(self.hash_of_other_instance(key, &conffile.path));
        };
        let new_hash = md5_of(target, &new)?;
        let current = existing(target, &place)?;
        let current_hash = current.map(|_| md5_of(target, &place)).transpose()?;
        if let Some(current) = current {
            let meta = Meta {
                mode: current.mode,
                uid: current.uid,
                gid: current.gid,
                ..new_meta
            };
            if meta != new_meta {
                target.set_meta(&new, &meta).map_err(failed(&new))?;
            }
        }
        let question = Question {
            package: &key.name,
            path: name.to_str().unwrap_or(&conffile.path),
            place: &place,
            new: &new,
            edited: current_hash.as_deref() != Some(conffile.hash.as_str()),
            updated: new_hash != conffile.hash,
            local: conffile.hash == NEW_CONFFILE,
            deleted: current_hash.is_none(),
        };
        let deed = choose(&question, current_hash.as_deref() == Some(&new_hash), rules)?;
        let [old, dist] = [DPKG_OLD, DPKG_DIST].map(|suffix| with_suffix(&place, suffix));
        if deed == Deed::Keep {
            remove_optional(target, &new)?;
            return Ok(Some(new_hash));
        }
        if let Some(name) = name.to_str() {
            self.activate(name, Some(key));
        }
        match deed {
            Deed::Answered(Choice::Keep) => {
                remove_optional(target, &old)?;
                target.rename(&new, &dist).map_err(failed(&dist))?;
            }
            Deed::Answered(Choice::Install) => {
                remove_optional(target, &dist)?;
                remove_optional(target, &old)?;
                if current.is_some() {
                    target.link(&place, &old).map_err(failed(&old))?;
                }
                rules.replacing(question.path);
                target.rename(&new, &place).map_err(failed(&place))?;
            }
            Deed::Replace => {
                rules.replacing(question.path);
                target.rename(&new, &place).map_err(failed(&place))?;
            }
            Deed::InstallNew | Deed::Keep => target.rename(&new, &place).map_err(failed(&place))?,
        }
        Ok(Some(new_hash))
    }

    /// Returns the hash that another instance of a package has recorded for a conffile that they share, where that
    /// was installed once.
    pub(super) fn shared_conffile_hash(&self, package: &Package, path: &str) -> Option<String> {
        let own = self.record_of(package).ok()?;
        let others = self.instances(&package.name).filter(|other| other.key() != own);
        let known = others.filter(|other| {
            other.status > Status::Unpacked || other.config_version.as_ref() == Some(&other.version)
        });
        let mut conffiles = known.flat_map(|other| &other.conffiles);
        let found = conffiles.find(|one| !one.obsolete && !one.remove_on_upgrade && one.path == path)?;
        Some(found.hash.clone())
    }

    /// Returns the hash that another architecture's instance recorded when it installed the shared conffile.
    fn hash_of_other_instance(&self, key: &PackageKey, path: &str) -> Option<String> {
        let others = self.packages().filter(|p| p.name == key.name && p.key() != *key);
        let conffiles = others
            .filter(|p| p.status > Status::HalfConfigured)
            .flat_map(|p| &p.conffiles);
        conffiles
            .filter(|c| !c.obsolete && !c.remove_on_upgrade)
            .find(|c| c.path == path)
            .map(|c| c.hash.clone())
    }
}

/// dpkg's table (`deferred_configure_conffile` in its source).
fn choose(
    question: &Question<'_>,
    identical: bool,
    rules: &mut dyn ConffileRules,
) -> Result<Deed, DpkgError> {
    let ask = |rules: &mut dyn ConffileRules| rules.answer(question).map(Deed::Answered);
    if identical {
        return Ok(Deed::Keep);
    }
    if question.deleted && rules.installs_missing() {
        rules.missing(question.path);
        return Ok(Deed::InstallNew);
    }
    if question.deleted && question.local {
        return Ok(Deed::InstallNew);
    }
    match (question.edited, question.updated) {
        _ if question.local => ask(rules),
        (true, _) if rules.asks_always() => ask(rules),
        (false, true) => Ok(Deed::Replace),
        (_, false) => Ok(Deed::Keep),
        (true, true) => ask(rules),
    }
}

/// Returns the path of a conffile with its links followed in the target; none for a loop or something that is
/// not a file.
///
/// # Errors
/// The target cannot be read.
pub fn dereference(target: &Target, path: &Path) -> Result<Option<PathBuf>, DpkgError> {
    let mut place = path.to_owned();
    for _ in 0..MAX_LINKS {
        match existing(target, &place)?.map(|meta| meta.kind) {
            None | Some(FileType::Regular) => return Ok(Some(place)),
            Some(FileType::Symlink) => {
                let link = target.read_link(&place).map_err(failed(&place))?;
                place.pop();
                // an absolute link replaces the path
                place.push(link);
            }
            Some(_) => return Ok(None),
        }
    }
    Ok(None)
}

/// Returns a path with a suffix at the end of its name.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn existing(target: &Target, path: &Path) -> Result<Option<Meta>, DpkgError> {
    match target.stat(path) {
        Ok(stat) => Ok(Some(stat.meta)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(failed(path)(error)),
    }
}

/// Returns the MD5 of a file of the target, in hexadecimal.
///
/// # Errors
/// The file cannot be read.
pub fn md5_of(target: &Target, path: &Path) -> Result<String, DpkgError> {
    let mut file = target.open_file(path).map_err(failed(path))?;
    md5_of_data(&mut file).map_err(|source| DpkgError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Reads data to its end, and returns its MD5 in hexadecimal.
///
/// # Errors
/// Those of reading.
pub fn md5_of_data(data: &mut dyn Read) -> std::io::Result<String> {
    let mut digest = Md5::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = data.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex(&digest.finalize()));
        }
        digest.update(&buffer[..read]);
    }
}
