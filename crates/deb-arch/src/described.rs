//! Architectures that the table does not have, described by a name, a triplet and a machine: in all else they are like
//! one of the table.

use crate::Architecture;
use core::fmt;

/// A description, as the words in which the shim learns of an architecture have it: `NAME=LIKE,TRIPLET,MACHINE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described<'d> {
    /// Debian's name.
    pub name: &'d str,
    /// The architecture of the table that it is like.
    pub like: &'static Architecture,
    /// Multiarch triplet.
    pub triplet: &'d str,
    /// ELF `e_machine`.
    pub elf_machine: u16,
}

impl<'d> Described<'d> {
    /// Parses a word; none for one that is no description.
    #[must_use]
    pub fn of_word(word: &'d str) -> Option<Self> {
        let (name, rest) = word.split_once('=')?;
        let (like, rest) = rest.split_once(',')?;
        let (triplet, machine) = rest.split_once(',')?;
        Some(Self {
            name,
            like: crate::ARCHITECTURES.iter().find(|arch| arch.name == like)?,
            triplet,
            elf_machine: machine.parse().ok()?,
        })
    }
}

impl Described<'static> {
    /// Returns the architecture.
    #[must_use]
    pub fn architecture(self) -> Architecture {
        let like = self.like;
        let (cpu, _) = self.triplet.split_once('-').unwrap_or((self.name, ""));
        Architecture {
            name: self.name,
            other_names: &[],
            triplet: self.triplet,
            uname: cpu,
            family: like.family,
            elf_machine: self.elf_machine,
            other_float_abi: like.other_float_abi,
            bits: like.bits,
            byte_order: like.byte_order,
            loader: like.loader,
            ldconfig_flag: like.ldconfig_flag,
            signed_char: like.signed_char,
            wide_alignment: like.wide_alignment,
            vdso: like.vdso,
            minimum_stack: like.minimum_stack,
            gnu_cpu: cpu,
            gnu_vendor: like.gnu_vendor,
            compiler_option: like.compiler_option,
            multilib: like.multilib,
            also_executes: &[],
            like: like.name,
        }
    }
}

/// The word for an architecture: its name, or a description.
#[derive(Clone, Copy, Debug)]
pub struct Word<'a>(pub(crate) &'a Architecture);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arch = self.0;
        match arch.like {
            "" => f.write_str(arch.name),
            like => write!(f, "{}={like},{},{}", arch.name, arch.triplet, arch.elf_machine),
        }
    }
}

/// The architectures that this process was told of.
#[cfg(feature = "std")]
static KNOWN: std::sync::RwLock<std::vec::Vec<&'static Architecture>> =
    std::sync::RwLock::new(std::vec::Vec::new());

/// Has architectures be found by their names in this process; the first of a name counts.
#[cfg(feature = "std")]
pub fn describe(all: std::vec::Vec<&'static Architecture>) {
    KNOWN
        .write()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .extend(all);
}

/// Returns an architecture that this process was told of.
pub(crate) fn known(name: &str) -> Option<&'static Architecture> {
    #[cfg(feature = "std")]
    {
        let known = KNOWN.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.iter().copied().find(|arch| arch.name == name)
    }
    #[cfg(not(feature = "std"))]
    {
        let _ = name;
        None
    }
}
