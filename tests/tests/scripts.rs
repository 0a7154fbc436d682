//! What maintainer scripts see and do, on a synthetic archive whose target
//! programs cannot be executed by anybody.

use std::collections::BTreeMap;

use rootless_install_tests::compare::{Facts, entries};
use rootless_install_tests::deb::{Compression, Entry, Kind, entry};
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::{Synthetic, installed, package, read};

fn owned(name: &str, kind: Kind, mode: u32, owner: (u64, u64), names: (&str, &str)) -> Entry {
    let names = (names.0.to_owned(), names.1.to_owned());
    Entry {
        owner,
        names,
        ..entry(name, kind, mode)
    }
}

scenario!(
    /// Owners, modes, devices, links as scripts set them, in the tar.
    facts_are_recorded, CONFIGURE, {
    let script = "#!/bin/sh\nset -ex\nmkdir -p /var/lib/facts && cd /var/lib/facts\n\
        echo x >file; chown 33:42 file; chmod 6750 file\n\
        mkfifo pipe; ln -s file link; chown -h 33:33 link; ln file hard; mkdir sticky; chmod 1777 sticky\n\
        [ \"$(stat -c %u:%g:%a file)\" = 33:42:6750 ]\n[ \"$(stat -c %h hard)\" = 2 ]\n\
        chown 0:0 hard; [ \"$(stat -c %u:%a file)\" = 0:750 ]\n\
        chmod 4711 file; [ \"$(id -u)\" = 0 ]\n";
    let facts = package("facts")?
        .entry(owned(
            "./set-id",
            Kind::File(b"s".to_vec()),
            0o6755,
            (0, 42),
            ("root", "shadow"),
        ))
        .entry(owned(
            "./web",
            Kind::File(b"w".to_vec()),
            0o640,
            (7, 7),
            ("www-data", "www-data"),
        ))
        .entry(entry("./disk", Kind::BlockDevice(8, 1), 0o660))
        .entry(entry("./queue", Kind::Fifo, 0o600))
        .script("postinst", script);
    let archive = Synthetic::with(&[facts])?;
    let tar = archive.work.out("facts.tar");
    archive.install("facts", "facts.tar").end()?.succeeded();
    let found: BTreeMap<String, Facts> = entries(&tar)?;
    let fact = |path: &str, name: &str| found.get(path).and_then(|facts| facts.get(name)).cloned();
    for (path, mode, owner) in [
        ("var/lib/facts/file", "4711", "0:0"),
        ("var/lib/facts/sticky", "1777", "0:0"),
        ("set-id", "6755", "0:42"),
        ("web", "0640", "33:33"),
        ("disk", "0660", "0:0"),
        ("tmp", "1777", "0:0"),
    ] {
        assert_eq!(fact(path, "mode").as_deref(), Some(mode), "{path}");
        assert_eq!(fact(path, "owner").as_deref(), Some(owner), "{path}");
    }
    assert_eq!(fact("var/lib/facts/link", "owner").as_deref(), Some("33:33"));
    assert_eq!(fact("var/lib/facts/pipe", "type").as_deref(), Some("Fifo"));
    assert_eq!(fact("queue", "type").as_deref(), Some("Fifo"));
    assert_eq!(fact("disk", "device").as_deref(), Some("8:1"));
    let links = ["file", "hard"].map(|name| fact(&format!("var/lib/facts/{name}"), "type"));
    assert!(
        links.contains(&Some("Link".to_owned())),
        "hard links are one file: {links:?}"
    );
});

scenario!(
    /// Affinity at the begin and after two seconds.
    a_script_has_one_processor_and_a_long_one_all, CONFIGURE, {
    let script = "#!/bin/sh\nset -e\nexec >/var/lib/processors\ngrep ^Cpus_allowed: /proc/self/status\n\
        sleep 2\ngrep ^Cpus_allowed: /proc/self/status\n";
    let archive = installed(&[package("long")?.script("postinst", script)])?;
    let seen = read(&archive.work.out("target"), "var/lib/processors");
    let processors: Vec<usize> = seen
        .lines()
        .map(|line| {
            let digits = line.chars().skip_while(|c| *c != '\t');
            let ones = |digit: char| digit.to_digit(16).unwrap_or(0).count_ones();
            digits.map(|digit| ones(digit) as usize).sum()
        })
        .collect();
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    assert_eq!(processors, [1, all], "{seen}");
});

