//! What the program makes equals, entry by entry, what mmdebstrap makes with
//! emulation from the same mirror state and `SOURCE_DATE_EPOCH`.

use rootless_install_tests::compare::{Ignore, compare};
use rootless_install_tests::elf;
use rootless_install_tests::real::{EPOCH, Real};
use rootless_install_tests::{Result, reference, scenario};

/// Nothing is left out: neither caches nor the backups of databases.
const IGNORE: &[Ignore] = &[];

fn equal(arch: &str, variant: &str) -> Result<()> {
    let real = Real::new()?;
    let candidate = real.work.out("candidate.tar");
    real.install(arch, variant, &candidate).end()?.succeeded();
    let reference = reference::make(&real, arch, variant, EPOCH)?;
    let comparison = compare(&reference, &candidate, IGNORE)?;
    assert!(
        comparison.differences.is_empty(),
        "{arch} {variant}:\n{comparison}"
    );
    assert!(comparison.entries.0 > 1000, "{comparison}");
    Ok(())
}

scenario!(riscv64_minbase, {
    equal("riscv64", "minbase")?;
});

scenario!(riscv64_essential, {
    equal("riscv64", "essential")?;
});

scenario!(riscv64_apt, {
    equal("riscv64", "apt")?;
});

scenario!(riscv64_buildd, {
    equal("riscv64", "buildd")?;
});

scenario!(arm64_minbase, {
    equal("arm64", "minbase")?;
});

scenario!(native_minbase, {
    equal(elf::native().map_or("amd64", |machine| machine.debian), "minbase")?;
});
