//! `--mode=chrootless`: maintainer scripts run in a native root, and see the target at `DPKG_ROOT`.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rootless_install_tests::base::program;
use rootless_install_tests::compare::entries;
use rootless_install_tests::deb::Package;
use rootless_install_tests::real::{EPOCH, assert_installed};
use rootless_install_tests::synthetic::{Synthetic, package, read};
use rootless_install_tests::{Result, scenario};

const CHROOTLESS: &str = "--mode=chrootless";

// `setcap cap_net_raw+ep`: revision 2, effective, bit 13 (capabilities(7), linux/capability.h).
const NET_RAW: &str = "0100000200200000000000000000000000000000";

// A postinst that writes all it says into the target's /var/lib/seen.
fn seeing(commands: &str) -> String {
    format!("#!/bin/sh\nexec >\"$DPKG_ROOT/var/lib/seen\" 2>&1\nset -ex\n{commands}")
}

// An archive with these packages and one with that script, installed into `out/target`; what the
// script saw, and what the program said.
fn seen(mut packages: Vec<Package>, commands: &str) -> Result<(Synthetic, String, String)> {
    let mut names: Vec<String> = packages.iter().map(|one| one.name.clone()).collect();
    names.dedup();
    packages.push(package("sees")?.script("postinst", &seeing(commands)));
    let archive = Synthetic::with(&packages)?;
    names.push("sees".to_owned());
    let traces = archive.work.traces();
    let run = archive.install(&names.join(","), "target");
    let outcome = run.option(CHROOTLESS).option("--verbose").end()?;
    outcome.succeeded();
    archive.work.clean(&traces, &["target"]);
    assert!(assert_installed(&archive.work.out("target")) > names.len());
    let seen = read(&archive.work.out("target"), "var/lib/seen");
    Ok((archive, seen, outcome.stderr))
}

// Each line is there, as one that a script printed, not as one that `set -x` shows.
#[track_caller]
fn has_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|one| one == *line), "no line {line}:\n{text}");
    }
}

scenario!(
    /// Environment, arguments and working directory of a script outside of its root.
    scripts_see_the_root_that_dpkg_names, CONFIGURE, {
    let log = |name: &str| {
        format!(
            "#!/bin/sh\nset -e\n{{ echo \"$# $*\"; pwd; echo \"root=$DPKG_ROOT admin=$DPKG_ADMINDIR\"; \
             echo \"force=$DPKG_FORCE\"; echo \"path=$PATH\"; echo \"self=$0\"; \
             echo \"$DPKG_MAINTSCRIPT_PACKAGE $DPKG_MAINTSCRIPT_ARCH $DPKG_MAINTSCRIPT_NAME\"; \
             }} >\"$DPKG_ROOT/var/lib/seen-{name}\"\n"
        )
    };
    let asks = package("asks")?
        .script("preinst", &log("preinst"))
        .script("postinst", &log("postinst"));
    let archive = Synthetic::with(&[asks])?;
    let run = archive.install("asks", "target").option(CHROOTLESS);
    run.end()?.succeeded();
    let arch = archive.foreign().debian;
    for (name, arguments, file) in [
        ("preinst", "1 install", "tmp.ci/preinst"),
        ("postinst", "2 configure ", "info/asks.postinst"),
    ] {
        let seen = read(&archive.work.out("target"), &format!("var/lib/seen-{name}"));
        has_lines(
            &seen,
            &[
                arguments,
                "/target",
                "root=/target admin=/target/var/lib/dpkg",
                &format!("self=/target/var/lib/dpkg/{file}"),
                &format!("asks {arch} {name}"),
            ],
        );
        let line = |name: &str| seen.lines().find_map(|line| line.strip_prefix(name));
        let force = line("force=").unwrap_or_default();
        assert!(force.split(',').any(|one| one == "script-chrootless"), "{seen}");
        let path = line("path=").unwrap_or_default();
        assert!(path.starts_with("/.rootless-install/bin:/usr/"), "{seen}");
    }
});

// Every path below a directory, with what would tell of a change.
fn state(directory: &Path) -> std::io::Result<BTreeMap<PathBuf, String>> {
    let mut state = BTreeMap::new();
    let mut left = vec![directory.to_path_buf()];
    while let Some(path) = left.pop() {
        let facts = std::fs::symlink_metadata(&path)?;
        if facts.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        }
        let told = (facts.mode(), facts.len(), facts.mtime(), facts.mtime_nsec());
        state.insert(path, format!("{told:?}"));
    }
    Ok(state)
}

