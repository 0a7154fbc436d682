//! dpkg's database of a root filesystem, in dpkg's own format.
//!
//! [`Database`] is the model: packages with their states ([`Package`]), trigger interests and activations,
//! and the owners of all paths. It is read from and written to `var/lib/dpkg` of a [`Target`] so that the dpkg
//! of that root filesystem takes it for its own: fields are normalised and ordered as dpkg writes them, single
//! changes are in `updates/`, everything is in `status` at a checkpoint. Nothing is executed, and no file is
//! locked.
//!
//! Installing a package is a sequence of calls, between which the caller unpacks files and runs maintainer
//! scripts:
//!
//! 1. [`Database::begin_unpack`]; preinst; unpacking of the files, whose outcome is [`Unpacked`];
//!    [`Database::finish_unpack`].
//! 2. [`Database::activate_declared`], [`Database::install_conffiles`], half-configured; postinst;
//!    [`Database::settle`].
//! 3. [`Database::next_deferred`] and [`Database::take_pending`]; `postinst triggered`;
//!    [`Database::settle`].
//!
//! Before each script the caller calls [`Database::flush`], after each [`Database::incorporate`]: scripts read
//! the database and activate triggers.
//!
//! [`Target`]: rootless_install_fs::Target

mod accounts;
mod activation;
mod available;
mod conffiles;
mod control_archive;
mod database;
mod doubts;
mod error;
mod fields;
mod files;
mod loading;
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
pub use available::Available;
pub use conffiles::{Choice, ConffileRules, DPKG_NEW, DPKG_TMP, Question, Strict};
pub use control_archive::{ControlArchive, ControlFile};
pub use database::{ADMIN, Database, Noted};
pub use deb_types::relation::Operator;
pub use deb_types::version::loose_order as version_order;
pub use deb_types::{MultiArch, PackageKey};
pub use doubts::{control_doubts, status_doubts};
pub use error::DpkgError;
pub use ownership::{Claim, Contest, Ownership, contest, replaces};
pub use package::{Conffile, NEW_CONFFILE, Package};
pub use redirections::{DIVERSIONS, Diversion, Diversions, STATOVERRIDE, StatOverride, StatOverrides};
pub use relation::{Possibility, parse as parse_relations};
pub use states::{Flag, Status, Want};
pub use triggers::{Declaration, Declarations, Deferred, Interest, Interests, TRIGGERS, parse_unincorp};
pub use unpacked::Unpacked;
pub use upgrading::OldConffiles;

pub use conffiles::{dereference, md5_of, md5_of_data, with_suffix};

/// The examples of README.md, which are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
