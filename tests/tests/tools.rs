//! Tools whose output depends on the machine: what scripts of a foreign target get.

use std::path::Path;

use rootless_install_tests::Result;
use rootless_install_tests::base::{architectures, program};
use rootless_install_tests::deb::Package;
use rootless_install_tests::elf::stub;
use rootless_install_tests::error::At as _;
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::{Synthetic, installed, package, read};

/// A package for both architectures that has a file of this machine, `from`, under
/// the name `to`, in which `TRIPLET` stands for each one's triplet.
fn disguised(name: &str, from: &str, to: &str) -> Result<Vec<Package>> {
    let [native, foreign] = architectures()?;
    let file = Path::new("/").join(from.replace("TRIPLET", native.triplet));
    let content = std::fs::read(&file).at(&file)?;
    let mut made = Vec::new();
    for machine in [native, foreign] {
        let path = to.replace("TRIPLET", machine.triplet);
        let content = if machine == native {
            content.clone()
        } else {
            stub(foreign, &path)
        };
        made.push(Package::new(name, "1.0-1", machine.debian).file(&path, content, 0o755));
    }
    Ok(made)
}

scenario!(
    /// uname(2) and getconf give the target's machine.
    the_machine_is_the_targets, CONFIGURE, {
    let [_, foreign] = architectures()?;
    let machine = foreign.triplet.split('-').next().unwrap_or_default();
    // Its own program would be answered; under this name it asks the kernel.
    let mut packages = disguised("util-linux-extra", "usr/bin/uname", "usr/bin/lscpu")?;
    packages.extend(program("libc-bin", "usr/bin/getconf")?);
    // Of this one nothing is known.
    packages.extend(disguised("strange", "usr/bin/uname", "usr/bin/strange")?);
    let script = "#!/bin/sh\nset -e\nexec >/var/lib/seen\nstrange -m\nlscpu -m\nuname -sm\n\
                  getconf CHAR_MAX\ngetconf _POSIX_V7_LP64_OFF64\ngetconf PATH_MAX /\n";
    packages.push(
        package("asks")?
            .field("Depends", "util-linux-extra, strange, libc-bin")
            .script("postinst", script),
    );
    let archive = installed(&packages)?;
    let seen = read(&archive.work.out("target"), "var/lib/seen");
    // Neither riscv64 nor arm64 has signed characters; both have 64 bits.
    let expected = format!("{machine}\n{machine}\nLinux {machine}\n255\n1\n4096\n");
    assert_eq!(seen, expected);
});

scenario!(
    /// A module of the target is its native counterpart, added on demand.
    modules_of_the_target_are_loaded_natively, CONFIGURE, {
    let [_, foreign] = architectures()?;
    let tool = "usr/lib/TRIPLET/glib-2.0/gio-querymodules";
    let module = "usr/lib/TRIPLET/gio/modules/module.so";
    let mut packages = disguised("tool", "usr/bin/true", tool)?;
    // Nothing executes this package: it is added when its module is loaded.
    packages.extend(disguised("module", "usr/lib/TRIPLET/libc.so.6", module)?);
    let only = "usr/lib/lonely.so";
    packages.push(package("only")?.file(only, stub(foreign, only), 0o644));
    let path = |path: &str| format!("/{}", path.replace("TRIPLET", foreign.triplet));
    let (tool, module) = (path(tool), path(module));
    let script = format!(
        "#!/bin/sh\nset -e\nexec >/var/lib/seen 2>&1\nLD_PRELOAD={module} {tool}\necho loaded\n\
         head -c 4 {module} | tail -c 3\necho\n"
    );
    packages.push(
        package("loads")?
            .field("Depends", "tool, module, only")
            .script("postinst", &script),
    );
    let archive = Synthetic::with(&packages)?;
    let outcome = archive.install("loads", "target").end()?;
    outcome.succeeded();
    assert_eq!(read(&archive.work.out("target"), "var/lib/seen"), "loaded\nELF\n");
    assert!(
        outcome.stderr.contains(&format!("added module for {module}")),
        "{}",
        outcome.stderr
    );
});

/// A library with more thread-local storage than the loader keeps free for late ones.
const OWN: &str = "static __thread char room[6000] __attribute__((tls_model(\"initial-exec\")));\n\
    int own(void) { room[9] = 2; return 40 + room[9]; }\n";
