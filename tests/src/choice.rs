//! This program's choice of packages beside apt's: the same requests to both, of the same archive.
//!
//! * [`setting`] is what a request is made in: architectures, suites, and what is installed already;
//! * [`requests`] makes requests of every class from seeds;
//! * [`small`] makes archives of its own, and requests of those;
//! * [`apt`] is the suite's own apt, in a directory, and what it answers;
//! * [`own`] is what this program answers;
//! * [`record`] keeps what came of it, and [`table`] tells.

pub mod apt;
pub mod archive;
pub mod own;
pub mod record;
pub mod requests;
pub mod setting;
pub mod small;
pub mod table;

use std::collections::BTreeSet;

/// What is to be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Class: the row of the table.
    pub class: &'static str,
    /// Name of the setting.
    pub setting: &'static str,
    /// The items, as on a command line of apt-get(8).
    pub items: Vec<String>,
}

/// What one side says to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Packages that are newly installed, `name:architecture=version` each; none for a refusal.
    pub chosen: Option<BTreeSet<String>>,
    /// What else would happen to what is installed, or the words of the refusal.
    pub besides: String,
}

impl Answer {
    /// What comes of it for those who let apt go on by themselves (`--yes`), as mmdebstrap does: it ends where a package
    /// would have to be downgraded.
    #[must_use]
    pub fn with_yes(mut self) -> Self {
        if self.besides.contains("DOWNGRADED") {
            self.chosen = None;
        }
        self
    }

    /// Whether both sides do the same.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        match (&self.chosen, &other.chosen) {
            (None, None) => true,
            (Some(a), Some(b)) => a == b && self.besides == other.besides,
            _ => false,
        }
    }
}
