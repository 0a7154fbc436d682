//! The `Multi-Arch` field (deb-control(5)).

use std::fmt;

/// A package's relation to packages of other architectures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MultiArch {
    /// Absent or `no`.
    #[default]
    No,
    /// Installable for several architectures at once, in one version.
    Same,
    /// Serves other architectures where they ask with `:any`.
    Allowed,
    /// Serves packages of every architecture.
    Foreign,
}

impl MultiArch {
    /// Parses the value of a field; none where it is no word of deb-control(5). The case of
    /// letters counts.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::No, Self::Same, Self::Allowed, Self::Foreign]
            .into_iter()
            .find(|value| value.as_str() == word)
    }

    /// Returns the word in control data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Same => "same",
            Self::Allowed => "allowed",
            Self::Foreign => "foreign",
        }
    }
}

impl fmt::Display for MultiArch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_values() {
        for word in ["no", "same", "allowed", "foreign"] {
            assert_eq!(MultiArch::from_word(word).map(MultiArch::as_str), Some(word));
        }
        assert_eq!(MultiArch::from_word("Same"), None);
        assert_eq!(MultiArch::from_word("both"), None);
    }
}
