//! The two formats of apt sources, described in sources.list(5).

use super::Result;
use super::source::{SignedBy, Source, SourceFormat};
use super::source_entry::{SourceEntry, bad};
use deb_types::edited::{self, Paragraph};

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

fn parse_one_line(text: &str, origin: &str) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        let line = line.split('#').next().unwrap_or("").trim();
        if line.is_empty() {
            continue;
        }
        let bad = |reason: String| bad(origin, number, reason);
        let (kind, mut rest) = split_word(line);
        let binary = match kind {
            "deb" => true,
            "deb-src" => false,
            other => return Err(bad(format!("`{other}` is neither deb nor deb-src"))),
        };
        let mut entry = SourceEntry::default();
        if let Some(inner) = rest.strip_prefix('[') {
            let (options, after) = inner
                .split_once(']')
                .ok_or_else(|| bad("the options in [ ] have no closing bracket".to_owned()))?;
            for (key, value) in one_line_options(options).map_err(bad)? {
                entry.set_given(&key.to_ascii_lowercase(), &value).map_err(bad)?;
            }
            rest = after.trim_start();
        }
        let (uri, rest) = split_word(rest);
        let mut words = rest.split_whitespace().map(str::to_owned);
        entry.uris = vec![uri.to_owned()];
        entry.suites = words.next().into_iter().collect();
        entry.components = words.collect();
        entry.is_source = !binary;
        sources.extend(entry.finish(origin, number)?);
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
fn one_line_options(text: &str) -> std::result::Result<Vec<(String, String)>, String> {
    let mut options = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        // Of `arch+=x` the sign is part of the key.
        let end = rest
            .find(|c: char| c == '=' || c.is_whitespace())
            .unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        let Some(after) = after.strip_prefix('=') else {
            return Err(format!("`{key}` in [ ] is no option: NAME=VALUE is expected"));
        };
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted
                .split_once('"')
                .ok_or_else(|| format!("the value of {key} has no closing quote"))?,
            None => split_word(after),
        };
        options.push((key.to_owned(), value.to_owned()));
        rest = after.trim_start();
    }
    Ok(options)
}

fn parse_deb822(text: &str, origin: &str) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for paragraph in edited::paragraphs(text) {
        let Paragraph { line, fields } = paragraph.map_err(|wrong| {
            bad(
                origin,
                wrong.line,
                "this is neither `Field: value` nor its continuation",
            )
        })?;
        let mut entry = SourceEntry::default();
        let mut types = Vec::new();
        for field in &fields {
            let value = field.value.as_str();
            let set = match field.name.to_ascii_lowercase().as_str() {
                "types" => {
                    types = words(value);
                    let other = types
                        .iter()
                        .find(|kind| !matches!(kind.as_str(), "deb" | "deb-src"));
                    match other {
                        Some(other) => Err(format!("`{other}` is neither deb nor deb-src")),
                        None => Ok(()),
                    }
                }
                "uris" => {
                    entry.uris = words(value);
                    Ok(())
                }
                "suites" => {
                    entry.suites = words(value);
                    Ok(())
                }
                "components" => {
                    entry.components = words(value);
                    Ok(())
                }
                "signed-by" if value.contains("-----BEGIN") => {
                    entry.signed_by = Some(SignedBy::Inline(unfold_key(value)));
                    Ok(())
                }
                name => {
                    let name = one_line_name(name);
                    match name.as_str() {
                        "arch" | "arch+" | "arch-" | "target" | "target+" | "target-" | "signed-by"
                        | "include" | "exclude" => entry.set(&name, &words(value).join(",")),
                        name => entry.set(name, value.trim()),
                    }
                }
            };
            set.map_err(|reason| bad(origin, field.line, format!("{}: {reason}", field.name)))?;
        }
        if types.is_empty() {
            return Err(bad(
                origin,
                line,
                "the paragraph has no Types field (`Types: deb`)",
            ));
        }
        entry.is_source = !types.iter().any(|kind| kind == "deb");
        sources.extend(entry.finish(origin, line)?);
    }
    Ok(sources)
}

