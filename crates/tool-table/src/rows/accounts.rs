//! Users, groups and what is kept of a root's files: tools with an option for a root, and some that have none.

use super::*;

pub(super) static TABLE: &[Tool] = &[
    tool("useradd")
        .root(
            option(
                "--prefix",
                "-P,--prefix=D -R,--root=D -b=T -c=T -d=T -e=T -f=T -g=T -G=T -k=T -K=T -p=T \
             -s=T -u=T -Z=T",
            ),
            ACCOUNTS,
        )
        .outputs(&[output("/usr/sbin/useradd", ORDER | WORD | TIME, LOGINS).converted(Form::Logins)])
        .shown(
            r#"
useradd -r -d /var/lib/x x
    run --prefix /target -r -d /var/lib/x x | no-root-option --prefix 1
useradd -R /target x
    run -R /target x
word size> /usr/sbin/useradd -r x
    convert
"#,
        ),
    tool("usermod")
        .root(
            option(
                "--prefix",
                "-P,--prefix=D -R,--root=D -c=T -d=T -e=T -f=T -g=T -G=T -l=T -p=T -s=T -u=T \
             -v=T -V=T -w=T -W=T -Z=T",
            ),
            ACCOUNTS,
        )
        .outputs(&[output("/usr/sbin/usermod", ORDER | WORD | TIME, LOGINS).converted(Form::Logins)])
        .shown(
            r#"
usermod -aG x y
    run --prefix /target -aG x y | no-root-option --prefix 1
word size> /usr/sbin/usermod -u 5 x
    convert
"#,
        ),
    tool("lastlog")
        .outputs(&[output("/usr/bin/lastlog", ORDER | WORD | TIME, LOGINS).converted(Form::Logins)])
        .shown(
            r#"
width of times> /usr/bin/lastlog -C -u x
    convert
"#,
        ),
    tool("faillog")
        .outputs(&[output("/usr/bin/faillog", ORDER | WORD | TIME, LOGINS).converted(Form::Logins)])
        .shown(
            r#"
word size> /usr/bin/faillog -r
    convert
"#,
        ),
    tool("userdel")
        .root(option("--prefix", "-P,--prefix=D -R,--root=D"), ACCOUNTS)
        .shown(
            r#"
userdel x
    run --prefix /target x | no-root-option --prefix 1
"#,
        ),
    tool("groupadd groupmod groupdel")
        .root(
            option("--prefix", "-P,--prefix=D -R,--root=D -g=T -K=T -n=T -p=T -U=T"),
            ACCOUNTS,
        )
        .shown(
            r#"
groupadd --system x
    run --prefix /target --system x | no-root-option --prefix 1
groupadd --prefix /target x
    run --prefix /target x
"#,
        ),
    tool("chpasswd newusers")
        .root(
            option("--prefix", "-P,--prefix=D -R,--root=D -c=T -s=T"),
            ACCOUNTS,
        )
        .shown(
            r#"
chpasswd
    run --prefix /target | no-root-option --prefix 1
"#,
        ),
    tool("passwd")
        .root(
            option("--prefix", "-P,--prefix=D -R,--root=D -i=T -n=T -r=T -w=T -x=T"),
            ACCOUNTS,
        )
        .shown(
            r#"
passwd -l x
    run --prefix /target -l x | no-root-option --prefix 1
"#,
        ),
    tool("chage")
        .root(
            option(
                "--prefix",
                "-P,--prefix=D -R,--root=D -d=T -E=T -I=T -m=T -M=T -W=T",
            ),
            ACCOUNTS,
        )
        .shown(
            r#"
chage -E 0 x
    run --prefix /target -E 0 x | no-root-option --prefix 1
"#,
        ),
    tool("depmod")
        .root(
            option("-b", "-b,--basedir=D -m=T -o,--outdir=D -C=T -E=T -F=T"),
            "-b (depmod(8))",
        )
        .answer("depmod", Responder::Depmod)
        .shown(
            r#"
depmod -a 6.1
    run -b /target -a 6.1 | no-root-option -b 1
depmod -b /target 6.1
    run -b /target 6.1
s390x$ /usr/sbin/depmod -a
    executes afterwards
"#,
        ),
    tool("modinfo")
        .root(option("-b", "-b,--basedir=D -F=T -k=T"), "-b (modinfo(8))")
        .shown(
            r#"
modinfo loop
    run -b /target loop | no-root-option -b 1
"#,
        ),
    tool("pam-auth-update")
        .root(
            option("--root", "--root=D --enable=T --disable=T"),
            "--root (pam-auth-update(8))",
        )
        .shown(
            r#"
pam-auth-update --package
    run --root /target --package | no-root-option --root 1
pam-auth-update --root /target --package
    run --root /target --package
"#,
        ),
    tool("iconvconfig")
        .root(
            option("--prefix=", "--prefix=D -o=D"),
            "--prefix= (iconvconfig(8))",
        )
        .shown(
            r#"
iconvconfig
    run --prefix=/target | no-root-option --prefix= 1
"#,
        ),
    tool("adduser addgroup deluser delgroup")
        .root(confined("--conf=T"), NONE)
        .shown(
            r#"
adduser --system --home /target/var/lib/x x
    chroot --system --home /var/lib/x x | no-root-option adduser 1
"#,
        ),
    tool("gpasswd")
        .root(
            confined("-Q,--root=D -a=T -d=T -A=T -M=T"),
            "--root calls chroot(2) (gpasswd(1))",
        )
        .shown(
            r#"
gpasswd -a x y
    chroot -a x y | no-root-option gpasswd 1
gpasswd -Q /target -a x y
    run -Q /target -a x y
"#,
        ),
    tool("chgpasswd")
        .root(confined("-R,--root=D -c=T -s=T"), SHADOW)
        .shown(
            r#"
chgpasswd
    chroot | no-root-option chgpasswd 1
"#,
        ),
    tool("chfn")
        .root(confined("-R,--root=D -f=T -r=T -w=T -h=T -o=T"), SHADOW)
        .shown(
            r#"
chfn -f x y
    chroot -f x y | no-root-option chfn 1
"#,
        ),
    tool("chsh").root(confined("-R,--root=D -s=T"), SHADOW).shown(
        r#"
chsh -s /bin/sh y
    chroot -s /bin/sh y | no-root-option chsh 1
"#,
    ),
    tool("pwck grpck pwconv pwunconv grpconv grpunconv vipw vigr")
        .root(confined("-R,--root=D"), SHADOW)
        .shown(
            r#"
pwck -q -r
    chroot -q -r | no-root-option pwck 1
"#,
        ),
    tool("systemd-hwdb")
        .root(
            confined("-r,--root=D"),
            "with --root its database names files with the root in front",
        )
        .shown(
            r#"
systemd-hwdb update
    chroot update | no-root-option systemd-hwdb 1
systemd-hwdb -r /target update
    run -r /target update
"#,
        ),
    tool("update-passwd")
        .root(
            confined("-P,--passwd=D -S,--shadow=D -G,--group=D -p=T -g=T"),
            "an option for each file (update-passwd(8))",
        )
        .shown(
            r#"
update-passwd --verbose
    chroot --verbose | no-root-option update-passwd 1
update-passwd --passwd=/target/etc/passwd
    run --passwd=/target/etc/passwd
"#,
        ),
    tool("su runuser sg newgrp setpriv capsh")
        .root(confined(""), "users are those of the root")
        .shown(
            r#"
su x -c y
    chroot x -c y | no-root-option su 1
"#,
        ),
    tool("ucf ucfr ucfq")
        .root(confined("--state-dir=D"), "state in /var/lib/ucf (ucf(1))")
        .shown(
            r#"
ucf --three-way /target/usr/share/x /target/etc/x
    chroot --three-way /usr/share/x /etc/x | no-root-option ucf 1
"#,
        ),
    tool("dpkg-reconfigure")
        .root(confined("--root=D"), "it runs the scripts of the root")
        .shown(
            r#"
dpkg-reconfigure x
    chroot x | no-root-option dpkg-reconfigure 1
"#,
        ),
    tool("update-ca-certificates")
        .root(
            confined("--sysroot=D --etccertsdir=D"),
            "its hooks know nothing of --sysroot (update-ca-certificates(8))",
        )
        .shown(
            r#"
update-ca-certificates --fresh
    chroot --fresh | no-root-option update-ca-certificates 1
update-ca-certificates --sysroot /target
    run --sysroot /target
"#,
        ),
    tool("locale-gen update-locale validlocale")
        .root(confined("--locale-file=D"), NONE)
        .shown(
            r#"
locale-gen
    chroot | no-root-option locale-gen 1
"#,
        ),
    tool("localedef")
        .root(confined("--prefix=D"), "the byte order is known inside")
        .answer("localedef", Responder::Localedef)
        .shown(
            r#"
localedef -i C -f UTF-8 C.UTF-8
    chroot -i C -f UTF-8 C.UTF-8 | no-root-option localedef 1
s390x$ /usr/bin/localedef -i de_DE de_DE
    executes --big-endian first
"#,
        ),
    tool("catman accessdb")
        .root(
            confined("-C=T"),
            "paths of manuals and of caches are in its configuration",
        )
        .shown(
            r#"
catman
    chroot | no-root-option catman 1
"#,
        ),
    tool("mandb")
        .root(
            confined("-C=T"),
            "paths of manuals and of caches are in its configuration",
        )
        .outputs(&[output("/usr/bin/mandb", ORDER | WORD | CHAR, GDBM).converted(Form::Gdbm)])
        .shown(
            r#"
mandb -pq
    chroot -pq | no-root-option mandb 1
byte order> /usr/bin/mandb
    convert
"#,
        ),
    tool("fc-list fc-match fc-scan")
        .root(
            confined("-y,--sysroot=D"),
            "the paths of its caches are those of the root",
        )
        .shown(
            r#"
fc-list
    chroot | no-root-option fc-list 1
"#,
        ),
    tool("fc-cache")
        .root(
            confined("-y,--sysroot=D"),
            "the paths of its caches are those of the root",
        )
        .answer("fc-cache", Responder::Fontconfig)
        .shown(
            r#"
fc-cache -s
    chroot -s | no-root-option fc-cache 1
fc-cache --version
    run --version
s390x$ /usr/bin/fc-cache -s
    executes by-name rewritten
"#,
        ),
];
