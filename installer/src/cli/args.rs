//! The command line as clap reads it. Names follow mmdebstrap(1) where it has the
//! same thing.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use apt_solve::{Mmdebstrap, Variant};
use clap::{ArgAction, ArgMatches, CommandFactory, FromArgMatches, Parser};

use super::access::AccessArgs;
use super::choice_args::ChoiceArgs;
use super::choices;
use super::customize_args::CustomizeArgs;
use super::environment::Environment;
use super::image_args::ImageArgs;
use super::more::{self, MoreArgs};
use super::port_args::PortArgs;
use super::resolve::{self, SettingsError};
use super::state::StateArgs;
use super::values::{self, Names};
use crate::merge_usr::MergedUsr;
use crate::settings::SbomFile;
use crate::settings::{Mode, Settings};
use script_host::unrunnable::OnUnrunnable;

const LONG_ABOUT: &str = "\
Makes a Debian root filesystem for any architecture, as an ordinary user, without
running a single program of that architecture.

Packages come from a signed archive and are chosen as apt would choose them. Their
maintainer scripts really run, in a private view of the target in which every tool
they call is its native counterpart: no emulator, no root, and no handler of binfmt_misc
that the machine has (where the kernel can, the view registers handlers of its own, which
execute native programs and are seen by nobody else).";

const AFTER_HELP: &str = "\
Examples:
  rootless-install --arch riscv64 target/
  rootless-install --arch arm64 --suite trixie --include openssh-server,sudo arm64.tar.xz
  rootless-install --variant buildd - | podman import - buildd";

const AFTER_LONG_HELP: &str = "\
Other commands (a target of such a name is ./lint, ./pack, …):
  rootless-install lint  report what maintainer scripts do outside DPKG_ROOT;
                         see `rootless-install lint --help`
  rootless-install dpkg  dpkg for a root filesystem that exists, also by the name dpkg;
                         see `rootless-install dpkg --help`
  rootless-install run, shell
                         a command, or a shell, in a target that is there: apt, for one;
                         see `rootless-install run --help`
  rootless-install mmdebstrap
                         mmdebstrap's command line, also by the name mmdebstrap;
                         see `rootless-install mmdebstrap --help`
  rootless-install multistrap
                         a root filesystem as multistrap's files describe it, also by the name multistrap;
                         see `rootless-install multistrap --help`
  rootless-install build a recipe; see `rootless-install build --help`
  rootless-install convert
                         a configuration of bdebstrap as a recipe
  rootless-install plan, diff
                         what would be installed, also as a lock; what differs between two locks
  rootless-install mirror
                         a partial mirror; see `rootless-install mirror --help`
  rootless-install cache what is kept between runs; see `rootless-install cache --help`
  rootless-install push  a container image, or a target as one, to a registry
  rootless-install boot  whether a target or an image comes up in a virtual machine; see `rootless-install boot --help`
  rootless-install pack, unpack, check, stat, chown, chmod, mknod, setcap, mount, umount, adopt, rm
                         with a target that is there; see `rootless-install COMMAND --help`

Environment:
  SOURCE_DATE_EPOCH      no time in the result is later than this (seconds since 1970);
                         two runs from the same archive then give the same bytes
  http_proxy, https_proxy, no_proxy
                         proxies for downloads
  XDG_CACHE_HOME         where the cache is, without --cache
  TMPDIR                 where the work directory is when TARGET is `-`
  NO_COLOR               no colour when it is not empty

Exit status:
  0    the target is complete, but for what --on-unrunnable=defer has left, which is named
  1    it could not be made; nothing half-made is left
  2    the command line makes no sense
  130  stopped with Ctrl-C (128 + the signal's number for others); nothing is left

Examples:
  rootless-install --arch riscv64 target/
  rootless-install --arch arm64 --suite trixie --include openssh-server,sudo arm64.tar.xz
  rootless-install --variant buildd - | podman import - buildd";

/// The command that makes a root filesystem.
#[derive(Debug, Parser)]
#[command(
    name = "rootless-install",
    version,
    about = "Makes a Debian root filesystem for any architecture, as an ordinary user, without emulation",
    long_about = LONG_ABOUT,
    after_help = AFTER_HELP,
    after_long_help = AFTER_LONG_HELP,
    infer_long_args = true,
    // Of two values the last counts, as in most programs: callers add to the options of others.
    args_override_self = true,
    max_term_width = 100
)]
pub struct Cli {
    #[command(flatten)]
    args: Args,
    #[command(flatten)]
    more: MoreArgs,
    #[command(flatten)]
    customize: CustomizeArgs,
}

