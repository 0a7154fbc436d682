//! Files of preferences as text: paragraphs of `Package`, `Pin` and `Pin-Priority`.

use super::{Match, Name, Of, PreferencesError, Record};
use deb_types::edited::{self, Field, NoField, Paragraph};
use regex::RegexBuilder;
use std::path::Path;

/// Records that a text has, in its order.
#[derive(Clone, Debug, Default)]
pub struct Records(pub(super) Vec<Record>);

/// Parses the text of the file `path`.
///
/// # Errors
/// [`PreferencesError::Line`].
pub fn parse(text: &str, path: &Path) -> Result<Records, PreferencesError> {
    let wrong = |(line, what): (usize, String)| PreferencesError::Line {
        path: path.to_owned(),
        line,
        what,
    };
    let mut records = Vec::new();
    for paragraph in edited::paragraphs(text) {
        let paragraph = paragraph.map_err(|NoField { line, text }| {
            wrong((
                line,
                format!("`{text}`: a field was expected, such as `Pin: release a=stable`"),
            ))
        })?;
        records.extend(record(&paragraph).map_err(wrong)?);
    }
    Ok(Records(records))
}

/// Returns the record of a paragraph, none where it only explains; an error has the number of its line.
fn record(paragraph: &Paragraph) -> Result<Option<Record>, (usize, String)> {
    const FIELDS: [&str; 4] = ["Package", "Pin", "Pin-Priority", "Explanation"];
    let unknown = |field: &&Field| !FIELDS.iter().any(|name| field.name.eq_ignore_ascii_case(name));
    if let Some(Field { name, line, .. }) = paragraph.fields.iter().find(unknown) {
        let what = format!("unknown field `{name}`; Package, Pin, Pin-Priority or Explanation was expected");
        return Err((*line, what));
    }
    // The last one counts.
    let get = |name: &str| {
        let found = paragraph
            .fields
            .iter()
            .rfind(|field| field.name.eq_ignore_ascii_case(name));
        found.map(|field| (field.line, field.value.trim()))
    };
    if ["Package", "Pin", "Pin-Priority"]
        .iter()
        .all(|name| get(name).is_none())
    {
        return Ok(None);
    }
    let need = |field: &str, like: &str| {
        get(field).ok_or_else(|| {
            (
                paragraph.line,
                format!("the record has no field {field}; expected something like `{field}: {like}`"),
            )
        })
    };
    let (line, names) = need("Package", "*")?;
    let packages = names
        .split_whitespace()
        .map(|name| packages(name).map_err(|what| (line, what)))
        .collect::<Result<Vec<_>, _>>()?;
    if packages.is_empty() {
        return Err((
            line,
            "Package is empty; names of packages, or `*`, were expected".to_owned(),
        ));
    }
    let (line, pin) = need("Pin", "release a=stable")?;
    let by = match_of(pin).map_err(|what| (line, what))?;
    let (line, number) = need("Pin-Priority", "990")?;
    let priority = number.parse().ok().filter(|number| *number != 0).ok_or_else(|| {
        let what =
            format!("`{number}` is no priority; a number from -32768 to 32767 that is not 0 was expected");
        (line, what)
    })?;
    Ok(Some(Record {
        packages,
        by,
        priority,
    }))
}

fn packages(text: &str) -> Result<Of, String> {
    if text == "*" {
        return Ok(Of::All);
    }
    let (text, of_source) = match text.strip_prefix("src:") {
        Some(source) => (source, true),
        None => (text, false),
    };
    // A regular expression may have a colon in it.
    let (package, architecture) = match text.rsplit_once(':').filter(|(_, after)| !after.contains('/')) {
        Some((package, architecture)) => (package, Some(architecture.to_owned())),
        None => (text, None),
    };
    let package = name(package)?;
    Ok(match of_source {
        true => Of::Source(package, architecture),
        false => Of::Named(package, architecture),
    })
}

fn match_of(text: &str) -> Result<Match, String> {
    let (kind, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    match kind.to_ascii_lowercase().as_str() {
        "version" if !rest.is_empty() => Ok(Match::Version(name(rest)?)),
        "release" if !rest.is_empty() => {
            let parts = release(rest);
            match parts.iter().find(|(letter, _)| !"anvolcb ".contains(*letter)) {
                Some((letter, _)) => Err(format!(
                    "`{letter}=` is no part of a release; a, n, v, o, l, c or b was expected"
                )),
                None => Ok(Match::Release(parts)),
            }
        }
        "origin" => Ok(Match::Origin(name(rest.trim_matches('"'))?)),
        _ => Err(format!(
            "`{text}`: expected `version VERSION`, `release a=SUITE,o=ORIGIN,…` or `origin HOST`"
        )),
    }
}

/// Returns the parts of a release: letters with values between commas, or one value without a letter.
pub(super) fn release(text: &str) -> Vec<(char, Name)> {
    let literal = |text: &str| name(text).unwrap_or_else(|_| Name::Glob(text.to_owned()));
    if !text.contains('=') {
        let letter = match text.starts_with(|first: char| first.is_ascii_digit()) {
            true => 'v',
            false => ' ',
        };
        return vec![(letter, literal(text.trim()))];
    }
    text.split(',')
        .filter(|part| !part.trim().is_empty())
        .map(|part| {
            let (letter, value) = part.split_once('=').unwrap_or((" ", part));
            (
                letter.trim().chars().next().unwrap_or(' '),
                literal(value.trim().trim_matches('"')),
            )
        })
        .collect()
}

fn name(text: &str) -> Result<Name, String> {
    match text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        Some(expression) => RegexBuilder::new(expression)
            .case_insensitive(true)
            .build()
            .map(Name::Regex)
            .map_err(|_| format!("`{text}` is no regular expression")),
        None => Ok(Name::Glob(text.to_owned())),
    }
}
