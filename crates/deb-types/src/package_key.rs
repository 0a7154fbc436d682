//! The name of one instance of a package.

use std::fmt;

/// Name and architecture of a package, which is what tells instances of one package apart. Shown as
/// `NAME:ARCH`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageKey {
    /// Package name.
    pub name: String,
    /// The package's own `Architecture`: `all` for one that is independent of it.
    pub architecture: String,
}

impl PackageKey {
    /// Makes a key of its two parts.
    pub fn new(name: impl Into<String>, architecture: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            architecture: architecture.into(),
        }
    }
}

impl fmt::Display for PackageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.architecture)
    }
}