scenario!(
    /// Owners, modes, devices, capabilities below DPKG_ROOT; no trace of what is written elsewhere.
    facts_are_recorded_and_the_rest_is_nobodys, CONFIGURE, {
    // Redirections are the shell's own: nothing takes them into the root.
    let script = "#!/bin/sh\nset -ex\n\
        [ ! -e /var/lib/elsewhere-86393 ]; [ -e /etc/debian_version ]\n\
        echo x >/var/lib/elsewhere-86393; echo y >/etc/debian_version; : >/tmp/elsewhere-86393\n\
        cd \"$DPKG_ROOT/var/lib\"; mkdir facts; cd facts\n\
        echo x >file; chown 33:42 file; chmod 6750 file; mknod null c 1 3; mkfifo pipe\n\
        ln -s file link; chown -h 33:33 link; install -o 7 -g 8 -m 2755 -d directory\n\
        cp file tool; setcap cap_net_raw+ep tool\n\
        [ \"$(stat -c %u:%g:%a file)\" = 33:42:6750 ]\n";
    let mut packages = program("libcap2-bin", "usr/sbin/setcap")?;
    packages.push(package("facts")?.script("postinst", script));
    let archive = Synthetic::with(&packages)?;
    let roots = archive.work.path("cache/native-root");
    let mut before = None;
    for name in ["first.tar", "second.tar"] {
        let traces = archive.work.traces();
        let run = archive.install("facts,libcap2-bin", name).option(CHROOTLESS);
        run.end()?.succeeded();
        assert_eq!(traces.left(), [""; 0], "processes or mounts are left");
        let now = state(&roots)?;
        assert!(now.len() > 50, "the cache has no native root");
        // The second run takes what the first has made.
        assert_eq!(*before.get_or_insert_with(|| now.clone()), now);
        let found = entries(&archive.work.out(name))?;
        let fact = |path: &str, fact: &str| {
            let facts = found.get(&format!("var/lib/facts/{path}"));
            facts
                .and_then(|facts| facts.get(fact))
                .cloned()
                .unwrap_or_default()
        };
        for (path, name, value) in [
            ("file", "owner", "33:42"),
            ("file", "mode", "6750"),
            ("null", "type", "Char"),
            ("null", "device", "1:3"),
            ("pipe", "type", "Fifo"),
            ("link", "owner", "33:33"),
            ("directory", "owner", "7:8"),
            ("directory", "mode", "2755"),
            ("tool", "SCHILY.xattr.security.capability", NET_RAW),
        ] {
            assert_eq!(fact(path, name), value, "{path} {name}");
        }
        assert!(!found.keys().any(|path| path.contains("elsewhere-86393")));
        assert_eq!(found["etc/debian_version"]["size"], "5");
        for path in ["/var/lib", "/tmp"] {
            assert!(!Path::new(path).join("elsewhere-86393").exists());
        }
    }
});

scenario!(
    /// Tools with paths outside, questions about the target, chroot, ldconfig.
    calls_outside_act_on_the_root, CONFIGURE, {
    let mut packages = Vec::new();
    for (name, path) in [
        ("chroots", "usr/sbin/chroot"),
        ("ldconfigs", "usr/sbin/ldconfig"),
        ("getents", "usr/bin/getent"),
    ] {
        packages.extend(program(name, path)?);
    }
    let commands = "echo web:x:77:78:web:/srv:/bin/sh >>\"$DPKG_ROOT/etc/passwd\"\n\
        echo web:x:78: >>\"$DPKG_ROOT/etc/group\"\n\
        : >\"$DPKG_ROOT/var/x\"; chown 7:8 /var/x; mknod /var/null c 1 3; mkdir -p /etc/y\n\
        touch /etc/y/z; chown web:web /etc/y/z; stat -c 'web %u:%g' /etc/y/z\n\
        chroot \"$DPKG_ROOT\" sh -c 'stat -c \"inside %u:%g\" /var/x; echo \"<$DPKG_ROOT>\"'\n\
        ldconfig; dpkg --print-architecture; uname -m\ngetent passwd web; id -u web; id web\n\
        [ ! -e \"$DPKG_ROOT/var/y\" ]; [ ! -e \"$DPKG_ROOT$DPKG_ROOT\" ]\n";
    let (archive, seen, said) = seen(packages, commands)?;
    let machine = archive.foreign().triplet.split('-').next().unwrap_or_default();
    has_lines(
        &seen,
        &[
            "web 77:78",
            "inside 7:8",
            "<>",
            archive.foreign().debian,
            machine,
            "web:x:77:78:web:/srv:/bin/sh",
            "77",
            "uid=77(web) gid=78(web) groups=78(web)",
        ],
    );
    let target = archive.work.out("target");
    for made in ["etc/y", "etc/ld.so.cache", "var/null"] {
        assert!(target.join(made).exists(), "{made} is not in the target");
    }
    for (what, kind) in [
        ("chown /var/x", "path"),
        ("mknod /var/null", "path"),
        ("mkdir /etc/y", "path"),
        ("chroot /target", "chroot"),
    ] {
        let line = format!("outside of DPKG_ROOT: {what} ({kind})");
        assert!(said.contains(&line), "not told: {line}\n{said}");
    }
});

