//! Lists of mirrors (apt-transport-mirror(1)): a source whose URI is that of a list has each file from the first mirror in
//! it that has the file.
//!
//! A file of such a source has the URL of the list, and its path behind the archive's root as the fragment. Mirrors are
//! asked in the order of their priorities; those of one priority in the order of the list, where apt throws dice.

use std::io::{ErrorKind, Read};
use std::sync::Arc;

use url::Url;

use super::compression::Compression;
use super::package_file::{PREFIX, join, listed, show};
use super::{ArchiveError, Fetcher, Result};

/// Largest list in bytes, as it is sent and unpacked.
const LIMIT: u64 = 1 << 20;

/// A list of mirrors.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MirrorList {
    /// Name to show.
    origin: String,
    /// By priority.
    mirrors: Vec<ListedMirror>,
}

/// A mirror, and the files it is for.
#[derive(Debug, PartialEq, Eq)]
struct ListedMirror {
    root: Url,
    priority: u64,
    /// Kinds and values: of each kind that is there one must fit.
    limits: Vec<(String, String)>,
}

impl MirrorList {
    /// Parses a list. One that came from a server names no files of this machine.
    ///
    /// # Errors
    /// [`ArchiveError::BadMirrorList`], also for a list without any mirror.
    fn parse(text: &str, origin: &str, local: bool) -> Result<Self> {
        let bad = |line: usize, reason: String| ArchiveError::BadMirrorList {
            origin: origin.to_owned(),
            line,
            reason,
        };
        let mut mirrors = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let number = number + 1;
            let mut words = line.split_whitespace();
            let Some(word) = words.next().filter(|word| !word.starts_with('#')) else {
                continue;
            };
            let shown = super::without_passwords(word);
            let url = Url::parse(word)
                .map_err(|error| bad(number, format!("`{shown}` is no URI of a mirror: {error}")))?;
            match url.scheme() {
                "http" | "https" if url.host_str().is_some_and(|host| !host.is_empty()) => {}
                "file" | "copy" if local && url.path().starts_with('/') => {}
                "file" | "copy" => {
                    let reason = format!("`{shown}`: a list from a server names http and https mirrors only");
                    return Err(bad(number, reason));
                }
                scheme => {
                    let reason = format!("`{shown}`: {scheme} is none of http, https, file and copy");
                    return Err(bad(number, reason));
                }
            }
            let mut mirror = ListedMirror {
                root: url,
                priority: u64::MAX,
                limits: Vec::new(),
            };
            for word in words {
                match word.split_once(':') {
                    Some(("priority", value)) => {
                        mirror.priority = value
                            .parse()
                            .map_err(|_| bad(number, format!("`{word}`: priority:NUMBER is expected")))?;
                    }
                    Some((kind, value)) if !kind.is_empty() && !value.is_empty() => {
                        mirror.limits.push((kind.to_owned(), value.to_owned()));
                    }
                    _ => {
                        let reason =
                            format!("`{word}` behind a mirror: `NAME:VALUE` is expected, such as priority:1");
                        return Err(bad(number, reason));
                    }
                }
            }
            mirrors.push(mirror);
        }
        if mirrors.is_empty() {
            return Err(bad(1, "it names no mirror; one URI a line is expected".into()));
        }
        mirrors.sort_by_key(|mirror| mirror.priority);
        Ok(Self {
            origin: origin.to_owned(),
            mirrors,
        })
    }

    /// Returns the URLs of a file, in the order to try.
    fn places(&self, path: &str) -> Result<Vec<Url>> {
        let facts = facts(path);
        let fits = |mirror: &&ListedMirror| {
            facts.iter().all(|(kind, value)| {
                let mut limits = mirror.limits.iter().filter(|(known, _)| known == kind).peekable();
                limits.peek().is_none() || limits.any(|(_, limit)| limit == value)
            })
        };
        let places: Vec<Url> = self
            .mirrors
            .iter()
            .filter(fits)
            .map(|mirror| join(&mirror.root, path, path))
            .collect::<Result<_>>()?;
        match places.is_empty() {
            true => Err(ArchiveError::NoMirrorListed {
                list: self.origin.clone(),
                name: path.to_owned(),
            }),
            false => Ok(places),
        }
    }
}

/// Returns what the path of a file says of it, in the words of a list.
fn facts(path: &str) -> Vec<(&'static str, String)> {
    let parts: Vec<&str> = path.split('/').collect();
    let mut facts = Vec::new();
    let package = path.strip_suffix(".deb");
    facts.push(("type", if package.is_some() { "deb" } else { "index" }.to_owned()));
    if let Some(arch) = package.and_then(|path| path.rsplit_once('_')) {
        facts.push(("arch", arch.1.to_owned()));
    }
    match parts.as_slice() {
        ["dists", suite, .., component, binary, _] if binary.starts_with("binary-") => {
            facts.push(("suite", (*suite).to_owned()));
            facts.push(("codename", (*suite).to_owned()));
            facts.push(("component", (*component).to_owned()));
            facts.push(("arch", binary.trim_start_matches("binary-").to_owned()));
        }
        ["dists", suite, ..] => {
            facts.push(("suite", (*suite).to_owned()));
            facts.push(("codename", (*suite).to_owned()));
        }
        ["pool", component, ..] => facts.push(("component", (*component).to_owned())),
        _ => {}
    }
    facts
}

