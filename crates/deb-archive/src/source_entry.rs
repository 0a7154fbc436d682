//! An entry of a sources file: its options, as sources.list(5) has them, and its URIs.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::apt_settings::flag;
use super::package_file::PREFIX;
use super::snapshot::Snapshot;
use super::source::{SignedBy, Source, SourceSnapshot, is_safe_path};
use super::{ArchiveError, Result, without_passwords};

/// Options of sources, by their one-line names.
const OPTIONS: [&str; 24] = [
    "arch",
    "arch+",
    "arch-",
    "lang",
    "lang+",
    "lang-",
    "target",
    "target+",
    "target-",
    "pdiffs",
    "by-hash",
    "allow-insecure",
    "allow-weak",
    "allow-downgrade-to-insecure",
    "trusted",
    "signed-by",
    "check-valid-until",
    "valid-until-min",
    "valid-until-max",
    "check-date",
    "date-max-future",
    "inrelease-path",
    "snapshot",
    "include",
];

/// The target that is packages.
const PACKAGES: &str = "packages";

type Checked = std::result::Result<(), String>;

/// An entry, before its words are checked.
#[derive(Default)]
pub(super) struct SourceEntry {
    pub(super) uris: Vec<String>,
    pub(super) suites: Vec<String>,
    pub(super) components: Vec<String>,
    pub(super) signed_by: Option<SignedBy>,
    /// Whether it is one of source packages alone.
    pub(super) is_source: bool,
    architectures: Vec<String>,
    added: Vec<String>,
    removed: Vec<String>,
    targets: Vec<String>,
    added_targets: Vec<String>,
    removed_targets: Vec<String>,
    inrelease_path: Option<String>,
    disabled: bool,
    trusted: bool,
    allow_insecure: bool,
    allow_weak: bool,
    allow_downgrade: bool,
    any_valid_until: bool,
    any_date: bool,
    valid_until_min: Duration,
    valid_until_max: Option<Duration>,
    date_max_future: Option<Duration>,
    by_hash: Option<bool>,
    snapshot: SourceSnapshot,
    include: Vec<String>,
    exclude: Vec<String>,
}

impl SourceEntry {
    /// Sets an option of a one-line source. One that is nearly the name of another is a mistake; others, as with apt, are
    /// of somebody else.
    pub(super) fn set_given(&mut self, name: &str, value: &str) -> Checked {
        if !OPTIONS.contains(&name) && !matches!(name, "exclude" | "enabled") {
            let near = deb_types::near::nearest(name, OPTIONS.into_iter().chain(["exclude"]), 2);
            if let Some(near) = near.first() {
                return Err(format!("there is no option `{name}`; perhaps `{near}` is meant"));
            }
        }
        self.set(name, value)
            .map_err(|reason| format!("{name}: {reason}"))
    }

