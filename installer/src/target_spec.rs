//! The TARGET argument and its forms.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::output::Compression;
use deb_types::near::distance;

/// Form and path of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetSpec {
    /// A directory that does not exist yet, or is empty.
    Directory(PathBuf),
    /// A tar archive in a file.
    Tar {
        /// The file.
        path: PathBuf,
        /// Compression, by the end of the name.
        compression: Compression,
    },
    /// A tar archive that is written to a pipe or a device.
    Stream {
        /// The pipe or device.
        path: PathBuf,
        /// Compression, by the end of the name.
        compression: Compression,
    },
    /// An uncompressed tar archive on standard output.
    Stdout,
}

/// Reason why an argument is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The argument is empty.
    #[error("the target's name is empty")]
    Empty,
    /// The name has the suffix of a format that is not supported.
    #[error("cannot write the format `{end}`: give {near}, or for a directory of that name add a `/`")]
    Format {
        /// The suffix.
        end: String,
        /// The nearest name that would be written.
        near: String,
    },
    /// The argument looks like a command.
    #[error("`{word}` is no command; {near}; a directory of that name is ./{word}")]
    Command {
        /// The argument.
        word: String,
        /// The nearest that there is.
        near: String,
    },
    /// The argument begins with a scheme.
    #[error(
        "`{scheme}:` is no kind of target: give a directory, NAME.tar, NAME.tar.gz, NAME.tar.xz, NAME.tar.zst or `-`; \
         a directory of that name is ./{argument}"
    )]
    Scheme {
        /// The scheme.
        scheme: String,
        /// The argument.
        argument: String,
    },
}

/// Suffixes of archives and images, and the suffix of the nearest format that is written: a directory of such a name
/// would be a surprise.
const OTHER_FORMATS: &[(&str, &str)] = &[
    (".tgz", ".tar.gz"),
    (".taz", ".tar.gz"),
    (".txz", ".tar.xz"),
    (".tlz", ".tar.xz"),
    (".tzst", ".tar.zst"),
    (".tzs", ".tar.zst"),
    (".tz", ".tar.gz"),
    (".tz2", ".tar.xz"),
    (".tbz", ".tar.xz"),
    (".tbz2", ".tar.xz"),
    (".tb2", ".tar.xz"),
    (".gz", ".tar.gz"),
    (".xz", ".tar.xz"),
    (".zst", ".tar.zst"),
    (".zstd", ".tar.zst"),
    (".bz2", ".tar.xz"),
    (".lz", ".tar.xz"),
    (".lz4", ".tar.zst"),
    (".lzma", ".tar.xz"),
    (".lzo", ".tar.zst"),
    (".br", ".tar.zst"),
    (".z", ".tar.gz"),
    (".7z", ".tar.xz"),
    (".zip", ".tar.gz"),
    (".rar", ".tar.xz"),
    (".cpio", ".tar"),
    (".pax", ".tar"),
    (".ar", ".tar"),
    (".deb", ".tar"),
    (".rpm", ".tar"),
    (".oci", ".tar"),
    (".docker", ".tar"),
    (".sif", ".tar"),
    (".squashfs", ".tar"),
    (".sqfs", ".tar"),
    (".sqsh", ".tar"),
    (".sfs", ".tar"),
    (".snap", ".tar"),
    (".ext2", ".tar"),
    (".ext3", ".tar"),
    (".ext4", ".tar"),
    (".btrfs", ".tar"),
    (".xfs", ".tar"),
    (".f2fs", ".tar"),
    (".erofs", ".tar"),
    (".cramfs", ".tar"),
    (".romfs", ".tar"),
    (".jffs2", ".tar"),
    (".ubifs", ".tar"),
    (".ubi", ".tar"),
    (".img", ".tar"),
    (".image", ".tar"),
    (".raw", ".tar"),
    (".wic", ".tar"),
    (".dmg", ".tar"),
    (".qcow", ".tar"),
    (".qcow2", ".tar"),
    (".vdi", ".tar"),
    (".vmdk", ".tar"),
    (".vhd", ".tar"),
    (".vhdx", ".tar"),
    (".ova", ".tar"),
    (".wim", ".tar"),
    (".iso", ".tar"),
    (".tra", ".tar"),
    (".atr", ".tar"),
    (".tarr", ".tar"),
];

