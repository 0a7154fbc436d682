//! Files of a system beside those of its packages, as an installation with mmdebstrap and apt leaves them: sources,
//! marks, locks and empty directories.

mod start_stop_daemon;

pub use start_stop_daemon::undivert_start_stop_daemon;

use crate::hooks::APT_CONFIG;
use crate::settings::{AddedFile, Settings, Skip};
use apt_solve::Mmdebstrap;
use rootless_install_fs::{Error, FileType, Meta, Target, Timestamp};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, Error>;

/// User id of `_apt` where the target has no such account: that of Debian (base-passwd).
const APT_UID: u32 = 42;

/// Logs, caches and identities of the run, which are no part of the result.
const RUN_LEFTOVERS: [&str; 9] = [
    "/var/log/dpkg.log",
    "/var/log/apt/history.log",
    "/var/log/apt/term.log",
    "/var/log/alternatives.log",
    "/var/cache/ldconfig/aux-cache",
    "/var/log/apt/eipp.log.xz",
    "/var/lib/dbus/machine-id",
    "/var/cache/apt/pkgcache.bin",
    "/var/cache/apt/srcpkgcache.bin",
];

/// Makes a directory and its parents.
fn directories(target: &Target, path: &str) -> Result<()> {
    let mut made = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        made.push('/');
        made.push_str(part);
        match target.make_dir(Path::new(&made), &Meta::of_root(FileType::Directory, 0o755)) {
            Err(error) if error.is_already_exists() => {}
            done => done?,
        }
    }
    Ok(())
}

fn file(target: &Target, path: &str, data: &[u8], mode: u32) -> Result<()> {
    target.write(Path::new(path), data, &Meta::of_root(FileType::Regular, mode))
}

fn exists(target: &Target, path: &str) -> Result<bool> {
    match target.stat(Path::new(path)) {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Settings of apt that mmdebstrap has in the target while it installs, files of apt.conf.d with their contents. The
/// second keeps apt from telling hooks what is going to be installed; releases before 1.5.5 lack it.
const SETTINGS: [(&str, &[u8]); 2] = [
    (
        "/etc/apt/apt.conf.d/00mmdebstrap",
        b"Apt::Install-Recommends false;\nAcquire::Languages \"none\";\n",
    ),
    (
        "/etc/apt/apt.conf.d/99debconf",
        b"#clear DPkg::Pre-Install-Pkgs;\n",
    ),
];

/// What the user gives for the configuration of a target, and what is left out.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Text for a file of apt's configuration; empty for none.
    pub apt_options: String,
    /// Text for a file of dpkg's configuration; empty for none.
    pub dpkg_options: String,
    /// Files of the user's own.
    pub files: Vec<AddedFile>,
    /// Whether apt's marks are written for packages of the first phase as well.
    pub marks_dependencies: bool,
    /// Steps that are left out.
    pub skip: Skip,
}

impl Given {
    /// Returns what the settings have of it.
    pub fn of(settings: &Settings) -> Self {
        Self {
            apt_options: settings.apt_options.clone(),
            dpkg_options: settings.dpkg_options.clone(),
            files: settings.additions.files.clone(),
            marks_dependencies: settings.additions.marks_dependencies,
            skip: settings.skip.clone(),
        }
    }
}

/// Makes a directory, if it is not there, and its parents.
///
/// # Errors
/// Those of writing to the target.
pub fn make_directory(target: &Target, path: &str) -> Result<()> {
    if exists(target, path)? {
        return Ok(());
    }
    directories(target, path)
}

/// Makes the files that are there before the first package is unpacked. `sources` are files of apt's sources with
/// their contents; `fetched` is whether any package is installed, for which apt has a directory of archives;
/// `mmdebstrap` is the release that is imitated.
///
/// # Errors
/// Those of writing to the target.
pub fn prepare(
    target: &Target,
    sources: &[(PathBuf, String)],
    given: &Given,
    fetched: bool,
    mmdebstrap: Mmdebstrap,
) -> Result<()> {
    target.set_meta(Path::new("/"), &Meta::of_root(FileType::Directory, 0o755))?;
    for path in [
        "/etc/apt/apt.conf.d",
        "/etc/apt/sources.list.d",
        "/etc/apt/preferences.d",
        "/var/cache/apt",
        "/var/lib/apt/lists/partial",
        "/tmp",
        "/etc/dpkg/dpkg.cfg.d",
        "/var/log/apt",
    ] {
        directories(target, path)?;
    }
    if fetched {
        directories(target, "/var/cache/apt/archives/partial")?;
    }
    target.set_mode(Path::new("/tmp"), 0o1777)?;
    for (path, text) in SETTINGS
        .iter()
        .take(if mmdebstrap.preconfigures() { 1 } else { 2 })
    {
        file(target, path, text, 0o644)?;
    }
    for (path, text) in [
        ("/etc/apt/apt.conf.d/99mmdebstrap", &given.apt_options),
        ("/etc/dpkg/dpkg.cfg.d/99mmdebstrap", &given.dpkg_options),
    ] {
        if !text.is_empty() {
            file(target, path, text.as_bytes(), 0o644)?;
        }
    }
    file(target, "/etc/fstab", fstab(mmdebstrap), 0o644)?;
    for (path, text) in sources {
        target.write(
            &Path::new("/").join(path),
            text.as_bytes(),
            &Meta::of_root(FileType::Regular, 0o644),
        )?;
    }
    for added in &given.files {
        if let Some(parent) = added.path.parent().and_then(Path::to_str) {
            make_directory(target, parent)?;
        }
        target.write(
            &added.path,
            &added.data,
            &Meta::of_root(FileType::Regular, added.mode),
        )?;
    }
    // As in mmdebstrap, the machine's own files.
    for path in ["/etc/resolv.conf", "/etc/hostname"] {
        if let (Ok(data), Ok(here)) = (fs::read(path), fs::symlink_metadata(path)) {
            let mode = if here.is_file() {
                here.permissions().mode() & 0o777
            } else {
                0o644
            };
            file(target, path, &data, mode)?;
        }
    }
    Ok(())
}

fn fstab(mmdebstrap: Mmdebstrap) -> &'static [u8] {
    if mmdebstrap.fstab_has_columns() {
        b"# UNCONFIGURED FSTAB FOR BASE SYSTEM\n#\n\
          # <file system> <mount point>   <type>  <options>       <dump>  <pass>\n"
    } else {
        b"# UNCONFIGURED FSTAB FOR BASE SYSTEM\n"
    }
}

