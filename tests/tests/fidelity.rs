//! What the program makes equals, entry by entry, what mmdebstrap makes with
//! emulation from the same mirror state and `SOURCE_DATE_EPOCH`: the cases of
//! `tests/cases` that have the word `ci`. Those with `ci=alone` are made without a reference.
//! `scripts/fidelity` compares all of them.

use std::collections::VecDeque;
use std::io::Write as _;
use std::num::NonZero;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rootless_install_tests::fidelity::cases::Case;
use rootless_install_tests::fidelity::reference::{Emulation, Maker};
use rootless_install_tests::fidelity::results::Results;
use rootless_install_tests::fidelity::run::Runner;
use rootless_install_tests::fidelity::{cases, data, random};
use rootless_install_tests::mirror::Mirror;
use rootless_install_tests::real::{EPOCH, cache};
use rootless_install_tests::{Result, scenario};

scenario!(
    /// Variants, architectures and sets of packages of tests/cases.
    cases_of_continuous_integration, REFERENCE, alone, {
    let mirror = Mirror::pinned(&cache())?;
    let kept = tempfile::tempdir()?;
    let maker = Maker {
        mirror: mirror.url(),
        epoch: EPOCH,
        dir: Maker::usual_dir()?,
        tars: None,
        limit: Duration::from_secs(1800),
    };
    let results = Results::open(&kept.path().join("results"))?;
    let random = random::read(&data().join("random"))?;
    let runner = Runner::new(maker, results, kept.path().to_path_buf(), random)?;
    let _emulation = Emulation::on()?;
    let left: VecDeque<Case> = cases::all()?.iter().filter_map(Case::in_ci).collect();
    assert!(!left.is_empty(), "no case has the word ci");
    let (left, wrong) = (Mutex::new(left), Mutex::new(Vec::new()));
    let jobs = std::thread::available_parallelism().map_or(1, NonZero::get);
    let work = || loop {
        let next = lock(&left).pop_front();
        let Some(case) = next else { break };
        match judged(&runner, &case) {
            Ok(found) => lock(&wrong).extend(found),
            Err(error) => lock(&wrong).push(format!("{}: {error}", case.id())),
        }
    };
    std::thread::scope(|scope| (0..jobs).for_each(|_| drop(scope.spawn(work))));
    let wrong = lock(&wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
});

// A case made and compared: what is wrong with it.
fn judged(runner: &Runner, case: &Case) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for done in runner.run(case)? {
        let record = &done.record;
        let said = format!(
            "{}: {} {}, {} entries, {} different",
            record.case, record.verdict, record.message, record.entries, record.differences
        );
        let _ = writeln!(std::io::stderr(), "{said}");
        if !record.as_expected(case) || (record.entries < 1000 && record.message.is_empty()) {
            let path = runner.kept.join("differences").join(&record.case);
            let differences = std::fs::read_to_string(path).unwrap_or_default();
            wrong.push(format!("{said}\n{differences}"));
        }
    }
    Ok(wrong)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
