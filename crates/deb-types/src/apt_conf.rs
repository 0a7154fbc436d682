//! The syntax of apt's configuration: comments, words, statements. Source: apt.conf(5), and `ReadConfigFile` in apt's
//! source where that is silent.

use std::fmt;

/// The most parts of a name. apt knows no limit; no setting has ten.
const DEEPEST: usize = 64;

/// A statement with its name in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// A value, or with a name that ends in `::` a member of a list.
    Set {
        /// The name.
        name: String,
        /// The value.
        value: String,
    },
    /// `#clear`.
    Clear {
        /// The name whose value and members are removed.
        name: String,
    },
    /// `#include`.
    Include {
        /// Path of a file, or of a directory where it ends with a slash.
        path: String,
    },
}

/// A mistake in a file of configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Number of the line, from 1.
    pub line: usize,
    /// The mistake, in words.
    pub what: String,
}

impl std::error::Error for SyntaxError {}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// Returns the statements of a file in their order; a mistake is the last of them.
///
/// ```
/// use deb_types::apt_conf::{Statement, statements};
///
/// let set = |name: &str, value: &str| Ok(Statement::Set { name: name.to_owned(), value: value.to_owned() });
/// assert_eq!(
///     statements("APT { Get::Show \"yes\"; List { \"a\"; }; }; // a comment"),
///     [set("APT::Get::Show", "yes"), set("APT::List::", "a")]
/// );
/// ```
pub fn statements(text: &str) -> Vec<Result<Statement, SyntaxError>> {
    let mut parser = Parser::default();
    let mut in_comment = false;
    for (number, line) in text.lines().enumerate() {
        let line = without_comments(line.replace('\t', "        ").trim(), &mut in_comment);
        if let Err(what) = parser.line(&line) {
            parser.found.push(Err(SyntaxError {
                line: number + 1,
                what,
            }));
            return parser.found;
        }
    }
    if !parser.pending.is_empty() {
        let last = text.lines().count();
        parser.found.push(Err(SyntaxError {
            line: last,
            what: "a statement without an end".to_owned(),
        }));
    }
    parser.found
}

/// Returns a line without its comments. Within quotes there are none.
fn without_comments(line: &str, in_comment: &mut bool) -> String {
    let mut rest = line;
    if *in_comment {
        let Some((_, after)) = rest.split_once("*/") else {
            return String::new();
        };
        rest = after;
        *in_comment = false;
    }
    let rest = cut(rest, "//", |_| false);
    // Directives begin like a comment.
    let magic = ["clear", "include", "x-apt-configure-index"];
    let mut rest = cut(rest, "#", |after| {
        magic.iter().any(|word| after.starts_with(word))
    });
    let mut kept = String::new();
    while let Some(at) = unquoted(rest, "/*", |_| false) {
        kept.push_str(&rest[..at]);
        match rest[at + 2..].split_once("*/") {
            Some((_, after)) => rest = after,
            None => {
                *in_comment = true;
                rest = "";
            }
        }
    }
    kept + rest
}

/// Returns `line` up to the first `mark` outside of quotes, unless what follows it is `kept`.
fn cut<'l>(line: &'l str, mark: &str, kept: impl Fn(&str) -> bool) -> &'l str {
    unquoted(line, mark, kept).map_or(line, |at| &line[..at])
}

/// Returns the place of the first `mark` outside of quotes whose rest of the line is not `kept`.
fn unquoted(line: &str, mark: &str, kept: impl Fn(&str) -> bool) -> Option<usize> {
    let mut quoted = false;
    line.char_indices().find_map(|(at, letter)| {
        quoted ^= letter == '"';
        let after = line[at..].strip_prefix(mark)?;
        (!quoted && !kept(after)).then_some(at)
    })
}

#[derive(Default)]
struct Parser {
    found: Vec<Result<Statement, SyntaxError>>,
    /// What was read of the statement under way.
    pending: String,
    /// Names of the blocks around it, each in full.
    blocks: Vec<String>,
}

