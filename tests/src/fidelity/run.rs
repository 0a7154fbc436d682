//! Runs cases: this program as an ordinary user, the reference if there is none
//! yet, the comparison, a record.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use super::candidate::install;
use super::cases::{Case, Expected};
use super::reference::{Maker, keep, open_to};
use super::results::{Record, Results, Verdict};
use super::state::{Release, States};
use crate::compare::{Comparison, Random, compare, fingerprint};
use crate::deb::hex;
use crate::error::At as _;
use crate::listing::Listing;
use crate::program::{Workplace, place, program};
use crate::{Error, Result};

/// All that cases are run with.
#[derive(Debug)]
pub struct Runner {
    /// Where references come from.
    pub maker: Maker,
    /// Where records go.
    pub results: Results,
    /// Where differences, logs and tars go.
    pub kept: PathBuf,
    /// The entries that are random by design.
    pub random: Vec<Random>,
    /// Whether cases are run that were run with this program and reference before,
    /// and references tried that could not be made.
    pub again: bool,
    /// Whether this machine's architecture takes the place of one without a reference.
    pub fallback: bool,
    program: String,
    version: String,
    cache: PathBuf,
    states: States,
}

/// What a run of a case came to.
#[derive(Clone, Debug)]
pub struct Done {
    /// The record.
    pub record: Record,
    /// Whether it was there already.
    pub old: bool,
}

impl Runner {
    /// With the built program.
    ///
    /// # Errors
    /// When it is not built, or a directory cannot be made.
    pub fn new(maker: Maker, results: Results, kept: PathBuf, random: Vec<Random>) -> Result<Self> {
        let program = program()?;
        let hash = program.parent().and_then(Path::file_name);
        let hash = hash.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let cache = place()?.join("cache");
        std::fs::create_dir_all(&cache).at(&cache)?;
        let work = Workplace::new()?;
        open_to(work.account(), &cache)?;
        let version = work.run_plain(["--version"]).end()?.text();
        let version = version.split_whitespace().last().unwrap_or_default().to_owned();
        Ok(Self {
            maker,
            results,
            kept,
            random,
            again: false,
            fallback: false,
            program: hash.trim_start_matches("program-").to_owned(),
            version,
            cache,
            states: States::default(),
        })
    }

    /// The Release file a case is made from.
    ///
    /// # Errors
    /// When the mirror does not answer.
    pub fn release(&self, case: &Case) -> Result<Release> {
        self.states.of(&self.maker.mirror, &case.suite)
    }

    /// Runs a case, unless its record is there already, and records what comes of it.
    ///
    /// # Errors
    /// When it cannot be run at all: the mirror does not answer, a disk is full.
    pub fn run(&self, case: &Case) -> Result<Vec<Done>> {
        let mut all = vec![self.one(case, "")?];
        let native = crate::elf::native().map_or("", |machine| machine.debian);
        let missing = all.iter().any(|done| done.record.verdict == Verdict::NoReference);
        if missing && self.fallback && case.architecture() != native {
            let other = case.for_architecture(native);
            all.push(self.one(&other, &case.id())?);
        }
        Ok(all)
    }

    fn one(&self, case: &Case, instead_of: &str) -> Result<Done> {
        let release = self.release(case)?;
        let mut record = Record {
            case: case.id(),
            instead_of: instead_of.to_owned(),
            verdict: Verdict::Failed,
            message: String::new(),
            program: self.program.clone(),
            version: self.version.clone(),
            reference: self.maker.key(case, &release)?,
            rows: self.rows(),
            when: now(),
            release: format!("{}, {}", release.name, release.date),
            packages: 0,
            entries: 0,
            differences: 0,
            random: BTreeMap::new(),
            ours: 0.0,
            theirs: 0.0,
            fingerprint: String::new(),
            compared: 0,
        };
        record.compared = record.when;
        let old = self.results.of(&record.case);
        if let Some(old) = old.as_ref().filter(|old| self.holds(old, &record)) {
            return Ok(Done {
                record: old.clone(),
                old: true,
            });
        }
        self.fill(case, &release, &mut record, old.as_ref())?;
        self.results.add(record.clone())?;
        Ok(Done { record, old: false })
    }

