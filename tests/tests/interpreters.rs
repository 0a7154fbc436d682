//! Interpreters: compiled modules of the target are found and loaded as native ones, and what they say of their machine
//! is the target's.

use std::path::Path;

use rootless_install_tests::archive::{Publish, SUITE};
use rootless_install_tests::base::architectures;
use rootless_install_tests::compare::matches;
use rootless_install_tests::deb::Package;
use rootless_install_tests::elf::stub;
use rootless_install_tests::error::At as _;
use rootless_install_tests::mirror::Mirror;
use rootless_install_tests::real::{KEYRING, Real};
use rootless_install_tests::synthetic::{installed, package, read};
use rootless_install_tests::{Result, scenario};

/// The C source `text`, compiled.
fn compiled(directory: &Path, name: &str, text: &str, options: &[&str]) -> Result<Vec<u8>> {
    let (from, to) = (directory.join(format!("{name}.c")), directory.join(name));
    std::fs::write(&from, text).at(&from)?;
    let mut compiler = std::process::Command::new("cc");
    let done = compiler
        .arg(&from)
        .arg("-o")
        .arg(&to)
        .args(options)
        .output()
        .at("cc")?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    std::fs::read(&to).at(&to)
}

/// What python does to import a module: the suffixes are in a table of its own.
const PYTHON: &str = "#include <dlfcn.h>\n#include <stdio.h>\n\
    const char *table[] = {\".cpython-313-TRIPLET.so\", \".abi3-TRIPLET.so\", \".abi3.so\", 0};\n\
    int main(int count, char **arguments) { char path[200];\n\
    for (int i = 0; table[i]; i++) puts(table[i]);\n\
    sprintf(path, \"%s/_probe%s\", arguments[1], table[0]);\n\
    void *module = dlopen(path, RTLD_NOW);\n\
    if (!module) { puts(dlerror()); return 1; }\n\
    puts(((const char *(*)(void))dlsym(module, \"name\"))()); return 0; }\n";
const MODULE: &str = "const char *name(void) { return \"the native module\"; }\n";

scenario!(
    /// python finds the target's modules by the target's suffixes, and gets their native counterparts. What is listed is
    /// the target's, and the environment has no trace of it.
    python_finds_the_targets_modules, CONFIGURE, {
    let [native, foreign] = architectures()?;
    let work = tempfile::tempdir()?;
    let source = PYTHON.replace("TRIPLET", native.triplet);
    let python = compiled(work.path(), "python", &source, &["-ldl"])?;
    let module = compiled(work.path(), "module", MODULE, &["-shared", "-fPIC"])?;
    let directory = "usr/lib/python3/dist-packages";
    let mut packages = Vec::new();
    for machine in [native, foreign] {
        let fitting = |path: &str, content: &[u8]| match machine == native {
            true => content.to_vec(),
            false => stub(foreign, path),
        };
        let file = format!("{directory}/_probe.cpython-313-{}.so", machine.triplet);
        let program = "usr/bin/python3.13";
        packages.push(
            Package::new("python3-probe", "1.0-1", machine.debian)
                .field("Depends", "libc6")
                .file(&file, fitting(&file, &module), 0o644),
        );
        packages.push(
            Package::new("python3.13-minimal", "1.0-1", machine.debian)
                .field("Depends", "libc6")
                .file(program, fitting(program, &python), 0o755),
        );
    }
    let script = format!(
        "#!/bin/sh\nset -e\nexec >/var/lib/seen 2>&1\npython3.13 /{directory}\n\
         cd /{directory} && python3.13 . | tail -n 1\nls\necho \"$PYTHONPATH\"\n"
    );
    packages.push(
        package("imports")?
            .field("Depends", "python3-probe, python3.13-minimal")
            .script("postinst", &script),
    );
    let archive = installed(&packages)?;
    let triplet = foreign.triplet;
    let expected = format!(
        ".cpython-313-{triplet}.so\n.abi3-{triplet}.so\n.abi3.so\nthe native module\nthe native module\n\
         _probe.cpython-313-{triplet}.so\n\n"
    );
    assert_eq!(read(&archive.work.out("target"), "var/lib/seen"), expected);
});

