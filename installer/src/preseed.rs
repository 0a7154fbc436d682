//! Answers for debconf (debconf-set-selections(1)).
//!
//! They are given to the target's own debconf in the session, when the essential packages are configured and before
//! the others are: where mmdebstrap(1) runs its essential hooks.

use std::path::{Path, PathBuf};

/// Path of the program in the target.
pub(crate) const PROGRAM: &str = "/usr/bin/debconf-set-selections";

/// Types of questions (debconf-devel(7)), and `seen`.
const TYPES: [&str; 10] = [
    "boolean",
    "error",
    "multiselect",
    "note",
    "password",
    "select",
    "string",
    "text",
    "title",
    "seen",
];

/// Reason why selections cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PreseedError {
    /// The file cannot be read.
    #[error("--debconf-selections: cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// A line is not a selection.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// The problem of the line.
        what: String,
    },
    /// No package of the first phase has the program.
    #[error("--debconf-selections: variant {variant} does not install debconf before the other packages")]
    NoDebconf {
        /// The variant.
        variant: String,
    },
    /// The program failed.
    #[error("debconf-set-selections failed with {ended} on {}{last_lines}", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// The way in which it ended.
        ended: String,
        /// Last lines of its output, each after a newline.
        last_lines: String,
    },
}

impl PreseedError {
    /// Returns advice to the user.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Line { .. } => Some(
                "a line is: package, question, type and value between blanks, for example `locales locales/default_environment_locale select C.UTF-8`",
            ),
            Self::NoDebconf { .. } => Some("take a larger variant, or leave the option out"),
            Self::Read { .. } | Self::Failed { .. } => None,
        }
    }
}

/// A file of selections, read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selections {
    /// Path of the file.
    pub path: PathBuf,
    /// Its content.
    pub text: Vec<u8>,
}

impl Selections {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// The file cannot be read, or a line of it is not a selection.
    pub fn read(path: &Path) -> Result<Self, PreseedError> {
        let text = std::fs::read(path).map_err(|source| PreseedError::Read {
            path: path.to_owned(),
            source,
        })?;
        check(&text).map_err(|(line, what)| PreseedError::Line {
            path: path.to_owned(),
            line,
            what,
        })?;
        Ok(Self {
            path: path.to_owned(),
            text,
        })
    }

    /// Returns the command that takes the selections in `file`.
    pub(crate) fn command(file: &str) -> [&str; 2] {
        [PROGRAM, file]
    }
}

/// Checks that all lines are selections. A line that ends with a backslash continues in the next.
///
/// # Errors
/// The number of the first line that is not, and its problem.
fn check(text: &[u8]) -> Result<(), (usize, String)> {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.lines().enumerate();
    while let Some((number, first)) = lines.next() {
        let mut whole = first.to_owned();
        while let Some(begun) = whole.strip_suffix('\\') {
            let Some((_, more)) = lines.next() else { break };
            whole = format!("{begun}{more}");
        }
        let mut fields = whole.split_whitespace();
        let Some(owner) = fields.next().filter(|owner| !owner.starts_with('#')) else {
            continue;
        };
        let wrong = |what: String| Err((number + 1, what));
        let Some(question) = fields.next() else {
            return wrong(format!("there is no question after `{owner}`"));
        };
        match fields.next() {
            None => return wrong(format!("there is no type after `{question}`")),
            Some(kind) if !TYPES.contains(&kind) => {
                return wrong(format!("`{kind}` is no type of question"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_are_checked() {
        let good = "# a comment\n\n  # another\nlocales locales/x multiselect en_US.UTF-8 UTF-8, \\\n  de_DE.UTF-8 UTF-8\n\
                    d-i\tdebian/a\tboolean true\nx x/empty string\nx x/empty seen true";
        assert_eq!(check(good.as_bytes()), Ok(()));
        for (text, line, part) in [
            ("a a/b string x\nlocales\n", 2, "question"),
            ("a a/b\n", 1, "type"),
            ("a a/b string x \\\ny\n\na a/b strnig x", 4, "strnig"),
        ] {
            let (number, what) = check(text.as_bytes()).unwrap_err();
            assert_eq!(number, line, "{text}");
            assert!(what.contains(part), "{what}");
        }
    }

    #[test]
    fn errors_name_file_and_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("answers");
        let error = Selections::read(&file).unwrap_err();
        assert!(error.to_string().contains("answers"), "{error}");
        std::fs::write(&file, "# x\nlocales locales/x\n").unwrap();
        let error = Selections::read(&file).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("answers:2: there is no type after `locales/x`")
        );
        assert!(error.hint().is_some());
    }
}
