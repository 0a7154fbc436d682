//! The root filesystem that a candidate is held against: the same packages from
//! the same mirror, installed with emulation by the mmdebstrap and apt of the target's
//! suite. For tests only; the program itself knows neither.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::unistd::geteuid;
use sha2::{Digest as _, Sha256};

use crate::account::Account;
use crate::deb::hex;
use crate::error::At as _;
use crate::listing::{Listing, SUFFIX};
use crate::program::{Workplace, limited, passing, place, which};
use crate::{Error, Result};

use super::cases::Case;
use super::state::{Release, States};

mod emulation;
mod tools;
pub use emulation::{Emulation, NoEmulation};
use tools::Tools;

const SECOND: &str = ".second.list.zst";

/// Where references come from and are kept.
#[derive(Clone, Debug)]
pub struct Maker {
    /// The mirror's URL.
    pub mirror: String,
    /// `SOURCE_DATE_EPOCH`.
    pub epoch: u64,
    /// Where listings of references are kept.
    pub dir: PathBuf,
    /// Where tars are kept, if they are.
    pub tars: Option<PathBuf>,
    /// How long one may take.
    pub limit: Duration,
}

impl Maker {
    /// Where references are kept unless somewhere else is named.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn usual_dir() -> Result<PathBuf> {
        let dir = place()?.join("reference");
        std::fs::create_dir_all(&dir).at(&dir)?;
        Ok(dir)
    }

    /// What tells the reference of a case from all others: the mirror's address
    /// and state, that of the tools' suite, and what the case is made of.
    ///
    /// # Errors
    /// When a file of the case cannot be read, or the mirror does not answer.
    pub fn key(&self, case: &Case, release: &Release) -> Result<String> {
        let tools = match case.tools.as_deref() {
            Some(_) => self.tools_release(case)?.hash,
            None => "of the suite".to_owned(),
        };
        let all = format!(
            "{}\n{}\n{}\n{}\ntools {tools}\n{}",
            crate::listing::FIRST,
            self.mirror,
            release.hash,
            self.epoch,
            case.made_of()?
        );
        Ok(hex(&Sha256::digest(all)).get(..16).unwrap_or_default().to_owned())
    }

    fn path(&self, case: &Case, release: &Release, end: &str) -> Result<PathBuf> {
        let name = format!("{}-{}{end}", case.id(), self.key(case, release)?);
        Ok(self.dir.join(name))
    }

    /// The reference of a case: the one that is kept, or a new one.
    ///
    /// That one cannot be made is kept, too, and tried anew only if `again`.
    ///
    /// # Errors
    /// When mmdebstrap fails; the error says why in one line.
    pub fn make(&self, case: &Case, release: &Release, again: bool) -> Result<Listing> {
        let path = self.path(case, release, SUFFIX)?;
        let failed = self.path(case, release, ".failed")?;
        if let Some(path) = self.kept(&path, case, release)? {
            return Listing::read(&path);
        }
        if let (false, Ok(what)) = (again, std::fs::read_to_string(&failed)) {
            return Err(fail(what));
        }
        match self.make_new(case, &place()?) {
            Ok(listing) => {
                listing.write(&path)?;
                let _ = std::fs::remove_file(&failed);
                Ok(listing)
            }
            Err(error) => {
                if let Error::Command { what, .. } = &error {
                    std::fs::write(&failed, what).at(&failed)?;
                }
                Err(error)
            }
        }
    }

    /// Whether a reference of a case is kept.
    ///
    /// # Errors
    /// As for [`Self::key`], or when the directory cannot be read.
    pub fn has(&self, case: &Case, release: &Release) -> Result<bool> {
        let path = self.path(case, release, SUFFIX)?;
        Ok(self.kept(&path, case, release)?.is_some())
    }

    /// The reference at `path`, or one of another case that is made of the same.
    fn kept(&self, path: &Path, case: &Case, release: &Release) -> Result<Option<PathBuf>> {
        if path.is_file() {
            return Ok(Some(path.to_owned()));
        }
        let end = format!("-{}{SUFFIX}", self.key(case, release)?);
        let files = std::fs::read_dir(&self.dir).at(&self.dir)?.flatten();
        let others = files.map(|file| file.path());
        Ok(others
            .into_iter()
            .find(|other| other.to_string_lossy().ends_with(&end)))
    }

    /// A second reference of a case, made like the first and kept as well; on another kind of filesystem
    /// if the machine has one with room, since each lists directories in an order of its own.
    ///
    /// # Errors
    /// As for [`Self::make`].
    pub fn make_second(&self, case: &Case, release: &Release) -> Result<Listing> {
        let path = self.path(case, release, SECOND)?;
        if path.is_file() {
            return Listing::read(&path);
        }
        let listing = self.make_new(case, &other_place()?)?;
        listing.write(&path)?;
        Ok(listing)
    }

    /// Takes a tar that was made in the same way as the reference of a case, or
    /// as the second one.
    ///
    /// # Errors
    /// When it is not sound.
    pub fn adopt(&self, case: &Case, release: &Release, tar: &Path, second: bool) -> Result<Listing> {
        let listing = Listing::of_tar(tar)?;
        let end = if second { SECOND } else { SUFFIX };
        listing.write(&self.path(case, release, end)?)?;
        Ok(listing)
    }

    /// The Release file of the suite whose mmdebstrap and apt make the reference of a case.
    fn tools_release(&self, case: &Case) -> Result<Release> {
        States::default().of(&self.mirror, case.tools())
    }

    fn tools(&self, case: &Case) -> Result<Tools> {
        let state = self.tools_release(case)?.hash;
        let name = state.get(..12).unwrap_or_default();
        let archive = case.archive_of(&self.mirror, case.tools());
        Tools::of(&self.dir, case.tools(), name, &archive, self.limit)
    }

    /// What mmdebstrap's mode chrootless makes of a case, as the account and under fakeroot(1).
    ///
    /// # Errors
    /// When it fails; the error says why in one line.
    pub fn make_chrootless(&self, case: &Case, work: &Workplace, tar: &Path) -> Result<()> {
        let fakeroot = which("fakeroot").unwrap_or_else(|| PathBuf::from("fakeroot"));
        let mut command = limited::limited(work.account(), &fakeroot);
        command
            .arg("mmdebstrap")
            .args(options(
                case,
                "chrootless",
                &work.path("home"),
                &work.path("home"),
            )?)
            .arg(&case.suite)
            .arg(tar)
            .arg(case.archive(&self.mirror))
            .env("HOME", "/root")
            .env("TMPDIR", work.path("tmp"))
            .env("SOURCE_DATE_EPOCH", self.epoch.to_string())
            .current_dir(work.path("home"))
            .stdout(Stdio::null());
        let done = limited::run("fakeroot", &mut command, self.limit)?;
        match done.status.success() {
            true => Ok(()),
            false => Err(fail(why(&done.said))),
        }
    }

    fn make_new(&self, case: &Case, base: &Path) -> Result<Listing> {
        let work = tempfile::Builder::new()
            .prefix(&passing("mmdebstrap"))
            .tempdir_in(base)
            .at(base)?;
        let account = Account::of_tests()?;
        open_to(&account, work.path())?;
        let tar = work.path().join("root.tar");
        let tools = self.tools(case)?;
        let inside = Path::new(tools::WORK);
        let _on = emulation::hold()?;
        let started = Instant::now();
        let mut command = tools.command(&account, work.path(), case.apt_user);
        command
            .arg("mmdebstrap")
            .args(options(case, "root", work.path(), inside)?)
            .arg(&case.suite)
            .arg(inside.join("root.tar"))
            .arg(case.archive(&self.mirror))
            // Scripts get it, too: it is that of root in the target.
            .env("HOME", "/root")
            .env("TMPDIR", inside)
            .env("SOURCE_DATE_EPOCH", self.epoch.to_string())
            .stdout(Stdio::null());
        let done = limited::run("mmdebstrap", &mut command, self.limit)?;
        if !done.status.success() {
            let log = self.dir.join(format!("{}.log", case.id()));
            let _ = std::fs::write(&log, done.said.as_bytes());
            return Err(fail(why(&done.said)));
        }
        let seconds = started.elapsed().as_secs_f64();
        let mut listing = Listing::of_tar(&tar)?;
        listing.set("seconds", format!("{seconds:.1}"));
        if let Some(dir) = &self.tars {
            keep(&tar, &dir.join(format!("{}.reference.tar", case.id())))?;
        }
        Ok(listing)
    }
}

