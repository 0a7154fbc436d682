//! Compares what the program makes with references, case by case, and writes
//! the tables of the documents. `--help` tells how.

use std::collections::{BTreeSet, VecDeque};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rootless_install_tests::compare::{Random, matches};
use rootless_install_tests::fidelity::against::Pair;
use rootless_install_tests::fidelity::cases::{self, Case, GROUPS};
use rootless_install_tests::fidelity::reference::{Emulation, Maker};
use rootless_install_tests::fidelity::results::{self, Results, Verdict};
use rootless_install_tests::fidelity::run::{Done, Runner};
use rootless_install_tests::fidelity::{data, kept, random, tables, written};
use rootless_install_tests::mirror::Mirror;
use rootless_install_tests::probe::Need;
use rootless_install_tests::program::{sweep, workspace};
use rootless_install_tests::real::{EPOCH, cache};
use rootless_install_tests::{Error, Result};

mod options;
use options::{Options, USAGE};

fn main() -> ExitCode {
    let options = match options::options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            out(USAGE.trim_end());
            return ExitCode::SUCCESS;
        }
        Err(what) => {
            say(&format!("error: {what}\n\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    match work(&options) {
        Ok(fine) => ExitCode::from(u8::from(!fine)),
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::from(2)
        }
    }
}

