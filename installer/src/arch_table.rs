//! Files that describe architectures which the program does not know: ports that begin.
//!
//! A file has paragraphs, as dpkg's and apt's own files have them (deb822(5)), one for each architecture:
//!
//! ```text
//! Architecture: newport
//! GNU-Triplet: newport-linux-gnu
//! Bits: 64
//! Endianness: little
//! ELF-Machine: 0x1234
//! Like: riscv64
//! ```
//!
//! `Like` is an architecture of the same word size and byte order, which has the rest: what glibc's tools do, the alignment
//! of data, the path of the dynamic loader. Without it there is one for each of the four combinations.

use deb_arch::{Architecture, ByteOrder, Described};
use std::io;
use std::path::{Path, PathBuf};

/// Reason why such a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchTableError {
    /// It cannot be read.
    #[error("--arch-table: cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Something in it has no meaning.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong, and what was expected.
        what: String,
    },
}

/// A paragraph as it is read: each field with its line.
#[derive(Debug, Default)]
struct Paragraph {
    line: usize,
    fields: Vec<(String, String, usize)>,
}

/// Reads a file and has its architectures be known in this process.
///
/// # Errors
/// [`ArchTableError`].
pub fn load(path: &Path) -> Result<(), ArchTableError> {
    let text = std::fs::read_to_string(path).map_err(|source| ArchTableError::Read {
        path: path.to_owned(),
        source,
    })?;
    deb_arch::describe(parse(&text, path)?);
    Ok(())
}

/// Parses the text of the file `path`. The architectures live as long as the process.
///
/// # Errors
/// [`ArchTableError::Line`].
fn parse(text: &str, path: &Path) -> Result<Vec<&'static Architecture>, ArchTableError> {
    let wrong = |(line, what): (usize, String)| ArchTableError::Line {
        path: path.to_owned(),
        line,
        what,
    };
    let mut all: Vec<&'static Architecture> = Vec::new();
    let mut paragraph = Paragraph::default();
    for (number, line) in text.lines().chain([""]).enumerate() {
        let number = number + 1;
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            let whole = std::mem::take(&mut paragraph);
            if !whole.fields.is_empty() {
                let arch = whole.architecture().map_err(wrong)?;
                if Architecture::by_name(arch.name).is_some()
                    || all.iter().any(|known| known.name == arch.name)
                {
                    return Err(wrong((
                        whole.line,
                        format!("the architecture {} is known already", arch.name),
                    )));
                }
                all.push(Box::leak(Box::new(arch)));
            }
            continue;
        }
        let field = line
            .split_once(':')
            .filter(|(name, _)| !name.contains(char::is_whitespace));
        let (name, value) = field.ok_or_else(|| {
            wrong((
                number,
                format!("`{line}`: a field was expected, such as `Bits: 64`"),
            ))
        })?;
        if paragraph.fields.is_empty() {
            paragraph.line = number;
        }
        let value = value.trim().to_owned();
        paragraph.fields.push((name.to_ascii_lowercase(), value, number));
    }
    if all.is_empty() {
        return Err(wrong((
            1,
            "there is no architecture; `Architecture: NAME` was expected".to_owned(),
        )));
    }
    Ok(all)
}

