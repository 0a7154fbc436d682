//! The target's configuration of dpkg (dpkg.cfg(5)), as each call of dpkg in it reads it: what its packages have dpkg
//! leave out or write over.

use crate::path_filters::Filters;
use deb_unpack::Forces;
use rootless_install_fs::{FileType, Target};
use std::path::Path;

/// Directory of files that are read first, in the order of their names.
const PARTS: &str = "/etc/dpkg/dpkg.cfg.d";
/// The file that is read after them.
const MAIN: &str = "/etc/dpkg/dpkg.cfg";
/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// Options of the configuration that act on unpacking. Others act on what is not done here, as `log` does.
#[derive(Debug, Default)]
pub(crate) struct DpkgConfiguration {
    /// `path-exclude` and `path-include`.
    pub(crate) filters: Filters,
    /// `force-…`, where it is about files of other packages.
    pub(crate) forces: Forces,
}

impl DpkgConfiguration {
    /// Reads the configuration of a target. Lines that dpkg would not understand are left out.
    pub(crate) fn of(target: &Target) -> Self {
        let mut configuration = Self::default();
        for (option, value) in lines(target) {
            configuration.option(&option, &value);
        }
        configuration
    }

    /// Returns what a text says of paths, as mmdebstrap reads it for what it extracts itself: lines with `=` only.
    pub(crate) fn filters_of(text: &str) -> Self {
        let mut configuration = Self::default();
        for line in text.lines() {
            let filter = line.split_once('=').map(|(option, value)| (option, value.trim()));
            if let Some((option @ ("path-exclude" | "path-include"), pattern)) = filter {
                configuration.option(option, pattern);
            }
        }
        configuration
    }

    /// Takes in an option.
    fn option(&mut self, option: &str, value: &str) {
        match option {
            "path-exclude" => self.filters.add(Path::new(value), false),
            "path-include" => self.filters.add(Path::new(value), true),
            "force" => self.force(value, true),
            "refuse" | "no-force" => self.force(value, false),
            _ => {
                let prefixes = [("force-", true), ("refuse-", false), ("no-force-", false)];
                for (prefix, on) in prefixes {
                    if let Some(thing) = option.strip_prefix(prefix) {
                        return self.force(thing, on);
                    }
                }
            }
        }
    }

    fn force(&mut self, things: &str, on: bool) {
        for thing in things.split(',') {
            match thing {
                "overwrite" => self.forces.overwrite = on,
                "overwrite-dir" => self.forces.overwrite_directory = on,
                "overwrite-diverted" => self.forces.overwrite_diverted = on,
                "all" => {
                    self.forces = Forces {
                        overwrite: on,
                        overwrite_directory: on,
                        overwrite_diverted: on,
                    };
                }
                _ => {}
            }
        }
    }
}

/// Returns the lines of a target's configuration, in the order in which dpkg reads them: an option, and its value, which
/// may be empty.
pub(crate) fn lines(target: &Target) -> Vec<(String, String)> {
    let mut names = target.read_dir(Path::new(PARTS)).unwrap_or_default();
    names.sort();
    let parts = names.iter().filter(|name| name.to_str().is_some_and(is_part));
    let files = parts.map(|name| Path::new(PARTS).join(name)).chain([MAIN.into()]);
    files
        .flat_map(|path| {
            let stat = target.stat_follow(&path);
            let plain = stat.is_ok_and(|stat| stat.meta.kind == FileType::Regular && stat.size <= LARGEST);
            let text = if plain {
                target.read(&path).unwrap_or_default()
            } else {
                Vec::new()
            };
            let text = String::from_utf8_lossy(&text).into_owned();
            text.lines()
                .filter_map(|text| line(text.trim()))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Reads a line: an option, and its value after `=` or blanks, which may be in quotes. None for one that says nothing.
fn line(line: &str) -> Option<(String, String)> {
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (option, value) = match line.find(|letter: char| letter == '=' || letter.is_ascii_whitespace()) {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, ""),
    };
    let value = value.trim_start();
    let value = value.strip_prefix('=').unwrap_or(value).trim();
    let unquoted = |mark: char| value.strip_prefix(mark)?.strip_suffix(mark);
    let value = unquoted('"').or_else(|| unquoted('\'')).unwrap_or(value);
    Some((option.to_owned(), value.to_owned()))
}

/// Whether dpkg reads a file of this name in its directory of configuration.
fn is_part(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_line_is_read() {
        let mut configuration = DpkgConfiguration::default();
        let mut read = |text: &str| {
            if let Some((option, value)) = line(text) {
                configuration.option(&option, &value);
            }
        };
        read("path-exclude\u{3000}x");
        for text in [
            "# path-exclude=/usr/*",
            "path-exclude=/usr/share/doc/*",
            "path-include \"/usr/share/doc/*/copyright\"",
            "path-exclude = '/usr/share/man/*'",
            "force-overwrite",
            "force=overwrite-dir,unsafe-io",
            "refuse-overwrite-dir",
            "no-debsig",
            "log /var/log/dpkg.log",
        ] {
            read(text);
        }
        let left_out = |path: &str| configuration.filters.leave_out(Path::new(path), false);
        assert!(left_out("/usr/share/doc/a/README") && !left_out("/usr/share/doc/a/copyright"));
        assert!(left_out("/usr/share/man/man1/a.1") && !left_out("/usr/bin/a"));
        let forces = configuration.forces;
        assert!(forces.overwrite && !forces.overwrite_directory && !forces.overwrite_diverted);
        assert!(is_part("docker-excludes") && !is_part("a.dpkg-new") && !is_part(""));
    }
}