const ALTERNATIVE: &str = "int alternative(void) { return 6; }\n";
const PLUGIN: &str = "int plugin(void) { return 7; }\n";
const MAIN: &str = "#include <dlfcn.h>\n#include <stdio.h>\nint own(void);\nint alternative(void);\n\
    int main(void) { void *one = dlopen(\"/usr/lib/own/plugin.so\", RTLD_NOW);\n\
    if (!one) { puts(dlerror()); return 1; }\n\
    int (*plugin)(void) = (int (*)(void))dlsym(one, \"plugin\");\n\
    printf(\"%d %d %d\\n\", own(), alternative(), plugin()); return 0; }\n";

scenario!(
    /// Native programs load private libraries, alternatives and plug-ins of their own kind.
    programs_have_their_own_libraries, CONFIGURE, {
    let [native, foreign] = architectures()?;
    let work = tempfile::tempdir()?;
    let make = |name: &str, source: &str, options: &[&str]| -> Result<Vec<u8>> {
        let (from, to) = (work.path().join(format!("{name}.c")), work.path().join(name));
        std::fs::write(&from, source).at(&from)?;
        let mut compiler = std::process::Command::new("cc");
        compiler
            .arg(&from)
            .arg("-o")
            .arg(&to)
            .arg("-L")
            .arg(work.path())
            .args(options);
        let done = compiler.output().at("cc")?;
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        std::fs::read(&to).at(&to)
    };
    let shared = ["-shared", "-fPIC"];
    let libraries = [
        ("usr/lib/own/libown.so", make("libown.so", OWN, &shared)?),
        ("usr/lib/own/plugin.so", make("plugin.so", PLUGIN, &shared)?),
        (
            "usr/lib/TRIPLET/one/libother.so",
            make("libother.so", ALTERNATIVE, &shared)?,
        ),
    ];
    let options = ["-lown", "-lother", "-ldl", "-Wl,-rpath,/usr/lib/own"];
    let program = make("program", MAIN, &options)?;
    let mut packages = Vec::new();
    for machine in [native, foreign] {
        let fitting = |path: &str, content: &[u8]| match machine == native {
            true => content.to_vec(),
            false => stub(foreign, path),
        };
        let mut own = Package::new("own", "1.0-1", machine.debian).field("Depends", "libc6");
        for (path, content) in &libraries {
            let path = path.replace("TRIPLET", machine.triplet);
            own = own.file(&path, fitting(&path, content), 0o644);
        }
        let path = "usr/bin/program";
        packages.push(own.file(path, fitting(path, &program), 0o755));
    }
    // The link is the script's, as that of an alternative is.
    let directory = format!("/usr/lib/{}", foreign.triplet);
    let script =
        format!("#!/bin/sh\nset -e\nln -s one/libother.so {directory}/libother.so\nprogram >/var/lib/seen\n");
    packages.push(
        package("calls")?
            .field("Depends", "own")
            .script("postinst", &script),
    );
    let archive = installed(&packages)?;
    assert_eq!(read(&archive.work.out("target"), "var/lib/seen"), "42 6 7\n");
});

scenario!(
    /// Caches are written where and as the target's tool would.
    lists_of_modules_have_the_targets_paths, CONFIGURE, {
    let [native, foreign] = architectures()?;
    let tool = "usr/lib/TRIPLET/libgtk-3-0t64/gtk-query-immodules-3.0";
    // It writes what it is told, and an empty line at the end as the real one does.
    let mut packages = disguised("libgtk", "usr/bin/printf", tool)?;
    let directory = format!("usr/lib/{}/gtk-3.0/3.0.0", foreign.triplet);
    packages.push(package("immodules")?.dir(&directory));
    let tool = tool.replace("TRIPLET", foreign.triplet);
    let script = format!(
        "#!/bin/sh\nset -e\n/{tool} --update-cache '\"/usr/lib/{}/gtk-3.0/3.0.0/immodules/x.so\"\\n\\n'\n",
        native.triplet
    );
    packages.push(
        package("lists")?
            .field("Depends", "libgtk, immodules")
            .script("postinst", &script),
    );
    let archive = installed(&packages)?;
    let cache = read(
        &archive.work.out("target"),
        &format!("{directory}/immodules.cache"),
    );
    assert_eq!(cache, format!("\"/{directory}/immodules/x.so\"\n"));
});

const PROGRAM: &str = "#!/bin/sh\nset -e\ncat \"$1\" >>/var/lib/answers\necho \"${DPKG_MAINTSCRIPT_NAME-none}\" >>/var/lib/answers\n";

