//! A file of an archive: its URLs, size and hash, and the text forms of these.

use url::Url;

use super::source::is_safe_path;
use super::{ArchiveError, Result};
use deb_types::FileHash;

/// What the URI of a list of mirrors begins with, before that by which it is read.
pub(super) const PREFIX: &str = "mirror+";

/// A package (or other file) with the size and hash its signed index gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageFile {
    /// URLs of the file, in the order to try.
    pub urls: Vec<Url>,
    /// Name to show to users, for example `bash 5.2.37-2 (riscv64)`.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// Checksum of the content.
    pub hash: FileHash,
}

/// Returns the URL of `path` below the archive root `base`. As with apt, which puts one behind the other,
/// slashes at the beginning, doubled ones and `.` segments do not matter, and `..` takes one segment back.
///
/// # Errors
/// [`ArchiveError::BadFilename`], naming `package`, for a path that is empty, leads out of the archive by `..`, or has
/// blanks or control characters.
pub fn join(base: &Url, path: &str, package: &str) -> Result<Url> {
    let bad = || ArchiveError::BadFilename {
        package: package.to_owned(),
        filename: path.to_owned(),
    };
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop().ok_or_else(bad)?),
            segment => segments.push(segment),
        }
    }
    if path.ends_with('/') || !is_safe_path(&segments.join("/")) {
        return Err(bad());
    }
    let mut url = base.clone();
    if base.scheme().starts_with(PREFIX) {
        url.set_fragment(Some(&segments.join("/").replace('%', "%25")));
        return Ok(url);
    }
    url.set_query(None);
    url.set_fragment(None);
    // Segments are percent-encoded one by one, `%` included, so that `%2e%2e`
    // stays a strange name and never becomes `..`.
    url.path_segments_mut()
        .map_err(|()| bad())?
        .pop_if_empty()
        .extend(segments);
    Ok(url)
}

/// Returns the URL of the list and the path below a mirror's root, for a file that any mirror of a list may have.
pub(super) fn listed(url: &Url) -> Option<(Url, String)> {
    if !url.scheme().starts_with(PREFIX) {
        return None;
    }
    let path = percent_decoded(url.fragment()?);
    let mut list = url.clone();
    list.set_fragment(None);
    Some((list, path))
}

/// Returns the last part of a file's path.
pub(super) fn file_name(url: &Url) -> String {
    let path = listed(url).map_or_else(|| url.path().to_owned(), |(_, path)| path);
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Returns text with letters in the place of their numbers (RFC 3986, section 2.1).
pub(super) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns text in which no URL has a user and a password (RFC 3986, section 3.2.1): lines of sources, for one.
pub fn without_passwords(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#'))
            .unwrap_or(after.len());
        let user = after.get(..end).and_then(|authority| authority.rfind('@'));
        rest = user.map_or(after, |user| after.get(user + 1..).unwrap_or_default());
    }
    shown + rest
}

/// Returns a URL as it may be shown: without user and password.
pub(super) fn show(url: &Url) -> String {
    if let Some((list, path)) = listed(url) {
        return format!("{}/{path}", show(&list));
    }
    if url.password().is_none() && url.username().is_empty() {
        return url.to_string();
    }
    let mut shown = url.clone();
    let hidden = shown.set_password(None).is_ok() && shown.set_username("").is_ok();
    if hidden {
        shown.to_string()
    } else {
        format!("a {} URL", url.scheme())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_archive() {
        let base = Url::parse("http://mirror.example.org/debian/").unwrap();
        for bad in [
            "../x",
            "/../x",
            "a/../../b",
            "",
            "/",
            "./",
            "a/",
            "..",
            "a\\b",
            "a b",
            "a\nb",
            "pool/..",
            "././../x",
        ] {
            let error = join(&base, bad, "evil").unwrap_err();
            assert!(error.to_string().contains("evil"), "{bad}");
        }
        for (path, url) in [
            (
                "pool/main/b/b.deb",
                "http://mirror.example.org/debian/pool/main/b/b.deb",
            ),
            (
                "pool/../pool/b.deb",
                "http://mirror.example.org/debian/pool/b.deb",
            ),
            ("a/b/../../b.deb", "http://mirror.example.org/debian/b.deb"),
            ("./b.deb", "http://mirror.example.org/debian/b.deb"),
            ("/pool/b.deb", "http://mirror.example.org/debian/pool/b.deb"),
            ("//pool//b.deb", "http://mirror.example.org/debian/pool/b.deb"),
            ("././a/./b.deb", "http://mirror.example.org/debian/a/b.deb"),
            ("%2e%2e/x", "http://mirror.example.org/debian/%252e%252e/x"),
            ("a?b#c", "http://mirror.example.org/debian/a%3Fb%23c"),
            (
                "pool/g++_1~rc1+b2.deb",
                "http://mirror.example.org/debian/pool/g++_1~rc1+b2.deb",
            ),
        ] {
            assert_eq!(join(&base, path, "p").unwrap().as_str(), url);
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let url = Url::parse("https://user:secret@mirror.example.org/debian").unwrap();
        assert_eq!(show(&url), "https://mirror.example.org/debian");
        for (text, shown) in [
            (
                "deb [a=b] https://u:p@mirror.example.org/a@b x\ndeb http://u@h.example.org x",
                "deb [a=b] https://mirror.example.org/a@b x\ndeb http://h.example.org x",
            ),
            ("https://u:p@w@mirror.example.org", "https://mirror.example.org"),
            (
                "mirror+https://u:p@h.example.org/l",
                "mirror+https://h.example.org/l",
            ),
            (
                "deb http://mirror.example.org/ x",
                "deb http://mirror.example.org/ x",
            ),
            ("no URL at all", "no URL at all"),
        ] {
            assert_eq!(without_passwords(text), shown);
        }
    }

    #[test]
    fn files_of_lists_keep_their_paths() {
        let base = Url::parse("mirror+file:///etc/apt/mirrors.txt").unwrap();
        for path in ["dists/x/InRelease", "pool/%2e%2e/g++_1~\"<b>.deb"] {
            let url = join(&base, path, "p").unwrap();
            assert_eq!(listed(&url), Some((base.clone(), path.to_owned())));
        }
        let url = join(&base, "pool/a.deb", "p").unwrap();
        assert_eq!(show(&url), "mirror+file:///etc/apt/mirrors.txt/pool/a.deb");
        assert!(join(&base, "../x", "p").is_err());
    }
}
