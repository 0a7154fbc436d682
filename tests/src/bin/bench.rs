//! How long a root filesystem takes, beside others that make one, and beside the
//! least that there is to do. `--help` tells how.
//!
//! All read one pinned mirror, with warm caches, and take turns, so that what the
//! machine does besides hits all alike. rootless-install has a cache of its own;
//! mmdebstrap has none, so its packages come from the pinned mirror on loopback
//! each time, from the page cache: some tenths of a second.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use rootless_install_tests::bench::peers::{self, Job, Peer};
use rootless_install_tests::bench::run::{command, measured, remove, succeed};
use rootless_install_tests::bench::{calls, execution, floor, in_target, scale, together, usage};
use rootless_install_tests::error::At as _;
use rootless_install_tests::fidelity::reference::Emulation;
use rootless_install_tests::probe::Need;
use rootless_install_tests::real::Real;
use rootless_install_tests::{Error, Result, elf};
use usage::Usage;

const USAGE: &str = "\
usage: bench [OPTION]…

  --runs N            runs of each, after one that fills the caches of those that have any [5]
  --arch ARCH         architecture; may be given more than once [riscv64 and this machine's]
  --variant VARIANT   variant; may be given more than once [minbase]
  --include LIST      packages besides
  --hooks             with three customize hooks, in each of which the target's apt-get installs packages: riscv64, variant apt
  --peer PEER         own, own-cold, own-chrootless, chrootless, unshare, debootstrap, cdebootstrap, floor or scripts;
                      may be given more than once [all]

usage: bench --scale FILE.svg

  Time against the number of packages and of files, in synthetic archives: a table, and a plot in FILE.svg.

usage: bench --execution

  What an execution costs: of a foreign program in the view, of its native counterpart there, and outside.

usage: bench --dpkg

  Calls of dpkg on a root filesystem, by this program in chrootless mode and in the view, and by this machine's dpkg.

usage: bench --run

  apt-get in a target that is there, beside what the same packages take more in an installation.

usage: bench --together

  1, 2, 4 and 8 runs of this program at once, riscv64 minbase, with one cache; also 1 and 4 from an empty one.
";

struct Options {
    runs: usize,
    archs: Vec<String>,
    variants: Vec<String>,
    include: String,
    hooks: bool,
    peers: Vec<Peer>,
}

fn options() -> Option<Options> {
    let mut options = Options {
        runs: 5,
        archs: Vec::new(),
        variants: Vec::new(),
        include: String::new(),
        hooks: false,
        peers: Vec::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--runs" => options.runs = arguments.next()?.parse().ok().filter(|runs| *runs > 0)?,
            "--arch" => options.archs.push(arguments.next()?),
            "--variant" => options.variants.push(arguments.next()?),
            "--include" => options.include = arguments.next()?,
            "--hooks" => options.hooks = true,
            "--peer" => {
                let name = arguments.next()?;
                options
                    .peers
                    .push(*Peer::ALL.iter().find(|peer| peer.name() == name)?);
            }
            // cargo bench and cargo run hand this on.
            "--bench" => {}
            _ => return None,
        }
    }
    if options.hooks {
        // Those that have hooks.
        let [arch, variant] = ["riscv64", "apt"].map(str::to_owned);
        if options.archs.is_empty() {
            options.archs.push(arch);
        }
        if options.variants.is_empty() {
            options.variants.push(variant);
        }
        if options.peers.is_empty() {
            options.peers = vec![Peer::Own, Peer::Unshare];
        }
    }
    if options.archs.is_empty() {
        options.archs.push("riscv64".to_owned());
        options.archs.push(native().to_owned());
    }
    if options.variants.is_empty() {
        options.variants.push("minbase".to_owned());
    }
    if options.peers.is_empty() {
        options.peers = Peer::ALL.to_vec();
    }
    Some(options)
}

