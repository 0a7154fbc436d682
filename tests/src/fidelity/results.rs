//! What came of cases: a file to which one line is appended for each case that
//! was run. The last line of a case counts. A run can be stopped at any time; a
//! line that was cut is not read.
//!
//! The records of the tables are written beside the documents as well, so that tables that take longer than a machine
//! lives can be gone on with elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::cases::{Case, Expected};
use crate::Result;
use crate::error::At as _;

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No difference but random content.
    Equal,
    /// Differences.
    Differs,
    /// Installed; there is nothing to compare it with.
    Installed,
    /// The program stopped, and said that and why it cannot.
    Refused,
    /// The program left packages to the first boot.
    Deferred,
    /// The program failed.
    Failed,
    /// The reference could not be made.
    NoReference,
}

impl Verdict {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Equal, "equal"),
        (Self::Differs, "differs"),
        (Self::Installed, "installed"),
        (Self::Refused, "refused"),
        (Self::Deferred, "deferred"),
        (Self::Failed, "failed"),
        (Self::NoReference, "no reference"),
    ];
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(one, _)| one == self);
        f.write_str(name.map_or("", |(_, name)| name))
    }
}

/// One line of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The case's id.
    pub case: String,
    /// The case that has no reference, and in whose place this one was compared.
    pub instead_of: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What the program or the reference said, if one of them failed.
    pub message: String,
    /// Hash of the program.
    pub program: String,
    /// Its version.
    pub version: String,
    /// Key of the reference: the mirror's state and what it is made of.
    pub reference: String,
    /// Hash of the rows of random entries.
    pub rows: String,
    /// When it was run: seconds since 1970.
    pub when: u64,
    /// The suite's Release file: name and date.
    pub release: String,
    /// Packages in the result.
    pub packages: usize,
    /// Entries of either side, the greater number.
    pub entries: usize,
    /// Entries that differ and are not random by design.
    pub differences: usize,
    /// Globs of rows of random entries, and how many entries each excused.
    pub random: BTreeMap<String, usize>,
    /// Seconds the program took.
    pub ours: f64,
    /// Seconds the reference took; 0 when that is not known.
    pub theirs: f64,
    /// What the reference comes to, if this was once equal to it ([`crate::compare::fingerprint`]); else empty.
    pub fingerprint: String,
    /// When the reference was last at hand: seconds since 1970. Before `when`, if only its fingerprint was.
    pub compared: u64,
}

impl Record {
    /// Whether that is what the case should come to.
    #[must_use]
    pub fn as_expected(&self, case: &Case) -> bool {
        match &case.expected {
            _ if case.peer => true,
            Expected::Equal if case.alone => self.verdict == Verdict::Installed,
            Expected::Equal => self.verdict == Verdict::Equal,
            Expected::Refused(tool) => {
                self.verdict == Verdict::Refused && self.message.contains(tool.as_str())
            }
            Expected::Deferred => self.verdict == Verdict::Deferred,
        }
    }

    /// Whether the reference was compared by its fingerprint only.
    #[must_use]
    pub fn by_fingerprint(&self) -> bool {
        self.verdict == Verdict::Equal && self.compared < self.when
    }

    // Takes over the fingerprint of an earlier record of the case, if it is of the same reference.
    fn remember(&mut self, earlier: &Self) {
        if self.fingerprint.is_empty() && self.reference == earlier.reference {
            self.fingerprint.clone_from(&earlier.fingerprint);
        }
    }

    fn line(&self) -> String {
        let random: Vec<String> = self
            .random
            .iter()
            .map(|(glob, count)| format!("{glob}={count}"))
            .collect();
        let fields = [
            ("case", self.case.clone()),
            ("instead-of", self.instead_of.clone()),
            ("verdict", self.verdict.to_string()),
            ("message", self.message.clone()),
            ("program", self.program.clone()),
            ("version", self.version.clone()),
            ("reference", self.reference.clone()),
            ("rows", self.rows.clone()),
            ("when", self.when.to_string()),
            ("release", self.release.clone()),
            ("packages", self.packages.to_string()),
            ("entries", self.entries.to_string()),
            ("differences", self.differences.to_string()),
            ("random", random.join(" ")),
            ("ours", format!("{:.1}", self.ours)),
            ("theirs", format!("{:.1}", self.theirs)),
            ("fingerprint", self.fingerprint.clone()),
            ("compared", self.compared.to_string()),
        ];
        let fields = fields.map(|(name, value)| format!("{name}={}", value.replace(['\t', '\n', '\r'], " ")));
        // The end mark tells a whole line from one that was cut.
        format!("{}\tend\n", fields.join("\t"))
    }

