//! Tools that honour `DPKG_ROOT` or have an option for a root, each read in its source or
//! manual page as of trixie.

use super::*;

pub(super) static TABLE: &[Tool] = &[
    tool("dpkg-divert dpkg-statoverride dpkg-trigger dpkg-query dpkg-realpath dpkg-split")
        .root(
            Method::Environment,
            "DPKG_ROOT, DPKG_ADMINDIR (their manual pages)",
        )
        .shown(
            r#"
dpkg-divert --add --rename /etc/x
    run --add --rename /etc/x
"#,
        ),
    tool("dpkg-maintscript-helper")
        .root(Method::Environment, "DPKG_ROOT (dpkg-maintscript-helper(1))")
        .shown(
            r#"
dpkg-maintscript-helper rm_conffile /etc/x 1 -- x
    run rm_conffile /etc/x 1 -- x
"#,
        ),
    tool("update-alternatives")
        .root(
            Method::Environment,
            "DPKG_ROOT, DPKG_ADMINDIR (update-alternatives(1))",
        )
        .shown(
            r#"
update-alternatives --install /usr/bin/x x /usr/bin/y 10
    run --install /usr/bin/x x /usr/bin/y 10
"#,
        ),
    tool("deb-systemd-helper deb-systemd-invoke")
        .root(Method::Environment, "DPKG_ROOT (deb-systemd-helper(1p))")
        .shown(
            r#"
deb-systemd-helper enable x.service
    run enable x.service
"#,
        ),
    tool("update-rc.d")
        .root(Method::Environment, "DPKG_ROOT (init-system-helpers 1.60)")
        .shown(
            r#"
update-rc.d x defaults
    run x defaults
"#,
        ),
    tool("add-shell remove-shell update-shells")
        .root(Method::Environment, "DPKG_ROOT (update-shells(8))")
        .shown(
            r#"
add-shell /bin/zsh
    run /bin/zsh
"#,
        ),
    tool("shadowconfig")
        .root(
            Method::Environment,
            "DPKG_ROOT (passwd); what it calls has its own row",
        )
        .shown(
            r#"
shadowconfig on
    run on
"#,
        ),
    tool(
        "debconf debconf-set-selections debconf-communicate debconf-show \
             debconf-copydb dpkg-preconfigure",
    )
    .root(
        Method::Environment,
        "Debconf::Config puts DPKG_ROOT in front of its databases",
    )
    .shown(
        r#"
debconf-set-selections
    run
"#,
    ),
    tool("systemctl")
        .root(
            Method::Option(RootOption {
                offline: &[("SYSTEMD_OFFLINE", "1")],
                ..option_with(
                    "--root=",
                    "--root=D --image=D -t,--type=T -p,--property=T -P=T -n,--lines=T \
             -o,--output=T -s,--signal=T -H,--host=T -M,--machine=T --state=T \
             --job-mode=T --preset-mode=T --what=T",
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
            "--root= for verbs on unit files; others act on the running system \
             (systemctl(1))",
        )
        .shown(
            r#"
systemctl enable x.service
    run --root=/target enable x.service | no-root-option --root= 1
systemctl --root=/target enable x.service
    run --root=/target enable x.service
systemctl --root / enable x.service
    run --root /target enable x.service | no-root-option --root= 1
systemctl --root=/srv enable x.service
    run --root=/target/srv enable x.service | path /srv 1
systemctl daemon-reload
    run with SYSTEMD_OFFLINE=1 daemon-reload | outer-query daemon-reload 1
systemctl --version
    run with SYSTEMD_OFFLINE=1 --version
"#,
        ),
    tool(
        "systemd-sysusers systemd-tmpfiles systemd-machine-id-setup systemd-firstboot \
             systemd-repart",
    )
    .root(
        option(
            "--root=",
            "--root=D --image=D --replace=T --prefix=T --exclude-prefix=T",
        ),
        "--root= (their manual pages)",
    )
    .shown(
        r#"
systemd-sysusers x.conf
    run --root=/target x.conf | no-root-option --root= 1
"#,
    ),
    tool("udevadm")
        .root(
            Method::Option(RootOption {
                behind_command: true,
                ..option_with("--root=", "-r,--root=D", &["hwdb", "verify"])
            }),
            "--root= of hwdb; others act on the running system (udevadm(8))",
        )
        .shown(
            r#"
udevadm hwdb --update
    run hwdb --root=/target --update | no-root-option --root= 1
udevadm trigger
    run trigger | outer-query trigger 0
"#,
        ),
    tool("journalctl")
        .root(
            Method::Option(option_with(
                "--root=",
                "--root=D --image=D -D,--directory=D --file=D",
                &["--update-catalog", "--list-catalog", "--setup-keys"],
            )),
            "--root= of its catalogue (journalctl(1))",
        )
        .shown(
            r#"
journalctl --update-catalog
    run --root=/target --update-catalog | no-root-option --root= 1
journalctl -u x
    run -u x | outer-query x 0
"#,
        ),
    tool("bootctl")
        .root(
            option("--root=", "--root=D --image=D --esp-path=T --boot-path=T"),
            "--root= (bootctl(1))",
        )
        .shown(
            r#"
bootctl install
    run --root=/target install | no-root-option --root= 1
"#,
        ),
];