fn native() -> &'static str {
    elf::native().map_or("amd64", |machine| machine.debian)
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let result = match arguments
        .iter()
        .map(|text| text.to_str())
        .collect::<Vec<_>>()
        .as_slice()
    {
        // The two that it calls itself with.
        [Some("--record"), Some(file), Some(program), rest @ ..] => {
            let mut command = Command::new(program);
            command.args(rest.iter().flatten());
            return match usage::record(Path::new(file), &mut command) {
                Ok(status) => ExitCode::from(
                    status
                        .code()
                        .and_then(|code| u8::try_from(code).ok())
                        .unwrap_or(1),
                ),
                Err(error) => failed(&error),
            };
        }
        [Some("--scale"), Some(file)] => scale(Path::new(file)),
        [Some("--execution")] => execution(),
        [Some("--together")] => together(),
        [Some("--dpkg")] => dpkg(),
        [Some("--run")] => in_target(),
        [Some("--write-packages"), Some(list), Some(out)] => floor::run(Path::new(list), Path::new(out)),
        _ => match options() {
            Some(options) => run(&options),
            None => {
                let _ = std::io::stderr().write_all(USAGE.as_bytes());
                return ExitCode::from(2);
            }
        },
    };
    result.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
}

fn failed(error: &Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {error}");
    ExitCode::FAILURE
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn run(options: &Options) -> Result<()> {
    let mut needs = Need::TO_CONFIGURE.to_vec();
    needs.push(Need::Archive);
    if options
        .peers
        .iter()
        .any(|peer| !peer.has_cache() && !peer.is_floor())
    {
        // Others than this program, and the floor, which takes the packages that mmdebstrap asks for.
        needs.push(Need::Mmdebstrap);
    }
    if options.peers.contains(&Peer::Chrootless) {
        needs.push(Need::Fakeroot);
    }
    if let Some(why) = needs.iter().find_map(|need| need.missing()) {
        return Err(Error::Machine(why));
    }
    let foreign = options.archs.iter().any(|arch| arch != native());
    let _emulation = match foreign
        && options
            .peers
            .iter()
            .any(|peer| !peer.has_cache() && !peer.is_floor() && *peer != Peer::Chrootless)
    {
        true => Some(Emulation::on()?),
        false => None,
    };
    let real = Real::new()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for arch in &options.archs {
        for variant in &options.variants {
            let job = Job {
                arch: arch.clone(),
                variant: variant.clone(),
                include: options.include.clone(),
                hooks: options.hooks,
            };
            let mut besides = match job.include.as_str() {
                "" => String::new(),
                include => format!(" with {include}"),
            };
            if job.hooks {
                besides += &format!(" and hooks that install {}", peers::HOOKS.join(", "));
            }
            say(&format!(
                "## {arch} {variant}{besides}: {} runs each in turns, {cores} cores, on {}\n",
                options.runs,
                filesystem(&real.work.out(""))
            ));
            measure(&real, &job, options)?;
        }
    }
    Ok(())
}

fn scale(file: &Path) -> Result<()> {
    if let Some(why) = Need::TO_CONFIGURE.iter().find_map(|need| need.missing()) {
        return Err(Error::Machine(why));
    }
    say("| packages | files | seconds |\n|--:|--:|--:|");
    let line = |packages, files| {
        let point = scale::measure(packages, files)?;
        say(&format!("| {packages} | {files} | {:.2} |", point.seconds));
        Ok::<_, Error>(point)
    };
    let by_packages = scale::BY_PACKAGES.map(|packages| line(packages, packages * scale::FILES_EACH));
    let by_packages = by_packages.into_iter().collect::<Result<Vec<_>>>()?;
    let by_files = scale::BY_FILES.map(|files| line(scale::PACKAGES, files));
    let by_files = by_files.into_iter().collect::<Result<Vec<_>>>()?;
    scale::plot(file, &by_packages, &by_files)
}

fn execution() -> Result<()> {
    if let Some(why) = Need::TO_CONFIGURE.iter().find_map(|need| need.missing()) {
        return Err(Error::Machine(why));
    }
    say(&execution::table(&execution::measure()?));
    Ok(())
}

fn together() -> Result<()> {
    let needs = Need::TO_CONFIGURE.iter().chain(&[Need::Archive]);
    if let Some(why) = needs.into_iter().find_map(|need| need.missing()) {
        return Err(Error::Machine(why));
    }
    let job = Job {
        arch: "riscv64".to_owned(),
        variant: "minbase".to_owned(),
        include: String::new(),
        hooks: false,
    };
    say(&together::table(&together::measure(&Real::new()?, &job)?));
    Ok(())
}

fn dpkg() -> Result<()> {
    let needs = Need::TO_CONFIGURE.iter().chain(&[Need::Archive]);
    if let Some(why) = needs.into_iter().find_map(|need| need.missing()) {
        return Err(Error::Machine(why));
    }
    let (table, judged) = calls::table(&calls::measure(&Real::new()?, 9)?);
    say(&table);
    judged
}

fn in_target() -> Result<()> {
    let needs = Need::TO_CONFIGURE.iter().chain(&[Need::Archive]);
    if let Some(why) = needs.into_iter().find_map(|need| need.missing()) {
        return Err(Error::Machine(why));
    }
    let (table, judged) = in_target::table(&in_target::measure(&Real::new()?, 5)?);
    say(&table);
    judged
}

/// The type of the filesystem that a directory is on.
fn filesystem(path: &Path) -> &'static str {
    use nix::sys::statfs;
    let Ok(found) = statfs::statfs(path) else {
        return "an unknown filesystem";
    };
    match found.filesystem_type() {
        statfs::EXT4_SUPER_MAGIC => "ext4",
        statfs::TMPFS_MAGIC => "tmpfs",
        statfs::XFS_SUPER_MAGIC => "xfs",
        statfs::BTRFS_SUPER_MAGIC => "btrfs",
        _ => "another filesystem",
    }
}