/// Brings the files of [`prepare`] for one release to what another release has, where nobody has changed them meanwhile:
/// they were made before it was known which one is imitated.
///
/// # Errors
/// Those of writing to the target.
pub fn settle(target: &Target, before: Mmdebstrap, fetched: bool, mmdebstrap: Mmdebstrap) -> Result<()> {
    if fetched {
        make_directory(target, "/var/cache/apt/archives/partial")?;
    }
    let fstab_now = target.read(Path::new("/etc/fstab")).unwrap_or_default();
    if fstab_now == fstab(before) && fstab(before) != fstab(mmdebstrap) {
        file(target, "/etc/fstab", fstab(mmdebstrap), 0o644)?;
    }
    let [_, (path, text)] = SETTINGS;
    if mmdebstrap.preconfigures() && target.read(Path::new(path)).is_ok_and(|now| now == text) {
        target.remove(Path::new(path))?;
    }
    Ok(())
}

/// Leaves the traces of a call of apt that installs packages: it fetches them into one directory and makes logs in the
/// other. It shows where the package apt was extracted before, which brings these directories with times of its own.
///
/// # Errors
/// Those of writing to the target.
pub fn called(target: &Target) -> Result<()> {
    for path in ["/var/cache/apt/archives/partial", "/var/log/apt"] {
        if exists(target, path)? {
            target.set_mtime(Path::new(path), Timestamp::now())?;
        }
    }
    Ok(())
}

/// Marks of apt (apt-mark(8)).
#[derive(Clone, Copy, Debug)]
pub struct Marks<'a> {
    /// Packages that are installed for others: names and architectures.
    pub automatic: &'a [(String, String)],
    /// All architectures, the target's own first.
    pub architectures: &'a [&'a str],
}

/// Directory of apt's lists.
pub const LISTS: &str = "/var/lib/apt/lists";

/// Writes a list of apt's.
///
/// # Errors
/// Those of writing to the target.
pub fn write_list(target: &Target, name: &str, text: &[u8]) -> Result<()> {
    target.write(
        &Path::new(LISTS).join(name),
        text,
        &Meta::of_root(FileType::Regular, 0o644),
    )
}

