//! ldconfig(8) for a target of any architecture.
//!
//! This machine's ldconfig would write a cache for this machine: flags, byte order and the libraries it accepts are
//! compiled in. So the work is done here, on the [`Target`] itself, byte for byte as glibc 2.31, 2.36 and later do it with
//! Debian's changes. The version of glibc, and the name that stands in the cache, are read from the target's own
//! ldconfig.
//!
//! A run lists directories (`directories`, from ld.so.conf as `configuration` reads it), reads their libraries
//! (`library`), makes the links that are missing (`scan`) and writes the cache (`new_cache`, `strings`). The auxiliary
//! cache, which only saves time, is not kept.

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

use crate::cache;
use crate::output::{Output, strerror};
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

/// Path of the configuration file.
const CONFIGURATION: &str = "/etc/ld.so.conf";
/// Path of the auxiliary cache's directory.
const AUXILIARY: &str = "/var/cache/ldconfig";

/// Reason why ldconfig cannot be run. Complaints of the program itself are in [`Output`] instead.
#[derive(Debug, thiserror::Error)]
pub enum LdconfigError {
    /// The command line has an option that is not known here.
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
    /// glibc of this version has another format of the cache.
    #[error(
        "the cache of glibc {major}.{minor} is not known; those of 2.31, and of 2.36 and later versions, are"
    )]
    Version {
        /// Major version.
        major: u32,
        /// Minor version.
        minor: u32,
    },
    /// There are more of something than the format can hold or any configuration has.
    #[error("{}: too many {what} for ldconfig", path.display())]
    TooMany {
        /// File that leads to them.
        path: PathBuf,
        /// The things counted, in the plural.
        what: &'static str,
    },
    /// The target could not be read or written.
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl LdconfigError {
    /// Returns whether the target's ldconfig is another program than glibc's, which is to be executed then.
    pub fn is_another_program(&self) -> bool {
        matches!(self, Self::NotGlibc { .. })
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

/// Runs ldconfig on a target of the architecture `arch`, with `/` as the working directory.
///
/// `arguments` are those of the command line without the program's name.
///
/// # Errors
/// See [`LdconfigError`]. Nothing is undone.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// use glibc_tools::{Architecture, Target, ldconfig};
/// # use rootless_install_fs::{FileType, Meta};
/// use std::path::Path;
///
/// let target = Target::open(directory.path())?;
/// # let meta = Meta::of_root(FileType::Directory, 0o755);
/// # for path in ["/etc", "/usr", "/usr/sbin", "/usr/lib"] { target.make_dir(Path::new(path), &meta)?; }
/// # let program = b"ldconfig (Debian GLIBC 2.41-12) stable release version 2.41\0";
/// # target.write(Path::new("/usr/sbin/ldconfig"), program, &Meta::of_root(FileType::Regular, 0o755))?;
/// let s390x = Architecture::by_name("s390x").unwrap();
/// let output = ldconfig::run::<&str>(&target, s390x, &[])?;
/// assert_eq!((output.status, output.stderr), (0, vec![]));
///
/// let cache = target.read(Path::new("/etc/ld.so.cache"))?;
/// assert!(cache.starts_with(b"glibc-ld.so.cache1.1"));
/// let output = ldconfig::run(&target, s390x, &["-p"])?;
/// assert!(output.stdout.starts_with(b"0 libs found in cache"));
/// # Ok(())
/// # }
/// ```
pub fn run<A: AsRef<OsStr>>(
    target: &Target,
    arch: &Architecture,
    arguments: &[A],
) -> Result<Output, LdconfigError> {
    run_in(target, arch, Path::new("/"), arguments)
}

/// Runs ldconfig like [`run`], with a working directory at which relative paths of the command line start.
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

/// Writes the cache; returns false, with a complaint, if its directory does not exist or has no room.
fn save(root: &Root<'_>, path: &[u8], data: &[u8], output: &mut Output) -> Result<bool, LdconfigError> {
    let meta = Meta::of_root(FileType::Regular, 0o644);
    let written = root
        .beside(path)
        .and_then(|path| root.target().write(&path, data, &meta));
    match written {
        // Where there is no room the real program fails as well.
        Err(error) if error.is_not_found() || error.is_full() => {
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

/// Gives the directory of the auxiliary cache the time that it has after the real program wrote there.
fn touch_auxiliary(root: &Root<'_>) -> Result<(), LdconfigError> {
    let touched = match root.find(AUXILIARY.as_bytes()) {
        Ok(found) => root.target().set_mtime(&found, Timestamp::now()),
        Err(error) if error.is_not_found() => {
            let meta = Meta::of_root(FileType::Directory, 0o700);
            root.beside(AUXILIARY.as_bytes())
                .and_then(|path| root.target().make_dir(&path, &meta))
        }
        Err(error) => Err(error),
    };
    match touched {
        // Without /var/cache there is no such directory; ldconfig takes no notice.
        Err(error) if error.is_not_found() || error.is_already_exists() => Ok(()),
        touched => Ok(touched?),
    }
}
