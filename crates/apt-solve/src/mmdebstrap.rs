//! The version of mmdebstrap(1) whose choice and installation is imitated. Its releases differ in which packages
//! belong to a variant, and in which call installs them (its changelog names the version of each change).

use super::universe::Universe;
use deb_types::version::compare_loosely;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A release of mmdebstrap, `MAJOR.MINOR.PATCH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mmdebstrap([u16; 3]);

/// A text that is no release of mmdebstrap.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no release of mmdebstrap; Debian 12 has 1.3.5, Debian 13 has 1.5.7")]
pub struct NotMmdebstrap(String);

impl Mmdebstrap {
    /// The one of Debian 12.
    pub const BOOKWORM: Self = Self([1, 3, 5]);
    /// The newest that is known to differ from an older one; that of Debian 13.
    pub const NEWEST: Self = Self([1, 5, 7]);

    /// Returns the release that the suite of `universe` has. Where it has none, the version of its apt tells to which
    /// of Debian's releases it comes closest.
    pub fn of_suite(universe: &Universe<'_>) -> Self {
        let newest = |name: &str| {
            let versions = universe.by_name(name, universe.native());
            versions.first().map(|id| universe.package(*id).version)
        };
        if let Some(found) = newest("mmdebstrap").and_then(|version| upstream(version).parse().ok()) {
            return found;
        }
        match newest("apt") {
            // Debian 13 was made with apt 2.7 and later.
            Some(apt) if compare_loosely(apt, "2.7") == Some(Ordering::Less) => Self::BOOKWORM,
            _ => Self::NEWEST,
        }
    }

    /// Whether apt is one of the packages that are installed together at first, in the variant of its name; later
    /// releases install it with the packages asked for, in all variants but `custom` and `essential`.
    pub fn apt_comes_first(self) -> bool {
        self < Self([1, 5, 1])
    }

    /// Whether the variant `buildd` has the packages of priority required.
    pub fn buildd_has_required(self) -> bool {
        self < Self([1, 4, 0])
    }

    /// Whether what apt's configuration in the target has apt tell of the packages that it will install
    /// (`DPkg::Pre-Install-Pkgs`) is told. Later releases empty this list for the time of their run.
    pub fn preconfigures(self) -> bool {
        self < Self([1, 5, 5])
    }

    /// Whether the fstab that it makes names its columns.
    pub fn fstab_has_columns(self) -> bool {
        self >= Self([1, 6, 0])
    }

    /// Whether dpkg-divert puts start-stop-daemon aside for the time of the run; older releases rename it.
    pub fn diverts_start_stop_daemon(self) -> bool {
        self >= Self([1, 6, 0])
    }

    /// Whether apt's hooks run in the target when its lists of packages are updated; in older releases they run on
    /// the machine.
    pub fn updates_in_target(self) -> bool {
        self >= Self([1, 4, 1])
    }
}

/// Returns a version without its epoch and its Debian revision.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
}

impl Default for Mmdebstrap {
    fn default() -> Self {
        Self::NEWEST
    }
}

impl FromStr for Mmdebstrap {
    type Err = NotMmdebstrap;

    fn from_str(text: &str) -> Result<Self, NotMmdebstrap> {
        let fail = || NotMmdebstrap(text.to_owned());
        let mut release = [0; 3];
        let mut parts = text.split('.');
        for (number, place) in release.iter_mut().enumerate() {
            match parts.next() {
                Some(part) if part.bytes().all(|byte| byte.is_ascii_digit()) => {
                    *place = part.parse().map_err(|_| fail())?;
                }
                None if number == 2 => {}
                _ => return Err(fail()),
            }
        }
        match parts.next() {
            None => Ok(Self(release)),
            Some(_) => Err(fail()),
        }
    }
}

impl fmt::Display for Mmdebstrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_and_ordered() {
        let of = |text: &str| text.parse::<Mmdebstrap>();
        assert_eq!(of("1.3.5"), Ok(Mmdebstrap::BOOKWORM));
        assert_eq!(of("1.5.7"), Ok(Mmdebstrap::NEWEST));
        assert_eq!(
            of("1.6").map(|release| release.to_string()),
            Ok("1.6.0".to_owned())
        );
        assert!(of("1.10.0").unwrap() > of("1.5.7").unwrap());
        for wrong in ["", "1", "1.x.2", "1.5.7.1", "1.99999999", "1.5.+7", "a"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        assert_eq!(upstream("1:1.5.7-1+deb13u1"), "1.5.7");
        assert_eq!(upstream("1.3.5"), "1.3.5");
    }
}