/// Words that are commands of this program's kind elsewhere, and what there is here.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["help", "usage", "man"], "there is `rootless-install --help`"),
    (&["version"], "there is `rootless-install --version`"),
    (
        &[
            "install",
            "add",
            "bootstrap",
            "build",
            "create",
            "init",
            "make",
            "mk",
            "new",
            "pull",
            "setup",
        ],
        "the target is the only argument: `rootless-install TARGET`",
    ),
    (
        &[
            "dry-run", "plan", "simulate", "list", "show", "info", "search", "ls",
        ],
        "what would be installed is printed by `rootless-install --dry-run TARGET`",
    ),
    (
        &[
            "configure",
            "purge",
            "remove",
            "uninstall",
            "unpack",
            "apt",
            "apt-get",
            "dpkg-deb",
            "query",
            "status",
        ],
        "a root filesystem that exists is changed by `rootless-install dpkg`",
    ),
    (
        &["upgrade", "update", "dist-upgrade", "full-upgrade"],
        "apt upgrades a root filesystem that exists, with `rootless-install dpkg` as its dpkg",
    ),
    (
        &["check", "analyse", "analyze"],
        "there is `rootless-install lint`",
    ),
    (
        &[
            "cache",
            "clean",
            "completion",
            "completions",
            "config",
            "debug",
            "delete",
            "download",
            "enter",
            "exec",
            "export",
            "fetch",
            "import",
            "run",
            "shell",
            "start",
            "test",
        ],
        "there are `rootless-install TARGET`, `rootless-install lint` and `rootless-install dpkg`",
    ),
];

impl TargetSpec {
    /// Parses the argument: `-`, a name that ends in `.tar` and perhaps `.gz`,
    /// `.xz` or `.zst`, or a directory. A name that ends in `/` is a directory.
    ///
    /// # Errors
    /// [`TargetError`] where the user cannot mean a directory of that name.
    pub fn parse(argument: &OsStr) -> Result<Self, TargetError> {
        let bytes = argument.as_bytes();
        if bytes.is_empty() {
            return Err(TargetError::Empty);
        }
        if bytes == b"-" {
            return Ok(Self::Stdout);
        }
        let path = PathBuf::from(argument);
        if bytes.ends_with(b"/") {
            return Ok(Self::Directory(path));
        }
        let lower = bytes.to_ascii_lowercase();
        for (end, compression) in [
            (".tar", Compression::None),
            (".tar.gz", Compression::Gzip),
            (".tar.xz", Compression::Xz),
            (".tar.zst", Compression::Zstd),
        ] {
            if lower.ends_with(end.as_bytes()) {
                return Ok(Self::Tar { path, compression });
            }
        }
        let text = argument.to_string_lossy();
        match other_format(&text)
            .or_else(|| scheme(&text))
            .or_else(|| command(&text))
        {
            Some(error) => Err(error),
            None => Ok(Self::Directory(path)),
        }
    }

    /// As [`TargetSpec::parse`], but a pipe or a character device that is there is written to, whatever its name.
    ///
    /// # Errors
    /// Those of [`TargetSpec::parse`].
    pub fn find(argument: &OsStr) -> Result<Self, TargetError> {
        let parsed = Self::parse(argument);
        let kind = std::fs::metadata(argument).map(|found| found.file_type());
        if !kind.is_ok_and(|kind| kind.is_fifo() || kind.is_char_device()) {
            return parsed;
        }
        Ok(Self::Stream {
            path: PathBuf::from(argument),
            compression: match parsed {
                Ok(Self::Tar { compression, .. }) => compression,
                _ => Compression::None,
            },
        })
    }

    /// Returns the path of the result; none for standard output.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Directory(path) | Self::Tar { path, .. } | Self::Stream { path, .. } => Some(path),
            Self::Stdout => None,
        }
    }

    /// Returns the compression of the archive; none for a directory.
    pub fn compression(&self) -> Option<Compression> {
        match self {
            Self::Directory(_) => None,
            Self::Tar { compression, .. } | Self::Stream { compression, .. } => Some(*compression),
            Self::Stdout => Some(Compression::None),
        }
    }
}

/// Returns the error of a name with the suffix of another format.
fn other_format(name: &str) -> Option<TargetError> {
    let error = |end: &str, near: &str| TargetError::Format {
        end: end.to_owned(),
        near: near.to_owned(),
    };
    let file = name.rsplit('/').next().unwrap_or(name);
    let lower = file.to_ascii_lowercase();
    // Whatever comes after `.tar` is a compression.
    if let Some(at) = lower.rfind(".tar.") {
        let (stem, end) = name.split_at(name.len() - (file.len() - at));
        return Some(error(
            end,
            &format!("{stem}.tar, {stem}.tar.gz, {stem}.tar.xz or {stem}.tar.zst"),
        ));
    }
    let (end, near) = OTHER_FORMATS
        .iter()
        .find(|(end, _)| lower.ends_with(end) && lower.len() > end.len())?;
    let mut stem = name.get(..name.len() - end.len())?;
    let mut end = (*end).to_owned();
    // An image that is compressed: rootfs.cpio.gz.
    let inner = stem.to_ascii_lowercase();
    if let Some((inner, _)) = OTHER_FORMATS.iter().find(|(other, _)| inner.ends_with(other)) {
        stem = stem.get(..stem.len() - inner.len())?;
        end = format!("{inner}{end}");
    }
    Some(error(&end, &format!("{stem}{near}")))
}

