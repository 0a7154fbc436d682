//! Publishes synthetic packages as a signed archive (DebianRepository/Format).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use md5::Md5;
use sha2::{Digest as _, Sha256};

use crate::deb::{Compression, Package, hex};
use crate::error::At as _;
use crate::keys::Key;
use crate::{Error, Result};

/// The suite of every synthetic archive.
pub const SUITE: &str = "stable";

/// What is wrong with InRelease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signature {
    /// Nothing.
    #[default]
    Sound,
    /// Made by a key that has expired.
    ExpiredKey,
    /// Made by a key that is not in the keyring.
    WrongKey,
    /// The text was changed after it was signed.
    Altered,
    /// There is text, but no signature.
    Unsigned,
    /// There is no InRelease.
    Missing,
}

/// What is wrong with the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Damage {
    /// Nothing.
    #[default]
    None,
    /// The second half of each file is missing.
    Truncated,
    /// One byte of each file is another.
    Altered,
    /// What is signed expands to this many bytes, and the Release file names another size for the text.
    Expands(usize),
    /// The same, and the Release file does not name the text.
    ExpandsUnnamed(usize),
    /// The same, and the Release file names all that.
    ExpandsNamed(usize),
}

impl Damage {
    // Number of bytes to which an index expands, if that is not its own.
    fn expanded(self) -> Option<usize> {
        match self {
            Self::Expands(size) | Self::ExpandsUnnamed(size) | Self::ExpandsNamed(size) => Some(size),
            Self::None | Self::Truncated | Self::Altered => None,
        }
    }
}

/// How an archive is published.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Name of the suite; its codename is `synthetic`, or that of other suites with `-synthetic` after it.
    pub suite: &'static str,
    /// InRelease and its signature.
    pub signature: Signature,
    /// Seconds from now to Valid-Until; none by default.
    pub valid_until: Option<i64>,
    /// The Packages files.
    pub index: Damage,
    /// Whether the index is also there by hash.
    pub by_hash: bool,
    /// Compressions the index is published in.
    pub compressions: Vec<Compression>,
    /// Source packages: names and versions.
    pub sources: Vec<(&'static str, &'static str)>,
    /// Languages of which there are translations.
    pub languages: Vec<&'static str>,
}

impl Default for Publish {
    fn default() -> Self {
        Self {
            suite: SUITE,
            signature: Signature::Sound,
            valid_until: None,
            index: Damage::None,
            by_hash: true,
            compressions: vec![Compression::Gzip, Compression::Xz],
            sources: Vec::new(),
            languages: Vec::new(),
        }
    }
}

impl Publish {
    /// Writes the archive into the directory `root`, and its keyring as
    /// `root/keyring.gpg`. `architectures` are those the Release file names.
    ///
    /// # Errors
    /// When a file cannot be made or written.
    pub fn write(&self, root: &Path, architectures: &[&str], packages: &[Package]) -> Result<()> {
        let mut stanzas: BTreeMap<&str, String> =
            architectures.iter().map(|name| (*name, String::new())).collect();
        for package in packages {
            let deb = package.build()?;
            let name = package.file_name();
            save(&root.join(&name), &deb)?;
            let stanza = format!(
                "{}Filename: {name}\nSize: {}\nMD5sum: {}\nSHA256: {}\n\n",
                package.control(),
                deb.len(),
                hex(&Md5::digest(&*deb)),
                hex(&Sha256::digest(&*deb))
            );
            for (architecture, text) in &mut stanzas {
                if package.architecture == "all" || package.architecture == *architecture {
                    text.push_str(&stanza);
                }
            }
        }
        let dists = root.join("dists").join(self.suite);
        let mut sums = String::new();
        for (architecture, text) in &stanzas {
            sums += &self.index(&dists, &format!("main/binary-{architecture}/Packages"), text)?;
        }
        if !self.sources.is_empty() {
            sums += &self.index(&dists, "main/source/Sources", &self.source_packages(root)?)?;
        }
        for language in &self.languages {
            let stem = format!("main/i18n/Translation-{language}");
            sums += &self.index(&dists, &stem, &format!("Description-{language}: x\n"))?;
        }
        let key = match self.signature {
            Signature::ExpiredKey => Key::expired()?,
            _ => Key::sound()?,
        };
        let trusted = match self.signature {
            Signature::WrongKey => Key::sound()?,
            _ => key.clone(),
        };
        save(&root.join("keyring.gpg"), &trusted.keyring()?)?;
        let release = self.release(architectures, &sums)?;
        let signed = match self.signature {
            Signature::Missing => return Ok(()),
            Signature::Unsigned => release.into_bytes(),
            Signature::Altered => {
                let signed = String::from_utf8_lossy(&key.clearsign(&release)?).into_owned();
                signed.replace("Label: Synthetic", "Label: Other").into_bytes()
            }
            _ => key.clearsign(&release)?,
        };
        save(&dists.join("InRelease"), &signed)
    }