    fn parse(line: &str) -> Option<Self> {
        let line = line.strip_suffix("\tend")?;
        let fields: BTreeMap<&str, &str> = line
            .split('\t')
            .filter_map(|field| field.split_once('='))
            .collect();
        let text = |name: &str| fields.get(name).map(|value| (*value).to_owned());
        let verdict = text("verdict")?;
        Some(Self {
            case: text("case")?,
            instead_of: text("instead-of")?,
            verdict: Verdict::ALL.iter().find(|(_, name)| *name == verdict)?.0,
            message: text("message")?,
            program: text("program")?,
            version: text("version")?,
            reference: text("reference")?,
            rows: text("rows")?,
            when: text("when")?.parse().ok()?,
            release: text("release")?,
            packages: text("packages")?.parse().ok()?,
            entries: text("entries")?.parse().ok()?,
            differences: text("differences")?.parse().ok()?,
            random: text("random")?
                .split_whitespace()
                .filter_map(|one| one.rsplit_once('='))
                .filter_map(|(glob, count)| Some((glob.to_owned(), count.parse().ok()?)))
                .collect(),
            ours: text("ours")?.parse().ok()?,
            theirs: text("theirs")?.parse().ok()?,
            // Older records have neither.
            fingerprint: text("fingerprint").unwrap_or_default(),
            compared: text("compared").or_else(|| text("when"))?.parse().ok()?,
        })
    }
}

/// Begin of a line with the glob of a row whose entries differed between two references.
const SEEN: &str = "seen=";

/// The globs of rows whose entries differed between two references, of a file that [`Results::write`] made.
///
/// # Errors
/// When it is there and cannot be read.
pub fn seen(path: &Path) -> Result<BTreeSet<String>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text.at(path)?,
    };
    let globs = text
        .lines()
        .filter_map(|line| line.strip_prefix(SEEN)?.strip_suffix("\tend"))
        // No row, but what stands before differences that none excuses.
        .filter(|glob| *glob != "-");
    Ok(globs.map(str::to_owned).collect())
}

/// The file of results.
#[derive(Debug)]
pub struct Results {
    path: PathBuf,
    known: Mutex<BTreeMap<String, Record>>,
}