    // Whether an old record still says what a new run would.
    fn holds(&self, old: &Record, new: &Record) -> bool {
        let rows = old.rows == new.rows || (old.random.is_empty() && old.verdict != Verdict::Differs);
        !self.again && old.program == new.program && old.reference == new.reference && rows
    }

    fn rows(&self) -> String {
        let text: Vec<String> = self
            .random
            .iter()
            .map(|row| format!("{} {:?}{}", row.glob, row.excuse, row.suite))
            .collect();
        hex(&Sha256::digest(text.join("\n")))
            .get(..8)
            .unwrap_or_default()
            .to_owned()
    }

    fn fill(&self, case: &Case, release: &Release, record: &mut Record, old: Option<&Record>) -> Result<()> {
        let work = Workplace::new()?;
        let tar = work.out("root.tar");
        let started = std::time::Instant::now();
        let outcome = match case.peer {
            true => self.maker.make_chrootless(case, &work, &tar).map(|()| None),
            false => install(case, &self.maker, &self.cache, &work, &tar).map(Some),
        };
        record.ours = started.elapsed().as_secs_f64();
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(Error::Command { what, .. }) => {
                record.message = what.lines().next().unwrap_or_default().to_owned();
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if let Some(outcome) = outcome {
            self.keep_text("logs", case, &outcome.stderr)?;
            if !outcome.status.success() {
                (record.verdict, record.message) = failure(case, &outcome.stderr);
                return Ok(());
            }
        }
        let ours = Listing::of_tar(&tar)?;
        if let Some(dir) = &self.maker.tars {
            keep(&tar, &dir.join(format!("{}.tar", case.id())))?;
        } else {
            std::fs::remove_file(&tar).at(&tar)?;
        }
        record.packages = ours.unfinished().0;
        record.entries = ours.entries.len();
        let left = ours.unfinished().1;
        if case.alone {
            record.verdict = if left.is_empty() {
                Verdict::Installed
            } else {
                Verdict::Deferred
            };
            record.message = left.join(" ");
            return Ok(());
        }
        let rows = Random::of_suite(&self.random, &case.suite);
        if let Some(old) = old
            && !self.again
            && !self.maker.has(case, release)?
            && equal_by_fingerprint(record, old, &fingerprint(&ours, &rows))
        {
            return Ok(());
        }
        let theirs = match self.maker.make(case, release, self.again) {
            Ok(theirs) => theirs,
            Err(Error::Command { what, .. }) => {
                record.verdict = Verdict::NoReference;
                record.message = what;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        record.theirs = theirs.number("seconds");
        let found = compare(&theirs, &ours, &rows);
        self.keep_differences(case, &found)?;
        record.entries = found.entries.0.max(found.entries.1);
        record.differences = found.differences.len();
        for (_, glob) in &found.random {
            *record.random.entry(glob.clone()).or_default() += 1;
        }
        record.verdict = if found.differences.is_empty() {
            record.fingerprint = fingerprint(&theirs, &rows);
            Verdict::Equal
        } else if left.len() > theirs.unfinished().1.len() {
            record.message = left.join(" ");
            Verdict::Deferred
        } else {
            Verdict::Differs
        };
        Ok(())
    }

    /// Makes a second reference of a case and compares the two. A path that
    /// differs comes with the row that says it is random, if one does.
    ///
    /// # Errors
    /// When a reference cannot be made.
    pub fn twice(&self, case: &Case) -> Result<Comparison> {
        let release = self.release(case)?;
        let first = self.maker.make(case, &release, self.again)?;
        let second = self.maker.make_second(case, &release)?;
        let found = compare(&first, &second, &Random::of_suite(&self.random, &case.suite));
        let mut text = String::new();
        for (path, glob) in &found.random {
            text += &format!("{glob}\t{path}\n");
        }
        for difference in &found.differences {
            text += &format!("-\t{difference}\n");
        }
        self.keep_text("twice", case, &text)?;
        Ok(found)
    }

    fn keep_differences(&self, case: &Case, found: &Comparison) -> Result<()> {
        let lines: Vec<String> = found.differences.iter().map(ToString::to_string).collect();
        self.keep_text("differences", case, &lines.join("\n"))
    }

    // Keeps a text of a case; none if it is empty.
    fn keep_text(&self, kind: &str, case: &Case, text: &str) -> Result<()> {
        let path = self.kept.join(kind).join(case.id());
        if text.is_empty() {
            let _ = std::fs::remove_file(&path);
            return Ok(());
        }
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).at(dir)?;
        }
        std::fs::write(&path, text).at(&path)
    }
}

/// Fills a record with what an earlier one knows of the reference, if it is the same one and ours has its fingerprint.
fn equal_by_fingerprint(record: &mut Record, earlier: &Record, ours: &str) -> bool {
    if earlier.reference != record.reference || earlier.fingerprint != ours {
        return false;
    }
    record.verdict = Verdict::Equal;
    record.fingerprint = ours.to_owned();
    record.compared = earlier.compared;
    record.random.clone_from(&earlier.random);
    record.theirs = earlier.theirs;
    true
}

/// Tells a refusal by name from a failure; returns the error's first line, too.
pub(super) fn failure(case: &Case, said: &str) -> (Verdict, String) {
    let error = said.lines().find_map(|line| line.strip_prefix("error: "));
    let message = error.or_else(|| said.lines().last()).unwrap_or("it said nothing");
    let refused = match &case.expected {
        Expected::Refused(tool) => message.contains(tool.as_str()),
        _ => said.contains("--on-unrunnable"),
    };
    let verdict = if refused {
        Verdict::Refused
    } else {
        Verdict::Failed
    };
    (verdict, message.trim().to_owned())
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since: Duration| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_equal_reference_is_not_made_again() {
        use super::super::results::tests::record;
        let earlier = Record {
            fingerprint: "f".to_owned(),
            random: [("etc/key".to_owned(), 2)].into(),
            ..record("a", Verdict::Differs)
        };
        let now = Record {
            program: "another".to_owned(),
            when: earlier.when + 5,
            compared: earlier.when + 5,
            theirs: 0.0,
            ..record("a", Verdict::Failed)
        };
        let mut filled = now.clone();
        assert!(equal_by_fingerprint(&mut filled, &earlier, "f"));
        assert!(filled.by_fingerprint() && !earlier.by_fingerprint());
        assert_eq!((filled.verdict, filled.compared), (Verdict::Equal, earlier.when));
        assert_eq!((filled.theirs, &filled.random), (61.0, &earlier.random));
        for (reference, print, ours) in [("r", "f", "g"), ("other", "f", "f"), ("r", "", "g")] {
            let earlier = Record {
                reference: reference.to_owned(),
                fingerprint: print.to_owned(),
                ..earlier.clone()
            };
            let mut filled = now.clone();
            assert!(!equal_by_fingerprint(&mut filled, &earlier, ours));
            assert_eq!(filled, now);
        }
    }

    #[test]
    fn failures_are_told_apart() {
        let case = |expected| Case {
            group: "packages".to_owned(),
            name: "x".to_owned(),
            architectures: vec!["s390x".to_owned()],
            suite: "stable".to_owned(),
            variant: "minbase".to_owned(),
            include: String::new(),
            ci: false,
            ci_alone: false,
            alone: false,
            peer: false,
            expected,
            debconf: None,
            merged_usr: None,
            tools: None,
            apt_user: None,
            source: Vec::new(),
            ours: Vec::new(),
            reference: Vec::new(),
            commands: Vec::new(),
        };
        let said = "warning: a\nerror: postgresql-17: initdb would write in this machine's byte order\n\
                    hint: --on-unrunnable=defer\n";
        let refused = Expected::Refused("initdb".to_owned());
        assert_eq!(failure(&case(refused.clone()), said).0, Verdict::Refused);
        assert_eq!(
            failure(&case(Expected::Equal), said).0,
            Verdict::Refused,
            "by its hint"
        );
        let other = "error: cannot download\n";
        assert_eq!(
            failure(&case(refused), other),
            (Verdict::Failed, "cannot download".to_owned())
        );
        assert_eq!(failure(&case(Expected::Equal), "").1, "it said nothing");
    }
}