/// A command line that clap has read.
#[derive(Debug)]
pub struct Given {
    args: Args,
    more: MoreArgs,
    customize: CustomizeArgs,
    matches: ArgMatches,
}

impl Cli {
    /// Reads a command line, of which the first word is the program's name.
    ///
    /// # Errors
    /// clap's, of which help and version are two.
    pub fn read(words: &[OsString]) -> Result<Given, clap::Error> {
        Self::of(Self::command().try_get_matches_from(words)?)
    }

    /// Takes what clap has read, with this command line or one that has more.
    pub(super) fn of(matches: ArgMatches) -> Result<Given, clap::Error> {
        let Self {
            args,
            more,
            customize,
        } = Self::from_arg_matches(&matches)?;
        Ok(Given {
            args,
            more,
            customize,
            matches,
        })
    }
}

impl Given {
    /// Returns a command line whose target is no target of an installation.
    pub(super) fn of_directory(mut self) -> Self {
        self.args.target = "/dev/null".into();
        self
    }

    /// Returns the command line of a plan, which makes nothing.
    pub(super) fn of_plan(mut self) -> Self {
        self.args.dry_run = true;
        self
    }

    /// Whether there is to be one image of several architectures.
    pub(super) fn is_multi(&self) -> bool {
        self.args.multi
    }

    /// Returns the architectures, as they are named.
    pub(super) fn architectures(&self) -> Vec<String> {
        resolve::join(self.args.arch.clone())
    }

    /// Returns the option that is given of those that are for one architecture.
    pub(super) fn file_option(&self) -> Option<&'static str> {
        let (args, state) = (&self.args, &self.args.state);
        let given = [
            (state.lock.is_some(), "--lock"),
            (state.locked.is_some(), "--locked"),
            (args.stats.is_some(), "--stats"),
            (!args.sbom.is_empty(), "--sbom"),
            (args.provenance.is_some(), "--provenance"),
        ];
        given.into_iter().find_map(|(is, option)| is.then_some(option))
    }

    /// Returns the command line of one architecture of an image of several.
    pub(super) fn of_architecture(mut self, name: String) -> Self {
        self.args.arch = vec![Names(vec![name])];
        self.args.multi = false;
        self
    }

    /// Returns the settings that the command line and the environment mean.
    ///
    /// # Errors
    /// [`SettingsError`] where an argument has no meaning.
    pub fn resolve(self, environment: &Environment) -> Result<Settings, SettingsError> {
        let state = self.args.state.clone();
        let ports = self.args.ports.clone();
        let choice = self.args.choice.clone();
        let mut settings = resolve::resolve(self.args, environment)?;
        state.apply(&mut settings)?;
        ports.apply(&mut settings)?;
        choice.apply(&mut settings)?;
        more::resolve(&mut settings, self.more, &self.matches)?;
        settings.customization = self.customize.customization()?;
        settings.customization.check()?;
        Ok(settings)
    }
}