scenario!(
    /// dpkg --print-architecture, uname -m.
    the_target_architecture_is_answered, CONFIGURE, {
    let script = "#!/bin/sh\nset -e\nexec >/var/lib/answers\ndpkg --print-architecture\nuname -m\n\
        dpkg --print-foreign-architectures\n";
    let archive = installed(&[package("asks")?.script("postinst", script)])?;
    let answers = read(&archive.work.out("target"), "var/lib/answers");
    let uname = archive.foreign().triplet.split('-').next().unwrap_or_default();
    assert_eq!(answers, format!("{}\n{uname}\n", archive.foreign().debian));
    // Reading a target program gives its own bytes, not those of its counterpart.
    let script =
        "#!/bin/sh\nhead -c 20 /usr/bin/dash >/var/lib/head\nsha256sum </usr/bin/dash >/var/lib/sum\n";
    let archive = installed(&[package("reads")?.script("postinst", script)])?;
    let target = archive.work.out("target");
    let head = std::fs::read(target.join("var/lib/head"))?;
    assert_eq!(
        rootless_install_tests::elf::machine_of(&head),
        Some(archive.foreign().number)
    );
});

scenario!(
    /// dpkg's arguments and variables for each script.
    arguments_and_environment, CONFIGURE, {
    let log = |name: &str| {
        format!(
            "#!/bin/sh\nset -e\nmkdir -p /var/lib/seen\n{{ echo \"$# $*\"; \
             echo \"$DPKG_MAINTSCRIPT_PACKAGE $DPKG_MAINTSCRIPT_ARCH $DPKG_MAINTSCRIPT_NAME\"; \
             echo \"root=$DPKG_ROOT refcount=$DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT\"; \
             echo \"version=${{DPKG_RUNNING_VERSION:+set}} admin=$DPKG_ADMINDIR\"; \
             echo \"frontend=$DEBIAN_FRONTEND home=$HOME\"; pwd; }} >/var/lib/seen/{name}\n"
        )
    };
    let asks = package("asks")?
        .script("preinst", &log("preinst"))
        .script("postinst", &log("postinst"));
    let archive = installed(&[asks])?;
    let target = archive.work.out("target");
    let arch = archive.foreign().debian;
    for (name, arguments) in [("preinst", "1 install"), ("postinst", "2 configure ")] {
        let seen = read(&target, &format!("var/lib/seen/{name}"));
        let lines: Vec<&str> = seen.lines().collect();
        assert_eq!(lines.first(), Some(&arguments), "{seen}");
        assert_eq!(
            lines.get(1),
            Some(&format!("asks {arch} {name}").as_str()),
            "{seen}"
        );
        assert_eq!(lines.get(2), Some(&"root= refcount=1"), "{seen}");
        assert_eq!(lines.get(3), Some(&"version=set admin=/var/lib/dpkg"), "{seen}");
        assert!(seen.contains("frontend=noninteractive"), "{seen}");
        assert_eq!(lines.last(), Some(&"/"), "{seen}");
    }
});

