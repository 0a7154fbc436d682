//! An index with what is known of its source, as the choice of packages takes it.

use super::Packages;

/// The priority apt gives to a source nobody said anything about
/// (apt_preferences(5)); `NotAutomatic` makes it 1, with
/// `ButAutomaticUpgrades` 100.
pub const DEFAULT_PRIORITY: i16 = 500;

/// One verified `Packages` file and where it is from.
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
    /// Architecture it was made for.
    pub architecture: &'a str,
    /// apt's priority of the source, [`DEFAULT_PRIORITY`] as a rule.
    pub priority: i16,
}
