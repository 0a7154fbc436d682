//! Why a request cannot be met.

use thiserror::Error;

/// An error of the solve stage.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum SolveError {
    /// No index has a package of that name.
    #[error("there is no package {name:?} for {architecture}{hint}", hint = did_you_mean(.similar))]
    UnknownPackage {
        /// The name asked for.
        name: String,
        /// The architecture asked for.
        architecture: String,
        /// Names much like it.
        similar: Vec<String>,
    },
    /// The name is only provided, by several packages.
    #[error("{name:?} is a virtual package: include one of {}", .providers.join(", "))]
    Virtual {
        /// The name asked for.
        name: String,
        /// Who provides it.
        providers: Vec<String>,
    },
    /// There is no such version of a package.
    #[error("package {name} has no version {wanted}; available: {}", .available.join(", "))]
    UnknownVersion {
        /// The package.
        name: String,
        /// The version or suite asked for.
        wanted: String,
        /// What there is.
        available: Vec<String>,
    },
    /// An architecture that is neither the target's nor a foreign one.
    #[error("{request:?} asks for architecture {architecture}; known here: {}", .known.join(", "))]
    UnknownArchitecture {
        /// The request as given.
        request: String,
        /// The architecture asked for.
        architecture: String,
        /// The architectures that were loaded.
        known: Vec<String>,
    },
    /// Nothing at all is marked `Essential: yes`.
    #[error("no package for {0} is essential: these are not the indexes of a whole distribution")]
    NothingEssential(String),
    /// Dependencies that cannot all be met.
    #[error("{}", unsatisfiable(.request, .chain, .reason))]
    Unsatisfiable {
        /// The package that was asked for.
        request: String,
        /// The steps from it to the point of failure, each "a depends on b".
        chain: Vec<String>,
        /// What fails there.
        reason: String,
    },
}

fn did_you_mean(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    format!("; did you mean {}?", names.join(", "))
}

fn unsatisfiable(request: &str, chain: &[String], reason: &str) -> String {
    let mut text = format!("package {request} cannot be installed: ");
    for step in chain {
        text.push_str(step);
        text.push_str(", ");
    }
    text.push_str(reason);
    text
}
