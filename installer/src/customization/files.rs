//! Files of the user's that a system gets: of this machine, or written down where they are asked for.

use super::error::{CustomizationError, Wrong};
use super::place;
use crate::accounts::Names;
use rootless_install_fs::{FileType, Meta, Target};
use schemars::JsonSchema;
use serde::Deserialize;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, CustomizationError>;

/// A file, a link, a directory or a tree of these. It has exactly one of `source`, `content`, `link` and `directory`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FileEntry {
    /// Absolute path in the target
    pub path: String,
    /// File of this machine that is copied, or a directory with all that is in it
    pub source: Option<String>,
    /// The content itself
    pub content: Option<String>,
    /// Text of a symbolic link
    pub link: Option<String>,
    /// Whether it is a directory
    #[serde(default)]
    pub directory: bool,
    /// User that it belongs to, by name or number [default: root]
    pub owner: Option<String>,
    /// Group that it belongs to, by name or number [default: root]
    pub group: Option<String>,
    /// Permissions in octal digits [default: 0644; 0755 of a directory and of what is executable here]
    pub mode: Option<String>,
}

impl FileEntry {
    /// Parses `SRC:DST`, the last colon of which separates the two.
    ///
    /// # Errors
    /// [`Wrong`].
    pub fn of_copy(text: &str) -> std::result::Result<Self, Wrong> {
        match text.rsplit_once(':') {
            Some((source, path)) if !source.is_empty() && path.starts_with('/') => Ok(Self {
                path: path.to_owned(),
                source: Some(source.to_owned()),
                ..Self::default()
            }),
            _ => Err(Wrong::new(
                "copy",
                "give a file of this machine and an absolute path in the target, as in `motd:/etc/motd`",
            )),
        }
    }

    /// Whether it is a directory of this machine with what is in it.
    pub(super) fn is_tree(&self) -> bool {
        self.source
            .as_ref()
            .is_some_and(|source| Path::new(source).is_dir())
    }

    /// Checks its values. `directory` is that of relative paths; `DIR/` as the path takes a file in by its own name.
    ///
    /// # Errors
    /// [`Wrong`].
    pub fn complete(&mut self, directory: &Path) -> std::result::Result<(), Wrong> {
        let given = [
            self.source.is_some(),
            self.content.is_some(),
            self.link.is_some(),
            self.directory,
        ];
        if given.iter().filter(|given| **given).count() != 1 {
            return Err(Wrong::new(
                "path",
                format!("{} needs one of source, content, link and directory", self.path),
            ));
        }
        place::check_path(Path::new(&self.path)).map_err(|what| Wrong::new("path", what))?;
        if let Some(source) = &self.source {
            let path = directory.join(source);
            let wrong = |what: String| Wrong::new("source", what);
            let found = fs::metadata(&path)
                .map_err(|error| wrong(format!("cannot find {}: {error}", path.display())))?;
            if found.is_file() {
                File::open(&path)
                    .map_err(|error| wrong(format!("cannot read {}: {error}", path.display())))?;
                if self.path.ends_with('/') {
                    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                    self.path.push_str(&name.unwrap_or_default());
                }
            } else if !found.is_dir() {
                return Err(wrong(format!("{} is no file or directory", path.display())));
            }
            let text = path
                .to_str()
                .ok_or_else(|| wrong("its path is not text in UTF-8".to_owned()))?;
            self.source = Some(text.to_owned());
        }
        if self.path.trim_end_matches('/').is_empty() && !self.is_tree() {
            return Err(Wrong::new("path", "/ is the target itself"));
        }
        if self.link.as_ref().is_some_and(String::is_empty) {
            return Err(Wrong::new("link", "an empty link leads nowhere"));
        }
        self.mode().map(|_| ())
    }

