//! What `docs/semantics.md` says of the view and of executions in it, one claim
//! after another, on a synthetic archive.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rootless_install_tests::base::{architectures, libraries, program};
use rootless_install_tests::compare::entries;
use rootless_install_tests::elf::{self, machine_of, stub};
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::{Synthetic, installed, line, package, read, seeing};

scenario!(
    /// The hard link to a symbolic link that is given away.
    hard_links_to_links_stay_one, CONFIGURE, {
    // The view is told the file, not which of its names was meant.
    let commands = "cd /var/lib\n\
        ln -s file a1; ln -P a1 a2; chown -h 33:42 a1\nln -s file b1; ln -P b1 b2; chown -h 33:42 b2\n\
        for name in a1 a2 b1 b2; do stat -c \"$name %u:%g %h %N\" $name; done\n";
    let archive = Synthetic::with(&[package("sees")?.script("postinst", &seeing(commands))])?;
    archive.install("sees", "links.tar").end()?.succeeded();
    archive.install("sees", "target").end()?.succeeded();
    let seen = read(&archive.work.out("target"), "var/lib/seen");
    let found = entries(&archive.work.out("links.tar"))?;
    let types = [
        ("a1", "Symlink"),
        ("a2", "Link"),
        ("b1", "Symlink"),
        ("b2", "Link"),
    ];
    for (name, kind) in types {
        assert_eq!(line(&seen, name), format!("33:42 2 '{name}' -> 'file'"), "{seen}");
        let facts = &found[&format!("var/lib/{name}")];
        assert_eq!((&*facts["type"], &*facts["owner"]), (kind, "33:42"), "{name}");
    }
});

scenario!(
    /// Access and change times and free space.
    times_and_space_are_the_disks, CONFIGURE, {
    let commands = "cd /var/lib\necho x >file\ntouch -a -d @1111111111 file\n\
        stat -c 'times %X %Z' file\nstat -f -c 'space %S %b %f' file\n";
    let archive = installed(&[package("sees")?.script("postinst", &seeing(commands))])?;
    let target = archive.work.out("target");
    let facts = std::fs::metadata(target.join("var/lib/file"))?;
    let seen = read(&target, "var/lib/seen");
    assert_eq!(
        line(&seen, "times"),
        format!("{} {}", facts.atime(), facts.ctime()),
        "{seen}"
    );
    assert_eq!(facts.atime(), 1_111_111_111);
    let disk = nix::sys::statvfs::statvfs(&target)?;
    let words = line(&seen, "space").split_whitespace();
    let numbers: Vec<u64> = words.map(str::parse).collect::<std::result::Result<_, _>>()?;
    let &[size, blocks, free] = &*numbers else {
        panic!("{seen}")
    };
    assert_eq!((size, blocks), (disk.fragment_size(), disk.blocks()), "{seen}");
    // Others use the disk meanwhile.
    let apart = free.abs_diff(disk.blocks_free()).saturating_mul(size);
    assert!(apart < 4 << 30, "{free} blocks are free here, {disk:?} there");
});

scenario!(
    /// policy-rc.d; native libraries, the target's own first.
    phantoms_are_there, CONFIGURE, {
    let [native, _] = architectures()?;
    let directory = format!("usr/lib/{}", native.triplet);
    let commands = format!(
        "/usr/sbin/policy-rc.d ssh start; echo policy $?\nls /usr/sbin | grep policy-rc.d; echo unlisted $?\n\
         [ -L /{directory} ]; echo link $?\ngrep -h libc.so /proc/self/maps\n"
    );
    let archive = installed(&[package("sees")?.script("postinst", &seeing(&commands))])?;
    let target = archive.work.out("target");
    let seen = read(&target, "var/lib/seen");
    for (name, status) in [("policy", "101"), ("unlisted", "1"), ("link", "0")] {
        assert_eq!(line(&seen, name), status, "{seen}");
    }
    assert!(
        seen.contains(&format!(" /.rootless-install/sysroot/{directory}/libc.so")),
        "{seen}"
    );
    for name in ["usr/sbin/policy-rc.d", ".rootless-install", &directory] {
        assert!(!target.join(name).exists(), "{name} is in the result");
    }
    // A target that has native libraries of its own.
    let mut cross = package("cross")?.script("postinst", &seeing(&commands));
    for (path, content) in libraries()? {
        if path.starts_with(&directory) {
            cross = cross.file(&path, content, 0o755);
        }
    }
    let archive = installed(&[cross])?;
    let seen = read(&archive.work.out("target"), "var/lib/seen");
    assert_eq!(line(&seen, "link"), "1", "{seen}");
    assert!(seen.contains(&format!(" /{directory}/libc.so")), "{seen}");
});

