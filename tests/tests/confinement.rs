//! What scripts have around them and may not do (`docs/semantics.md`), on a synthetic archive.

use std::path::Path;

use rootless_install_tests::base::program;
use rootless_install_tests::compare::entries;
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::{Synthetic, installed, line, package, read, seeing, seen};

scenario!(
    /// EROFS for scripts.
    the_native_sysroot_is_read_only, CONFIGURE, {
    let seen = seen(
        "cd /.rootless-install\n\
         for file in shim new sysroot/usr/bin/cat sysroot/usr/bin/new sysroot/usr/lib/new; do\n\
         touch $file; done\nrm sysroot/usr/bin/cat\nmv sysroot/usr/bin/cat sysroot/usr/bin/dog\n\
         chmod 777 shim\necho fine | cat\n",
    )?;
    let count = |words: &str| seen.matches(words).count();
    // The kernel looks at the permissions of a file that is there before it looks at the mount.
    let (read_only, denied) = (count("Read-only file system"), count("Permission denied"));
    assert_eq!(read_only + denied, 8, "{seen}");
    assert!(read_only >= 6, "{seen}");
    assert_eq!(seen.lines().count(), 9, "{seen}");
    assert!(seen.ends_with("fine\n"), "{seen}");
});

scenario!(
    /// Those kept and dropped; mount(2) is refused.
    capabilities, CONFIGURE, {
    let mut packages = program("mount", "usr/bin/mount")?;
    packages.push(
        package("sees")?
            .field("Depends", "mount")
            .script(
                "postinst",
                &seeing(
                    "grep ^Cap /proc/self/status\nmkdir /mnt\nmount -t tmpfs none /mnt; echo mount $?\n\
                     mount -o remount,rw /.rootless-install; echo remount $?\nmount --bind /usr /mnt; echo bind $?\n\
                     grep -c ' /mnt ' /proc/self/mounts\n",
                ),
            ),
    );
    let archive = installed(&packages)?;
    let seen = read(&archive.work.out("target"), "var/lib/seen");
    // CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, KILL, SETGID, SETUID,
    // SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP (linux/capability.h).
    let allowed = [0, 1, 2, 3, 4, 5, 6, 7, 18, 27, 29, 31]
        .iter()
        .fold(0_u64, |all, bit| all | 1 << bit);
    for set in ["CapPrm:", "CapEff:", "CapBnd:"] {
        assert_eq!(line(&seen, set), format!("{allowed:016x}"), "{seen}");
    }
    for set in ["CapInh:", "CapAmb:"] {
        assert_eq!(line(&seen, set), "0000000000000000", "{seen}");
    }
    for call in ["mount ", "remount ", "bind "] {
        assert_ne!(line(&seen, call), "0", "{seen}");
    }
    assert_eq!(seen.matches("permission denied").count(), 3, "{seen}");
    assert!(seen.ends_with("\n0\n"), "{seen}");
});

scenario!(
    /// Every variable, and an empty standard input.
    the_environment_is_made_from_nothing, CONFIGURE, {
    let script = seeing("env >/var/lib/env\necho input $(cat | wc -c)\nreadlink /proc/self/fd/0\n");
    let archive = Synthetic::with(&[package("sees")?.script("postinst", &script)])?;
    for epoch in [None, Some("1234567890")] {
        let name = epoch.unwrap_or("target");
        let mut run = archive.install("sees", name);
        for (name, value) in [
            ("RI_SECRET", "secret"),
            ("LC_ALL", "de_DE.UTF-8"),
            ("TZ", "Asia/Tokyo"),
            ("DPKG_FORCE", "all"),
        ] {
            run = run.env(name, value);
        }
        if let Some(epoch) = epoch {
            run = run.env("SOURCE_DATE_EPOCH", epoch);
        }
        run.end()?.succeeded();
        let target = archive.work.out(name);
        let text = read(&target, "var/lib/env");
        let mut seen: Vec<&str> = text
            .lines()
            // The shell adds these.
            .filter(|line| !["PWD=", "OLDPWD=", "_="].iter().any(|own| line.starts_with(own)))
            .collect();
        seen.sort_unstable();
        let arch = format!("DPKG_MAINTSCRIPT_ARCH={}", archive.foreign().debian);
        let epoch = epoch.map(|epoch| format!("SOURCE_DATE_EPOCH={epoch}"));
        let mut expected = vec![
            "DEBCONF_NONINTERACTIVE_SEEN=true",
            "DEBIAN_FRONTEND=noninteractive",
            "DPKG_ADMINDIR=/var/lib/dpkg",
            "DPKG_FORCE=security-mac,downgrade",
            &arch,
            "DPKG_MAINTSCRIPT_DEBUG=0",
            "DPKG_MAINTSCRIPT_NAME=postinst",
            "DPKG_MAINTSCRIPT_PACKAGE=sees",
            "DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1",
            "DPKG_ROOT=",
            "DPKG_RUNNING_VERSION=1.0-1",
            "HOME=/root",
            "LANG=C.UTF-8",
            "LANGUAGE=C.UTF-8",
            "LC_ALL=C.UTF-8",
            "LOGNAME=root",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "SHELL=/bin/sh",
            "USER=root",
        ];
        expected.extend(epoch.as_deref());
        expected.sort_unstable();
        assert_eq!(seen, expected);
        assert_eq!(read(&target, "var/lib/seen"), "input 0\n/dev/null\n");
    }
});

