//! Who is measured, and on what.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::program::which;
use crate::real::{KEYRING, Real};

/// What is made.
#[derive(Clone, Debug)]
pub struct Job {
    /// The architecture.
    pub arch: String,
    /// The variant.
    pub variant: String,
    /// More packages, with commas between; may be empty.
    pub include: String,
    /// Whether hooks install further ones ([`HOOKS`]).
    pub hooks: bool,
}

/// Packages that hooks install with the target's own apt, one call after the other.
pub const HOOKS: [&str; 3] = ["python3-minimal", "nginx-light", "openssh-server"];

/// One who makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// This program, with all that it needs in its cache.
    Own,
    /// This program, which must make the native sysroot anew.
    OwnCold,
    /// This program with `--mode=chrootless`, with all that it needs in its cache.
    OwnChrootless,
    /// `mmdebstrap --mode=unshare`, emulated where the architecture is not this machine's.
    Unshare,
    /// `fakeroot mmdebstrap --mode=chrootless`.
    Chrootless,
    /// `debootstrap` in a user namespace, emulated like the others.
    Debootstrap,
    /// `cdebootstrap` in a user namespace.
    Cdebootstrap,
    /// What the packages of the job take at least; see [`super::floor`].
    Floor,
    /// The maintainer scripts of the same packages of this machine's architecture, without a view:
    /// each package's `preinst install` and `postinst configure`, in a root filesystem that has them all.
    Scripts,
}

/// Where the tree for [`Peer::Scripts`] is, below the working directory.
pub const TREE: &str = "tree";

/// Runs a command as root of a user namespace with the user's subordinate ids.
const NAMESPACE: [&str; 6] = [
    "--user",
    "--map-root-user",
    "--map-auto",
    "--mount",
    "--pid",
    "--fork",
];

/// Makes an archive of what a tool puts into a directory. Without right to make device nodes
/// debootstrap needs to be told that this is a container.
const INTO_TAR: &str = r#"target=$1 mirror=$2; shift 2
d=$(mktemp -d); trap 'rm -rf --one-file-system "$d"' EXIT
container=lxc "$@" stable "$d/root" "$mirror" >&2 || { tail -n 3 "$d"/root/debootstrap/debootstrap.log >&2; exit 1; }
tar --one-file-system --numeric-owner -cf "$target" -C "$d/root" ."#;

const IN_TREE: &str = r#"mount --rbind /dev "$1/dev"; mount -t proc proc "$1/proc"
exec chroot "$1" /bin/sh -c "$2""#;

const RUN_SCRIPTS: &str = r#"export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 HOME=/root
export DEBCONF_NONINTERACTIVE_SEEN=true DPKG_MAINTSCRIPT_NAME DPKG_MAINTSCRIPT_PACKAGE
cd /
for pair in preinst:install postinst:configure; do
DPKG_MAINTSCRIPT_NAME=${pair%:*}
for script in /var/lib/dpkg/info/*."${pair%:*}"; do
DPKG_MAINTSCRIPT_PACKAGE=${script##*/}; DPKG_MAINTSCRIPT_PACKAGE=${DPKG_MAINTSCRIPT_PACKAGE%.*}
DPKG_MAINTSCRIPT_PACKAGE=${DPKG_MAINTSCRIPT_PACKAGE%:*} "$script" "${pair#*:}" </dev/null >/dev/null 2>&1
done; done; true"#;

