//! Emulation of foreign programs: binfmt_misc's switch, of the whole machine.

use crate::error::At as _;
use crate::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const STATUS: &str = "/proc/sys/fs/binfmt_misc/status";
/// How long references may be in the way.
const PATIENCE: Duration = Duration::from_secs(1800);

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
        if !geteuid().is_root() {
            return Ok(Self { switched: false });
        }
        mount();
        // Waits for whoever needs it off.
        let _held = hold()?;
        if crate::probe::emulated(crate::elf::foreign()) {
            return Ok(Self { switched: false });
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

fn run(program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    let _ = command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

// Makes the switch appear, where it can.
fn mount() {
    if !Path::new(STATUS).exists() && geteuid().is_root() {
        run(
            "mount",
            &["-t", "binfmt_misc", "none", "/proc/sys/fs/binfmt_misc"],
        );
    }
}

/// Nobody switches emulation off while what is returned lives.
///
/// # Errors
/// When the switch cannot be locked.
pub(super) fn hold() -> Result<Option<Flock<File>>> {
    lock(FlockArg::LockShared)
}

/// A lock of the switch itself (flock(2)), which is one for the whole machine.
/// `None` if there is no switch, or another has it.
fn lock(how: FlockArg) -> Result<Option<Flock<File>>> {
    let file = match File::open(STATUS) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).at(STATUS),
    };
    match Flock::lock(file, how) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(std::io::Error::from(error)).at(STATUS),
    }
}

/// Emulation is off while this lives, and as it was before afterwards.
#[derive(Debug)]
pub struct NoEmulation {
    switched: bool,
    /// Let go after the state is what it was.
    _alone: Option<Flock<File>>,
}

impl NoEmulation {
    /// Switches every handler of foreign programs off, as soon as no reference
    /// is being made; root can.
    ///
    /// # Errors
    /// When it is on and cannot be switched off.
    pub fn on() -> Result<Self> {
        let foreign = crate::elf::foreign();
        mount();
        let mut tries = 0;
        let alone = loop {
            match lock(FlockArg::LockExclusiveNonblock)? {
                Some(alone) => break Some(alone),
                None if !Path::new(STATUS).exists() => break None,
                None if tries < PATIENCE.as_secs() => std::thread::sleep(Duration::from_secs(1)),
                None => {
                    return Err(Error::Machine(
                        "references are being made with emulation; try again when they are done".to_owned(),
                    ));
                }
            }
            tries += 1;
        };
        if !crate::probe::emulated(foreign) {
            return Ok(Self {
                switched: false,
                _alone: alone,
            });
        }
        std::fs::write(STATUS, "0").at(STATUS)?;
        let off = Self {
            switched: true,
            _alone: alone,
        };
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