scenario!(
    /// A way to 127.0.0.1 and none to others.
    the_loopback_interface_is_up, CONFIGURE, {
    let mut packages = program("perl", "usr/bin/perl")?;
    // A datagram needs a way to its destination: sockets of AF_INET (2), SOCK_DGRAM (2).
    let commands = "perl -e 'for my $host (127, 192) { socket(S, 2, 2, 0) or die; \
        print \"$host \", connect(S, pack(\"S n C4 x8\", 2, 9, $host, 0, 0, 1)) ? \"up\" : $!, \"\\n\" }'\n";
    packages.push(
        package("sees")?
            .field("Depends", "perl")
            .script("postinst", &seeing(commands)),
    );
    let archive = installed(&packages)?;
    let seen = read(&archive.work.out("target"), "var/lib/seen");
    assert_eq!(seen, "127 up\n192 Network is unreachable\n");
});

scenario!(
    /// /dev, /proc and /sys as a script sees them, and the result.
    devices_and_proc_of_its_own, CONFIGURE, {
    let commands = "echo dev $(ls /dev)\necho x >/dev/mine\necho x >/dev/shm/mine\nmkfifo /dev/pipe\n\
        echo zero $(head -c 5 /dev/zero | wc -c)\necho x >/dev/null\n\
        head -c 3 /dev/zero >/dev/full; echo full $?\nhead -c 3 /dev/urandom | wc -c\n\
        echo sys $(ls -A /sys | wc -l)\necho processes $(ls /proc | grep -c '^[0-9]')\n\
        cat /proc/1/status\n";
    let archive = Synthetic::with(&[package("sees")?.script("postinst", &seeing(commands))])?;
    archive.install("sees", "target").end()?.succeeded();
    let seen = read(&archive.work.out("target"), "var/lib/seen");
    let mut names = "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero".to_owned();
    if !Path::new("/dev/tty").exists() {
        names = names.replace("tty ", "");
    }
    for (name, text) in [("dev", &*names), ("zero", "5"), ("sys", "0")] {
        assert_eq!(line(&seen, &format!("{name} ")), text, "{seen}");
    }
    assert_ne!(line(&seen, "full "), "0", "{seen}");
    assert!(seen.contains("No space left on device"), "{seen}");
    let processes: u32 = line(&seen, "processes ").parse()?;
    assert!((2..10).contains(&processes), "{seen}");
    assert_eq!(line(&seen, "Uid:").split_whitespace().next(), Some("0"), "{seen}");
    archive.install("sees", "result.tar").end()?.succeeded();
    let result = entries(&archive.work.out("result.tar"))?;
    assert!(result.contains_key("dev/null"));
    for name in ["dev/mine", "dev/pipe", "dev/shm/mine"] {
        assert!(!result.contains_key(name), "{name} is in the archive");
        assert!(
            !archive.work.out("target").join(name).exists(),
            "{name} is in the directory"
        );
    }
    assert!(!result.keys().any(|path| path.starts_with("proc/")));
});

scenario!(
    /// A process in the background ends with the view.
    processes_left_behind_end, CONFIGURE, {
    // One keeps the script's output open, the other has left its session.
    let leaves = package("leaves")?.script(
        "postinst",
        "#!/bin/sh\nsleep 86391 &\nsleep 86392 </dev/null >/dev/null 2>&1 &\n",
    );
    let later = package("later")?.field("Depends", "leaves").script(
        "postinst",
        &seeing("for file in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$file; echo; done\n"),
    );
    // That nothing is left is what `installed` checks.
    let archive = installed(&[leaves, later])?;
    let seen = read(&archive.work.out("target"), "var/lib/seen");
    assert!(
        seen.contains("sleep 86391") && seen.contains("sleep 86392"),
        "they ended before the view did, or were not started:\n{seen}"
    );
});
