//! The two formats of apt sources, described in sources.list(5).

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::paragraphs;
use super::source::{SignedBy, Source, SourceFormat, is_safe_path};
use super::{ArchiveError, Result};

/// Returns the format of a text by its first line that is not empty or a comment; `None` if it is neither.
pub(super) fn guess_format(text: &str) -> Option<SourceFormat> {
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let first = line.split_whitespace().next().unwrap_or("");
        if first == "deb" || first == "deb-src" {
            return Some(SourceFormat::OneLine);
        }
        let name = line.split_once(':').map(|(name, _)| name.to_ascii_lowercase());
        return match name.as_deref() {
            Some(name) if !name.contains(char::is_whitespace) => Some(SourceFormat::Deb822),
            _ => None,
        };
    }
    None
}

/// Parses sources text; `origin` names it in errors.
pub(super) fn parse(text: &str, format: SourceFormat, origin: &str) -> Result<Vec<Source>> {
    match format {
        SourceFormat::OneLine => parse_one_line(text, origin),
        SourceFormat::Deb822 => parse_deb822(text, origin),
    }
}

fn bad(origin: &str, line: usize, reason: impl Into<String>) -> ArchiveError {
    ArchiveError::BadSource {
        origin: origin.to_owned(),
        line,
        reason: reason.into(),
    }
}

fn parse_one_line(text: &str, origin: &str) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        let line = line.split('#').next().unwrap_or("").trim();
        if line.is_empty() {
            continue;
        }
        let (kind, mut rest) = split_word(line);
        match kind {
            "deb" => {}
            "deb-src" => continue,
            other => {
                return Err(bad(
                    origin,
                    number,
                    format!("`{other}` is neither deb nor deb-src"),
                ));
            }
        }
        let mut entry = SourceEntry::default();
        if let Some(inner) = rest.strip_prefix('[') {
            let (options, after) = inner
                .split_once(']')
                .ok_or_else(|| bad(origin, number, "the options in [ ] have no closing bracket"))?;
            for (key, value) in one_line_options(options) {
                entry.set(&key.to_ascii_lowercase(), &value);
            }
            rest = after.trim_start();
        }
        let (uri, rest) = split_word(rest);
        let mut words = rest.split_whitespace().map(str::to_owned);
        entry.uris = vec![uri.to_owned()];
        entry.suites = words.next().into_iter().collect();
        entry.components = words.collect();
        if let Some(source) = entry.finish(origin, number)? {
            sources.push(source);
        }
    }
    Ok(sources)
}

/// Splits text into its first word and the rest without leading blanks.
fn split_word(text: &str) -> (&str, &str) {
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

/// Parses `key=value` pairs, the value optionally in double quotes.
fn one_line_options(text: &str) -> Vec<(String, String)> {
    let mut options = Vec::new();
    let mut rest = text.trim();
    // Of `arch+=x` the sign is part of the key.
    while let Some((key, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"').and_then(|quoted| quoted.split_once('"')) {
            Some((value, after)) => (value, after.trim_start()),
            None => split_word(after),
        };
        options.push((key.trim().to_owned(), value.to_owned()));
        rest = after;
    }
    options
}

fn parse_deb822(text: &str, origin: &str) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for paragraph in paragraphs::paragraphs(text) {
        let (line, fields) = paragraph.map_err(|line| {
            bad(
                origin,
                line,
                "this is neither `Field: value` nor its continuation",
            )
        })?;
        let mut entry = SourceEntry::default();
        let mut types = Vec::new();
        for (name, value) in &fields {
            match name.to_ascii_lowercase().as_str() {
                "types" => types = words(value),
                "uris" => entry.uris = words(value),
                "suites" => entry.suites = words(value),
                "components" => entry.components = words(value),
                "architectures" => entry.set("arch", &words(value).join(",")),
                "architectures-add" => entry.set("arch+", &words(value).join(",")),
                "architectures-remove" => entry.set("arch-", &words(value).join(",")),
                "signed-by" if value.contains("-----BEGIN") => {
                    entry.signed_by = Some(SignedBy::Inline(unfold_key(value)));
                }
                "signed-by" => entry.set("signed-by", &words(value).join(",")),
                other => entry.set(other, value.trim()),
            }
        }
        if types.is_empty() {
            return Err(bad(
                origin,
                line,
                "the paragraph has no Types field (`Types: deb`)",
            ));
        }
        if !types.iter().any(|kind| kind == "deb") {
            continue;
        }
        if let Some(source) = entry.finish(origin, line)? {
            sources.push(source);
        }
    }
    Ok(sources)
}

