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
use deb_types::edited::{self, Field, NoField, Paragraph};
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
    /// An option has no meaning, or lacks another.
    #[error("{option}: {what}")]
    Option {
        /// The option.
        option: &'static str,
        /// What is wrong, and what was expected.
        what: String,
    },
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

/// Has an architecture be known that options describe: its name if there is one, and options with their fields and values.
///
/// # Errors
/// [`ArchTableError::Option`].
pub fn describe(name: Option<&str>, given: &[(&'static str, &str, String)]) -> Result<(), ArchTableError> {
    let first = given.first().map_or("--arch-triplet", |(option, ..)| option);
    let wrong = |option, what| ArchTableError::Option { option, what };
    let name = name.ok_or_else(|| {
        wrong(
            first,
            "describes an architecture; `--arch NAME` with its name is missing".to_owned(),
        )
    })?;
    let field = |at: usize, name: &str, value: &str| Field {
        line: at,
        name: name.to_owned(),
        value: value.trim().to_owned(),
    };
    let mut fields = vec![field(0, "Architecture", name)];
    for (at, (_, name, value)) in given.iter().enumerate() {
        fields.push(field(at + 1, name, value));
    }
    for (option, field, like) in [
        ("--arch-triplet", "GNU-Triplet", "newport-linux-gnu"),
        ("--arch-bits", "Bits", "64"),
        ("--arch-endianness", "Endianness", "little"),
        ("--arch-elf-machine", "ELF-Machine", "243"),
    ] {
        if !fields.iter().any(|given| given.name == field) {
            let what = format!(
                "is missing for the architecture {}, such as {option}={like}",
                name
            );
            return Err(wrong(option, what));
        }
    }
    let paragraph = Paragraph { line: 0, fields };
    let option_of = |line: usize| {
        let option = line.checked_sub(1).and_then(|at| given.get(at));
        option.map_or("--arch", |(option, ..)| *option)
    };
    let arch = architecture(&paragraph).map_err(|(line, what)| wrong(option_of(line), what))?;
    if is_another(&arch) {
        return Err(wrong(
            first,
            format!("the architecture {} is known already", arch.name),
        ));
    }
    deb_arch::describe(vec![Box::leak(Box::new(arch))]);
    Ok(())
}

/// Whether the name is that of another architecture; one may be described several times, as in each part of a matrix.
fn is_another(arch: &Architecture) -> bool {
    Architecture::by_name(arch.name).is_some_and(|known| known != arch)
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
    for paragraph in edited::paragraphs(text) {
        let paragraph = paragraph.map_err(|NoField { line, text }| {
            wrong((
                line,
                format!("`{text}`: a field was expected, such as `Bits: 64`"),
            ))
        })?;
        let arch = architecture(&paragraph).map_err(wrong)?;
        if is_another(&arch) || all.iter().any(|known| known.name == arch.name) {
            return Err(wrong((
                paragraph.line,
                format!("the architecture {} is known already", arch.name),
            )));
        }
        all.push(Box::leak(Box::new(arch)));
    }
    if all.is_empty() {
        return Err(wrong((
            1,
            "there is no architecture; `Architecture: NAME` was expected".to_owned(),
        )));
    }
    Ok(all)
}

/// Returns what a paragraph describes; an error has the number of its line.
fn architecture(paragraph: &Paragraph) -> Result<Architecture, (usize, String)> {
    const FIELDS: [&str; 6] = [
        "Architecture",
        "GNU-Triplet",
        "Bits",
        "Endianness",
        "ELF-Machine",
        "Like",
    ];
    let unknown = |field: &&Field| !FIELDS.iter().any(|name| field.name.eq_ignore_ascii_case(name));
    if let Some(Field { name, line, .. }) = paragraph.fields.iter().find(unknown) {
        return Err((
            *line,
            format!("unknown field `{name}`; {} were expected", FIELDS.join(", ")),
        ));
    }
    let get = |name: &str| {
        paragraph
            .get(name)
            .map(|field| (field.value.as_str(), field.line))
    };
    let need = |name: &str, like: &str| {
        get(name).ok_or_else(|| {
            (
                paragraph.line,
                format!("there is no field {name}; expected something like `{name}: {like}`"),
            )
        })
    };
    let plain = |text: &str| {
        let letters = text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
        letters && !text.is_empty() && text.len() <= 30 && !text.starts_with('-')
    };
    let (name, line) = need("Architecture", "newport")?;
    if !plain(name) || matches!(name, "all" | "any" | "native" | "source") {
        return Err((
            line,
            format!("`{name}` is no name of an architecture; small letters and digits were expected"),
        ));
    }
    let (triplet, line) = need("GNU-Triplet", "newport-linux-gnu")?;
    if !plain(triplet) || !triplet.contains("-linux-gnu") {
        return Err((
            line,
            format!("`{triplet}` is no triplet of a system with glibc, such as newport-linux-gnu"),
        ));
    }
    let (bits, line) = need("Bits", "64")?;
    let bits: u8 = match bits {
        "32" => 32,
        "64" => 64,
        _ => return Err((line, format!("`{bits}`: 32 or 64 was expected"))),
    };
    let (order, line) = need("Endianness", "little")?;
    let order = match order {
        "little" => ByteOrder::Little,
        "big" => ByteOrder::Big,
        _ => return Err((line, format!("`{order}`: little or big was expected"))),
    };
    let (machine, line) = need("ELF-Machine", "243")?;
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
    let (like, line) = get("Like").unwrap_or((usual, paragraph.line));
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