scenario!(
    /// rm of a path that is only in the view.
    removing_a_phantom, CONFIGURE, {
    let commands = "file=/usr/sbin/policy-rc.d\nrm $file; echo removed $?\n\
        for i in 1 2 3 4 5 6 7 8 9; do [ -e $file ] || sleep 0.1; done; $file ssh start; echo policy $?\n\
        rm -r /.rootless-install/shim 2>/dev/null; echo own $?\n";
    let archive = installed(&[package("removes")?.script("postinst", &seeing(commands))])?;
    let seen = read(&archive.work.out("target"), "var/lib/seen");
    for (name, status) in [("removed", "0"), ("policy", "101"), ("own", "1")] {
        assert_eq!(line(&seen, name), status, "{seen}");
    }
});

scenario!(
    /// The target's dynamic loader as ldd calls it, and as a user does.
    libraries_are_listed_for_the_target, CONFIGURE, {
    let [_, foreign] = architectures()?;
    let loader = elf::loader(foreign);
    let soname = loader.rsplit('/').next().unwrap_or_default();
    let directory = format!("usr/lib/{}", foreign.triplet);
    let version = b"\0ld.so (Debian GLIBC 9.9-1) stable release version 9.9.\n\0";
    let lister = package("lister")?
        .file(
            &format!("usr{loader}"),
            [elf::linked(foreign, Some(soname), &[]), version.to_vec()].concat(),
            0o755,
        )
        .file(
            &format!("{directory}/liba.so.1"),
            elf::linked(foreign, Some("liba.so.1"), &[soname]),
            0o644,
        )
        .file(
            "usr/bin/prog",
            elf::linked(foreign, None, &["liba.so.1", "libgone.so.2"]),
            0o755,
        )
        .script(
            "postinst",
            &seeing(&format!(
                "{loader} --version; {loader} --verify /bin/prog; echo prog $?\n\
                 {loader} --verify /etc/passwd; echo text $?\n\
                 {loader} --verify /{directory}/liba.so.1; echo library $?\n\
                 echo listed; LD_TRACE_LOADED_OBJECTS=1 {loader} /bin/prog; echo executed\n\
                 cd /usr; LD_TRACE_LOADED_OBJECTS=1 bin/prog; echo options; {loader} --list ./bin/prog\n\
                 {loader} --argv0 x /usr/bin/echo run by the loader\n\
                 LD_TRACE_LOADED_OBJECTS=1 LD_WARN=yes {loader} /bin/prog; echo symbols $?\n"
            )),
        );
    let archive = installed(&[lister])?;
    let seen = read(&archive.work.out("target"), "var/lib/seen");
    assert!(
        seen.starts_with("ld.so (Debian GLIBC 9.9-1) stable release version 9.9.\n"),
        "{seen}"
    );
    for (name, status) in [("prog", "0"), ("text", "1"), ("library", "2"), ("symbols", "1")] {
        assert_eq!(line(&seen, name), status, "{seen}");
    }
    let plain: Vec<&str> = seen
        .lines()
        .map(|line| line.split(" (0x").next().unwrap_or(line))
        .collect();
    let found = format!("\tliba.so.1 => /lib/{}/liba.so.1", foreign.triplet);
    let list = [
        "\tlinux-vdso.so.1",
        &found,
        "\tlibgone.so.2 => not found",
        &format!("\t{loader}"),
    ];
    for start in ["listed", "executed", "options"] {
        let at = plain.iter().position(|line| *line == start).unwrap_or(usize::MAX);
        assert_eq!(plain.get(at + 1..at + 5), Some(&list[..]), "{start}:\n{seen}");
    }
    assert!(seen.contains("\nrun by the loader\n"), "{seen}");
    assert!(
        seen.contains("lister.postinst") && seen.contains("LD_WARN is not supported"),
        "{seen}"
    );
});

/// Whether user namespaces have handlers of binfmt_misc: since Linux 6.7, where it is not left out.
fn has_handlers() -> bool {
    let release = nix::sys::utsname::uname().map(|names| names.release().to_string_lossy().into_owned());
    let release = release.unwrap_or_default();
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|number| number.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let there = ["/proc/sys/fs/binfmt_misc", "/sys/module/binfmt_misc"];
    version >= (6, 7) && there.iter().any(|path| Path::new(path).exists())
}

