//! Compares two root filesystems entry by entry.
//!
//! Type, mode, numeric owner, size, link target, device number, modification
//! time in whole seconds, extended attributes and content must agree. Only the
//! content of entries that are random by design may differ, and entries that exist
//! because of the machine that made a reference.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::Result;
use crate::deb::hex;
use crate::listing::Listing;

pub use crate::listing::{Facts, entries};

/// Entries whose content is random by design.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random {
    /// A path without a leading `./`; `*` matches anything, slashes too.
    pub glob: String,
    /// What of them is.
    pub excuse: Excuse,
    /// The suite in which they are; empty for every one.
    pub suite: String,
    /// Packages, by commas, two installations of which differ there; empty where none show it.
    pub packages: String,
    /// Why it is random.
    pub reason: String,
}

/// What may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excuse {
    /// The bytes of a file.
    Content,
    /// Its size as well.
    Size,
    /// Whether it is there at all; where it is on both sides, all must agree.
    Existence,
    /// The bytes of a database and its size, while all keys and values agree.
    Records,
}

impl Excuse {
    // The facts that may differ between two entries that are both there.
    fn facts(self) -> &'static [&'static str] {
        match self {
            Self::Content => &["sha256", "records"],
            Self::Size => &["sha256", "records", "size"],
            Self::Records => &["sha256", "size"],
            Self::Existence => &[],
        }
    }
}

impl Random {
    /// Those that hold for a suite.
    #[must_use]
    pub fn of_suite(rows: &[Self], suite: &str) -> Vec<Self> {
        let holds = |row: &&Self| row.suite.is_empty() || row.suite == suite;
        rows.iter().filter(holds).cloned().collect()
    }

    /// Whether this explains all that differs between two entries at `path`.
    ///
    /// Content only: never type, mode, owner, times or links.
    fn explains(&self, path: &str, facts: &[&String]) -> bool {
        let excused = self.excuse.facts();
        matches(&self.glob, path) && facts.iter().all(|fact| excused.contains(&fact.as_str()))
    }

    /// Whether this explains that an entry is on one side only.
    fn explains_absence(&self, path: &str) -> bool {
        self.excuse == Excuse::Existence && matches(&self.glob, path)
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub path: String,
    /// What: facts and their two values.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Number of entries in the reference and in the candidate.
    pub entries: (usize, usize),
    /// All differences that are not random by design.
    pub differences: Vec<Difference>,
    /// Entries whose content is random by design and differs: the path, and the
    /// glob of the row that says so.
    pub random: Vec<(String, String)>,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in &self.differences {
            writeln!(f, "{difference}")?;
        }
        let (left, right) = self.entries;
        write!(
            f,
            "{left} and {right} entries, {} different",
            self.differences.len()
        )?;
        let random: Vec<&str> = self.random.iter().map(|(path, _)| path.as_str()).collect();
        if !random.is_empty() {
            write!(f, "; random by design: {}", random.join(", "))?;
        }
        Ok(())
    }
}

/// Compares two root filesystems; `random` are the entries whose content may differ.
#[must_use]
pub fn compare(reference: &Listing, candidate: &Listing, random: &[Random]) -> Comparison {
    let (left, right) = (&reference.entries, &candidate.entries);
    let mut comparison = Comparison {
        entries: (left.len(), right.len()),
        differences: Vec::new(),
        random: Vec::new(),
    };
    for path in left.keys().chain(right.keys()).collect::<BTreeSet<_>>() {
        let (what, row) = match (left.get(path), right.get(path)) {
            (Some(a), Some(b)) if a == b => continue,
            (Some(a), Some(b)) => {
                let names = changed(a, b);
                let row = random.iter().find(|row| row.explains(path, &names));
                (describe(&names, a, b), row)
            }
            (one, _) => {
                let side = match one {
                    Some(_) => "missing in the candidate",
                    None => "only in the candidate",
                };
                let row = random.iter().find(|row| row.explains_absence(path));
                (side.to_owned(), row)
            }
        };
        if let Some(row) = row {
            comparison.random.push((path.clone(), row.glob.clone()));
            continue;
        }
        comparison.differences.push(Difference {
            path: path.clone(),
            what,
        });
    }
    comparison
}

