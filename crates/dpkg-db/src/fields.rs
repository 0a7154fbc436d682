//! The fields of a stanza (deb-control(5)): those dpkg knows, and a text split into fields.

use super::error::DpkgError;

/// dpkg's treatment of a field's value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldKind {
    /// Held in a field of [`Package`](super::Package) of its own.
    Own,
    Text,
    Boolean,
    Relation,
    /// Only in `available`, dropped from status.
    Archive,
    /// An older name of another field.
    Obsolete(&'static str),
}

/// The fields dpkg knows, in the order in which it writes them.
pub(super) const FIELDS: &[(&str, FieldKind)] = &[
    ("Package", FieldKind::Own),
    ("Essential", FieldKind::Boolean),
    ("Protected", FieldKind::Boolean),
    ("Status", FieldKind::Own),
    ("Priority", FieldKind::Text),
    ("Section", FieldKind::Text),
    ("Installed-Size", FieldKind::Text),
    ("Origin", FieldKind::Text),
    ("Maintainer", FieldKind::Text),
    ("Bugs", FieldKind::Text),
    ("Architecture", FieldKind::Own),
    ("Multi-Arch", FieldKind::Own),
    ("Source", FieldKind::Text),
    ("Version", FieldKind::Own),
    ("Config-Version", FieldKind::Own),
    ("Replaces", FieldKind::Relation),
    ("Provides", FieldKind::Relation),
    ("Depends", FieldKind::Relation),
    ("Pre-Depends", FieldKind::Relation),
    ("Recommends", FieldKind::Relation),
    ("Suggests", FieldKind::Relation),
    ("Breaks", FieldKind::Relation),
    ("Conflicts", FieldKind::Relation),
    ("Enhances", FieldKind::Relation),
    ("Conffiles", FieldKind::Own),
    ("Filename", FieldKind::Archive),
    ("Size", FieldKind::Archive),
    ("MD5sum", FieldKind::Archive),
    ("MSDOS-Filename", FieldKind::Archive),
    ("Description", FieldKind::Text),
    ("Triggers-Pending", FieldKind::Own),
    ("Triggers-Awaited", FieldKind::Own),
    ("Recommended", FieldKind::Obsolete("Recommends")),
    ("Optional", FieldKind::Obsolete("Suggests")),
    ("Class", FieldKind::Obsolete("Priority")),
    ("Revision", FieldKind::Obsolete("Version")),
    ("Package-Revision", FieldKind::Obsolete("Version")),
    ("Package_Revision", FieldKind::Obsolete("Version")),
];

/// Checks the form of an archive's control file, which is one stanza, as dpkg does (`parse_stanza` in its source).
/// Returns the stanza.
///
/// # Errors
/// The fault.
pub(super) fn only_stanza(text: &str) -> Result<&str, String> {
    let text = text.trim_start_matches('\n');
    if text.is_empty() {
        return Err("has no package information".to_owned());
    }
    if !text.ends_with('\n') {
        return Err("has no newline at its end".to_owned());
    }
    let (stanza, more) = match text.find("\n\n") {
        Some(end) => text.split_at(end + 1),
        None => (text, ""),
    };
    if !more.trim_matches('\n').is_empty() {
        return Err("has several stanzas, and only one is allowed".to_owned());
    }
    for line in stanza.lines() {
        if line.trim_ascii().is_empty() {
            return Err("has a blank line in the value of a field".to_owned());
        }
        if line.starts_with('-') {
            return Err(format!("has a field name that begins with a hyphen: '{line}'"));
        }
    }
    Ok(stanza)
}

/// Splits a stanza into fields: values keep their continuation lines, without white space at either end.
pub(super) fn fields(stanza: &str) -> impl Iterator<Item = Result<(&str, &str), DpkgError>> {
    let mut rest = stanza;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches('\n');
        if rest.is_empty() {
            return None;
        }
        let mut end = 0;
        loop {
            end += rest[end..].find('\n').map_or(rest.len() - end, |at| at + 1);
            if !rest[end..].starts_with([' ', '\t']) {
                break;
            }
        }
        let (field, after) = rest.split_at(end);
        rest = after;
        let Some((name, value)) = field.split_once(':') else {
            return Some(Err(bad_line(field)));
        };
        let name = name.trim_end_matches([' ', '\t']);
        if name.is_empty() || name.contains(|c: char| c.is_ascii_whitespace()) {
            return Some(Err(bad_line(field)));
        }
        // A value that begins on the next line keeps that line's leading space: `Conffiles` needs it.
        let value = value
            .trim_start_matches([' ', '\t'])
            .trim_end_matches(|c: char| c.is_ascii_whitespace());
        Some(Ok((name, value)))
    })
}

fn bad_line(field: &str) -> DpkgError {
    let line = field.lines().next().unwrap_or_default();
    DpkgError::Line {
        line: line.chars().take(80).collect(),
    }
}
