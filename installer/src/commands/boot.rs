//! `boot`: a virtual machine starts what was made, and is watched. The only command that runs one.

use super::error::Error;
use crate::boot::guest::{self, Told};
use crate::boot::image::{self, Ext, Kernel, Kind, Names};
use crate::boot::machine::Machine;
use crate::boot::qemu::{self, Access, Disk, Guest, Start};
use crate::boot::watch::{Seen, Until, Watch};
use crate::boot::{BootError, Failure, OutPath, Results, check_places};
use crate::finished;
use crate::input::{self, Input};
use crate::output::{Facts, Format, Generation, ImageOptions, Output as _, Sink, Source};
use crate::staging::Staging;
use crate::statistics::StatisticsError;
use crate::statistics::on_disk;
use crate::whole_file::WholeFile;
use deb_arch::Architecture;
use rootless_install_fs::{FileType, Marker, Target};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use task_progress::{Cancel, Reporter, Stage};

/// Bytes that are free in the image that is made of a target.
const FREE: u64 = 1 << 30;
/// Form of the statistics: another number where a program that reads them would have to change.
const FORM: u64 = 1;

/// Settings of the command.
#[derive(Clone, Debug)]
pub struct BootSettings {
    /// The target, an archive of one, or an image.
    pub what: PathBuf,
    /// Architecture, where nothing says it.
    pub arch: Option<&'static Architecture>,
    /// Size of the memory in bytes.
    pub memory: u64,
    /// Number of processors.
    pub cpus: u32,
    /// Further words for the kernel.
    pub append: Option<String>,
    /// What is waited for, and how long.
    pub watch: Watch,
    /// Script that runs in the guest.
    pub run: Option<PathBuf>,
    /// What is brought out.
    pub out: Vec<OutPath>,
    /// Size of the disk on which results come out, in bytes.
    pub out_size: u64,
    /// File for the console.
    pub log: Option<PathBuf>,
    /// File for statistics.
    pub stats: Option<PathBuf>,
    /// Directory for temporary files.
    pub temporary: PathBuf,
}

/// How it ended.
#[derive(Debug)]
pub struct Booted {
    /// Time until it was up; none where it was not.
    pub boot: Option<Duration>,
    /// Exit status of the script, where there was one and it has ended.
    pub status: Option<u8>,
    /// What the script has said.
    pub output: Vec<u8>,
    /// The failure, with the last lines of the console.
    pub failure: Option<(Failure, Vec<String>)>,
}

/// What a guest is made of.
struct Found {
    machine: &'static Machine,
    start: Start,
    root: Disk,
}

