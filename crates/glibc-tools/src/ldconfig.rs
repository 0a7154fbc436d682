//! What ldconfig(8) of the target's glibc does, for any architecture.
//!
//! The native program would write a cache of this machine's kind: flags, byte
//! order and the libraries it accepts are compiled in. So the work is done here,
//! on the [`Target`] itself, and byte for byte as glibc 2.36 and later do it
//! with the changes that Debian makes: which version it is, and the name it
//! leaves in the cache, are read from the target's own ldconfig.
//!
//! A run lists directories ([`directories`], from ld.so.conf as
//! [`configuration`] reads it), looks into their libraries ([`library`]), makes
//! the links that are missing ([`scan`]) and writes the cache ([`cache`],
//! [`strings`]). Paths are resolved by [`root`]. The auxiliary cache, which saves
//! time only, is not kept.

mod configuration;
mod directories;
mod glob;
mod legacy;
mod library;
mod new_cache;
mod options;
mod print;
mod rules;
mod scan;
mod strings;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use crate::output::Output;

use crate::cache;
use crate::output::strerror;
use crate::root::Root;
use deb_arch::Architecture;
use directories::Directories;
use new_cache::NewCache;
use options::Options;
use rootless_install_fs::{Error as TargetError, FileType, Meta, Target, Timestamp};
use rules::Rules;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The configuration file.
const CONFIGURATION: &str = "/etc/ld.so.conf";
/// Directory of the auxiliary cache.
const AUXILIARY: &str = "/var/cache/ldconfig";

/// Why ldconfig could not be run. What the program itself would complain of is
/// in [`Ran`] instead.
#[derive(Debug, thiserror::Error)]
pub enum LdconfigError {
    /// A command line this does not know.
    #[error("ldconfig option {option} is not supported here; of its options -C -N -X -f -i -n -p -r -v are")]
    Option {
        /// The option as it was given.
        option: String,
    },
    /// The target has no ldconfig of glibc.
    #[error("{} is not glibc's ldconfig; is libc-bin unpacked in the target?", path.display())]
    NotGlibc {
        /// The file.
        path: PathBuf,
    },
    /// The version of glibc keeps another cache.
    #[error("the cache of glibc {major}.{minor} is not known; 2.36 and later versions are")]
    Version {
        /// First number.
        major: u32,
        /// Second number.
        minor: u32,
    },
    /// There is too much of something for the format or for good sense.
    #[error("{}: too many {what} for ldconfig", path.display())]
    TooMany {
        /// Where it was seen.
        path: PathBuf,
        /// What there is too much of.
        what: &'static str,
    },
    /// The target could not be read or written.
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl LdconfigError {
    /// Whether another ldconfig may do it: this one does not know the target's.
    pub fn is_unknown_version(&self) -> bool {
        matches!(self, Self::Version { .. } | Self::NotGlibc { .. })
    }
}

impl Output {
    /// Adds a message as error(3) of glibc prints it.
    fn complain(&mut self, parts: &[&[u8]]) {
        self.stderr.extend_from_slice(b"/sbin/ldconfig: ");
        self.stderr.extend(parts.concat());
        self.stderr.push(b'\n');
    }

    /// Adds text to standard output.
    fn print(&mut self, parts: &[&[u8]]) {
        self.stdout.extend(parts.concat());
    }