    /// Sets an option that both formats have, by its one-line name.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Checked {
        // As if it were not there.
        if value.is_empty() {
            return Ok(());
        }
        match name {
            "arch" => self.architectures = list(value),
            "arch+" => self.added.extend(list(value)),
            "arch-" => self.removed.extend(list(value)),
            "target" => self.targets = list(&value.to_ascii_lowercase()),
            "target+" => self.added_targets.extend(list(&value.to_ascii_lowercase())),
            "target-" => self.removed_targets.extend(list(&value.to_ascii_lowercase())),
            "inrelease-path" => self.inrelease_path = Some(value.to_owned()).filter(|path| !path.is_empty()),
            "signed-by" => self.signed_by = Some(signed_by(value)?),
            "enabled" => self.disabled = !yes_or_no(value)?,
            "trusted" => self.trusted = yes_or_no(value)?,
            "allow-insecure" => self.allow_insecure = yes_or_no(value)?,
            "allow-weak" => self.allow_weak = yes_or_no(value)?,
            "allow-downgrade-to-insecure" => self.allow_downgrade = yes_or_no(value)?,
            "check-valid-until" => self.any_valid_until = !yes_or_no(value)?,
            "check-date" => self.any_date = !yes_or_no(value)?,
            "valid-until-min" => self.valid_until_min = seconds(value)?,
            // As with apt, zero means no limit, or the default.
            "valid-until-max" => self.valid_until_max = Some(seconds(value)?).filter(|time| !time.is_zero()),
            "date-max-future" => self.date_max_future = Some(seconds(value)?).filter(|time| !time.is_zero()),
            "by-hash" => {
                self.by_hash = match (value.to_ascii_lowercase().as_str(), flag(value)) {
                    ("force", _) => Some(true),
                    (_, Some(false)) => Some(false),
                    (_, Some(true)) => None,
                    _ => return Err(format!("`{value}`: yes, no or force is expected")),
                }
            }
            "snapshot" => {
                self.snapshot = match (flag(value), Snapshot::parse_id(value)) {
                    (_, Some(id)) => SourceSnapshot::At(id),
                    (Some(true), _) => SourceSnapshot::AsAsked,
                    (Some(false), _) => SourceSnapshot::Never,
                    _ => {
                        return Err(format!(
                            "`{value}`: the time of a snapshot such as 20260912T080000Z, enable or disable is expected"
                        ));
                    }
                }
            }
            "include" => self.include.extend(list(value)),
            "exclude" => self.exclude.extend(list(value)),
            // Translations are not read, nor differences of indexes (`lang`, `pdiffs`).
            _ => {}
        }
        Ok(())
    }

    /// Has the architectures be those of `arch`, with those of `arch+` and without those of `arch-`.
    fn resolve_architectures(&mut self) {
        // Without `arch` all are read that are asked for: to add some means nothing.
        if !self.architectures.is_empty() {
            self.architectures.append(&mut self.added);
            let removed = std::mem::take(&mut self.removed);
            self.architectures.retain(|name| !removed.contains(name));
            if self.architectures.is_empty() {
                // None is left.
                self.disabled = true;
            }
        }
    }

    /// Whether packages are among what is read.
    fn has_packages(&self) -> bool {
        let is = |target: &String| target == PACKAGES;
        (self.targets.is_empty() || self.targets.iter().chain(&self.added_targets).any(is))
            && !self.removed_targets.iter().any(is)
    }

    /// Returns the source; none for one that has no binary packages or is not enabled.
    ///
    /// # Errors
    /// [`ArchiveError::BadSource`](super::ArchiveError).
    pub(super) fn finish(mut self, origin: &str, line: usize) -> Result<Option<Source>> {
        self.resolve_architectures();
        if self.disabled {
            return Ok(None);
        }
        self.check(origin, line)?;
        if self.is_source || !self.has_packages() {
            return Ok(None);
        }
        let uris: Vec<Url> = self
            .uris
            .iter()
            .map(|uri| parse_uri(uri).map_err(|reason| bad(origin, line, reason)))
            .collect::<Result<_>>()?;
        let first = self.uris.first().map(|uri| without_passwords(uri));
        let place = format!(
            "{origin}:{line} ({} {})",
            first.unwrap_or_default(),
            self.suites.first().map_or("", String::as_str)
        );
        Ok(Some(Source {
            place,
            uris,
            suites: self.suites,
            components: self.components,
            architectures: self.architectures,
            without_architectures: self.removed,
            inrelease_path: self.inrelease_path,
            signed_by: self.signed_by,
            trusted: self.trusted,
            allow_insecure: self.allow_insecure,
            allow_weak: self.allow_weak,
            allow_downgrade: self.allow_downgrade,
            check_valid_until: !self.any_valid_until,
            valid_until_min: self.valid_until_min,
            valid_until_max: self.valid_until_max,
            check_date: !self.any_date,
            date_max_future: self.date_max_future,
            by_hash: self.by_hash,
            snapshot: self.snapshot,
            include: self.include,
            exclude: self.exclude,
            optional: false,
        }))
    }

    fn check(&self, origin: &str, line: usize) -> Result<()> {
        let bad = |reason: &str| Err(bad(origin, line, reason));
        if self.uris.iter().all(String::is_empty) {
            return bad("there is no URI");
        }
        // The URI of a medium has blanks.
        if self.uris.iter().any(|uri| uri.starts_with("cdrom:")) {
            return bad(&unsupported("cdrom", "cdrom:"));
        }
        if self.suites.is_empty() {
            return bad("there is no suite");
        }
        let flat = |suite: &String| suite.ends_with('/');
        if self.components.is_empty() && !self.suites.iter().all(flat) {
            return bad("there is no component, such as main");
        }
        if !self.components.is_empty() && self.suites.iter().any(flat) {
            return bad("a suite that ends in / takes no components");
        }
        let names = self
            .suites
            .iter()
            .chain(&self.components)
            .chain(&self.architectures)
            .chain(&self.removed)
            .chain(&self.inrelease_path);
        for name in names {
            if !is_safe_path(name.trim_end_matches('/')) && name != "/" && name != "./" {
                return bad(&format!(
                    "`{name}` is no name of a suite, component or architecture"
                ));
            }
        }
        Ok(())
    }
}

