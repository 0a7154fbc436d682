//! The configuration of apt in a root filesystem: its Debian archive, keys and settings.

use std::fs;
use std::path::{Path, PathBuf};

use url::Url;

use super::apt_settings::{AptSettings, files};
use super::connections::Connections;
use super::credentials::Credentials;
use super::mirror_list;
use super::source::{SignedBy, Source, SourceFormat, SourceList};
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
    /// `APT::Install-Suggests`.
    pub install_suggests: Option<bool>,
    /// `APT::Default-Release`.
    pub default_release: Option<String>,
    /// `APT::Solver`.
    pub solver: Option<String>,
    /// How servers are reached.
    pub connections: Connections,
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

/// Returns the sources files of a root filesystem that is being made, as its apt would read them. Keyring files that exist in
/// the root filesystem are named with its path in front, others are this machine's.
///
/// # Errors
/// [`ArchiveError::Io`] if apt's files are there and cannot be read; [`ArchiveError::BadSource`] for one that cannot be
/// understood.
pub fn sources_in(root: &Path) -> Result<Vec<SourceList>> {
    let mut lists = Vec::new();
    for (path, format) in sources_files(root)? {
        let text = fs::read(&path).map_err(ArchiveError::io("read", &path))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let place = path.strip_prefix(root).unwrap_or(&path).to_owned();
        let mut sources = sources_text::parse(&text, format, &format!("/{}", place.display()))?;
        for source in &mut sources {
            keys_in(root, source);
        }
        lists.push(SourceList {
            format,
            file_name: None,
            place: Some(place),
            text,
            sources,
        });
    }
    Ok(lists)
}

/// Names keyring files and lists of mirrors that exist in a root filesystem with its path in front.
fn keys_in(root: &Path, source: &mut Source) {
    let own = |path: &Path| {
        let own = root.join(path.strip_prefix("/").unwrap_or(path));
        own.is_file().then_some(own)
    };
    if let Some(SignedBy::Files { files, .. }) = &mut source.signed_by {
        for file in files {
            if let Some(own) = own(file) {
                *file = own;
            }
        }
    }
    for uri in &mut source.uris {
        if uri.scheme().starts_with("mirror+file")
            && let Some(own) = own(Path::new(uri.path()))
        {
            uri.set_path(&own.to_string_lossy());
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
            let is = |uri: &Url| uri.path().trim_end_matches('/').rsplit('/').next() == Some(name);
            // Of a list of mirrors the target knows nothing.
            let mut roots = source.uris.iter().filter_map(mirror_list::first_of);
            roots.find(is).map(|uri| (source, uri))
        })
    };
    let main = find("debian");
    let settings = AptSettings::of_root(root)?;
    let is_off = |name: &str| settings.flag(name) == Some(false);
    let (mut keyrings, mut inline_key) = (Vec::new(), None);
    let signed_by = main.as_ref().and_then(|(source, _)| source.signed_by.clone());
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
    // A file that is gone verifies nothing, and apt's own keys may be those of the archive all the same.
    keyrings.retain(|path| path.is_file());
    if keyrings.is_empty() && inline_key.is_none() {
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
    let text = |name| {
        settings
            .get(name)
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    };
    let checks = |on: fn(&Source) -> bool| main.as_ref().is_none_or(|(source, _)| on(source));
    Ok(MachineSources {
        check_valid_until: checks(|source| source.check_valid_until) && !is_off("acquire::check-valid-until"),
        check_date: checks(|source| source.check_date) && !is_off("acquire::check-date"),
        allow_insecure: settings.flag("acquire::allowinsecurerepositories") == Some(true),
        install_recommends: settings.flag("apt::install-recommends"),
        install_suggests: settings.flag("apt::install-suggests"),
        default_release: text("apt::default-release"),
        solver: text("apt::solver"),
        mirror: main.as_ref().map(|(_, uri)| uri.clone()),
        security: find("debian-security").map(|(_, uri)| uri),
        keyrings,
        inline_key,
        connections: Connections::of(&settings, root, Credentials::of_root(root)?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::connections::ProxyChoice;
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
        let proxy = |url: &str| found.connections.proxy(&Url::parse(url).unwrap());
        assert_eq!(proxy("https://mirror.example.org/"), ProxyChoice::Direct);
        let own = "http://p.example.org:3142".to_owned();
        let expected = ProxyChoice::Of {
            url: own,
            heeds_no_proxy: true,
        };
        assert_eq!(proxy("http://mirror.example.org/"), expected);
    }

    #[test]
    fn a_machine_without_apt_has_no_mirror() {
        let dir = tempfile::tempdir().unwrap();
        let found = read_root(dir.path()).unwrap();
        assert!(found.keyrings.is_empty() && found.check_valid_until);
        assert_eq!(found.mirror, None);
    }
}
