//! `boot`: a real virtual machine once, and a false qemu for all that goes wrong.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rootless_install_tests::deb::{Entry, Kind, directory, entry, tar};
use rootless_install_tests::filled::TIME;
use rootless_install_tests::packing::{pack, run};
use rootless_install_tests::program::{Run, Workplace};
use rootless_install_tests::real::Real;
use rootless_install_tests::scenario;

type Tested<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Does as `FALSE` says, with the arguments of qemu.
const FALSE_QEMU: &str = r#"#!/bin/sh
for word; do
	case $word in file,id=console,path=*) console=${word#file,id=console,path=} ;; esac
	case $word in *,file=*/results) results=${word##*,file=} ;; esac
done
echo "$@" >"$(dirname "$0")/arguments"
echo $$ >"$(dirname "$0")/id"
echo "Linux version 6.12" >>"$console"
case $FALSE in
panic) echo "[    1.000000] Kernel panic - not syncing: VFS: Unable to mount root fs" >>"$console"; exec sleep 600 ;;
shell) echo "ALERT!  /dev/vda does not exist.  Dropping to a shell!" >>"$console"; exec sleep 600 ;;
silent) exec sleep 600 ;;
talks) while :; do echo tick >>"$console"; sleep 0.2; done ;;
halts) exit 0 ;;
fails) echo "no such machine" >&2; exit 1 ;;
login) printf 'debian login: ' >>"$console"; exec sleep 600 ;;
status) printf 'unit 0\nstatus 7\n' | dd of="$results" conv=notrunc 2>/dev/null; exit 0 ;;
missing) printf 'unit 0\nmissing 0\nstatus 0\n' | dd of="$results" conv=notrunc 2>/dev/null; exit 0 ;;
unit) printf 'unit 1\nstatus 0\n' | dd of="$results" conv=notrunc 2>/dev/null; exit 0 ;;
esac
"#;

/// Makes a target of a few files, with a kernel or without.
fn target(work: &Workplace, name: &str, architecture: &str, kernel: bool) -> Tested<PathBuf> {
    let file = |name: &str, content: &str| -> Entry { entry(name, Kind::File(content.into()), 0o644) };
    let mut all = vec![directory("./", 0o755)];
    for above in ["./boot/", "./var/", "./var/lib/", "./var/lib/dpkg/"] {
        all.push(directory(above, 0o755));
    }
    all.push(file("./var/lib/dpkg/arch", &format!("{architecture}\n")));
    if kernel {
        for version in ["6.9.1", "6.12.1"] {
            all.push(file(&format!("./boot/vmlinuz-{version}"), version));
            all.push(file(&format!("./boot/initrd.img-{version}"), version));
        }
    }
    let path = work.path(&format!("{name}.tar"));
    std::fs::write(&path, tar(&all, TIME)?)?;
    let target = work.out(name);
    run(work, &[&"unpack", &path, &target])?.succeeded();
    Ok(target)
}

/// Puts the false qemu into a directory, and returns that.
fn false_qemu(work: &Workplace) -> Tested<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let place = work.make_dir("false")?;
    let program = place.join("qemu-system-x86_64");
    std::fs::write(&program, FALSE_QEMU)?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    Ok(place)
}

/// A call of `boot` with the false qemu.
fn boot<'w>(work: &'w Workplace, place: &Path, how: &str, words: &[&str], what: &Path) -> Run<'w> {
    let words = words.iter().map(Into::into);
    let all = std::iter::once("boot".into()).chain(words);
    work.run_plain(all.chain([what.as_os_str().to_owned()]))
        .env(
            "PATH",
            format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", place.display()),
        )
        .env("FALSE", how)
        .env("TMPDIR", place)
        .limit(Duration::from_secs(60))
}