/// Returns the error of a line of a sources file; `origin` names the file.
pub(super) fn bad(origin: &str, line: usize, reason: impl Into<String>) -> ArchiveError {
    ArchiveError::BadSource {
        origin: origin.to_owned(),
        line,
        reason: reason.into(),
    }
}

/// Returns the words of a list with commas.
fn list(value: &str) -> Vec<String> {
    value
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn yes_or_no(value: &str) -> std::result::Result<bool, String> {
    flag(value).ok_or_else(|| format!("`{value}`: yes or no is expected"))
}

fn seconds(value: &str) -> std::result::Result<Duration, String> {
    let number: u64 = value
        .parse()
        .map_err(|_| format!("`{value}`: a number of seconds is expected"))?;
    Ok(Duration::from_secs(number.min(u64::from(u32::MAX))))
}

fn signed_by(value: &str) -> std::result::Result<SignedBy, String> {
    let (mut files, mut fingerprints) = (Vec::new(), Vec::new());
    for word in value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        if word.starts_with('/') {
            files.push(PathBuf::from(word));
            continue;
        }
        let digits = word.strip_suffix('!').unwrap_or(word);
        let whole = matches!(digits.len(), 16 | 32 | 40 | 64);
        if !whole || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!(
                "`{word}` is neither the absolute path of a keyring nor a fingerprint of 40 hexadecimal digits"
            ));
        }
        fingerprints.push(word.to_ascii_uppercase());
    }
    Ok(SignedBy::Files { files, fingerprints })
}

/// Returns a URI of an archive, or of a list of mirrors.
fn parse_uri(text: &str) -> std::result::Result<Url, String> {
    let shown = without_passwords(text);
    let text = match text.strip_prefix("mirror:") {
        Some(rest) => format!("{PREFIX}http:{rest}"),
        None => text.to_owned(),
    };
    let url = Url::parse(&text).map_err(|error| format!("`{shown}` is no URI: {error}"))?;
    let (list, scheme) = match url.scheme().strip_prefix(PREFIX) {
        Some(scheme) => (true, scheme),
        None => (false, url.scheme()),
    };
    let absolute = text
        .split_once(':')
        .is_some_and(|(_, path)| path.starts_with('/'));
    match scheme {
        "http" | "https" if url.host_str().is_some_and(|host| !host.is_empty()) => Ok(url),
        "http" | "https" => Err(format!("`{shown}` has no host")),
        "file" | "copy" if !absolute => Err(format!("`{shown}`: the path is not absolute")),
        "file" | "copy" if list && url.path().ends_with('/') => Err(format!(
            "`{shown}`: the path of a list of mirrors is that of a file"
        )),
        "file" | "copy" => Ok(url),
        _ => Err(unsupported(url.scheme(), &shown)),
    }
}

/// What is to be done in the place of a URI that is not read.
fn unsupported(scheme: &str, shown: &str) -> String {
    let advice = match scheme {
        "cdrom" => "mount the medium and name its directory with file:, or name a mirror",
        "ssh" | "rsh" => "mount the directory, with sshfs for one, and name it with file:",
        "ftp" | "ftps" => "archives are served over http or https today",
        scheme if scheme.starts_with("tor+") => {
            "give the URI without tor+, and set the proxy: https_proxy=socks5h://127.0.0.1:9050"
        }
        _ => "http, https, file, copy, mirror+http, mirror+https, mirror+file and mirror+copy are",
    };
    format!("{scheme} URIs are not supported: `{shown}`; {advice}")
}
