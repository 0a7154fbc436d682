//! What is known of the tools that maintainer scripts call: one row a tool.
//!
//! A row ([`Tool`]) says, each where it is known, how the tool learns of another root and which of its arguments are
//! paths ([`Root`]), what of its work the kernel may refuse ([`Recorded`]), who answers for it when the target is of
//! another architecture ([`Answer`]), and which of its output depends on the architecture ([`Output`]). Its examples
//! are run as tests. Rows are data; the shim, the installer and lint act by them.
//!
//! # Adding a tool
//!
//! A row in one of the files below `rows/`, with an example of each thing it says. Examples are lines of two, a call
//! and, indented, what becomes of it:
//!
//! ```text
//! chown root:shadow /etc/shadow           a chrootless wrapper; the root is /target
//!     run root:42 /target/etc/shadow | outer-query root:shadow 1 | path /etc/shadow 1
//! s390x$ /usr/bin/lscpu                   a redirected execution, for a target of that architecture
//!     executes machine
//! byte order> /usr/bin/mandb              a redirected execution, where the machines differ in that
//!     convert
//! ```
//!
//! A tool in no row is executed as it is called; a chrootless wrapper reports it.
//!
//! The crate has no dependencies and needs no standard library: the shim, which is executed once more for each
//! redirected execution, looks up in static data without allocating.

#![no_std]

#[cfg(any(test, feature = "examples"))]
extern crate alloc;

pub mod answer;
#[cfg(any(test, feature = "examples"))]
mod examples;
pub mod output;
pub mod root;
mod rows;

pub use answer::{Answer, Responder};
#[cfg(any(test, feature = "examples"))]
pub use examples::{Example, Setting};
pub use output::Output;
pub use root::{Method, Recorded};

/// The way in which a tool is made to act on another root.
#[derive(Clone, Copy, Debug)]
pub struct Root {
    /// Method.
    pub method: Method,
    /// Reason, in a few words.
    pub why: &'static str,
}

/// Row of the table: a tool, or tools that are alike.
#[derive(Debug)]
pub struct Tool {
    /// Names, separated by blanks.
    pub names: &'static str,
    /// Whether names with a version behind are meant, too: `python3.14`, `perl5.40.1`.
    pub versioned: bool,
    /// The way in which it learns of the root that `DPKG_ROOT` names; none where that is not known.
    pub root: Option<Root>,
    /// Changes of which the kernel may refuse some; none where it refuses nothing that can be recorded.
    pub recorded: Option<Recorded>,
    /// Responder for a target of another architecture; none where the native counterpart is executed.
    pub answer: Option<Answer>,
    /// Output that depends on the architecture.
    pub outputs: &'static [Output],
    /// Examples, as described in the crate's documentation.
    #[cfg(any(test, feature = "examples"))]
    example_text: &'static str,
}

const fn tool(names: &'static str) -> Tool {
    Tool {
        names,
        versioned: false,
        root: None,
        recorded: None,
        answer: None,
        outputs: &[],
        #[cfg(any(test, feature = "examples"))]
        example_text: "",
    }
}

impl Tool {
    const fn versioned(self) -> Self {
        Self {
            versioned: true,
            ..self
        }
    }

    const fn root(self, method: Method, why: &'static str) -> Self {
        Self {
            root: Some(Root { method, why }),
            ..self
        }
    }

    const fn recorded(self, recorded: Recorded) -> Self {
        Self {
            recorded: Some(recorded),
            ..self
        }
    }

    const fn answer(self, names: &'static str, responder: Responder) -> Self {
        Self {
            answer: Some(Answer { names, responder }),
            ..self
        }
    }

    const fn outputs(self, outputs: &'static [Output]) -> Self {
        Self { outputs, ..self }
    }

    #[cfg(any(test, feature = "examples"))]
    const fn shown(self, example_text: &'static str) -> Self {
        Self { example_text, ..self }
    }

    /// Without the feature they are left out, so that the shim does not carry them.
    #[cfg(not(any(test, feature = "examples")))]
    const fn shown(self, _: &'static str) -> Self {
        self
    }
}

/// Returns every row.
pub fn tools() -> impl Iterator<Item = &'static Tool> {
    rows::TABLES.iter().copied().flatten()
}

/// Returns the row that says how the tool of a name learns of another root.
///
/// ```
/// assert_eq!(tool_table::wrapped(b"python3.14").unwrap().names, "python");
/// assert!(tool_table::wrapped(b"no-such-tool").is_none());
/// ```
pub fn wrapped(name: &[u8]) -> Option<&'static Tool> {
    let known = || tools().filter(|tool| tool.root.is_some());
    let named = |tool: &&Tool, name: &[u8]| tool.names.split(' ').any(|known| known.as_bytes() == name);
    let is_version = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let versioned = || {
        let at = name.iter().position(is_version)?;
        let (plain, version) = name.split_at_checked(at)?;
        let mut with_versions = known().filter(|tool| tool.versioned && version.iter().all(is_version));
        with_versions.find(|tool| named(tool, plain))
    };
    known().find(|tool| named(tool, name)).or_else(versioned)
}

/// Returns who answers for the tool of a name in which no multiarch triplet is in front.
pub fn answer(name: &[u8]) -> Option<&'static Answer> {
    rows::ANSWERS.iter().copied().find(|answer| answer.is_for(name))
}

/// Returns every output that depends on the architecture.
pub fn outputs() -> impl Iterator<Item = &'static Output> {
    rows::OUTPUTS.iter().copied()
}