/// Starts it and returns how it ended. Nothing of what was given is changed.
///
/// # Errors
/// It could not be started, or its results not be written.
pub fn run(settings: &BootSettings, reporter: &dyn Reporter, cancel: &Cancel) -> Result<Booted, Error> {
    let stats = settings
        .stats
        .as_deref()
        .map(|path| WholeFile::begin(path).map_err(|source| StatisticsError::new(path, source)));
    let stats = stats.transpose()?;
    let script = settings
        .run
        .as_deref()
        .map(|path| std::fs::read(path).map_err(BootError::file("read", path)));
    let script = script.transpose()?;
    if !settings.what.exists() {
        return Err(Error::Boot(BootError::Image {
            path: settings.what.clone(),
            what: "not there".to_owned(),
        }));
    }
    let temporary = std::path::absolute(&settings.temporary).unwrap_or_else(|_| settings.temporary.clone());
    let staging = Staging::scratch(&temporary)?;
    let scratch = staging.make_scratch()?;
    let work = Work {
        settings,
        scratch: &scratch,
        reporter,
        cancel,
    };
    let found = work.find(&staging)?;
    check_places(&settings.out)?;
    let program = qemu::program(found.machine)?;
    let paths: Vec<&str> = settings.out.iter().map(|out| out.path.as_str()).collect();
    let unit = match &settings.watch.until {
        Until::Unit(unit) => unit.as_str(),
        _ => "multi-user.target",
    };
    let results = scratch.join("results");
    let mut disks = vec![found.root];
    if let Some(script) = &script {
        let own = guest::script(unit, script.len() as u64, &paths);
        for (serial, content, size, access) in [
            (guest::RUN, own.as_slice(), 0, Access::Read),
            (guest::SCRIPT, script.as_slice(), 0, Access::Read),
            (guest::OUT, &[], settings.out_size, Access::Write),
        ] {
            let path = match serial {
                guest::OUT => results.clone(),
                serial => scratch.join(serial),
            };
            guest::write_disk(&path, content, size)?;
            disks.push(Disk {
                serial,
                path,
                format: "raw",
                access,
            });
        }
    }
    let console = match &settings.log {
        Some(log) => std::path::absolute(log).map_err(BootError::file("write", log))?,
        None => scratch.join("console"),
    };
    std::fs::write(&console, b"").map_err(BootError::file("write", &console))?;
    let kernel = match &found.start {
        Start::Kernel(kernel) => Some(kernel),
        Start::Firmware(..) => None,
    };
    let mut guest = Guest {
        machine: found.machine,
        program,
        options: Guest::words(
            found.machine,
            kernel,
            script.is_some(),
            settings.append.as_deref(),
        ),
        start: found.start,
        disks,
        memory: settings.memory.div_ceil(1 << 20),
        cpus: settings.cpus,
        console,
        kvm: qemu::has_kvm(found.machine, Architecture::native().name),
        scratch: scratch.clone(),
    };
    cancel.check()?;
    reporter.note(&format!(
        "starting a virtual machine of {}{}",
        guest.machine.name,
        if guest.kvm {
            " by KVM"
        } else {
            ", whose processor is emulated"
        }
    ));
    let follow = |guest: &Guest| -> Result<Seen, Error> {
        let watch = &settings.watch;
        Ok(watch.follow(guest.start()?, &guest.console, reporter, cancel)??)
    };
    let mut seen = follow(&guest)?;
    // KVM may be there and not work, in a virtual machine for one.
    if guest.kvm && seen.console == 0 && matches!(seen.failure, Some(Failure::Qemu { .. })) {
        reporter.warn("KVM does not work here, so the processor is emulated");
        guest.kvm = false;
        seen = follow(&guest)?;
    }
    let mut booted = Booted {
        boot: seen.boot,
        status: None,
        output: Vec::new(),
        failure: None,
    };
    if script.is_some() {
        let told = Told::read(&results)?;
        let came = Results {
            told: &told,
            disk: &results,
        };
        booted.output = came.output()?;
        if seen.failure.is_none() {
            booted.status = told.status;
            seen.failure = told.failure(unit, &paths);
            if told.status.is_none() {
                seen.failure = Some(Failure::Halted {
                    awaited: "the script had given its exit status".to_owned(),
                });
            }
            let left_out = came.unpack(&settings.out)?;
            if left_out > 0 {
                reporter.warn(&format!(
                    "{left_out} devices, pipes and the like were not brought out"
                ));
            }
        }
    }
    if let Some(file) = stats {
        let figures = figures(&guest, &seen, booted.status, on_disk(staging.directory()));
        let path = file.path().to_owned();
        let text = format!("{figures:#}\n");
        file.finish(text.as_bytes())
            .map_err(|source| StatisticsError::new(&path, source))?;
    }
    booted.failure = seen.failure.map(|failure| (failure, seen.last));
    Ok(booted)
}

/// Returns the figures: times in seconds, sizes in bytes.
fn figures(guest: &Guest, seen: &Seen, status: Option<u8>, disk: u64) -> Value {
    let seconds = |time: Duration| (time.as_secs_f64() * 1000.0).round() / 1000.0;
    let disks = seen.disks.as_array().into_iter().flatten().filter_map(|told| {
        let name = told.get("device")?.as_str()?.strip_prefix("ri-")?;
        let number = |field: &str| {
            told.get("stats")
                .and_then(|all| all.get(field))
                .and_then(Value::as_u64)
        };
        let sectors = |field: &str| number(field).map(|bytes| bytes.div_ceil(512));
        Some((
            name.to_owned(),
            json!({
                "bytes_read": number("rd_bytes"),
                "bytes_written": number("wr_bytes"),
                "sectors_read": sectors("rd_bytes"),
                "sectors_written": sectors("wr_bytes"),
            }),
        ))
    });
    json!({
        "form": FORM,
        "architecture": guest.machine.name,
        "accelerator": if guest.kvm { "kvm" } else { "tcg" },
        "cpus": guest.cpus,
        "memory": guest.memory << 20,
        "seconds": seconds(seen.elapsed),
        "boot_seconds": seen.boot.map(seconds),
        "seen": seen.line,
        "status": status,
        "failure": seen.failure.as_ref().map(ToString::to_string),
        "console": seen.console,
        "disks": disks.collect::<serde_json::Map<String, Value>>(),
        "peak": { "memory": seen.memory, "disk": disk },
    })
}

/// Finding out what is to boot.
struct Work<'a> {
    settings: &'a BootSettings,
    scratch: &'a Path,
    reporter: &'a dyn Reporter,
    cancel: &'a Cancel,
}

