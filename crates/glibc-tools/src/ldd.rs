//! ldd(1) for a program of any architecture: the libraries that the target's dynamic loader would load for it.
//!
//! ldd is a script of the target that calls the target's dynamic loader, with `--verify` and then with
//! `LD_TRACE_LOADED_OBJECTS` in its environment. That program cannot be executed here, so [`run`] does its part on
//! the [`Target`], by the rules of ld.so(8): it reads the files (`object`), searches their libraries where the loader
//! does (`search`, with the cache that ldconfig left: `known_libraries`) and lists them in its order (`load`). Nothing
//! of a file is executed, and nothing is relocated: `ldd -r`, `-d` and `-u` are refused.
//!
//! The addresses look like real ones, but are always the same. Subdirectories of `glibc-hwcaps` are passed over: the
//! loader's choice among them depends on the machine.

mod known_libraries;
mod load;
mod object;
mod options;
mod search;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod versions;

use crate::abi::Abi;
use crate::output::Output;
use crate::root::Root;
use deb_arch::Architecture;
use load::Maps;
use object::Object;
use options::{Environment, Mode, Options};
use rootless_install_fs::{Error as TargetError, Target};
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Exit status of the loader when it cannot load something.
const CANNOT_LOAD: i32 = 127;
/// Most bytes of a loader that are read; none is nearly as large.
const LARGEST_LOADER: u64 = 64 << 20;

