//! dpkg's database, in dpkg's own format.
//!
//! [`Database`] is the model: packages with their states ([`Package`]), trigger interests and
//! activations, who owns which path. It is read from and written to `var/lib/dpkg` of a target so
//! that the dpkg of the target takes it for its own: fields normalised and ordered as dpkg writes
//! them, single changes in `updates/`, everything in `status` at a checkpoint.
//!
//! The stage that runs maintainer scripts drives it, one package at a time:
//!
//! 1. [`Database::begin_unpack`]; preinst; files unpacked by [`deb_unpack`];
//!    [`Database::finish_unpack`].
//! 2. [`Database::activate_declared`], [`Database::install_conffiles`], half-configured; postinst;
//!    [`Database::settle`].
//! 3. [`Database::next_deferred`] and [`Database::take_pending`]; `postinst triggered`;
//!    [`Database::settle`].
//!
//! Before each script [`Database::flush`], after each [`Database::incorporate`]: scripts read the
//! database and activate triggers.

mod accounts;
mod activation;
mod conffiles;
mod control_archive;
mod database;
mod error;
mod files;
mod ownership;
mod package;
mod redirections;
mod relation;
mod stanza;
mod states;
#[cfg(test)]
mod tests;
mod triggers;
mod unpacked;
mod unpacking;
mod upgrading;

pub use accounts::Accounts;
pub use conffiles::{Choice, ConffileRules, DPKG_NEW, Question, Strict};
pub use control_archive::{ControlArchive, ControlFile};
pub use database::{ADMIN, Database, Noted};
pub use error::DpkgError;
pub use ownership::{Contest, Ownership, contest, replaces};
pub use package::{Conffile, NEW_CONFFILE, Package, PackageKey};
pub use redirections::{DIVERSIONS, Diversion, Diversions, STATOVERRIDE, StatOverride, StatOverrides};
pub use relation::{Comparison, Possibility, parse as parse_relations};
pub use states::{Flag, Status, Want};
pub use triggers::{Declaration, Declarations, Deferred, Interest, Interests, TRIGGERS, parse_unincorp};
pub use unpacked::Unpacked;

pub use conffiles::{dereference, hex, md5_of, with_suffix};
pub use relation::order as version_order;
