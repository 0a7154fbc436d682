//! Names of which no user means a directory: those of other formats, schemes and commands, with the nearest thing that
//! there is.

use super::TargetError;
use crate::command_names::{ON_TARGETS, OTHERS};
use crate::output::Format;
use deb_types::near::{distance, nearest};

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
    (".pax", ".tar"),
    (".ar", ".tar"),
    (".deb", ".tar"),
    (".rpm", ".tar"),
    (".docker", ".docker.tar"),
    (".sif", ".tar"),
    (".ext", ".ext4"),
    (".sqsh", ".squashfs"),
    (".sqfs", ".squashfs"),
    (".squash", ".squashfs"),
    (".sfs", ".squashfs"),
    (".snap", ".squashfs"),
    (".f2fs", ".ext4"),
    (".cramfs", ".squashfs"),
    (".romfs", ".squashfs"),
    (".jffs2", ".tar"),
    (".ubifs", ".tar"),
    (".ubi", ".tar"),
    (".image", ".img"),
    (".wic", ".img"),
    (".dmg", ".img"),
    (".qcow", ".qcow2"),
    (".vdi", ".qcow2"),
    (".vhdx", ".vhd"),
    (".ova", ".vmdk"),
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
            "depends", "dry-run", "info", "list", "ls", "policy", "resolve", "search", "show", "simulate",
            "solve", "why",
        ],
        "what would be installed is printed by `rootless-install plan`",
    ),
    (
        &["freeze", "lock", "unlock"],
        "what is chosen is kept by --lock FILE and made again by --locked FILE, options of `rootless-install TARGET`",
    ),
    (
        &["compare", "delta"],
        "locks are compared by `rootless-install diff`, a target with what was installed by `rootless-install check`",
    ),
    (
        &["recipe", "schema", "validate"],
        "there is `rootless-install build RECIPE`, and its option --schema",
    ),
    (
        &["verify", "audit", "inspect", "scan"],
        "there are `rootless-install check` and `rootless-install sbom`",
    ),
    (
        &[
            "configure",
            "purge",
            "remove",
            "uninstall",
            "apt",
            "apt-get",
            "autoremove",
            "dpkg-deb",
            "dpkg-query",
            "query",
            "reinstall",
            "status",
        ],
        "a root filesystem that exists is changed by `rootless-install run TARGET -- apt-get` and `rootless-install dpkg`",
    ),
    (
        &["export", "image", "save", "tar"],
        "a root filesystem that exists is written by `rootless-install pack`",
    ),
    (
        &["extract", "import", "load", "restore"],
        "an archive becomes a directory by `rootless-install unpack`",
    ),
    (
        &["unmount", "detach"],
        "a target that is mounted is let go by `rootless-install umount`",
    ),
    (
        &["delete", "rmdir"],
        "a root filesystem is removed by `rootless-install rm`",
    ),
    (
        &["upgrade", "update", "dist-upgrade", "full-upgrade"],
        "apt upgrades a root filesystem that exists: `rootless-install run TARGET -- apt-get full-upgrade`",
    ),
    (
        &["vm", "qemu"],
        "a system is started in a virtual machine by `rootless-install boot`",
    ),
    (
        &["publish", "upload"],
        "an image is sent to a registry by `rootless-install push`",
    ),
    (
        &["analyse", "analyze"],
        "there are `rootless-install check` and `rootless-install lint`",
    ),
    (
        &[
            "completion",
            "completions",
            "config",
            "debug",
            "download",
            "fetch",
            "test",
        ],
        "there are `rootless-install TARGET`, `rootless-install lint` and `rootless-install dpkg`",
    ),
    (
        &["clean", "gc", "prune"],
        "what is kept of earlier runs is listed and removed by `rootless-install cache`",
    ),
    (
        &["bash", "chroot", "enter", "exec", "login", "sh", "start"],
        "there are `rootless-install run TARGET -- COMMAND` and `rootless-install shell TARGET`",
    ),
];

/// Words that are options here, whose neighbours are no names either.
const OPTIONS: [&str; 2] = ["help", "version"];

/// Words whose neighbours, with a letter more or less, are hardly names of directories.
const LONG: [&str; 4] = ["lint", "dpkg", "help", "version"];