/// Returns the one-line name of an option by its field, in lower case: `arch-` for `architectures-remove`.
fn one_line_name(field: &str) -> String {
    let (name, sign) = match (field.strip_suffix("-add"), field.strip_suffix("-remove")) {
        (Some(name), _) => (name, "+"),
        (_, Some(name)) => (name, "-"),
        _ => (field, ""),
    };
    let short = match name {
        "architectures" => "arch",
        "languages" => "lang",
        "targets" => "target",
        name => name,
    };
    format!("{short}{sign}")
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::source::SourceSnapshot;
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
            "target+=Contents-deb",
            "pdiffs=no",
            "by-hash=yes",
            "snapshot=enable",
            "x-of-a-third-party=1",
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
        let fingerprint = "0123456789abcdef0123456789abcdef01234567";
        let source = one(&format!(
            "Types: deb\nURIs: file:/srv/a\nSuites: ./\nSigned-By: /k.gpg {fingerprint}!\n"
        ));
        let expected = SignedBy::Files {
            files: vec!["/k.gpg".into()],
            fingerprints: vec![format!("{}!", fingerprint.to_ascii_uppercase())],
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
            ("deb-src\n", 1, "URI"),
            (
                "deb [trusted] http://mirror.example.org/debian t main\n",
                1,
                "NAME=VALUE",
            ),
            (
                "deb [trusted=maybe] http://mirror.example.org/debian t main\n",
                1,
                "yes or no",
            ),
            (
                "deb [signed-by=\"/k] http://mirror.example.org/debian t main\n",
                1,
                "quote",
            ),
            (
                "deb [signedby=/k] http://mirror.example.org/debian t main\n",
                1,
                "signed-by",
            ),
            (
                "deb [signed-by=ABCD] http://mirror.example.org/debian t main\n",
                1,
                "fingerprint",
            ),
            (
                "deb [valid-until-max=soon] http://mirror.example.org/debian t main\n",
                1,
                "seconds",
            ),
            (
                "deb [snapshot=yesterday] http://mirror.example.org/debian t main\n",
                1,
                "snapshot",
            ),
            (
                "deb [by-hash=perhaps] http://mirror.example.org/debian t main\n",
                1,
                "force",
            ),
            ("deb cdrom:[Debian 13 _Trixie_]/ trixie main\n", 1, "cdrom"),
            ("deb ssh://mirror.example.org/debian t main\n", 1, "sshfs"),
            ("deb rsh://mirror.example.org/debian t main\n", 1, "rsh"),
            ("deb tor+http://mirror.example.org/debian t main\n", 1, "socks5h"),
            (
                "deb mirror+ftp://mirror.example.org/list t main\n",
                1,
                "mirror+ftp",
            ),
            ("deb file:srv/a t main\n", 1, "absolute"),
            ("deb what t main\n", 1, "no URI"),
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
        for (field, line, word) in [
            ("Trusted: maybe", 4, "Trusted"),
            ("Check-Date: 7", 4, "yes or no"),
            ("URIs: ftp://u:secret@mirror.example.org/", 1, "ftp"),
            ("Types: rpm", 4, "rpm"),
        ] {
            let text = format!("Types: deb\nURIs: http://mirror.example.org/\nSuites: ./\n{field}\n");
            let error = parse(&text, SourceFormat::Deb822, "f").unwrap_err().to_string();
            assert!(
                error.contains(&format!("f:{line}")) && error.contains(word),
                "{error}"
            );
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn formats_are_guessed() {
        assert_eq!(guess_format("# x\ndeb http://a b c"), Some(SourceFormat::OneLine));
        assert_eq!(guess_format("\nTypes: deb\n"), Some(SourceFormat::Deb822));
        assert_eq!(guess_format("hello world: x"), None);
        assert_eq!(guess_format("# only\n"), None);
    }

    #[test]
    fn every_other_option() {
        let one = |text: &str| options(text).remove(0);
        assert_eq!(one("by-hash=no").by_hash, Some(false));
        assert_eq!(one("by-hash=force").by_hash, Some(true));
        let times = one("valid-until-min=60 valid-until-max=120 date-max-future=7");
        let seconds = Duration::from_secs;
        assert_eq!(
            (
                times.valid_until_min,
                times.valid_until_max,
                times.date_max_future
            ),
            (seconds(60), Some(seconds(120)), Some(seconds(7)))
        );
        assert_eq!(one("snapshot=disable").snapshot, SourceSnapshot::Never);
        let moment = SourceSnapshot::At("20260912T080000Z".to_owned());
        assert_eq!(one("snapshot=20260912T080000Z").snapshot, moment);
        let some = one("include=bash,lib* exclude=libx");
        assert!(some.takes("bash") && some.takes("libc6") && !some.takes("libx") && !some.takes("dash"));
        let text = "Types: deb\nURIs: file:/srv/a\nSuites: ./\nExclude: a b\nTargets-Remove: Contents-deb\n";
        let field = super::tests::one(text);
        assert!(!field.takes("b") && field.takes("c"));
        // A source of something else than packages is none here.
        assert_eq!(options("target=Translation-en"), []);
        assert_eq!(options("target-=Packages"), []);
        assert_eq!(options("target=Packages,Contents-deb").len(), 1);
    }

    #[test]
    fn lists_of_mirrors_are_uris() {
        let uri = |text: &str| {
            let line = format!("deb {text} t main\n");
            parse(&line, SourceFormat::OneLine, "t")
                .unwrap()
                .remove(0)
                .uris
                .remove(0)
        };
        assert_eq!(
            uri("mirror://mirror.example.org/l").as_str(),
            "mirror+http://mirror.example.org/l"
        );
        for text in [
            "mirror+file:/etc/l",
            "mirror+copy:/etc/l",
            "mirror+https://mirror.example.org/l",
        ] {
            assert!(
                uri(text).as_str().starts_with(text.split(':').next().unwrap()),
                "{text}"
            );
        }
    }

    #[test]
    fn sources_know_their_place() {
        let text = "\ndeb http://u:secret@mirror.example.org/debian trixie main\n";
        let source = parse(text, SourceFormat::OneLine, "a.list").unwrap().remove(0);
        assert_eq!(source.place, "a.list:2 (http://mirror.example.org/debian trixie)");
    }
}