impl Paragraph {
    fn get(&self, name: &str) -> Option<(&str, usize)> {
        let found = self
            .fields
            .iter()
            .find(|(known, ..)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value, line)| (value.as_str(), *line))
    }

    fn need(&self, name: &str, like: &str) -> Result<(&str, usize), (usize, String)> {
        self.get(name).ok_or_else(|| {
            (
                self.line,
                format!("there is no field {name}; expected something like `{name}: {like}`"),
            )
        })
    }

    fn architecture(&self) -> Result<Architecture, (usize, String)> {
        const FIELDS: [&str; 6] = [
            "architecture",
            "gnu-triplet",
            "bits",
            "endianness",
            "elf-machine",
            "like",
        ];
        if let Some((name, _, line)) = self
            .fields
            .iter()
            .find(|(name, ..)| !FIELDS.contains(&name.as_str()))
        {
            return Err((
                *line,
                format!("unknown field `{name}`; {} were expected", FIELDS.join(", ")),
            ));
        }
        let plain = |text: &str| {
            let letters = text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
            letters && !text.is_empty() && text.len() <= 30 && !text.starts_with('-')
        };
        let (name, line) = self.need("Architecture", "newport")?;
        if !plain(name) || matches!(name, "all" | "any" | "native" | "source") {
            return Err((
                line,
                format!("`{name}` is no name of an architecture; small letters and digits were expected"),
            ));
        }
        let (triplet, line) = self.need("GNU-Triplet", "newport-linux-gnu")?;
        if !plain(triplet) || !triplet.contains("-linux-gnu") {
            return Err((
                line,
                format!("`{triplet}` is no triplet of a system with glibc, such as newport-linux-gnu"),
            ));
        }
        let (bits, line) = self.need("Bits", "64")?;
        let bits: u8 = match bits {
            "32" => 32,
            "64" => 64,
            _ => return Err((line, format!("`{bits}`: 32 or 64 was expected"))),
        };
        let (order, line) = self.need("Endianness", "little")?;
        let order = match order {
            "little" => ByteOrder::Little,
            "big" => ByteOrder::Big,
            _ => return Err((line, format!("`{order}`: little or big was expected"))),
        };
        let (machine, line) = self.need("ELF-Machine", "243")?;
        let number = match machine.strip_prefix("0x") {
            Some(digits) => u16::from_str_radix(digits, 16).ok(),
            None => machine.parse().ok(),
        };
        let elf_machine = number.filter(|number| *number != 0).ok_or_else(|| {
            (
                line,
                format!("`{machine}`: a number from 1 to 65535 was expected, as e_machine of elf(5) has it"),
            )
        })?;
        let usual = match (bits, order) {
            (64, ByteOrder::Little) => "riscv64",
            (64, ByteOrder::Big) => "s390x",
            (_, ByteOrder::Little) => "armhf",
            (_, ByteOrder::Big) => "powerpc",
        };
        let (like, line) = self.get("Like").unwrap_or((usual, self.line));
        let like = deb_arch::ARCHITECTURES.iter().find(|arch| arch.name == like);
        let like = like
            .filter(|arch| arch.bits == bits && arch.byte_order == order)
            .ok_or_else(|| {
                (
                    line,
                    "Like: an architecture of the same word size and byte order was expected, such as "
                        .to_owned()
                        + usual,
                )
            })?;
        let leaked = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
        let described = Described {
            name: leaked(name),
            like,
            triplet: leaked(triplet),
            elf_machine,
        };
        Ok(described.architecture())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# a port\nArchitecture: newport\nGNU-Triplet: newport-linux-gnu\nBits: 64\nEndianness: little\nELF-Machine: 0x1234\n";

    #[test]
    fn what_is_described_is_like_another() {
        let all = parse(
            &format!(
                "{GOOD}\n\n{}",
                GOOD.replace("newport", "other").replace("little", "big")
            ),
            Path::new("t"),
        )
        .unwrap();
        assert_eq!(
            (all[0].name, all[0].elf_machine, all[0].like),
            ("newport", 0x1234, "riscv64")
        );
        assert_eq!(
            (all[1].triplet, all[1].is_big_endian()),
            ("other-linux-gnu", true)
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (from, to, line, part) in [
            ("Architecture: newport", "Architecture: New", 2, "small letters"),
            (
                "Architecture: newport",
                "Architecture: riscv64",
                2,
                "known already",
            ),
            ("newport-linux-gnu", "newport-windows", 3, "newport-windows"),
            ("Bits: 64", "Bits: 48", 4, "32 or 64"),
            ("Bits: 64", "Bits 64", 4, "a field was expected"),
            ("Bits: 64\n", "", 2, "no field Bits"),
            ("little", "middle", 5, "little or big"),
            ("0x1234", "0x12345", 6, "65535"),
            (
                "ELF-Machine: 0x1234",
                "ELF-Machine: 1\nLike: s390x",
                7,
                "same word size",
            ),
            (
                "ELF-Machine: 0x1234",
                "ELF-Machine: 1\nColour: red",
                7,
                "unknown field",
            ),
        ] {
            let error = parse(&GOOD.replace(from, to), Path::new("some/table"))
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with(&format!("some/table:{line}: ")) && error.contains(part),
                "{error}"
            );
        }
        assert!(parse("", Path::new("t")).is_err());
    }
}