impl Parser {
    /// Takes a line without comments in.
    fn line(&mut self, line: &str) -> Result<(), String> {
        let mut quoted = false;
        let mut start = 0;
        for (at, letter) in line.char_indices() {
            quoted ^= letter == '"';
            if quoted || !matches!(letter, '{' | ';' | '}') {
                continue;
            }
            self.add(&line[start..at]);
            start = at + 1;
            let statement = std::mem::take(&mut self.pending);
            if statement.is_empty() {
                match letter {
                    '{' => return Err("a block without a name".to_owned()),
                    '}' => self.leave(),
                    _ => {}
                }
                continue;
            }
            self.statement(&statement, letter)?;
            if letter == '}' {
                self.leave();
            }
        }
        self.add(&line[start..]);
        Ok(())
    }

    fn add(&mut self, fragment: &str) {
        let fragment = fragment.trim();
        if !self.pending.is_empty() && !fragment.is_empty() {
            self.pending.push(' ');
        }
        self.pending.push_str(fragment);
    }

    fn leave(&mut self) {
        self.blocks.pop();
    }

    fn block(&self) -> &str {
        self.blocks.last().map_or("", String::as_str)
    }

    /// Returns the full name of a name in the block that is open.
    fn within(&self, tag: &str) -> Result<String, String> {
        let name = match self.block() {
            "" => tag.to_owned(),
            block => format!("{block}::{tag}"),
        };
        match name.matches("::").count() {
            0..DEEPEST => Ok(name),
            _ => Err(format!("a name of more than {DEEPEST} parts")),
        }
    }

    /// Takes a statement in that ends with `end`: a name and a value, or one word.
    fn statement(&mut self, text: &str, end: char) -> Result<(), String> {
        let (tag, rest) = quoted_word(text).ok_or("a malformed name")?;
        let value = words(rest).or_else(|| {
            quoted_word(rest)
                .filter(|(_, left)| left.is_empty())
                .map(|(word, _)| word)
        });
        if value.is_none() && !rest.is_empty() {
            return Err("more than a name and a value".to_owned());
        }
        if end == '{' {
            let block = self.within(&tag)?;
            if let Some(value) = value {
                self.found.push(Ok(Statement::Set {
                    name: block.clone(),
                    value,
                }));
            }
            self.blocks.push(block);
            return Ok(());
        }
        let (tag, value) = match value {
            Some(value) => (tag, value),
            // A word alone is a member of the list around it.
            None => (String::new(), tag),
        };
        if let Some(directive) = tag.strip_prefix('#') {
            if !self.block().is_empty() {
                return Err("a directive within a block".to_owned());
            }
            let statement = match directive {
                "clear" => Statement::Clear { name: value },
                "include" => Statement::Include { path: value },
                "x-apt-configure-index" => return Ok(()),
                _ => return Err(format!("`#{directive}` is no directive")),
            };
            self.found.push(Ok(statement));
            return Ok(());
        }
        if tag.is_empty() && value == "#clear" {
            return Err("#clear of nothing".to_owned());
        }
        let name = self.within(&tag)?;
        if !name.is_empty() {
            self.found.push(Ok(Statement::Set { name, value }));
        }
        Ok(())
    }
}

/// Returns the first word, up to a blank outside of quotes, without quotes and with `%` escapes decoded, and the rest
/// (`ParseQuoteWord`).
fn quoted_word(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start_matches(' ');
    let mut quoted = false;
    let mut bracket = false;
    let mut end = text.len();
    for (at, letter) in text.char_indices() {
        match letter {
            '"' if !bracket => quoted = !quoted,
            '[' if !quoted => bracket = true,
            ']' => bracket = false,
            _ if letter.is_ascii_whitespace() && !quoted && !bracket => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    if text.is_empty() || quoted || bracket {
        return None;
    }
    let word: Vec<u8> = text[..end].bytes().filter(|byte| *byte != b'"').collect();
    let mut decoded = Vec::new();
    let mut bytes = word.as_slice();
    while let [first, rest @ ..] = bytes {
        bytes = match (first, rest) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or(0) as u8;
                decoded.push(digit(high) << 4 | digit(low));
                after
            }
            _ => {
                decoded.push(*first);
                rest
            }
        };
    }
    Some((
        String::from_utf8_lossy(&decoded).into_owned(),
        text[end..].trim_start(),
    ))
}

