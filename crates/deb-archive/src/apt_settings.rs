//! Values of apt.conf(5) in a root filesystem.

use std::fs;
use std::path::{Path, PathBuf};

use deb_types::apt_conf::{Statement, statements};

use super::{ArchiveError, Result};

/// Names, in lower case and with their scopes, and values; later ones last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AptSettings(Vec<(String, String)>);

impl AptSettings {
    /// Reads `etc/apt/apt.conf` and its parts. What stands behind a mistake in a file does not count.
    ///
    /// # Errors
    /// [`ArchiveError::Io`] if a file is there and cannot be read.
    pub(super) fn of_root(root: &Path) -> Result<Self> {
        let mut all = Self::default();
        let directory = "etc/apt/apt.conf.d";
        let mut paths = files(root, "etc/apt/apt.conf", directory, &["", "conf"])?;
        // apt reads its single file after the parts.
        if paths
            .first()
            .is_some_and(|path| path.ends_with("etc/apt/apt.conf"))
        {
            paths.rotate_left(1);
        }
        for path in paths {
            let text = fs::read(&path).map_err(ArchiveError::io("read", &path))?;
            all.add(&String::from_utf8_lossy(&text));
        }
        Ok(all)
    }

    /// Adds the values of a text.
    pub(super) fn add(&mut self, text: &str) {
        for statement in statements(text) {
            match statement {
                Ok(Statement::Set { name, value }) => self.0.push((name.to_ascii_lowercase(), value)),
                Ok(Statement::Clear { name }) => self.0.push((name.to_ascii_lowercase(), String::new())),
                // Of this machine, where none is usual.
                Ok(Statement::Include { .. }) | Err(_) => {}
            }
        }
    }

    /// Adds the values of another, which count before these.
    pub(super) fn extend(&mut self, later: &Self) {
        self.0.extend(later.0.iter().cloned());
    }

    /// Returns a value, by its name in lower case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns a value that is yes or no; none where it is neither, or not there.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).and_then(flag)
    }

    /// Changes each value, by its name.
    pub(super) fn change(&mut self, change: impl Fn(&str, &mut String)) {
        for (name, value) in &mut self.0 {
            change(name, value);
        }
    }
}

/// Returns the meaning of apt's words for yes and no (`StringToBool` in its source); none for others.
pub(super) fn flag(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "no" | "false" | "without" | "off" | "0" | "disable" => Some(false),
        "yes" | "true" | "with" | "on" | "1" | "enable" => Some(true),
        _ => None,
    }
}

/// Returns where a path of a root filesystem leads, an absolute link at its end being one of that root filesystem; none where
/// there is nothing, or something outside.
pub(super) fn within(root: &Path, path: &Path) -> Option<PathBuf> {
    let root = root.canonicalize().ok()?;
    let mut path = root.join(path.strip_prefix("/").unwrap_or(path));
    // As many as the kernel follows.
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(link) if link.is_absolute() => path = root.join(link.strip_prefix("/").ok()?),
            _ => break,
        }
    }
    path.canonicalize().ok().filter(|path| path.starts_with(&root))
}

/// Returns a file and the files of its `.d` directory, in apt's order, as far as they exist. Links that lead out of the root
/// filesystem are passed over.
pub(super) fn files(root: &Path, file: &str, directory: &str, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let directory = root.join(directory);
    match fs::read_dir(&directory) {
        Ok(entries) => {
            for entry in entries {
                let path = entry.map_err(ArchiveError::io("read", &directory))?.path();
                let extension = path
                    .extension()
                    .and_then(|extension| extension.to_str())
                    .unwrap_or("");
                if extensions.contains(&extension) {
                    found.push(path);
                }
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(ArchiveError::io("read", &directory)(error)),
    }
    found.sort();
    found.insert(0, root.join(file));
    Ok(found
        .into_iter()
        .filter_map(|path| file_within(root, path))
        .collect())
}

/// Returns a path by which a file of a root filesystem is reached; none where it leads out of that.
fn file_within(root: &Path, path: PathBuf) -> Option<PathBuf> {
    let place = within(root, path.strip_prefix(root).ok()?)?;
    let is_same = || path.canonicalize().is_ok_and(|found| found == place);
    match place.is_file() {
        true if is_same() => Some(path),
        true => Some(place),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_nonsense() {
        for text in ["}}}", "{", "\"", "/*", "a \"b", ";;;", "A::B::", "#"] {
            AptSettings::default().add(text);
        }
    }

    #[test]
    fn links_stay_in_the_root_filesystem() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        let root = outside.path().join("root");
        let directory = root.join("etc/apt/apt.conf.d");
        fs::create_dir_all(&directory).unwrap();
        fs::create_dir_all(root.join("usr")).unwrap();
        fs::write(root.join("usr/own"), "own").unwrap();
        let link = |name: &str, to: &str| std::os::unix::fs::symlink(to, directory.join(name)).unwrap();
        link("1", "/usr/own");
        link("2", "../../../usr/own");
        link("3", "../../../../secret");
        link("4", &outside.path().join("secret").display().to_string());
        link("5", "5");
        let found = files(&root, "etc/apt/apt.conf", "etc/apt/apt.conf.d", &[""]).unwrap();
        let own = root.canonicalize().unwrap().join("usr/own");
        assert_eq!(found, [own, directory.join("2")]);
    }

    #[test]
    fn the_last_value_counts() {
        let mut settings = AptSettings::default();
        settings.add("A { B \"1\"; };\nA::C \"off\";\n");
        let mut later = AptSettings::default();
        later.add("A::B \"2\";");
        settings.extend(&later);
        assert_eq!(settings.get("a::b"), Some("2"));
        assert_eq!(
            (settings.flag("a::c"), settings.flag("a::b")),
            (Some(false), None)
        );
    }
}
