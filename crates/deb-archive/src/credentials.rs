//! Users and passwords of servers: apt_auth.conf(5).

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use url::Url;

use super::apt_settings::files;
use super::{ArchiveError, Result};

/// Entries of files in apt's netrc-like format, in the order in which they count. Their passwords are never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    entries: Vec<Entry>,
}

#[derive(Clone, Default, PartialEq, Eq)]
struct Entry {
    /// The only scheme for which it counts; none for https alone.
    scheme: Option<String>,
    /// Host, perhaps a port, perhaps a path: `mirror.example.org:8080/debian`.
    place: String,
    login: String,
    password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.entries.iter().map(|entry| &entry.place);
        f.debug_set().entries(places).finish()
    }
}

impl Credentials {
    /// Reads `etc/apt/auth.conf` and `etc/apt/auth.conf.d/*.conf` of a root filesystem. Files that this user may not read
    /// are passed over.
    ///
    /// # Errors
    /// [`ArchiveError::BadAuth`] for a line that cannot be understood, [`ArchiveError::Io`].
    pub(super) fn of_root(root: &Path) -> Result<Self> {
        let mut all = Self::default();
        let paths = match files(root, "etc/apt/auth.conf", "etc/apt/auth.conf.d", &["conf"]) {
            Err(ArchiveError::Io { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
                return Ok(all);
            }
            paths => paths?,
        };
        for path in paths {
            match Self::read(&path) {
                Ok(found) => all.entries.extend(found.entries),
                Err(ArchiveError::Io { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
                    tracing::debug!("passing over {}, which cannot be read", path.display());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ArchiveError::BadAuth`] for a line that cannot be understood, [`ArchiveError::Io`].
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).map_err(ArchiveError::io("read", path))?;
        Self::parse(&String::from_utf8_lossy(&text), &path.display().to_string())
    }

    fn parse(text: &str, origin: &str) -> Result<Self> {
        let bad = |line: usize, reason: &str| ArchiveError::BadAuth {
            origin: origin.to_owned(),
            line,
            reason: reason.to_owned(),
        };
        let lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with('#'));
        let mut tokens =
            lines.flat_map(|(number, line)| line.split_whitespace().map(move |word| (number + 1, word)));
        let mut entries: Vec<Entry> = Vec::new();
        while let Some((line, word)) = tokens.next() {
            let mut value = |what: &str| match tokens.next() {
                Some((_, value)) => Ok(value.to_owned()),
                None => Err(bad(line, &format!("`{word}` is the end, and {what} is expected"))),
            };
            match word {
                "machine" => {
                    let name = value("the name of a host")?;
                    let (scheme, place) = match name.split_once("://") {
                        Some((scheme, place)) => (Some(scheme.to_ascii_lowercase()), place),
                        None => (None, name.as_str()),
                    };
                    if place.is_empty() || place.starts_with(['/', ':']) || place.contains('@') {
                        return Err(bad(line, "`machine [SCHEME://]HOST[:PORT][/PATH]` is expected"));
                    }
                    let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
                    entries.push(Entry {
                        scheme,
                        place: format!("{}{path}", host.to_ascii_lowercase()),
                        ..Entry::default()
                    });
                }
                "login" | "password" => {
                    let value = value("a value")?;
                    let Some(entry) = entries.last_mut() else {
                        return Err(bad(line, &format!("`{word}` before any `machine HOST`")));
                    };
                    match word {
                        "login" => entry.login = value,
                        _ => entry.password = value,
                    }
                }
                // Of netrc(5), without meaning for apt.
                "account" => drop(value("a value")?),
                "default" => entries.push(Entry {
                    scheme: Some(String::new()),
                    ..Entry::default()
                }),
                // It may be a password, so it is not told.
                _ => {
                    let expected = "a word that is none of `machine HOST`, `login NAME` and `password WORD`";
                    return Err(bad(line, expected));
                }
            }
        }
        Ok(Self { entries })
    }

    /// Adds entries that count after these.
    pub fn extend(&mut self, others: &Self) {
        self.entries.extend(others.entries.iter().cloned());
    }

    /// Returns the user and password for a URL that has none of its own, by apt's rules: the first entry with its host, of
    /// which port and path, where it has them, are those of the URL or the beginning of its path; for https, unless it
    /// names another scheme.
    pub(super) fn find(&self, url: &Url) -> Option<(&str, &str)> {
        if !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let host = url.host_str()?;
        let with_path = |port: Option<u16>| match port {
            Some(port) => format!("{host}:{port}{}", url.path()),
            None => format!("{host}{}", url.path()),
        };
        let names = [with_path(None), with_path(url.port())];
        let fits = |entry: &&Entry| {
            if url.scheme() != entry.scheme.as_deref().unwrap_or("https") {
                return false;
            }
            names.iter().any(|name| {
                let rest = name.strip_prefix(entry.place.as_str());
                rest.is_some_and(|rest| entry.place.contains('/') || rest.is_empty() || rest.starts_with('/'))
            })
        };
        let found = self.entries.iter().find(fits)?;
        Some((&found.login, &found.password))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(text: &str, url: &str) -> Option<String> {
        let read = Credentials::parse(text, "auth.conf").unwrap();
        let found = read.find(&Url::parse(url).unwrap());
        found.map(|(login, password)| format!("{login}:{password}"))
    }

    /// The examples of apt_auth.conf(5).
    #[test]
    fn entries_fit_as_with_apt() {
        let url = "https://example.org/debian/dists/x/InRelease";
        for machine in [
            "example.org",
            "EXAMPLE.org",
            "example.org/deb",
            "example.org/debian",
            "example.org/debian/",
            "https://example.org",
        ] {
            let text = format!("machine {machine}\nlogin apt\npassword debian\n");
            assert_eq!(login(&text, url).as_deref(), Some("apt:debian"), "{machine}");
        }
        for machine in [
            "example.org:443",
            "example.org/deb/",
            "example.org/ubuntu",
            "example.orga",
            "example.net",
            "http://example.org",
            "example",
        ] {
            let text = format!("machine {machine} login apt password debian");
            assert_eq!(login(&text, url), None, "{machine}");
        }
    }

    #[test]
    fn nothing_is_for_plain_http_unless_it_says_so() {
        let text =
            "machine example.org login a password b\nmachine http://example.org:8080 login c password d";
        assert_eq!(login(text, "http://example.org/x"), None);
        assert_eq!(login(text, "http://example.org:8080/x").as_deref(), Some("c:d"));
        assert_eq!(login(text, "https://example.org:8080/x").as_deref(), Some("a:b"));
        assert_eq!(login(text, "https://u:p@example.org/x"), None);
    }

    #[test]
    fn the_first_entry_counts() {
        let text = "# of two\nmachine example.org/a login one password 1\nmachine example.org login two password 2\n";
        assert_eq!(login(text, "https://example.org/a/x").as_deref(), Some("one:1"));
        assert_eq!(login(text, "https://example.org/b").as_deref(), Some("two:2"));
        let netrc = "machine example.org login a account x password b default login anonymous password c";
        assert_eq!(login(netrc, "https://example.org/b").as_deref(), Some("a:b"));
        assert_eq!(login(netrc, "https://other.example.org/b"), None);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_without_a_password() {
        for (text, line, word) in [
            ("\nmachine", 2, "name of a host"),
            ("machine a login", 1, "a value"),
            ("\n\nlogin x password y", 3, "before any"),
            ("machine a login b password c\nhunter2 x", 2, "none of"),
            ("machine https:///x login b password c", 1, "HOST"),
        ] {
            let error = Credentials::parse(text, "auth.conf").unwrap_err().to_string();
            assert!(
                error.contains(&format!("auth.conf:{line}")) && error.contains(word),
                "{error}"
            );
            assert!(!error.contains("hunter2"), "{error}");
        }
        let read = Credentials::parse("machine a login b password hunter2", "x").unwrap();
        assert!(!format!("{read:?}").contains("hunter2"));
    }
}
