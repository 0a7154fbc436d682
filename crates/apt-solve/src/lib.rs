//! What is installed, from where and in which order.
//!
//! The stage has no effects: from the texts of package indexes and a
//! [`Request`] it makes a [`Selection`] and from that a [`Plan`], both of them
//! values. It chooses as mmdebstrap and apt do:
//!
//! ```text
//! indexes ─► Universe ─┐
//!                      ├─ choose ─► Selection ─ Plan::new ─► Plan
//!            Request ──┘
//! ```
//!
//! There are two phases, because mmdebstrap has two: the essential packages
//! with all they need are unpacked together and configured, then everything
//! else is installed into the system that makes. What the second phase
//! chooses depends on what the first has put there.

mod closure;
mod error;
mod mark;
mod order;
mod package;
mod plan;
mod relation;
mod request;
mod step;
mod universe;

pub use closure::{Closure, best_native_version, closure};
pub use deb_index::{DEFAULT_PRIORITY, IndexInput};
pub use error::SolveError;
pub use package::{DependencyKind, Package, PackageId};
pub use plan::{Phase, Plan, PlanDisplay};
pub use relation::{Alternatives, Bound, Operator, Relation, display_alternatives, parse_groups, parse_list};
pub use request::{Request, Selection, Variant, choose};
pub use step::Step;
pub use step::Step;
pub use universe::Universe;

#[cfg(test)]
mod tests;