impl Results {
    /// Reads a file; it need not be there yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let text = match std::fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).at(path),
        };
        let records = text.lines().filter_map(Record::parse);
        Ok(Self {
            path: path.to_path_buf(),
            known: Mutex::new(records.map(|record| (record.case.clone(), record)).collect()),
        })
    }

    /// Takes over the records of a file for cases that have none, and fingerprints; it need not be there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn begin_with(&self, path: &Path) -> Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for (case, record) in Self::open(path)?.all() {
            let entry = known.entry(case);
            entry.and_modify(|here| here.remember(&record)).or_insert(record);
        }
        Ok(())
    }

    /// Writes the records of these cases, in their order, and the globs of rows whose entries differed between two
    /// references.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path, cases: &BTreeSet<String>, seen: &BTreeSet<String>) -> Result<()> {
        let known = self.all();
        let mut text: String = cases
            .iter()
            .filter_map(|case| known.get(case))
            .map(Record::line)
            .collect();
        for glob in seen {
            text += &format!("{SEEN}{glob}\tend\n");
        }
        std::fs::write(path, text).at(path)
    }

    /// The last record of each case, by id.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, Record> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last record of a case.
    #[must_use]
    pub fn of(&self, case: &str) -> Option<Record> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(case).cloned()
    }

    /// Appends a record.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&self, mut record: Record) -> Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = known.get(&record.case) {
            record.remember(earlier);
        }
        if let Some(dir) = self.path.parent() {
            std::fs::create_dir_all(dir).at(dir)?;
        }
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)
            .at(&self.path)?;
        // What a killed run left may have no end; it must not swallow this line.
        let cut =
            std::fs::read(&self.path).is_ok_and(|bytes| bytes.last().is_some_and(|last| *last != b'\n'));
        let line = format!("{}{}", if cut { "\n" } else { "" }, record.line());
        file.write_all(line.as_bytes()).at(&self.path)?;
        known.insert(record.case.clone(), record);
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::fidelity) fn record(case: &str, verdict: Verdict) -> Record {
        Record {
            case: case.to_owned(),
            instead_of: String::new(),
            verdict,
            message: String::new(),
            program: "p".to_owned(),
            version: "0.1.0".to_owned(),
            reference: "r".to_owned(),
            rows: "w".to_owned(),
            when: 1_760_000_000,
            release: "trixie 13.2, Sat, 15 Nov 2025 10:00:00 UTC".to_owned(),
            packages: 77,
            entries: 5440,
            differences: 0,
            random: BTreeMap::new(),
            ours: 7.5,
            theirs: 61.0,
            fingerprint: String::new(),
            compared: 1_760_000_000,
        }
    }

    #[test]
    fn what_is_appended_is_read() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("deep/results");
        let results = Results::open(&path).expect("empty");
        let mut first = record("a", Verdict::Failed);
        first.message = "error: a\tb\nc = d".to_owned();
        results.add(first.clone()).expect("added");
        results.add(record("b", Verdict::Equal)).expect("added");
        first.verdict = Verdict::NoReference;
        first.random = [("etc/x=*".to_owned(), 3)].into();
        results.add(first.clone()).expect("added");
        first.message = "error: a b c = d".to_owned();
        let again = Results::open(&path).expect("read");
        assert_eq!(again.of("a"), Some(first), "the last line counts");
        assert_eq!(again.all().len(), 2);
    }

    #[test]
    fn another_machine_goes_on() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (here, written) = (dir.path().join("here"), dir.path().join("written"));
        let results = Results::open(&here).expect("empty");
        for (case, verdict) in [
            ("b", Verdict::Equal),
            ("a", Verdict::Failed),
            ("gone", Verdict::Equal),
        ] {
            results.add(record(case, verdict)).expect("added");
        }
        let names = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<BTreeSet<_>>();
        results
            .write(
                &written,
                &names(&["a", "b", "never run"]),
                &names(&["etc/x*", "y"]),
            )
            .expect("written");
        assert_eq!(seen(&written).expect("read"), names(&["etc/x*", "y"]));
        let text = std::fs::read_to_string(&written).expect("read");
        std::fs::write(&written, format!("{text}{SEEN}-\tend\n")).expect("written");
        assert_eq!(seen(&written).expect("read"), names(&["etc/x*", "y"]));
        assert_eq!(seen(&dir.path().join("none")).expect("none"), names(&[]));

        let there = Results::open(&dir.path().join("there")).expect("empty");
        there.add(record("a", Verdict::Equal)).expect("added");
        there.begin_with(&written).expect("taken over");
        there.begin_with(&dir.path().join("none")).expect("nothing");
        let verdicts: Vec<_> = there
            .all()
            .into_iter()
            .map(|(case, record)| (case, record.verdict))
            .collect();
        assert_eq!(
            verdicts,
            [("a".to_owned(), Verdict::Equal), ("b".to_owned(), Verdict::Equal)],
            "what was run here counts"
        );
    }

    #[test]
    fn fingerprints_outlive_what_has_none() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let printed = |case: &str, reference: &str| Record {
            fingerprint: "f".to_owned(),
            reference: reference.to_owned(),
            ..record(case, Verdict::Equal)
        };
        let written = dir.path().join("written");
        let first = Results::open(&written).expect("empty");
        first.add(printed("a", "r")).expect("added");
        first.add(printed("b", "of another state")).expect("added");
        first.add(printed("c", "r")).expect("added");
        first.add(record("c", Verdict::Failed)).expect("added");
        let here = Results::open(&dir.path().join("here")).expect("empty");
        for case in ["a", "b"] {
            here.add(record(case, Verdict::Differs)).expect("added");
        }
        here.begin_with(&written).expect("taken over");
        let known = |case: &str| here.of(case).map(|record| (record.verdict, record.fingerprint));
        assert_eq!(known("a"), Some((Verdict::Differs, "f".to_owned())));
        assert_eq!(known("b"), Some((Verdict::Differs, String::new())));
        assert_eq!(known("c"), Some((Verdict::Failed, "f".to_owned())));
    }

    #[test]
    fn older_records_are_read() {
        let line = record("a", Verdict::Equal).line();
        let older = line.replace("\tfingerprint=\tcompared=1760000000", "");
        assert_ne!(line, older);
        assert_eq!(Record::parse(older.trim_end()), Some(record("a", Verdict::Equal)));
    }

    #[test]
    fn a_cut_line_harms_nothing() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("results");
        let whole = record("a", Verdict::Equal).line();
        let cut = record("b", Verdict::Equal).line();
        std::fs::write(&path, format!("{whole}{}", &cut[..cut.len() - 3])).expect("written");
        let results = Results::open(&path).expect("read");
        assert_eq!(results.all().len(), 1, "b was cut");
        results.add(record("c", Verdict::Equal)).expect("added");
        let again = Results::open(&path).expect("read");
        assert_eq!(again.all().keys().collect::<Vec<_>>(), ["a", "c"]);
    }
}
