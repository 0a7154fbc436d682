//! What reads the inputs.

mod archives;
mod database;
mod elf;
mod packages;
mod protocol;
mod records;
mod text;
mod trees;
mod user_files;

use std::path::Path;

/// Something that reads inputs.
pub(crate) trait Target {
    /// Reads an input and returns in words what came of it, a line for each thing that was tried.
    fn read(&mut self, input: &[u8]) -> String;
}

/// A target by its name.
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    /// What reads the input, for the table.
    pub(crate) what: &'static str,
    /// Makes it; files may be put into the directory.
    pub(crate) open: fn(&Path) -> Box<dyn Target>,
    /// Returns inputs to begin with, beside the files in `fuzz/seeds`.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// Puts right what a mutation always breaks, such as checksums.
    pub(crate) mend: fn(&mut Vec<u8>),
}

/// All of them.
pub(crate) const ALL: &[Spec] = &[
    packages::DEB,
    packages::UNPACK,
    text::CONTROL,
    text::PACKAGES,
    text::TABLE,
    text::SOURCES,
    archives::RELEASE,
    archives::INDEX,
    archives::KEYRING,
    trees::TREE,
    user_files::RECIPE,
    user_files::BDEBSTRAP,
    user_files::MULTISTRAP,
    user_files::LOCK,
    user_files::PRESEED,
    database::DATABASE,
    elf::ELF,
    records::XATTR,
    protocol::SHIM,
];

fn nothing(_: &mut Vec<u8>) {}

/// Returns `ok` with a number, or the words of an error.
fn outcome<T>(result: Result<T, impl std::fmt::Display>, number: impl Fn(T) -> usize) -> String {
    match result {
        // Of numbers of things only the order of magnitude is worth a new input.
        Ok(found) => format!(
            "ok{}",
            "+".repeat(usize::BITS.saturating_sub(number(found).leading_zeros()) as usize)
        ),
        Err(error) => error.to_string(),
    }
}
