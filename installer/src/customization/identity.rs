//! What tells one system from others that were made alike: the machine's id, and the host keys of sshd(8).

use super::error::{CustomizationError, Wrong};
use super::place;
use rootless_install_fs::{Error, FileType, Meta, Target};
use std::path::Path;
use task_progress::Reporter;

/// Directory of units of packages.
const UNITS: &str = "/usr/lib/systemd/system";
/// A unit that makes host keys where no package has one.
const UNIT: &str = "/etc/systemd/system/ssh-host-keys.service";

/// The machine's id in the result (machine-id(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachineId {
    /// An empty file: the first start makes one.
    Empty,
    /// `uninitialized`: the first start makes one, and is one to ConditionFirstBoot=.
    Uninitialized,
    /// No file.
    Absent,
    /// This one: 32 hexadecimal digits.
    Given(String),
}

/// Host keys of sshd(8) in the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKeys {
    /// Those that the package has made stay, and all systems made of the result have them.
    Keep,
    /// They are removed, and each system makes its own when it starts first.
    Remove,
}

impl MachineId {
    /// Parses a word of `--machine-id`.
    ///
    /// # Errors
    /// [`Wrong`].
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        match text {
            "empty" => Ok(Self::Empty),
            "uninitialized" => Ok(Self::Uninitialized),
            "absent" => Ok(Self::Absent),
            id if id.len() == 32 && id.bytes().all(|byte| b"0123456789abcdef".contains(&byte)) => {
                Ok(Self::Given(id.to_owned()))
            }
            other => Err(Wrong::new(
                "machine-id",
                format!(
                    "`{}` is neither empty, uninitialized or absent nor 32 hexadecimal digits in small letters",
                    other.escape_debug()
                ),
            )),
        }
    }
}

/// Sets the machine's id, when all else is done in the target.
///
/// # Errors
/// Those of writing to the target.
pub fn finish(id: Option<&MachineId>, target: &Target) -> Result<(), Error> {
    let path = Path::new("/etc/machine-id");
    let text = match id {
        None => return Ok(()),
        Some(MachineId::Absent) => {
            return match target.remove(path) {
                Err(error) if !error.is_not_found() => Err(error),
                _ => Ok(()),
            };
        }
        Some(MachineId::Empty) => String::new(),
        Some(MachineId::Uninitialized) => "uninitialized\n".to_owned(),
        Some(MachineId::Given(id)) => format!("{id}\n"),
    };
    // systemd has it so.
    target.write(path, text.as_bytes(), &Meta::of_root(FileType::Regular, 0o444))
}

/// Keeps or removes host keys, and says so.
pub(super) fn host_keys(
    policy: Option<HostKeys>,
    target: &Target,
    reporter: &dyn Reporter,
) -> Result<(), CustomizationError> {
    let directory = Path::new("/etc/ssh");
    let names = match target.read_dir(directory) {
        Ok(names) => names,
        Err(error) if error.is_not_found() => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let keys: Vec<_> = names
        .into_iter()
        .filter(|name| {
            let name = name.to_string_lossy();
            name.starts_with("ssh_host_") && (name.ends_with("_key") || name.ends_with("_key.pub"))
        })
        .collect();
    if policy != Some(HostKeys::Remove) {
        if !keys.is_empty() {
            reporter.note(
                "the result has the host keys of ssh that the package made, as has every copy of it \
                 (--ssh-host-keys=remove leaves them out)",
            );
        }
        return Ok(());
    }
    if keys.is_empty() && !place::has(target, "/usr/sbin/sshd") {
        return Ok(());
    }
    for name in &keys {
        target.remove(&directory.join(name))?;
    }
    if place::has(target, "/usr/sbin/sshd") && !has_generator(target) {
        place::text(target, UNIT, UNIT_TEXT)?;
        let link = Meta::of_root(FileType::Symlink, 0o777);
        for wanting in ["ssh.service.requires", "ssh.socket.wants"] {
            let link_path = format!("/etc/systemd/system/{wanting}/ssh-host-keys.service");
            place::link(target, Path::new(&link_path), Path::new(UNIT), &link)?;
        }
    }
    reporter.note("the host keys of ssh are left out: each system makes its own when it starts first");
    Ok(())
}

/// The unit. ssh-keygen makes those that are missing only.
const UNIT_TEXT: &str = "\
[Unit]
Description=Host keys of OpenSSH
Before=ssh.service ssh.socket
ConditionFileIsExecutable=/usr/bin/ssh-keygen
DefaultDependencies=no
After=local-fs.target systemd-random-seed.service sshd-keygen.service
RequiresMountsFor=/etc/ssh

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/ssh-keygen -A
";

/// Whether a package has a unit that makes missing host keys whenever they are missing. That of Debian 13 does so in a first
/// boot only, which a start with an empty /etc/machine-id is not (machine-id(5)).
fn has_generator(target: &Target) -> bool {
    let names = target.read_dir(Path::new(UNITS)).unwrap_or_default();
    names
        .iter()
        .filter(|name| name.to_string_lossy().ends_with(".service"))
        .any(|name| {
            let text = target.read(&Path::new(UNITS).join(name)).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            text.contains("ssh-keygen -A") && !text.contains("ConditionFirstBoot")
        })
}
