//! Makes strings from packages, archives and scripts safe to print.

use std::fmt::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Returns `text` with all characters that could act on a terminal (control
/// characters, bidirectional overrides) or break the line as Rust-like escapes.
///
/// ```
/// assert_eq!(task_progress::escape("a\u{1b}[2J\n").to_string(), r"a\u{1b}[2J\n");
/// ```
pub fn escape(text: &str) -> impl fmt::Display + '_ {
    Escaped(text.as_bytes())
}

/// Escapes bytes as [`escape()`] does text; bytes that are not UTF-8 become `\xHH`.
pub fn escape_bytes(bytes: &[u8]) -> impl fmt::Display + '_ {
    Escaped(bytes)
}

/// Escapes a path as [`escape_bytes`] does.
pub fn escape_path(path: &Path) -> impl fmt::Display + '_ {
    Escaped(path.as_os_str().as_bytes())
}

/// Returns a text in ASCII: other characters become escapes, as those do that act on a terminal.
///
/// ```
/// assert_eq!(task_progress::ascii("a\u{e9}\n"), "a\\u{e9}\n");
/// ```
pub fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{2026}' => out.push_str("..."),
            '\u{2018}' | '\u{2019}' => out.push('\''),
            '\u{201c}' | '\u{201d}' => out.push('"'),
            c if c.is_ascii() => out.push(c),
            c => {
                // A string takes what is written to it.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
        }
    }
    out
}

/// Returns an error and its causes in one line. Errors often repeat their causes: what is said is not said again.
///
/// ```
/// let inner = std::io::Error::other("the disk is on fire");
/// let outer = std::io::Error::other(inner);
/// assert_eq!(task_progress::with_causes(&outer), "the disk is on fire");
/// ```
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                write_escaped(f, character)?;
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

fn write_escaped(f: &mut fmt::Formatter<'_>, character: char) -> fmt::Result {
    match character {
        '\t' => f.write_str("\\t"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        c if c.is_control() || is_invisible_order(c) => write!(f, "\\u{{{:x}}}", u32::from(c)),
        c => f.write_char(c),
    }
}

/// Whether a character reorders or hides those around it.
fn is_invisible_order(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_not_commanded() {
        assert_eq!(
            escape("a\x1b[2Jb\r\n\u{202e}c é").to_string(),
            "a\\u{1b}[2Jb\\r\\n\\u{202e}c é"
        );
        assert_eq!(escape_bytes(b"x\xff\x9by\x07").to_string(), "x\\xff\\x9by\\u{7}");
        assert_eq!(escape("\u{9b}").to_string(), "\\u{9b}");
    }
}
