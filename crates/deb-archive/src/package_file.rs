//! A file of an archive: its URLs, size and hash, and the text forms of these.

use url::Url;

use super::source::is_safe_path;
use super::{ArchiveError, Result};
use deb_types::FileHash;

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

/// Returns a URL as it may be shown: without user and password.
pub(super) fn show(url: &Url) -> String {
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
    }
}
