//! Questions about the paths of packages: `--search`, `--listfiles`, `--verify`.

use super::fault::{Fault, Result};
use super::messages::Messages;
use super::options::Call;
use dpkg_db::{Database, Diversion, Diversions, NEW_CONFFILE, Package, Status, md5_of};
use glibc_tools::fnmatch;
use rootless_install_fs::{FileType, Target};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// `--search`: the owners and diversions of the paths that match patterns (glob(7)). Returns whether each pattern has
/// found something.
pub(super) fn search(call: &Call, target: &Target, database: &Database, messages: &Messages) -> Result<bool> {
    if call.arguments.is_empty() {
        let problem = "--search needs at least one file name pattern argument";
        return Err(Fault::Call(problem.to_owned()));
    }
    let diversions = Diversions::load(target)?;
    let mut all = true;
    for argument in &call.arguments {
        let mut pattern = argument.as_bytes().to_vec();
        if !pattern.first().is_some_and(|first| b"*[?/".contains(first)) {
            pattern = [b"*", argument.as_bytes(), b"*"].concat();
        }
        let found = if pattern.iter().any(|b| b"*[?\\".contains(b)) {
            let diverted = diversions.iter().flat_map(|one| [&one.from, &one.to]);
            let paths: BTreeSet<&Path> = database
                .owned_paths()
                .chain(diverted.map(PathBuf::as_path))
                .filter(|path| fnmatch(&pattern, path.as_os_str().as_bytes()))
                .collect();
            let said = paths
                .into_iter()
                .map(|path| say_owners(path, &diversions, database, messages));
            said.filter(|said| *said).count() > 0
        } else {
            say_owners(&trimmed(&pattern), &diversions, database, messages)
        };
        if !found {
            let pattern = String::from_utf8_lossy(&pattern);
            messages.notice(&format!("no path found matching pattern {pattern}"));
            all = false;
        }
    }
    Ok(all)
}

/// Returns a path without `/` and `/.` at its end (`path_trim_slash_slashdot`).
fn trimmed(path: &[u8]) -> PathBuf {
    let mut path = path;
    while let Some(shorter) = path
        .strip_suffix(b"/")
        .or_else(|| path.strip_suffix(b"/."))
        .filter(|shorter| !shorter.is_empty())
    {
        path = shorter;
    }
    let path = match path {
        b"/" => b"/.",
        path => path,
    };
    PathBuf::from(OsStr::from_bytes(path))
}

/// Prints the diversion and the owners of a path. Returns whether there are any.
fn say_owners(path: &Path, diversions: &Diversions, database: &Database, messages: &Messages) -> bool {
    let diversion = diversions.iter().find(|one| one.from == path || one.to == path);
    if let Some(Diversion { from, to, package }) = diversion {
        let whose = match package {
            Some(package) => format!("diversion by {package}"),
            None => "local diversion".to_owned(),
        };
        messages.say(&format!("{whose} from: {}", from.display()));
        messages.say(&format!("{whose} to: {}", to.display()));
    }
    let owners = database.owners(path).map(|key| database.display_name(key));
    let owners: Vec<String> = owners.collect();
    if !owners.is_empty() {
        messages.say(&format!("{}: {}", owners.join(", "), path.display()));
    }
    !owners.is_empty() || diversion.is_some()
}

/// `--listfiles`. Returns whether all packages are installed.
pub(super) fn list_files(
    call: &Call,
    target: &Target,
    database: &Database,
    messages: &Messages,
) -> Result<bool> {
    if call.arguments.is_empty() {
        let problem = "--listfiles needs at least one package name argument";
        return Err(Fault::Call(problem.to_owned()));
    }
    let diversions = Diversions::load(target)?;
    let mut all = true;
    for (number, argument) in call.arguments.iter().enumerate() {
        if number > 0 {
            messages.say("");
        }
        let name = argument.to_string_lossy();
        let Some(package) = installed(database, &name) else {
            messages.notice(&format!("package '{name}' is not installed"));
            all = false;
            continue;
        };
        let paths = database.list(target, &package.key())?;
        if paths.is_empty() {
            let name = package.display_name(database.native());
            messages.say(&format!("Package '{name}' does not contain any files (!)"));
        }
        for path in paths {
            messages.say(&path.to_string_lossy());
            let Some(diversion) = diversions.of(&path) else {
                continue;
            };
            let to = diversion.to.display();
            messages.say(&match &diversion.package {
                None => format!("locally diverted to: {to}"),
                Some(by) if *by == package.name => format!("package diverts others to: {to}"),
                Some(by) => format!("diverted by {by} to: {to}"),
            });
        }
    }
    if !all {
        messages.tell("Use dpkg --contents (= dpkg-deb --contents) to list archive files contents.\n");
    }
    Ok(all)
}