/// Writes apt's record of marks, after the last package is configured.
///
/// # Errors
/// Those of writing to the target.
pub fn mark(target: &Target, marks: Marks<'_>) -> Result<()> {
    let text = extended_states(marks.automatic, marks.architectures);
    file(target, "/var/lib/apt/extended_states", text.as_bytes(), 0o644)
}

/// Cleans up and writes locks, after all that is done in the target, but for what is left out.
///
/// # Errors
/// Those of writing to the target.
pub fn finish(target: &Target, skip: &Skip) -> Result<()> {
    if skip.has("cleanup") {
        return Ok(());
    }
    clean_apt(target, skip)?;
    let leftovers = RUN_LEFTOVERS
        .iter()
        .filter(|path| !path.ends_with(".bin") && !skip.covers("cleanup/reproducible"));
    let settings = SETTINGS.iter().map(|(path, _)| path).chain([&APT_CONFIG]);
    for path in settings
        .filter(|_| !skip.covers("cleanup/mmdebstrap"))
        .chain(leftovers)
    {
        if exists(target, path)? {
            target.remove(Path::new(path))?;
        }
    }
    if !skip.covers("cleanup/reproducible/machine-id") && exists(target, "/etc/machine-id")? {
        file(target, "/etc/machine-id", b"", 0o644)?;
    }
    if !skip.covers("cleanup/run") {
        empty(target, "/run", &["lock"])?;
    }
    if !skip.covers("cleanup/tmp") {
        empty(target, "/tmp", &[])?;
    }
    Ok(())
}

/// Cleans up after apt as `apt-get update` without sources and `apt-get clean` do: lists, packages, and caches of both.
fn clean_apt(target: &Target, skip: &Skip) -> Result<()> {
    let kept = ["/var/lib/apt/lists", "/var/cache/apt/archives"];
    let mut fetched = Vec::new();
    for path in kept {
        if exists(target, path)? {
            fetched.push(path);
        }
    }
    for path in &fetched {
        file(target, &format!("{path}/lock"), b"", 0o640)?;
    }
    // `apt-get clean` removes caches from it.
    if exists(target, "/var/cache/apt")? {
        target.set_mtime(Path::new("/var/cache/apt"), Timestamp::now())?;
    }
    let apt = apt_uid(target);
    for path in &fetched {
        // apt makes it anew where a hook has removed it.
        make_directory(target, &format!("{path}/partial"))?;
        let path = Path::new(path).join("partial");
        target.set_owner(&path, apt, 0)?;
        target.set_mode(&path, 0o700)?;
    }
    let lists = !skip.covers("cleanup/apt/lists");
    let cache = !skip.covers("cleanup/apt/cache");
    for (path, cleaned) in [("/var/lib/apt/lists", lists), ("/var/cache/apt/archives", cache)] {
        if cleaned {
            empty(target, path, &["lock", "partial"])?;
            empty(target, &format!("{path}/partial"), &[])?;
        }
    }
    if cache {
        for path in RUN_LEFTOVERS.iter().filter(|path| path.ends_with(".bin")) {
            if exists(target, path)? {
                target.remove(Path::new(path))?;
            }
        }
    }
    Ok(())
}

/// Returns the user id of `_apt`.
fn apt_uid(target: &Target) -> u32 {
    let passwd = target.read(Path::new("/etc/passwd")).unwrap_or_default();
    String::from_utf8_lossy(&passwd)
        .lines()
        .find_map(|line| line.strip_prefix("_apt:")?.split(':').nth(1)?.parse().ok())
        .unwrap_or(APT_UID)
}

/// Removes all entries of a directory but those `kept`.
fn empty(target: &Target, directory: &str, kept: &[&str]) -> Result<()> {
    if !exists(target, directory)? {
        return Ok(());
    }
    for name in target.read_dir(Path::new(directory))? {
        if !kept.iter().any(|k| name == *k) {
            remove_all(target, &Path::new(directory).join(name))?;
        }
    }
    Ok(())
}

fn remove_all(target: &Target, path: &Path) -> Result<()> {
    if target.stat(path)?.meta.kind == FileType::Directory {
        for name in target.read_dir(path)? {
            remove_all(target, &path.join(name))?;
        }
        target.remove_dir(path)
    } else {
        target.remove(path)
    }
}

