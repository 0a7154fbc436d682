//! The command line of ldconfig, as argp parses it.

use super::LdconfigError;

/// Parsed command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// `-p`: print the cache.
    pub(super) print: bool,
    /// `-v`.
    pub(super) verbose: bool,
    /// Not `-N`, not `-n`.
    pub(super) build_cache: bool,
    /// Not `-X`.
    pub(super) link: bool,
    /// `-n`: only the directories named here.
    pub(super) only_command_line: bool,
    /// `-r`; without trailing slashes, empty for the root.
    pub(super) root: Vec<u8>,
    /// `-C`.
    pub(super) cache: Option<Vec<u8>>,
    /// `-f`.
    pub(super) configuration: Option<Vec<u8>>,
    /// Directories to be scanned besides those of the configuration.
    pub(super) directories: Vec<Vec<u8>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            print: false,
            verbose: false,
            build_cache: true,
            link: true,
            only_command_line: false,
            root: Vec::new(),
            cache: None,
            configuration: None,
            directories: Vec::new(),
        }
    }
}

/// Long options with the short ones that mean the same.
const LONG: [(&[u8], u8); 4] = [
    (b"--print-cache", b'p'),
    (b"--verbose", b'v'),
    (b"--ignore-aux-cache", b'i'),
    (b"--format=new", b'c'),
];

impl Options {
    /// Parses the arguments.
    pub(super) fn parse(arguments: &[&[u8]]) -> Result<Self, LdconfigError> {
        let unsupported = |option: &[u8]| LdconfigError::Option {
            option: String::from_utf8_lossy(option).into_owned(),
        };
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(&argument) = arguments.next() {
            if argument == b"--" {
                options.directories.extend(arguments.by_ref().map(|a| a.to_vec()));
            } else if argument.starts_with(b"--") {
                let known = LONG.iter().find(|(name, _)| *name == argument);
                let (_, letter) = known.ok_or_else(|| unsupported(argument))?;
                options.flag(*letter);
            } else if let Some(mut letters) = argument.strip_prefix(b"-").filter(|l| !l.is_empty()) {
                while let Some((&letter, rest)) = letters.split_first() {
                    letters = rest;
                    let option = [b'-', letter];
                    if !b"rCfc".contains(&letter) {
                        if !options.flag(letter) {
                            return Err(unsupported(&option));
                        }
                        continue;
                    }
                    let value = match rest {
                        [] => *arguments
                            .next()
                            .ok_or_else(|| unsupported(b"without its value"))?,
                        value => value,
                    };
                    letters = b"";
                    options
                        .value(letter, value)
                        .ok_or_else(|| unsupported(&[&option, value].join(&b' ')))?;
                }
            } else {
                options.directories.push(argument.to_vec());
            }
        }
        Ok(options)
    }

    /// Applies an option without a value; returns false for one that is not known.
    fn flag(&mut self, letter: u8) -> bool {
        match letter {
            b'p' => self.print = true,
            b'v' => self.verbose = true,
            b'N' => self.build_cache = false,
            b'X' => self.link = false,
            b'n' => (self.build_cache, self.only_command_line) = (false, true),
            // The format that is the default, and no auxiliary cache: as always.
            b'i' | b'c' => {}
            _ => return false,
        }
        true
    }

    /// Applies an option with its value; returns `None` for a value that is not known.
    fn value(&mut self, letter: u8, value: &[u8]) -> Option<()> {
        match letter {
            b'r' => {
                let length = value.iter().rposition(|&b| b != b'/').map_or(0, |last| last + 1);
                self.root = value.get(..length).unwrap_or_default().to_vec();
            }
            b'C' => self.cache = Some(value.to_vec()),
            b'f' => self.configuration = Some(value.to_vec()),
            _ => return (value == b"new").then_some(()),
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, LdconfigError> {
        let words: Vec<&[u8]> = text.split_ascii_whitespace().map(str::as_bytes).collect();
        Options::parse(&words)
    }

    #[test]
    fn what_scripts_use() {
        assert_eq!(parse("").unwrap(), Options::default());
        let options = parse("-vXr /mnt// -C/x -f conf /a -n -- -b").unwrap();
        assert!(options.verbose && !options.link && options.only_command_line && !options.build_cache);
        assert_eq!(options.root, b"/mnt");
        assert_eq!(options.cache.unwrap(), b"/x");
        assert_eq!(options.configuration.unwrap(), b"conf");
        assert_eq!(options.directories, [b"/a".to_vec(), b"-b".to_vec()]);
        assert_eq!(parse("-r /").unwrap().root, b"");
        assert!(parse("--print-cache").unwrap().print);
    }

    #[test]
    fn others_are_named() {
        for (line, named) in [
            ("-l x", "-l"),
            ("-c old", "-c old"),
            ("--bogus", "--bogus"),
            ("-r", "value"),
        ] {
            assert!(parse(line).unwrap_err().to_string().contains(named), "{line}");
        }
    }
}
