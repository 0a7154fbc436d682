//! Users and groups, which the target's own programs make: useradd(8), usermod(8) and groupadd(8).

use super::apply::System;
use super::error::{CustomizationError, Wrong};
use super::place;
use crate::accounts::Names;
use rootless_install_fs::{FileType, Meta};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, CustomizationError>;

/// Beginnings of public keys of OpenSSH (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
const KEY_TYPES: [&str; 4] = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"];

/// A group.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Group {
    /// Name of the group
    pub name: String,
    /// Its number [default: the next one, as groupadd(8) chooses it]
    pub gid: Option<u32>,
    /// Whether the number is one of system groups
    #[serde(default)]
    pub system: bool,
}

/// A user. One that the target has already is changed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct User {
    /// Name of the user
    pub name: String,
    /// Its number [default: the next one, as useradd(8) chooses it]
    pub uid: Option<u32>,
    /// Login group, by name or number [default: one of the user's name]
    pub group: Option<String>,
    /// Further groups, by name
    #[serde(default)]
    pub groups: Vec<String>,
    /// Full name, or any other comment
    pub comment: Option<String>,
    /// Home directory [default: /home/NAME, made from /etc/skel]
    pub home: Option<String>,
    /// Login shell [default: /bin/bash; of a system user /usr/sbin/nologin]
    pub shell: Option<String>,
    /// Hash of the password (crypt(5)), as `openssl passwd -6` writes it [default: no password lets in]
    pub password_hash: Option<String>,
    /// Public keys that may log in by ssh, or files of such keys
    #[serde(default)]
    pub ssh_keys: Vec<String>,
    /// Whether it is a system user, without a home directory
    #[serde(default)]
    pub system: bool,
}

fn check_name(key: &str, name: &str) -> std::result::Result<(), Wrong> {
    let mut bytes = name.bytes();
    let first = bytes
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first == b'_');
    let rest =
        bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.$".contains(&byte));
    if first && rest && name.len() <= 32 {
        return Ok(());
    }
    let what = format!(
        "`{}` is no name: small letters, digits, `_` and `-`, at most 32",
        name.escape_debug()
    );
    Err(Wrong::new(key, what))
}

fn check_text(key: &str, text: Option<&str>) -> std::result::Result<(), Wrong> {
    match text.filter(|text| text.contains([':', '\n', '\0'])) {
        Some(text) => Err(Wrong::new(
            key,
            format!(
                "`{}` has a colon or a line break, which passwd(5) cannot have",
                text.escape_debug()
            ),
        )),
        None => Ok(()),
    }
}

impl Group {
    /// Checks its values.
    ///
    /// # Errors
    /// [`Wrong`].
    pub fn check(&self) -> std::result::Result<(), Wrong> {
        check_name("name", &self.name)
    }

    pub(super) fn apply(&self, system: &mut System<'_, '_>) -> Result<()> {
        let what = format!("group {}", self.name);
        let names = Names::of(system.target);
        let there = names
            .owner(&format!(":{}", self.name))
            .ok()
            .and_then(|owner| owner.gid);
        match (there, self.gid) {
            (Some(there), Some(wanted)) if there != wanted => {
                return Err(CustomizationError::unfit(
                    what,
                    format!("the target has it with the number {there}, and not {wanted}"),
                ));
            }
            (Some(_), _) => return Ok(()),
            (None, _) => {}
        }
        let mut command = vec!["groupadd".to_owned()];
        if self.system {
            command.push("--system".to_owned());
        }
        if let Some(gid) = self.gid {
            command.extend(["--gid".to_owned(), gid.to_string()]);
        }
        command.push(self.name.clone());
        system.run(&what, &command, "passwd")
    }
}

impl User {
    /// Checks its values, and reads files of keys. `directory` is that of relative paths.
    ///
    /// # Errors
    /// [`Wrong`].
    pub fn complete(&mut self, directory: &Path) -> std::result::Result<(), Wrong> {
        check_name("name", &self.name)?;
        check_text("comment", self.comment.as_deref())?;
        check_text("home", self.home.as_deref())?;
        check_text("shell", self.shell.as_deref())?;
        check_text("group", self.group.as_deref())?;
        for group in &self.groups {
            check_name("groups", group)?;
        }
        for (key, path) in [("home", &self.home), ("shell", &self.shell)] {
            if let Some(path) = path.as_deref().filter(|path| !path.starts_with('/')) {
                return Err(Wrong::new(key, format!("`{path}` is no absolute path")));
            }
        }
        if let Some(hash) = &self.password_hash {
            check_text("password-hash", Some(hash))?;
            let locked = hash.trim_start_matches('!');
            if !(locked.starts_with('$') && locked.matches('$').count() >= 2 || hash == "*" || hash == "!") {
                return Err(Wrong::new(
                    "password-hash",
                    "this is no hash of a password (crypt(5)); `openssl passwd -6` makes one",
                ));
            }
        }
        self.ssh_keys = read_keys(&self.ssh_keys, directory)?;
        Ok(())
    }

