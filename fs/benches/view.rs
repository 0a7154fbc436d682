//! Cost of a view beside the directory that it shows: `cargo bench --package rootless-install-fs`,
//! as root or as a user with a range in `/etc/subuid`.
//!
//! Each thing is done to the disk and to the view, in one user namespace, by a process that shares a
//! processor with the server, as scripts do; Criterion measures what can be repeated. What is new to the
//! kernel only once is done to one directory after another. Root has the kernel forget all that is on the disk before
//! (proc(5), `drop_caches`); for others it is new to the view only. What is written is on the disk in the end. There are
//! two tables, for a view that redirects executions itself, as before Linux 6.7, and so is told of opens, and
//! for one that does not: they have the medians and how many times as long the view takes.

#[path = "../tests/view/namespace.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod namespace;

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use criterion::Criterion;
use namespace::{Case, Inside};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use rootless_install_fs::{ElfIdentity, FileType, Meta, Redirect, ServeOptions, Target};

/// Directories that are walked once, and files in each.
const DIRECTORIES: usize = 16;
const FILES: usize = 1000;
/// Size of the file that is read and written from one end to the other.
const SIZE: usize = 32 << 20;
const CHUNK: usize = 1 << 20;

fn main() -> ExitCode {
    let case = |name, prepare, inside| Case {
        name,
        prepare,
        inside,
        step: |outside, _| outside.threads.iter().copied().for_each(stay),
        after: |_| {},
    };
    let cases = [
        case("a view that redirects", redirecting, |t| inside(t, true)),
        case("a view that does not", plain, |t| inside(t, false)),
    ];
    if let Some(name) = std::env::var_os(namespace::CASE) {
        for case in cases.iter().filter(|case| name == case.name) {
            namespace::run_inside(case);
        }
        return ExitCode::SUCCESS;
    }
    if let Err(reason) = namespace::possible() {
        eprintln!("it cannot be measured here: {reason}");
        return ExitCode::FAILURE;
    }
    let done = cases.iter().all(namespace::run_outside);
    ExitCode::from(u8::from(!done))
}

/// The processor that everything is on.
const PROCESSOR: usize = 0;

fn stay(thread: i32) {
    let mut set = CpuSet::new();
    set.set(PROCESSOR).unwrap();
    sched_setaffinity(Pid::from_raw(thread), &set).unwrap();
}

fn file(directory: usize, number: usize) -> String {
    format!("d{directory}/file-{number}")
}

fn redirecting(target: &Target, scratch: &Path) -> ServeOptions {
    plain(target, scratch);
    let bytes = fs::read("/bin/true").unwrap();
    let interpreter = scratch.join("true");
    fs::copy("/bin/true", &interpreter).unwrap();
    ServeOptions {
        redirect: Some(Redirect {
            interpreter,
            argument: None,
            arguments: Vec::new(),
            native: ElfIdentity {
                machine: u16::from_le_bytes([bytes[18], bytes[19]]),
                class_bits: if bytes[4] == 2 { 64 } else { 32 },
                big_endian: bytes[5] == 2,
            },
        }),
        ..ServeOptions::default()
    }
}

fn plain(target: &Target, _: &Path) -> ServeOptions {
    let meta = |kind, mode| Meta::of_root(kind, mode);
    for directory in 0..DIRECTORIES {
        let path = format!("d{directory}");
        target
            .make_dir(Path::new(&path), &meta(FileType::Directory, 0o755))
            .unwrap();
        for number in 0..FILES {
            let path = file(directory, number);
            let regular = meta(FileType::Regular, 0o644);
            target.write(Path::new(&path), &[b'x'; 1024], &regular).unwrap();
        }
    }
    let program = meta(FileType::Regular, 0o755);
    let bytes = fs::read("/bin/true").unwrap();
    // The same program for a machine that nobody has, and so executed by an interpreter.
    let mut foreign = bytes.clone();
    foreign[18] ^= 0x55;
    target.write(Path::new("native"), &bytes, &program).unwrap();
    target.write(Path::new("foreign"), &foreign, &program).unwrap();
    for number in 0..DIRECTORIES {
        let regular = meta(FileType::Regular, 0o644);
        target
            .write(Path::new(&format!("large-{number}")), &vec![b'x'; SIZE], &regular)
            .unwrap();
    }
    ServeOptions::default()
}

/// One line of the table.
struct Line {
    what: &'static str,
    disk: Duration,
    view: Duration,
}