/// Returns a package of which something is there.
fn installed<'d>(database: &'d Database, name: &str) -> Option<&'d Package> {
    let package = database.resolve(name).and_then(|key| database.get(&key));
    package.filter(|package| package.status != Status::NotInstalled)
}

/// `--verify`: the files of packages that are missing or differ from what the packages say. Returns whether all
/// packages that are named are installed.
pub(super) fn verify(call: &Call, target: &Target, database: &Database, messages: &Messages) -> Result<bool> {
    let diversions = Diversions::load(target)?;
    if call.arguments.is_empty() {
        for package in database.packages() {
            verify_package(package, target, database, &diversions, messages)?;
        }
        return Ok(true);
    }
    let mut all = true;
    for argument in &call.arguments {
        let name = argument.to_string_lossy();
        match installed(database, &name) {
            Some(package) => verify_package(package, target, database, &diversions, messages)?,
            None => {
                messages.notice(&format!("package '{name}' is not installed"));
                all = false;
            }
        }
    }
    Ok(all)
}

fn verify_package(
    package: &Package,
    target: &Target,
    database: &Database,
    diversions: &Diversions,
    messages: &Messages,
) -> Result {
    let sums = target.read(&package.info_path("md5sums")).unwrap_or_default();
    let lines = sums.split(|byte| *byte == b'\n');
    // Lines of MD5, two blanks and the path (deb-md5sums(5)).
    let known: HashMap<&[u8], &[u8]> = lines
        .filter_map(|line| Some((line.get(34..)?, line.get(..32)?)))
        .collect();
    for path in database.list(target, &package.key())? {
        let conffile = package
            .conffiles
            .iter()
            .find(|conffile| Path::new(&conffile.path) == path);
        let relative = path.as_os_str().as_bytes().strip_prefix(b"/").unwrap_or_default();
        let expected = match known.get(relative) {
            Some(sum) => Some(String::from_utf8_lossy(sum).into_owned()),
            None => conffile
                .map(|conffile| conffile.hash.clone())
                .filter(|hash| hash != NEW_CONFFILE),
        };
        let used = diversions.used(&path, &package.name);
        let Some(result) = verify_file(used, expected.as_deref(), target) else {
            continue;
        };
        let mark = if conffile.is_some() { 'c' } else { ' ' };
        messages.say(&format!("{result} {mark} {}", used.display()));
    }
    Ok(())
}

/// Returns what is wrong with a file, in rpm's form; none where nothing is.
fn verify_file(path: &Path, expected: Option<&str>, target: &Target) -> Option<String> {
    let Ok(stat) = target.stat(path) else {
        return Some("missing  ".to_owned());
    };
    let expected = expected?;
    let mode = if stat.meta.kind == FileType::Regular {
        '?'
    } else {
        'M'
    };
    let sum = match md5_of(target, path) {
        Ok(found) if found == expected => '.',
        Ok(_) => '5',
        Err(_) => '?',
    };
    (mode == 'M' || sum != '.').then(|| format!("?{mode}{sum}??????"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_paths_do_not_count() {
        for (path, found) in [("/a/b/", "/a/b"), ("/a/b/.", "/a/b"), ("/", "/."), ("/a//", "/a")] {
            assert_eq!(trimmed(path.as_bytes()), Path::new(found), "{path}");
        }
    }
}