scenario!(
    /// argv[0], /proc/self/exe, perl's $^X; with the kernel's handlers, and without.
    names_of_redirected_programs, CONFIGURE, {
    let mut packages = program("perl", "usr/bin/perl")?;
    let commands = "/bin/readlink /proc/self/exe\n/bin/sh -c 'echo name $0'\n\
        perl -e 'exec {\"/bin/sh\"} \"liar\", \"-c\", \"echo said \\$0\"'\nperl -e 'print \"perl $^X\\n\"'\n";
    packages.push(
        package("sees")?
            .field("Depends", "perl")
            .script("postinst", &seeing(commands)),
    );
    let archive = Synthetic::with(&packages)?;
    let with = archive.install("sees", "with");
    let without = archive.install("sees", "without").env("ROOTLESS_INSTALL_NO_BINFMT_MISC", "1");
    for (run, name, handlers) in [(with, "with", has_handlers()), (without, "without", false)] {
        run.end()?.succeeded();
        let seen = read(&archive.work.out(name), "var/lib/seen");
        assert_eq!(
            seen.lines().next(),
            Some("/.rootless-install/sysroot/usr/bin/readlink"),
            "{seen}"
        );
        assert_eq!(line(&seen, "name"), "/bin/sh", "{seen}");
        assert_eq!(line(&seen, "said"), if handlers { "liar" } else { "/bin/sh" }, "{seen}");
        assert_eq!(
            line(&seen, "perl"),
            "/.rootless-install/sysroot/usr/bin/perl",
            "{seen}"
        );
    }
});

scenario!(
    /// A package and what it depends on join the native sysroot.
    programs_are_added_on_demand, CONFIGURE, {
    // perl needs a library that no essential package has.
    let mut packages = program("perl", "usr/bin/perl")?;
    packages.push(
        package("calls")?
            .field("Depends", "perl")
            .script("postinst", &seeing("perl -e 'print 6 * 7, \"\\n\"'\n")),
    );
    let archive = Synthetic::with(&packages)?;
    let outcome = archive.install("calls", "target").end()?;
    outcome.succeeded();
    assert_eq!(read(&archive.work.out("target"), "var/lib/seen"), "42\n");
    assert!(
        outcome.stderr.contains("added perl for /usr/bin/perl"),
        "{}",
        outcome.stderr
    );
    let native = archive.native().debian;
    for name in ["perl", "perl-libraries"] {
        let file = format!("{name}_1.0-1_{native}.deb");
        let requests = archive.mirror.requests();
        assert!(
            requests.iter().any(|request| request.path.ends_with(&file)),
            "{file} was not asked for"
        );
    }
});

scenario!(
    /// Refused by name, with package and version.
    programs_without_a_counterpart, CONFIGURE, {
    let [_, foreign] = architectures()?;
    // This machine's package is older, and does not have the program yet.
    let mut packages = program("changed", "usr/bin/cut")?;
    packages.retain(|package| package.architecture != foreign.debian);
    let mut changed = package("changed")?.file("usr/bin/moved", stub(foreign, "moved"), 0o755);
    changed.version = "2.0-1".to_owned();
    packages.push(changed);
    packages.push(package("only")?.file("usr/bin/only", stub(foreign, "only"), 0o755));
    let native = architectures()?[0].debian;
    for (commands, message) in [
        (
            // A copy that is none any more.
            "mkdir -p /usr/local/bin\ncat /usr/bin/cat /usr/bin/cat >/usr/local/bin/copy\n\
             chmod 755 /usr/local/bin/copy\ncopy\n",
            "/usr/local/bin/copy, which cannot be run here: no package of the target owns it".to_owned(),
        ),
        (
            "only --version >/dev/null 2>&1 || true\n",
            format!(
                "/usr/bin/only, which cannot be run here: \
                 package only does not exist for {native}, this machine's architecture"
            ),
        ),
        (
            "if command -v moved >/dev/null; then moved; fi\n",
            format!(
                "/usr/bin/moved, which cannot be run here: package changed 1.0-1 for {native} does not have it \
                 (the target has changed 2.0-1)"
            ),
        ),
    ] {
        let mut packages = packages.clone();
        packages.push(
            package("sees")?
                .field("Depends", "only, changed")
                .script("postinst", &seeing(commands)),
        );
        let archive = Synthetic::with(&packages)?;
        let outcome = archive.install("sees", "target").end()?;
        outcome.failed_with(&[&format!("package sees: postinst configure executes {message}")]);
    }
    // To ask whether it is there is no attempt.
    packages.push(package("sees")?.field("Depends", "only").script(
        "postinst",
        &seeing("command -v only\n[ -x /usr/bin/only ] && echo executable\n"),
    ));
    let archive = installed(&packages)?;
    let seen = read(&archive.work.out("target"), "var/lib/seen");
    assert_eq!(seen, "/usr/bin/only\nexecutable\n");
});

