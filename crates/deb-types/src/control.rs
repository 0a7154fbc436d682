//! Control data: paragraphs of `Field: value` lines, as in deb-control(5) and
//! the `Packages` files of an archive.
//!
//! Nothing is copied: a [`Paragraph`] is a slice of the text it was found in,
//! and a field's value is a slice of that. A value keeps its continuation
//! lines exactly as they stand, so what was read can be written back.
//! An index of 50 MB is walked in some tens of milliseconds.

use thiserror::Error;

/// A fault of a piece of control data.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ControlError {
    /// A line that is neither `Field: value`, a continuation nor a comment.
    #[error("line {line} is not a control field: {text:?}")]
    NotAField {
        /// Number of the line in the whole text, from 1.
        line: usize,
        /// The beginning of the line.
        text: String,
    },
    /// A paragraph begins with a line that continues nothing.
    #[error("line {line} continues a field, but none has begun")]
    StrayContinuation {
        /// Number of the line in the whole text, from 1.
        line: usize,
    },
}

/// One paragraph (stanza) of control data, a slice of the text it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paragraph<'a> {
    text: &'a str,
}

impl<'a> Paragraph<'a> {
    /// Returns the value of a field, whose name may be in any case: without the blanks and the line end around
    /// it, with its continuation lines as they are.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.fields()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Returns all fields as (name, value), in their order.
    pub fn fields(&self) -> Fields<'a> {
        Fields::of(self.text)
    }

    /// Returns the paragraph as it stands in the text, to the end of its last line.
    pub fn text(&self) -> &'a str {
        self.text
    }
}

/// The fields of a paragraph; see [`Paragraph::fields`].
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a str,
}

impl<'a> Fields<'a> {
    /// Returns the fields of a text that is one paragraph and was checked before.
    pub fn of(paragraph: &'a str) -> Self {
        Self { rest: paragraph }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (item, rest) = next_item(self.rest);
            self.rest = rest;
            match item {
                Item::Field { name, value } => return Some((name, value)),
                Item::End => return None,
                // Paragraphs are checked when they are found.
                Item::Blank | Item::Comment | Item::Bad(_) | Item::Stray => {}
            }
        }
    }
}

/// The first item of a piece of control data.
pub enum Item<'a> {
    /// A whole field with its continuation lines.
    Field {
        /// The field's name as written.
        name: &'a str,
        /// Its trimmed value.
        value: &'a str,
    },
    /// An empty line, which ends a paragraph.
    Blank,
    /// A line beginning with `#`.
    Comment,
    /// A line that is none of these.
    Bad(&'a str),
    /// A continuation line with nothing before it.
    Stray,
    /// The end of the text.
    End,
}

/// Splits a text after its first line, the line without its end.
fn split_line(text: &str) -> (&str, &str) {
    match text.find('\n') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

/// Splits the first item off a text and returns it with the rest.
pub fn next_item(text: &str) -> (Item<'_>, &str) {
    let Some(&first) = text.as_bytes().first() else {
        return (Item::End, "");
    };
    match first {
        b'#' => return (Item::Comment, split_line(text).1),
        b'\n' | b' ' | b'\t' | b'\r' => {
            let (line, rest) = split_line(text);
            return if line.bytes().all(is_blank) {
                (Item::Blank, rest)
            } else {
                (Item::Stray, rest)
            };
        }
        _ => {}
    }
    // Names are short: a plain loop finds their end sooner than a search does.
    let name_end = text
        .bytes()
        .position(|b| b == b':' || !b.is_ascii_graphic())
        .unwrap_or(text.len());
    // As with apt and dpkg blanks may stand before the colon.
    let blanks = text.get(name_end..).unwrap_or_default();
    let blanks = blanks.bytes().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let colon = name_end + blanks;
    let is_field = first != b'-' && name_end > 0 && text.as_bytes().get(colon) == Some(&b':');
    let (line, mut rest) = split_line(text);
    if !is_field {
        return (Item::Bad(line), rest);
    }
    let name = &text[..name_end];
    let mut end = line.len();
    while rest.starts_with([' ', '\t']) {
        let (more, after) = split_line(rest);
        if more.bytes().all(is_blank) {
            break;
        }
        end = text.len() - rest.len() + more.len();
        rest = after;
    }
    let value = text[colon + 1..end].trim_matches([' ', '\t', '\r']);
    (Item::Field { name, value }, rest)
}

/// The paragraphs of a text; see [`paragraphs`].
#[derive(Clone, Debug)]
pub struct Paragraphs<'a> {
    text: &'a str,
    rest: &'a str,
    failed: bool,
}

