//! Tools that know of a root, each read in its source or manual page as of trixie.

use super::{Method, RootOption, Row, row};

/// An option that every call may have.
const fn option(insert: &'static str, options: &'static str) -> Method {
    Method::Option(RootOption {
        insert,
        options,
        only_with: &[],
        behind_command: false,
        offline: &[],
    })
}

/// An option that only calls with one of these words may have.
const fn option_with(
    insert: &'static str,
    options: &'static str,
    only_with: &'static [&'static str],
) -> RootOption {
    RootOption {
        insert,
        options,
        only_with,
        behind_command: false,
        offline: &[],
    }
}

const ACCOUNTS: &str = "--prefix needs no chroot(2), other than --root (shadow's manual pages)";

pub(super) static TABLE: &[Row] = &[
    // Read in the sources of trixie: getenv("DPKG_ROOT"), or $DPKG_ROOT.
    row(
        "dpkg-divert dpkg-statoverride dpkg-trigger dpkg-query dpkg-realpath dpkg-split",
        Method::Environment,
        "DPKG_ROOT, DPKG_ADMINDIR (their manual pages)",
    ),
    row(
        "dpkg-maintscript-helper",
        Method::Environment,
        "DPKG_ROOT (dpkg-maintscript-helper(1))",
    ),
    row(
        "update-alternatives",
        Method::Environment,
        "DPKG_ROOT, DPKG_ADMINDIR (update-alternatives(1))",
    ),
    row(
        "deb-systemd-helper deb-systemd-invoke",
        Method::Environment,
        "DPKG_ROOT (deb-systemd-helper(1p))",
    ),
    row(
        "update-rc.d",
        Method::Environment,
        "DPKG_ROOT (init-system-helpers 1.60)",
    ),
    row(
        "add-shell remove-shell update-shells",
        Method::Environment,
        "DPKG_ROOT (update-shells(8))",
    ),
    row(
        "shadowconfig",
        Method::Environment,
        "DPKG_ROOT (passwd); what it calls has its own row",
    ),
    row(
        "debconf debconf-set-selections debconf-communicate debconf-show debconf-copydb dpkg-preconfigure",
        Method::Environment,
        "Debconf::Config puts DPKG_ROOT in front of its databases",
    ),
    // Their own options.
    row(
        "systemctl",
        Method::Option(RootOption {
            offline: &[("SYSTEMD_OFFLINE", "1")],
            ..option_with(
                "--root=",
                "--root=D --image=D -t,--type=T -p,--property=T -P=T -n,--lines=T -o,--output=T -s,--signal=T -H,--host=T -M,--machine=T --state=T --job-mode=T --preset-mode=T --what=T",
                &[
                    "enable",
                    "disable",
                    "reenable",
                    "preset",
                    "preset-all",
                    "mask",
                    "unmask",
                    "link",
                    "revert",
                    "add-wants",
                    "add-requires",
                    "edit",
                    "cat",
                    "get-default",
                    "set-default",
                    "is-enabled",
                    "list-unit-files",
                ],
            )
        }),
        "--root= for verbs on unit files; others act on the running system (systemctl(1))",
    ),
    row(
        "systemd-sysusers systemd-tmpfiles systemd-machine-id-setup systemd-firstboot systemd-repart",
        option(
            "--root=",
            "--root=D --image=D --replace=T --prefix=T --exclude-prefix=T",
        ),
        "--root= (their manual pages)",
    ),
    row(
        "udevadm",
        Method::Option(RootOption {
            behind_command: true,
            ..option_with("--root=", "-r,--root=D", &["hwdb", "verify"])
        }),
        "--root= of hwdb; others act on the running system (udevadm(8))",
    ),
    row(
        "journalctl",
        Method::Option(option_with(
            "--root=",
            "--root=D --image=D -D,--directory=D --file=D",
            &["--update-catalog", "--list-catalog", "--setup-keys"],
        )),
        "--root= of its catalogue (journalctl(1))",
    ),
    row(
        "bootctl",
        option("--root=", "--root=D --image=D --esp-path=T --boot-path=T"),
        "--root= (bootctl(1))",
    ),
    row(
        "useradd",
        option(
            "--prefix",
            "-P,--prefix=D -R,--root=D -b=T -c=T -d=T -e=T -f=T -g=T -G=T -k=T -K=T -p=T -s=T -u=T -Z=T",
        ),
        ACCOUNTS,
    ),
    row(
        "usermod",
        option(
            "--prefix",
            "-P,--prefix=D -R,--root=D -c=T -d=T -e=T -f=T -g=T -G=T -l=T -p=T -s=T -u=T -v=T -V=T -w=T -W=T -Z=T",
        ),
        ACCOUNTS,
    ),
    row(
        "userdel",
        option("--prefix", "-P,--prefix=D -R,--root=D"),
        ACCOUNTS,
    ),
    row(
        "groupadd groupmod groupdel",
        option("--prefix", "-P,--prefix=D -R,--root=D -g=T -K=T -n=T -p=T -U=T"),
        ACCOUNTS,
    ),
    row(
        "chpasswd newusers",
        option("--prefix", "-P,--prefix=D -R,--root=D -c=T -s=T"),
        ACCOUNTS,
    ),
    row(
        "passwd",
        option("--prefix", "-P,--prefix=D -R,--root=D -i=T -n=T -r=T -w=T -x=T"),
        ACCOUNTS,
    ),
    row(
        "chage",
        option(
            "--prefix",
            "-P,--prefix=D -R,--root=D -d=T -E=T -I=T -m=T -M=T -W=T",
        ),
        ACCOUNTS,
    ),
    row(
        "depmod",
        option("-b", "-b,--basedir=D -m=T -o,--outdir=D -C=T -E=T -F=T"),
        "-b (depmod(8))",
    ),
    row(
        "modinfo",
        option("-b", "-b,--basedir=D -F=T -k=T"),
        "-b (modinfo(8))",
    ),
    row(
        "pam-auth-update",
        option("--root", "--root=D --enable=T --disable=T"),
        "--root (pam-auth-update(8))",
    ),
    row(
        "iconvconfig",
        option("--prefix=", "--prefix=D -o=D"),
        "--prefix= (iconvconfig(8))",
    ),
];
