//! The words of dpkg's status file.

use std::fmt;
use std::str::FromStr;

use super::error::DpkgError;

/// Declares an enum whose values are written as the words of dpkg's status file.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// The word in dpkg's files.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = DpkgError;

            fn from_str(text: &str) -> Result<Self, DpkgError> {
                $(if text.eq_ignore_ascii_case($word) { return Ok(Self::$variant); })+
                Err(DpkgError::Word { what: stringify!($name), word: text.to_owned() })
            }
        }
    };
}

words! {
    /// Selection state of a package, the first word of `Status` (dpkg(1), "Package selection states").
    Want { /** Never asked for. */ Unknown = "unknown", /** To be installed. */ Install = "install",
           /** Kept at its version. */ Hold = "hold", /** To be removed. */ Deinstall = "deinstall",
           /** To be removed with its conffiles. */ Purge = "purge" }
}

words! {
    /// The second word of `Status` (dpkg(1), "Package flags").
    Flag { /** Nothing special. */ Ok = "ok", /** Broken, must be unpacked again. */ ReinstReq = "reinstreq" }
}

words! {
    /// The third word of `Status`, in dpkg's order (dpkg(1), "Package states").
    Status { /** Not there. */ NotInstalled = "not-installed", /** Only conffiles are left. */ ConfigFiles = "config-files",
             /** Unpacking began and did not end. */ HalfInstalled = "half-installed",
             /** Unpacked, not configured. */ Unpacked = "unpacked",
             /** Configuring began and did not end. */ HalfConfigured = "half-configured",
             /** Waits for another package's triggers. */ TriggersAwaited = "triggers-awaited",
             /** Its triggers were activated. */ TriggersPending = "triggers-pending",
             /** Unpacked and configured. */ Installed = "installed" }
}