scenario!(
    /// --debconf-selections, in order, before the packages that ask.
    answers_for_debconf, CONFIGURE, {
    let debconf = package("debconf")?
        .essential()
        .file("usr/bin/debconf-set-selections", PROGRAM, 0o755);
    let asks = package("asks")?.script(
        "preinst",
        "#!/bin/sh\nset -e\ncp /var/lib/answers /var/lib/seen\n",
    );
    let archive = Synthetic::with(&[debconf, asks])?;
    let first = "locales locales/default_environment_locale select C.UTF-8\n";
    let second = "# others\na a/b string x y\n";
    let files = [
        archive.work.write("first", first.as_bytes())?,
        archive.work.write("second", second.as_bytes())?,
    ];
    let mut arguments = archive.options();
    for file in &files {
        arguments.extend(["--debconf-selections".into(), file.into()]);
    }
    arguments.extend(["--variant", "essential", "--include", "asks"].map(Into::into));
    let target = archive.work.out("target");
    arguments.push(target.clone().into());
    archive.work.run(arguments).end()?.succeeded();
    // In the order given, before the packages that are not essential; no script's environment.
    assert_eq!(
        read(&target, "var/lib/seen"),
        format!("{first}none\n{second}none\n")
    );
});

scenario!(
    /// Each an error with file and line, or what is missing.
    answers_that_make_no_sense, PROGRAM, {
    let archive = Synthetic::with(&[])?;
    let bad = archive.work.write("bad", b"# x\nlocales locales/x\n")?;
    let good = archive.work.write("good", b"a a/b string x\n")?;
    let lone = archive.work.path("nowhere");
    for (file, words) in [
        (&bad, ["bad:2", "no type"]),
        (&lone, ["--debconf-selections", "nowhere"]),
        (&good, ["debconf", "essential"]),
    ] {
        let mut arguments = archive.options();
        arguments.extend(["--debconf-selections".into(), file.into()]);
        arguments.extend(["--variant".into(), "essential".into()]);
        arguments.push(archive.work.out("target").into());
        archive.work.run(arguments).end()?.failed_with(&words);
    }
});

scenario!(
    /// A program that a package ships without the right to execute it, which its script gives it.
    programs_that_scripts_make_executable, CONFIGURE, {
    let [native, foreign] = architectures()?;
    let path = "usr/bin/later";
    let mut packages = Vec::new();
    for machine in [native, foreign] {
        let content = match machine == native {
            true => std::fs::read("/usr/bin/true").at("/usr/bin/true")?,
            false => stub(foreign, path),
        };
        packages.push(
            Package::new("later", "1.0-1", machine.debian)
                .field("Depends", "libc6")
                .file(path, content, 0o644)
                .script(
                    "postinst",
                    "#!/bin/sh\nset -e\nif later; then exit 1; fi\nchmod a+x /usr/bin/later\nlater\n",
                ),
        );
    }
    installed(&packages)?;
});

const IDS: &str = "#define _GNU_SOURCE\n#include <stdio.h>\n#include <unistd.h>\n\
    int main(void) { uid_t r, e, s; gid_t R, E, S; getresuid(&r, &e, &s); getresgid(&R, &E, &S);\n\
    printf(\"%d %d %d %d\\n\", (int)e, (int)s, (int)E, (int)S); return 0; }\n";

scenario!(
    /// A set-id program has the target's ids when root executes it; another user's process keeps its own.
    set_id_programs_have_their_ids, CONFIGURE, {
    let [native, foreign] = architectures()?;
    let work = tempfile::tempdir()?;
    let (from, to) = (work.path().join("ids.c"), work.path().join("ids"));
    std::fs::write(&from, IDS).at(&from)?;
    let done = std::process::Command::new("cc").arg(&from).arg("-o").arg(&to).output().at("cc")?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let path = "usr/bin/ids";
    let mut packages = Vec::new();
    for machine in [native, foreign] {
        let content = match machine == native {
            true => std::fs::read(&to).at(&to)?,
            false => stub(foreign, path),
        };
        packages.push(
            Package::new("ids", "1.0-1", machine.debian)
                .field("Depends", "libc6")
                .file(path, content, 0o755),
        );
    }
    let script = "#!/bin/sh\nset -e\nexec >/var/lib/seen\nids\n\
                  for mode in 2755 4755 6755 2745 0755; do\n\
                  chown 7:8 /usr/bin/ids\nchmod $mode /usr/bin/ids\nids\ndone\n\
                  chown 0:8 /usr/bin/ids\nchmod 6755 /usr/bin/ids\nids\n";
    packages.push(package("calls")?.field("Depends", "ids").script("postinst", script));
    let archive = installed(&packages)?;
    assert_eq!(
        read(&archive.work.out("target"), "var/lib/seen"),
        "0 0 0 0\n0 0 8 8\n7 7 0 0\n7 7 8 8\n0 0 0 0\n0 0 0 0\n0 0 8 8\n"
    );
});

