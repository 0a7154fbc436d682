//! No program of the target is ever executed: it works where that is impossible.
//!
//! The kernel executes a program of another machine only through a handler of
//! binfmt_misc. With every handler switched off, execve of such a program fails
//! with ENOEXEC, for every process of the machine and in every namespace. A run
//! that configures every package in this state has not executed one.

use std::os::unix::fs::PermissionsExt as _;

use rootless_install_tests::fidelity::reference::NoEmulation;
use rootless_install_tests::real::{Real, assert_installed};
use rootless_install_tests::{elf, probe, scenario};

scenario!(
    /// Works where executing one is impossible.
    no_target_program_is_executed, NO_EMULATION, alone, {
    let _off = NoEmulation::on()?;
    let foreign = elf::foreign();
    assert!(
        !probe::emulated(foreign),
        "this machine executes programs of {}",
        foreign.debian
    );
    let real = Real::new()?;
    let target = real.work.out("target");
    real.install(foreign.debian, "minbase", &target)
        .end()?
        .succeeded();
    assert!(assert_installed(&target) >= 70);
    // The state held to the end, and it holds for the very programs the scripts called.
    assert!(!probe::emulated(foreign), "emulation was switched on meanwhile");
    for name in ["dash", "dpkg", "sed", "perl"] {
        let program = target.join("usr/bin").join(name);
        let head = std::fs::read(&program)?;
        assert_eq!(elf::machine_of(&head), Some(foreign.number), "{name}");
        assert_ne!(
            std::fs::metadata(&program)?.permissions().mode() & 0o111,
            0,
            "{name}"
        );
        assert!(
            !probe::executes(&program),
            "{name} of the target can be executed here"
        );
    }
});