struct Contestant {
    peer: Peer,
    runs: Vec<Usage>,
    failed: Option<String>,
}

fn measure(real: &Real, job: &Job, options: &Options) -> Result<()> {
    let mut contestants: Vec<Contestant> = options
        .peers
        .iter()
        .map(|peer| Contestant {
            peer: *peer,
            runs: Vec::new(),
            failed: peer.missing(job),
        })
        .collect();
    let list = packages(real, job, options)?;
    let scripts = options.peers.contains(&Peer::Scripts);
    if scripts {
        make_tree(real, job)?;
    }
    for round in 0..=options.runs {
        // The first round fills caches: nothing to be had from it for those that have none.
        let running = |one: &&mut Contestant| one.failed.is_none() && (round > 0 || one.peer.has_cache());
        for contestant in contestants.iter_mut().filter(running) {
            let fetched = real.mirror.fetched();
            let mut run = once(real, job, contestant.peer, &list);
            if round > 0 && run.is_ok() && real.mirror.fetched() != fetched {
                // The mirror did not have all of it yet, and has now.
                run = once(real, job, contestant.peer, &list);
            }
            match run {
                Ok(_) if round == 0 => {}
                Ok(usage) => contestant.runs.push(usage),
                Err(Error::Command { what, .. }) => contestant.failed = Some(what),
                Err(error) => return Err(error),
            }
        }
    }
    if scripts {
        let command_line = peers::removal(&real.work.out(peers::TREE));
        succeed("rm", &mut command(real, &command_line)?)?;
    }
    table(job, &contestants);
    Ok(())
}

/// The root filesystem of this machine's architecture in which scripts run.
fn make_tree(real: &Real, job: &Job) -> Result<()> {
    let native = Job {
        arch: native().to_owned(),
        ..job.clone()
    };
    let tree = real.work.out(peers::TREE);
    let command_line = Peer::Own.command(real, &native, &tree, Path::new(""));
    succeed("rootless-install", &mut command(real, &command_line)?).map(drop)
}