    // Writes the source packages and returns their paragraphs.
    fn source_packages(&self, root: &Path) -> Result<String> {
        let mut text = String::new();
        for (name, version) in &self.sources {
            let directory = format!("pool/main/{name}");
            let mut lines = String::new();
            for end in [".dsc", ".tar.xz"] {
                let file = format!("{name}_{version}{end}");
                let data = format!("{file}\n");
                save(&root.join(&directory).join(&file), data.as_bytes())?;
                lines += &format!(" {} {} {file}\n", hex(&Sha256::digest(&data)), data.len());
            }
            text += &format!(
                "Package: {name}\nVersion: {version}\nDirectory: {directory}\nChecksums-Sha256:\n{lines}\n"
            );
        }
        Ok(text)
    }

    // Writes an index and returns its lines for the Release file.
    fn index(&self, dists: &Path, stem: &str, text: &str) -> Result<String> {
        let mut lines = String::new();
        let mut plain = vec![Compression::None];
        plain.extend(
            self.compressions
                .iter()
                .copied()
                .filter(|one| *one != Compression::None),
        );
        for compression in plain {
            let name = format!("{stem}{}", compression.suffix());
            let mut data = match (self.index, compression, self.index.expanded()) {
                (Damage::ExpandsUnnamed(_), Compression::None, _) => continue,
                (Damage::Expands(_), Compression::None, _) | (.., None) => {
                    compression.compress(text.as_bytes())?
                }
                (.., Some(size)) => compression.compress(&vec![b'\n'; size])?,
            };
            let sum = hex(&Sha256::digest(&data));
            lines += &format!(" {sum} {} {name}\n", data.len());
            if !self.compressions.contains(&compression) {
                continue;
            }
            match self.index {
                Damage::None | Damage::Expands(_) | Damage::ExpandsUnnamed(_) | Damage::ExpandsNamed(_) => {}
                Damage::Truncated => data.truncate(data.len() / 2),
                Damage::Altered => {
                    let middle = data.len() / 2;
                    if let Some(byte) = data.get_mut(middle) {
                        *byte ^= 0x55;
                    }
                }
            }
            let path = dists.join(&name);
            save(&path, &data)?;
            if self.by_hash {
                save(&path.with_file_name("by-hash").join("SHA256").join(sum), &data)?;
            }
        }
        Ok(lines)
    }

    fn release(&self, architectures: &[&str], sums: &str) -> Result<String> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let now = i64::try_from(now).map_err(|_| Error::Machine("the clock is wrong".to_owned()))?;
        let suite = self.suite;
        let codename = match suite {
            SUITE => "synthetic".to_owned(),
            other => format!("{other}-synthetic"),
        };
        let mut text = format!(
            "Origin: Synthetic\nLabel: Synthetic\nSuite: {suite}\nCodename: {codename}\nDate: {}\n",
            date(
                now.saturating_sub(3600)
                    .saturating_add(self.valid_until.unwrap_or(0).min(0))
            )
        );
        if let Some(offset) = self.valid_until {
            text += &format!("Valid-Until: {}\n", date(now.saturating_add(offset)));
        }
        if self.by_hash {
            text += "Acquire-By-Hash: yes\n";
        }
        text += &format!(
            "Architectures: all {}\nComponents: main\n",
            architectures.join(" ")
        );
        Ok(text + "Description: synthetic archive\nSHA256:\n" + sums)
    }
}

fn save(path: &Path, data: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).at(parent)?;
    }
    std::fs::write(path, data).at(path)
}

