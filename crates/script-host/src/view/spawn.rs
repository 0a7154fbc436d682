//! Starting a script as dpkg does, by execvp(3): a file that is no program is a script of the shell, whatever its form.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::process::{Child, Command};

/// The shell of execvp(3).
const SHELL: &str = "/bin/sh";

/// Starts a script; `prepare` sets all but program and arguments.
pub(super) fn spawn<A: AsRef<OsStr>>(
    script: &OsStr,
    arguments: &[A],
    prepare: impl Fn(&mut Command),
) -> io::Result<Child> {
    let mut command = Command::new(script);
    command.args(arguments);
    prepare(&mut command);
    match command.spawn() {
        // A program for another machine is none for the shell either.
        Err(error) if error.raw_os_error() == Some(libc::ENOEXEC) && !is_elf(script) => {
            let mut command = Command::new(SHELL);
            command.arg(script).args(arguments);
            prepare(&mut command);
            command.spawn()
        }
        started => started,
    }
}

fn is_elf(script: &OsStr) -> bool {
    let mut start = [0; 4];
    File::open(script).is_ok_and(|mut file| file.read_exact(&mut start).is_ok()) && start == *b"\x7fELF"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::Stdio;

    fn output(directory: &Path, content: &[u8]) -> io::Result<(Option<i32>, String)> {
        let script = directory.join("script");
        std::fs::write(&script, content)?;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
        let child = spawn(script.as_os_str(), &["configure", ""], |command| {
            command.stdout(Stdio::piped()).stderr(Stdio::null());
        })?;
        let ended = child.wait_with_output()?;
        Ok((
            ended.status.code(),
            String::from_utf8_lossy(&ended.stdout).into_owned(),
        ))
    }

    #[test]
    fn scripts_of_every_form_are_started() {
        let directory = tempfile::tempdir().unwrap();
        let said = |content: &[u8]| output(directory.path(), content).unwrap();
        let echo = b"echo \"$1,$2,$#\"; exit 3\n";
        let (status, text) = said(&[b"#!/bin/sh\n", &echo[..]].concat());
        assert_eq!((status, text.as_str()), (Some(3), "configure,,2\n"));
        let (status, text) = said(echo);
        assert_eq!((status, text.as_str()), (Some(3), "configure,,2\n"));
        assert_eq!(said(b""), (Some(0), String::new()));
        let foreign = [&b"\x7fELF\x02\x01\x01"[..], &[0; 100]].concat();
        let error = output(directory.path(), &foreign).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOEXEC));
    }
}
