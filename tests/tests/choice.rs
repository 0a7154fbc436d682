//! The choice of packages beside that of the suite's own apt.

use rootless_install_tests::choice::apt::{Apt, Root};
use rootless_install_tests::choice::own::Own;
use rootless_install_tests::choice::small::Small;
use rootless_install_tests::real::Real;
use rootless_install_tests::scenario;

scenario!(
    /// Both resolvers take what apt takes, and refuse what it refuses, from archives made for this.
    as_apt_chooses, REAL, {
    let real = Real::new()?;
    let apt = Apt::unpack(&real.work, &real.mirror.url(), "trixie")?;
    for number in 0..3 {
        let small = Small::new(number);
        let dir = real.work.make_dir(&format!("small-{number}"))?;
        let root = Root::small(&dir, &small)?;
        let own = Own {
            work: &real.work,
            mirror: format!("file:{}", dir.join("archive").display()),
            options: "trusted=yes",
        };
        for solver in ["internal", "3.0"] {
            for request in &small.requests {
                let (answer, _) = own.ask(&small.setting, solver, &request.items)?;
                let theirs = apt.ask(&root, solver, &request.items)?;
                assert!(answer.agrees(&theirs), "{solver} {request:?}: {answer:?}, apt {theirs:?}");
            }
        }
    }
});
