//! Tools that ask about, or would act on, the running system.

use super::*;

pub(super) static TABLE: &[Tool] = &[
    tool("chroot")
        .root(
            Method::Query(Question::Chroot),
            "a script that can run chrootless has no need of it",
        )
        .shown(
            r#"
chroot /target /bin/true
    leave /target /bin/true | chroot /target 1
chroot /srv /bin/true
    run /srv /bin/true | chroot /srv 0
"#,
        ),
    tool(
        "hostname dnsdomainname domainname hostnamectl timedatectl localectl loginctl \
             networkctl busctl",
    )
    .root(OUTER, "it asks, or tells, the running system")
    .shown(
        r#"
hostname
    run | outer-query hostname 0
"#,
    ),
    tool("runlevel who w users last uptime logname pinky")
        .root(OUTER, "sessions and state of the running system")
        .shown(
            r#"
runlevel
    run | outer-query runlevel 0
"#,
        ),
    tool("ps pidof pgrep pkill killall killall5 pidwait top lsof fuser")
        .root(OUTER, "processes of the running system")
        .shown(
            r#"
ps ax
    run ax | outer-query ax 0
"#,
        ),
    tool("systemd-detect-virt ischroot systemd-ac-power lsb_release")
        .root(OUTER, "what the outer system is")
        .shown(
            r#"
ischroot
    run | outer-query ischroot 0
"#,
        ),
    tool("df mount umount findmnt mountpoint lsblk blkid losetup dmsetup swapon swapoff")
        .root(OUTER, "disks and mounts of the running system")
        .shown(
            r#"
df /
    run / | outer-query / 0
"#,
        ),
    tool("free lspci lsmod dmesg dmidecode ip ss netstat ifconfig ifquery nft iptables")
        .root(OUTER, "hardware and network of the running system")
        .shown(
            r#"
free
    run | outer-query free 0
"#,
        ),
    tool("lscpu")
        .root(OUTER, "hardware and network of the running system")
        .answer("lscpu", Responder::Machine)
        .shown(
            r#"
lscpu
    run | outer-query lscpu 0
s390x$ /usr/bin/lscpu
    executes machine
"#,
        ),
    tool("rpcinfo dbus-send gdbus udisksctl crontab at atq")
        .root(OUTER, "servers of the running system")
        .shown(
            r#"
rpcinfo
    run | outer-query rpcinfo 0
"#,
        ),
    tool("start-stop-daemon")
        .root(
            Method::Nothing {
                status: 0,
                prints: NOTHING_STARTS,
            },
            "nothing may be started in a filesystem being made",
        )
        .answer("start-stop-daemon", Responder::Text(NOTHING_STARTS))
        .shown(
            r#"
start-stop-daemon --start --exec /usr/sbin/x
    0 "\nWarning: Fake start-stop-daemon called, doing nothing\n" | outer-query start-stop-daemon 1
riscv64$ /usr/sbin/start-stop-daemon --start
    prints "\nWarning: Fake start-stop-daemon called, doing nothing\n"
"#,
        ),
    tool("policy-rc.d")
        .root(
            Method::Nothing {
                status: 101,
                prints: "",
            },
            "101 forbids every action (invoke-rc.d(8), policy-rc.d interface)",
        )
        .shown(
            r#"
policy-rc.d x start
    101 "" | outer-query policy-rc.d 1
"#,
        ),
    tool("modprobe insmod rmmod sysctl setterm setupcon hwclock")
        .root(NOTHING, "the kernel that runs is not the root's")
        .shown(
            r#"
modprobe loop
    0 "" | outer-query modprobe 1
"#,
        ),
    tool("loadkeys")
        .root(NOTHING, "the kernel that runs is not the root's")
        .outputs(&[output("/usr/bin/loadkeys", ORDER, "a binary key map").only_with(&["-b", "--bkeymap"])])
        .shown(
            r#"
loadkeys de
    0 "" | outer-query loadkeys 1
byte order> /usr/bin/loadkeys -b x
    refuse
"#,
        ),
    tool("shutdown reboot halt poweroff telinit init ifup ifdown")
        .root(NOTHING, "the system that runs is not the root's")
        .shown(
            r#"
shutdown now
    0 "" | outer-query shutdown 1
"#,
        ),
    // isa-support: a package that needs an extension asks before it is unpacked.
    tool("isa-support")
        .outputs(&[
            output("/usr/libexec/*/isa-support/test-*", MACHINE, PROCESSOR).answered(),
            output("/usr/lib/*/isa-support/test-*", MACHINE, PROCESSOR).answered(),
            // Before Debian 12 the preinst wrote it.
            output("/usr/lib/*-support.*", MACHINE, PROCESSOR).answered(),
        ])
        .shown(
            r#"
instruction set> /usr/libexec/i386-linux-gnu/isa-support/test-SSE2
    processor
instruction set> /usr/lib/sse2-support.0123456789
    processor
"#,
        ),
];
