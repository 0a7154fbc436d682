//! Errors as they are shown to the user: the error, its causes, and advice.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;

use task_progress::{Style, escape};

/// Returns the text of an error: `error: …`, a `caused by: …` for each cause, and `hint: …`. All parts are escaped;
/// those of several lines, as a script's last output, keep their lines, indented.
pub fn message(error: &dyn Error, hint: Option<&str>, style: Style) -> String {
    let mut text = format!("{} {}\n", style.error("error:"), lines(&error.to_string()));
    let mut above = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Errors often repeat their causes.
        if !above.contains(&said) {
            let _ = writeln!(text, "  caused by: {}", lines(&said));
        }
        above = said;
        cause = error.source();
    }
    if let Some(hint) = hint {
        let _ = writeln!(text, "{} {}", style.hint("hint:"), lines(hint));
    }
    style.encode(text)
}

/// Prints an error on standard error.
pub fn print(error: &dyn Error, hint: Option<impl AsRef<str>>, style: Style) {
    let text = message(error, hint.as_ref().map(AsRef::as_ref), style);
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Returns a text with its lines escaped and indented.
fn lines(text: &str) -> String {
    let escaped: Vec<String> = text
        .trim_end()
        .lines()
        .map(|line| escape(line).to_string())
        .collect();
    escaped.join("\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot unpack {name}")]
    struct Outer {
        name: &'static str,
        source: std::io::Error,
    }

    #[test]
    fn causes_and_hint() {
        let error = Outer {
            name: "evil\x1b[2J",
            source: std::io::Error::other("no\nspace"),
        };
        assert_eq!(
            message(&error, Some("make room"), Style::default()),
            "error: cannot unpack evil\\u{1b}[2J\n  caused by: no\n    space\nhint: make room\n"
        );
    }
}