scenario!(
    /// What strips and assembles is the native package for the target's machine, and not that for this machine.
    cross_tools_stand_in, CONFIGURE, {
    let [native, foreign] = architectures()?;
    let of = |machine: rootless_install_tests::elf::Machine| {
        format!("binutils-{}", machine.triplet.replace('_', "-"))
    };
    let path = |machine: rootless_install_tests::elf::Machine, tool: &str| {
        format!("usr/bin/{}-{tool}", machine.triplet)
    };
    let echo = std::fs::read("/usr/bin/echo").at("/usr/bin/echo")?;
    let printf = std::fs::read("/usr/bin/printf").at("/usr/bin/printf")?;
    let mut cross = Package::new(&of(foreign), "1.0-1", native.debian).field("Depends", "libc6");
    let mut targets = Package::new(&of(foreign), "1.0-1", foreign.debian).field("Depends", "libc6");
    let mut others = Package::new(&of(native), "1.0-1", native.debian).field("Depends", "libc6");
    for tool in ["strip", "readelf"] {
        let (name, own) = (path(foreign, tool), path(native, tool));
        cross = cross.file(&name, echo.clone(), 0o755);
        targets = targets.file(&name, stub(foreign, &name), 0o755).link(
            &format!("usr/bin/{tool}"),
            &format!("{}-{tool}", foreign.triplet),
        );
        others = others.file(&own, printf.clone(), 0o755);
    }
    let calls = package("calls")?.field("Depends", &of(foreign)).script(
        "postinst",
        "#!/bin/sh\nset -e\nexec >/var/lib/seen\nstrip a b\nreadelf --version x\n",
    );
    let archive = Synthetic::with(&[cross, targets, others, calls])?;
    archive.install("calls", "target").end()?.succeeded();
    let seen = read(&archive.work.out("target"), "var/lib/seen");
    assert_eq!(seen, "a b\n--version x\n");
});

scenario!(
    /// A compiler is the one for the target's machine, from a package of another name, and is told where the target's
    /// libraries are.
    compilers_stand_in, CONFIGURE, {
    let [native, foreign] = architectures()?;
    let name = format!("usr/bin/{}-gcc-9", foreign.triplet);
    let echo = std::fs::read("/usr/bin/echo").at("/usr/bin/echo")?;
    let cross = format!("gcc-9-{}", foreign.triplet.replace('_', "-"));
    let cross = Package::new(&cross, "1.0-1cross1", native.debian).field("Depends", "libc6").file(&name, echo, 0o755);
    let own = Package::new("gcc-9", "1.0-1", foreign.debian)
        .field("Depends", "libc6")
        .file(&name, stub(foreign, &name), 0o755)
        .link("usr/bin/gcc", &format!("{}-gcc-9", foreign.triplet))
        .file(&format!("usr/lib/gcc/{}/9/crtbegin.o", foreign.triplet), "", 0o644);
    let calls = package("calls")?
        .field("Depends", "gcc-9")
        .script("postinst", "#!/bin/sh\nset -e\nexec >/var/lib/seen\ngcc -c x.c\ngcc -dumpmachine\n");
    let archive = Synthetic::with(&[cross, own, calls])?;
    archive.install("calls", "target").end()?.succeeded();
    let seen = read(&archive.work.out("target"), "var/lib/seen");
    assert_eq!(seen, format!("-B/usr/lib/gcc/{0}/9/ -c x.c\n{0}\n", foreign.triplet));
});

scenario!(
    /// A package that needs an extension of the processor asks for the target's, of which --target-cpu tells.
    the_processor_is_the_targets, CONFIGURE, {
    let [_, foreign] = architectures()?;
    let path = format!("usr/libexec/{}/isa-support/test-Zext", foreign.triplet);
    // There is none for this machine.
    let asked = package("isa-support")?.file(&path, stub(foreign, &path), 0o755);
    let needs = package("zext-support")?
        .field("Pre-Depends", "isa-support")
        .script("preinst", &format!("#!/bin/sh\nexec /{path}\n"));
    let archive = Synthetic::with(&[asked, needs])?;
    let outcome = archive.install("zext-support", "target").end()?;
    outcome.succeeded();
    assert!(outcome.stderr.contains("taken to have Zext"), "{}", outcome.stderr);
    let with = |cpu: &str, name: &str| archive.install("zext-support", name).option(cpu).end();
    with("--target-cpu=other,zEXT", "with")?.succeeded();
    let without = with("--target-cpu=none", "without")?;
    without.failed_with(&["zext-support", "preinst"]);
    with("--target-cpu=a b/c", "wrong")?.failed_with(&["b/c", "not the name of an extension"]);
});
