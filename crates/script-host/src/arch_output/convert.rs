//! Files that a native program reads and writes in the target: they are converted before and after it runs.

use super::{gdbm, logins};
use deb_arch::Architecture;
use rootless_install_fs::{FileType, Target};
use std::path::{Path, PathBuf};
use tool_table::output::Form;

/// Directory of mandb(8)'s databases, and of a directory for each language with one.
const DATABASES: &str = "/var/cache/man";
/// File name of a database.
const DATABASE: &str = "index.db";

/// Brings files into this machine's form, before the native counterpart of `program` runs. A database that cannot be
/// converted is removed: the program makes it anew.
pub(crate) fn into_native(target: &Target, arch: &Architecture, form: Form, program: &Path) {
    // What is gone, or has no known form, needs no reason.
    let _ = match form {
        Form::Gdbm => convert_databases(target, arch, Architecture::native()),
        Form::Logins => {
            let layout = logins::Layout::of_program(target, arch, program);
            convert_logins(target, layout, logins::Layout::native())
        }
    };
}

/// Brings files into the target's form, after the native counterpart of `program` has run. A database that cannot be
/// converted is removed, so that the target's own program makes it anew.
///
/// # Errors
/// The first file that cannot be converted, and the reason, in words.
pub(crate) fn into_target(
    target: &Target,
    arch: &Architecture,
    form: Form,
    program: &Path,
) -> Result<(), String> {
    match form {
        Form::Gdbm => convert_databases(target, Architecture::native(), arch),
        Form::Logins => {
            let layout = logins::Layout::of_program(target, arch, program);
            convert_logins(target, logins::Layout::native(), layout)
        }
    }
}

fn convert_databases(target: &Target, from: &Architecture, to: &Architecture) -> Result<(), String> {
    let [from, to] = [from, to].map(gdbm::Layout::of);
    let mut first = Ok(());
    for path in databases(target) {
        let converted = convert_one(target, &path, |data| gdbm::convert(data, from, to));
        if let Err(reason) = converted {
            first = first.and(Err(reason));
            // It may have gone meanwhile.
            let _ = target.remove(&path);
        }
    }
    first
}

fn databases(target: &Target) -> Vec<PathBuf> {
    let top = Path::new(DATABASES);
    let languages = target.read_dir(top).unwrap_or_default();
    let directories = std::iter::once(top.to_owned()).chain(languages.iter().map(|name| top.join(name)));
    directories
        .map(|directory| directory.join(DATABASE))
        .filter(|path| is_file(target, path))
        .collect()
}

fn convert_logins(target: &Target, from: logins::Layout, to: logins::Layout) -> Result<(), String> {
    let mut first = Ok(());
    for (kind, path) in logins::Kind::ALL {
        let path = Path::new(path);
        if from.size(kind) == to.size(kind) && from.is_alike(to) || !is_file(target, path) {
            continue;
        }
        let converted = convert_one(target, path, |data| {
            logins::convert(kind, data, from, to).map(Some)
        });
        first = first.and(converted);
    }
    first
}

fn is_file(target: &Target, path: &Path) -> bool {
    target
        .stat(path)
        .is_ok_and(|stat| stat.meta.kind == FileType::Regular)
}

/// Writes a file anew in another form, unless `convert` has nothing to change.
fn convert_one(
    target: &Target,
    path: &Path,
    convert: impl FnOnce(&[u8]) -> Result<Option<Vec<u8>>, String>,
) -> Result<(), String> {
    let named = |reason: &dyn std::fmt::Display| format!("{}: {reason}", path.display());
    let meta = target.stat(path).map_err(|error| named(&error))?.meta;
    let data = target.read(path).map_err(|error| named(&error))?;
    match convert(&data).map_err(|reason| named(&reason))? {
        Some(converted) => target
            .write(path, &converted, &meta)
            .map_err(|error| named(&error)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rootless_install_fs::Meta;

    #[test]
    fn logins_have_the_form_of_who_reads_them() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::open(directory.path()).unwrap();
        let (log, program) = (Path::new("/var/log/faillog"), Path::new("/usr/sbin/useradd"));
        let meta = |kind, mode| Meta::of_root(kind, mode);
        for name in ["/usr", "/usr/sbin", "/var", "/var/log"] {
            target
                .make_dir(Path::new(name), &meta(FileType::Directory, 0o755))
                .unwrap();
        }
        let mut owned = meta(FileType::Regular, 0o640);
        owned.gid = 43;
        let plain = Path::new("/usr/sbin/useradd");
        target
            .write(plain, b"ELF time\0", &meta(FileType::Regular, 0o755))
            .unwrap();
        let [native, i386, armhf] =
            [Architecture::native().name, "i386", "armhf"].map(|name| Architecture::by_name(name).unwrap());
        let size = || target.stat(log).unwrap().size;
        let record =
            |arch| logins::Layout::of_program(&target, arch, program).size(logins::Kind::Failed) as u64;
        assert_eq!(
            into_target(&target, i386, Form::Logins, program),
            Ok(()),
            "there is none"
        );

        target.write(log, &[0; 24 * 101], &owned).unwrap();
        into_native(&target, i386, Form::Logins, program);
        assert_eq!(size(), 101 * record(native));
        into_target(&target, i386, Form::Logins, program).unwrap();
        assert_eq!(size(), 101 * 24);
        assert_eq!(target.stat(log).unwrap().meta, owned);

        let wide = meta(FileType::Regular, 0o755);
        target.write(plain, b"ELF __time64\0", &wide).unwrap();
        assert_eq!((record(i386), record(armhf)), (28, 32));

        // The width of times differs where word size and byte order do not.
        let last = Path::new("/var/log/lastlog");
        let arm64 = Architecture::by_name("arm64").unwrap();
        let [narrow, wide] = [native, arm64].map(|arch| 101 * (u64::from(arch.login_time()) + 288));
        target
            .write(last, &vec![0; usize::try_from(wide).unwrap()], &owned)
            .unwrap();
        let last_size = || target.stat(last).unwrap().size;
        into_native(&target, arm64, Form::Logins, program);
        assert_eq!(last_size(), narrow);
        into_target(&target, arm64, Form::Logins, program).unwrap();
        assert_eq!(last_size(), wide);
        target.remove(last).unwrap();

        // What is no record of either stays as it is.
        target.write(log, b"x", &owned).unwrap();
        into_native(&target, i386, Form::Logins, program);
        let why = into_target(&target, i386, Form::Logins, program).unwrap_err();
        assert!(why.starts_with("/var/log/faillog: 1 bytes"), "{why}");
        assert_eq!(target.read(log).unwrap(), b"x");
    }
}