/// Returns quoted words joined, with one blank for those between them; none where something is not quoted
/// (`ParseCWord`).
fn words(text: &str) -> Option<String> {
    let mut rest = text.trim_start_matches(' ');
    if rest.is_empty() {
        return None;
    }
    let mut joined = String::new();
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let (word, after) = rest[1..].split_once('"')?;
            joined.push_str(word);
            rest = after;
        } else if first.is_ascii_whitespace() {
            joined.push(' ');
            rest = rest.trim_start();
        } else {
            return None;
        }
    }
    Some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let statements = statements(text).into_iter();
        statements
            .map(|statement| match statement {
                Ok(Statement::Set { name, value }) => format!("{name}={value}"),
                Ok(Statement::Clear { name }) => format!("clear {name}"),
                Ok(Statement::Include { path }) => format!("include {path}"),
                Err(error) => format!("line {}: {}", error.line, error.what),
            })
            .collect()
    }

    #[test]
    fn every_form_of_a_statement_is_read() {
        let text = r#"
// a comment
# another; with { braces
APT::Get::Assume-Yes "true"; A "http://x/y"; // and one behind
APT { NeverAutoRemove { "^firmware-linux.*"; "^x$"; }; Get::Show yes; };
DPkg::Pre-Install-Pkgs {"/usr/sbin/dpkg-preconfigure --apt || true";};
DPkg::Post-Invoke:: "echo \ /* kept */ # kept";
/* over
   lines; */ Joined "a" "b"
   "c";
Escaped "100%25" ; Plain 50%25;
#clear DPkg::Tools;
#include "/etc/apt/more.d/";
Scope "value" { Below "1"; };
"#;
        assert_eq!(
            shown(text),
            [
                "APT::Get::Assume-Yes=true",
                "A=http://x/y",
                "APT::NeverAutoRemove::=^firmware-linux.*",
                "APT::NeverAutoRemove::=^x$",
                "APT::Get::Show=yes",
                "DPkg::Pre-Install-Pkgs::=/usr/sbin/dpkg-preconfigure --apt || true",
                "DPkg::Post-Invoke::=echo \\ /* kept */ # kept",
                "Joined=a b c",
                "Escaped=100%25",
                "Plain=50%",
                "clear DPkg::Tools",
                "include /etc/apt/more.d/",
                "Scope=value",
                "Scope::Below=1",
            ]
        );
    }

    #[test]
    fn mistakes_end_a_file() {
        for (text, said) in [
            (
                "A \"1\";\n{ B; };\nC \"2\";",
                ["A=1", "line 2: a block without a name"],
            ),
            ("A \"1\";\nB \"2", ["A=1", "line 2: a statement without an end"]),
            (
                "A \"1\";\nB 2 3;",
                ["A=1", "line 2: more than a name and a value"],
            ),
            ("A \"1\";\n#clear;", ["A=1", "line 2: #clear of nothing"]),
        ] {
            assert_eq!(shown(text), said, "{text}");
        }
        let deep = statements(&"a {".repeat(100_000));
        assert!(deep.len() <= DEEPEST && deep.last().is_some_and(Result::is_err));
        let long = format!("a \"{}\";", "\"//\" /* \" \" */".repeat(20_000));
        assert!(!statements(&long).is_empty());
        for text in [
            "}",
            "};};",
            "\"",
            "{",
            "a{{",
            "[",
            "\u{fffd};",
            "%",
            "a %4;",
            "/*",
            "*/",
            "//",
            "#clear a",
        ] {
            let _ = statements(text);
        }
    }
}