/// The arguments as given; [`Settings`] are what they mean.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to make: a directory, NAME.tar[.gz|.xz|.zst], an image, or `-`
    ///
    /// A directory must not exist yet or be empty; what a stopped run left beside it is
    /// removed first. An archive or an image of that name is replaced when the new one is
    /// complete: .tar[.gz|.xz|.zst], .cpio[.gz|.xz|.zst], .squashfs, .ext2, .ext3, .ext4, .btrfs, .xfs, .erofs,
    /// .oci (an archive of an OCI image), or oci:DIR, oci-archive:FILE and
    /// docker-archive:FILE, each perhaps with `:TAG` after it. `-` writes an uncompressed tar archive on standard output.
    #[arg(value_name = "TARGET")]
    pub target: OsString,

    #[command(flatten)]
    #[allow(missing_docs, reason = "a comment would be its help")]
    pub image: ImageArgs,

    /// Architecture to install, and foreign ones after it [default: this machine's]
    ///
    /// Names between commas or blanks; may be given more than once. The first is the
    /// target's own, the others are what `dpkg --add-architecture` adds to it: packages of
    /// them can be named in --include as NAME:ARCH.
    #[arg(
        long,
        visible_alias = "architectures",
        value_name = "ARCH,...",
        value_parser = values::architectures,
        action = ArgAction::Append
    )]
    pub arch: Vec<Names>,

    /// Make one container image of all architectures in --arch: an image for each, and an index
    ///
    /// TARGET is a container image: `oci:DIR[:TAG]` or `oci-archive:FILE[:TAG]`. Each image is what it would be alone.
    #[arg(long)]
    pub multi: bool,

    /// Suite or codename to install
    ///
    /// An empty one has every suite of the sources that --mirror gives.
    #[arg(long, value_name = "SUITE", default_value = "stable", value_parser = values::suite)]
    pub suite: String,

    /// Which packages to install beside those of --include
    #[arg(long, value_name = "VARIANT", default_value = "minbase", value_parser = choices::variant())]
    pub variant: Variant,

    /// Release of mmdebstrap whose result is imitated [default: that of the suite]
    ///
    /// `mmdebstrap-VERSION`. Releases differ in the packages of a variant, in the order of installation and in the
    /// hooks of apt that run: `mmdebstrap-1.3.5` makes of Debian 13 what a machine with Debian 12 makes of it.
    #[arg(long, value_name = "RELEASE", value_parser = values::imitate)]
    pub imitate: Option<Mmdebstrap>,

    /// Packages to install as well, with what they depend on
    ///
    /// Names between commas or blanks; may be given more than once. Each is NAME,
    /// NAME:ARCH, NAME=VERSION or NAME/SUITE, all of them perhaps with a `-` at the end for one that is not to be
    /// installed; a name with `*`, `?` or `[` is a pattern (glob(7)); ./FILE.deb is a package of your own, ./DIR/ all of a
    /// directory. A value that
    /// begins with `?`, `~`, `!` or `(` is a pattern of apt (apt-patterns(7)) as a whole.
    #[arg(long, value_name = "PKG,...", value_parser = values::packages, action = ArgAction::Append)]
    pub include: Vec<Names>,

    /// Components of the archive [default: main]
    ///
    /// Names between commas or blanks; may be given more than once. Used with mirrors that
    /// are given as a URL; a source line or file names its own.
    #[arg(long, value_name = "C,...", value_parser = values::components, action = ArgAction::Append)]
    pub components: Vec<Names>,

    /// Where packages come from [default: what this machine's apt uses]
    ///
    /// An http, https or file URL, a one-line source (`deb URL SUITE COMPONENT…`), a .sources or .list file,
    /// or a .deb file or directory of such: these are trusted, and taken where their version is the newest.
    /// May be given more than once.
    #[arg(long, value_name = "URL", value_parser = values::mirror, action = ArgAction::Append)]
    pub mirror: Vec<String>,

    /// OpenPGP keys that may sign archives, beside those that this machine's apt trusts
    ///
    /// A keyring in binary or ASCII armour, or a directory of such files (.gpg, .pgp, .asc). For sources
    /// that name no keys of their own (signed-by). May be given more than once.
    #[arg(long, value_name = "FILE", action = ArgAction::Append)]
    pub keyring: Vec<PathBuf>,

    /// How servers are reached.
    #[command(flatten)]
    pub access: AccessArgs,

    /// Accept an archive whose state is older than the one seen last
    ///
    /// The cache keeps the date of each archive's last Release file. An older one is refused: it may be
    /// an old state with known faults that somebody serves again.
    #[arg(long)]
    pub allow_older_release: bool,

    /// Which state of archives is read.
    #[command(flatten)]
    pub state: StateArgs,

    /// What is done where an archive lacks something.
    #[command(flatten)]
    pub ports: PortArgs,

    /// How packages are chosen.
    #[command(flatten)]
    pub choice: ChoiceArgs,

    /// How long a mirror may take for its next bytes before another attempt is made
    ///
    /// A download of less than 1024 bytes a second over this time is too slow, too. After four attempts
    /// the run ends, and names the mirror.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = values::download_timeout)]
    pub download_timeout: Duration,

    /// Whether /usr is merged: /bin, /sbin and /lib* are links into /usr
    ///
    /// Packages bring the links since Debian 13, and in Debian 12 the package usrmerge makes
    /// them when it is configured. `yes` makes them before anything is unpacked, without that
    /// package.
    #[arg(long, value_name = "HOW", default_value = "auto", value_parser = choices::merged_usr())]
    pub merged_usr: MergedUsr,

    /// Where downloads, the native sysroot and logs are kept
    ///
    /// Shared by all runs, which may happen at the same time; it may be removed between runs.
    /// [default: $XDG_CACHE_HOME/rootless-install or ~/.cache/rootless-install]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,

    /// How maintainer scripts are run
    #[arg(long, value_name = "MODE", default_value = "auto", value_parser = choices::mode())]
    pub mode: Mode,

    /// Where native tools come from: `auto` or a directory
    ///
    /// `auto` makes them from the same suite for this machine's architecture, in the cache. A
    /// directory is the root of a native system; `/` is this machine.
    #[arg(long, value_name = "auto|DIR", default_value = "auto")]
    pub native_sysroot: OsString,

    /// Answers to the questions of packages, as debconf-set-selections(1) reads them
    ///
    /// They are known before the packages beside the essential ones are configured. May be
    /// given more than once.
    #[arg(long, value_name = "FILE", action = ArgAction::Append)]
    pub debconf_selections: Vec<PathBuf>,

    /// How long one maintainer script may take before it is stopped
    #[arg(long, value_name = "DURATION", default_value = "10min", value_parser = values::timeout)]
    pub script_timeout: Duration,

    /// What to do when a script needs a program that cannot be run on this machine
    ///
    /// That is one without a counterpart for this machine's architecture, or one that would
    /// write data in the wrong byte order, word size or instruction set.
    #[arg(long, value_name = "WHAT", default_value = "fail", value_parser = choices::on_unrunnable())]
    pub on_unrunnable: OnUnrunnable,

    /// Extensions that the target's processor has, for packages that need some [default: all]
    ///
    /// Names of isa-support's packages between commas or blanks, such as `SSE2,SSE3` or `NEON`; `none` is the
    /// architecture's baseline. May be given more than once.
    #[arg(long, value_name = "EXTENSION,...", value_parser = values::extensions, action = ArgAction::Append)]
    pub target_cpu: Vec<Names>,

    /// Keep a log of everything here
    ///
    /// [default: a new file in the cache, named when something fails]
    #[arg(long, visible_alias = "logfile", value_name = "FILE")]
    pub log: Option<PathBuf>,

    /// Write a software bill of materials: `spdx=FILE` or `cyclonedx=FILE`
    ///
    /// SPDX 2.3 or CycloneDX 1.6 as JSON: packages with versions, sources, hashes and licences. May be given more than once.
    #[arg(long, value_name = "FORM=FILE", value_parser = super::sbom::file)]
    pub sbom: Vec<SbomFile>,

    /// Write what the result was made of: an in-toto statement with SLSA's provenance
    ///
    /// Its subject is the result with its SHA-256, its dependencies are the packages and Release files that --lock has.
    #[arg(long, value_name = "FILE")]
    pub provenance: Option<PathBuf>,

    /// Write the run's times, sizes and scripts to a file, as JSON, also where it fails
    #[arg(long, value_name = "FILE")]
    pub stats: Option<PathBuf>,

    /// Keep the work directory when something fails, to look at it
    ///
    /// It is beside the target; the next run for the same target removes it.
    #[arg(long)]
    pub keep_failed: bool,

    /// Print what would be done, and stop
    #[arg(long, visible_alias = "simulate")]
    pub dry_run: bool,

    /// Tell about every script, and where the log is; twice: what the log has besides
    #[arg(short, long, action = ArgAction::Count, overrides_with_all = ["quiet", "debug"])]
    pub verbose: u8,

    /// Tell what the log has, too
    #[arg(short, long, overrides_with_all = ["quiet", "verbose"])]
    pub debug: bool,

    /// Print nothing but warnings and errors
    ///
    /// Of this option, --verbose and --debug the last one counts.
    #[arg(short, long, visible_alias = "silent", short_alias = 's', overrides_with_all = ["verbose", "debug"])]
    pub quiet: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn of_two_values_the_last_counts() {
        let words = "rootless-install --suite a --dry-run --suite=b --include x --dry-run --include y t";
        let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        let args = Cli::read(&words).map(|given| given.args).unwrap();
        assert_eq!(args.suite, "b");
        assert_eq!(args.include.len(), 2);
        assert!(args.dry_run);
    }

    #[test]
    fn unknown_architecture_lists_the_valid_ones() {
        let error = Cli::try_parse_from(["rootless-install", "--arch", "vax", "t"])
            .map(|_| ())
            .map_err(|error| error.to_string());
        assert!(error.is_err_and(|text| text.contains("vax") && text.contains("riscv64")));
    }
}
