//! `stat`: what the target's users see of files.

use super::error::Error;
use crate::accounts::Names;
use crate::finished;
use rootless_install_fs::{FileType, Stat, Target, Xattrs};
use serde_json::{Map, Value, json};
use shim_protocol::capability;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use task_progress::{Cancel, escape_path};

/// Settings of the command.
#[derive(Clone, Debug)]
pub struct StatSettings {
    /// The target, where paths are its own; none where they are the machine's.
    pub root: Option<PathBuf>,
    /// The files.
    pub paths: Vec<PathBuf>,
    /// Whether all below directories is shown, too.
    pub recursive: bool,
    /// Whether owners are numbers.
    pub numeric: bool,
    /// Whether each file is a line of JSON.
    pub json: bool,
}

/// Attribute of capabilities (capabilities(7)).
const CAPABILITY: &str = "security.capability";

/// Shows the files on `out`, a line each.
///
/// # Errors
/// Those of finding and reading files, and of writing.
pub fn run(settings: &StatSettings, out: &mut dyn Write, cancel: &Cancel) -> Result<(), Error> {
    let mut known: Option<(PathBuf, Names)> = None;
    for path in &settings.paths {
        let (target, inside) = finished::of_path(settings.root.as_deref(), path)?;
        let names = match known.take() {
            Some((root, names)) if root == target.root_path() => names,
            _ => Names::of(&target),
        };
        let showing = Showing {
            target: &target,
            names: &names,
            settings,
        };
        let mut left = vec![(path.clone(), inside)];
        while let Some((shown, inside)) = left.pop() {
            cancel.check()?;
            let stat = target.stat(&inside)?;
            let line = showing.line(&shown, &inside, &stat)?;
            writeln!(out, "{line}").map_err(Error::Print)?;
            if settings.recursive && stat.meta.kind == FileType::Directory {
                let names = target.read_dir(&inside)?;
                let below = names.into_iter().rev();
                left.extend(below.map(|name| (shown.join(&name), inside.join(&name))));
            }
        }
        known = Some((target.root_path().to_owned(), names));
    }
    out.flush().map_err(Error::Print)
}

struct Showing<'a> {
    target: &'a Target,
    names: &'a Names,
    settings: &'a StatSettings,
}

impl Showing<'_> {
    fn line(&self, shown: &Path, inside: &Path, stat: &Stat) -> Result<String, Error> {
        let link = match stat.meta.kind {
            FileType::Symlink => Some(self.target.read_link(inside)?),
            _ => None,
        };
        let xattrs = self.target.xattrs(inside)?;
        Ok(match self.settings.json {
            true => self.json(shown, stat, link.as_deref(), &xattrs),
            false => self.text(shown, stat, link.as_deref(), &xattrs),
        })
    }

    fn text(&self, shown: &Path, stat: &Stat, link: Option<&Path>, xattrs: &Xattrs) -> String {
        let meta = &stat.meta;
        let (user, group) = match self.settings.numeric {
            true => (meta.uid.to_string(), meta.gid.to_string()),
            false => (self.names.user(meta.uid), self.names.group(meta.gid)),
        };
        let size = match meta.kind {
            FileType::CharDevice { major, minor } | FileType::BlockDevice { major, minor } => {
                format!("{major}, {minor}")
            }
            _ => stat.size.to_string(),
        };
        let seconds = u64::try_from(meta.mtime.sec)
            .unwrap_or_default()
            .min(253_402_300_799);
        let time = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds));
        let mut line = format!(
            "{}{:<2}{:>3} {user:<8} {group:<8} {size:>9} {time} {}",
            letters(meta.kind, meta.mode),
            if has_list(xattrs) { "+" } else { "" },
            stat.nlink,
            escape_path(shown)
        );
        if let Some(link) = link {
            line += &format!(" -> {}", escape_path(link));
        }
        let capabilities = xattrs.iter().find(|(name, _)| name == CAPABILITY);
        if let Some((_, value)) = capabilities {
            line += &format!(" [{}]", capabilities_text(value));
        }
        line
    }

    fn json(&self, shown: &Path, stat: &Stat, link: Option<&Path>, xattrs: &Xattrs) -> String {
        let meta = &stat.meta;
        let (kind, device) = match meta.kind {
            FileType::Regular => ("file", None),
            FileType::Directory => ("directory", None),
            FileType::Symlink => ("symlink", None),
            FileType::Fifo => ("pipe", None),
            FileType::Socket => ("socket", None),
            FileType::CharDevice { major, minor } => ("char", Some((major, minor))),
            FileType::BlockDevice { major, minor } => ("block", Some((major, minor))),
        };
        let mut value = json!({
            "path": shown.to_string_lossy(),
            "type": kind,
            "mode": format!("{:04o}", meta.mode),
            "uid": meta.uid,
            "gid": meta.gid,
            "user": self.names.user(meta.uid),
            "group": self.names.group(meta.gid),
            "size": stat.size,
            "nlink": stat.nlink,
            "inode": stat.ino,
            "mtime": meta.mtime.sec,
            "mtime_nsec": meta.mtime.nsec,
        });
        let Some(fields) = value.as_object_mut() else {
            return String::new();
        };
        if let Some((major, minor)) = device {
            fields.insert("device".to_owned(), json!([major, minor]));
        }
        if let Some(link) = link {
            fields.insert("link".to_owned(), json!(link.to_string_lossy()));
        }
        if !xattrs.is_empty() {
            let all: Map<String, Value> = xattrs
                .iter()
                .map(|(name, value)| (name.to_string_lossy().into_owned(), json!(deb_types::hex(value))))
                .collect();
            fields.insert("xattrs".to_owned(), Value::Object(all));
        }
        if let Some((_, value)) = xattrs.iter().find(|(name, _)| name == CAPABILITY) {
            fields.insert("capabilities".to_owned(), json!(capabilities_text(value)));
        }
        value.to_string()
    }
}

