//! Two builds of the program held against each other: each makes the root filesystem of a case
//! from the same state of the mirror, and the two tars are compared.
//!
//! Each build has a cache of its own, which is empty at first: neither takes over what the other
//! has made.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::candidate::install;
use super::cases::Case;
use super::reference::{Maker, keep, open_to};
use super::run::failure;
use crate::account::Account;
use crate::compare::{Comparison, Random, compare};
use crate::error::At as _;
use crate::listing::Listing;
use crate::program::{Workplace, another, passing, place, program};
use crate::{Error, Result};

/// Two builds and the mirror they read.
#[derive(Debug)]
pub struct Pair {
    maker: Maker,
    random: Vec<Random>,
    kept: PathBuf,
    before: PathBuf,
    now: PathBuf,
    caches: tempfile::TempDir,
}

/// The outcome of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Against {
    /// The same bytes.
    Same {
        /// Entries of the tar.
        entries: usize,
    },
    /// Not the same bytes, and all that differs is random by design.
    Random {
        /// Entries of the tar.
        entries: usize,
        /// Paths that differ.
        random: Vec<String>,
    },
    /// Both builds end with this error.
    Refused(String),
    /// Differences, one a line.
    Differs(Vec<String>),
    /// The case is not made by this program.
    Foreign,
}

impl Against {
    /// Whether nothing has changed.
    #[must_use]
    pub fn fine(&self) -> bool {
        !matches!(self, Self::Differs(_))
    }
}

impl fmt::Display for Against {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same { entries } => write!(f, "equal, {entries} entries, the same bytes"),
            Self::Random { entries, random } => {
                write!(
                    f,
                    "equal, {entries} entries, random by design: {}",
                    random.join(" ")
                )
            }
            Self::Refused(message) => write!(f, "equal, both refuse: {message}"),
            Self::Differs(all) => {
                let first = all.first().map_or("", String::as_str);
                write!(f, "DIFFERS, {} different, the first: {first}", all.len())
            }
            Self::Foreign => f.write_str("not made by this program"),
        }
    }
}

/// A run of one build.
struct Made {
    // Nothing if the program failed.
    tar: Option<PathBuf>,
    // The messages, without the names of directories that are new in each run.
    said: String,
    // The tar is gone with it.
    _work: Workplace,
}

impl Pair {
    /// The program at `before`, and the one the tests run.
    ///
    /// # Errors
    /// When one is not there, or a directory cannot be made.
    pub fn new(maker: Maker, random: Vec<Random>, kept: &Path, before: &Path) -> Result<Self> {
        let base = place()?;
        let caches = tempfile::Builder::new()
            .prefix(&passing("work"))
            .tempdir_in(&base)
            .at(&base)?;
        let account = Account::of_tests()?;
        open_to(&account, caches.path())?;
        Ok(Self {
            maker,
            random,
            kept: kept.join("against"),
            before: another(before)?,
            now: program()?,
            caches,
        })
    }

    /// Runs a case with both builds. Differences are kept in `against/ID`, and the tars that have
    /// some in `against/ID.before.tar` and `against/ID.now.tar`.
    ///
    /// # Errors
    /// When a build cannot be run at all.
    pub fn run(&self, case: &Case) -> Result<Against> {
        if case.peer {
            return Ok(Against::Foreign);
        }
        let before = self.make(case, &self.before, "before")?;
        let now = self.make(case, &self.now, "now")?;
        let mut found = match (&before.tar, &now.tar) {
            (Some(before), Some(now)) => compared(before, now, &Random::of_suite(&self.random, &case.suite))?,
            (None, None) => Against::Refused(failure(case, &now.said).1),
            (Some(_), None) => Against::Differs(vec![format!("only now: {}", failure(case, &now.said).1)]),
            (None, Some(_)) => {
                Against::Differs(vec![format!("only before: {}", failure(case, &before.said).1)])
            }
        };
        if before.said != now.said {
            let lines = changed_lines(&before.said, &now.said);
            match &mut found {
                Against::Differs(all) => all.extend(lines),
                _ => found = Against::Differs(lines),
            }
        }
        self.keep(case, &found, [("before", &before), ("now", &now)])?;
        Ok(found)
    }

    fn make(&self, case: &Case, program: &Path, name: &str) -> Result<Made> {
        let work = Workplace::of(program.to_path_buf())?;
        let cache = self.caches.path().join(name);
        std::fs::create_dir_all(&cache).at(&cache)?;
        open_to(work.account(), &cache)?;
        let tar = work.out("root.tar");
        let outcome = install(case, &self.maker, &cache, &work, &tar)?;
        let said = outcome
            .stderr
            .replace(&*work.path("").to_string_lossy(), "WORK/")
            .replace(&*cache.to_string_lossy(), "CACHE");
        // The log's name has the time and the process in it.
        let lines = said.lines().filter(|line| !line.starts_with("log: "));
        let said = lines.map(|line| format!("{line}\n")).collect();
        Ok(Made {
            tar: outcome.status.success().then_some(tar),
            said,
            _work: work,
        })
    }

