//! Indexes as apt keeps them: files in its directory of lists (`Dir::State::lists`), named by their URLs.

use std::borrow::Cow;

use url::Url;

use super::index::Index;
use super::package_file::{join, listed, percent_decoded};
use super::suite_release::suite_path;

/// Letters that apt does not leave as they are (`URItoFileName` in its source).
const QUOTED: &str = "\\|{}[]<>\"^~_=!@#$%&*";

/// Returns the files that apt would have of some indexes after an update: names and contents. An index whose Release file is not
/// signed in itself is left out, as apt would fetch it anew.
pub fn apt_lists(indexes: &[Index]) -> Vec<(String, Cow<'_, [u8]>)> {
    let mut files: Vec<(String, Cow<'_, [u8]>)> = Vec::new();
    let mut add = |name: String, bytes| {
        if !files.iter().any(|(known, _)| *known == name) {
            files.push((name, bytes));
        }
    };
    for index in indexes {
        let release = index.release.as_ref().and_then(|release| release.files.first());
        let Some((_, release)) = release.filter(|(name, _)| name == "InRelease") else {
            continue;
        };
        let directory = suite_path(&index.suite);
        let path = match index.component.as_str() {
            "" => format!("{directory}Packages"),
            component => format!("{directory}{component}/binary-{}/Packages", index.architecture),
        };
        let url = |path: &str| join(&index.base, path, "a list").ok();
        if let (Some(inrelease), Some(packages)) = (url(&format!("{directory}InRelease")), url(&path)) {
            add(name(&inrelease), Cow::Borrowed(release.as_slice()));
            add(name(&packages), Cow::Borrowed(index.packages.text()));
        }
    }
    files
}

/// Returns the name of the file for a URL: without scheme and user.
fn name(url: &Url) -> String {
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let path = match listed(url) {
        Some((list, path)) => format!("{}/{path}", list.path()),
        None => percent_decoded(url.path()),
    };
    let whole = format!("{}{port}{path}", url.host_str().unwrap_or(""));
    let quoted = |byte: u8| {
        let letter = char::from(byte);
        match letter {
            '/' => "_".to_owned(),
            letter if QUOTED.contains(letter) || !letter.is_ascii_graphic() => format!("%{byte:02x}"),
            letter => letter.to_string(),
        }
    };
    whole.bytes().map(quoted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_apt() {
        for (url, expected) in [
            (
                "http://mirror.example.org/debian/dists/trixie/InRelease",
                "mirror.example.org_debian_dists_trixie_InRelease",
            ),
            (
                "http://user:pw@127.0.0.1:8080/a_b/dists/x~y/InRelease",
                "127.0.0.1:8080_a%5fb_dists_x%7ey_InRelease",
            ),
            ("file:///srv/repo/Packages", "_srv_repo_Packages"),
            (
                "mirror+file:///etc/l.txt#dists/x/InRelease",
                "_etc_l.txt_dists_x_InRelease",
            ),
            (
                "https://mirror.example.org/a%20b/Packages",
                "mirror.example.org_a%20b_Packages",
            ),
        ] {
            assert_eq!(name(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