/// What a listing comes to in one line: 32 hexadecimal digits of a SHA-256 over the facts of all entries, without
/// those that a row excuses. Where two listings have the same, [`compare`] finds no difference; it may find none where
/// they have another, since whether an entry is there counts here.
#[must_use]
pub fn fingerprint(listing: &Listing, random: &[Random]) -> String {
    let mut all = Sha256::new();
    for (path, facts) in &listing.entries {
        let rows = random.iter().filter(|row| matches(&row.glob, path));
        let excused = rows.map(|row| row.excuse.facts()).max_by_key(|facts| facts.len());
        let counting = facts
            .iter()
            .filter(|(name, _)| !excused.is_some_and(|excused| excused.contains(&name.as_str())));
        all.update(format!("{path:?}{:?}\n", counting.collect::<Vec<_>>()));
    }
    hex(&all.finalize()).get(..32).unwrap_or_default().to_owned()
}

/// Compares two tars, or listings of them, with nothing random in them.
///
/// # Errors
/// When one of them cannot be read.
pub fn compare_files(reference: &Path, candidate: &Path) -> Result<Comparison> {
    Ok(compare(
        &Listing::open(reference)?,
        &Listing::open(candidate)?,
        &[],
    ))
}

// The names of the facts that two entries do not share.
fn changed<'a>(a: &'a Facts, b: &'a Facts) -> Vec<&'a String> {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    names
        .into_iter()
        .filter(|name| a.get(*name) != b.get(*name))
        .collect()
}

