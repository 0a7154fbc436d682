//! qemu as a child process: its command line, and its monitor (QMP), which is on its standard input and output.

use super::error::BootError;
use super::guest;
use super::image::{self, Kernel};
use super::machine::{Machine, Place};
use crate::sys;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Time for an answer of the monitor, and for an end.
const PATIENCE: Duration = Duration::from_secs(5);

/// A disk of the guest.
#[derive(Clone, Debug)]
pub struct Disk {
    /// Serial number.
    pub serial: &'static str,
    /// The file.
    pub path: PathBuf,
    /// `raw` or `qcow2`.
    pub format: &'static str,
    /// How it may be written to.
    pub access: Access,
}

/// How a guest may write to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To a copy that is thrown away.
    Copy,
    /// Not at all.
    Read,
    /// To the file.
    Write,
}

/// What the machine starts with.
#[derive(Clone, Debug)]
pub enum Start {
    /// A kernel.
    Kernel(Kernel),
    /// The firmware, which starts the disk, and its variables, which it writes to.
    Firmware(PathBuf, Option<PathBuf>),
}

/// A virtual machine that is to be started.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Its kind.
    pub machine: &'static Machine,
    /// qemu.
    pub program: PathBuf,
    /// What it starts with.
    pub start: Start,
    /// Words for the kernel.
    pub options: String,
    /// Disks; the first is that of the system.
    pub disks: Vec<Disk>,
    /// Size of its memory in MiB.
    pub memory: u64,
    /// Number of processors.
    pub cpus: u32,
    /// File that its console is written to.
    pub console: PathBuf,
    /// Whether the machine's own processor runs it.
    pub kvm: bool,
    /// Directory for temporary files.
    pub scratch: PathBuf,
}

/// Whether this machine's processor can run a guest of the kind.
pub fn has_kvm(machine: &Machine, native: &str) -> bool {
    machine.runs_on(native) && File::options().read(true).write(true).open("/dev/kvm").is_ok()
}

/// Returns the firmware of a machine, whose variables are copied to the scratch directory.
///
/// # Errors
/// [`BootError::DiskOf`], [`BootError::NoFirmware`], those of copying.
pub fn firmware(machine: &Machine, scratch: &Path) -> Result<Start, BootError> {
    let firmware = machine.firmware.ok_or(BootError::DiskOf {
        architecture: machine.name,
    })?;
    let there = |file: &'static str| match Path::new(file).is_file() {
        true => Ok(PathBuf::from(file)),
        false => Err(BootError::NoFirmware {
            architecture: machine.name,
            file,
            package: firmware.package,
        }),
    };
    let code = there(firmware.file)?;
    let variables = match firmware.place {
        Place::Bios => None,
        Place::Flash { variables, .. } => {
            let copy = scratch.join("variables.fd");
            // Not std::fs::copy: the copy can be written to.
            let content =
                std::fs::read(there(variables)?).map_err(BootError::file("read", Path::new(variables)))?;
            std::fs::write(&copy, content).map_err(BootError::file("write", &copy))?;
            Some(copy)
        }
    };
    Ok(Start::Firmware(code, variables))
}

/// Returns qemu's program for a machine.
///
/// # Errors
/// [`BootError::NoProgram`].
pub fn program(machine: &Machine) -> Result<PathBuf, BootError> {
    image::program(
        machine.program,
        machine.package,
        "by which a virtual machine is started",
    )
}