fn out(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

// Whether all chosen cases ended as expected.
fn work(options: &Options) -> Result<bool> {
    let all = cases::all()?;
    let random = random::read(&data().join("random"))?;
    let pairs = cases::of_rows(&random);
    let from = if options.justify { &pairs } else { &all };
    let chosen: Vec<Case> = from
        .iter()
        .filter(|case| options.only.is_empty() || options.only.iter().any(|glob| matches(glob, &case.id())))
        .filter(|case| options.groups.is_empty() || options.groups.contains(&case.group))
        .filter_map(|case| {
            if options.ci {
                case.in_ci()
            } else {
                Some(case.clone())
            }
        })
        .collect();
    if chosen.is_empty() {
        return Err(Error::Machine("no case is chosen".to_owned()));
    }
    let path = options.results.clone().unwrap_or_else(|| kept().join("results"));
    let results = Results::open(&path)?;
    results.begin_with(&written())?;
    if options.list {
        for case in &chosen {
            let last = results.of(&case.id());
            let last = last.map_or_else(|| "not run".to_owned(), |last| last.verdict.to_string());
            out(&format!(
                "{}\t{}\t{}\t{last}",
                case.group,
                case.id(),
                case.include
            ));
        }
        return Ok(true);
    }
    if options.tables {
        write_tables(&all, &results, &options.groups)?;
        return Ok(true);
    }
    let mut needs: Vec<Need> = Need::TO_CONFIGURE.to_vec();
    if options.mirror.is_none() {
        needs.push(Need::Archive);
    }
    let against = options.against.is_some();
    let references = !against
        && (options.twice
            || options.justify
            || (options.adopt.is_empty() && chosen.iter().any(|case| !case.alone)));
    if references {
        needs.extend([Need::Mmdebstrap, Need::Emulation]);
    }
    if let Some(why) = needs.iter().find_map(|need| need.missing()) {
        return Err(Error::Machine(why));
    }
    sweep()?;
    let pinned = match &options.mirror {
        Some(_) => None,
        None => Some(Mirror::pinned(&cache())?),
    };
    if pinned.as_ref().is_some_and(|mirror| !mirror.has_wanted_port()) {
        out(
            "warning: the mirror's port is taken, perhaps by another comparison: references have its address in them, so those that there are, \
             and fingerprints, do not serve; stop, or give --mirror that one's address",
        );
    }
    let url = pinned.as_ref().map(Mirror::url);
    let dir = match &options.references {
        Some(dir) => dir.clone(),
        None => Maker::usual_dir()?,
    };
    std::fs::create_dir_all(&dir).map_err(|source| Error::File {
        path: dir.clone(),
        source,
    })?;
    let maker = Maker {
        mirror: options.mirror.clone().or(url).unwrap_or_default(),
        epoch: EPOCH,
        dir,
        tars: options.keep.then(|| kept().join("tars")),
        limit: Duration::from_secs(options.limit),
    };
    if let Some(before) = &options.against {
        let pair = Pair::new(maker, random, &kept(), before)?;
        return in_turns(&chosen, options.jobs, |case| {
            let found = pair.run(case)?;
            Ok((found.fine(), found.to_string()))
        });
    }
    let mut runner = Runner::new(maker, results, kept(), random)?;
    runner.again = options.again;
    runner.fallback = options.fallback;
    if !options.adopt.is_empty() {
        return adopt(&runner, &all, &options.adopt);
    }
    let _emulation = if references { Some(Emulation::on()?) } else { None };
    let fine = in_turns(&chosen, options.jobs, |case| {
        if options.twice || options.justify {
            twice(&runner, case)
        } else {
            compared(&runner, case)
        }
    })?;
    if options.justify {
        write_tables(&all, &runner.results, &["random".to_owned()])?;
        let seen = seen_here();
        let compared = |row: &&Random| {
            let pair = |case: &Case| {
                case.include == row.packages && (row.suite.is_empty() || case.suite == row.suite)
            };
            chosen.iter().any(pair)
        };
        let rows = runner.random.iter().filter(compared);
        let idle: Vec<&Random> = rows.filter(|row| !seen.contains(&row.glob)).collect();
        for row in &idle {
            out(&format!(
                "tests/cases/random: {} is needed by no two references with {}",
                row.glob, row.packages
            ));
        }
        return Ok(fine && idle.is_empty());
    }
    if !options.twice && options.only.is_empty() && options.groups.is_empty() && !options.ci {
        write_tables(&all, &runner.results, &[])?;
    }
    Ok(fine)
}

// Works on all cases, `jobs` at a time, and says how each ended. An error stops
// what is not begun.
fn in_turns(
    cases: &[Case],
    jobs: usize,
    run: impl Fn(&Case) -> Result<(bool, String)> + Sync,
) -> Result<bool> {
    let left = Mutex::new(cases.iter().collect::<VecDeque<_>>());
    let (ended, bad) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failure = Mutex::new(None);
    let lock = || left.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let next = lock().pop_front();
                    let Some(case) = next else { break };
                    match run(case) {
                        Ok((fine, said)) => {
                            bad.fetch_add(usize::from(!fine), Ordering::Relaxed);
                            let at = ended.fetch_add(1, Ordering::Relaxed) + 1;
                            say(&format!("[{at}/{}] {}: {said}", cases.len(), case.id()));
                        }
                        Err(error) => {
                            lock().clear();
                            *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        }
                    }
                }
            });
        }
    });
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let bad = bad.into_inner();
    say(&format!("{} cases, {bad} not as expected", cases.len()));
    Ok(bad == 0)
}

fn compared(runner: &Runner, case: &Case) -> Result<(bool, String)> {
    let all = runner.run(case)?;
    let said: Vec<String> = all.iter().map(describe).collect();
    Ok((
        all.first().is_some_and(|done| done.record.as_expected(case)),
        said.join("; "),
    ))
}

fn describe(done: &Done) -> String {
    let record = &done.record;
    let mut said = String::new();
    if !record.instead_of.is_empty() {
        said += &format!("{} in its place: ", record.case);
    }
    said += &record.verdict.to_string();
    if !record.message.is_empty() {
        said += &format!(": {}", record.message);
    }
    if record.entries > 0 {
        said += &format!(", {} packages, {} entries", record.packages, record.entries);
    }
    if matches!(record.verdict, Verdict::Differs | Verdict::Deferred) {
        said += &format!(", {} different", record.differences);
    }
    let random: usize = record.random.values().sum();
    if random > 0 {
        said += &format!(", {random} random by design");
    }
    if done.old {
        said += " (as before)";
    } else if record.by_fingerprint() {
        said += &format!(" ({:.1} s, by its reference's fingerprint)", record.ours);
    } else if record.theirs > 0.0 {
        said += &format!(" ({:.1} s, reference {:.0} s)", record.ours, record.theirs);
    } else {
        said += &format!(" ({:.1} s)", record.ours);
    }
    said
}