impl<'a> Paragraphs<'a> {
    fn line(&self, at: usize) -> usize {
        1 + self.text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count()
    }
}

/// Returns the paragraphs of a text, in order. An error is the last item.
pub fn paragraphs(text: &str) -> Paragraphs<'_> {
    Paragraphs {
        text,
        rest: text,
        failed: false,
    }
}

impl<'a> Iterator for Paragraphs<'a> {
    type Item = Result<Paragraph<'a>, ControlError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let mut begin = None;
        loop {
            let at = self.text.len() - self.rest.len();
            let (item, rest) = next_item(self.rest);
            match item {
                Item::Field { .. } => {
                    begin.get_or_insert(at);
                }
                Item::Comment => {}
                Item::Blank | Item::End => {
                    let ended = matches!(item, Item::End);
                    self.rest = rest;
                    if let Some(begin) = begin {
                        return Some(Ok(Paragraph {
                            text: &self.text[begin..at],
                        }));
                    }
                    if ended {
                        return None;
                    }
                    continue;
                }
                Item::Bad(text) => {
                    self.failed = true;
                    return Some(Err(ControlError::NotAField {
                        line: self.line(at),
                        text: text.chars().take(60).collect(),
                    }));
                }
                Item::Stray => {
                    self.failed = true;
                    return Some(Err(ControlError::StrayContinuation { line: self.line(at) }));
                }
            }
            self.rest = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<Paragraph<'_>> {
        paragraphs(text).collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn finds_paragraphs_and_fields() {
        let text = "\n# a comment\nPackage: foo\nDescription: one\n two\n .\n three\nX:\n\n\n\
                    Package: bar\nversion:1\n";
        let found = all(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].get("package"), Some("foo"));
        assert_eq!(found[0].get("Description"), Some("one\n two\n .\n three"));
        assert_eq!(found[0].get("X"), Some(""));
        assert_eq!(found[0].get("Version"), None);
        assert_eq!(found[1].get("Version"), Some("1"));
        assert_eq!(found[1].text(), "Package: bar\nversion:1\n");
        assert_eq!(found[0].fields().count(), 3);
    }

    #[test]
    fn blanks_may_stand_before_the_colon() {
        let found = all("Package \t: foo\nVersion: 1\n");
        assert_eq!(
            (found[0].get("Package"), found[0].get("Version")),
            (Some("foo"), Some("1"))
        );
        assert!(paragraphs("no field: x\n").next().unwrap().is_err());
    }

    #[test]
    fn value_may_begin_on_the_next_line() {
        let found = all("Conffiles:\n /etc/a 0123\n /etc/b 4567\n");
        assert_eq!(found[0].get("Conffiles"), Some("\n /etc/a 0123\n /etc/b 4567"));
    }

    #[test]
    fn carriage_returns_and_blank_lines_with_spaces() {
        let found = all("A: b\r\nC: d\r\n\r\nE: f\n \nG: h");
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].get("A"), Some("b"));
        assert_eq!(found[2].get("G"), Some("h"));
    }

    #[test]
    fn hostile_text_is_an_error_not_a_panic() {
        let cases = ["nonsense", ": x", "é: y", "A: b\nnonsense\n", "-----BEGIN: x"];
        for text in cases {
            let result: Result<Vec<_>, _> = paragraphs(text).collect();
            assert!(matches!(result, Err(ControlError::NotAField { .. })), "{text:?}");
        }
        assert_eq!(
            paragraphs("\n\n x\n").next(),
            Some(Err(ControlError::StrayContinuation { line: 3 }))
        );
        assert_eq!(paragraphs("").next(), None);
        assert_eq!(paragraphs("\n\n").next(), None);
    }
}