    fn keep(&self, case: &Case, found: &Against, made: [(&str, &Made); 2]) -> Result<()> {
        let path = self.kept.join(case.id());
        let _ = std::fs::remove_file(&path);
        for (name, made) in made {
            let copy = self.kept.join(format!("{}.{name}.tar", case.id()));
            let _ = std::fs::remove_file(&copy);
            if let Some(tar) = made.tar.as_ref().filter(|_| !found.fine()) {
                keep(tar, &copy)?;
            }
        }
        if let Against::Differs(all) = found {
            std::fs::create_dir_all(&self.kept).at(&self.kept)?;
            std::fs::write(&path, all.join("\n") + "\n").at(&path)?;
        }
        Ok(())
    }
}

fn compared(before: &Path, now: &Path, random: &[Random]) -> Result<Against> {
    let left = Listing::of_tar(before)?;
    let entries = left.entries.len();
    if same_bytes(before, now)? {
        return Ok(Against::Same { entries });
    }
    let found = compare(&left, &Listing::of_tar(now)?, random);
    Ok(judged(entries, found))
}

fn judged(entries: usize, found: Comparison) -> Against {
    if !found.differences.is_empty() {
        return Against::Differs(found.differences.iter().map(ToString::to_string).collect());
    }
    if found.random.is_empty() {
        let all = "the entries are equal, their order or the tar's headers are not";
        return Against::Differs(vec![all.to_owned()]);
    }
    Against::Random {
        entries,
        random: found.random.into_iter().map(|(path, _)| path).collect(),
    }
}

fn same_bytes(a: &Path, b: &Path) -> Result<bool> {
    let open = |path: &Path| -> Result<BufReader<File>> {
        Ok(BufReader::with_capacity(1 << 20, File::open(path).at(path)?))
    };
    let size = |path: &Path| -> Result<u64> { Ok(std::fs::metadata(path).at(path)?.len()) };
    if size(a)? != size(b)? {
        return Ok(false);
    }
    let (mut left, mut right) = (open(a)?, open(b)?);
    let (mut one, mut other) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let count = left.read(&mut one).at(a)?;
        if count == 0 {
            return Ok(true);
        }
        let other = other
            .get_mut(..count)
            .ok_or_else(|| Error::Machine("read too much".to_owned()))?;
        right.read_exact(other).at(b)?;
        if one.get(..count) != Some(&*other) {
            return Ok(false);
        }
    }
}

// The messages that only one of two runs has.
fn changed_lines(before: &str, now: &str) -> Vec<String> {
    let only = |name: &'static str, left: &str, right: &str| -> Vec<String> {
        let lines = left
            .lines()
            .filter(|line| !right.lines().any(|other| other == *line));
        lines.map(|line| format!("message only {name}: {line}")).collect()
    };
    let mut all = only("before", before, now);
    all.extend(only("now", now, before));
    if all.is_empty() {
        all.push("the messages are the same in another order or number".to_owned());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Excuse;
    use crate::deb::{Entry, Kind, directory, entry, tar};

    fn between(before: &[Entry], now: &[Entry]) -> Against {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let paths = [("before.tar", before), ("now.tar", now)].map(|(name, entries)| {
            let path = dir.path().join(name);
            std::fs::write(&path, tar(entries, 7).expect("made")).expect("written");
            path
        });
        let random = [Random {
            glob: "etc/key".to_owned(),
            excuse: Excuse::Content,
            suite: String::new(),
            packages: String::new(),
            reason: "for the test".to_owned(),
        }];
        compared(&paths[0], &paths[1], &random).expect("compared")
    }

    #[test]
    fn bytes_entries_and_order_count() {
        let key = |bytes: &[u8]| entry("./etc/key", Kind::File(bytes.to_vec()), 0o600);
        let tree = |bytes| vec![directory("./", 0o755), directory("./etc/", 0o755), key(bytes)];
        let same = between(&tree(b"1"), &tree(b"1"));
        assert_eq!(same, Against::Same { entries: 3 });
        let random = between(&tree(b"1"), &tree(b"2"));
        assert!(matches!(&random, Against::Random { random, .. } if random == &["etc/key"]));
        assert!(same.fine() && random.fine());
        let mut other = tree(b"1");
        other[2].mode = 0o640;
        let found = between(&tree(b"1"), &other);
        assert_eq!(
            found,
            Against::Differs(vec!["etc/key: mode 0600 -> 0640".to_owned()])
        );
        let [a, b] = ["./a", "./b"].map(|path| entry(path, Kind::File(Vec::new()), 0o644));
        assert!(!between(&[a.clone(), b.clone()], &[b, a]).fine());
    }

    #[test]
    fn messages_are_compared_by_line() {
        assert_eq!(
            changed_lines("a\nb\n", "b\nc\n"),
            ["message only before: a", "message only now: c"]
        );
        assert_eq!(changed_lines("a\nb\n", "b\na\n").len(), 1);
    }
}