fn describe(names: &[&String], a: &Facts, b: &Facts) -> String {
    let value = |facts: &Facts, name: &str| facts.get(name).cloned().unwrap_or_else(|| "none".to_owned());
    names
        .iter()
        .map(|name| format!("{name} {} -> {}", value(a, name), value(b, name)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Whether `path` matches `glob`, in which `*` stands for any characters.
#[must_use]
pub fn matches(glob: &str, path: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else {
        return glob == path;
    };
    let Some(path) = path.strip_prefix(head) else {
        return false;
    };
    path.char_indices()
        .map(|(at, _)| at)
        .chain([path.len()])
        .any(|at| path.get(at..).is_some_and(|tail| matches(rest, tail)))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::deb::{Entry, Kind, directory, entry, tar};

    fn tree() -> Vec<Entry> {
        vec![
            directory("./", 0o755),
            directory("./etc/", 0o755),
            entry("./etc/a", Kind::File(b"a".to_vec()), 0o644),
            entry("./etc/b", Kind::File(b"b".to_vec()), 0o644),
            entry("./etc/link", Kind::Symlink("a".to_owned()), 0o777),
            entry("./etc/hard", Kind::Hardlink("./etc/a".to_owned()), 0o644),
            entry("./null", Kind::CharDevice(1, 3), 0o666),
        ]
    }

    fn differences(change: impl FnOnce(&mut Vec<Entry>), mtime: u64) -> Vec<String> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (left, right) = (dir.path().join("left.tar"), dir.path().join("right.tar"));
        let mut entries = tree();
        std::fs::write(&left, tar(&entries, 7).expect("made")).expect("written");
        change(&mut entries);
        std::fs::write(&right, tar(&entries, mtime).expect("made")).expect("written");
        let random = [Random {
            glob: "*/b".to_owned(),
            excuse: Excuse::Content,
            suite: String::new(),
            packages: String::new(),
            reason: "for the test".to_owned(),
        }];
        // A listing that was kept stands for its tar.
        let kept = dir.path().join("left.list.zst");
        Listing::of_tar(&left)
            .and_then(|left| left.write(&kept))
            .expect("kept");
        let open = |path: &Path| Listing::open(path).expect("a listing");
        let found = compare(&open(&kept), &open(&right), &random);
        assert_eq!(found.entries.0, 7);
        found.differences.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_fact_is_compared() {
        assert_eq!(differences(|_| {}, 7), [""; 0]);
        assert_eq!(differences(|_| {}, 8).len(), 7, "times");
        assert_eq!(
            differences(|tree| tree[1].mode = 0o700, 7),
            ["etc: mode 0755 -> 0700"]
        );
        assert_eq!(
            differences(|tree| tree[2].owner = (1, 2), 7),
            ["etc/a: owner 0:0 -> 1:2"]
        );
        let other = |tree: &mut Vec<Entry>| tree[2].kind = Kind::File(b"x".to_vec());
        assert!(differences(other, 7)[0].starts_with("etc/a: sha256 "));
        let other = |tree: &mut Vec<Entry>| tree[4].kind = Kind::Symlink("b".to_owned());
        assert_eq!(differences(other, 7), ["etc/link: link a -> b"]);
        let other = |tree: &mut Vec<Entry>| tree[5].kind = Kind::Hardlink("./etc/b".to_owned());
        assert_eq!(differences(other, 7), ["etc/hard: link etc/a -> etc/b"]);
        let other = |tree: &mut Vec<Entry>| tree[6].kind = Kind::CharDevice(1, 5);
        assert_eq!(differences(other, 7), ["null: device 1:3 -> 1:5"]);
        assert_eq!(
            differences(|tree| drop(tree.pop()), 7),
            ["null: missing in the candidate"]
        );
        let more = |tree: &mut Vec<Entry>| tree.push(directory("./new/", 0o755));
        assert_eq!(differences(more, 7), ["new: only in the candidate"]);
    }

    #[test]
    fn random_content_hides_nothing_else() {
        let content =
            |bytes: &'static [u8]| move |tree: &mut Vec<Entry>| tree[3].kind = Kind::File(bytes.to_vec());
        assert_eq!(differences(content(b"x"), 7), [""; 0], "content");
        let size = differences(content(b"longer"), 7);
        assert!(size[0].contains("size 1 -> 6"), "{size:?}");
        let owner = |tree: &mut Vec<Entry>| {
            content(b"x")(tree);
            tree[3].owner = (1, 2);
        };
        let owner = differences(owner, 7);
        assert!(
            owner[0].starts_with("etc/b: owner 0:0 -> 1:2, sha256 "),
            "{owner:?}"
        );
        let mode = differences(|tree| tree[3].mode = 0o600, 7);
        assert_eq!(mode, ["etc/b: mode 0644 -> 0600"]);
        assert_eq!(differences(|tree| tree[3].kind = Kind::Fifo, 7).len(), 1, "type");
        assert_eq!(
            differences(|tree| drop(tree.remove(3)), 7),
            ["etc/b: missing in the candidate"]
        );
    }

    #[test]
    fn existence_alone_is_excused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let listing = |entries: &[Entry]| {
            let path = dir.path().join("root.tar");
            std::fs::write(&path, tar(entries, 7).expect("made")).expect("written");
            Listing::of_tar(&path).expect("a listing")
        };
        let row = Random {
            glob: "etc/a".to_owned(),
            excuse: Excuse::Existence,
            suite: String::new(),
            packages: String::new(),
            reason: "for the test".to_owned(),
        };
        let file = |bytes: &[u8]| entry("./etc/a", Kind::File(bytes.to_vec()), 0o644);
        let top = directory("./", 0o755);
        let none = listing(std::slice::from_ref(&top));
        let one = listing(&[top.clone(), file(b"1")]);
        let other = listing(&[top, file(b"2")]);
        let found = |a, b| compare(a, b, std::slice::from_ref(&row));
        for both in [found(&none, &one), found(&one, &none)] {
            assert_eq!((both.differences.len(), both.random.len()), (0, 1));
        }
        assert_eq!(found(&one, &other).differences.len(), 1);
        let print = |listing| fingerprint(listing, std::slice::from_ref(&row));
        assert_ne!(print(&one), print(&other));
        assert_ne!(print(&one), print(&none), "no excuse for a fingerprint");
    }

    #[test]
    fn a_fingerprint_tells_what_a_comparison_would() {
        let facts = |all: &[(&str, &str)]| {
            let facts = all
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            facts.collect::<Facts>()
        };
        let plain = [("mode", "0644"), ("sha256", "1"), ("size", "1"), ("records", "1")];
        let listing = |name: &str, value: &str| {
            let mut entry = facts(&plain);
            entry.insert(name.to_owned(), value.to_owned());
            let entries = [("a.db".to_owned(), entry), ("b".to_owned(), facts(&plain))];
            Listing {
                entries: entries.into(),
                ..Listing::default()
            }
        };
        let before = listing("mode", "0644");
        for excuse in [Excuse::Content, Excuse::Size, Excuse::Records, Excuse::Existence] {
            let row = Random {
                glob: "a*".to_owned(),
                excuse,
                suite: String::new(),
                packages: String::new(),
                reason: "for the test".to_owned(),
            };
            for (name, value) in [
                ("mode", "0600"),
                ("sha256", "2"),
                ("size", "2"),
                ("records", "2"),
                ("new", "x"),
            ] {
                let after = listing(name, value);
                let rows = std::slice::from_ref(&row);
                let same = compare(&before, &after, rows).differences.is_empty();
                let prints = [&before, &after].map(|listing| fingerprint(listing, rows));
                assert_eq!(prints[0] == prints[1], same, "{excuse:?}: {name}");
                assert_ne!(fingerprint(&before, &[]), fingerprint(&after, &[]), "{name}");
            }
        }
        let mut moved = before.clone();
        let entry = moved.entries.remove("b").expect("there");
        moved.entries.insert("c".to_owned(), entry);
        assert_ne!(fingerprint(&before, &[]), fingerprint(&moved, &[]), "names");
        assert_eq!(fingerprint(&before, &[]).len(), 32);
    }

    #[test]
    fn the_form_of_records_is_excused() {
        let row = Random {
            glob: "a.db".to_owned(),
            excuse: Excuse::Records,
            suite: String::new(),
            packages: String::new(),
            reason: "for the test".to_owned(),
        };
        let listing = |sha256: &str, records: &str| {
            let facts = [("sha256", sha256), ("records", records)];
            let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let mut listing = Listing::default();
            listing.entries.insert("a.db".to_owned(), facts.into());
            listing
        };
        let found = |other| compare(&listing("1", "x"), &other, std::slice::from_ref(&row));
        assert_eq!(found(listing("2", "x")).differences.len(), 0);
        assert_eq!(found(listing("2", "y")).differences.len(), 1);
        let whole = Random {
            excuse: Excuse::Size,
            ..row.clone()
        };
        let found = compare(&listing("1", "x"), &listing("2", "y"), &[whole]);
        assert_eq!(found.differences.len(), 0, "records are content");
    }

    #[test]
    fn extended_attributes_are_compared() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("file");
        std::fs::write(&file, "x").expect("written");
        let pack = |name: &str| {
            let path = dir.path().join(name);
            let done = Command::new("tar")
                .args([
                    "--create",
                    "--xattrs",
                    "--xattrs-include=*",
                    "--format=pax",
                    "--mtime=@1",
                ])
                .args([
                    "--pax-option=exthdr.name=%d/%f,delete=atime,delete=ctime",
                    "--file",
                ])
                .arg(&path)
                .arg("--directory")
                .arg(dir.path())
                .arg("./file")
                .status();
            assert!(done.expect("tar runs").success());
            path
        };
        let plain = pack("plain.tar");
        let set = Command::new("setfattr")
            .args(["-n", "user.note", "-v", "hello"])
            .arg(&file)
            .status();
        if !set.is_ok_and(|status| status.success()) {
            return;
        }
        let noted = pack("noted.tar");
        let found = compare_files(&plain, &noted).expect("compared").to_string();
        assert!(
            found.contains("SCHILY.xattr.user.note none -> 68656c6c6f"),
            "{found}"
        );
        assert!(found.ends_with("1 and 1 entries, 1 different"), "{found}");
    }

    #[test]
    fn globs_cross_slashes() {
        for (glob, path, fits) in [
            ("etc/ld.so.cache", "etc/ld.so.cache", true),
            ("*-old", "var/lib/dpkg/status-old", true),
            ("*-old", "old", false),
            ("usr/*/x*", "usr/share/é/xy", true),
            ("a*", "b", false),
        ] {
            assert_eq!(matches(glob, path), fits, "{glob} {path}");
        }
    }
}
