//! apt's choice of packages and order of installation, without I/O.
//!
//! From the texts of package indexes and a [`Request`] come a [`Selection`] and
//! then a [`Plan`], both of them values; nothing is read, written or run. The
//! choice is that of mmdebstrap and apt:
//!
//! ```text
//! indexes ─► Universe ─┐
//!                      ├─ choose ─► Selection ─ Plan::new ─► Plan
//!            Request ──┘
//! ```
//!
//! There are two phases, because mmdebstrap has two: the essential packages
//! with all they need are unpacked together and configured, then everything
//! else is installed into the resulting system. The choice of the second phase
//! depends on the packages of the first.
//!
//! ```
//! use apt_solve::{IndexInput, Packages, Plan, Request, Universe, Variant, choose};
//!
//! # let sum = "ab".repeat(32);
//! # let rest = format!("Filename: p.deb\nSize: 10\nSHA256: {sum}\n");
//! # let text = [
//! #     "Package: hello\nVersion: 2.10-3\nArchitecture: amd64\nDepends: libc6 (>= 2.34)\n",
//! #     "Package: libc6\nVersion: 2.41-12\nArchitecture: amd64\n",
//! # ]
//! # .map(|head| format!("{head}{rest}"))
//! # .join("\n");
//! // `text` is that of a Packages file with hello and libc6.
//! let packages = Packages::parse(text)?;
//! let index = IndexInput {
//!     packages: &packages,
//!     suite: "stable",
//!     codename: "trixie",
//!     component: "main",
//!     architecture: "amd64",
//!     priority: apt_solve::DEFAULT_PRIORITY,
//! };
//! let universe = Universe::new(&[index], "amd64", &[]);
//! let request = Request {
//!     variant: Variant::Custom,
//!     include: vec!["hello".into()],
//!     ..Request::default()
//! };
//! let selection = choose(&universe, &request)?;
//! let plan = Plan::new(&universe, &selection);
//! let order: Vec<&str> = plan.packages().map(|id| universe.package(id).name).collect();
//! assert_eq!(order, ["libc6", "hello"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod closure;
mod edsp;
mod error;
mod internal;
mod missing;
mod mmdebstrap;
mod order;
mod package;
mod plan;
mod reasons;
mod relations;
mod request;
mod solver;
mod solver3;
mod step;
mod universe;

pub use closure::{Closure, best_native_version, closure, native_of_name};
pub use deb_index::{DEFAULT_PRIORITY, IndexInput, Malformed, Packages};
pub use deb_types::relation::{Alternatives, Relation};
pub use edsp::Resolver;
pub use error::SolveError;
pub use missing::{Expected, Missing, MissingItem, choose_available};
pub use mmdebstrap::{Mmdebstrap, NotMmdebstrap};
pub use package::{DependencyKind, Package, PackageId};
pub use plan::{Phase, Plan, PlanDisplay};
pub use request::{Request, Selection, Variant, choose};
pub use solver::{External, NotSolver, Solver};
pub use step::Step;
pub use universe::{Pin, Universe};

#[cfg(test)]
mod tests;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
