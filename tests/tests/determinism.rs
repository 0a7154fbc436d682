//! Two runs give the same bytes, in every compression and on standard output.

use std::path::Path;
use std::process::Command;

use rootless_install_tests::real::{EPOCH, Real};
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::{Synthetic, package};

fn unpacked(path: &Path) -> std::io::Result<Vec<u8>> {
    let program = match path.extension().and_then(|end| end.to_str()) {
        Some("gz") => "gzip",
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return std::fs::read(path),
    };
    let done = Command::new(program)
        .args(["--decompress", "--stdout"])
        .arg(path)
        .output()?;
    assert!(
        done.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(done.stdout)
}

scenario!(
    /// Two runs, all compressions, and standard output.
    tars_are_the_same_bytes, CONFIGURE, {
    let script = "#!/bin/sh\nset -e\ndate >/var/lib/when\nmkdir -p /var/lib/many\n\
        for i in $(seq 50); do echo $i >/var/lib/many/$i; done\nchown 33:33 /var/lib/many\n";
    let busy = package("busy")?
        .file("usr/bin/busy", "x", 0o4755)
        .script("postinst", script);
    let archive = Synthetic::with(&[busy])?;
    let make = |name: &str| -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let run = archive
            .install("busy", name)
            .env("SOURCE_DATE_EPOCH", EPOCH.to_string());
        run.end()?.succeeded();
        Ok(std::fs::read(archive.work.out(name))?)
    };
    let contents = |tar: &[u8]| -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        // What the script wrote of the clock differs between runs, and is meant to.
        let mut archive = tar::Archive::new(tar);
        let mut all = Vec::new();
        for entry in archive.entries()? {
            let mut entry = entry?;
            all.extend_from_slice(entry.header().as_bytes().get(..148).unwrap_or_default());
            if entry.path()?.ends_with("var/lib/when") {
                continue;
            }
            std::io::Read::read_to_end(&mut entry, &mut all)?;
        }
        Ok(all)
    };
    let first = make("a.tar")?;
    let again = make("b.tar")?;
    assert_eq!(contents(&first)?, contents(&again)?, "the second run differs");
    let mtime = tar::Archive::new(first.as_slice())
        .entries()?
        .map(|entry| entry?.header().mtime())
        .max_by_key(|mtime| mtime.as_ref().copied().unwrap_or(u64::MAX));
    assert_eq!(mtime.transpose()?, Some(EPOCH), "times are not clamped");
    for name in ["c.tar.gz", "c.tar.xz", "c.tar.zst"] {
        make(name)?;
        assert_eq!(
            contents(&unpacked(&archive.work.out(name))?)?,
            contents(&first)?,
            "{name} differs"
        );
    }
    let run = archive
        .install_at("busy", Path::new("-"))
        .env("SOURCE_DATE_EPOCH", EPOCH.to_string());
    let outcome = run.end()?;
    assert_eq!(
        contents(&outcome.succeeded().stdout)?,
        contents(&first)?,
        "standard output differs"
    );
});

scenario!(
    /// The same with the real archive.
    real_tars_are_the_same_bytes, REAL, alone, {
    let real = Real::new()?;
    let mut made = Vec::new();
    for name in ["a.tar", "b.tar"] {
        let path = real.work.out(name);
        real.install("riscv64", "minbase", &path).end()?.succeeded();
        made.push(std::fs::read(path)?);
    }
    assert!(
        made[0] == made[1],
        "two runs gave different bytes: {} and {}",
        made[0].len(),
        made[1].len()
    );
});
