//! Diversions (dpkg-divert(1)) and statoverrides (dpkg-statoverride(1)).

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rootless_install_fs::Target;

use super::accounts::Accounts;
use super::error::DpkgError;
use super::files::{malformed, read_optional};

/// File of the diversions.
pub const DIVERSIONS: &str = "/var/lib/dpkg/diversions";
/// File of the statoverrides.
pub const STATOVERRIDE: &str = "/var/lib/dpkg/statoverride";

/// One diversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diversion {
    /// The contested path.
    pub from: PathBuf,
    /// Path of other packages' version.
    pub to: PathBuf,
    /// The package whose version stays at the contested path; `None` for a local diversion.
    pub package: Option<String>,
}

/// The diversions in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diversions {
    list: Vec<Diversion>,
    from: HashMap<PathBuf, usize>,
    to: HashMap<PathBuf, usize>,
}

impl Diversions {
    /// Reads `var/lib/dpkg/diversions`; none when it does not exist.
    ///
    /// # Errors
    /// A file that cannot be read, is cut off, or diverts one path twice.
    pub fn load(target: &Target) -> Result<Diversions, DpkgError> {
        let data = read_optional(target, Path::new(DIVERSIONS))?.unwrap_or_default();
        Diversions::parse(&data)
    }

    /// Parses the database: three lines each, contested path, new path, package or `:`.
    ///
    /// # Errors
    /// As [`Diversions::load`].
    pub fn parse(data: &[u8]) -> Result<Diversions, DpkgError> {
        let mut diversions = Diversions::default();
        let mut lines = data.split(|b| *b == b'\n');
        while let Some(from) = lines.next() {
            if from.is_empty() && lines.clone().all(<[u8]>::is_empty) {
                break;
            }
            let (Some(to), Some(package)) = (lines.next(), lines.next()) else {
                return Err(malformed(DIVERSIONS, "ends within a diversion"));
            };
            let package = std::str::from_utf8(package).map_err(|_| malformed(DIVERSIONS, "is not UTF-8"))?;
            let [from, to] = [from, to].map(|path| PathBuf::from(OsStr::from_bytes(path)));
            if !from.is_absolute() || !to.is_absolute() || package.is_empty() {
                return Err(malformed(
                    DIVERSIONS,
                    "has a diversion without absolute paths and a package",
                ));
            }
            let index = diversions.list.len();
            let twice = diversions.from.insert(from.clone(), index).is_some()
                || diversions.to.insert(to.clone(), index).is_some();
            if twice {
                let problem = format!(
                    "has conflicting diversions of {} or to {}",
                    from.display(),
                    to.display()
                );
                return Err(malformed(DIVERSIONS, problem));
            }
            let package = (package != ":").then(|| package.to_owned());
            diversions.list.push(Diversion { from, to, package });
        }
        Ok(diversions)
    }

    /// Returns the path at which `package` has its file of this name: the diverted path, or the path itself.
    pub fn used<'a>(&'a self, path: &'a Path, package: &str) -> &'a Path {
        match self.of(path) {
            Some(diversion) if diversion.package.as_deref() != Some(package) => &diversion.to,
            _ => path,
        }
    }

    /// Returns the diversion of a contested path.
    pub fn of(&self, path: &Path) -> Option<&Diversion> {
        self.from.get(path).and_then(|index| self.list.get(*index))
    }

    /// Returns the diversion whose new path this is.
    pub fn ending_at(&self, path: &Path) -> Option<&Diversion> {
        self.to.get(path).and_then(|index| self.list.get(*index))
    }

    /// Returns all diversions in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Diversion> {
        self.list.iter()
    }
}

/// Owner and mode of a file in place of those in packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatOverride {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Mode, 0 to 0o7777.
    pub mode: u32,
}

/// The statoverrides in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatOverrides(HashMap<PathBuf, StatOverride>);

impl StatOverrides {
    /// Reads `var/lib/dpkg/statoverride`; none when it does not exist.
    ///
    /// # Errors
    /// A file that cannot be read, a malformed line, a name that the target does not have.
    pub fn load(target: &Target, accounts: &Accounts) -> Result<StatOverrides, DpkgError> {
        let data = read_optional(target, Path::new(STATOVERRIDE))?.unwrap_or_default();
        StatOverrides::parse(&data, accounts)
    }

    /// Parses the database: `USER GROUP MODE PATH` a line, a number as `#ID`.
    ///
    /// # Errors
    /// As [`StatOverrides::load`].
    pub fn parse(data: &[u8], accounts: &Accounts) -> Result<StatOverrides, DpkgError> {
        let mut overrides = HashMap::new();
        for line in data.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            let shown = String::from_utf8_lossy(line);
            let mut parts = line.splitn(4, |b| *b == b' ');
            let (Some(user), Some(group), Some(mode), Some(path)) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                return Err(malformed(STATOVERRIDE, format!("has a malformed line '{shown}'")));
            };
            let number = |text: &[u8]| std::str::from_utf8(text.strip_prefix(b"#")?).ok()?.parse().ok();
            let unknown = |what| malformed(STATOVERRIDE, format!("names an unknown {what} in '{shown}'"));
            let uid = number(user)
                .or_else(|| accounts.uid(user))
                .ok_or_else(|| unknown("user"))?;
            let gid = number(group)
                .or_else(|| accounts.gid(group))
                .ok_or_else(|| unknown("group"))?;
            let mode = std::str::from_utf8(mode)
                .ok()
                .and_then(|text| u32::from_str_radix(text, 8).ok());
            let mode = mode
                .filter(|mode| *mode <= 0o7777)
                .ok_or_else(|| unknown("mode"))?;
            overrides.insert(
                PathBuf::from(OsStr::from_bytes(path)),
                StatOverride { uid, gid, mode },
            );
        }
        Ok(StatOverrides(overrides))
    }

    /// Returns the override of a path.
    pub fn get(&self, path: &Path) -> Option<StatOverride> {
        self.0.get(path).copied()
    }
}