fn words(value: &str) -> Vec<String> {
    value.split_whitespace().map(str::to_owned).collect()
}

/// Returns an armored key from its field: without indentation, and with ` .` as an empty line.
fn unfold_key(value: &str) -> String {
    let mut key = String::with_capacity(value.len());
    for line in value.lines() {
        let line = line.trim();
        if line != "." {
            key.push_str(line);
        }
        key.push('\n');
    }
    key.trim_start().to_owned()
}

/// An entry of a sources file, before its words are checked.
#[derive(Default)]
struct SourceEntry {
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    architectures: Vec<String>,
    added: Vec<String>,
    removed: Vec<String>,
    inrelease_path: Option<String>,
    signed_by: Option<SignedBy>,
    disabled: bool,
    trusted: bool,
    allow_insecure: bool,
    allow_weak: bool,
    allow_downgrade: bool,
    any_valid_until: bool,
    any_date: bool,
    valid_until_min: u64,
    date_max_future: Option<u64>,
}

impl SourceEntry {
    /// Sets an option that both formats have, by its one-line name.
    fn set(&mut self, name: &str, value: &str) {
        let no = matches!(
            value.to_ascii_lowercase().as_str(),
            "no" | "false" | "without" | "off" | "0" | "disable"
        );
        let yes = matches!(
            value.to_ascii_lowercase().as_str(),
            "yes" | "true" | "with" | "on" | "1" | "enable"
        );
        match name {
            "arch" => self.architectures = list(value),
            "arch+" => self.added.extend(list(value)),
            "arch-" => self.removed.extend(list(value)),
            "inrelease-path" => self.inrelease_path = Some(value.to_owned()).filter(|path| !path.is_empty()),
            "signed-by" => self.signed_by = Some(signed_by_words(value)),
            "enabled" => self.disabled = no,
            "trusted" => self.trusted = yes,
            "allow-insecure" => self.allow_insecure = yes,
            "allow-weak" => self.allow_weak = yes,
            "allow-downgrade-to-insecure" => self.allow_downgrade = yes,
            "check-valid-until" => self.any_valid_until = no,
            "check-date" => self.any_date = no,
            "valid-until-min" => self.valid_until_min = value.parse().unwrap_or(0),
            // As with apt, zero means the default.
            "date-max-future" => self.date_max_future = value.parse().ok().filter(|seconds| *seconds > 0),
            // Translations and other targets (`lang`, `target`, `pdiffs`, `by-hash`) are not read.
            _ => {}
        }
    }

    /// Has the architectures be those of `arch`, with those of `arch+` and without those of `arch-`.
    fn resolve_architectures(&mut self) {
        // Without `arch` all are read that are asked for: to add some means nothing.
        if !self.architectures.is_empty() {
            self.architectures.append(&mut self.added);
            let removed = std::mem::take(&mut self.removed);
            self.architectures.retain(|name| !removed.contains(name));
            if self.architectures.is_empty() {
                // None is left.
                self.disabled = true;
            }
        }
    }

    fn finish(mut self, origin: &str, line: usize) -> Result<Option<Source>> {
        self.resolve_architectures();
        if self.disabled {
            return Ok(None);
        }
        if self.uris.iter().all(String::is_empty) {
            return Err(bad(origin, line, "there is no URI"));
        }
        if self.suites.is_empty() {
            return Err(bad(origin, line, "there is no suite"));
        }
        let flat = |suite: &String| suite.ends_with('/');
        if self.components.is_empty() && !self.suites.iter().all(flat) {
            return Err(bad(origin, line, "there is no component, such as main"));
        }
        if !self.components.is_empty() && self.suites.iter().any(flat) {
            return Err(bad(origin, line, "a suite that ends in / takes no components"));
        }
        let names = self
            .suites
            .iter()
            .chain(&self.components)
            .chain(&self.architectures)
            .chain(&self.removed)
            .chain(&self.inrelease_path);
        for name in names {
            if !is_safe_path(name.trim_end_matches('/')) && name != "/" && name != "./" {
                return Err(bad(
                    origin,
                    line,
                    format!("`{name}` is no name of a suite, component or architecture"),
                ));
            }
        }
        let uris = self
            .uris
            .iter()
            .map(|uri| parse_uri(uri, origin, line))
            .collect::<Result<_>>()?;
        Ok(Some(Source {
            uris,
            suites: self.suites,
            components: self.components,
            architectures: self.architectures,
            without_architectures: self.removed,
            inrelease_path: self.inrelease_path,
            signed_by: self.signed_by,
            trusted: self.trusted,
            allow_insecure: self.allow_insecure,
            allow_weak: self.allow_weak,
            allow_downgrade: self.allow_downgrade,
            check_valid_until: !self.any_valid_until,
            valid_until_min: Duration::from_secs(self.valid_until_min.min(u64::from(u32::MAX))),
            check_date: !self.any_date,
            date_max_future: self
                .date_max_future
                .map(|seconds| Duration::from_secs(seconds.min(u64::from(u32::MAX)))),
            optional: false,
        }))
    }
}