/// Returns the error of a name with the suffix of another format.
pub(super) fn other_format(name: &str) -> Option<TargetError> {
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
    let Some((end, near)) = OTHER_FORMATS
        .iter()
        .find(|(end, _)| lower.ends_with(end) && lower.len() > end.len())
    else {
        let (stem, end, near) = misspelt_ending(name)?;
        return Some(error(end, &format!("{stem}{near}")));
    };
    let mut stem = name.get(..name.len() - end.len())?;
    let mut end = (*end).to_owned();
    // An image that is compressed: disk.img.xz.
    let inner = stem.to_ascii_lowercase();
    if let Some((inner, near)) = OTHER_FORMATS.iter().find(|(other, _)| inner.ends_with(other)) {
        stem = stem.get(..stem.len() - inner.len())?;
        return Some(error(&format!("{inner}{end}"), &format!("{stem}{near}")));
    }
    // What is written, with another compression: rootfs.cpio.lz4.
    if let Some(written) = Format::endings().find(|written| inner.ends_with(written)) {
        end = format!("{written}{end}");
        stem = stem.get(..stem.len() - written.len())?;
        let near = near.trim_start_matches(".tar");
        let compressed = format!("{stem}{written}{near}");
        let near = match Format::of_name(compressed.as_bytes()) {
            Some(_) => compressed,
            None => format!("{stem}{written}"),
        };
        return Some(error(&end, &near));
    }
    Some(error(&end, &format!("{stem}{near}")))
}

/// Takes a name apart whose ending differs by a letter, but not the first, from one that is written: stem, ending,
/// the ending that is meant. Short ones mean too many other things.
fn misspelt_ending(name: &str) -> Option<(&str, &str, &'static str)> {
    let at = name.rfind('.').filter(|at| *at > 0 && !name.ends_with('/'))?;
    let (stem, end) = name.split_at(at);
    let lower = end.to_ascii_lowercase();
    if stem.ends_with('/') || lower.len() < 5 || lower.contains('/') {
        return None;
    }
    let like = |written: &&str| lower.get(..2) == written.get(..2) && distance(written, &lower, 1).is_some();
    // The newest of several that are alike.
    let near = Format::endings().filter(like).last()?;
    Some((stem, end, near))
}

/// Returns the error of a name that begins with a scheme, as `oci:x` does.
pub(super) fn scheme(name: &str) -> Option<TargetError> {
    let (scheme, _) = name.split_once(':')?;
    let starts = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let valid = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    (starts && scheme.chars().all(valid)).then(|| TargetError::Scheme {
        scheme: scheme.to_owned(),
        argument: name.to_owned(),
    })
}

/// Returns the error of a word that looks like a command.
pub(super) fn command(name: &str) -> Option<TargetError> {
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
    // Words that differ by a letter may well be names of directories.
    let exchanged = |command: &str| lower.len() == command.len() && misspelt(command);
    let meant = |command: &str| {
        lower == command || exchanged(command) || LONG.contains(&command) && misspelt(command)
    };
    let mut options = OPTIONS.iter().copied();
    if let Some(option) = options.find(|option| meant(option)) {
        return Some(error(&format!("there is `rootless-install --{option}`")));
    }
    // The commands themselves come here in other letters, or at another place.
    let near = all().find(|command| meant(command))?;
    Some(error(&format!("there is `rootless-install {near}`")))
}

/// Returns the error of a word before others, which can only have been meant for a command: one with a letter that is
/// wrong, too, or two in a long word; or one that is nearly a command elsewhere.
pub(super) fn command_before_others(name: &str) -> Option<TargetError> {
    let most = if name.len() < 5 { 1 } else { 2 };
    command(name)
        .or_else(|| {
            let near = nearest(name, all(), most).into_iter().next()?;
            Some(TargetError::Command {
                word: name.to_owned(),
                near: format!("perhaps `rootless-install {near}` is meant"),
            })
        })
        .or_else(|| {
            let words = || COMMANDS.iter().flat_map(|(words, _)| words.iter().copied());
            let meant = nearest(name, words(), 1).into_iter().next()?;
            let (_, near) = COMMANDS.iter().find(|(words, _)| words.contains(&meant))?;
            Some(TargetError::Command {
                word: name.to_owned(),
                near: (*near).to_owned(),
            })
        })
}

fn all() -> impl Iterator<Item = &'static str> {
    ON_TARGETS.iter().chain(OTHERS).copied()
}