/// Returns the error of a name that begins with a scheme, as `oci:x` does.
fn scheme(name: &str) -> Option<TargetError> {
    let (scheme, _) = name.split_once(':')?;
    let starts = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let valid = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    (starts && scheme.chars().all(valid)).then(|| TargetError::Scheme {
        scheme: scheme.to_owned(),
        argument: name.to_owned(),
    })
}

/// Returns the error of a word that looks like a command.
fn command(name: &str) -> Option<TargetError> {
    let error = |near: &str| TargetError::Command {
        word: name.to_owned(),
        near: near.to_owned(),
    };
    let lower = name.to_ascii_lowercase();
    let known = |(words, _): &&(&[&str], &str)| words.contains(&lower.as_str());
    if let Some((_, near)) = COMMANDS.iter().find(known) {
        return Some(error(near));
    }
    // A letter too many, too few, or two that are swapped.
    let misspelt = |command: &str| {
        let swapped = || {
            let sorted = |word: &str| {
                let mut letters: Vec<char> = word.chars().collect();
                letters.sort_unstable();
                letters
            };
            sorted(command) == sorted(&lower)
        };
        (lower.len() != command.len() || swapped()) && distance(command, &lower, 1).is_some()
    };
    for (command, near) in [
        ("lint", "there is `rootless-install lint`"),
        ("dpkg", "there is `rootless-install dpkg`"),
        ("help", "there is `rootless-install --help`"),
        ("version", "there is `rootless-install --version`"),
    ] {
        // The commands themselves, in other letters or at another place.
        if misspelt(command) || lower == command {
            return Some(error(near));
        }
    }
    None
}

impl fmt::Display for TargetSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path() {
            Some(path) => write!(f, "{}", path.display()),
            None => f.write_str("standard output"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(argument: &str) -> Result<TargetSpec, TargetError> {
        TargetSpec::parse(OsStr::new(argument))
    }

    #[test]
    fn forms() {
        let directory = |path: &str| Ok(TargetSpec::Directory(path.into()));
        let tar = |path: &str, compression| {
            Ok(TargetSpec::Tar {
                path: path.into(),
                compression,
            })
        };
        assert_eq!(parse("-"), Ok(TargetSpec::Stdout));
        assert_eq!(parse("target/"), directory("target/"));
        assert_eq!(parse("target"), directory("target"));
        assert_eq!(parse("a.tar"), tar("a.tar", Compression::None));
        assert_eq!(parse("a.tar/"), directory("a.tar/"));
        assert_eq!(parse("d/a.TAR.gz"), tar("d/a.TAR.gz", Compression::Gzip));
        assert_eq!(parse("a.tar.xz"), tar("a.tar.xz", Compression::Xz));
        assert_eq!(parse("a.tar.zst"), tar("a.tar.zst", Compression::Zstd));
        assert_eq!(parse("a.squashfs/"), directory("a.squashfs/"));
        for name in [
            "debian.13",
            "trixie-arm64",
            "target.d",
            "x.tmp",
            "mint",
            "line",
            "./help",
            "d/version",
            "a:b/",
        ] {
            assert_eq!(parse(name), directory(name));
        }
        assert_eq!(parse(""), Err(TargetError::Empty));
    }

    #[test]
    fn surprises_are_refused_with_the_nearest() {
        for (name, said) in [
            ("a.tar.bz2", "a.tar.xz"),
            ("a.tar.gzz", "a.tar.gz"),
            ("d.tar/a.tar.q", "d.tar/a.tar.zst"),
            ("a.squashfs", "give a.tar,"),
            ("image.oci", "give image.tar,"),
            ("rootfs.cpio.gz", "give rootfs.tar.gz,"),
            ("disk.img.xz", "give disk.tar.xz,"),
            ("y.tz2", "give y.tar.xz,"),
            ("A.TGZ", "give A.tar.gz,"),
            ("a.tra", "give a.tar,"),
            ("oci:x", "`oci:` is no kind of target"),
            ("docker://x/y", "`docker:` is no kind of target"),
            ("file:///tmp/x", "./file:///tmp/x"),
            ("help", "rootless-install --help"),
            ("version", "rootless-install --version"),
            ("Help", "rootless-install --help"),
            ("install", "rootless-install TARGET"),
            ("simulate", "--dry-run"),
            ("remove", "rootless-install dpkg"),
            ("lnit", "rootless-install lint"),
            ("lints", "rootless-install lint"),
            ("dkpg", "rootless-install dpkg"),
            ("LINT", "rootless-install lint"),
            ("shell", "./shell"),
        ] {
            match parse(name) {
                Err(error) => assert!(error.to_string().contains(said), "{name}: {error}"),
                Ok(spec) => panic!("{name}: {spec:?}"),
            }
        }
    }

    #[test]
    fn devices_and_pipes_are_written_to() {
        let null = TargetSpec::find(OsStr::new("/dev/null"));
        let compression = Compression::None;
        assert_eq!(
            null,
            Ok(TargetSpec::Stream {
                path: "/dev/null".into(),
                compression
            })
        );
        assert_eq!(TargetSpec::find(OsStr::new("x")), parse("x"));
    }
}
