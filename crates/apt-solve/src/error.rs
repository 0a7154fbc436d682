//! Errors of requests that cannot be met.

use thiserror::Error;

/// The reason why a request cannot be met.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum SolveError {
    /// No index has a package of that name.
    #[error("there is no package {name:?} for {architecture}{hint}", hint = did_you_mean(.similar))]
    UnknownPackage {
        /// The name asked for.
        name: String,
        /// The architecture asked for.
        architecture: String,
        /// Similar names that exist.
        similar: Vec<String>,
    },
    /// The name is only provided, by several packages.
    #[error("{name:?} is a virtual package: include one of {}", .providers.join(", "))]
    Virtual {
        /// The name asked for.
        name: String,
        /// Names of the packages that provide it.
        providers: Vec<String>,
    },
    /// There is no such version of a package.
    #[error("package {name} has no version {wanted}; available: {}", .available.join(", "))]
    UnknownVersion {
        /// The package.
        name: String,
        /// The version or suite asked for.
        wanted: String,
        /// Existing versions, each with its suite.
        available: Vec<String>,
    },
    /// A package is not in the suite asked for.
    #[error(
        "package {name} is not in suite {suite}; it is in {}, and the suites read are {}: another is read with \
         --mirror 'deb URL SUITE COMPONENT'",
        .available.join(", "),
        .known.join(", ")
    )]
    NotInSuite {
        /// The package.
        name: String,
        /// The suite asked for.
        suite: String,
        /// Suites that have the package, and their codenames.
        available: Vec<String>,
        /// All suites that were read, and their codenames.
        known: Vec<String>,
    },
    /// No package is what is asked for.
    #[error("no package matches {0:?}")]
    NothingMatches(String),
    /// A pattern cannot be understood.
    #[error("the pattern {pattern:?} cannot be understood: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong, in words.
        reason: String,
    },
    /// Several requests cannot be met.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<SolveError>),
    /// The architecture is neither the target's nor a foreign one.
    #[error(
        "{request:?} asks for architecture {architecture}, which is not among those of the target: add it with \
         --arch {},{architecture}",
        .known.join(",")
    )]
    UnknownArchitecture {
        /// The request as given.
        request: String,
        /// The architecture asked for.
        architecture: String,
        /// The architectures that were loaded.
        known: Vec<String>,
    },
    /// No package is marked `Essential: yes`.
    #[error("no package for {0} is essential: these are not the indexes of a whole distribution")]
    NothingEssential(String),
    /// A resolver that is a program of its own has not decided.
    #[error("the solver {solver}: {said}")]
    External {
        /// Its name.
        solver: String,
        /// What it said, or what is wrong with that.
        said: String,
    },
    /// Not all dependencies can be met.
    #[error("{}", unsatisfiable(.request, .chain, .reason))]
    Unsatisfiable {
        /// The package that was asked for.
        request: String,
        /// The steps from it to the point of failure, each "a depends on b".
        chain: Vec<String>,
        /// The failure at that point.
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