    pub(super) fn apply(&self, system: &mut System<'_, '_>) -> Result<()> {
        let what = format!("user {}", self.name);
        let names = Names::of(system.target);
        for group in &self.groups {
            if names.owner(&format!(":{group}")).is_err() {
                return Err(CustomizationError::lacks(
                    what,
                    &format!("group {group}"),
                    format!("make it with --group {group}, or install the package that does"),
                ));
            }
        }
        let exists = names.owner(&self.name).is_ok();
        let mut command: Vec<String> = Vec::new();
        let mut add = |words: &[&str]| command.extend(words.iter().map(|word| (*word).to_owned()));
        let groups = self.groups.join(",");
        if exists {
            add(&["usermod"]);
            if !groups.is_empty() {
                add(&["--append", "--groups", &groups]);
            }
            if let Some(home) = &self.home {
                add(&["--home", home]);
            }
            if let Some(shell) = &self.shell {
                add(&["--shell", shell]);
            }
        } else {
            add(&["useradd"]);
            add(&[if self.system { "--system" } else { "--create-home" }]);
            if !groups.is_empty() {
                add(&["--groups", &groups]);
            }
            if let Some(home) = &self.home {
                add(&["--home-dir", home]);
            }
            let default = if self.system {
                "/usr/sbin/nologin"
            } else {
                "/bin/bash"
            };
            add(&["--shell", self.shell.as_deref().unwrap_or(default)]);
        }
        if let Some(uid) = self.uid {
            add(&["--uid", &uid.to_string()]);
        }
        if let Some(group) = &self.group {
            add(&["--gid", group]);
        }
        if let Some(comment) = &self.comment {
            add(&["--comment", comment]);
        }
        if let Some(hash) = &self.password_hash {
            add(&["--password", hash]);
        }
        // usermod without anything to change fails.
        if !exists || command.len() > 1 {
            command.push(self.name.clone());
            system.run(&what, &command, "passwd")?;
        }
        self.authorize(system, &what)
    }

    /// Gives the user the keys.
    fn authorize(&self, system: &System<'_, '_>, what: &str) -> Result<()> {
        if self.ssh_keys.is_empty() {
            return Ok(());
        }
        let target = system.target;
        let account = target.read(Path::new("/etc/passwd"))?;
        let account = String::from_utf8_lossy(&account).into_owned();
        let fields = account
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.first() == Some(&self.name.as_str()));
        let number = |at: usize| {
            fields
                .as_ref()
                .and_then(|fields| fields.get(at)?.parse::<u32>().ok())
        };
        let (Some(uid), Some(gid), Some(home)) = (
            number(2),
            number(3),
            fields.as_ref().and_then(|fields| fields.get(5)),
        ) else {
            return Err(CustomizationError::unfit(what, "/etc/passwd has no such user"));
        };
        place::check_path(Path::new(home)).map_err(|reason| CustomizationError::unfit(what, reason))?;
        let directory = PathBuf::from(home).join(".ssh");
        let of_user = |kind, mode| Meta {
            uid,
            gid,
            ..Meta::of_root(kind, mode)
        };
        place::directory(target, Path::new(home), &of_user(FileType::Directory, 0o700))?;
        place::directory(target, &directory, &of_user(FileType::Directory, 0o700))?;
        let file = directory.join("authorized_keys");
        let mut text = match target.read(&file) {
            Ok(data) => String::from_utf8_lossy(&data).into_owned(),
            Err(error) if error.is_not_found() => String::new(),
            Err(error) => return Err(error.into()),
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        for key in &self.ssh_keys {
            if !text.lines().any(|line| line == key) {
                text.push_str(key);
                text.push('\n');
            }
        }
        Ok(target.write(&file, text.as_bytes(), &of_user(FileType::Regular, 0o600))?)
    }
}

/// Returns keys, each a line; files are read.
pub(super) fn read_keys(given: &[String], directory: &Path) -> std::result::Result<Vec<String>, Wrong> {
    let mut keys = Vec::new();
    for key in given {
        if is_key(key) {
            keys.push(key.trim().to_owned());
            continue;
        }
        let path = directory.join(key);
        let wrong = |what: String| Wrong::new("ssh-keys", what);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| wrong(format!("cannot read {}: {error}", path.display())))?;
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let before = keys.len();
        for line in lines {
            if !is_key(line) {
                return Err(wrong(format!(
                    "{} has a line that is no public key of OpenSSH (`ssh-ed25519 AAAA…`)",
                    path.display()
                )));
            }
            keys.push(line.to_owned());
        }
        if keys.len() == before {
            return Err(wrong(format!("{} has no key", path.display())));
        }
    }
    Ok(keys)
}

/// Whether a text is a public key of OpenSSH.
fn is_key(text: &str) -> bool {
    let mut words = text.split_ascii_whitespace();
    let kind = words.next().unwrap_or_default();
    let data = words.next().unwrap_or_default();
    !text.trim().contains('\n')
        && KEY_TYPES.iter().any(|known| kind.starts_with(known))
        && data.starts_with("AAAA")
        && data
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
}