scenario!(
    /// Explicit and file triggers are processed.
    triggers_run, CONFIGURE, {
    let note = "#!/bin/sh\nset -e\necho \"$*\" >>/var/lib/triggered\n";
    let interested = package("interested")?
        .control_file(
            "triggers",
            b"interest /usr/share/watched\ninterest-noawait my-trigger\n",
            0o644,
        )
        .script("postinst", note);
    let files = package("files")?
        .field("Depends", "interested")
        .file("usr/share/watched/one", "1", 0o644);
    let explicit = package("explicit")?.field("Depends", "interested").control_file(
        "triggers",
        b"activate-noawait my-trigger\n",
        0o644,
    );
    let calls = package("calls")?
        .field("Depends", "interested")
        .script("postinst", "#!/bin/sh\nset -e\ndpkg-trigger my-trigger\n");
    let archive = installed(&[interested, files, explicit, calls])?;
    let target = archive.work.out("target");
    let seen = read(&target, "var/lib/triggered");
    assert!(
        seen.starts_with("configure \n") || seen.contains("\nconfigure \n"),
        "{seen}"
    );
    let triggered: Vec<&str> = seen
        .lines()
        .filter(|line| line.starts_with("triggered "))
        .collect();
    assert!(triggered.iter().any(|line| line.contains("my-trigger")), "{seen}");
    let status = read(&target, "var/lib/dpkg/status");
    assert!(
        !status.contains("Triggers-Pending") && !status.contains("Triggers-Awaited"),
        "{status}"
    );
});

scenario!(
    /// Conffiles are in place and in the status file.
    conffiles_are_installed, CONFIGURE, {
    let conf = package("conf")?
        .file("etc/conf/setting", "value = 1\n", 0o640)
        .control_file("conffiles", b"/etc/conf/setting\n", 0o644)
        .script(
            "postinst",
            "#!/bin/sh\nset -e\n[ -e /etc/conf/setting ] && [ ! -e /etc/conf/setting.dpkg-new ]\n",
        );
    let archive = installed(&[conf])?;
    let target = archive.work.out("target");
    assert_eq!(read(&target, "etc/conf/setting"), "value = 1\n");
    assert!(!target.join("etc/conf/setting.dpkg-new").exists());
    let status = read(&target, "var/lib/dpkg/status");
    let recorded = format!("Conffiles:\n /etc/conf/setting {}", md5(b"value = 1\n"));
    assert!(status.contains(&recorded), "{status}");
    assert!(read(&target, "var/lib/dpkg/info/conf.list").contains("/etc/conf/setting\n"));
});

fn md5(data: &[u8]) -> String {
    use md5::Digest as _;
    rootless_install_tests::deb::hex(&md5::Md5::digest(data))
}

scenario!(
    /// No network, no home directory, no host files.
    the_user_is_out_of_reach, CONFIGURE, {
    let secret = "a secret of the user";
    let script = "#!/bin/sh\nexec >/var/lib/reach 2>&1\nls -A /home /root\n\
        for file in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$file; echo; done\n\
        cat /proc/net/dev\nfind / -xdev -name secret-of-the-user\n\
        cat /proc/self/status\nls -A /dev\n";
    let archive = Synthetic::with(&[package("spy")?.script("postinst", script)])?;
    archive.work.write("home/secret-of-the-user", secret.as_bytes())?;
    archive
        .install("spy", "target")
        .env("RI_SECRET", secret)
        .end()?
        .succeeded();
    let seen = read(&archive.work.out("target"), "var/lib/reach");
    for word in ["secret-of-the-user", "eth0", "rootless-install --"] {
        assert!(!seen.contains(word), "{word} is seen:\n{seen}");
    }
    assert!(seen.contains("NoNewPrivs:\t1"), "{seen}");
});

scenario!(
    /// gz, xz, zstd and plain members.
    every_compression, CONFIGURE, {
    let mut packages = Vec::new();
    for control in Compression::ALL {
        for data in Compression::ALL {
            let name = format!("c{:?}d{:?}", control, data).to_lowercase();
            let path = format!("usr/share/{name}/file");
            packages.push(
                package(&name)?
                    .file(&path, name.repeat(1000), 0o644)
                    .compressed(control, data),
            );
        }
    }
    let archive = installed(&packages)?;
    for package in &packages {
        let path = format!("usr/share/{0}/file", package.name);
        assert_eq!(
            read(&archive.work.out("target"), &path),
            package.name.repeat(1000)
        );
    }
});