/// Returns the words of a list with commas.
fn list(value: &str) -> Vec<String> {
    value
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn signed_by_words(value: &str) -> SignedBy {
    let (mut files, mut fingerprints) = (Vec::new(), Vec::new());
    for word in value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        if word.starts_with('/') {
            files.push(PathBuf::from(word));
        } else {
            fingerprints.push(word.trim_end_matches('!').to_ascii_uppercase());
        }
    }
    SignedBy::Files { files, fingerprints }
}

/// A URI of a source; `mirror+file:` is replaced by the first mirror listed.
fn parse_uri(text: &str, origin: &str, line: usize) -> Result<Url> {
    // A relative file URI (`file:dir`) has no meaning in a sources file.
    let url = Url::parse(text).map_err(|error| bad(origin, line, format!("`{text}` is no URI: {error}")))?;
    match url.scheme() {
        "http" | "https" if url.host_str().is_some_and(|host| !host.is_empty()) => Ok(url),
        "file" | "copy" if url.path().starts_with('/') => Ok(url),
        "mirror+file" => {
            let listed = std::fs::read_to_string(url.path()).map_err(|error| {
                bad(
                    origin,
                    line,
                    format!("cannot read the mirror list {}: {error}", url.path()),
                )
            })?;
            let first = listed
                .lines()
                .filter_map(|l| l.split('#').next()?.split_whitespace().next())
                .next();
            match first {
                Some(first) if !first.starts_with("mirror") => parse_uri(first, origin, line),
                _ => Err(bad(
                    origin,
                    line,
                    format!("the mirror list {} names no mirror", url.path()),
                )),
            }
        }
        scheme => Err(bad(
            origin,
            line,
            format!("{scheme} URIs are not supported (http, https, file and copy are): `{text}`"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Source {
        let mut all = parse(text, guess_format(text).unwrap(), "test").unwrap();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    #[test]
    fn one_line_with_options() {
        let source = one(
            "# c\n\ndeb [ arch=riscv64,amd64 signed-by=\"/k/a.gpg\" trusted=yes check-valid-until=no ] \
             http://mirror.example.org/debian/ trixie main  contrib # tail\ndeb-src http://x.example.org/ y z\n",
        );
        assert_eq!(source.uris[0].as_str(), "http://mirror.example.org/debian/");
        assert_eq!(source.suites, ["trixie"]);
        assert_eq!(source.components, ["main", "contrib"]);
        assert_eq!(source.architectures, ["riscv64", "amd64"]);
        assert!(source.trusted && !source.check_valid_until && source.check_date);
        let files = SignedBy::Files {
            files: vec!["/k/a.gpg".into()],
            fingerprints: vec![],
        };
        assert_eq!(source.signed_by, Some(files));
    }

    fn options(text: &str) -> Vec<Source> {
        let line = format!("deb [{text}] http://mirror.example.org/debian t main\n");
        parse(&line, SourceFormat::OneLine, "test").unwrap()
    }

    #[test]
    fn architectures_are_added_and_removed() {
        assert_eq!(
            options("arch=amd64,armel arch+=riscv64 arch-=armel")[0].architectures,
            ["amd64", "riscv64"]
        );
        let without = &options("arch-=armel,i386 arch+=riscv64")[0];
        assert!(without.architectures.is_empty());
        assert_eq!(without.without_architectures, ["armel", "i386"]);
        assert!(!without.has_architecture("armel") && without.has_architecture("amd64"));
        assert_eq!(options("arch=armel arch-=armel"), []);
        let text = "Types: deb\nURIs: http://mirror.example.org/debian\nSuites: t\nComponents: main\n\
                    Architectures: amd64 armel\nArchitectures-Add: riscv64\nArchitectures-Remove: armel\n";
        assert_eq!(one(text).architectures, ["amd64", "riscv64"]);
    }

    #[test]
    fn the_release_file_may_be_elsewhere() {
        let path = |text: &str| options(text).remove(0).inrelease_path;
        assert_eq!(
            path("inrelease-path=old/InRelease").as_deref(),
            Some("old/InRelease")
        );
        assert_eq!(path("arch=amd64"), None);
        let outside = "deb [inrelease-path=../../x] http://mirror.example.org/debian t main\n";
        let error = parse(outside, SourceFormat::OneLine, "test")
            .unwrap_err()
            .to_string();
        assert!(error.contains("../../x"), "{error}");
        let field = "Types: deb\nURIs: file:/srv/a\nSuites: ./\nInRelease-Path: x/y\n";
        assert_eq!(one(field).inrelease_path.as_deref(), Some("x/y"));
    }

    #[test]
    fn options_that_change_nothing_here() {
        let plain = options("arch=amd64");
        for option in [
            "allow-insecure=no",
            "lang=en,de",
            "lang+=fr",
            "target=Packages",
            "target-=Translations",
            "pdiffs=no",
            "by-hash=force",
        ] {
            assert_eq!(options(&format!("{option} arch=amd64")), plain, "{option}");
        }
    }

    #[test]
    fn what_may_be_insecure() {
        let flags = |source: &Source| [source.allow_insecure, source.allow_weak, source.allow_downgrade];
        let of = |text: &str| flags(&options(text)[0]);
        assert_eq!(of("allow-insecure=yes"), [true, false, false]);
        assert_eq!(
            of("allow-weak=true allow-downgrade-to-insecure=1"),
            [false, true, true]
        );
        let field = "Types: deb\nURIs: file:/srv/a\nSuites: ./\nAllow-Insecure: yes\n";
        assert_eq!(flags(&one(field)), [true, false, false]);
    }

    #[test]
    fn deb822_with_inline_key_comments_and_disabled_paragraphs() {
        let text = "# first\nTypes: deb deb-src\nURIs: http://mirror.example.org/debian\n# inside\nSuites: trixie\n \
                    trixie-updates\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDME\n \
                    -----END PGP PUBLIC KEY BLOCK-----\n\nTypes: deb\nEnabled: no\nURIs: http://off.example.org/\nSuites: a\n\
                    Components: b\n\nTypes: deb-src\nURIs: http://src.example.org/\nSuites: a\nComponents: b\n";
        let source = one(text);
        assert_eq!(source.suites, ["trixie", "trixie-updates"]);
        let key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n-----END PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(source.signed_by, Some(SignedBy::Inline(key.into())));
    }

    #[test]
    fn fingerprints_and_files_are_told_apart() {
        let source = one("Types: deb\nURIs: file:/srv/a\nSuites: ./\nSigned-By: /k.gpg 0123abcd!\n");
        let expected = SignedBy::Files {
            files: vec!["/k.gpg".into()],
            fingerprints: vec!["0123ABCD".into()],
        };
        assert_eq!(source.signed_by, Some(expected));
        assert!(source.components.is_empty());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, line, word) in [
            ("\ndeb http://mirror.example.org/debian trixie\n", 2, "component"),
            ("deb http://mirror.example.org/debian\n", 1, "suite"),
            ("deb\n", 1, "URI"),
            (
                "deb [arch=x http://mirror.example.org/debian t main\n",
                1,
                "bracket",
            ),
            ("deb ftp://mirror.example.org/debian t main\n", 1, "ftp"),
            ("deb http://mirror.example.org/debian ../t main\n", 1, "../t"),
            ("deb http://mirror.example.org/debian t ma/../in\n", 1, "ma/../in"),
            ("debx http://mirror.example.org/debian t main\n", 1, "debx"),
        ] {
            let error = parse(text, SourceFormat::OneLine, "f.list")
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(&format!("f.list:{line}")) && error.contains(word),
                "{error}"
            );
        }
        let error = parse("Types: deb\nnonsense\n", SourceFormat::Deb822, "f")
            .unwrap_err()
            .to_string();
        assert!(error.contains("f:2"), "{error}");
    }

    #[test]
    fn formats_are_guessed() {
        assert_eq!(guess_format("# x\ndeb http://a b c"), Some(SourceFormat::OneLine));
        assert_eq!(guess_format("\nTypes: deb\n"), Some(SourceFormat::Deb822));
        assert_eq!(guess_format("hello world: x"), None);
        assert_eq!(guess_format("# only\n"), None);
    }
}