scenario!(
    /// What a guest does wrong is seen at once, told with the last lines of its console, and has its exit status.
    guests_that_fail, IMAGES, {
    let work = Workplace::new()?;
    let place = false_qemu(&work)?;
    let tree = target(&work, "t", "amd64", true)?;
    let before = std::fs::read_dir(&place)?.count();
    let script = work.write("script", b"#!/bin/sh\n")?;
    let script = script.to_str().ok_or("name")?;
    let log = work.out("console.log");
    let logged = ["--log", log.to_str().ok_or("name")?];
    let gone = |path: &Path| -> Tested<bool> {
        let id = std::fs::read_to_string(path.join("id"))?;
        Ok(!Path::new("/proc").join(id.trim()).exists())
    };
    for (how, words, status, told) in [
        ("panic", &logged[..], 1, &["kernel has panicked"][..]),
        ("shell", &[], 1, &["does not come up", "Dropping to a shell"]),
        ("halts", &[], 1, &["halted before", "login prompt"]),
        ("halts", &["--run", script], 1, &["halted before", "exit status"]),
        ("fails", &[], 1, &["qemu has failed", "no such machine"]),
        ("silent", &["--silence", "1s"], 124, &["said nothing for 1s", "--silence"]),
        ("talks", &["--timeout", "1s"], 124, &["1s have passed", "--timeout"]),
        ("login", &["--until", "ssh.service", "--timeout", "1s"], 124, &["ssh.service"]),
        ("unit", &["--run", script], 1, &["multi-user.target could not be started"]),
    ] {
        let begun = Instant::now();
        let done = boot(&work, &place, how, words, &tree).end()?;
        done.failed_with(told);
        assert_eq!(done.status.code(), Some(status), "{how}: {}", done.stderr);
        let said_last = done.stderr.contains("Linux version 6.12");
        assert!(said_last, "{how}: {}", done.stderr);
        assert!(begun.elapsed() < Duration::from_secs(30), "{how}");
        assert!(gone(&place)?, "{how}: qemu still runs");
    }
    assert!(std::fs::read_to_string(&log)?.contains("Kernel panic"));
    let results = work.out("results");
    let out = format!("/var/log:{}", results.display());
    let done = boot(&work, &place, "missing", &["--run", script, "--out", &out], &tree).end()?;
    done.failed_with(&["/var/log", "no such file in the guest"]);
    // Nothing but the false qemu and what it writes is left.
    assert_eq!(std::fs::read_dir(&place)?.count(), before + 2);
});

scenario!(
    /// What is waited for is seen, a script's status is passed on, and the machine is as it was asked for.
    guests_that_come_up, IMAGES, {
    let work = Workplace::new()?;
    let place = false_qemu(&work)?;
    let tree = target(&work, "t", "amd64", true)?;
    let stats = work.out("stats.json");
    let words = ["--stats", stats.to_str().ok_or("name")?, "--append", "quiet", "--memory", "256M", "--cpus", "1"];
    boot(&work, &place, "login", &words, &tree).end()?.succeeded();
    let figures: serde_json::Value = serde_json::from_slice(&std::fs::read(&stats)?)?;
    assert_eq!((&figures["architecture"], &figures["failure"]), (&"amd64".into(), &serde_json::Value::Null));
    assert!(figures["boot_seconds"].as_f64().is_some() && figures["seen"] == "debian login:");
    let arguments = std::fs::read_to_string(place.join("arguments"))?;
    for part in ["-nic none", "-m 256", "-smp 1", "snapshot=on", " quiet", "console=ttyS0", "-initrd"] {
        assert!(arguments.contains(part), "{part}: {arguments}");
    }
    let script = work.write("script", b"#!/bin/sh\n")?;
    let script = script.to_str().ok_or("name")?;
    let done = boot(&work, &place, "status", &["--run", script], &tree).end()?;
    assert_eq!(done.status.code(), Some(7), "{}", done.stderr);
    // An image has its kernel in it, and an archive is a target as well.
    pack(&work, &tree, "i.ext4", &[])?;
    let image = work.out("i.ext4");
    let before = std::fs::read(&image)?;
    boot(&work, &place, "login", &[], &image).end()?.succeeded();
    assert!(std::fs::read(&image)? == before, "the image was changed");
    boot(&work, &place, "login", &[], &work.path("t.tar")).end()?.succeeded();
});

scenario!(
    /// A signal, and a kill, end the guest as well.
    killed, IMAGES, {
    let work = Workplace::new()?;
    let place = false_qemu(&work)?;
    let tree = target(&work, "t", "amd64", true)?;
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let _ = std::fs::remove_file(place.join("id"));
        let running = boot(&work, &place, "silent", &[], &tree).start()?;
        let begun = Instant::now();
        while std::fs::read_to_string(place.join("id")).unwrap_or_default().is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(30), "qemu was not started");
            std::thread::sleep(Duration::from_millis(50));
        }
        let id = std::fs::read_to_string(place.join("id"))?;
        running.signal(signal)?;
        let done = running.wait()?;
        if signal == Signal::SIGTERM {
            assert_eq!(done.status.code(), Some(143), "{}", done.stderr);
        }
        let proc = Path::new("/proc").join(id.trim());
        // One that nobody waits for has ended, too.
        let lives = || std::fs::read_to_string(proc.join("stat")).is_ok_and(|stat| !stat.contains(") Z "));
        let begun = Instant::now();
        while lives() {
            assert!(begun.elapsed() < Duration::from_secs(10), "qemu outlives {signal}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    // The next run removes what was left of the one that was killed.
    boot(&work, &place, "login", &[], &tree).end()?.succeeded();
    let left = std::fs::read_dir(&place)?.count();
    assert_eq!(left, 3, "files are left");
});

