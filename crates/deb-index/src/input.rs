//! An index together with its source.

use super::Packages;

/// apt's priority of a source without preferences (apt_preferences(5)). A Release file with `NotAutomatic` has 1, with
/// `ButAutomaticUpgrades` too 100.
pub const DEFAULT_PRIORITY: i16 = 500;

/// One verified `Packages` file and its source.
#[derive(Clone, Copy, Debug)]
pub struct IndexInput<'a> {
    /// The index.
    pub packages: &'a Packages,
    /// `Suite` of its Release file (`stable`).
    pub suite: &'a str,
    /// `Codename` of its Release file (`trixie`).
    pub codename: &'a str,
    /// Component (`main`).
    pub component: &'a str,
    /// Architecture the index is for.
    pub architecture: &'a str,
    /// apt's priority of the source, [`DEFAULT_PRIORITY`] as a rule.
    pub priority: i16,
}
