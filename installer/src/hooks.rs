//! Hooks: programs that the user gives for moments of an installation, as mmdebstrap(1) has them.
//!
//! A hook runs around the target ([`script_host::HookPlace`]): the machine's files are there, and the target is at a path,
//! its first argument. Special hooks ([`special`]) bring files in or out, and need no program at all.

mod apt_config;
mod archive;
mod environment;
pub mod moments;
mod outside;
mod services;
pub mod special;

pub use apt_config::FILE as APT_CONFIG;

use crate::skip::Skip;
use std::ffi::OsString;
use std::path::PathBuf;
use task_progress::{Verbosity, escape};

/// A moment of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Moment {
    /// The target has its directories and apt's configuration, and nothing has been fetched.
    Setup,
    /// The essential packages are extracted, and none is configured.
    Extract,
    /// The essential packages are configured.
    Essential,
    /// All packages are configured.
    Customize,
}

impl Moment {
    /// All, in their order.
    pub const ALL: [Self; 4] = [Self::Setup, Self::Extract, Self::Essential, Self::Customize];

    /// Returns its name, as options and hooks have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Extract => "extract",
            Self::Essential => "essential",
            Self::Customize => "customize",
        }
    }
}

/// A hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Its moment.
    pub moment: Moment,
    /// Its text: a special hook, a program, or a command of the shell.
    pub text: OsString,
    /// Whether it runs in the target, as a command of the target's shell.
    pub chrooted: bool,
}

/// What hooks are told of the call that they belong to.
#[derive(Clone, Debug, Default)]
pub struct HookContext {
    /// Path by which the program was called.
    pub argv0: OsString,
    /// The word of `--mode`.
    pub mode: String,
    /// The suite; none where none was named.
    pub suite: Option<String>,
    /// The packages of `--include`.
    pub include: Vec<String>,
    /// The format of the result.
    pub format: String,
    /// The amount of messages: 0 to 3.
    pub verbosity: u8,
    /// Working directory of hooks.
    pub directory: PathBuf,
    /// Variables that the user has them get.
    pub variables: Vec<(String, String)>,
    /// Steps that are left out: devices of special hooks, what of a running system is mounted, what keeps services from
    /// being started.
    pub skip: Skip,
}

impl HookContext {
    /// Returns the number that hooks know an amount of messages by.
    pub fn verbosity_of(verbosity: Verbosity) -> u8 {
        match verbosity {
            Verbosity::Quiet => 0,
            Verbosity::Normal => 1,
            Verbosity::Verbose => 2,
            Verbosity::Debug => 3,
        }
    }
}

/// A hook that failed.
#[derive(Debug, thiserror::Error)]
#[error("the {moment} hook `{text}` {ended}{last_lines}")]
pub struct HookError {
    /// Name of its moment.
    pub moment: &'static str,
    /// Its text.
    pub text: String,
    /// How it ended.
    pub ended: String,
    /// The last lines that it wrote, each on a line of its own.
    pub last_lines: String,
}

impl HookError {
    fn new(hook: &Hook, ended: impl Into<String>, last_lines: &[String]) -> Self {
        Self {
            moment: hook.moment.name(),
            text: escape(&hook.text.to_string_lossy()).to_string(),
            ended: ended.into(),
            last_lines: last_lines
                .iter()
                .map(|line| format!("\n  {}", escape(line)))
                .collect(),
        }
    }
}
