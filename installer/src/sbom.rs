//! Software bills of materials: what is installed in a target, by dpkg's database, in the forms of SPDX 2.3 and CycloneDX 1.6.
//!
//! The same target gives the same bytes, but for the moment of making, which `SOURCE_DATE_EPOCH` sets.

mod copyright;
mod cyclonedx;
mod licenses;
mod spdx;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use deb_types::hex;
use dpkg_db::{Database, Package, Status};
use licenses::License;
use rootless_install_fs::Target;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::package_lock::PackageLock;

/// A form of a bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SbomFormat {
    /// SPDX 2.3, JSON (<https://spdx.github.io/spdx-spec/v2.3/>).
    Spdx,
    /// CycloneDX 1.6, JSON (<https://cyclonedx.org/docs/1.6/json/>).
    CycloneDx,
}

impl SbomFormat {
    /// All forms.
    pub const ALL: [Self; 2] = [Self::Spdx, Self::CycloneDx];

    /// Returns its name, as options have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spdx => "spdx",
            Self::CycloneDx => "cyclonedx",
        }
    }

    /// Returns the form of a name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }

    /// Returns its media type (IANA, as registered).
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Spdx => "application/spdx+json",
            Self::CycloneDx => "application/vnd.cyclonedx+json",
        }
    }
}

/// A package of a bill.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Component {
    name: String,
    version: String,
    architecture: String,
    /// Name and version of the source package.
    source: (String, String),
    maintainer: Option<String>,
    homepage: Option<String>,
    summary: Option<String>,
    /// What its copyright file says, where that can be read by machines.
    license: Option<License>,
    /// SHA-256 of the package file, and its URL, where they are known.
    sha256: Option<String>,
    url: Option<String>,
    /// Names of packages that it depends on, of those that are installed: positions of components.
    depends: BTreeSet<usize>,
}

/// A bill, of which the forms are written.
#[derive(Clone, Debug)]
pub struct Sbom {
    /// Name of what the bill is of.
    name: String,
    /// `PRETTY_NAME`, `ID` and `VERSION_ID` of os-release(5).
    system: BTreeMap<String, String>,
    /// Seconds since 1970.
    created: u64,
    components: Vec<Component>,
}

/// Reason why a bill cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SbomError {
    /// dpkg's database cannot be read.
    #[error(transparent)]
    Database(#[from] dpkg_db::DpkgError),
    /// Nothing is installed by dpkg's database.
    #[error("no package is installed in {name}: a bill of materials is made of dpkg's database")]
    Empty {
        /// Name of the target.
        name: String,
    },
}

impl Sbom {
    /// Returns the bill of a target, whose name it has; a lock knows the package files. No moment is later than
    /// `source_date_epoch`, in seconds.
    ///
    /// # Errors
    /// [`SbomError`].
    pub fn of(
        target: &Target,
        native: &str,
        name: &str,
        lock: Option<&PackageLock>,
        source_date_epoch: Option<u64>,
    ) -> Result<Self, SbomError> {
        let database = Database::load(target, native)?;
        let installed: Vec<&Package> = database
            .packages()
            .filter(|package| !matches!(package.status, Status::NotInstalled | Status::ConfigFiles))
            .collect();
        if installed.is_empty() {
            return Err(SbomError::Empty {
                name: name.to_owned(),
            });
        }
        let files = lock.map(known_files).unwrap_or_default();
        let mut components: Vec<Component> = installed
            .iter()
            .map(|package| component(target, package, &files))
            .collect();
        let positions = positions(&installed);
        for (package, component) in installed.iter().zip(&mut components) {
            component.depends = depends(package, &positions);
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Ok(Self {
            name: name.to_owned(),
            system: os_release(target),
            created: source_date_epoch.map_or(now.as_secs(), |epoch| epoch.min(now.as_secs())),
            components,
        })
    }

    /// Returns the bill in a form, as text that ends in a newline.
    pub fn text(&self, format: SbomFormat) -> String {
        let value: Value = match format {
            SbomFormat::Spdx => spdx::document(self),
            SbomFormat::CycloneDx => cyclonedx::document(self),
        };
        format!("{value:#}\n")
    }

    /// Returns a number that is another for other contents, in the form of a UUID (RFC 9562, version 8).
    fn uuid(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{} {}", self.name, self.created));
        for component in &self.components {
            hash.update(component.purl_of(self.vendor()));
            hash.update(component.sha256.as_deref().unwrap_or_default());
        }
        let mut bytes: [u8; 16] = [0; 16];
        for (to, from) in bytes.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let text = hex(&bytes);
        [
            &text[..8],
            &text[8..12],
            &text[12..16],
            &text[16..20],
            &text[20..],
        ]
        .join("-")
    }

    fn vendor(&self) -> &str {
        self.system.get("ID").map_or("debian", String::as_str)
    }
}

impl Component {
    /// Returns the package URL (<https://github.com/package-url/purl-spec>).
    fn purl_of(&self, vendor: &str) -> String {
        format!(
            "pkg:deb/{vendor}/{}@{}?arch={}",
            quoted(&self.name),
            quoted(&self.version),
            quoted(&self.architecture)
        )
    }
}

/// Quotes a part of a package URL: percent-encoding of all but unreserved characters (RFC 3986).
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                out.push(char::from(byte))
            }
            byte => out += &format!("%{byte:02X}"),
        }
    }
    out
}

