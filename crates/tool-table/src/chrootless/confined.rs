//! Tools whose work is not one of simple arguments, and that have no option for a root or
//! one that calls chroot(2) itself.

use super::{Confined, Method, Row, row};

const fn confined(options: &'static str) -> Method {
    Method::Chroot(Confined {
        options,
        or_nothing: false,
        only_outside: None,
    })
}

const INIT: Method = Method::Chroot(Confined {
    options: "",
    or_nothing: true,
    only_outside: None,
});

const NONE: &str = "it has no option for a root";
const SHADOW: &str = "--root calls chroot(2) (shadow's manual pages)";

pub(super) static TABLE: &[Row] = &[
    row("adduser addgroup deluser delgroup", confined("--conf=T"), NONE),
    row(
        "gpasswd",
        confined("-Q,--root=D -a=T -d=T -A=T -M=T"),
        "--root calls chroot(2) (gpasswd(1))",
    ),
    row("chgpasswd", confined("-R,--root=D -c=T -s=T"), SHADOW),
    row("chfn", confined("-R,--root=D -f=T -r=T -w=T -h=T -o=T"), SHADOW),
    row("chsh", confined("-R,--root=D -s=T"), SHADOW),
    row(
        "pwck grpck pwconv pwunconv grpconv grpunconv vipw vigr",
        confined("-R,--root=D"),
        SHADOW,
    ),
    row(
        "systemd-hwdb",
        confined("-r,--root=D"),
        "with --root its database names files with the root in front",
    ),
    row(
        "update-passwd",
        confined("-P,--passwd=D -S,--shadow=D -G,--group=D -p=T -g=T"),
        "an option for each file (update-passwd(8))",
    ),
    row(
        "su runuser sg newgrp setpriv capsh",
        confined(""),
        "users are those of the root",
    ),
    row(
        "ucf ucfr ucfq",
        confined("--state-dir=D"),
        "state in /var/lib/ucf (ucf(1))",
    ),
    row(
        "dpkg-reconfigure",
        confined("--root=D"),
        "it runs the scripts of the root",
    ),
    row(
        "update-ca-certificates",
        confined("--sysroot=D --etccertsdir=D"),
        "its hooks know nothing of --sysroot (update-ca-certificates(8))",
    ),
    row(
        "locale-gen update-locale validlocale",
        confined("--locale-file=D"),
        NONE,
    ),
    row(
        "localedef",
        confined("--prefix=D"),
        "the byte order is known inside",
    ),
    row(
        "mandb catman accessdb",
        confined("-C=T"),
        "paths of manuals and of caches are in its configuration",
    ),
    row(
        "fc-cache fc-list fc-match fc-scan",
        confined("-y,--sysroot=D"),
        "the paths of its caches are those of the root",
    ),
    row(
        "update-desktop-database",
        confined(""),
        "directories come from XDG_DATA_DIRS",
    ),
    row(
        "update-xmlcatalog update-catalog install-sgmlcatalog install-catalog xmlcatalog",
        confined(""),
        NONE,
    ),
    row(
        "install-info ginstall-info update-info-dir",
        confined("--dir-file=D --info-dir=D"),
        "the directory of /usr/share/info",
    ),
    row("install-docs", confined("--rootdir=D"), NONE),
    row(
        "py3compile py3clean py3versions pypy3compile pypy3clean pycompile pyclean update-python-modules dh_python3",
        confined(""),
        "files come from dpkg's database",
    ),
    row("update-inetd", confined("--file=D"), NONE),
    row(
        "update-fonts-dir update-fonts-scale update-fonts-alias",
        confined(""),
        NONE,
    ),
    row(
        "update-dictcommon-aspell update-dictcommon-hunspell update-default-aspell update-default-ispell update-default-wordlist",
        confined(""),
        NONE,
    ),
    row(
        "aspell-autobuildhash ispell-autobuildhash remove-default-ispell remove-default-wordlist select-default-ispell select-default-wordlist",
        confined(""),
        NONE,
    ),
    row(
        "texhash mktexlsr update-texmf update-texmf-config updmap updmap-sys fmtutil fmtutil-sys update-updmap update-fmtutil update-language mtxrun",
        confined(""),
        "trees of TeX are those of the root",
    ),
    row("update-initramfs mkinitramfs lsinitramfs", confined(""), NONE),
    row(
        "update-grub update-grub2 grub-mkconfig grub-install grub-probe update-grub-gfxpayload",
        confined(""),
        NONE,
    ),
    row(
        "kernel-install installkernel linux-update-symlinks linux-check-removal linux-version linux-run-hooks",
        confined("--root=D"),
        "add and remove have no --root (kernel-install(8))",
    ),
    row(
        "gconftool-2 gconf-schemas gsettings dconf gio-querymodules gdk-pixbuf-query-loaders update-gdkpixbuf-loaders",
        confined(""),
        NONE,
    ),
    row(
        "update-binfmts update-menus update-mime update-pciids update-usbids update-smart-drivedb update-cracklib",
        confined(""),
        NONE,
    ),
    row(
        "update-ccache-symlinks dbus-uuidgen",
        confined("--ensure=?D --get=?D"),
        "a default path",
    ),
    row(
        "apt-get apt-cache apt-config apt-key apt-mark apt",
        confined("-o=T -c=T"),
        "sources and caches are those of the root",
    ),
    row(
        "a2enmod a2dismod a2ensite a2dissite a2enconf a2disconf apache2ctl lighty-enable-mod phpenmod phpdismod",
        confined(""),
        "directories of a server's configuration",
    ),
    row(
        "newaliases postconf postmap postalias exim4 update-exim4.conf",
        confined("-c=T"),
        "configuration and maps of the root",
    ),
    row("emacs-package-install emacs-package-remove", confined(""), NONE),
    // Actions: where they cannot be confined there is nothing to start.
    row(
        "invoke-rc.d service rc-service",
        INIT,
        "init scripts are those of the root; nothing is started there",
    ),
];
