//! The console of a guest: lines without control sequences, and what they say of how far it is.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};

/// Lines that are kept to be told after a failure.
const KEPT: usize = 15;
/// Most bytes of a line: a longer one is told in pieces.
const LONGEST: usize = 4096;
/// Most bytes of the console.
pub(super) const MOST: u64 = 256 << 20;

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// A login prompt, or multi-user.target.
    Up,
    /// A unit of systemd's that is reached or started.
    Unit(String),
    /// Some text in a line.
    Text(String),
}

/// Ends of the names of units (systemd.unit(5)).
const UNITS: [&str; 8] = [
    ".target", ".service", ".socket", ".mount", ".path", ".timer", ".device", ".swap",
];

impl Until {
    /// Returns what an argument means: a name of a unit, or else a text.
    pub fn parse(text: &str) -> Self {
        let unit = UNITS.iter().any(|end| text.ends_with(end) && text != *end);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@:\\".contains(&byte);
        match unit && text.bytes().all(plain) && !text.starts_with('-') {
            true => Self::Unit(text.to_owned()),
            false => Self::Text(text.to_owned()),
        }
    }

    /// Whether a line, which may not be complete yet, says so.
    pub(super) fn is_in(&self, line: &str) -> bool {
        match self {
            Self::Up => {
                line.trim_end().ends_with(" login:") || Self::Unit("multi-user.target".to_owned()).is_in(line)
            }
            Self::Text(text) => line.contains(text.as_str()),
            Self::Unit(unit) => {
                let words: Vec<&str> = line.split_whitespace().collect();
                let reached = [
                    "target",
                    "Started",
                    "Finished",
                    "Mounted",
                    "on",
                    "Found",
                    "device",
                    "Activated",
                    "swap",
                ];
                // "[  OK  ] Reached target multi-user.target - Multi-User System."
                words.windows(2).any(|pair| {
                    matches!(pair, [verb, name] if reached.contains(verb) && name.trim_end_matches('.') == unit)
                }) && line.contains("OK")
            }
        }
    }
}

impl std::fmt::Display for Until {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Up => f.write_str("a login prompt or multi-user.target"),
            Self::Unit(unit) => f.write_str(unit),
            Self::Text(text) => write!(f, "{text:?} on its console"),
        }
    }
}

/// A line that says that the system does not come up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// The kernel has panicked.
    Panic,
    /// A shell asks for help.
    GaveUp(String),
}

/// Returns what is bad in a line. What programs say through the journal has their name before it.
pub(super) fn bad(line: &str) -> Option<Bad> {
    let line = line.trim();
    // A time of the kernel's: "[    1.234567] ".
    let said = match line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((time, rest))
            if time
                .trim()
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.') =>
        {
            rest
        }
        _ => line,
    };
    if said.starts_with("Kernel panic - not syncing") {
        return Some(Bad::Panic);
    }
    let helpless = [
        "ALERT!",
        "(initramfs)",
        "You are in emergency mode",
        "Cannot open access to console, the root account is locked",
        "systemd[1]: Freezing execution",
        "[!!!!!!]",
    ];
    let helpless = helpless.iter().any(|text| said.starts_with(text));
    helpless.then(|| Bad::GaveUp(said.to_owned()))
}

/// Reader of a console that qemu writes to a file.
pub(super) struct Console {
    file: File,
    line: Vec<u8>,
    last: VecDeque<String>,
    /// Bytes that were read.
    pub(super) bytes: u64,
}