type Files<'l> = BTreeMap<(&'l str, &'l str, &'l str), (&'l str, String)>;

/// Returns hash and URL of package files, by name, version and architecture.
fn known_files(lock: &PackageLock) -> Files<'_> {
    let of = |package: &'_ crate::package_lock::LockedPackage| {
        let base = lock
            .indexes
            .get(package.index)
            .map_or("", |index| index.base.as_str());
        format!("{}/{}", base.trim_end_matches('/'), package.filename)
    };
    lock.packages
        .iter()
        .map(|package| {
            let key = (
                package.name.as_str(),
                package.version.as_str(),
                package.architecture.as_str(),
            );
            (key, (package.hash.as_str(), of(package)))
        })
        .collect()
}

fn component(target: &Target, package: &Package, files: &Files<'_>) -> Component {
    let field = |name: &str| package.field(name).map(str::to_owned);
    let source = package.field("Source").unwrap_or(&package.name);
    let (source, version) = match source.split_once(' ') {
        Some((name, version)) => (name, version.trim_matches(['(', ')'])),
        None => (source, package.version.as_str()),
    };
    let key = (
        package.name.as_str(),
        package.version.as_str(),
        package.architecture.as_str(),
    );
    let file = files.get(&key);
    Component {
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        source: (source.to_owned(), version.to_owned()),
        maintainer: field("Maintainer"),
        homepage: field("Homepage").filter(|url| url::Url::parse(url).is_ok()),
        summary: field("Description").and_then(|text| text.lines().next().map(str::to_owned)),
        license: copyright::of_package(target, &package.name),
        sha256: file.and_then(|(hash, _)| hash.strip_prefix("sha256:").map(str::to_owned)),
        url: file
            .map(|(_, url)| url.clone())
            .filter(|url| url::Url::parse(url).is_ok()),
        depends: BTreeSet::new(),
    }
}

/// Returns the positions of packages by their names, and by what they provide.
fn positions<'p>(installed: &[&'p Package]) -> BTreeMap<&'p str, usize> {
    let mut found = BTreeMap::new();
    for (number, package) in installed.iter().enumerate() {
        found.insert(package.name.as_str(), number);
    }
    for (number, package) in installed.iter().enumerate() {
        for provided in package.field("Provides").unwrap_or_default().split(',') {
            let name = provided.split(['(', ' ', ':']).find(|word| !word.is_empty());
            if let Some(name) = name {
                found.entry(name).or_insert(number);
            }
        }
    }
    found
}

/// Returns what a package depends on, of what is installed.
fn depends(package: &Package, positions: &BTreeMap<&str, usize>) -> BTreeSet<usize> {
    let own = positions.get(package.name.as_str());
    package
        .requirements()
        .flat_map(|value| value.split([',', '|']))
        .filter_map(|relation| {
            relation
                .split(['(', '[', '<', ':', ' '])
                .find(|word| !word.is_empty())
        })
        .filter_map(|name| positions.get(name))
        .filter(|number| Some(*number) != own)
        .copied()
        .collect()
}

fn os_release(target: &Target) -> BTreeMap<String, String> {
    let text = ["/etc/os-release", "/usr/lib/os-release"]
        .iter()
        .find_map(|path| target.read(Path::new(path)).ok())
        .unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches(['"', '\'']).to_owned()))
        .collect()
}

/// Returns a moment in seconds since 1970 as both forms write it.
fn moment(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

#[cfg(test)]
mod tests;