/// A call of an interpreter, and what it has to print.
const CALLS: &[(&str, &str)] = &[
    (
        "python3 -c 'import asyncio, ctypes, sqlite3, bz2, lzma, mmap, _cffi_backend, platform, sysconfig, os, sys\n\
         print(platform.machine(), sysconfig.get_platform(), os.uname().machine, \
         sys.implementation._multiarch, _cffi_backend.__file__)'",
        "riscv64 linux-riscv64 riscv64 riscv64-linux-gnu \
         /usr/lib/python3/dist-packages/_cffi_backend.cpython-3*-riscv64-linux-gnu.so",
    ),
    (
        "ruby -e 'require \"bcrypt\"; require \"socket\"; puts [RUBY_PLATFORM, RbConfig::CONFIG[\"host_cpu\"], \
         Gem::Platform.local.cpu, BCrypt::Engine.name].join(\" \")'",
        "riscv64-linux-gnu riscv64 riscv64 BCrypt::Engine",
    ),
    (
        "lua5.4 -e 'print(require(\"lpeg\").version, package.cpath:match(\"/usr/lib/[^/]*/lua\"))'",
        "LPeg *\t/usr/lib/riscv64-linux-gnu/lua",
    ),
    (
        "echo 'puts \"[package require Thread] $tcl_platform(machine)\"' | tclsh",
        "2.* riscv64",
    ),
    (
        "perl -MConfig -MDBI -e 'print \"$Config{archname} $INC{q(DBI.pm)}\\n\"'",
        "riscv64-linux-gnu-thread-multi /usr/lib/riscv64-linux-gnu/perl5/*/DBI.pm",
    ),
    (
        "php -r 'echo php_uname(\"m\"), \" \", gmp_strval(gmp_init(7)), \"\\n\";'",
        "riscv64 7",
    ),
    (
        "node -e 'console.log(process.arch, os.arch(), process.execPath, typeof require(\"iconv\").Iconv)'",
        "riscv64 riscv64 /usr/bin/node function",
    ),
    (
        "Rscript -e 'cat(R.version$platform, version$arch, R.Version()$system, Sys.info()[[\"machine\"]], \
         nlevels(factor(1:2)), \"\\n\")'",
        "riscv64-unknown-linux-gnu riscv64 riscv64, linux-gnu riscv64 2",
    ),
    (
        "guile -c '(use-modules (ice-9 match)) (display (list %host-type (%site-ccache-dir) (car %load-path)))'",
        "(riscv64-unknown-linux-gnu /usr/lib/riscv64-linux-gnu/guile/3.0/site-ccache /usr/share/guile/3.0)",
    ),
    (
        "ocamlc -config | grep -E '^(architecture|c_compiler|host|int_size)' | tr '\\n' ' '",
        "c_compiler: riscv64-linux-gnu-gcc architecture: riscv* int_size: 63 host: riscv64-unknown-linux-gnu",
    ),
];

scenario!(
    /// Interpreters of the real archive load modules of other packages, and say that they run on riscv64.
    modules_of_the_real_archive, REAL, alone, {
    let real = Real::new()?;
    let mut script = String::from("#!/bin/sh\n");
    for (number, (call, _)) in CALLS.iter().enumerate() {
        script.push_str(&format!("{{ {call}\n}} >/var/lib/seen.{number} 2>&1\n"));
    }
    let calls = Package::new("calls", "1.0-1", "riscv64")
        .field(
            "Depends",
            "python3, python3-cffi-backend, ruby, ruby-bcrypt, lua5.4, lua-lpeg, tcl, tcl-thread, libdbi-perl, \
             php-cli, php-gmp, nodejs, node-iconv, r-base-core, ocaml, guile-3.0",
        )
        .script("postinst", &script);
    let archive = real.work.make_dir("archive")?;
    let [native, _] = architectures()?;
    Publish::default().write(&archive, &[native.debian, "riscv64"], &[calls])?;
    let mirror = Mirror::of(&archive)?;
    let source = format!("deb [trusted=yes] {} {SUITE} main", mirror.url());
    let target = real.work.out("target");
    let options = ["--arch", "riscv64", "--variant", "essential", "--include", "calls", "--keyring", KEYRING];
    let mut arguments: Vec<std::ffi::OsString> = options.map(Into::into).to_vec();
    for source in [format!("deb {} stable main", real.mirror.url()), source] {
        arguments.extend(["--mirror".into(), source.into()]);
    }
    arguments.push(target.clone().into());
    real.work.run(arguments).limit(std::time::Duration::from_secs(600)).end()?.succeeded();
    for (number, (call, expected)) in CALLS.iter().enumerate() {
        let seen = read(&target, &format!("var/lib/seen.{number}"));
        assert!(matches(expected, seen.trim_end()), "{call}\n{seen}");
    }
});

scenario!(
    /// file(1) knows programs of another byte order, whose compiled magic it cannot read, and make(1) its machine, of which
    /// what it starts sees nothing.
    tools_of_another_byte_order, REAL, alone, {
    let real = Real::new()?;
    let target = real.work.out("target");
    real.install("s390x", "minbase", &target).option("--include=file,make").end()?.succeeded();
    let mut words: Vec<std::ffi::OsString> = ["run", "--cache"].map(Into::into).to_vec();
    words.extend([real.work.path("cache").into(), target.into(), "--".into(), "sh".into(), "-c".into()]);
    words.push("file -bL /bin/sh; printf 'all:;@echo $(MAKE_HOST); env | grep -c MAKE_HOST\\n' | make -f -".into());
    let done = real.work.run_plain(words).limit(std::time::Duration::from_secs(300)).end()?;
    let (seen, errors) = (done.text(), &done.stderr);
    let [file, host, exported, ..] = seen.lines().collect::<Vec<_>>()[..] else { return Err(format!("{seen}{errors}").into()) };
    assert!(file.starts_with("ELF 64-bit MSB pie executable, IBM S/390"), "{seen}");
    assert_eq!((host, exported), ("s390x-ibm-linux-gnu", "0"), "{seen}{errors}");
});
