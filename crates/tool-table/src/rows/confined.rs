//! Tools whose work is not one of simple arguments, and that have no option for a root or
//! one that calls chroot(2) itself.

use super::*;

pub(super) static TABLE: &[Tool] = &[
    tool("update-desktop-database")
        .root(confined(""), "directories come from XDG_DATA_DIRS")
        .shown(
            r#"
update-desktop-database -q
    chroot -q | no-root-option update-desktop-database 1
"#,
        ),
    tool(
        "update-xmlcatalog update-catalog install-sgmlcatalog install-catalog \
             xmlcatalog",
    )
    .root(confined(""), NONE)
    .shown(
        r#"
update-xmlcatalog --add --root --package x
    chroot --add --root --package x | no-root-option update-xmlcatalog 1
"#,
    ),
    tool("install-info ginstall-info update-info-dir")
        .root(
            confined("--dir-file=D --info-dir=D"),
            "the directory of /usr/share/info",
        )
        .shown(
            r#"
install-info --quiet /target/usr/share/info/x /usr/share/info/dir
    chroot --quiet /usr/share/info/x /usr/share/info/dir | no-root-option install-info 1
"#,
        ),
    tool("install-docs").root(confined("--rootdir=D"), NONE).shown(
        r#"
install-docs --install-changed
    chroot --install-changed | no-root-option install-docs 1
"#,
    ),
    tool(
        "py3compile py3clean py3versions pypy3compile pypy3clean pycompile pyclean \
             update-python-modules dh_python3",
    )
    .root(confined(""), "files come from dpkg's database")
    .shown(
        r#"
py3compile -p x
    chroot -p x | no-root-option py3compile 1
"#,
    ),
    tool("update-inetd").root(confined("--file=D"), NONE).shown(
        r#"
update-inetd --add x
    chroot --add x | no-root-option update-inetd 1
"#,
    ),
    tool("update-fonts-dir update-fonts-scale update-fonts-alias")
        .root(confined(""), NONE)
        .shown(
            r#"
update-fonts-dir x
    chroot x | no-root-option update-fonts-dir 1
"#,
        ),
    tool(
        "update-dictcommon-aspell update-dictcommon-hunspell update-default-aspell \
             update-default-ispell update-default-wordlist",
    )
    .root(confined(""), NONE)
    .shown(
        r#"
update-dictcommon-aspell
    chroot | no-root-option update-dictcommon-aspell 1
"#,
    ),
    tool(
        "aspell-autobuildhash ispell-autobuildhash remove-default-ispell \
             remove-default-wordlist select-default-ispell select-default-wordlist",
    )
    .root(confined(""), NONE)
    .shown(
        r#"
aspell-autobuildhash
    chroot | no-root-option aspell-autobuildhash 1
"#,
    ),
    tool(
        "texhash mktexlsr update-texmf update-texmf-config updmap updmap-sys fmtutil \
             fmtutil-sys update-updmap update-fmtutil update-language mtxrun",
    )
    .root(confined(""), "trees of TeX are those of the root")
    .shown(
        r#"
texhash /target/usr/share/texmf
    chroot /usr/share/texmf | no-root-option texhash 1
"#,
    ),
    tool("update-initramfs mkinitramfs lsinitramfs")
        .root(confined(""), NONE)
        .shown(
            r#"
update-initramfs -u
    chroot -u | no-root-option update-initramfs 1
"#,
        ),
    tool(
        "update-grub update-grub2 grub-mkconfig grub-install grub-probe \
             update-grub-gfxpayload",
    )
    .root(confined(""), NONE)
    .shown(
        r#"
update-grub
    chroot | no-root-option update-grub 1
"#,
    ),
    tool(
        "kernel-install installkernel linux-update-symlinks linux-check-removal \
             linux-version linux-run-hooks",
    )
    .root(
        confined("--root=D"),
        "add and remove have no --root (kernel-install(8))",
    )
    .shown(
        r#"
kernel-install add 6.1
    chroot add 6.1 | no-root-option kernel-install 1
"#,
    ),
    tool("gconftool-2 gconf-schemas gsettings update-gdkpixbuf-loaders")
        .root(confined(""), NONE)
        .shown(
            r#"
gconftool-2 --makefile-install-rule
    chroot --makefile-install-rule | no-root-option gconftool-2 1
"#,
        ),
    tool("gdk-pixbuf-query-loaders")
        .root(confined(""), NONE)
        .answer("gdk-pixbuf-query-loaders*", Responder::PixbufLoaders)
        .shown(
            r#"
gdk-pixbuf-query-loaders --update-cache
    chroot --update-cache | no-root-option gdk-pixbuf-query-loaders 1
s390x$ /usr/lib/s390x-linux-gnu/gdk-pixbuf-2.0/gdk-pixbuf-query-loaders
    executes libraries machine rewritten
"#,
        ),
    tool("gio-querymodules")
        .root(confined(""), NONE)
        .answer("gio-querymodules*", Responder::Modules)
        .shown(
            r#"
gio-querymodules /usr/lib/x
    chroot /usr/lib/x | no-root-option gio-querymodules 1
s390x$ /usr/lib/s390x-linux-gnu/glib-2.0/gio-querymodules /d
    executes libraries machine
"#,
        ),
    tool("dconf")
        .root(confined(""), NONE)
        .outputs(&[output(
            "/usr/bin/dconf",
            ORDER,
            "a settings database in its own byte order",
        )
        .only_with(&["update", "compile"])])
        .shown(
            r#"
dconf update
    chroot update | no-root-option dconf 1
byte order> /usr/bin/dconf update x
    refuse
"#,
        ),
    tool(
        "update-binfmts update-menus update-mime update-pciids update-usbids \
             update-smart-drivedb update-cracklib",
    )
    .root(confined(""), NONE)
    .shown(
        r#"
update-binfmts --import
    chroot --import | no-root-option update-binfmts 1
"#,
    ),
    tool("update-ccache-symlinks dbus-uuidgen")
        .root(confined("--ensure=?D --get=?D"), "a default path")
        .shown(
            r#"
dbus-uuidgen --ensure
    chroot --ensure | no-root-option dbus-uuidgen 1
dbus-uuidgen --ensure=/target/etc/machine-id
    run --ensure=/target/etc/machine-id
"#,
        ),
    tool("apt-get apt-cache apt-config apt-key apt-mark apt")
        .root(confined("-o=T -c=T"), "sources and caches are those of the root")
        .answer("apt apt-* aptitude* synaptic packagekitd", Responder::Apt)
        .shown(
            r#"
apt-get check
    chroot check | no-root-option apt-get 1
s390x$ /usr/bin/apt-get check
    executes
"#,
        ),
    tool(
        "a2enmod a2dismod a2ensite a2dissite a2enconf a2disconf apache2ctl \
             lighty-enable-mod phpenmod phpdismod",
    )
    .root(confined(""), "directories of a server's configuration")
    .shown(
        r#"
a2enmod x
    chroot x | no-root-option a2enmod 1
"#,
    ),
    tool("newaliases postconf exim4 update-exim4.conf")
        .root(confined("-c=T"), "configuration and maps of the root")
        .shown(
            r#"
newaliases
    chroot | no-root-option newaliases 1
"#,
        ),
    tool("postmap postalias")
        .root(confined("-c=T"), "configuration and maps of the root")
        .outputs(&[
            output("/usr/sbin/postalias", ORDER | WORD, MAPS),
            output("/usr/sbin/postmap", ORDER | WORD, MAPS),
        ])
        .shown(
            r#"
postmap /target/etc/postfix/x
    chroot /etc/postfix/x | no-root-option postmap 1
byte order> /usr/sbin/postalias
    refuse
byte order> /usr/sbin/postmap
    refuse
"#,
        ),
    tool("emacs-package-install emacs-package-remove")
        .root(confined(""), NONE)
        .shown(
            r#"
emacs-package-install x
    chroot x | no-root-option emacs-package-install 1
"#,
        ),
    tool("invoke-rc.d service rc-service")
        .root(
            INIT,
            "init scripts are those of the root; nothing is started there",
        )
        .shown(
            r#"
invoke-rc.d x start
    chroot or nothing x start | no-root-option invoke-rc.d 1
"#,
        ),
];