/// One run, whose result is removed.
fn once(real: &Real, job: &Job, peer: Peer, list: &Path) -> Result<Usage> {
    let target = real
        .work
        .out(if peer == Peer::Floor { "floor" } else { "root.tar" });
    if peer == Peer::OwnCold {
        remove(&real.work.path("cache/native-3"))?;
    }
    let words = peer.command(real, job, &target, list);
    let measured = measured(real, peer.name(), &words);
    remove(&target)?;
    measured
}

/// The packages of the job, for the floor: what this program asks the mirror for when its cache is empty,
/// without those of the native sysroot.
fn packages(real: &Real, job: &Job, options: &Options) -> Result<PathBuf> {
    let list = real.work.out("packages");
    if !options.peers.contains(&Peer::Floor) {
        return Ok(list);
    }
    real.mirror.forget();
    // The directory itself is the work directory's.
    let cache = real.work.path("cache");
    for entry in std::fs::read_dir(&cache).at(&cache)? {
        remove(&entry.at(&cache)?.path())?;
    }
    let target = real.work.out("root.tar");
    let command_line = Peer::Own.command(real, job, &target, &list);
    let made = succeed("rootless-install", &mut command(real, &command_line)?);
    remove(&target)?;
    made?;
    // The mirror's own files may lie below a directory that the user cannot enter.
    let place = real.work.path("debs");
    remove(&place)?;
    real.work.make_dir("debs")?;
    let mut paths = Vec::new();
    for request in real.mirror.requests() {
        let ours = [format!("_{}.deb", job.arch), "_all.deb".to_owned()];
        if ours.iter().any(|end| request.path.ends_with(end))
            && let Some(path) = real.mirror.file(&request.path)
        {
            let copy = place.join(path.file_name().unwrap_or_default());
            std::fs::copy(&path, &copy).at(&path)?;
            paths.push(copy.to_string_lossy().into_owned());
        }
    }
    paths.sort();
    paths.dedup();
    if paths.is_empty() {
        return Err(Error::Machine("the mirror was asked for no package".to_owned()));
    }
    let text = paths.join("\n");
    real.work.write("out/packages", text.as_bytes())
}

fn table(job: &Job, contestants: &[Contestant]) {
    let own = contestants.iter().find(|one| one.peer == Peer::Own);
    let own = own.map(|one| usage::median(&one.runs).wall);
    say(
        "| | seconds | least–most | processor seconds | peak MiB | read MB | written MB | this program's share |",
    );
    say("|---|--:|--:|--:|--:|--:|--:|--:|");
    for one in contestants {
        let title = one.peer.title(job, native());
        if let Some(why) = &one.failed {
            say(&format!("| {title} | fails: {why} |||||||"));
            continue;
        }
        let median = usage::median(&one.runs);
        let walls = || one.runs.iter().map(|usage| usage.wall);
        let share = own.map_or_else(String::new, |own| format!("{:.2}", own / median.wall));
        say(&format!(
            "| {title} | {:.2} | {:.2}–{:.2} | {:.2} | {:.0} | {:.0} | {:.0} | {share} |",
            median.wall,
            walls().fold(f64::INFINITY, f64::min),
            walls().fold(0.0, f64::max),
            median.cpu,
            median.memory as f64 / f64::from(1 << 20),
            median.read as f64 / 1e6,
            median.written as f64 / 1e6,
        ));
    }
    let both: Vec<f64> = contestants
        .iter()
        .filter(|one| one.peer.is_floor() && !one.runs.is_empty())
        .map(|one| usage::median(&one.runs).wall)
        .collect();
    if let (Some(own), [files, scripts]) = (own, both.as_slice()) {
        let sum = files + scripts;
        say(&format!(
            "| the last two, one after the other | {sum:.2} |||||| {:.2} |",
            own / sum
        ));
    }
    say("");
}
