//! The calls of dpkg that a plan consists of.

use super::package::PackageId;

/// One call of dpkg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `dpkg --unpack` of these packages in this order.
    Unpack(Vec<PackageId>),
    /// `dpkg --configure` of these packages in this order.
    Configure(Vec<PackageId>),
    /// `dpkg --configure --pending`: all that is unpacked and not configured.
    ConfigurePending,
}