impl Guest {
    /// Returns the arguments of qemu.
    pub fn arguments(&self) -> Vec<OsString> {
        let machine = self.machine;
        let mut words: Vec<OsString> = Vec::new();
        let mut add = |given: &[&str]| words.extend(given.iter().map(OsString::from));
        add(&[
            "-name",
            "rootless-install",
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
        ]);
        // Nobody but the monitor: the guest shall not reach this machine.
        add(&[
            "-nic",
            "none",
            "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny",
        ]);
        add(&["-machine", machine.machine]);
        match self.kvm {
            true => add(&["-accel", "kvm", "-cpu", "host"]),
            false => add(&["-accel", "tcg", "-cpu", machine.cpu]),
        }
        add(&["-m", &self.memory.to_string(), "-smp", &self.cpus.to_string()]);
        // It stops where the guest has halted, and can be asked then.
        add(&["-action", "reboot=shutdown,shutdown=pause", "-qmp", "stdio"]);
        let mut place = OsString::from("file,id=console,path=");
        place.push(escaped(&self.console));
        words.extend([
            "-chardev".into(),
            place,
            "-serial".into(),
            "chardev:console".into(),
        ]);
        words.extend(["-device".into(), format!("virtio-rng-{}", machine.bus).into()]);
        match &self.start {
            Start::Kernel(kernel) => {
                words.extend(["-kernel".into(), kernel.kernel.clone().into()]);
                if let Some(initrd) = &kernel.initrd {
                    words.extend(["-initrd".into(), initrd.clone().into()]);
                }
                words.extend(["-append".into(), self.options.clone().into()]);
            }
            Start::Firmware(file, None) => {
                words.extend(["-bios".into(), file.clone().into()]);
            }
            Start::Firmware(file, Some(variables)) => {
                for (access, file) in [("on", file), ("off", variables)] {
                    let mut flash = OsString::from(format!("if=pflash,format=raw,readonly={access},file="));
                    flash.push(escaped(file));
                    words.extend(["-drive".into(), flash]);
                }
                let place = machine.firmware.map(|firmware| firmware.place);
                if let Some(Place::Flash { guarded: true, .. }) = place {
                    words.extend([
                        "-global".into(),
                        "driver=cfi.pflash01,property=secure,value=on".into(),
                    ]);
                }
            }
        }
        if let Start::Firmware(..) = self.start {
            // What systemd-boot and systemd-stub add to the command line of the menu (systemd-boot(7), systemd-stub(7)).
            for name in ["boot", "stub"] {
                let options = self.options.replace(',', ",,");
                let word = format!("type=11,value=io.systemd.{name}.kernel-cmdline-extra={options}");
                words.extend(["-smbios".into(), word.into()]);
            }
        }
        for disk in &self.disks {
            let access = match disk.access {
                Access::Copy => "snapshot=on",
                Access::Read => "readonly=on",
                Access::Write => "readonly=off",
            };
            let mut drive = OsString::from(format!(
                "if=none,id={},format={},{access},file=",
                disk.serial, disk.format
            ));
            drive.push(escaped(&disk.path));
            let device = format!("virtio-blk-{},drive={1},serial={1}", machine.bus, disk.serial);
            words.extend(["-drive".into(), drive, "-device".into(), device.into()]);
        }
        words
    }

    /// Returns the words for the kernel by which any guest starts, before `more`.
    pub fn words(machine: &Machine, kernel: Option<&Kernel>, run: bool, more: Option<&str>) -> String {
        let mut words = Vec::new();
        if let Some(kernel) = kernel {
            // Without an initrd there is no udev yet.
            words.push(match kernel.initrd {
                Some(_) => format!("root=/dev/disk/by-id/virtio-{} rw", guest::ROOT),
                None => "root=/dev/vda rw".to_owned(),
            });
        }
        words.push(format!(
            "console={} panic=-1 systemd.firstboot=off systemd.show_status=true systemd.log_color=0 \
             systemd.status_unit_format=combined",
            machine.console
        ));
        if run {
            words.push(guest::OPTIONS.to_owned());
        }
        words.extend(more.map(str::to_owned));
        words.join(" ")
    }

    /// Starts it.
    ///
    /// # Errors
    /// Those of executing qemu.
    pub fn start(&self) -> Result<Qemu, BootError> {
        let said = self.scratch.join("qemu.log");
        let log = File::create(&said).map_err(BootError::file("write", &said))?;
        let mut command = Command::new(&self.program);
        command
            .args(self.arguments())
            .env("TMPDIR", &self.scratch)
            .current_dir(&self.scratch)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        sys::die_with_parent(&mut command);
        let failed = |source| BootError::Execute {
            path: self.program.clone(),
            source,
        };
        let mut child = command.spawn().map_err(failed)?;
        let (sender, messages) = channel();
        if let Some(output) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if let Ok(message) = serde_json::from_str(&line)
                        && sender.send(message).is_err()
                    {
                        break;
                    }
                }
            });
        }
        let mut qemu = Qemu {
            input: child.stdin.take(),
            child,
            messages,
            said,
            peak: 0,
            disks: Value::Null,
            asked: false,
        };
        qemu.send(&json!({ "execute": "qmp_capabilities" }));
        Ok(qemu)
    }
}

/// Returns a path as a value in a list of options: a comma is doubled.
fn escaped(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        bytes.push(*byte);
        if *byte == b',' {
            bytes.push(b',');
        }
    }
    OsString::from_vec(bytes)
}

/// qemu, running; killed where this is dropped.
pub struct Qemu {
    child: Child,
    input: Option<ChildStdin>,
    messages: Receiver<Value>,
    said: PathBuf,
    peak: u64,
    /// What the monitor has told of the disks last.
    disks: Value,
    /// Whether it has not answered yet.
    asked: bool,
}

/// What the monitor has told of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It has halted.
    Halted,
    /// Its kernel has panicked.
    Panicked,
}