scenario!(
    /// What cannot be started is told before anything is: no kernel, no qemu, no such machine, options without a meaning.
    what_cannot_boot, IMAGES, {
    let work = Workplace::new()?;
    let place = false_qemu(&work)?;
    let bare = target(&work, "bare", "amd64", false)?;
    boot(&work, &place, "login", &[], &bare).end()?.failed_with(&["no kernel", "linux-image-amd64"]);
    let other = target(&work, "other", "m68k", true)?;
    boot(&work, &place, "login", &[], &other).end()?.failed_with(&["no virtual machine for m68k", "riscv64"]);
    let missing = target(&work, "missing", "ppc64el", true)?;
    if rootless_install_tests::program::which("qemu-system-ppc64").is_none() {
        boot(&work, &place, "login", &[], &missing)
            .end()?
            .failed_with(&["qemu-system-ppc64 is not installed", "qemu-system-ppc"]);
    }
    let tree = target(&work, "t", "amd64", true)?;
    for (words, told) in [
        (&["--out", "/a:b"][..], "--run"),
        (&["--run", "x", "--until", "some text"], "--until"),
        (&["--silence", "0"], "silence"),
        (&["--memory", "1M"], "64M"),
        (&["--cpus", "0"], "cpus"),
        (&["--run", "x", "--out", "/../a:b"], "absolute path"),
        (&["--append", "a\nb"], "ASCII"),
        (&["--until", ""], "until"),
        (&["--arch", "vax"], "vax"),
    ] {
        let done = boot(&work, &place, "login", words, &tree).end()?;
        assert_eq!(done.status.code(), Some(2), "{words:?}: {}", done.stderr);
        assert!(done.stderr.contains(told), "{words:?}: {}", done.stderr);
    }
    boot(&work, &place, "login", &["--run", "/nowhere"], &tree).end()?.failed_with(&["cannot read /nowhere"]);
    boot(&work, &place, "login", &[], Path::new("/nowhere")).end()?.failed_with(&["/nowhere"]);
    // A disk whose content is another file of this machine.
    let mut disk = b"QFI\xfb\0\0\0\x03\0\0\0\0\0\0\x01\0\0\0\0\x0b".to_vec();
    disk.resize(4096, 0);
    let disk = work.write("disk.qcow2", &disk)?;
    boot(&work, &place, "login", &[], &disk).end()?.failed_with(&["another file", "qemu-img convert"]);
});

/// Runs in the guest.
const CHECK: &[u8] = b"#!/bin/sh
systemctl --failed --no-legend --plain
dpkg --verify
echo checked
mkdir /root/results
uname -m >/root/results/machine
ln -s /etc/passwd /root/results/link
exit 7
";

scenario!(
    /// A system of the real archive comes up without a failed unit, as dpkg has unpacked it, and gives its results.
    a_system_comes_up, BOOT, {
    let real = Real::new()?;
    let work = &real.work;
    let tree = work.out("t");
    real.install("amd64", "minbase", &tree)
        .option("--include=linux-image-cloud-amd64,systemd-sysv,udev,initramfs-tools")
        .end()?
        .succeeded();
    let script = work.write("check", CHECK)?;
    let results = work.out("results");
    let stats = work.out("stats.json");
    let mut out = std::ffi::OsString::from("/root/results:");
    out.push(&results);
    let words: [std::ffi::OsString; 8] = [
        "boot".into(),
        "--run".into(),
        script.into(),
        "--out".into(),
        out,
        "--stats".into(),
        stats.clone().into(),
        tree.into(),
    ];
    let done = work.run_plain(words).limit(Duration::from_secs(600)).end()?;
    assert_eq!(done.status.code(), Some(7), "{}", done.stderr);
    assert_eq!(String::from_utf8_lossy(&done.stdout), "checked\n");
    assert_eq!(std::fs::read_to_string(results.join("results/machine"))?, "x86_64\n");
    assert!(results.join("results/link").is_symlink());
    let figures: serde_json::Value = serde_json::from_slice(&std::fs::read(&stats)?)?;
    assert_eq!(figures["status"], 7);
    let number = |value: &serde_json::Value| value.as_u64().unwrap_or_default();
    assert!(number(&figures["disks"]["root"]["sectors_read"]) > 10_000, "{figures}");
    assert!(number(&figures["peak"]["memory"]) > 100 << 20, "{figures}");
    assert!(figures["boot_seconds"].as_f64().is_some_and(|seconds| seconds > 1.0), "{figures}");
});
