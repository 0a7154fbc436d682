//! The resolvers that apt has.

use super::edsp::Resolver;
use super::universe::Universe;
use deb_types::version::compare_loosely;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A resolver of apt, by its name there (`APT::Solver`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Solver {
    /// `internal`, the one that apt always had.
    Internal {
        /// Whether the newer one is asked where this one finds nothing, as apt does since 3.0.
        falls_back: bool,
    },
    /// `3.0`, that of apt 3.
    Three,
    /// A program of its own.
    External(External),
}

/// A resolver that is a program of its own; it is the same as another of its name.
#[derive(Clone, Debug)]
pub struct External {
    /// Its name.
    pub name: String,
    /// Who asks it.
    pub resolver: Arc<dyn Resolver>,
}

impl PartialEq for External {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for External {}

/// A text that names no resolver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no solver `{0}`; apt has `internal` and `3.0`")]
pub struct NotSolver(String);

impl Solver {
    /// Returns the one that apt-get of a suite asks.
    pub fn of_suite(universe: &Universe<'_>) -> Self {
        let versions = universe.by_name("apt", universe.native());
        let version = versions.first().map(|id| universe.package(*id).version);
        let since = |release: &str| {
            let version = version.and_then(|version| compare_loosely(version, release));
            version.is_none_or(|order| order != Ordering::Less)
        };
        match version {
            Some(_) if since("3.1.10") => Self::Three,
            _ => Self::Internal {
                falls_back: since("2.9.32"),
            },
        }
    }

    /// Returns this one as the apt of a suite has it.
    #[must_use]
    pub fn in_suite(self, universe: &Universe<'_>) -> Self {
        match (self, Self::of_suite(universe)) {
            (Self::Internal { .. }, own @ Self::Internal { .. }) => own,
            (own, _) => own,
        }
    }
}

impl Default for Solver {
    fn default() -> Self {
        Self::Internal { falls_back: true }
    }
}

impl FromStr for Solver {
    type Err = NotSolver;

    fn from_str(text: &str) -> Result<Self, NotSolver> {
        match text {
            "internal" => Ok(Self::default()),
            "3.0" => Ok(Self::Three),
            _ => Err(NotSolver(text.to_owned())),
        }
    }
}

impl fmt::Display for Solver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Internal { .. } => "internal",
            Self::Three => "3.0",
            Self::External(external) => &external.name,
        })
    }
}