/// Returns the first mirror of a list on this machine; other URLs as they are. `None` for a list without any.
pub(super) fn first_of(url: &Url) -> Option<Url> {
    let Some(inner) = url.as_str().strip_prefix(PREFIX) else {
        return Some(url.clone());
    };
    let inner = Url::parse(inner).ok()?;
    if !matches!(inner.scheme(), "file" | "copy") {
        return Some(url.clone());
    }
    let text = std::fs::read_to_string(inner.path()).ok()?;
    let list = MirrorList::parse(&text, inner.path(), true).ok()?;
    list.mirrors.first().map(|mirror| mirror.root.clone())
}

impl Fetcher {
    /// Returns the URLs under which a file may be, in the order to try.
    pub(super) fn places(&self, url: &Url) -> Result<Vec<Url>> {
        match listed(url) {
            None => Ok(vec![url.clone()]),
            Some((list, path)) => self.mirrors(&list)?.places(&path),
        }
    }

    fn mirrors(&self, list: &Url) -> Result<Arc<MirrorList>> {
        let key = list.to_string();
        // One after the other, so that it is asked for once.
        let mut known = self
            .mirror_lists
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(found) = known.get(&key) {
            return Ok(Arc::clone(found));
        }
        let text = key.strip_prefix(PREFIX).unwrap_or(&key);
        let origin = super::without_passwords(text);
        let bad = |reason: String| ArchiveError::BadMirrorList {
            origin: origin.clone(),
            line: 1,
            reason,
        };
        let inner = Url::parse(text).map_err(|error| bad(error.to_string()))?;
        let local = matches!(inner.scheme(), "file" | "copy");
        let missing = || match local {
            true => ArchiveError::io("read the list of mirrors", inner.path())(ErrorKind::NotFound.into()),
            false => ArchiveError::NotFound {
                name: "list of mirrors".to_owned(),
                url: show(&inner),
            },
        };
        let document = self.document(&inner, LIMIT)?.ok_or_else(missing)?;
        let suffixed = |form: &Compression| inner.path().ends_with(form.suffix());
        let form = Compression::ALL.into_iter().find(suffixed);
        let mut bytes = Vec::new();
        form.unwrap_or(Compression::None)
            .decoder(document.bytes.as_slice())
            .and_then(|reader| reader.take(LIMIT).read_to_end(&mut bytes))
            .map_err(|error| bad(format!("it cannot be decompressed: {error}")))?;
        let parsed = MirrorList::parse(&String::from_utf8_lossy(&bytes), &origin, local)?;
        if !local {
            self.cache
                .store_release(inner.as_str(), &document.validators, &document.bytes)?;
        }
        let parsed = Arc::new(parsed);
        known.insert(key, Arc::clone(&parsed));
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> MirrorList {
        MirrorList::parse(text, "list", true).unwrap()
    }

    fn places(text: &str, path: &str) -> Vec<String> {
        let found = list(text).places(path).unwrap();
        found.iter().map(|url| url.to_string()).collect()
    }

    #[test]
    fn by_priority_and_then_in_their_order() {
        let text = "# mirrors\nhttp://c.example.org/\n\nhttp://b.example.org/d\tpriority:2\nfile:/srv/a\tpriority:1\n";
        assert_eq!(
            places(text, "pool/x_1_all.deb"),
            [
                "file:///srv/a/pool/x_1_all.deb",
                "http://b.example.org/d/pool/x_1_all.deb",
                "http://c.example.org/pool/x_1_all.deb"
            ]
        );
    }

    /// The example of apt-transport-mirror(1).
    #[test]
    fn mirrors_are_for_some_files_only() {
        let text = "file:/srv/mirror/\tpriority:1 type:index\n\
                    http://partial.example.org/\tpriority:2 arch:amd64 arch:all type:deb\n\
                    http://us.example.org/\ttype:deb\nhttps://last.example.org/\n";
        let index = places(text, "dists/trixie/main/binary-amd64/Packages.xz");
        assert!(index.len() == 2 && index[0].starts_with("file:") && index[1].contains("last"));
        let amd64 = places(text, "pool/main/b/bash_1_amd64.deb");
        assert!(amd64.len() == 3 && amd64[0].contains("partial"));
        let i386 = places(text, "pool/main/b/bash_1_i386.deb");
        assert!(i386.len() == 2 && i386[0].contains("us."));
        let error = list("http://a.example.org/ type:deb\n").places("dists/x/InRelease");
        assert!(error.unwrap_err().to_string().contains("none of the mirrors"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, local, line, word) in [
            ("\nwhat\n", true, 2, "no URI"),
            ("http://a.example.org/\nftp://b.example.org/\n", true, 2, "ftp"),
            ("mirror+file:/x\n", true, 1, "none of"),
            ("file:/srv\n", false, 1, "from a server"),
            (
                "http://a.example.org/ priority:first\n",
                true,
                1,
                "priority:NUMBER",
            ),
            ("http://a.example.org/ what\n", true, 1, "NAME:VALUE"),
            ("# none\n", true, 1, "names no mirror"),
        ] {
            let error = MirrorList::parse(text, "list", local).unwrap_err().to_string();
            assert!(
                error.contains(&format!("list:{line}")) && error.contains(word),
                "{error}"
            );
        }
    }
}