/// A time as a Release file has it, in UTC.
#[must_use]
pub fn date(seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let (mut year, mut rest) = (1970, days);
    while rest >= if leap(year) { 366 } else { 365 } {
        rest -= if leap(year) { 366 } else { 365 };
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = "Jan";
    for (name, length) in MONTHS
        .iter()
        .zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    {
        month = name;
        if rest < length {
            break;
        }
        rest -= length;
    }
    let day = DAYS
        .get(usize::try_from(days.rem_euclid(7)).unwrap_or(0))
        .unwrap_or(&"Thu");
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!(
        "{day}, {:02} {month} {year} {hour:02}:{minute:02}:{:02} UTC",
        rest + 1,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "Thu, 01 Jan 1970 00:00:00 UTC");
        assert_eq!(date(951_782_400), "Tue, 29 Feb 2000 00:00:00 UTC");
        assert_eq!(date(1_760_000_000), "Thu, 09 Oct 2025 08:53:20 UTC");
        assert_eq!(date(1_767_225_599), "Wed, 31 Dec 2025 23:59:59 UTC");
    }

    // apt itself is the judge of what a sound and an unsound archive is.
    fn apt_update(publish: &Publish) -> (bool, String) {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = dir.path();
        std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o755)).expect("readable for _apt");
        let packages = [
            Package::new("one", "1", "riscv64").essential(),
            Package::new("two", "2", "all").field("Depends", "one"),
        ];
        publish
            .write(&root.join("archive"), &["riscv64"], &packages)
            .expect("published");
        for name in ["state/lists/partial", "cache/archives/partial", "etc", "lib"] {
            std::fs::create_dir_all(root.join(name)).expect("made");
        }
        std::fs::write(root.join("lib/status"), "").expect("written");
        let archive = root.join("archive");
        let line = format!(
            "deb [signed-by={0}/keyring.gpg] copy:{0} {SUITE} main\n",
            archive.display()
        );
        std::fs::write(root.join("etc/sources.list"), line).expect("written");
        let set = |name: &str, path: &str| format!("-o{name}={}", root.join(path).display());
        let apt = |words: &[&str]| {
            let done = Command::new("apt-get")
                .args([
                    set("Dir::State", "state"),
                    set("Dir::State::status", "lib/status"),
                    set("Dir::Cache", "cache"),
                    set("Dir::Etc::sourcelist", "etc/sources.list"),
                    set("Dir::Etc::sourceparts", "none"),
                    "-oAPT::Architecture=riscv64".to_owned(),
                    "-oAPT::Architectures=riscv64".to_owned(),
                    "-oAPT::Sandbox::User=root".to_owned(),
                    "-oAcquire::Languages=none".to_owned(),
                    "-oAPT::Update::Error-Mode=any".to_owned(),
                ])
                .args(words)
                .env("LC_ALL", "C.UTF-8")
                .output()
                .expect("apt-get runs");
            let said = [done.stdout, done.stderr].concat();
            (done.status.success(), String::from_utf8_lossy(&said).into_owned())
        };
        let (fine, said) = apt(&["update"]);
        if !fine {
            return (false, said);
        }
        let (fine, more) = apt(&["--simulate", "install", "two"]);
        (fine, said + &more)
    }

    #[test]
    fn apt_accepts_a_sound_archive() {
        let (fine, said) = apt_update(&Publish::default());
        assert!(
            fine && said.contains("Inst one (1 ") && said.contains("Conf two (2 "),
            "{said}"
        );
        let later = Publish {
            valid_until: Some(86_400),
            by_hash: false,
            ..Publish::default()
        };
        let (fine, said) = apt_update(&later);
        assert!(fine, "{said}");
    }

    #[test]
    fn apt_refuses_every_unsound_archive() {
        let of = |signature| Publish {
            signature,
            ..Publish::default()
        };
        let damaged = |index| Publish {
            index,
            ..Publish::default()
        };
        let cases = [
            (of(Signature::ExpiredKey), "EXPKEYSIG"),
            (of(Signature::WrongKey), "NO_PUBKEY"),
            (of(Signature::Altered), "BADSIG"),
            (
                of(Signature::Unsigned),
                "not signed|Clearsigned|NOSPLIT|no longer signed",
            ),
            (of(Signature::Missing), "does not have a Release file"),
            (damaged(Damage::Truncated), "Hash Sum mismatch|unexpected size"),
            (damaged(Damage::Altered), "Hash Sum mismatch|unexpected size"),
        ];
        for (publish, words) in cases {
            let (fine, said) = apt_update(&publish);
            let named = words.split('|').any(|word| said.contains(word));
            assert!(!fine && named, "{publish:?} should fail with {words}: {said}");
        }
    }
}