    fn mode(&self) -> std::result::Result<Option<u32>, Wrong> {
        let Some(text) = &self.mode else {
            return Ok(None);
        };
        if self.is_tree() || self.link.is_some() {
            return Err(Wrong::new(
                "mode",
                "a link has none, and the files of a directory have their own",
            ));
        }
        let digits = text.strip_prefix("0o").unwrap_or(text);
        let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o7777);
        match mode.filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit())) {
            Some(mode) => Ok(Some(mode)),
            None => Err(Wrong::new(
                "mode",
                format!("`{text}` is no mode: write it as \"0644\""),
            )),
        }
    }

    /// Whether it is root's, and configures what comes later: it is there before users are made.
    pub(super) fn comes_first(&self) -> bool {
        self.owner.is_none() && self.group.is_none() && self.path.starts_with("/etc/")
    }

    pub(super) fn apply(&self, target: &Target) -> Result<()> {
        let names = Names::of(target);
        let owner = |text: Option<&String>, group: bool| -> Result<u32> {
            let Some(text) = text else {
                return Ok(0);
            };
            let given = if group { format!(":{text}") } else { text.clone() };
            let found = names
                .owner(&given)
                .map_err(|reason| CustomizationError::unfit(format!("file {}", self.path), reason))?;
            let id = if group { found.gid } else { found.uid };
            Ok(id.unwrap_or(0))
        };
        let (uid, gid) = (
            owner(self.owner.as_ref(), false)?,
            owner(self.group.as_ref(), true)?,
        );
        let meta = |kind, mode| Meta {
            uid,
            gid,
            ..Meta::of_root(kind, mode)
        };
        // It was checked before.
        let mode = self.mode().unwrap_or_default();
        let path = Path::new(self.path.trim_end_matches('/'));
        if let Some(content) = &self.content {
            let meta = meta(FileType::Regular, mode.unwrap_or(0o644));
            return place::file(target, path, &meta, &mut content.as_bytes(), path);
        }
        if let Some(text) = &self.link {
            return place::link(target, path, Path::new(text), &meta(FileType::Symlink, 0o777));
        }
        if self.directory {
            let meta = meta(FileType::Directory, mode.unwrap_or(0o755));
            if !place::directory(target, path, &meta)? {
                target.set_meta(path, &meta)?;
            }
            return Ok(());
        }
        let source = PathBuf::from(self.source.clone().unwrap_or_default());
        let path = if path.as_os_str().is_empty() {
            Path::new("/")
        } else {
            path
        };
        copy(target, &source, path, mode, &meta, true)
    }
}

/// Copies a file, or a directory with what is in it. Only whether a file is executable counts of its attributes here: others
/// are those of a checkout, and of the user's umask. The first link is followed, those below are copied.
fn copy(
    target: &Target,
    source: &Path,
    path: &Path,
    mode: Option<u32>,
    meta: &dyn Fn(FileType, u32) -> Meta,
    first: bool,
) -> Result<()> {
    let failed = |error| CustomizationError::Source {
        path: source.to_owned(),
        source: error,
    };
    let found = match first {
        true => fs::metadata(source),
        false => fs::symlink_metadata(source),
    }
    .map_err(failed)?;
    if found.is_symlink() {
        let text = fs::read_link(source).map_err(failed)?;
        return place::link(target, path, &text, &meta(FileType::Symlink, 0o777));
    }
    if found.is_dir() {
        place::directory(target, path, &meta(FileType::Directory, 0o755))?;
        let mut names = Vec::new();
        for entry in fs::read_dir(source).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name());
        }
        names.sort();
        for name in names {
            copy(target, &source.join(&name), &path.join(&name), None, meta, false)?;
        }
        return Ok(());
    }
    if !found.is_file() {
        return Err(CustomizationError::Kind {
            path: source.to_owned(),
        });
    }
    let executable = found.permissions().mode() & 0o100 != 0;
    let mode = mode.unwrap_or(if executable { 0o755 } else { 0o644 });
    let mut data = File::open(source).map_err(failed)?;
    place::file(target, path, &meta(FileType::Regular, mode), &mut data, source)
}