/// Returns apt's record of automatically installed packages. apt writes it in the order of the hash table of its
/// cache: the table has 196613 entries (`APT::Cache-HashTableSize`), in each of which shorter names come first, and
/// packages of one name are in the order of `architectures`.
fn extended_states(automatic: &[(String, String)], architectures: &[&str]) -> String {
    let bucket = |name: &str| {
        let hash = name.bytes().fold(5381_u32, |hash, byte| {
            hash.wrapping_mul(33)
                .wrapping_add(u32::from(byte.to_ascii_lowercase()))
        });
        hash % 196_613
    };
    let mut sorted: Vec<&(String, String)> = automatic.iter().collect();
    let position = |architecture: &str| architectures.iter().position(|known| *known == architecture);
    sorted.sort_by_cached_key(|(name, arch)| (bucket(name), name.len(), name.clone(), position(arch)));
    sorted
        .into_iter()
        .map(|(name, architecture)| {
            format!("Package: {name}\nArchitecture: {architecture}\nAuto-Installed: 1\n\n")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_in_the_order_of_apts_cache() {
        let marked: Vec<(String, String)> = ["libapt-pkg7.0", "sqv", "libhogweed6t64"]
            .map(|name| (name.to_owned(), "riscv64".to_owned()))
            .to_vec();
        let text = extended_states(&marked, &["riscv64"]);
        let names: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("Package: "))
            .collect();
        // As apt wrote it on an installed system.
        assert_eq!(names, ["libhogweed6t64", "sqv", "libapt-pkg7.0"]);
        assert!(text.starts_with("Package: libhogweed6t64\nArchitecture: riscv64\nAuto-Installed: 1\n\n"));
    }

    #[test]
    fn marks_of_one_name_are_in_the_order_of_architectures() {
        let marked = ["amd64", "riscv64"].map(|arch| ("libffi8".to_owned(), arch.to_owned()));
        let text = extended_states(&marked, &["riscv64", "amd64"]);
        assert!(text.find("riscv64") < text.find("amd64"), "{text}");
    }

    #[test]
    fn where_nothing_is_fetched_apt_has_no_archives() {
        for fetched in [true, false] {
            let directory = tempfile::tempdir().unwrap();
            let target = Target::open(directory.path()).unwrap();
            prepare(&target, &[], &Given::default(), fetched, Mmdebstrap::BOOKWORM).unwrap();
            finish(&target, &Skip::default()).unwrap();
            let there = |path: &str| target.stat(Path::new(path)).is_ok();
            assert_eq!(there("/var/cache/apt/archives/lock"), fetched);
            assert!(there("/var/cache/apt") && there("/var/lib/apt/lists/lock"));
        }
    }

    #[test]
    fn a_finished_target_has_no_leftovers() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::open(directory.path()).unwrap();
        prepare(
            &target,
            &[("etc/apt/sources.list".into(), "deb x".into())],
            &Given::default(),
            true,
            Mmdebstrap::NEWEST,
        )
        .unwrap();
        directories(&target, "/run/user/1").unwrap();
        directories(&target, "/run/lock").unwrap();
        file(&target, "/tmp/left", b"x", 0o644).unwrap();
        file(&target, "/var/log/dpkg.log", b"x", 0o644).unwrap();
        file(&target, "/var/cache/apt/pkgcache.bin", b"x", 0o644).unwrap();
        file(&target, "/etc/machine-id", b"x", 0o444).unwrap();
        finish(&target, &Skip::default()).unwrap();
        assert_eq!(target.read_dir(Path::new("/run")).unwrap(), ["lock"]);
        assert!(target.read_dir(Path::new("/tmp")).unwrap().is_empty());
        assert!(target.read(Path::new("/etc/machine-id")).unwrap().is_empty());
        for path in ["/var/log/dpkg.log", "/var/cache/apt/pkgcache.bin"] {
            assert!(target.stat(Path::new(path)).is_err(), "{path}");
        }
        let partial = target.stat(Path::new("/var/lib/apt/lists/partial")).unwrap();
        assert_eq!((partial.meta.uid, partial.meta.mode), (APT_UID, 0o700));
        assert_eq!(target.read(Path::new("/etc/apt/sources.list")).unwrap(), b"deb x");
    }
}
