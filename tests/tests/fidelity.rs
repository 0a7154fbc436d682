//! What the program makes equals, entry by entry, what mmdebstrap makes with
//! emulation from the same mirror state and `SOURCE_DATE_EPOCH`: the cases of
//! `tests/cases` that have the word `ci`. Those with `ci=alone` are made without a reference.
//! `scripts/fidelity` compares all of them.

use std::io::Write as _;
use std::time::Duration;

use rootless_install_tests::fidelity::reference::{Emulation, Maker};
use rootless_install_tests::fidelity::results::Results;
use rootless_install_tests::fidelity::run::Runner;
use rootless_install_tests::fidelity::{cases, data, random};
use rootless_install_tests::mirror::Mirror;
use rootless_install_tests::real::{EPOCH, cache};
use rootless_install_tests::scenario;

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
    let mut wrong = Vec::new();
    for case in cases::all()?.iter().filter_map(|case| case.in_ci()) {
        for done in runner.run(&case)? {
            let record = done.record;
            let said = format!(
                "{}: {} {}, {} entries, {} different",
                record.case, record.verdict, record.message, record.entries, record.differences
            );
            let _ = writeln!(std::io::stderr(), "{said}");
            if !record.as_expected(&case) || (record.entries < 1000 && record.message.is_empty()) {
                let path = kept.path().join("differences").join(&record.case);
                let differences = std::fs::read_to_string(path).unwrap_or_default();
                wrong.push(format!("{said}\n{differences}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
});
