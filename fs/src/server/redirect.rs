//! Redirection of executions: instead of a foreign program the kernel reads a script that names an interpreter, which
//! then gets the program's path (execve(2), "Interpreter scripts").

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deb_arch::ElfIdentity;

use crate::error::{Error, Result};

/// `FMODE_EXEC`, which the kernel sets in the flags of an open for execve(2).
pub(super) const FOR_EXECUTION: i32 = 0x20;

/// Bytes of a file that the kernel reads to find `#!` and the interpreter.
const SCRIPT_MAX: usize = 256;

/// Redirection of the execution of foreign programs.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// The program that is executed instead, with the path as its argument: a path of the view, absolute,
    /// at most 250 bytes without blanks.
    pub interpreter: PathBuf,
    /// Word that it gets before the path (execve(2)); none means no argument.
    pub argument: Option<String>,
    /// Other words for ELF files of some identities; the first that fits counts.
    pub arguments: Vec<(ElfIdentity, String)>,
    /// Identity of the programs that are not redirected.
    pub native: ElfIdentity,
}

/// Scripts that the kernel reads instead of the programs that are executed.
pub(super) struct Redirections {
    /// Identity of programs that are executed themselves.
    native: ElfIdentity,
    /// Scripts for some identities.
    some: Vec<(ElfIdentity, Arc<[u8]>)>,
    /// Script for all others.
    others: Arc<[u8]>,
}

impl Redirections {
    pub(super) fn new(redirect: &Redirect) -> Result<Self> {
        let one = |argument: Option<&str>| script(&redirect.interpreter, argument);
        let some = redirect.arguments.iter();
        Ok(Self {
            native: redirect.native,
            some: some
                .map(|(identity, argument)| Ok((*identity, one(Some(argument))?)))
                .collect::<Result<_>>()?,
            others: one(redirect.argument.as_deref())?,
        })
    }

    /// Returns the script for a program; `None` for a native one.
    pub(super) fn of(&self, identity: ElfIdentity) -> Option<Arc<[u8]>> {
        let known = self.some.iter().find(|(some, _)| *some == identity);
        (identity != self.native).then(|| known.map_or(&self.others, |(_, script)| script).clone())
    }
}

/// Returns the script that names an interpreter and its argument.
fn script(interpreter: &Path, argument: Option<&str>) -> Result<Arc<[u8]>> {
    let refuse = |reason| Error::Phantom {
        path: interpreter.to_owned(),
        reason,
    };
    if !interpreter.is_absolute() {
        return Err(refuse("an interpreter needs an absolute path"));
    }
    let bytes = interpreter.as_os_str().as_bytes();
    if bytes.iter().any(|b| b.is_ascii_whitespace() || *b == 0) {
        return Err(refuse("an interpreter's path has no blanks"));
    }
    let argument = argument.unwrap_or_default();
    if argument.bytes().any(|b| b.is_ascii_whitespace() || b == 0) {
        return Err(refuse("an interpreter's argument has no blanks"));
    }
    let blank: &[u8] = if argument.is_empty() { b"" } else { b" " };
    let script = [b"#!", bytes, blank, argument.as_bytes(), b"\n"].concat();
    if script.len() >= SCRIPT_MAX {
        return Err(refuse("an interpreter's path has at most 250 bytes"));
    }
    Ok(script.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_architecture_has_its_word() {
        let identity = |machine| ElfIdentity {
            machine,
            class_bits: 64,
            big_endian: false,
        };
        let redirect = Redirect {
            interpreter: "/shim".into(),
            argument: Some("a".into()),
            arguments: vec![(identity(2), "b".into()), (identity(2), "c".into())],
            native: identity(1),
        };
        let scripts = Redirections::new(&redirect).unwrap();
        assert_eq!(scripts.of(identity(1)), None);
        assert_eq!(&scripts.of(identity(2)).unwrap()[..], b"#!/shim b\n");
        assert_eq!(&scripts.of(identity(3)).unwrap()[..], b"#!/shim a\n");
    }

    #[test]
    fn interpreters() {
        assert_eq!(
            &script(Path::new("/run/shim"), None).unwrap()[..],
            b"#!/run/shim\n"
        );
        assert_eq!(
            &script(Path::new("/shim"), Some("s390x")).unwrap()[..],
            b"#!/shim s390x\n"
        );
        assert!(script(Path::new("/shim"), Some("a b")).is_err());
        let long = format!("/{}", "x".repeat(260));
        for bad in ["shim", "/a b", "/a\nb", &long] {
            assert!(script(Path::new(bad), None).is_err(), "{bad}");
        }
    }
}