impl Work<'_> {
    fn find(&self, staging: &Staging) -> Result<Found, Error> {
        let what = &self.settings.what;
        if what.is_dir() {
            let target = finished::open(what)?;
            let _held = finished::hold(&target, false)?;
            return self.of_target(&target);
        }
        match image::kind(what)? {
            Kind::Ext => self.of_filesystem(),
            kind @ (Kind::Disk | Kind::Qcow2) => self.of_disk(kind),
            Kind::Other => {
                let root = staging.root();
                std::fs::create_dir(&root).map_err(BootError::file("make", &root))?;
                let target = Target::open(&root)?;
                let scratch = self.scratch.join("archive");
                std::fs::create_dir(&scratch).map_err(BootError::file("make", &scratch))?;
                {
                    let _stage = self.reporter.stage(Stage::Archive);
                    input::unpack(&Input::File(what.clone()), &target, &scratch, self.cancel)?;
                }
                Marker::write(&root).map_err(|source| Error::Marker { path: root, source })?;
                self.of_target(&target)
            }
        }
    }

    /// Returns the machine of an architecture that was found, or of the one that was given.
    fn machine(&self, found: Option<&str>) -> Result<&'static Machine, BootError> {
        let given = self.settings.arch.map(|arch| arch.name);
        let architecture = given.or(found).ok_or_else(|| BootError::NoArchitecture {
            path: self.settings.what.clone(),
        })?;
        let machine = Machine::of(architecture).ok_or_else(|| BootError::NoMachine {
            architecture: architecture.to_owned(),
        })?;
        // Before anything is made that takes long.
        qemu::program(machine)?;
        Ok(machine)
    }

    fn of_filesystem(&self) -> Result<Found, Error> {
        let what = &self.settings.what;
        let image = Ext::new(what, self.scratch)?;
        let machine = match self.settings.arch {
            Some(_) => self.machine(None)?,
            None => self.machine(image.architecture()?.as_deref())?,
        };
        let kernel = image.kernel(machine)?;
        self.found(machine, Start::Kernel(kernel), what.clone(), "raw")
    }

    fn of_disk(&self, kind: Kind) -> Result<Found, Error> {
        let what = &self.settings.what;
        let (table, format) = match kind {
            Kind::Qcow2 => {
                let table = self.scratch.join("table");
                image::beginning(what, &table)?;
                (table, "qcow2")
            }
            _ => (what.clone(), "raw"),
        };
        let machine = image::machine_of_disk(&table)?;
        let machine = self.machine(machine.map(|machine| machine.name))?;
        let firmware = qemu::firmware(machine, self.scratch)?;
        self.found(machine, firmware, what.clone(), format)
    }

    fn found(
        &self,
        machine: &'static Machine,
        start: Start,
        path: PathBuf,
        format: &'static str,
    ) -> Result<Found, Error> {
        let path = std::path::absolute(&path).map_err(BootError::file("open", &path))?;
        Ok(Found {
            machine,
            start,
            root: Disk {
                serial: guest::ROOT,
                path,
                format,
                access: Access::Copy,
            },
        })
    }

    /// Makes an image of a target, with its kernel and initrd beside it.
    fn of_target(&self, target: &Target) -> Result<Found, Error> {
        let architecture = finished::architecture(target)?;
        let machine = self.machine(architecture.map(|arch| arch.name))?;
        let kernel = self.kernel_of(target, machine)?;
        let options = ImageOptions {
            free: Some(FREE),
            ..ImageOptions::default()
        };
        let format = Format::Ext(Generation::Ext4);
        format.check(&options)?;
        let making = self.scratch.join("making");
        std::fs::create_dir(&making).map_err(BootError::file("make", &making))?;
        let image = self.scratch.join("root.ext4");
        let source = Source {
            target,
            options: &options,
            source_date_epoch: None,
            architecture: machine.name,
            lock: None,
            facts: &Facts::default(),
            scratch: &making,
            reporter: self.reporter,
            cancel: self.cancel,
        };
        {
            let _stage = self.reporter.stage(Stage::Output);
            format.write(&source, &mut Sink::Path(image.clone()))?;
        }
        self.found(machine, Start::Kernel(kernel), image, "raw")
    }

    fn kernel_of(&self, target: &Target, machine: &Machine) -> Result<Kernel, Error> {
        let boot = Path::new("/boot");
        let names = match target.read_dir(boot) {
            Err(error) if error.is_not_found() => Vec::new(),
            names => names?,
        };
        let regular = names.iter().filter_map(|name| {
            let found = target.stat(&boot.join(name)).ok()?;
            (found.meta.kind == FileType::Regular)
                .then(|| name.to_str())
                .flatten()
        });
        let Names { kernel, initrd } = image::newest(regular).ok_or_else(|| BootError::NoKernel {
            path: self.settings.what.clone(),
            package: machine.kernel,
        })?;
        let copy = |name: &str, to: &str| -> Result<PathBuf, Error> {
            let to = self.scratch.join(to);
            let content = target.read(&boot.join(name))?;
            std::fs::write(&to, content).map_err(BootError::file("write", &to))?;
            Ok(to)
        };
        Ok(Kernel {
            kernel: copy(&kernel, "kernel")?,
            initrd: initrd.map(|name| copy(&name, "initrd")).transpose()?,
        })
    }
}