impl Qemu {
    fn send(&mut self, message: &Value) {
        // Where it does not read any more, its end is noticed.
        if let Some(input) = &mut self.input {
            let _ = writeln!(input, "{message}").and_then(|()| input.flush());
        }
    }

    /// Waits for an event for a while.
    pub fn event(&mut self, patience: Duration) -> Option<Event> {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left) {
                Ok(message) => match message.get("event").and_then(Value::as_str) {
                    Some("SHUTDOWN") => return Some(Event::Halted),
                    Some("GUEST_PANICKED") => return Some(Event::Panicked),
                    _ => _ = self.take_disks(message),
                },
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(left);
                    return None;
                }
            }
        }
    }

    /// Returns how it has ended; none while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Returns its last words.
    pub fn said(&self) -> String {
        let text = std::fs::read(&self.said).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.trim().lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Returns the most memory it has had in bytes, so far.
    pub fn peak_memory(&mut self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        self.peak = self.peak.max(kib.unwrap_or_default() * 1024);
        self.peak
    }

    /// Asks for what the monitor knows of the disks, which [`event`](Self::event) takes in: on machines that end qemu when they
    /// halt it cannot be asked in the end.
    pub fn ask_for_disks(&mut self) {
        // One that does not read would have the pipe full in the end.
        if std::mem::replace(&mut self.asked, true) {
            return;
        }
        self.send(&json!({ "execute": "query-blockstats", "id": "disks" }));
    }

    /// Takes in a message that tells of the disks. Returns whether it does.
    fn take_disks(&mut self, message: Value) -> bool {
        let is_answer = message.get("id").and_then(Value::as_str) == Some("disks");
        if is_answer {
            self.asked = false;
            if let Some(told) = message.get("return") {
                self.disks = told.clone();
            }
        }
        is_answer
    }

    /// Returns what the monitor tells of the disks, or told last; null where it never did.
    pub fn disks(&mut self) -> Value {
        // What was asked before is answered first.
        while let Ok(message) = self.messages.try_recv() {
            self.take_disks(message);
        }
        self.ask_for_disks();
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left) {
                Ok(message) => {
                    if self.take_disks(message) {
                        return self.disks.take();
                    }
                }
                Err(_) => return self.disks.take(),
            }
        }
    }

    /// Ends it.
    pub fn quit(mut self) {
        self.send(&json!({ "execute": "quit" }));
        self.input = None;
        let until = Instant::now() + PATIENCE;
        while self.ended().is_none() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(start: Start) -> Guest {
        Guest {
            machine: Machine::of("s390x").unwrap(),
            program: "qemu".into(),
            start,
            options: "a,b".to_owned(),
            disks: vec![Disk {
                serial: guest::ROOT,
                path: "/a,b".into(),
                format: "raw",
                access: Access::Copy,
            }],
            memory: 1024,
            cpus: 2,
            console: "/log".into(),
            kvm: false,
            scratch: "/tmp".into(),
        }
    }

    #[test]
    fn disks_are_not_changed_and_there_is_no_network() {
        let words = guest(Start::Kernel(Kernel {
            kernel: "/k".into(),
            initrd: None,
        }))
        .arguments();
        let text = words.join(std::ffi::OsStr::new(" ")).into_string().unwrap();
        assert!(text.contains("-nic none") && text.contains("virtio-blk-ccw,drive=ri-root"));
        assert!(text.contains("snapshot=on,file=/a,,b") && text.contains("-kernel /k -append a,b"));
        let firmware = guest(Start::Firmware("/f".into(), None)).arguments();
        let text = firmware.join(std::ffi::OsStr::new(" ")).into_string().unwrap();
        assert!(text.contains("io.systemd.stub.kernel-cmdline-extra=a,,b") && !text.contains("-kernel"));
        assert!(text.contains("-bios /f"));
        let flash = Guest {
            machine: Machine::of("i386").unwrap(),
            ..guest(Start::Firmware("/f".into(), Some("/v".into())))
        };
        let text = flash
            .arguments()
            .join(std::ffi::OsStr::new(" "))
            .into_string()
            .unwrap();
        assert!(
            text.contains("readonly=on,file=/f")
                && text.contains("readonly=off,file=/v")
                && text.contains("secure")
        );
    }

    #[test]
    fn options_say_where_the_root_is() {
        let machine = Machine::of("arm64").unwrap();
        let kernel = Kernel {
            kernel: "/k".into(),
            initrd: Some("/i".into()),
        };
        let words = Guest::words(machine, Some(&kernel), true, Some("quiet"));
        assert!(words.starts_with("root=/dev/disk/by-id/virtio-ri-root rw console=ttyAMA0 "));
        assert!(words.ends_with(" quiet") && words.contains("systemd.run="));
        assert!(!Guest::words(machine, None, false, None).contains("root="));
    }
}