impl Console {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            line: Vec::new(),
            last: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Reads what is new, and hands each line to `each`, with whether it is complete. Returns whether there was something.
    pub(super) fn read(&mut self, mut each: impl FnMut(&str, bool)) -> io::Result<bool> {
        let mut buffer = [0; 16 << 10];
        let mut found = false;
        loop {
            let got = self.file.read(&mut buffer)?;
            if got == 0 || self.bytes > MOST {
                break;
            }
            found = true;
            self.bytes += got as u64;
            for byte in buffer.get(..got).unwrap_or_default() {
                if *byte != b'\n' {
                    self.line.push(*byte);
                }
                if *byte == b'\n' || self.line.len() >= LONGEST {
                    let line = plain(&std::mem::take(&mut self.line));
                    if !line.trim().is_empty() {
                        each(&line, true);
                        self.keep(line);
                    }
                }
            }
        }
        if found && !self.line.is_empty() {
            each(&plain(&self.line), false);
        }
        Ok(found)
    }

    fn keep(&mut self, line: String) {
        if self.last.len() >= KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// Returns the last lines.
    pub(super) fn last(&self) -> Vec<String> {
        let mut last: Vec<String> = self.last.iter().cloned().collect();
        let open = plain(&self.line);
        if !open.trim().is_empty() {
            last.push(open);
        }
        last
    }
}

/// Returns a line without what terminals act on (ECMA-48).
fn plain(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\u{1b}' => match chars.next() {
                Some('[') => while chars.next_if(|char| !('@'..='~').contains(char)).is_some() {},
                // A string up to BEL or ST.
                Some(']' | 'P') => {
                    while chars
                        .next_if(|char| !['\u{7}', '\u{1b}'].contains(char))
                        .is_some()
                    {}
                }
                _ => continue,
            },
            '\t' => {
                plain.push(' ');
                continue;
            }
            char if char.is_control() => continue,
            char => {
                plain.push(char);
                continue;
            }
        }
        // The end of the sequence.
        chars.next();
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, Write};

    #[test]
    fn lines_have_no_control_sequences() {
        assert_eq!(plain(b"[\x1b[0;32m  OK  \x1b[0m] Reached\r"), "[  OK  ] Reached");
        assert_eq!(plain(b"\x1b]0;title\x07text\x1b[2Jmore\x1b"), "textmore");
        assert_eq!(plain(b"a\x00\xff\tb"), "a\u{fffd} b");
    }

    #[test]
    fn units_and_texts_are_seen() {
        let target = Until::parse("multi-user.target");
        assert!(target.is_in("[  OK  ] Reached target multi-user.target - Multi-User System."));
        assert!(!target.is_in("         Starting multi-user.target"));
        assert!(!target.is_in("[DEPEND] Dependency failed for multi-user.target - Multi-User System."));
        assert!(Until::Up.is_in("host login: ") && !Until::Up.is_in("last login: today"));
        assert!(
            Until::parse("ssh.service").is_in("[  OK  ] Started ssh.service - OpenBSD Secure Shell server.")
        );
        assert_eq!(Until::parse("ready.  now"), Until::Text("ready.  now".to_owned()));
        assert_eq!(Until::parse(".target"), Until::Text(".target".to_owned()));
    }

    #[test]
    fn ends_are_seen() {
        assert_eq!(bad("[    1.0] Kernel panic - not syncing: VFS"), Some(Bad::Panic));
        assert!(matches!(bad("(initramfs) "), Some(Bad::GaveUp(_))));
        assert_eq!(bad("[  OK  ] Reached target"), None);
        assert_eq!(bad("[    1.0] sh[12]: Kernel panic - not syncing"), None);
    }

    #[test]
    fn what_is_new_is_read() {
        let mut file = tempfile::tempfile().unwrap();
        let mut console = Console::new(file.try_clone().unwrap());
        file.write_all(b"one\ntwo").unwrap();
        file.rewind().unwrap();
        let mut lines = Vec::new();
        let read = |console: &mut Console, lines: &mut Vec<String>| {
            console
                .read(|line, whole| lines.push(format!("{line} {whole}")))
                .unwrap()
        };
        assert!(read(&mut console, &mut lines));
        assert!(!read(&mut console, &mut lines));
        assert_eq!(lines, ["one true", "two false"]);
        assert_eq!(console.last(), ["one", "two"]);
    }
}
