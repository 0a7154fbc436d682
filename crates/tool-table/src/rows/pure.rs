//! Tools that touch no state or run other programs, and those whose answer is the machine's.

use super::*;

pub(super) static TABLE: &[Tool] = &[
    tool(
        "basename dirname echo printf expr seq factor true false yes pathchk numfmt \
             getopt",
    )
    .root(Method::Pure, "it computes with its arguments")
    .shown(
        r#"
basename /etc/x
    run /etc/x
"#,
    ),
    tool("sleep date sync nproc tty stty tput clear reset mcookie uuidgen")
        .root(Method::Pure, "clock, terminal or kernel: the same for every root")
        .shown(
            r#"
sleep 1
    run 1
"#,
        ),
    tool("tr col debconf-escape systemd-escape envsubst")
        .root(Method::Pure, "from standard input to standard output")
        .shown(
            r#"
tr a b
    run a b
"#,
        ),
    tool("sh dash rbash ksh mksh zsh")
        .root(Method::Pure, "the script that it runs is the caller's")
        .shown(
            r#"
sh /usr/share/x
    run /usr/share/x
"#,
        ),
    tool(
        "env nice ionice nohup setsid timeout flock stdbuf time chrt taskset setarch \
             eatmydata",
    )
    .root(
        Method::Pure,
        "it runs another tool, which is found in PATH and has its own row",
    )
    .shown(
        r#"
env cat /etc/x
    run cat /etc/x
"#,
    ),
    tool(
        "kill printenv pwd whoami logger which which.debianutils gettext ngettext \
             gettext.sh",
    )
    .root(Method::Pure, "the calling process, its environment, or a message")
    .shown(
        r#"
kill -0 1
    run -0 1
"#,
    ),
    tool("getconf")
        .root(Method::Pure, "the calling process, its environment, or a message")
        .answer("getconf", Responder::Getconf)
        .shown(
            r#"
getconf LONG_BIT
    run LONG_BIT
armhf$ /usr/bin/getconf LONG_BIT
    executes rewritten
"#,
        ),
    tool("whiptail dialog more less pager sensible-pager sensible-editor man")
        .root(Method::Pure, "it speaks with a person")
        .shown(
            r#"
whiptail --yesno /etc/x
    run --yesno /etc/x
"#,
        ),
    tool("ldconfig")
        .root(
            Method::Installer(Asked::Ldconfig),
            "the kind of libraries and of the cache is compiled in (ldconfig(8))",
        )
        .answer("ldconfig", Responder::Ldconfig)
        .shown(
            r#"
ldconfig
    installer -r /target | no-root-option -r 1
ldconfig -r /target -X
    installer -r /target -X
riscv64$ /usr/sbin/ldconfig -X
    installer
"#,
        ),
    tool("dpkg")
        .root(
            Method::Installer(Asked::Dpkg),
            "its architecture is compiled in; the rest honours DPKG_ROOT (dpkg(1))",
        )
        .answer("dpkg dpkg-query", Responder::Dpkg)
        .shown(
            r#"
dpkg --print-architecture
    0 "s390x\n" | outer-query dpkg 1
dpkg --print-foreign-architectures
    0 "riscv64\n" | outer-query dpkg 1
dpkg --compare-versions 1 lt 2
    run --compare-versions 1 lt 2
riscv64$ /usr/bin/dpkg --print-architecture
    prints "riscv64\n"
"#,
        ),
    tool("uname")
        .root(
            Method::Installer(Asked::Uname),
            "uname(2) knows this machine only",
        )
        .answer("uname", Responder::Uname)
        .shown(
            r#"
uname -m
    0 "s390x\n" | outer-query uname 1
uname -r
    run -r
riscv64$ /usr/bin/uname -m
    prints "riscv64\n"
"#,
        ),
    tool("arch")
        .root(Method::Installer(Asked::Arch), "the same as uname -m")
        .answer("arch", Responder::Arch)
        .shown(
            r#"
arch
    0 "s390x\n" | outer-query arch 1
riscv64$ /usr/bin/arch
    prints "riscv64\n"
"#,
        ),
    tool("getent")
        .root(
            Method::Query(Question::Getent),
            "nsswitch(5) reads /etc of the outer system",
        )
        .shown(
            r#"
getent passwd www-data
    0 "www-data:x:33:33::/var/www:/bin/sh\n" | outer-query passwd 1
getent group nobody-such
    2 "" | outer-query group 1
getent hosts localhost
    run hosts localhost | outer-query hosts 0
"#,
        ),
    tool("id")
        .root(Method::Query(Question::Id), "users are those of the outer system")
        .shown(
            r#"
id -u www-data
    0 "33\n" | outer-query www-data 1
id
    run
id alice
    0 "uid=7(alice) gid=8(own) groups=8(own),50(staff)\n" | outer-query alice 1
id nobody-such
    1 "id: 'nobody-such': no such user\n" | outer-query nobody-such 1
"#,
        ),
    tool("groups")
        .root(
            Method::Query(Question::Groups),
            "users are those of the outer system",
        )
        .shown(
            r#"
groups alice
    0 "alice : own staff\n" | outer-query alice 1
"#,
        ),
    tool("locale")
        .root(
            Method::Query(Question::Locale),
            "debconf asks for the character set of each script that uses it \
             (Debconf::Encoding)",
        )
        .shown(
            r#"
locale charmap
    run charmap
locale -a
    run -a | outer-query locale 0
"#,
        ),
];