    /// Returns this output with a message and the status of a failure.
    fn failed(mut self, parts: &[&[u8]]) -> Self {
        self.complain(parts);
        self.status = 1;
        self
    }
}

/// Runs ldconfig on a target of the architecture `arch`, in its root directory.
///
/// `arguments` are those of the command line without the program's name.
///
/// # Errors
/// See [`LdconfigError`]. Nothing is undone.
pub fn run<A: AsRef<OsStr>>(
    target: &Target,
    arch: &Architecture,
    arguments: &[A],
) -> Result<Output, LdconfigError> {
    run_in(target, arch, Path::new("/"), arguments)
}

/// As [`run`], with the caller's working directory, from which relative paths
/// of the command line start.
///
/// # Errors
/// As [`run`].
pub fn run_in<A: AsRef<OsStr>>(
    target: &Target,
    arch: &Architecture,
    directory: &Path,
    arguments: &[A],
) -> Result<Output, LdconfigError> {
    let arguments: Vec<&[u8]> = arguments.iter().map(|a| a.as_ref().as_bytes()).collect();
    let options = Options::parse(&arguments)?;
    let mut output = Output::default();
    let root = match Root::open(target, directory, &options.root) {
        Err(error) if error.is_not_found() => {
            let reason = strerror(&error);
            return Ok(output.failed(&[b"Can't open cache file directory ", &options.root, b": ", &reason]));
        }
        root => root?,
    };
    let cache_path = options.cache.as_deref().unwrap_or(cache::PATH.as_bytes());
    let rules = Rules::of(target, arch)?;
    if options.print {
        return print::print(&root, &rules, cache_path);
    }
    if let Some(path) = options
        .directories
        .iter()
        .find(|path| options.build_cache && path.first() != Some(&b'/'))
    {
        return Ok(output.failed(&[b"relative path `", path, b"' used to build cache"]));
    }

    let mut directories = Directories::new(&root, &rules, options.verbose);
    for path in &options.directories {
        directories.add(path, b"<cmdline>", 0, &mut output)?;
    }
    if !options.only_command_line {
        let file = options
            .configuration
            .as_deref()
            .unwrap_or(CONFIGURATION.as_bytes());
        if configuration::read(&mut directories, file, &mut output)?.is_break() {
            output.status = 1;
            return Ok(output);
        }
        for path in rules.abi.system_directories() {
            directories.add(path.as_bytes(), b"<builtin>", 0, &mut output)?;
        }
    }

    let mut new_cache = NewCache::default();
    scan::scan(&mut directories, &options, &mut new_cache, &mut output)?;
    if options.build_cache {
        let data = new_cache
            .into_bytes(&rules)
            .ok_or_else(|| LdconfigError::TooMany {
                path: PathBuf::from(OsStr::from_bytes(cache_path)),
                what: "libraries",
            })?;
        if !save(&root, cache_path, &data, &mut output)? {
            return Ok(output);
        }
        touch_auxiliary(&root)?;
    }
    Ok(output)
}

/// Puts the cache in its place; `false` if there is none.
fn save(root: &Root<'_>, path: &[u8], data: &[u8], output: &mut Output) -> Result<bool, LdconfigError> {
    let meta = Meta::of_root(FileType::Regular, 0o644);
    let written = root
        .beside(path)
        .and_then(|place| root.target().write(&place, data, &meta));
    match written {
        Err(error) if error.is_not_found() => {
            output.complain(&[
                b"Can't create temporary cache file ",
                path,
                b"~: ",
                &strerror(&error),
            ]);
            output.status = 1;
            Ok(false)
        }
        written => Ok(written.map(|()| true)?),
    }
}

/// The auxiliary cache's directory looks as if one had been written into it.
fn touch_auxiliary(root: &Root<'_>) -> Result<(), LdconfigError> {
    let done = match root.find(AUXILIARY.as_bytes()) {
        Ok(found) => root.target().set_mtime(&found, Timestamp::now()),
        Err(error) if error.is_not_found() => {
            let meta = Meta::of_root(FileType::Directory, 0o700);
            root.beside(AUXILIARY.as_bytes())
                .and_then(|place| root.target().make_dir(&place, &meta))
        }
        Err(error) => Err(error),
    };
    match done {
        // Without /var/cache there is no such directory; ldconfig takes no notice.
        Err(error) if error.is_not_found() || error.is_already_exists() => Ok(()),
        done => Ok(done?),
    }
}
