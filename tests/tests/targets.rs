//! Commands on a target that is there: taken from an archive, looked at, changed, checked, mounted, adopted, removed; and
//! what other programs make of its directory.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use rootless_install_tests::compare::compare_files;
use rootless_install_tests::deb::{Kind, directory, entry, tar};
use rootless_install_tests::disk::MARKER;
use rootless_install_tests::filled::{self, TIME};
use rootless_install_tests::listing::entries;
use rootless_install_tests::program::{Outcome, Workplace};
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::{Synthetic, installed, package};

type Tested<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Runs the program with words and paths.
fn run(work: &Workplace, words: &[&dyn AsRef<OsStr>]) -> Tested<Outcome> {
    Ok(work.run_plain(words.iter().map(|word| word.as_ref())).end()?)
}

/// Has the user's shell run a script, in which `"$1"` is the program, `"$2"` the target, and `$3` further.
fn shell(work: &Workplace, script: &str, words: &[&dyn AsRef<OsStr>]) -> Tested<Outcome> {
    let words: Vec<OsString> = words.iter().map(|word| word.as_ref().to_owned()).collect();
    Ok(work.run_plain(words).through(script).end()?)
}

/// Packs a target as the tar `out/NAME`, and returns its path.
fn packed(work: &Workplace, target: &Path, name: &str) -> Tested<std::path::PathBuf> {
    let out = work.out(name);
    run(work, &[&"pack", &target, &out])?.succeeded();
    Ok(out)
}

scenario!(
    /// Archives that mean harm touch nothing outside of the target, and make none.
    hostile_archives, PROGRAM, {
    let work = Workplace::new()?;
    let outside = work.write("outside", b"mine")?;
    let away = outside.display().to_string();
    let target = work.out("t");
    let try_it = |entries: &[rootless_install_tests::deb::Entry]| -> Tested<Outcome> {
        let path = work.path("x.tar");
        std::fs::write(&path, tar(entries, TIME)?)?;
        run(&work, &[&"unpack", &path, &target])
    };
    let file = |name: &str| entry(name, Kind::File(b"theirs".to_vec()), 0o4777);
    let link = |name: &str, text: &str| entry(name, Kind::Symlink(text.to_owned()), 0o777);
    for (entries, words) in [
        (vec![file("../outside")], &["..", "../outside"][..]),
        (vec![file("a/../../outside")], &[".."]),
        (vec![file("/a/../../../outside")], &[".."]),
        (vec![entry("./x", Kind::Hardlink("../outside".to_owned()), 0o644)], &[".."]),
        (vec![entry("./x", Kind::Hardlink(away.clone()), 0o644)], &["hard link", "not there"]),
        (vec![directory("./d/", 0o755), entry("./x", Kind::Hardlink("./d".to_owned()), 0o644)], &["hard link to a directory"]),
        (vec![file("./f"), file("./f/x")], &["f/x"]),
        (vec![directory("./d/", 0o755), file("./d/x"), file("./d")], &["./d"]),
        (vec![link("./l", "")], &["nothing"]),
        (vec![file("./loop/x"), link("./loop/y", "y"), file("./loop/y/z")], &["loop/y/z"]),
    ] {
        try_it(&entries)?.failed_with(words);
        assert_eq!(work.names("out")?, [""; 0], "{entries:?}");
    }
    // Names from the root, and links that lead out, mean places in the target.
    let home = work.path("home").display().to_string();
    let all = [
        file("/absolute"),
        link("./up", "../../../../.."),
        file("./up/through-up"),
        link("./there", &home),
        file("./there/through-there"),
        link("./itself", &away),
        file("./itself"),
        file(MARKER),
    ];
    let done = try_it(&all)?;
    done.failed_with(&["through-there"]);
    let kept: Vec<_> = all.iter().filter(|entry| !entry.name.contains("there")).cloned().collect();
    let done = try_it(&kept)?;
    done.succeeded();
    assert!(done.stderr.contains("another program made this archive"), "{}", done.stderr);
    for (name, is) in [("absolute", "theirs"), ("through-up", "theirs"), ("itself", "theirs")] {
        assert_eq!(std::fs::read_to_string(target.join(name))?, is);
        assert_eq!(std::fs::metadata(target.join(name))?.permissions().mode() & 0o7022, 0, "{name}");
    }
    assert_eq!(std::fs::read(&outside)?, b"mine");
    assert_eq!(work.names("home")?, [""; 0]);
    assert_eq!(work.names("out")?, ["t"]);
    // What is cut off, or no archive at all.
    let whole = tar(&filled::entries(), TIME)?;
    for (name, bytes, words) in [
        ("cut.tar", &whole[..whole.len() / 2], &["damaged or cut off"][..]),
        ("text", b"hello".as_slice(), &["no archive"]),
        ("empty", b"", &["empty"]),
        ("zeroes", &[0; 10_240], &["damaged"]),
        ("x.deb", b"!<arch>\ndebian-binary", &["package"]),
        ("x.gz", &[0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 0, 3, 9, 9], &["damaged"]),
    ] {
        let path = work.write(name, bytes)?;
        run(&work, &[&"unpack", &path, &work.out("u")])?.failed_with(words);
    }
    run(&work, &[&"unpack", &work.path("none.tar"), &work.out("u")])?.failed_with(&["none.tar is not there"]);
    run(&work, &[&"boot", &work.path("none.tar")])?.failed_with(&["none.tar is not there"]);
    run(&work, &[&"check", &work.path("text")])?.failed_with(&["text is a file", "rootless-install unpack"]);
    run(&work, &[&"unpack", &"oci:/nowhere", &work.out("u")])?.failed_with(&["index.json"]);
    assert_eq!(work.names("out")?, ["t"]);
});

