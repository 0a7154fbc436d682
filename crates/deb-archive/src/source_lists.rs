//! Source lists made from `--mirror` arguments or from this machine's apt, and
//! the files for them in the target. Texts and file names are those of mmdebstrap.

use std::path::{Path, PathBuf};

use url::Url;

use super::sources_text::{self, guess_format};
use super::suite_release::load_release;
use super::{
    ArchiveError, Fetcher, Keyring, MachineSources, Result, Source, SourceFormat, SourceList,
    without_passwords,
};

/// Parses one `--mirror`: an http, https or file URL (then `suite` and
/// `components` make the line), a line `deb …` or `deb-src …`, several lines, or the path of a
/// `.sources` or `.list` file (other names: by their content).
///
/// # Errors
/// [`ArchiveError::BadMirror`], [`ArchiveError::BadSource`], [`ArchiveError::Io`].
pub fn parse_mirror_argument(argument: &str, suite: &str, components: &[String]) -> Result<SourceList> {
    let bad = |reason: String| ArchiveError::BadMirror {
        argument: without_passwords(argument),
        reason,
    };
    if argument.contains('\n') {
        let format = guess_format(argument).ok_or_else(|| bad("the text holds no apt sources".into()))?;
        return parse_sources_text(argument, format, None, "--mirror");
    }
    if argument.starts_with("deb-src ") {
        return Ok(SourceList {
            format: SourceFormat::OneLine,
            file_name: None,
            place: None,
            text: format!("{argument}\n"),
            sources: Vec::new(),
        });
    }
    if argument.starts_with("deb ") {
        return parse_sources_text(&format!("{argument}\n"), SourceFormat::OneLine, None, "--mirror");
    }
    // A scheme (RFC 3986, section 3.1), or the path of a file that is there.
    let scheme = argument.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_scheme = |letter: u8| letter.is_ascii_alphanumeric() || b"+.-".contains(&letter);
    let is_url = scheme.len() > 1 && scheme.bytes().all(is_scheme) && !Path::new(argument).exists();
    if is_url {
        if argument.contains(char::is_whitespace) {
            return Err(bad("a URL has no blanks".into()));
        }
        let text = format!("deb {argument} {suite} {}\n", components.join(" "));
        return parse_sources_text(&text, SourceFormat::OneLine, None, "--mirror").map_err(
            |error| match error {
                ArchiveError::BadSource { reason, .. } => bad(reason),
                other => other,
            },
        );
    }
    let path = Path::new(argument);
    if !path.is_file() {
        return Err(bad("it is neither a URL nor an existing file".into()));
    }
    let text = std::fs::read_to_string(path).map_err(ArchiveError::io("read", path))?;
    let format = match path.extension().and_then(|extension| extension.to_str()) {
        Some("list") => SourceFormat::OneLine,
        Some("sources") => SourceFormat::Deb822,
        _ => guess_format(&text).ok_or_else(|| bad("the file holds no apt sources".into()))?,
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    parse_sources_text(&text, format, name, argument)
}

/// Parses the text of a sources file; `origin` names it in errors.
///
/// # Errors
/// [`ArchiveError::BadSource`]; [`ArchiveError::BadMirror`] if it has no
/// enabled source of binary packages.
pub fn parse_sources_text(
    text: &str,
    format: SourceFormat,
    file_name: Option<String>,
    origin: &str,
) -> Result<SourceList> {
    let list = sources_list(text, format, file_name, origin)?;
    if list.sources.is_empty() {
        let reason = "it has no enabled source of binary packages".into();
        return Err(ArchiveError::BadMirror {
            argument: origin.to_owned(),
            reason,
        });
    }
    Ok(list)
}

/// Parses the text of a sources file, which may have no source of binary packages; `origin` names it in errors.
///
/// # Errors
/// [`ArchiveError::BadSource`].
pub fn sources_list(
    text: &str,
    format: SourceFormat,
    file_name: Option<String>,
    origin: &str,
) -> Result<SourceList> {
    Ok(SourceList {
        sources: sources_text::parse(text, format, origin)?,
        format,
        file_name,
        place: None,
        text: text.to_owned(),
    })
}

/// Returns the sources used without `--mirror`: this machine's archive with `suite`, and
/// for a stable suite also its updates and security, as far as the archives have them.
///
/// # Errors
/// Those of fetching and verifying Release files.
pub fn default_sources(
    fetcher: &Fetcher,
    machine: &MachineSources,
    keyring: &Keyring,
    suite: &str,
    components: &[String],
) -> Result<SourceList> {
    let make = |base: &Url, suite: &str| -> Result<SourceList> {
        let base = base.as_str().trim_end_matches('/');
        let mut list = parse_mirror_argument(base, suite, components)?;
        for source in &mut list.sources {
            source.check_valid_until = machine.check_valid_until;
            source.check_date = machine.check_date;
            source.place = format!("this machine's apt names ({base} {suite})");
        }
        Ok(list)
    };
    let moving = |name: &str| matches!(name, "testing" | "unstable" | "sid" | "experimental" | "rc-buggy");
    let mirror = machine.mirror.as_ref().ok_or(ArchiveError::NoMirror)?;
    let mut lists = vec![make(mirror, suite)?];
    if !moving(suite) && !suite.contains(['-', '/']) {
        let updates = Some((mirror, "updates"));
        let security = machine.security.as_ref().map(|base| (base, "security"));
        for (base, kind) in updates.into_iter().chain(security) {
            let mut more = make(base, &format!("{suite}-{kind}"))?;
            more.sources.iter_mut().for_each(|source| source.optional = true);
            lists.push(more);
        }
    }
    // All are fetched at once; the answer of the first one decides about the others.
    let found = fetcher.parallel(&lists, |list, _| Ok(check(fetcher, &list.sources, keyring)))?;
    let mut each = lists.into_iter().zip(found).enumerate();
    let Some((_, (mut list, main))) = each.next() else {
        return make(mirror, suite);
    };
    if moving(&main?) {
        return Ok(list);
    }
    for (_, (more, found)) in each {
        match found {
            Ok(_) => {
                list.text.push_str(&more.text);
                list.sources.extend(more.sources);
            }
            Err(ArchiveError::UnknownSuite { .. } | ArchiveError::Offline { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(list)
}

/// Verifies the Release files of sources and returns the `Suite` of the last one.
fn check(fetcher: &Fetcher, sources: &[Source], keyring: &Keyring) -> Result<String> {
    let mut name = String::new();
    for source in sources {
        for (base, suite) in source.uris.iter().zip(&source.suites) {
            name = load_release(fetcher, source, base, suite, keyring)?.suite;
        }
    }
    Ok(name)
}

/// Returns the files for these lists in the target, paths relative to its root and texts, as
/// mmdebstrap names them: one-line text that stands first and came from no
/// file is `etc/apt/sources.list`, all else is in `etc/apt/sources.list.d`; lists that have a place are there.
pub fn target_files(lists: &[SourceList]) -> Vec<(PathBuf, String)> {
    let placed = lists
        .iter()
        .filter_map(|list| Some((list.place.clone()?, list.text.clone())));
    let mut merged: Vec<SourceList> = Vec::new();
    for list in lists.iter().filter(|list| list.place.is_none()) {
        match merged.last_mut() {
            Some(last)
                if last.format == list.format && last.file_name.is_none() && list.file_name.is_none() =>
            {
                last.text.push_str(if list.format == SourceFormat::OneLine {
                    "\n"
                } else {
                    "\n\n"
                });
                last.text.push_str(&list.text);
            }
            _ => merged.push(list.clone()),
        }
    }
    let place = |(number, list): (usize, SourceList)| {
        let suffix = if list.format == SourceFormat::OneLine {
            ".list"
        } else {
            ".sources"
        };
        let name = match &list.file_name {
            None if number == 0 && list.format == SourceFormat::OneLine => {
                return (PathBuf::from("etc/apt/sources.list"), list.text);
            }
            None => format!("main{suffix}"),
            Some(name) if name.contains(".list") || name.contains(".sources") => name.clone(),
            Some(name) => format!("{name}{suffix}"),
        };
        (
            PathBuf::from(format!("etc/apt/sources.list.d/{number:04}{name}")),
            list.text,
        )
    };
    merged.into_iter().enumerate().map(place).chain(placed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(argument: &str) -> SourceList {
        parse_mirror_argument(argument, "trixie", &["main".into(), "contrib".into()]).unwrap()
    }

    #[test]
    fn texts_are_those_of_mmdebstrap() {
        let url = list("http://mirror.example.org/debian");
        assert_eq!(
            url.text,
            "deb http://mirror.example.org/debian trixie main contrib\n"
        );
        let line = list("deb [trusted=yes] file:/srv/a ./");
        assert_eq!(line.text, "deb [trusted=yes] file:/srv/a ./\n");
        assert!(line.sources[0].trusted);
        let files = target_files(&[url, line]);
        let text =
            "deb http://mirror.example.org/debian trixie main contrib\n\ndeb [trusted=yes] file:/srv/a ./\n";
        assert_eq!(files, [("etc/apt/sources.list".into(), text.to_owned())]);
    }

    #[test]
    fn files_keep_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let text = "Types: deb\nURIs: http://mirror.example.org/debian\nSuites: trixie\nComponents: main\n";
        let (sources, plain) = (dir.path().join("my.sources"), dir.path().join("plain"));
        std::fs::write(&sources, text).unwrap();
        std::fs::write(&plain, text).unwrap();
        let lists = [sources, plain].map(|path| list(path.to_str().unwrap()));
        let names: Vec<_> = target_files(&lists).into_iter().map(|(path, _)| path).collect();
        let expected = [
            "etc/apt/sources.list.d/0000my.sources",
            "etc/apt/sources.list.d/0001plain.sources",
        ];
        assert_eq!(names, expected.map(PathBuf::from));
    }

    #[test]
    fn what_is_no_mirror_is_refused() {
        for (argument, word) in [
            ("ftp://mirror.example.org/debian", "ftp"),
            ("/nonexistent/file.list", "neither"),
            ("http://", "no URI"),
            ("", "neither"),
            ("http://mirror.example.org/a b", "blanks"),
            ("what\nis this\n", "no apt sources"),
        ] {
            let error = parse_mirror_argument(argument, "trixie", &["main".into()])
                .unwrap_err()
                .to_string();
            assert!(error.contains(word), "{argument}: {error}");
        }
        let error =
            parse_mirror_argument("http://mirror.example.org/debian", "../x", &["main".into()]).unwrap_err();
        assert!(error.to_string().contains("../x"), "{error}");
    }
}
