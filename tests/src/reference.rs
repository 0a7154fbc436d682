//! The root filesystem that a candidate is held against: the same packages from
//! the same mirror, installed by mmdebstrap with emulation. For tests only; the
//! program itself knows neither.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::geteuid;
use sha2::{Digest as _, Sha256};

use crate::deb::hex;
use crate::error::At as _;
use crate::program::{Account, place, which};
use crate::real::Real;
use crate::{Error, Result};

const STATUS: &str = "/proc/sys/fs/binfmt_misc/status";

/// What mmdebstrap makes of `arch` and `variant` from the pinned mirror.
///
/// It is made once for a state of the mirror and kept beside the test's other
/// things; `epoch` is `SOURCE_DATE_EPOCH`.
///
/// # Errors
/// When mmdebstrap fails.
pub fn make(real: &Real, arch: &str, variant: &str, epoch: u64) -> Result<PathBuf> {
    let release = real.release()?;
    let key = format!("{}\n{arch}\n{variant}\n{epoch}\n", real.mirror.url());
    let key = hex(&Sha256::new().chain_update(key).chain_update(release).finalize());
    let dir = place()?.join("reference");
    std::fs::create_dir_all(&dir).at(&dir)?;
    let tar = dir.join(format!("{arch}-{variant}-{}.tar", key.get(..16).unwrap_or(&key)));
    if tar.is_file() {
        return Ok(tar);
    }
    let work = tempfile::Builder::new()
        .prefix("mmdebstrap-")
        .tempdir_in(&dir)
        .at(&dir)?;
    let account = Account::of_tests()?;
    open_to(&account, work.path())?;
    let part = work.path().join("root.tar");
    let emulation = Emulation::on()?;
    let mmdebstrap = which("mmdebstrap").unwrap_or_else(|| PathBuf::from("mmdebstrap"));
    let done = account
        .command(&mmdebstrap)
        .args([
            "--mode=unshare",
            &format!("--architectures={arch}"),
            &format!("--variant={variant}"),
        ])
        .arg("stable")
        .arg(&part)
        .arg(real.mirror.url())
        .env("HOME", work.path())
        .env("TMPDIR", work.path())
        .env("SOURCE_DATE_EPOCH", epoch.to_string())
        .current_dir(work.path())
        .stdin(Stdio::null())
        .output();
    drop(emulation);
    let fail = |what: String| Error::Command {
        command: "mmdebstrap".to_owned(),
        what,
    };
    let done = done.map_err(|error| fail(error.to_string()))?;
    if !done.status.success() {
        return Err(fail(String::from_utf8_lossy(&done.stderr).into_owned()));
    }
    std::fs::rename(&part, &tar).at(&tar)?;
    Ok(tar)
}

fn open_to(account: &Account, path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).at(path)?;
    if geteuid().is_root() {
        let (uid, gid) = (
            nix::unistd::Uid::from_raw(account.uid),
            nix::unistd::Gid::from_raw(account.gid),
        );
        nix::unistd::chown(path, Some(uid), Some(gid))
            .map_err(std::io::Error::from)
            .at(path)?;
    }
    Ok(())
}

/// Emulation is on while this lives, and as it was before afterwards.
#[derive(Debug)]
pub struct Emulation {
    switched: bool,
}

impl Emulation {
    /// Switches emulation on. Root can; others take what there is.
    ///
    /// # Errors
    /// When root cannot.
    pub fn on() -> Result<Self> {
        if crate::probe::emulated(crate::elf::foreign()) || !geteuid().is_root() {
            return Ok(Self { switched: false });
        }
        let run = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            let _ = command
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
        };
        if !Path::new(STATUS).exists() {
            run(
                "mount",
                &["-t", "binfmt_misc", "none", "/proc/sys/fs/binfmt_misc"],
            );
        }
        run("update-binfmts", &["--enable"]);
        std::fs::write(STATUS, "1").at(STATUS)?;
        if crate::probe::emulated(crate::elf::foreign()) {
            return Ok(Self { switched: true });
        }
        Err(Error::Machine(
            "foreign programs are not emulated; apt-get install qemu-user-static binfmt-support".to_owned(),
        ))
    }
}

impl Drop for Emulation {
    fn drop(&mut self) {
        if self.switched {
            let _ = std::fs::write(STATUS, "0");
        }
    }
}

/// Emulation is off while this lives, and as it was before afterwards.
#[derive(Debug)]
pub struct NoEmulation {
    switched: bool,
}

impl NoEmulation {
    /// Switches every handler of foreign programs off; root can.
    ///
    /// # Errors
    /// When it is on and cannot be switched off.
    pub fn on() -> Result<Self> {
        let foreign = crate::elf::foreign();
        if !crate::probe::emulated(foreign) {
            return Ok(Self { switched: false });
        }
        std::fs::write(STATUS, "0").at(STATUS)?;
        let off = Self { switched: true };
        if crate::probe::emulated(foreign) {
            return Err(Error::Machine(
                "foreign programs are emulated and it cannot be switched off".to_owned(),
            ));
        }
        Ok(off)
    }
}

impl Drop for NoEmulation {
    fn drop(&mut self) {
        if self.switched {
            let _ = std::fs::write(STATUS, "1");
        }
    }
}
