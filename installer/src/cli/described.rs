//! Descriptions of architectures in a command line. They are taken before anything else is read, since names of architectures
//! count where options are parsed.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::arch_table::{self, ArchTableError};
use crate::command_names::ON_TARGETS;

/// The option that names a file.
const TABLE: &str = "--arch-table";

/// The options that stand for fields of a paragraph in such a file.
const FIELDS: [(&str, &str); 5] = [
    ("--arch-triplet", "GNU-Triplet"),
    ("--arch-bits", "Bits"),
    ("--arch-endianness", "Endianness"),
    ("--arch-elf-machine", "ELF-Machine"),
    ("--arch-like", "Like"),
];

/// The options that name an architecture.
const NAMES: [&str; 4] = ["--arch", "--architectures", "--architecture", "-a"];

/// Commands beside those on targets whose own options these are not.
const OTHERS: [&str; 4] = ["run", "shell", "mirror", "lint"];

/// Has the architectures that a command line describes be known in this process. Where the command has no such
/// options of its own, they are taken out.
///
/// # Errors
/// [`ArchTableError`].
pub(super) fn take(words: &mut Vec<OsString>) -> Result<(), ArchTableError> {
    let command = words.get(1).and_then(|word| word.to_str()).unwrap_or_default();
    let takes_out = ON_TARGETS.contains(&command) || OTHERS.contains(&command);
    let mut name = None;
    let mut fields = Vec::new();
    let mut at = 1;
    while let Some(word) = words.get(at).filter(|word| *word != "--") {
        let (option, value) = split(word);
        let value = value.or_else(|| words.get(at + 1).map(OsString::as_os_str));
        let (Some(option), Some(value)) = (option.to_str(), value) else {
            at += 1;
            continue;
        };
        let field = FIELDS.iter().find(|(known, _)| *known == option);
        if option == TABLE {
            arch_table::load(Path::new(value))?;
        } else if let Some(&(option, field)) = field {
            fields.push((option, field, value.to_string_lossy().into_owned()));
        } else {
            if NAMES.contains(&option) && name.is_none() {
                let first = value.to_string_lossy();
                name = Some(first.split(',').next().unwrap_or_default().to_owned());
            }
            at += 1;
            continue;
        }
        let length = if word.len() > option.len() { 1 } else { 2 };
        if takes_out {
            words.drain(at..at + length);
        } else {
            at += length;
        }
    }
    if fields.is_empty() {
        return Ok(());
    }
    arch_table::describe(name.as_deref(), &fields)
}

/// Returns the option of a word, and its value if it is in the word.
fn split(word: &OsStr) -> (&OsStr, Option<&OsStr>) {
    let bytes = word.as_bytes();
    match bytes
        .iter()
        .position(|byte| *byte == b'=')
        .filter(|_| bytes.starts_with(b"--"))
    {
        Some(at) => {
            let (option, value) = bytes.split_at(at);
            (OsStr::from_bytes(option), value.get(1..).map(OsStr::from_bytes))
        }
        None => (word, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn they_are_taken_from_commands_that_lack_them() {
        let described = "--arch-triplet=ownport-linux-gnu --arch-bits 64 --arch-endianness little --arch-elf-machine=9999";
        let mut run = words(&format!(
            "x run {described} --arch ownport target -- cc --arch-bits 3"
        ));
        take(&mut run).unwrap();
        assert_eq!(run, words("x run --arch ownport target -- cc --arch-bits 3"));
        let known = deb_arch::Architecture::by_name("ownport").unwrap();
        assert_eq!((known.elf_machine, known.triplet), (9999, "ownport-linux-gnu"));
        let mut make = words(&format!(
            "x --arch=otherport,i386 {} target",
            described.replace("own", "other")
        ));
        let whole = make.clone();
        take(&mut make).unwrap();
        assert_eq!(make, whole);
        assert!(deb_arch::Architecture::by_name("otherport").is_some());
    }

    #[test]
    fn what_is_wrong_is_named_by_its_option() {
        for (line, parts) in [
            ("x --arch-bits 64 --arch third t", ["--arch-triplet", "third"]),
            (
                "x --arch-triplet third-linux-gnu t",
                ["--arch-triplet", "--arch NAME"],
            ),
            (
                "x --arch third --arch-triplet third-linux-gnu --arch-bits 7 --arch-endianness big --arch-elf-machine 1 t",
                ["--arch-bits", "32 or 64"],
            ),
        ] {
            let said = take(&mut words(line)).unwrap_err().to_string();
            assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        }
    }
}