fn has_list(xattrs: &Xattrs) -> bool {
    xattrs
        .iter()
        .any(|(name, _)| name.to_string_lossy().starts_with("system.posix_acl_"))
}

/// Returns type and mode as `ls -l` shows them.
fn letters(kind: FileType, mode: u32) -> String {
    let mut text = String::from(match kind {
        FileType::Regular => '-',
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
        FileType::CharDevice { .. } => 'c',
        FileType::BlockDevice { .. } => 'b',
    });
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// Returns capabilities as setcap(8) takes them.
fn capabilities_text(value: &[u8]) -> String {
    let Some(sets) = capability::sets(value) else {
        return "no capabilities".to_owned();
    };
    // Names of the same sets are together.
    let mut clauses: Vec<(String, Vec<String>)> = Vec::new();
    for (number, name) in capability::NAMES.iter().enumerate() {
        let has = |set: u64| set >> number & 1 == 1;
        let mut flags = String::new();
        if sets.effective && (has(sets.permitted) || has(sets.inheritable)) {
            flags.push('e');
        }
        if has(sets.inheritable) {
            flags.push('i');
        }
        if has(sets.permitted) {
            flags.push('p');
        }
        if flags.is_empty() {
            continue;
        }
        match clauses.iter_mut().find(|(known, _)| *known == flags) {
            Some((_, names)) => names.push(format!("cap_{name}")),
            None => clauses.push((flags, vec![format!("cap_{name}")])),
        }
    }
    let texts: Vec<String> = clauses
        .into_iter()
        .map(|(flags, names)| format!("{}={flags}", names.join(",")))
        .collect();
    texts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_have_letters() {
        let device = FileType::CharDevice { major: 1, minor: 3 };
        for (kind, mode, text) in [
            (FileType::Regular, 0o644, "-rw-r--r--"),
            (FileType::Regular, 0o4755, "-rwsr-xr-x"),
            (FileType::Regular, 0o6644, "-rwSr-Sr--"),
            (FileType::Directory, 0o1777, "drwxrwxrwt"),
            (device, 0o666, "crw-rw-rw-"),
        ] {
            assert_eq!(letters(kind, mode), text);
        }
    }

    #[test]
    fn capabilities_are_what_setcap_takes() {
        for text in [
            "cap_net_raw=ep",
            "cap_chown,cap_bpf=p",
            "cap_chown=eip cap_net_raw=ep",
        ] {
            let value = capability::attribute(text.as_bytes()).unwrap();
            assert_eq!(capabilities_text(&value), text);
        }
        assert_eq!(capabilities_text(b"x"), "no capabilities");
    }
}