fn twice(runner: &Runner, case: &Case) -> Result<(bool, String)> {
    if case.alone {
        return Ok((true, "has no reference".to_owned()));
    }
    let found = match runner.twice(case) {
        Ok(found) => found,
        Err(error @ Error::Command { .. }) => return Ok((false, error.to_string())),
        Err(error) => return Err(error),
    };
    for (path, glob) in &found.random {
        out(&format!("{}\t{path}\trandom by {glob}", case.id()));
    }
    for difference in &found.differences {
        out(&format!(
            "{}\t{}\tNOT LISTED: {}",
            case.id(),
            difference.path,
            difference.what
        ));
    }
    let said = format!(
        "{} random by design, {} more differ between two references",
        found.random.len(),
        found.differences.len()
    );
    Ok((found.differences.is_empty(), said))
}

fn adopt(runner: &Runner, all: &[Case], tars: &[String]) -> Result<bool> {
    let mut fine = true;
    for one in tars {
        let (id, tar) = match one.split_once('=') {
            Some((id, tar)) => (id.to_owned(), PathBuf::from(tar)),
            None => {
                let name = Path::new(one).file_stem().unwrap_or_default();
                (name.to_string_lossy().into_owned(), PathBuf::from(one))
            }
        };
        let (id, second) = match id.strip_suffix(".second") {
            Some(first) => (first, true),
            None => (id.as_str(), false),
        };
        let Some(case) = all.iter().find(|case| case.id() == id) else {
            say(&format!("{}: there is no case {id}", tar.display()));
            fine = false;
            continue;
        };
        let listing = runner.maker.adopt(case, &runner.release(case)?, &tar, second)?;
        say(&format!("{id}: {} entries", listing.entries.len()));
    }
    Ok(fine)
}

// Writes the tables of groups, or all if none is named.
fn write_tables(all: &[Case], results: &Results, groups: &[String]) -> Result<()> {
    let rows = random::read(&data().join("random"))?;
    let records = results.all();
    let seen = seen()?;
    let ids = all.iter().map(Case::id).collect();
    results.write(&written(), &ids, &seen)?;
    let data = tables::Data {
        cases: all,
        records: &records,
        random: &rows,
        seen: &seen,
    };
    let made = tables::all(&data);
    for name in ["fidelity.md", "popular.md"] {
        tables::write(&workspace().join("docs").join(name), &made, groups)?;
    }
    for group in GROUPS
        .iter()
        .filter(|group| groups.is_empty() || groups.iter().any(|name| name == *group))
    {
        say(&format!("{group}: {}", tables::summary(&data, group)));
    }
    for glob in tables::idle(&data).iter().filter(|_| groups.is_empty()) {
        say(&format!("tests/cases/random: {glob} excused nothing in any case"));
    }
    Ok(())
}

/// The globs of rows whose entries differed between two references, here or where the tables were written.
fn seen() -> Result<BTreeSet<String>> {
    let mut seen = results::seen(&written())?;
    seen.extend(seen_here());
    Ok(seen)
}

/// Those that differed on this machine.
fn seen_here() -> BTreeSet<String> {
    let files = std::fs::read_dir(kept().join("twice")).into_iter().flatten();
    let texts = files
        .flatten()
        .map(|file| std::fs::read_to_string(file.path()).unwrap_or_default());
    texts
        .flat_map(|text| {
            let globs = text.lines().filter_map(|line| line.split('\t').next());
            // No row excuses what begins with `-`.
            let rows = globs.filter(|glob| *glob != "-");
            rows.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}