/// Reason why the loader's part cannot be done. Complaints of the loader itself are in [`Output`] instead.
#[derive(Debug, thiserror::Error)]
pub enum LddError {
    /// The option needs more than the files' headers, or is not known here.
    #[error("{option} is not supported here: {reason}; `ldd`, `ldd -v`, `--list` and `--verify` are")]
    Option {
        /// The option or variable as it was given.
        option: String,
        /// Reason.
        reason: &'static str,
    },
    /// The program has more libraries than any real one.
    #[error("{}: too many libraries for one program", path.display())]
    TooMany {
        /// The program.
        path: std::path::PathBuf,
    },
    /// The target could not be read.
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// Lists the libraries of a program, as ldd(1) without options prints them.
///
/// `program` is a path in the target. The complaint about a file that is no dynamic program is in the output, with
/// its exit status.
///
/// # Errors
/// See [`LddError`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// use glibc_tools::{Architecture, Target, ldd};
/// use std::path::Path;
///
/// let target = Target::open(directory.path())?;
/// let riscv64 = Architecture::by_name("riscv64").unwrap();
/// let output = ldd::list(&target, riscv64, Path::new("/usr/bin/perl"))?;
/// // The directory is empty.
/// assert_eq!(output.status, 127);
/// assert!(output.stderr.ends_with(b"cannot open shared object file: No such file or directory\n"));
/// # Ok(())
/// # }
/// ```
pub fn list(target: &Target, arch: &Architecture, program: &Path) -> Result<Output, LddError> {
    let root = Root::open(target, Path::new("/"), b"")?;
    let arguments: [&[u8]; 2] = [b"--list", program.as_os_str().as_bytes()];
    let options = Options::parse(&arguments, Environment::new(&[]))?;
    direct(&root, &Abi::of(arch), arch.loader.as_bytes(), &options)
}

/// Does what the target's loader does when it is executed by its path, or as the interpreter of a program with
/// `LD_TRACE_LOADED_OBJECTS` in the environment. Returns `None` for every other program, which can be executed as
/// usual.
///
/// `directory` is the caller's working directory; `environment` has its variables whose names begin with `LD_`, as
/// `NAME=VALUE`; `program` is the path that was executed, and `arguments` follow it.
///
/// # Errors
/// See [`LddError`].
pub fn run(
    target: &Target,
    arch: &Architecture,
    directory: &Path,
    environment: &[&OsStr],
    program: &OsStr,
    arguments: &[&OsStr],
) -> Result<Option<Output>, LddError> {
    let root = Root::open(target, directory, b"")?;
    let abi = Abi::of(arch);
    let environment = Environment::new(environment);
    let program = program.as_bytes();
    let arguments: Vec<&[u8]> = arguments.iter().map(|argument| argument.as_bytes()).collect();
    if is_loader(&root, &abi, program) {
        let options = Options::parse(&arguments, environment)?;
        return match options.mode {
            Mode::Version => Ok(Some(version(&root, program)?)),
            Mode::Run => Ok(None),
            Mode::List | Mode::Verify => direct(&root, &abi, program, &options).map(Some),
        };
    }
    if !environment.has(b"LD_TRACE_LOADED_OBJECTS") {
        return Ok(None);
    }
    let options = Options::new(environment)?;
    traced(&root, &abi, program, &options)
}

/// Returns whether a path is that of the target's loader.
fn is_loader(root: &Root<'_>, abi: &Abi, path: &[u8]) -> bool {
    let Ok(found) = root.find(path) else { return false };
    let name = found.file_name().map(OsStr::as_bytes).unwrap_or_default();
    let usual = abi.loader.rsplit('/').next().unwrap_or_default();
    // glibc before 2.34 had its version in the file's name.
    let versioned = name
        .strip_prefix(b"ld-")
        .and_then(|name| name.strip_suffix(b".so"))
        .is_some_and(|version| {
            !version.is_empty() && version.iter().all(|b| b.is_ascii_digit() || *b == b'.')
        });
    name == usual.as_bytes()
        || versioned
        || root.find(abi.loader.as_bytes()).is_ok_and(|usual| usual == found)
}

/// Returns the answer to `--version`, which is one string in the program.
fn version(root: &Root<'_>, loader: &[u8]) -> Result<Output, LddError> {
    const START: &[u8] = b"ld.so (";
    let mut program = Vec::new();
    root.open_file(loader)?
        .take(LARGEST_LOADER)
        .read_to_end(&mut program)
        .map_err(|source| TargetError::Io {
            action: "read",
            path: Path::new(OsStr::from_bytes(loader)).to_owned(),
            source,
        })?;
    let text = program
        .windows(START.len())
        .position(|window| window == START)
        .and_then(|at| program.get(at..)?.split(|&b| b == 0).next())
        .filter(|text| text.len() < 4096);
    Ok(Output {
        stdout: text.unwrap_or(b"ld.so\n").to_vec(),
        ..Output::default()
    })
}

/// Does the work of a loader that was executed by its path, with a program as its argument.
fn direct(root: &Root<'_>, abi: &Abi, loader: &[u8], options: &Options) -> Result<Output, LddError> {
    let verify = options.mode == Mode::Verify;
    let status = |status| {
        Ok(Output {
            status,
            ..Output::default()
        })
    };
    let cannot = |reason: &[u8]| {
        let name = &options.program;
        Ok(failed(&[
            name,
            b": error while loading shared libraries: ",
            name,
            b": ",
            reason,
        ]))
    };
    // A name without a directory is looked for like a library.
    let mut maps = Maps::new(root, abi, options, loader);
    let object = match maps.main(&options.program)? {
        Ok(object) => object,
        Err(_) if verify => return status(1),
        Err(problem) => return cannot(problem.text()),
    };
    if verify {
        return status(match (object.dynamic, &object.interpreter) {
            (false, _) => 1,
            (true, Some(_)) => 0,
            (true, None) => 2,
        });
    }
    if !object.dynamic {
        return cannot(b"object file has no dynamic section");
    }
    finish(maps, options)
}

/// Does the work of a loader that is the interpreter of the program that was executed.
fn traced(root: &Root<'_>, abi: &Abi, program: &[u8], options: &Options) -> Result<Option<Output>, LddError> {
    // A file on another filesystem of the view is not the target's.
    let Ok(found) = root.find(program) else {
        return Ok(None);
    };
    let Ok(Ok(object)) = root.open_file(program).map(|file| Object::read(&file, abi)) else {
        return Ok(None);
    };
    // A static program runs as usual.
    let Some(interpreter) = object.interpreter.clone() else {
        return Ok(None);
    };
    let mut maps = Maps::new(root, abi, options, &interpreter);
    maps.executed(program, found.as_os_str().as_bytes(), object);
    finish(maps, options).map(Some)
}

/// Loads all libraries and lists them.
fn finish(mut maps: Maps<'_>, options: &Options) -> Result<Output, LddError> {
    let mut output = Output::default();
    if maps.is_alone() {
        output.stdout = b"\tstatically linked\n".to_vec();
        return Ok(output);
    }
    if let Some((name, problem)) = maps.load_all(&mut output.stderr)? {
        return Ok(failed(&[
            &options.program,
            b": error while loading shared libraries: ",
            &name,
            b": ",
            problem.text(),
        ]));
    }
    versions::check(&maps, &options.program, &mut output);
    maps.print(&mut output.stdout);
    if options.verbose {
        versions::print(&maps, &mut output.stdout);
    }
    Ok(output)
}

/// Returns the output of a loader that cannot load something.
fn failed(parts: &[&[u8]]) -> Output {
    Output {
        stderr: [&parts.concat(), &b"\n"[..]].concat(),
        status: CANNOT_LOAD,
        ..Output::default()
    }
}
