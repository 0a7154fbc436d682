//! Output that depends on the architecture.
//!
//! A native counterpart writes data in this machine's byte order, word size or instructions. For most programs that
//! does not matter: they write text, or formats that are the same everywhere. No row has an output for what SQLite,
//! InnoDB, Aria and MyISAM, systemd (hardware database, message catalogue), GVDB of glib-compile-schemas, the caches
//! of icons and MIME types, depmod(8) (but for an order, which the shim mends), selinux policies, git, GnuPG, ghc-pkg,
//! Python's byte code, zic(8) and locate(1) of findutils write.

/// Byte order of numbers in the program's data.
pub const ORDER: u8 = 1;
/// Width of `long`, `size_t` and pointers, and what follows: alignment, layout
/// of structures, arithmetic that overflows.
pub const WORD: u8 = 2;
/// Signedness of `char`.
pub const CHAR: u8 = 4;
/// The machine itself: instructions, or what only its own programs can load.
pub const MACHINE: u8 = 8;

/// Width of times in glibc's records of logins.
pub const TIME: u8 = 16;

/// Traits of machines, with their names.
pub const TRAITS: [(u8, &str); 5] = [
    (ORDER, "byte order"),
    (WORD, "word size"),
    (CHAR, "sign of char"),
    (MACHINE, "instruction set"),
    (TIME, "width of times"),
];

/// Files of the target that a native program can read and write once they are converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// gdbm files named `index.db` below `/var/cache/man`.
    Gdbm,
    /// Records of logins by user, `/var/log/faillog` (faillog(5)) and `/var/log/lastlog` (lastlog(8)).
    Logins,
}

/// Remedy where the native program's output would be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The program is not run.
    Refuse,
    /// The program is run, and what it wrote is brought into the target's form.
    Convert(Form),
    /// The program of the same name that works for the target's machine, from the native package of the same name
    /// (cross binutils), is executed.
    Cross {
        /// Whether the native counterpart does the same where there is none.
        or_native: bool,
    },
    /// The program tells by its exit status whether the processor can do what its name says. The installer answers for
    /// the target's.
    Processor,
}

/// Data of a program that depends on the architecture.
#[derive(Debug)]
pub struct Output {
    /// Path of the program as the target's package ships it; `*` stands for any bytes but a slash, `#` for a number.
    pub program: &'static str,
    /// The data, in words that complete "it writes ...".
    pub writes: &'static str,
    /// Traits of the machine that are in the data: [`ORDER`], [`WORD`], [`CHAR`], [`MACHINE`] and [`TIME`], added up.
    pub carries: u8,
    /// Beginnings of arguments without which it is not written; empty where every call writes it.
    pub only_with: &'static [&'static str],
    /// Packages that execute the program whenever they are configured first; `*` and `#` as above.
    pub packages: &'static [&'static str],
    /// Remedy where a trait differs.
    pub remedy: Remedy,
}

pub(crate) const fn output(program: &'static str, carries: u8, writes: &'static str) -> Output {
    Output {
        program,
        writes,
        carries,
        only_with: &[],
        packages: &[],
        remedy: Remedy::Refuse,
    }
}

/// Decision about an execution.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// The native counterpart does the same.
    Run,
    /// It does, when what it reads and wrote is converted before and afterwards.
    Convert(Form),
    /// The cross tool does it.
    Cross(&'static Output, u8),
    /// It asks for the processor; the installer answers.
    Processor,
    /// It would be wrong: this output, in which these traits differ.
    Refuse(&'static Output, u8),
}

/// An option that only asks for information.
const HARMLESS: [&[u8]; 6] = [
    b"--version",
    b"-V",
    b"--help",
    b"-?",
    b"-dumpversion",
    b"-dumpfullversion",
];

/// Judges the execution of a program, by its path, between machines that differ in these traits.
pub fn judge(program: &[u8], arguments: &[&[u8]], differing: u8) -> Verdict {
    let mut verdict = Verdict::Run;
    for output in outputs_of(program) {
        let carried = output.carries & differing;
        if carried == 0 {
            continue;
        }
        match output.remedy {
            Remedy::Cross { .. } => return Verdict::Cross(output, carried),
            Remedy::Processor => return Verdict::Processor,
            _ if !output.is_written_by(arguments) => continue,
            Remedy::Refuse => return Verdict::Refuse(output, carried),
            Remedy::Convert(form) => verdict = Verdict::Convert(form),
        }
    }
    verdict
}

/// Returns the outputs of a program that depend on the architecture, by its path.
pub fn outputs_of(program: &[u8]) -> impl Iterator<Item = &'static Output> {
    crate::outputs().filter(move |output| matches(output.program.as_bytes(), program))
}

impl Output {
    pub(crate) const fn only_with(self, only_with: &'static [&'static str]) -> Self {
        Self { only_with, ..self }
    }

    pub(crate) const fn by(self, packages: &'static [&'static str]) -> Self {
        Self { packages, ..self }
    }

    pub(crate) const fn crossed(self, or_native: bool) -> Self {
        Self {
            remedy: Remedy::Cross { or_native },
            ..self
        }
    }

    pub(crate) const fn answered(self) -> Self {
        Self {
            remedy: Remedy::Processor,
            ..self
        }
    }

    pub(crate) const fn converted(self, form: Form) -> Self {
        Self {
            remedy: Remedy::Convert(form),
            ..self
        }
    }

    /// Returns whether a package is known to execute the program whenever it is configured first.
    pub fn is_needed_by(&self, package: &str) -> bool {
        let mut patterns = self.packages.iter();
        patterns.any(|pattern| matches(pattern.as_bytes(), package.as_bytes()))
    }

    fn is_written_by(&self, arguments: &[&[u8]]) -> bool {
        if let [only] = arguments
            && HARMLESS.contains(only)
        {
            return false;
        }
        let begins = |argument: &&[u8]| {
            self.only_with
                .iter()
                .any(|begin| argument.starts_with(begin.as_bytes()))
        };
        self.only_with.is_empty() || arguments.iter().any(begins)
    }
}

/// Returns whether a text is of the form of a pattern, in which `*` stands for any bytes
/// but a slash, and `#` for a number.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            matches(rest, text)
                || matches!(text.split_first(), Some((first, more)) if *first != b'/' && matches(pattern, more))
        }
        (Some((b'#', rest)), Some((first, more))) => {
            first.is_ascii_digit() && (matches(rest, more) || matches(pattern, more))
        }
        (Some((wanted, rest)), Some((first, more))) => wanted == first && matches(rest, more),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let yes = |pattern: &str, text: &str| matches(pattern.as_bytes(), text.as_bytes());
        assert!(yes(
            "/usr/lib/postgresql/*/bin/initdb",
            "/usr/lib/postgresql/17/bin/initdb"
        ));
        assert!(!yes(
            "/usr/lib/postgresql/*/bin/initdb",
            "/usr/lib/postgresql/a/b/bin/initdb"
        ));
        assert!(yes("postgresql-*", "postgresql-17") && !yes("postgresql-*", "postgresql"));
        assert!(yes("*a*b", "xaaxb") && !yes("*a*b", "xb") && yes("*", "") && !yes("", "x"));
    }

    #[test]
    fn outputs_are_sound() {
        for output in crate::outputs() {
            assert!(output.program.starts_with("/usr/"), "{}", output.program);
            assert!(
                output.carries != 0 && !output.writes.is_empty(),
                "{}",
                output.program
            );
        }
    }
}
