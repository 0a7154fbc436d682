//! The real archive, into a directory: complete, clean, the user's own.

use rootless_install_tests::compare::compare_files;
use rootless_install_tests::elf;
use rootless_install_tests::real::{Real, assert_installed, assert_ordinary, remove};
use rootless_install_tests::{Result, scenario};

// Makes a root filesystem and checks all that is promised of the directory.
fn whole(arch: &str, variant: &str, at_least: usize) -> Result<()> {
    let real = Real::new()?;
    let target = real.work.out("target");
    let traces = real.work.traces();
    real.install(arch, variant, &target).end()?.succeeded();
    real.work.clean(&traces, &["target"]);
    let packages = assert_installed(&target);
    assert!(packages >= at_least, "only {packages} packages");
    let entries = assert_ordinary(&target, real.work.account().uid)?;
    assert!(entries > 1000, "only {entries} entries");
    remove(&real.work, &target)
}

scenario!(
    /// Complete, audited, owned by the user, removable.
    riscv64_minbase, REAL, alone, {
    whole("riscv64", "minbase", 70)?;
});

scenario!(
    /// The same for arm64.
    arm64_minbase, REAL, alone, {
    whole("arm64", "minbase", 70)?;
});

scenario!(
    /// The same for this machine's own architecture.
    native_minbase, REAL, alone, {
    let native = elf::native().map_or("amd64", |machine| machine.debian);
    whole(native, "minbase", 70)?;
});

scenario!(
    /// Variant apt. Essential and buildd are among the cases of `tests/tests/fidelity.rs`.
    riscv64_apt, REAL, alone, {
    whole("riscv64", "apt", 60)?;
});

scenario!(
    /// The same bytes however executions are redirected: by the kernel, by the view's server where the kernel has
    /// no handlers for user namespaces, and with --mode=chrootless, where scripts are outside of the target.
    riscv64_essential_in_every_way, REAL, alone, {
    let real = Real::new()?;
    let ways = [
        ("usual", None, None),
        ("without-handlers", None, Some("ROOTLESS_INSTALL_NO_BINFMT_MISC")),
        ("chrootless", Some("--mode=chrootless"), None),
    ];
    let mut first: Option<std::path::PathBuf> = None;
    for (way, option, variable) in ways {
        let tar = real.work.out(&format!("{way}.tar"));
        let mut run = real.install("riscv64", "essential", &tar);
        if let Some(option) = option {
            run = run.option(option);
        }
        if let Some(variable) = variable {
            run = run.env(variable, "1");
        }
        run.end()?.succeeded();
        let Some(usual) = &first else {
            first = Some(tar);
            continue;
        };
        let found = compare_files(usual, &tar)?;
        assert!(found.differences.is_empty(), "{way}: {:#?}", found.differences);
        assert!(
            std::fs::read(usual)? == std::fs::read(&tar)?,
            "{way}: the entries agree, the bytes do not"
        );
    }
});

scenario!(
    /// Variant extract.
    riscv64_extract, REAL, alone, {
    let real = Real::new()?;
    let target = real.work.out("target");
    let mirror = real.mirror.url();
    let mut arguments = vec!["--arch", "riscv64", "--variant", "extract", "--include", "hello"];
    arguments.extend([
        "--mirror",
        &mirror,
        "--keyring",
        rootless_install_tests::real::KEYRING,
    ]);
    let path = target.to_string_lossy();
    arguments.push(&path);
    real.work.run(arguments).end()?.succeeded();
    let head = std::fs::read(target.join("usr/bin/hello"))?;
    assert_eq!(
        elf::machine_of(&head),
        Some(243),
        "hello is not a riscv64 program"
    );
    assert!(assert_ordinary(&target, real.work.account().uid)? > 10);
});

scenario!(
    /// Root gets the unprivileged code path, and is told so.
    root_is_told, REAL, alone, {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let real = Real::new()?;
    // Root itself, with a directory of its own: what it makes is root's.
    let dir = tempfile::tempdir()?;
    let target = dir.path().join("target");
    let done = std::process::Command::new(real.work.program())
        .args([
            "--arch",
            "riscv64",
            "--variant",
            "essential",
            "--mirror",
            &real.mirror.url(),
        ])
        .args(["--keyring", rootless_install_tests::real::KEYRING, "--cache"])
        .arg(dir.path().join("cache"))
        .arg(&target)
        .stdin(std::process::Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{said}");
    assert!(said.to_lowercase().contains("root"), "root is not told:\n{said}");
    assert!(assert_installed(&target) > 50);
    assert!(assert_ordinary(&target, 0)? > 1000);
});
