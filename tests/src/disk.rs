//! Two target directories compared as they are on the disk, records of owners and modes included.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::Result;
use crate::deb::hex;
use crate::error::At as _;

/// What a directory has for those who come upon it.
pub const MARKER: &str = "README.rootless-install";

/// What keeps the target's own owner, mode and kind of a file.
pub const RECORD: &str = "user.containers.override_stat";

/// Every path below a directory, with type, mode, record of the owner, and content; no times.
///
/// # Errors
/// When something cannot be read.
pub fn entries(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut entries = BTreeMap::new();
    let mut left = vec![root.to_path_buf()];
    while let Some(path) = left.pop() {
        let facts = std::fs::symlink_metadata(&path).at(&path)?;
        let mode = facts.permissions().mode();
        let content = if facts.is_dir() {
            for entry in std::fs::read_dir(&path).at(&path)? {
                let found = entry.at(&path)?.path();
                // It is beside the root filesystem, not of it.
                if found
                    .strip_prefix(root)
                    .is_ok_and(|name| name != Path::new(MARKER))
                {
                    left.push(found);
                }
            }
            String::new()
        } else if facts.is_symlink() {
            std::fs::read_link(&path).at(&path)?.display().to_string()
        } else {
            hex(&Sha256::digest(std::fs::read(&path).at(&path)?))
        };
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        entries.insert(name, format!("{mode:o} {content}"));
    }
    for (name, record) in records(root)? {
        if let Some(told) = entries.get_mut(&name) {
            *told += &format!(" {record}");
        }
    }
    Ok(entries)
}

/// The records of all files that have one, by path.
///
/// # Errors
/// When getfattr(1) cannot be run.
pub fn records(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut command = Command::new("getfattr");
    command
        .args(["-R", "-P", "-h", "-n", RECORD, "."])
        .current_dir(root);
    let told = command.output().at(root)?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let mut records = BTreeMap::new();
    for block in told.split("\n\n") {
        let name = block.lines().find_map(|line| line.strip_prefix("# file: "));
        let value = block.lines().find_map(|line| line.strip_prefix(RECORD));
        if let (Some(name), Some(value)) = (name, value) {
            let name = if name == "." { "" } else { name };
            records.insert(name.to_owned(), value.trim_matches(['=', '"']).to_owned());
        }
    }
    Ok(records)
}

/// Names of entries that are not the same in both, with what they are; those that `ignored` knows
/// do not count.
#[must_use]
pub fn differences(
    left: &BTreeMap<String, String>,
    right: &BTreeMap<String, String>,
    ignored: impl Fn(&str) -> bool,
) -> Vec<String> {
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let differ = |name: &&&String| left.get(**name) != right.get(**name) && !ignored(name);
    let told = |name: &String| format!("{name}: {:?} -> {:?}", left.get(name), right.get(name));
    names.iter().filter(differ).map(|name| told(name)).collect()
}
