//! Tools that touch no state, ask, or would act on the running system.

use super::{Asked, Method, Question, Row, row};

const OUTER: Method = Method::Query(Question::Outer);

pub(super) static TABLE: &[Row] = &[
    row(
        "basename dirname echo printf expr seq factor true false yes pathchk numfmt getopt",
        Method::Pure,
        "it computes with its arguments",
    ),
    row(
        "sleep date sync nproc tty stty tput clear reset mcookie uuidgen",
        Method::Pure,
        "clock, terminal or kernel: the same for every root",
    ),
    row(
        "tr col debconf-escape systemd-escape envsubst",
        Method::Pure,
        "from standard input to standard output",
    ),
    row(
        "sh bash dash rbash ksh mksh zsh perl python ruby lua tclsh",
        Method::Pure,
        "the script that it runs is the caller's",
    ),
    row(
        "env nice ionice nohup setsid timeout flock stdbuf time chrt taskset setarch eatmydata",
        Method::Pure,
        "it runs another tool, which is found in PATH and has its own row",
    ),
    row(
        "kill printenv pwd whoami logger which which.debianutils gettext ngettext gettext.sh getconf",
        Method::Pure,
        "the calling process, its environment, or a message",
    ),
    row(
        "whiptail dialog more less pager sensible-pager sensible-editor man",
        Method::Pure,
        "it speaks with a person",
    ),
    row(
        "ldconfig",
        Method::Installer(Asked::Ldconfig),
        "the kind of libraries and of the cache is compiled in (ldconfig(8))",
    ),
    row(
        "dpkg",
        Method::Installer(Asked::Dpkg),
        "its architecture is compiled in; the rest honours DPKG_ROOT (dpkg(1))",
    ),
    row(
        "uname",
        Method::Installer(Asked::Uname),
        "uname(2) knows this machine only",
    ),
    row("arch", Method::Installer(Asked::Arch), "the same as uname -m"),
    row(
        "getent",
        Method::Query(Question::Getent),
        "nsswitch(5) reads /etc of the outer system",
    ),
    row(
        "id",
        Method::Query(Question::Id),
        "users are those of the outer system",
    ),
    row(
        "groups",
        Method::Query(Question::Groups),
        "users are those of the outer system",
    ),
    row(
        "locale",
        Method::Query(Question::Locale),
        "debconf asks for the character set of each script that uses it (Debconf::Encoding)",
    ),
    row(
        "chroot",
        Method::Query(Question::Chroot),
        "a script that can run chrootless has no need of it",
    ),
    row(
        "hostname dnsdomainname domainname hostnamectl timedatectl localectl loginctl networkctl busctl",
        OUTER,
        "it asks, or tells, the running system",
    ),
    row(
        "runlevel who w users last uptime logname pinky",
        OUTER,
        "sessions and state of the running system",
    ),
    row(
        "ps pidof pgrep pkill killall killall5 pidwait top lsof fuser",
        OUTER,
        "processes of the running system",
    ),
    row(
        "systemd-detect-virt ischroot systemd-ac-power lsb_release",
        OUTER,
        "what the outer system is",
    ),
    row(
        "df mount umount findmnt mountpoint lsblk blkid losetup dmsetup swapon swapoff",
        OUTER,
        "disks and mounts of the running system",
    ),
    row(
        "free lscpu lspci lsmod dmesg dmidecode ip ss netstat ifconfig ifquery nft iptables",
        OUTER,
        "hardware and network of the running system",
    ),
    row(
        "rpcinfo dbus-send gdbus udisksctl crontab at atq",
        OUTER,
        "servers of the running system",
    ),
    row(
        "start-stop-daemon",
        Method::Nothing(0),
        "nothing may be started in a filesystem being made",
    ),
    row(
        "policy-rc.d",
        Method::Nothing(101),
        "101 forbids every action (invoke-rc.d(8), policy-rc.d interface)",
    ),
    row(
        "modprobe insmod rmmod sysctl setterm setupcon loadkeys hwclock",
        Method::Nothing(0),
        "the kernel that runs is not the root's",
    ),
    row(
        "shutdown reboot halt poweroff telinit init ifup ifdown",
        Method::Nothing(0),
        "the system that runs is not the root's",
    ),
];