/// A tmpfs with room for a large root filesystem and its tar; else the place of all references.
fn other_place() -> Result<PathBuf> {
    let shared = Path::new("/dev/shm");
    let room = nix::sys::statvfs::statvfs(shared)
        .map(|stat| stat.blocks_available() * stat.fragment_size())
        .unwrap_or_default();
    if room < 6 << 30 {
        place()
    } else {
        Ok(shared.to_owned())
    }
}

fn fail(what: impl Into<String>) -> Error {
    Error::Command {
        command: "mmdebstrap".to_owned(),
        what: what.into(),
    }
}

/// The options of mmdebstrap for a case. It sees the directory `work` as `inside`.
fn options(case: &Case, mode: &str, work: &Path, inside: &Path) -> Result<Vec<String>> {
    let mut options = vec![
        format!("--mode={mode}"),
        format!("--architectures={}", case.architectures.join(",")),
        format!("--variant={}", case.variant),
    ];
    if !case.include.is_empty() {
        options.push(format!("--include={}", case.include));
    }
    if let Some(file) = &case.debconf {
        let copy = work.join("selections");
        std::fs::write(&copy, std::fs::read(file).at(file)?).at(&copy)?;
        let copy = inside.join("selections");
        let hook = format!("chroot \"$1\" debconf-set-selections < {}", copy.display());
        options.push(format!("--essential-hook={hook}"));
    }
    if let Some(merged) = case.merged_usr {
        let hooks = if merged { "merged-usr" } else { "no-merged-usr" };
        options.push(format!("--hook-dir=/usr/share/mmdebstrap/hooks/{hooks}"));
    }
    options.extend(case.reference.iter().cloned());
    if !case.commands.is_empty() {
        // Of an upgrade of dpkg it would put the old program back.
        options.push("--skip=chroot/start-stop-daemon".to_owned());
        // The finished target has no settings of the installation. mmdebstrap removes the files itself in the end, and fails
        // where they are gone.
        let settings =
            "cd \"$1/etc/apt/apt.conf.d\" && for f in 00mmdebstrap 99debconf; do [ ! -e $f ] || : >$f; done";
        options.push(format!("--customize-hook={settings}"));
        // It has no indexes either, which tell apt other priorities of packages than dpkg's database does.
        let lists = "find \"$1/var/lib/apt/lists\" -mindepth 1 ! -name lock ! -name partial -delete";
        options.push(format!(
            "--customize-hook={lists}; rm -f \"$1\"/var/cache/apt/*.bin"
        ));
    }
    for command in &case.commands {
        options.push(format!("--customize-hook=chroot \"$1\" sh -ec '{command}'"));
    }
    if !case.commands.is_empty() {
        // What they have left running ends with them, as in a machine that is shut down; it would keep /dev busy.
        let ends = "for root in /proc/[0-9]*/root; do [ \"$(readlink \"$root\")\" != \"$1\" ] || \
                    { pid=${root%/root}; kill -KILL \"${pid##*/}\"; ended=yes; }; done; [ -z \"$ended\" ] || sleep 1";
        options.push(format!("--customize-hook={ends}"));
    }
    Ok(options)
}

/// The line that says best why mmdebstrap failed.
fn why(said: &str) -> String {
    let signs = [
        "qemu: ",
        "dpkg: error processing",
        "dpkg-deb: error",
        "E: ",
        "error",
    ];
    let line = signs
        .iter()
        .find_map(|sign| said.lines().find(|line| line.contains(sign)))
        .or_else(|| said.lines().last());
    line.unwrap_or("it said nothing").trim().to_owned()
}

/// Moves a file, over the border of a filesystem if need be.
///
/// # Errors
/// When it cannot be written.
pub fn keep(file: &Path, to: &Path) -> Result<()> {
    if let Some(dir) = to.parent() {
        std::fs::create_dir_all(dir).at(dir)?;
    }
    if std::fs::rename(file, to).is_err() {
        std::fs::copy(file, to).at(to)?;
        std::fs::remove_file(file).at(file)?;
    }
    Ok(())
}

/// Gives a directory to the account, and lets everybody enter it.
///
/// # Errors
/// When it cannot be given.
pub fn open_to(account: &Account, path: &Path) -> Result<()> {
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
