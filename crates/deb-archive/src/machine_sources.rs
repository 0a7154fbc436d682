//! The configuration of apt in a root filesystem: its Debian archive, keys and settings.

use std::fs;
use std::path::{Path, PathBuf};

use deb_types::apt_conf::{Statement, statements};
use url::Url;

use super::source::{SignedBy, Source, SourceFormat};
use super::sources_text;
use super::{ArchiveError, Result};

/// The part of apt's configuration that serves as defaults.
#[derive(Clone, Debug)]
pub struct MachineSources {
    /// Root of the first Debian archive in apt's sources.
    pub mirror: Option<Url>,
    /// Root of the security archive in apt's sources.
    pub security: Option<Url>,
    /// Existing keyring files to verify a Debian archive with.
    pub keyrings: Vec<PathBuf>,
    /// Armored key in the sources file itself.
    pub inline_key: Option<String>,
    /// False with `Acquire::Check-Valid-Until "false"`.
    pub check_valid_until: bool,
    /// False with `Acquire::Check-Date "false"`.
    pub check_date: bool,
    /// True with `Acquire::AllowInsecureRepositories "true"`.
    pub allow_insecure: bool,
    /// `APT::Install-Recommends`; none where no file says it.
    pub install_recommends: Option<bool>,
    /// `Acquire::http::Proxy`.
    pub http_proxy: Option<String>,
    /// `Acquire::https::Proxy`.
    pub https_proxy: Option<String>,
}

/// Reads this machine's `/etc/apt`. A machine without apt has no mirror, but
/// perhaps keyrings.
///
/// # Errors
/// [`ArchiveError::Io`] if apt's files are there and cannot be read.
pub fn machine_sources() -> Result<MachineSources> {
    read_root(Path::new("/"))
}

/// Reads `etc/apt` of a root filesystem.
///
/// # Errors
/// [`ArchiveError::Io`] if apt's files are there and cannot be read.
pub fn target_sources(root: &Path) -> Result<MachineSources> {
    read_root(root)
}

/// Returns all sources of apt in a root filesystem, for any architecture. Keyring files that exist
/// in the root filesystem are named with its path in front.
///
/// # Errors
/// [`ArchiveError::Io`] if apt's files are there and cannot be read.
pub fn sources_of(root: &Path) -> Result<Vec<Source>> {
    let mut sources = read_sources(root)?;
    for source in &mut sources {
        source.architectures.clear();
        source.without_architectures.clear();
        keys_in(root, source);
    }
    Ok(sources)
}

/// Returns all sources of apt in a root filesystem that is being made, as its apt would read them. Keyring files that exist in
/// the root filesystem are named with its path in front, others are this machine's.
///
/// # Errors
/// [`ArchiveError::Io`] if apt's files are there and cannot be read; [`ArchiveError::BadSource`] for one that cannot be
/// understood.
pub fn sources_in(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for (path, format) in sources_files(root)? {
        let text = fs::read(&path).map_err(ArchiveError::io("read", &path))?;
        let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        sources.extend(sources_text::parse(
            &String::from_utf8_lossy(&text),
            format,
            &format!("/{shown}"),
        )?);
    }
    for source in &mut sources {
        keys_in(root, source);
    }
    Ok(sources)
}

/// Names keyring files that exist in a root filesystem with its path in front.
fn keys_in(root: &Path, source: &mut Source) {
    if let Some(SignedBy::Files { files, .. }) = &mut source.signed_by {
        for file in files {
            let own = root.join(file.strip_prefix("/").unwrap_or(file));
            if own.is_file() {
                *file = own;
            }
        }
    }
}

/// Returns the files of sources in a root filesystem with their formats, in apt's order.
fn sources_files(root: &Path) -> Result<Vec<(PathBuf, SourceFormat)>> {
    let paths = files(
        root,
        "etc/apt/sources.list",
        "etc/apt/sources.list.d",
        &["list", "sources"],
    )?;
    let format = |path: PathBuf| {
        let deb822 = path.extension().is_some_and(|extension| extension == "sources");
        let format = if deb822 {
            SourceFormat::Deb822
        } else {
            SourceFormat::OneLine
        };
        (path, format)
    };
    Ok(paths.into_iter().map(format).collect())
}

fn read_sources(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for (path, format) in sources_files(root)? {
        let text = fs::read(&path).map_err(ArchiveError::io("read", &path))?;
        // A broken file of a third party is left to apt.
        match sources_text::parse(
            &String::from_utf8_lossy(&text),
            format,
            &path.display().to_string(),
        ) {
            Ok(found) => sources.extend(found),
            Err(error) => tracing::debug!("passing over a sources file: {error}"),
        }
    }
    Ok(sources)
}