fn inside(t: &Inside, redirects: bool) {
    stay(0);
    t.step(0);
    let results = t.dir.join("criterion");
    let mut criterion = Criterion::default()
        .without_plots()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .output_directory(&results);
    let disk = t.dir.join("target");
    let mut lines = vec![
        once("walk with stat, for the first time", &disk, t, |root, number| {
            for entry in fs::read_dir(root.join(format!("d{number}"))).unwrap() {
                black_box(entry.unwrap().metadata().unwrap());
            }
        }),
        once("read 32 MiB, for the first time", &disk, t, |root, number| {
            read(&root.join(format!("large-{number}")));
        }),
        once("write 32 MiB", &disk, t, |root, number| {
            let side = if root == disk { "disk" } else { "view" };
            let name = format!("new-{side}-{number}");
            write(&root.join(&name));
            File::open(disk.join(&name)).unwrap().sync_all().unwrap();
        }),
    ];
    let mut both = |what: &'static str, run: &dyn Fn(&Path)| {
        let mut group = criterion.benchmark_group(what);
        group.bench_function("disk", |bencher| bencher.iter(|| run(&disk)));
        group.bench_function("view", |bencher| bencher.iter(|| run(&t.view)));
        group.finish();
        let median = |side| median(&results, what, side);
        lines.push(Line {
            what,
            disk: median("disk"),
            view: median("view"),
        });
    };
    both("stat", &|root| {
        black_box(fs::metadata(root.join("d0/file-1")).unwrap());
    });
    both("open and close", &|root| {
        black_box(File::open(root.join("d0/file-1")).unwrap());
    });
    both("open, read 1 KiB and close", &|root| {
        black_box(fs::read(root.join("d0/file-1")).unwrap());
    });
    both("look for what is not there", &|root| {
        black_box(root.join("d0/none").exists());
    });
    both("make, write, remove a file", &|root| {
        fs::write(root.join("made"), "x").unwrap();
        fs::remove_file(root.join("made")).unwrap();
    });
    both("walk a known directory with stat", &|root| {
        for entry in fs::read_dir(root.join("d0")).unwrap() {
            black_box(entry.unwrap().metadata().unwrap());
        }
    });
    both("read 32 MiB again", &|root| read(&root.join("large-0")));
    both("execute a native program", &|root| execute(&root.join("native")));
    if redirects {
        both("execute a foreign program, by an interpreter", &|root| {
            // The disk's own is the native one.
            let name = if root == t.view { "foreign" } else { "native" };
            execute(&root.join(name));
        });
    }
    print(redirects, &lines);
}

/// Times an operation that is possible only once on a file: the median of many files.
fn once(what: &'static str, disk: &Path, t: &Inside, run: impl Fn(&Path, usize)) -> Line {
    let timed = |root: &Path| {
        let mut times: Vec<Duration> = (0..DIRECTORIES)
            .map(|number| {
                forget_the_disk();
                let started = Instant::now();
                run(root, number);
                started.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[DIRECTORIES / 2]
    };
    // The disk first: what is read there is in memory when the view reads it.
    let disk = timed(disk);
    Line {
        what,
        disk,
        view: timed(&t.view),
    }
}

/// Takes what is read from the disk out of memory, where that is allowed.
fn forget_the_disk() {
    rustix::fs::sync();
    // A file system in memory stays, and so does all for who is not root.
    let _ = fs::write("/proc/sys/vm/drop_caches", "3");
}

fn read(path: &Path) {
    let mut file = File::open(path).unwrap();
    let mut buffer = vec![0; CHUNK];
    while file.read(&mut buffer).unwrap() > 0 {}
}

fn write(path: &Path) {
    let mut file = File::create(path).unwrap();
    let buffer = vec![b'y'; CHUNK];
    for _ in 0..SIZE / CHUNK {
        file.write_all(&buffer).unwrap();
    }
}

fn execute(program: &Path) {
    assert!(Command::new(program).status().unwrap().success());
}

/// The median that Criterion has found, from its file.
fn median(results: &Path, group: &str, side: &str) -> Duration {
    let directory: PathBuf = results.join(group.replace(['/', '"'], "_")).join(side);
    let text = fs::read_to_string(directory.join("new/estimates.json")).unwrap();
    let estimates: serde_json::Value = serde_json::from_str(&text).unwrap();
    let nanoseconds = estimates["median"]["point_estimate"].as_f64().unwrap();
    Duration::from_secs_f64(nanoseconds / 1e9)
}

fn print(redirects: bool, lines: &[Line]) {
    let title = if redirects {
        "a view that redirects executions itself"
    } else {
        "a view that redirects nothing"
    };
    let mut table = format!("\n{title}:\n");
    table += "\n| | disk, µs | view, µs | times |\n|---|--:|--:|--:|\n";
    for Line { what, disk, view } in lines {
        let [disk, view] = [disk, view].map(|time| time.as_secs_f64() * 1e6);
        table += &format!("| {what} | {disk:.1} | {view:.1} | {:.2} |\n", view / disk);
    }
    std::io::stdout().write_all(table.as_bytes()).unwrap();
}
