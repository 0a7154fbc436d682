//! The ways in which a tool learns of another root: the one that `DPKG_ROOT` names (dpkg(1), `--force-script-chrootless`).

/// Method by which a tool is made to act on the root.
#[derive(Clone, Copy, Debug)]
pub enum Method {
    /// It honours `DPKG_ROOT` and `DPKG_ADMINDIR` itself.
    Environment,
    /// It has an option for the root, which is inserted where it is absent.
    Option(RootOption),
    /// It does not know of the root; arguments that are paths are taken inside it.
    Arguments(Shape),
    /// It is executed with the root as its root directory (chroot(2)).
    Chroot(Confined),
    /// It is answered, by the installer or with what the target is.
    Installer(Asked),
    /// It touches no state, or only runs other programs: executed as it is.
    Pure,
    /// It asks about the system.
    Query(Question),
    /// It would act on the running system: it does nothing.
    Nothing {
        /// Exit status.
        status: u8,
        /// Standard output.
        prints: &'static str,
    },
}

impl Method {
    /// Returns its name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Method::Environment => "environment",
            Method::Option(_) => "option",
            Method::Arguments(_) => "arguments",
            Method::Chroot(_) => "chroot",
            Method::Installer(_) => "installer",
            Method::Pure => "pure",
            Method::Query(_) => "query",
            Method::Nothing { .. } => "nothing",
        }
    }
}

/// The grammar of a command line.
///
/// `options` are separated by blanks: `-t,--target-directory=W` is an option by two
/// names with a value, `-i,--in-place=?` one whose value is optional and attached (`=?D`: and a root),
/// `-s,--symbolic` one without. Only options with a value, and those that
/// a condition names, have to be there. A leading `+` ends options at the first operand.
///
/// `operands` are conditions and what the operands are when the options named in
/// the condition (by their first names) are given; the first that holds counts.
/// Operands are letters; one of them with `*` is for any number.
///
/// The letters: `R` a file that is read, `L` one whose existence or kind is asked, `W` one
/// that is made, changed or removed, `D` a root directory, `U` a user, `G` a group, `O` an owner as
/// chown(1) takes it, `T` text that is no path.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Options.
    pub options: &'static str,
    /// Conditions and operands.
    pub operands: &'static [(&'static str, &'static str)],
    /// A grammar of its own in the place of operands.
    pub words: Words,
}

/// Command lines that are no options and operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Options and operands.
    Plain,
    /// find(1): starting points and an expression.
    Find,
    /// test(1): an expression.
    Test,
    /// dd(1): `if=FILE of=FILE`.
    Dd,
    /// tar(1): letters of the first word need no dash.
    Tar,
}

/// An option for the root.
#[derive(Clone, Copy, Debug)]
pub struct RootOption {
    /// Text that is inserted: a name that ends with `=` has the root attached, after
    /// any other the root is an argument of its own.
    pub insert: &'static str,
    /// The options of the tool, as in a [`Shape`]; the root has the letter `D`.
    pub options: &'static str,
    /// Words of which the command line needs one for the option to be allowed; empty means none is needed.
    pub only_with: &'static [&'static str],
    /// Whether the option goes behind the first operand, which is a command.
    pub behind_command: bool,
    /// Set in the environment where the option is not allowed: it then acts on no running system.
    pub offline: &'static [(&'static str, &'static str)],
}

/// Confinement of a tool to the root.
#[derive(Clone, Copy, Debug)]
pub struct Confined {
    /// The options of the tool; one with the letter `D` names the root, or files in
    /// its place: a call that has it is executed as it is.
    pub options: &'static str,
    /// Whether the tool is left out, not executed unconfined, where chroot(2) is refused.
    pub or_nothing: bool,
    /// Whether only calls with paths outside of the root are confined: what it
    /// does is to its operands, and its output names them.
    pub only_outside: Option<Shape>,
}

/// Tool that the installer answers, or the wrapper for the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// ldconfig(8), by the installer.
    Ldconfig,
    /// dpkg(1): its architectures.
    Dpkg,
    /// uname(1).
    Uname,
    /// arch(1).
    Arch,
}

/// Question about the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// getent(1): databases in files of the root.
    Getent,
    /// id(1): of a user of the root.
    Id,
    /// groups(1): of a user of the root.
    Groups,
    /// locale(1): the list of locales is the root's; those of the process are its own.
    Locale,
    /// About the running system: executed as it is, and reported.
    Outer,
    /// chroot(8): a script leaves the contract.
    Chroot,
}

/// Change that the kernel may refuse an ordinary user, and that is recorded then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// chown(1).
    Owner,
    /// chgrp(1).
    Group,
    /// mknod(1).
    Node,
    /// setcap(8).
    Capability,
    /// install(1), with `-o` and `-g`.
    Install,
}