impl Peer {
    /// All of them, this program first.
    pub const ALL: &[Self] = &[
        Self::Own,
        Self::OwnCold,
        Self::OwnChrootless,
        Self::Chrootless,
        Self::Unshare,
        Self::Debootstrap,
        Self::Cdebootstrap,
        Self::Floor,
        Self::Scripts,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::OwnCold => "own-cold",
            Self::OwnChrootless => "own-chrootless",
            Self::Unshare => "unshare",
            Self::Chrootless => "chrootless",
            Self::Debootstrap => "debootstrap",
            Self::Cdebootstrap => "cdebootstrap",
            Self::Floor => "floor",
            Self::Scripts => "scripts",
        }
    }

    /// What the table calls it.
    #[must_use]
    pub fn title(self, job: &Job, native: &str) -> String {
        match self {
            Self::Own => "rootless-install".to_owned(),
            Self::OwnCold => "rootless-install, native sysroot made anew".to_owned(),
            Self::OwnChrootless => "rootless-install --mode=chrootless".to_owned(),
            Self::Unshare if job.arch == native => "mmdebstrap --mode=unshare".to_owned(),
            Self::Unshare => "mmdebstrap --mode=unshare, emulated".to_owned(),
            Self::Chrootless => "fakeroot mmdebstrap --mode=chrootless".to_owned(),
            Self::Debootstrap | Self::Cdebootstrap => {
                let emulated = if job.arch == native { "" } else { ", emulated" };
                format!("{} in a user namespace{emulated}", self.name())
            }
            Self::Floor => "the packages hashed, decompressed and written".to_owned(),
            Self::Scripts => format!("the same packages' scripts, {native}, without a view"),
        }
    }

    /// Whether it is a measure and makes no root filesystem.
    #[must_use]
    pub fn is_floor(self) -> bool {
        matches!(self, Self::Floor | Self::Scripts)
    }

    /// Whether a run is quicker for what one before it has left. Of the others' the mirror alone
    /// has files; the floor's are those that the mirror has just got.
    #[must_use]
    pub fn has_cache(self) -> bool {
        matches!(self, Self::Own | Self::OwnCold | Self::OwnChrootless)
    }

    /// Why it cannot be measured here, if that is so.
    #[must_use]
    pub fn missing(self, job: &Job) -> Option<String> {
        if job.hooks && !matches!(self, Self::Own | Self::OwnCold | Self::Unshare) {
            return Some("it has no hooks that run programs of the target".to_owned());
        }
        let tool = match self {
            Self::Debootstrap | Self::Cdebootstrap => self.name(),
            _ => return None,
        };
        if which(tool).is_none() {
            return Some(format!("{tool} is not installed"));
        }
        let variant = self.variant(&job.variant);
        variant
            .is_none()
            .then(|| format!("it has nothing like {}", job.variant))
    }

    /// How the bootstrappers call the variant.
    fn variant(self, variant: &str) -> Option<&'static str> {
        let known: &[(&str, &str)] = match self {
            Self::Debootstrap => &[("minbase", "--variant=minbase"), ("buildd", "--variant=buildd")],
            _ => &[
                ("minbase", "--flavour=minimal"),
                ("buildd", "--flavour=build"),
                ("standard", "--flavour=standard"),
            ],
        };
        known
            .iter()
            .find(|(name, _)| *name == variant)
            .map(|(_, option)| *option)
    }

    fn bootstrap(self, job: &Job, target: &Path, mirror: &str) -> Vec<OsString> {
        let mut command = in_namespace(INTO_TAR);
        command.extend([target.into(), mirror.into(), path(self.name()).into()]);
        command.push(format!("--arch={}", job.arch).into());
        command.push(format!("--keyring={KEYRING}").into());
        command.extend(self.variant(&job.variant).map(OsString::from));
        if !job.include.is_empty() {
            command.push(format!("--include={}", job.include).into());
        }
        command
    }

    /// The command that makes `target`. `list` is the floor's list of packages.
    #[must_use]
    pub fn command(self, real: &Real, job: &Job, target: &Path, list: &Path) -> Vec<OsString> {
        let mirror = real.mirror.url();
        let mut command: Vec<OsString> = match self {
            Self::Own | Self::OwnCold | Self::OwnChrootless => vec![
                real.work.program().into(),
                "--quiet".into(),
                "--cache".into(),
                real.work.path("cache").into(),
                "--mirror".into(),
                mirror.clone().into(),
                "--keyring".into(),
                KEYRING.into(),
                "--arch".into(),
                job.arch.clone().into(),
                "--variant".into(),
                job.variant.clone().into(),
            ],
            Self::Unshare => vec![path("mmdebstrap").into(), "--mode=unshare".into()],
            Self::Chrootless => vec![
                path("fakeroot").into(),
                path("mmdebstrap").into(),
                "--mode=chrootless".into(),
            ],
            Self::Debootstrap | Self::Cdebootstrap => return self.bootstrap(job, target, &mirror),
            Self::Scripts => {
                let mut command = in_namespace(IN_TREE);
                command.extend([real.work.out(TREE).into(), RUN_SCRIPTS.into()]);
                return command;
            }
            Self::Floor => {
                let own = crate::program::own().unwrap_or_default();
                return vec![own.into(), "--write-packages".into(), list.into(), target.into()];
            }
        };
        if self == Self::OwnChrootless {
            command.push("--mode=chrootless".into());
        }
        if matches!(self, Self::Unshare | Self::Chrootless) {
            command.push(format!("--architectures={}", job.arch).into());
            command.push(format!("--variant={}", job.variant).into());
        }
        if !job.include.is_empty() {
            command.push(format!("--include={}", job.include).into());
        }
        if job.hooks {
            command.extend(HOOKS.map(|package| {
                format!("--customize-hook=chroot \"$1\" apt-get install --yes {package}").into()
            }));
        }
        if matches!(self, Self::Unshare | Self::Chrootless) {
            command.push("stable".into());
        }
        command.push(target.into());
        if matches!(self, Self::Unshare | Self::Chrootless) {
            command.push(mirror.into());
        }
        command
    }
}

/// The command line of a shell script as root of a namespace; its arguments follow.
fn in_namespace(script: &str) -> Vec<OsString> {
    let mut command: Vec<OsString> = vec![path("unshare").into()];
    command.extend(NAMESPACE.map(OsString::from));
    command.extend(["sh", "-ec", script, "sh"].map(OsString::from));
    command
}

/// The command that removes a directory with files of subordinate ids in it.
#[must_use]
pub fn removal(directory: &Path) -> Vec<OsString> {
    let mut command = in_namespace(r#"rm -rf --one-file-system "$1""#);
    command.push(directory.into());
    command
}

fn path(program: &str) -> PathBuf {
    which(program).unwrap_or_else(|| program.into())
}