scenario!(
    /// $DPKG_ROOT/usr/bin/TOOL, and what it says of the machine.
    programs_of_the_target_run_natively, CONFIGURE, {
    let commands = "\"$DPKG_ROOT/usr/bin/uname\" -m\n\
        \"$DPKG_ROOT/usr/bin/stat\" -c 'root %u' \"$DPKG_ROOT/etc/passwd\"\n\
        cd \"$DPKG_ROOT/usr/bin\"; ./dpkg --print-architecture; ./sh -c 'echo \"in a shell $0\"'\n\
        \"$DPKG_ROOT/usr/bin/dpkg-query\" -W -f '${Version}\n' sees\n";
    let (archive, seen, said) = seen(Vec::new(), commands)?;
    let machine = archive.foreign().triplet.split('-').next().unwrap_or_default();
    has_lines(
        &seen,
        &[
            machine,
            "root 0",
            archive.foreign().debian,
            "in a shell ./sh",
            "1.0-1",
        ],
    );
    for tool in ["uname /target/usr/bin/uname", "dpkg ./dpkg", "sh ./sh"] {
        let line = format!("outside of DPKG_ROOT: {tool} (target-binary)");
        assert!(said.contains(&line), "not told: {line}\n{said}");
    }
});

scenario!(
    /// Scripts that keep to DPKG_ROOT make the same tar in both modes.
    the_same_bytes_as_redirected, CONFIGURE, {
    let mut packages = program("ldconfigs", "usr/sbin/ldconfig")?;
    packages.push(
        package("keeps")?
            .file("usr/share/keeps/tool", "#!/bin/sh\n", 0o755)
            .script(
                "preinst",
                "#!/bin/sh\nset -e\nmkdir -p \"$DPKG_ROOT/var/lib/keeps\"\n\
                 dpkg-divert --package keeps --rename --add --divert /etc/moved.real /etc/moved\n",
            )
            .script(
                "postinst",
                "#!/bin/sh\nset -e\ncd \"$DPKG_ROOT/var/lib/keeps\"\n\
                 echo \"$1\" >>calls; echo x >file; chown 33:42 file; chmod 4750 file\n\
                 [ \"$1\" = configure ] || exit 0\n\
                 update-alternatives --install /usr/bin/kept kept /usr/share/keeps/tool 10\n\
                 dpkg-statoverride --update --add www-data shadow 2750 /usr/share/keeps\n\
                 getent() { sed -n \"/^$2:/p\" \"$DPKG_ROOT/etc/$1\"; }; getent passwd www-data >user\n\
                 dpkg --print-architecture >arch; uname -m >machine; ldconfig\n\
                 dpkg-trigger --no-await kept-trigger; stat -c %u:%a file >\"$DPKG_ROOT/var/log/kept\"\n",
            )
            .control_file("triggers", b"interest-noawait kept-trigger\n", 0o644),
    );
    let archive = Synthetic::with(&packages)?;
    let mut made = Vec::new();
    for mode in ["redirect", "chrootless"] {
        let name = format!("{mode}.tar");
        let run = archive
            .install("keeps,ldconfigs", &name)
            .option(&format!("--mode={mode}"));
        let run = run.env("SOURCE_DATE_EPOCH", EPOCH.to_string());
        run.end()?.succeeded();
        made.push(archive.work.out(&name));
    }
    let found = rootless_install_tests::compare::compare_files(&made[0], &made[1])?;
    assert!(found.differences.is_empty(), "{:#?}", found.differences);
    assert!(
        std::fs::read(&made[0])? == std::fs::read(&made[1])?,
        "the entries agree, the bytes do not"
    );
    let entries = entries(&made[0])?;
    for path in ["usr/bin/kept", "etc/ld.so.cache", "var/log/kept"] {
        assert!(entries.contains_key(path), "{path} is not there");
    }
    assert_eq!(entries["usr/share/keeps"]["owner"], "33:42");
});

scenario!(
    /// --native-sysroot with this machine, and with a directory that is no system.
    native_roots_that_are_none, CONFIGURE, {
    let archive = Synthetic::with(&[])?;
    let empty = archive.work.make_dir("empty")?;
    let empty = format!("--native-sysroot={}", empty.display());
    for (option, words) in [
        (
            "--native-sysroot=/",
            ["chrootless|native root", "leave --native-sysroot out"],
        ),
        (&*empty, ["empty", "usr/bin/sh"]),
    ] {
        let traces = archive.work.traces();
        let run = archive.install("", "target").option(CHROOTLESS).option(option);
        run.end()?.failed_with(&words);
        archive.work.clean(&traces, &[]);
    }
});