scenario!(
    /// Diverted, copied and moved programs run what their packages have.
    programs_by_other_names, CONFIGURE, {
    let [_, foreign] = architectures()?;
    let divert = "#!/bin/sh\nset -e\n\
        dpkg-divert --package wrapper --add --rename --divert /usr/bin/cut.real /usr/bin/cut\n";
    let mut packages = program("tools", "usr/bin/cut")?;
    // The native package of the wrapper is another program, of the same name.
    for mut wrapper in program("wrapper", "usr/bin/tac")? {
        for entry in &mut wrapper.entries {
            entry.name = entry.name.replace("usr/bin/tac", "usr/bin/cut");
        }
        if wrapper.name == "wrapper" {
            wrapper = wrapper.field("Pre-Depends", "tools");
            if wrapper.architecture == foreign.debian {
                wrapper = wrapper.script("preinst", divert);
            }
        }
        packages.push(wrapper);
    }
    packages.push(package("sees")?.field("Depends", "wrapper").script(
        "postinst",
        &seeing(
            "echo a:b | cut.real -d : -f 2\nprintf '1\\n2\\n' | cut\n\
             mkdir -p /usr/local/bin\ncp /usr/bin/cat /usr/local/bin/copy\necho copied | copy\n\
             mv /usr/bin/cut.real /usr/local/bin/moved\necho c:d | moved -d : -f 1\n\
             mv /usr/local/bin/moved /usr/bin/cut.real\n",
        ),
    ));
    let archive = installed(&packages)?;
    let target = archive.work.out("target");
    assert_eq!(read(&target, "var/lib/seen"), "b\n2\n1\ncopied\nc\n");
    let copied = std::fs::read(target.join("usr/local/bin/copy"))?;
    assert_eq!(machine_of(&copied), Some(foreign.number));
});

scenario!(
    /// --native-sysroot=/.
    this_machine_as_native_sysroot, CONFIGURE, {
    // The archive's own packages for this machine are not needed, nor complete.
    let [_, foreign] = architectures()?;
    let none = "/usr/bin/rootless-install-none";
    assert!(!Path::new(none).exists());
    let more = package("more")?
        .file("usr/bin/cut", stub(foreign, "cut"), 0o755)
        .file(none.trim_start_matches('/'), stub(foreign, "none"), 0o755);
    let sees = package("sees")?.field("Depends", "more").script(
        "postinst",
        &seeing(&format!(
            "uname -m\necho a:b:c | cut -d : -f 2\n[ -x {none} ]; echo none $?\n\
             cd /.rootless-install/sysroot\ntouch usr/bin/new\ntouch usr/lib/new\n"
        )),
    );
    let archive = Synthetic::with(&[more, sees])?;
    let mut arguments = archive.options();
    for word in [
        "--variant",
        "essential",
        "--include",
        "sees",
        "--native-sysroot",
        "/",
    ] {
        arguments.push(word.into());
    }
    arguments.push(archive.work.out("target").into());
    let traces = archive.work.traces();
    archive.work.run(arguments).end()?.succeeded();
    archive.work.clean(&traces, &["target"]);
    let seen = read(&archive.work.out("target"), "var/lib/seen");
    let machine = foreign.triplet.split('-').next().unwrap_or_default();
    assert!(seen.starts_with(&format!("{machine}\nb\n")), "{seen}");
    assert_eq!(line(&seen, "none "), "0", "{seen}");
    assert_eq!(seen.matches("Read-only file system").count(), 2, "{seen}");
    let native = format!("_{}.deb", archive.native().debian);
    for request in archive.mirror.requests() {
        assert!(!request.path.ends_with(&native), "{} was fetched", request.path);
    }
});

scenario!(
    /// Left out with a warning, kept in a directory.
    sockets_have_no_place_in_an_archive, CONFIGURE, {
    let mut packages = program("perl", "usr/bin/perl")?;
    let bind = "perl -e 'socket(S, 1, 1, 0) or die; bind(S, pack(\"S a*\", 1, \"/var/lib/socket\")) or die $!'\n\
        [ -S /var/lib/socket ]; echo socket $?\n";
    packages.push(
        package("binds")?
            .field("Depends", "perl")
            .script("postinst", &seeing(bind)),
    );
    let archive = Synthetic::with(&packages)?;
    let outcome = archive.install("binds", "binds.tar").end()?;
    outcome.succeeded();
    assert!(
        outcome.stderr.contains("warning: 1 socket was left out"),
        "{}",
        outcome.stderr
    );
    let result = entries(&archive.work.out("binds.tar"))?;
    assert!(result.contains_key("var/lib/seen"));
    assert!(!result.contains_key("var/lib/socket"));
    let outcome = archive.install("binds", "target").end()?;
    outcome.succeeded();
    assert!(
        !outcome.stderr.contains("warning: 1 socket was left out"),
        "{}",
        outcome.stderr
    );
    let target = archive.work.out("target");
    assert_eq!(read(&target, "var/lib/seen"), "socket 0\n");
    assert!(target.join("var/lib/socket").is_file());
});