scenario!(
    /// Owners, modes, devices and capabilities are shown and changed as chown(1), chmod(1), mknod(1) and setcap(8) do,
    /// by the target's own names.
    looked_at_and_changed, IMAGES, {
    let work = Workplace::new()?;
    let target = filled::target(&work, "t")?;
    let at = |name: &str| target.join(name);
    let stat = |words: &[&dyn AsRef<OsStr>]| -> Tested<String> {
        let done = run(&work, &[&[&"stat" as &dyn AsRef<OsStr>], words].concat())?;
        Ok(done.succeeded().text())
    };
    let shadow = stat(&[&at("etc/shadow")])?;
    assert!(shadow.starts_with("-rw-r-----    1 root     shadow          14 2017-07-14T02:40:00Z "), "{shadow}");
    let device = stat(&[&at("dev/vda")])?;
    assert!(device.starts_with("brw-rw----    1 root     6 ") && device.contains(" 253, 0 "), "{device}");
    assert!(stat(&[&at("usr/bin/ping")])?.ends_with("[cap_net_raw=ep]\n"));
    assert!(stat(&[&"-n", &at("home/user/link")])?.contains(" 1000     1001 "));
    let all = stat(&[&"-R", &target])?;
    assert_eq!(all.lines().count(), filled::entries().len());
    assert!(!all.contains(MARKER), "the marker is listed");
    for (words, path, said) in [
        (&["chown", "user"][..], "usr/bin/su", "-rwxr-xr-x    2 user     root "),
        (&["chown", "www-data:"], "etc/passwd", "-rw-r--r--    1 www-data www-data "),
        (&["chown", ":42"], "usr/bin/ping", "-rwxr-xr-x    1 root     shadow "),
        (&["chown", "-R", "33:33"], "home", "drwxr-xr-x    3 www-data www-data "),
        (&["chmod", "4711"], "usr/bin/su", "-rws--x--x    2 user     root "),
        (&["chmod", "-R", "g+w,o-rwx"], "home/user", "drwxrws---    2 www-data www-data "),
        (&["setcap", "cap_chown,cap_setuid=p"], "usr/bin/ping", "[cap_chown,cap_setuid=p]"),
        (&["mknod", "--mode", "620", "--owner", "root:42"], "dev/tty9 c 4 9", "crw--w----    1 root     shadow        4, 9"),
    ] {
        let mut parts = path.split(' ');
        let file = at(parts.next().unwrap_or_default());
        let mut all: Vec<&dyn AsRef<OsStr>> = words.iter().map(|word| word as &dyn AsRef<OsStr>).collect();
        let rest: Vec<&str> = parts.collect();
        all.push(&file);
        all.extend(rest.iter().map(|word| word as &dyn AsRef<OsStr>));
        run(&work, &all)?.succeeded();
        let line = stat(&[&file])?;
        assert!(line.contains(said), "{words:?}: {line}");
        // Who gets a file does not get its capabilities.
        assert!(words != ["chown", ":42"] || !line.contains("cap_"), "{line}");
        // What is on the disk stays harmless, and the user's.
        let disk = std::fs::symlink_metadata(&file)?;
        assert!(disk.mode() & 0o7022 == 0 && disk.uid() == work.account().uid, "{words:?}: {:o}", disk.mode());
    }
    assert!(stat(&[&"--root", &target, &"/home/user/link"])?.contains("www-data www-data"));
    run(&work, &[&"setcap", &"--remove", &at("usr/bin/ping")])?.succeeded();
    assert!(!stat(&[&at("usr/bin/ping")])?.contains("cap_"));
    let json: serde_json::Value = serde_json::from_str(&stat(&[&"--json", &at("dev/big")])?)?;
    assert_eq!((&json["type"], &json["device"], &json["mode"]), (&"char".into(), &serde_json::json!([300, 70_000]), &"0600".into()));
    for (words, said) in [
        (&["chown", "nobody-there", "etc"][..], "no user"),
        (&["chmod", "u+q", "etc"], "no mode"),
        (&["setcap", "cap_nothing=p", "usr/bin/ping"], "no capabilities"),
        (&["setcap", "cap_chown=p", "etc"], "regular files"),
        (&["mknod", "x", "c"], "MAJOR"),
        (&["chmod", "755", "not-there"], "not-there"),
        (&["chmod", "755", "../outside"], "has a `..`"),
    ] {
        let (last, first) = words.split_last().unwrap_or((&"", &[]));
        let mut all: Vec<OsString> = first.iter().map(Into::into).collect();
        match words.first() {
            Some(&"mknod") => all = vec!["mknod".into(), at("x").into(), "c".into()],
            _ => all.push(at(last).into()),
        }
        let done = work.run_plain(all).end()?;
        assert!(!done.status.success() && done.stderr.contains(said), "{words:?}: {}", done.stderr);
    }
});