fn read_root(root: &Path) -> Result<MachineSources> {
    let sources = read_sources(root)?;
    let has_main = |source: &&Source| source.components.iter().any(|component| component == "main");
    let find = |name: &str| {
        sources.iter().filter(has_main).find_map(|source| {
            let is = |uri: &&Url| uri.path().trim_end_matches('/').rsplit('/').next() == Some(name);
            source.uris.iter().find(is).map(|uri| (source, uri.clone()))
        })
    };
    let main = find("debian");
    let settings = settings(root)?;
    let get = |name: &str| {
        settings
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    };
    let is_off =
        |name: &str| get(name).is_some_and(|value| matches!(value.as_str(), "false" | "no" | "0" | "off"));
    let is_on =
        |name: &str| get(name).map(|value| matches!(value.as_str(), "true" | "yes" | "1" | "on" | "with"));
    let proxy = |name| get(name).filter(|value| !value.is_empty() && !value.eq_ignore_ascii_case("direct"));
    let (mut keyrings, mut inline_key) = (Vec::new(), None);
    let signed_by = main.as_ref().and_then(|(source, _)| source.signed_by.clone());
    let own = signed_by.is_some();
    match signed_by {
        Some(SignedBy::Files { files, .. }) => {
            keyrings.extend(
                files
                    .iter()
                    .map(|file| root.join(file.strip_prefix("/").unwrap_or(file))),
            );
        }
        Some(SignedBy::Inline(key)) => inline_key = Some(key),
        None => {}
    }
    if !own {
        keyrings.extend(files(
            root,
            "etc/apt/trusted.gpg",
            "etc/apt/trusted.gpg.d",
            &["gpg", "asc"],
        )?);
    }
    let archive = ["gpg", "pgp"].map(|suffix| {
        root.join("usr/share/keyrings/debian-archive-keyring")
            .with_extension(suffix)
    });
    keyrings.extend(archive.into_iter().find(|path| path.is_file()));
    keyrings.retain(|path| path.is_file());
    keyrings.dedup();
    let checks = |on: fn(&Source) -> bool| main.as_ref().is_none_or(|(source, _)| on(source));
    Ok(MachineSources {
        check_valid_until: checks(|source| source.check_valid_until) && !is_off("acquire::check-valid-until"),
        check_date: checks(|source| source.check_date) && !is_off("acquire::check-date"),
        allow_insecure: is_on("acquire::allowinsecurerepositories") == Some(true),
        install_recommends: is_on("apt::install-recommends"),
        mirror: main.as_ref().map(|(_, uri)| uri.clone()),
        security: find("debian-security").map(|(_, uri)| uri),
        keyrings,
        inline_key,
        http_proxy: proxy("acquire::http::proxy"),
        https_proxy: proxy("acquire::https::proxy"),
    })
}

/// Returns a file and the files of its `.d` directory, in apt's order, as far as they exist.
fn files(root: &Path, file: &str, directory: &str, extensions: &[&str]) -> Result<Vec<PathBuf>> {
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
                if extensions.contains(&extension) && path.is_file() {
                    found.push(path);
                }
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(ArchiveError::io("read", &directory)(error)),
    }
    found.sort();
    let file = root.join(file);
    if file.is_file() {
        found.insert(0, file);
    }
    Ok(found)
}

/// Returns the names and values of apt.conf(5), names in lower case and with their scopes, later
/// ones last. What stands behind a mistake in a file does not count.
fn settings(root: &Path) -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
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
        parse_settings(&String::from_utf8_lossy(&text), &mut all);
    }
    Ok(all)
}

fn parse_settings(text: &str, all: &mut Vec<(String, String)>) {
    for statement in statements(text) {
        match statement {
            Ok(Statement::Set { name, value }) => all.push((name.to_ascii_lowercase(), value)),
            Ok(Statement::Clear { name }) => all.push((name.to_ascii_lowercase(), String::new())),
            // Of this machine, where none is usual.
            Ok(Statement::Include { .. }) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_first_debian_archive_and_its_keys() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        put(
            root,
            "etc/apt/sources.list.d/a.list",
            "deb https://third.example.org/apt stable main\n",
        );
        put(root, "etc/apt/sources.list.d/broken.list", "what is this\n");
        put(
            root,
            "etc/apt/sources.list.d/debian.sources",
            "Types: deb\nURIs: http://mirror.example.org/debian/\nSuites: bookworm\nComponents: main\nSigned-By: /k/own.gpg\n\n\
             Types: deb\nURIs: http://mirror.example.org/debian-security\nSuites: bookworm-security\nComponents: main\n",
        );
        put(root, "k/own.gpg", "x");
        put(root, "etc/apt/trusted.gpg.d/other.gpg", "x");
        put(root, "usr/share/keyrings/debian-archive-keyring.pgp", "x");
        put(
            root,
            "etc/apt/apt.conf.d/10x",
            "// c \"x\"\nAcquire { Check-Valid-Until \"false\"; /* { */ http { Proxy \"http://p.example.org:3142\"; }; };\n# y\n",
        );
        put(
            root,
            "etc/apt/apt.conf.d/20y",
            "Acquire::https::Proxy \"DIRECT\";\n",
        );
        let found = read_root(root).unwrap();
        assert!(!found.check_valid_until && found.check_date);
        assert_eq!(
            found.mirror.as_ref().map(url::Url::as_str),
            Some("http://mirror.example.org/debian/")
        );
        assert_eq!(
            found.security.unwrap().as_str(),
            "http://mirror.example.org/debian-security"
        );
        assert_eq!(
            found.keyrings,
            [
                root.join("k/own.gpg"),
                root.join("usr/share/keyrings/debian-archive-keyring.pgp")
            ]
        );
        assert_eq!(found.http_proxy.as_deref(), Some("http://p.example.org:3142"));
        assert_eq!(found.https_proxy, None);
    }

    #[test]
    fn a_machine_without_apt_has_no_mirror() {
        let dir = tempfile::tempdir().unwrap();
        let found = read_root(dir.path()).unwrap();
        assert!(found.keyrings.is_empty() && found.check_valid_until);
        assert_eq!(found.mirror, None);
    }

    #[test]
    fn settings_survive_nonsense() {
        for text in ["}}}", "{", "\"", "/*", "a \"b", ";;;", "A::B::", "#"] {
            parse_settings(text, &mut Vec::new());
        }
    }
}