scenario!(
    /// A target is whole after an installation; each damage is found and named, in words and as JSON.
    checked, CONFIGURE, {
    let own = package("own")?
        .file("usr/share/own/data", "data\n", 0o644)
        .file("usr/share/own/more", "more\n", 0o644)
        .script("postinst", "#!/bin/sh\nchown 33:33 /usr/share/own/data\n");
    let archive = installed(&[own])?;
    let (work, target) = (&archive.work, archive.work.out("target"));
    let check = |options: &[&str]| -> Tested<Outcome> {
        let mut words: Vec<&dyn AsRef<OsStr>> = vec![&"check"];
        words.extend(options.iter().map(|option| option as &dyn AsRef<OsStr>));
        words.push(&target);
        run(work, &words)
    };
    let whole = check(&[])?;
    assert_eq!((whole.status.code(), whole.text().as_str()), (Some(0), ""), "{}", whole.stderr);
    let at = |name: &str| target.join(name);
    let set = |name: &str, attribute: &str, value: &str| -> Tested {
        let done = Command::new("setfattr").args(["-n", attribute, "-v", value]).arg(at(name)).status()?;
        assert!(done.success());
        Ok(())
    };
    set("usr/share/own/data", "user.containers.override_stat", "33:what")?;
    set("usr/share/own/more", "user.rootless-install.security.capability", "no")?;
    set("usr/share/own", "user.rootless-install.nothing", "")?;
    std::fs::write(at("usr/share/own/more"), "changed\n")?;
    std::fs::write(at("etc/x.dpkg-new"), "")?;
    std::fs::write(at("etc/.rootless-install-1-2"), "")?;
    std::fs::write(at("var/lib/dpkg/info/gone.list"), "/.\n")?;
    std::fs::set_permissions(at("etc"), std::fs::Permissions::from_mode(0o6777))?;
    let status = std::fs::read_to_string(at("var/lib/dpkg/status"))?;
    let half = status.replacen("Package: own\nStatus: install ok installed", "Package: own\nStatus: install ok half-configured", 1);
    assert_ne!(half, status);
    std::fs::write(at("var/lib/dpkg/status"), half)?;
    let found = check(&[])?;
    assert_eq!(found.status.code(), Some(3), "{}", found.stderr);
    let text = found.text();
    for line in [
        "record: /usr/share/own/data: has a record of its owner and mode that is none",
        "record: /usr/share/own/more: has capabilities that are none",
        "record: /usr/share/own: has the attribute user.rootless-install.nothing",
        "changed: /usr/share/own/more (own): has another content",
        "leftover: /etc/x.dpkg-new: ",
        "leftover: /etc/.rootless-install-1-2: ",
        "database: /var/lib/dpkg/info/gone.list: is of no package",
        "stray: /etc: has the mode 6777 on the disk",
        "package: own: is half configured; dpkg --configure -a",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    if nix::unistd::geteuid().is_root() {
        assert!(text.contains("stray: /etc/x.dpkg-new: belongs to user 0"), "{text}");
    }
    let report: serde_json::Value = serde_json::from_slice(&check(&["--json", "--quick"])?.stdout)?;
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    assert!(findings.iter().any(|finding| finding["kind"] == "package" && finding["package"] == "own"), "{report}");
    assert!(!findings.iter().any(|finding| finding["kind"] == "changed"), "--quick compares");
    std::fs::remove_file(at("usr/share/own/more"))?;
    assert!(check(&[])?.text().contains("missing: /usr/share/own/more (own)"));
    run(work, &[&"check", &work.path("home")])?.failed_with(&["not a root filesystem"]);
});

scenario!(
    /// Mounted, by fusermount3 and for one command, a target is seen as its users see it and can be changed; one who writes
    /// keeps others out.
    mounted, CONFIGURE, {
    let work = Workplace::new()?;
    let target = filled::target(&work, "t")?;
    let point = work.make_dir("mnt")?;
    let script = "set -e; r=$1 t=$2 m=$3; $r mount $t $m; stat -c '%u:%g %a %F %t,%T' $m/etc/shadow $m/dev/null $m/tmp; \
        ls $m; $r check $t 2>&1 || true; \
        echo new >$m/etc/new; chown 33:33 $m/etc/new; chmod 4750 $m/etc/new; mkdir $m/dir; mv $m/dir $m/moved; ls -d $m/moved; \
        rmdir $m/moved; ! ls -d $m/moved; $r umount $m; ls $m; $r stat $t/etc/new; \
        $r mount --read-only $t $m; ! touch $m/x; $r check --quick $t; $r umount $m; ! $r umount $m";
    let done = shell(&work, script, &[&target, &point])?;
    let (said, text) = (&done.succeeded().stderr, done.text());
    for line in ["42 640 regular file 0,0", "666 character special file 1,3", "1777 directory 0,0", "another process is working"] {
        assert!(text.contains(line), "{line}: {text}{said}");
    }
    assert!(text.contains("-rwsr-x---    1 www-data www-data         4 "), "{text}");
    assert!(!text.contains(MARKER), "the marker is in the mount");
    assert!(said.contains("Read-only") && said.contains("no target is mounted"), "{said}");
    // A command's own: ids are the target's, its root is the user.
    let script = "set -e; r=$1 t=$2 m=$3; $r mount $t $m -- sh -c \"id -u; stat -c '%u:%g %a' $m/etc/shadow; \
        chown 5:6 $m/etc/new; touch $TMPDIR/mine; cp -a $m $TMPDIR/copy; exit 7\" || echo status $?; ls $m; \
        stat -c %U $TMPDIR/mine; $r stat $t/etc/new; $r mount $t $m -- no-such-command || echo status $?";
    let done = shell(&work, script, &[&target, &point])?;
    let text = done.succeeded().text();
    assert!(text.starts_with("0\n0:42 640\nstatus 7\n"), "{text}{}", done.stderr);
    assert!(text.contains("-rwxr-x---    1 5        6 ") && text.ends_with("status 127\n"), "{text}");
    assert!(text.contains(&work.account().name), "{text}");
    // That copy has subordinate ids, as podman's directories have.
    let copy = work.path("tmp").join("copy");
    assert_ne!(std::fs::metadata(copy.join("etc/shadow"))?.gid(), work.account().gid);
    run(&work, &[&"adopt", &copy])?.succeeded();
    let before = packed(&work, &target, "before.tar")?;
    let after = packed(&work, &copy, "after.tar")?;
    let compared = compare_files(&before, &after)?;
    // An ordinary user's cp makes no devices, and the namespace has no ids above 65535; all else is there.
    let others: Vec<_> = compared.differences.iter().filter(|difference| !difference.path.starts_with("dev") && difference.path != "odd/large").collect();
    assert!(others.is_empty(), "{compared}");
    run(&work, &[&"check", &copy])?.succeeded();
    run(&work, &[&"rm", &copy])?.succeeded();
    assert!(!copy.exists());
});

scenario!(
    /// Files under temporary names that a process has left that was killed are removed by the next one that writes.
    leftovers_of_killed_writers, CONFIGURE, {
    let work = Workplace::new()?;
    let target = filled::target(&work, "t")?;
    let point = work.make_dir("mnt")?;
    let script = "set -e; r=$1 t=$2 m=$3; : >$t/etc/.rootless-install-1-1; $r check $t || true; $r chmod 1777 $t/tmp; ls -A $t/etc; \
        $r mount $t $m -- sleep 60 & p=$!; \
        until getfattr -n user.rootless-install.writing $t/README.rootless-install >/dev/null 2>&1; do sleep 0.1; done; \
        kill -KILL $p; wait $p || echo killed; : >$t/etc/.rootless-install-1-2; : >$t/etc/.rootless-install-mine; \
        $r check $t || true; $r pack --quiet $t $TMPDIR/t.tar; ls -A $t/etc; $r chmod 1777 $t/tmp; echo then; ls -A $t/etc; $r check $t; \
        ! getfattr -d -m - $t/README.rootless-install | grep writing";
    let done = shell(&work, script, &[&target, &point])?;
    let text = done.succeeded().text();
    let (before, after) = text.split_once("then\n").ok_or("not run")?;
    let (alone, killed) = before.split_once("killed\n").ok_or("not killed")?;
    // Nobody was killed here: the user may have a use for it.
    assert!(alone.contains("leftover: /etc/.rootless-install-1-1: is a file of a run that was killed; remove it"), "{alone}");
    assert!(alone.lines().any(|line| line == ".rootless-install-1-1"), "{alone}");
    assert!(killed.contains("/etc/.rootless-install-1-2: is a file of a run that was killed; the next run, or call of dpkg, removes it"), "{killed}");
    assert!(killed.lines().any(|line| line == ".rootless-install-1-2"), "a reader removes nothing: {killed}");
    let names: Vec<&str> = after.lines().filter(|line| line.starts_with(".rootless")).collect();
    assert_eq!(names, [".rootless-install-mine"], "{after}");
});

scenario!(
    /// Flags of chattr(1) are kept in the directory of a target, are no finding of `check`, and are in no archive.
    flags_of_files, CONFIGURE, {
    let work = Workplace::new()?;
    let target = filled::target(&work, "t")?;
    let point = work.make_dir("mnt")?;
    let before = packed(&work, &target, "before.tar")?;
    let script = "set -e; r=$1 t=$2 m=$3; \
        $r mount $t $m -- sh -ec \"chattr +d $m/etc $m/etc/shadow; ! chattr +i $m/etc/shadow; ! chattr +a $m/etc\"; \
        $r mount $t $m -- lsattr -d $m/etc $m/etc/shadow; $r check --quick $t";
    let done = shell(&work, script, &[&target, &point])?;
    let text = done.succeeded().text();
    let flags: Vec<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(flags.len() == 2 && flags.iter().all(|flags| flags.trim_matches('-') == "d"), "{text}");
    let compared = compare_files(&before, &packed(&work, &target, "after.tar")?)?;
    assert_eq!(compared.differences, [], "{compared}");
});

scenario!(
    /// Directories of fakeroot and of fuse-overlayfs are taken over with their owners; others are not touched.
    adopted, CONFIGURE_FAKEROOT, {
    let work = Workplace::new()?;
    let script = "set -e; cd $TMPDIR; mkdir -p f/usr/bin; fakeroot -s state sh -c 'cp /bin/true f/usr/bin/su; chown 0:33 f/usr/bin/su; \
        chmod 4755 f/usr/bin/su; mknod f/usr/null c 1 3; mkdir f/var; chown 7:8 f/var; chmod 2755 f/var; ln -s su f/usr/bin/l; chown -h 5:6 f/usr/bin/l; \
        tar --numeric-owner --sort=name --format=pax --pax-option=delete=atime,delete=ctime -C f -cf reference.tar .'; \
        cp -r f copied; $1 adopt --fakeroot state f; $1 check f; $1 pack f packed.tar; \
        mkdir copied/usr/closed; chmod 2070 copied/usr/closed; \
        ! $1 adopt --fakeroot state copied; stat -c %a copied/usr/closed; [ ! -e copied/README.rootless-install ]; \
        flock copied $1 adopt copied || $1 adopt copied; $1 stat copied/usr/closed; \
        mkdir home; ! $1 adopt home; $1 adopt f";
    let done = shell(&work, script, &[])?;
    let said = &done.succeeded().text();
    assert!(said.contains("2070\n") && said.contains("d---rws---"), "{said}");
    let said = &done.succeeded().stderr;
    assert!(said.contains("another process"), "{said}");
    assert!(said.contains("device and inode") && said.contains("is no root filesystem"), "{said}");
    let tmp = work.path("tmp");
    let compared = compare_files(&tmp.join("reference.tar"), &tmp.join("packed.tar"))?;
    assert_eq!(compared.differences, [], "{compared}");
    // What fuse-overlayfs and containers/storage write.
    let script = "set -e; cd $TMPDIR; mkdir -p o/usr; echo x >o/usr/f; echo y >o/usr/g; : >o/usr/null; \
        setfattr -n user.containers.override_stat -v 0:42:0640 o/usr/f; \
        setfattr -n user.fuseoverlayfs.override_stat -v 33:33:4755:file o/usr/g; \
        setfattr -n user.containers.override_stat -v 0:0:0666:char-1-3 o/usr/null; \
        chmod 755 o/usr/f; $1 adopt o; $1 check o; $1 stat -n o/usr/f o/usr/g o/usr/null";
    let done = shell(&work, script, &[])?;
    let text = done.succeeded().text();
    for line in ["-rw-r-----    1 0        42 ", "-rwsr-xr-x    1 33       33 ", "crw-rw-rw-    1 0        0             1, 3 "] {
        assert!(text.contains(line), "{line}: {text}");
    }
});

scenario!(
    /// A target is removed whatever modes its directories have, and nothing else is.
    removed, PROGRAM, {
    let work = Workplace::new()?;
    let target = filled::target(&work, "t")?;
    let kept = work.write("out/kept", b"kept")?;
    symlink(&kept, target.join("link"))?;
    symlink(&target, work.out("link"))?;
    std::fs::set_permissions(target.join("usr"), std::fs::Permissions::from_mode(0o000))?;
    run(&work, &[&"rm", &work.path("home")])?.failed_with(&["not a root filesystem"]);
    run(&work, &[&"rm", &work.out("none")])?.failed_with(&["no directory"]);
    run(&work, &[&"rm", &work.out("link")])?.failed_with(&["cannot remove"]);
    let mut held = std::process::Command::new("flock");
    held.arg("--shared").arg(&target).args(["sleep", "5"]);
    let mut held = held.spawn()?;
    std::thread::sleep(std::time::Duration::from_millis(300));
    run(&work, &[&"rm", &target])?.failed_with(&["another process"]);
    held.kill()?;
    held.wait()?;
    // The shell's child may hold it a moment longer.
    let _ = Command::new("flock").arg(&target).arg("true").status()?;
    run(&work, &[&"rm", &target])?.succeeded();
    assert!(!target.exists() && kept.exists());
    assert_eq!(work.names("home")?, [""; 0]);
});

scenario!(
    /// What programs that know nothing of fake ownership make of a target's directory, as docs/targets.md tells; the marker
    /// goes with what they make, and is in nothing that this program makes.
    other_programs, IMAGES, {
    let work = Workplace::new()?;
    let target = filled::target(&work, "t")?;
    let readme = std::fs::read_to_string(target.join(MARKER))?;
    assert!(readme.contains("rootless-install pack DIRECTORY") && readme.lines().all(|line| line.len() <= 80));
    let right = packed(&work, &target, "right.tar")?;
    let out = |name: &str| work.out(name);
    let user = format!("{}:{}", work.account().uid, work.account().gid);
    let script = "set -e; cd $TMPDIR/../out; tar -cf plain.tar --numeric-owner -C t .; tar --xattrs --xattrs-include='*' -cf x.tar -C t .; \
        cp -a t kept; cp -r t lost; PATH=$PATH:/usr/sbin:/sbin; mke2fs -q -t ext4 -d t d.ext4 64M 2>/dev/null";
    shell(&work, script, &[])?.succeeded();
    // tar: the user's own files, and the marker.
    let plain = entries(&out("plain.tar"))?;
    assert!(plain.contains_key(MARKER));
    assert_eq!((&plain["etc/shadow"]["owner"], &plain["dev/null"]["type"]), (&user, &"Regular".to_owned()));
    assert_eq!(plain["usr/bin/su"]["mode"], "0755");
    // Of either tar this program says what it is.
    for name in ["plain.tar", "x.tar"] {
        let done = run(&work, &[&"unpack", &out(name), &out("u")])?;
        assert!(done.succeeded().stderr.contains("rootless-install pack"), "{}", done.stderr);
        run(&work, &[&"rm", &out("u")])?.succeeded();
    }
    // cp -a keeps attributes, so its copy is a target; without them it is one of root's files only.
    assert!(compare_files(&right, &packed(&work, &out("kept"), "kept.tar")?)?.differences.is_empty());
    let lost = entries(&packed(&work, &out("lost"), "lost.tar")?)?;
    assert_eq!((lost["etc/shadow"]["owner"].as_str(), lost["dev/null"]["type"].as_str()), ("0:0", "Regular"));
    assert!(out("lost").join(MARKER).exists());
    // mke2fs -d: the user's own files, and the marker.
    let debugfs = |command: &str| -> Tested<String> {
        let done = Command::new("debugfs").args(["-R", command]).arg(out("d.ext4")).env("PATH", "/usr/sbin:/sbin:/usr/bin").output()?;
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    };
    assert!(debugfs("ls /")?.contains(MARKER));
    let shadow = debugfs("stat /etc/shadow")?;
    assert!(shadow.contains(&format!("User:  {}", work.account().uid)), "{shadow}");
    // Nothing of this program's has it.
    assert!(!entries(&right)?.contains_key(MARKER));
});

scenario!(
    /// Bills of materials: of an installation, with the hashes of its package files, and of a target that is there.
    bills_of_materials, CONFIGURE, {
    let copyright = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n\
                     Files: *\nCopyright: 2020 A\nLicense: GPL-2+ or own\n\nLicense: own\n Do what you like.\n";
    let packages = [
        package("tool")?.field("Depends", "helper").field("Source", "kit (2.0-3)").file("usr/share/doc/tool/copyright", copyright, 0o644),
        package("helper")?,
    ];
    let archive = Synthetic::with(&packages)?;
    let file = |name: &str| archive.work.path("home").join(name);
    let json = |name: &str| -> serde_json::Value { serde_json::from_slice(&std::fs::read(file(name)).unwrap()).unwrap() };
    archive.install("tool", "target")
        .option("--sbom=spdx=one.spdx.json").option("--sbom=cyclonedx=one.cdx.json").option("--lock=lock")
        .env("SOURCE_DATE_EPOCH", "1760000000").end()?.succeeded();
    let spdx = json("one.spdx.json");
    let of = |name: &str| spdx["packages"].as_array().unwrap().iter().find(|package| package["name"] == name).unwrap().clone();
    let tool = of("tool");
    assert_eq!(tool["versionInfo"], "1.0-1");
    assert_eq!(tool["licenseDeclared"], "GPL-2.0-or-later OR LicenseRef-tool-own");
    assert!(tool["sourceInfo"].as_str().unwrap().contains("kit 2.0-3"), "{tool}");
    assert_eq!(of("helper")["licenseDeclared"], "NOASSERTION");
    let pool = archive.archive().join(tool["downloadLocation"].as_str().unwrap().split_once("/pool/").map(|(_, rest)| format!("pool/{rest}")).unwrap());
    let hash = std::process::Command::new("sha256sum").arg(&pool).output()?;
    let hash = String::from_utf8_lossy(&hash.stdout).split(' ').next().unwrap_or_default().to_owned();
    assert_eq!(tool["checksums"][0]["checksumValue"], hash);
    let relations = spdx["relationships"].as_array().unwrap();
    let depends = relations.iter().any(|one| one["relationshipType"] == "DEPENDS_ON" && one["spdxElementId"] == tool["SPDXID"] && one["relatedSpdxElement"] == of("helper")["SPDXID"]);
    assert!(depends && spdx["hasExtractedLicensingInfos"][0]["extractedText"] == "Do what you like.", "{relations:?}");
    assert_eq!(spdx["creationInfo"]["created"], "2025-10-09T08:53:20Z");
    let cyclonedx = json("one.cdx.json");
    let component = cyclonedx["components"].as_array().unwrap().iter().find(|one| one["name"] == "tool").unwrap().clone();
    assert_eq!(component["hashes"][0]["content"], hash);
    // The same of what was made, by its lock.
    let target = archive.work.out("target").display().to_string();
    let name = spdx["name"].as_str().unwrap().to_owned();
    let again = |more: &[&str]| {
        let words = [&["sbom", "--name", &name][..], more, &[&target]].concat();
        archive.work.run_plain(words).env("SOURCE_DATE_EPOCH", "1760000000").end()
    };
    again(&["--lock", "lock", "--output", "two.spdx.json"])?.succeeded();
    assert!(std::fs::read(file("one.spdx.json")).unwrap() == std::fs::read(file("two.spdx.json")).unwrap());
    let plain: serde_json::Value = serde_json::from_str(&again(&["--format", "cyclonedx"])?.succeeded().text()).unwrap();
    assert!(plain["components"][0]["hashes"].is_null());
    again(&["--format", "other"])?.failed_with(&["spdx or cyclonedx"]);
    again(&["--output", "nowhere/x"])?.failed_with(&["cannot write the bill of materials nowhere/x"]);
    archive.work.run_plain(["sbom", "out"]).end()?.failed_with(&["out"]);
    archive.work.run_plain(["--sbom", "spdx", "x"]).end()?.failed_with(&["spdx=FILE"]);
});
