//! Architecture-dependent output: the rows of [`tool_table::output`] between this machine
//! and the target.
//!
//! Where what a program's data carries differs between the two, the program is refused ([`crate::unrunnable`]) or its
//! output is converted. A program that is in no row is run.

mod convert;
mod gdbm;
mod logins;

use crate::unrunnable::Refusal;
pub(crate) use convert::{into_native, into_target};
use deb_arch::Architecture;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tool_table::Output;
use tool_table::output::{self, CHAR, Form, MACHINE, ORDER, Remedy, TIME, TRAITS, WORD};

/// Judgement of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The native counterpart does the same.
    Run,
    /// The native counterpart does the same once the files of this form are converted.
    Convert(Form),
    /// The native cross tool for the target does it. Where there is none it would be wrong for the reason given, or
    /// the native counterpart does the same.
    Cross(Option<String>),
    /// It asks whether the target's processor has an extension.
    Processor,
    /// Its output would be wrong, for this reason.
    Refuse(String),
}

/// Judges the execution of a program of `target`.
pub(crate) fn judge(program: &Path, arguments: &[&OsStr], target: &Architecture) -> Verdict {
    judge_between(program, arguments, Architecture::native(), target)
}

fn judge_between(
    program: &Path,
    arguments: &[&OsStr],
    native: &Architecture,
    target: &Architecture,
) -> Verdict {
    let arguments: Vec<&[u8]> = arguments.iter().map(|argument| argument.as_bytes()).collect();
    let program = program.as_os_str().as_bytes();
    match output::judge(program, &arguments, differences(native, target)) {
        output::Verdict::Run => Verdict::Run,
        output::Verdict::Convert(form) => Verdict::Convert(form),
        output::Verdict::Cross(output, carried) => {
            let or_native = output.remedy == (Remedy::Cross { or_native: true });
            Verdict::Cross((!or_native).then(|| reason(output, carried, native)))
        }
        output::Verdict::Processor => Verdict::Processor,
        output::Verdict::Refuse(output, carried) => Verdict::Refuse(reason(output, carried, native)),
    }
}

/// Returns the refusal that a package's postinst is known to meet.
pub(crate) fn foreseen(package: &str, target: &Architecture) -> Option<Refusal> {
    foreseen_between(package, Architecture::native(), target)
}

fn foreseen_between(package: &str, native: &Architecture, target: &Architecture) -> Option<Refusal> {
    let differences = differences(native, target);
    let output = tool_table::outputs().find(|output| {
        output.remedy == Remedy::Refuse && output.carries & differences != 0 && output.is_needed_by(package)
    })?;
    Some(Refusal {
        tool: Path::new(output.program)
            .file_name()
            .map(PathBuf::from)
            .unwrap_or_default(),
        reason: reason(output, output.carries & differences, native),
    })
}

/// Returns the traits that data can carry and in which two architectures differ, as bits.
fn differences(native: &Architecture, target: &Architecture) -> u8 {
    [
        (ORDER, native.byte_order != target.byte_order),
        (WORD, native.bits != target.bits),
        (CHAR, native.signed_char != target.signed_char),
        (MACHINE, native.name != target.name),
        (TIME, native.login_time() != target.login_time()),
    ]
    .into_iter()
    .filter(|(_, differ)| *differ)
    .fold(0, |all, (one, _)| all | one)
}

/// The form of files that a program reads and writes, if they are converted for it.
pub(crate) fn form_of(program: &Path) -> Option<Form> {
    output::outputs_of(program.as_os_str().as_bytes()).find_map(|output| match output.remedy {
        Remedy::Convert(form) => Some(form),
        _ => None,
    })
}

fn reason(output: &Output, carried: u8, native: &Architecture) -> String {
    let of: Vec<&str> = TRAITS
        .into_iter()
        .filter(|(one, _)| carried & one != 0)
        .map(|(_, name)| name)
        .collect();
    format!(
        "it writes {}, and would do so in the {} of {native}, this machine's architecture",
        output.writes,
        of.join(" and ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arch(name: &str) -> &'static Architecture {
        Architecture::by_name(name).unwrap()
    }

    #[test]
    fn what_differs_decides() {
        let initdb = Path::new("/usr/lib/postgresql/17/bin/initdb");
        let verdict = |native, target| judge_between(initdb, &[], arch(native), arch(target));
        for same in ["amd64", "arm64", "riscv64", "ppc64el", "loong64"] {
            assert_eq!(verdict("amd64", same), Verdict::Run, "{same}");
        }
        for other in ["s390x", "armhf", "i386", "ppc64"] {
            assert!(matches!(verdict("amd64", other), Verdict::Refuse(_)), "{other}");
        }
        assert_eq!(verdict("s390x", "ppc64"), Verdict::Run);
        let Verdict::Refuse(reason) = verdict("amd64", "powerpc") else {
            panic!()
        };
        assert!(
            reason.contains("in the byte order and word size of amd64"),
            "{reason}"
        );
    }

    // A command line of each row, and the architectures for which amd64 refuses it
    // (`*` all others, `~` converts, `+` leaves it to a cross tool, `?` answers for the processor).
    const COMMANDS: &[(&str, &str)] = &[
        ("/usr/lib/postgresql/17/bin/initdb -D x", "s390x armhf i386"),
        (
            "/usr/lib/postgresql/18/bin/initdb -D x",
            "s390x armhf i386 arm64 riscv64 ppc64el",
        ),
        (
            "/usr/lib/postgresql/19/bin/initdb -D x",
            "s390x armhf i386 arm64 riscv64 ppc64el",
        ),
        (
            "/usr/bin/mandb -cq",
            "~i386 ~s390x ~armhf ~arm64 ~riscv64 ~ppc64el",
        ),
        ("/usr/sbin/useradd -r x", "~i386 ~s390x ~armhf ~arm64"),
        ("/usr/sbin/usermod -u 5 x", "~i386 ~s390x ~armhf ~arm64"),
        ("/usr/bin/lastlog -C -u x", "~i386 ~s390x ~armhf ~arm64"),
        ("/usr/bin/faillog -r", "~i386 ~s390x ~armhf ~arm64"),
        ("/usr/bin/faillog --help", ""),
        (
            "/usr/lib/yp/makedbm a b",
            "s390x armhf i386 arm64 riscv64 ppc64el",
        ),
        (
            "/usr/lib/courier/makedatprog a b",
            "s390x armhf i386 arm64 riscv64 ppc64el",
        ),
        ("/usr/sbin/slapadd -F x", "s390x armhf i386"),
        ("/usr/sbin/slapindex -F x", "s390x armhf i386"),
        ("/usr/sbin/postalias /etc/aliases", "s390x armhf i386"),
        ("/usr/sbin/postmap /etc/x", "s390x armhf i386"),
        ("/usr/sbin/saslpasswd2 -c x", "s390x"),
        ("/usr/bin/db5.3_load x", "s390x"),
        ("/usr/bin/db5.3_upgrade x", "s390x"),
        ("/usr/sbin/exim_dbmbuild a b", "s390x"),
        ("/usr/sbin/makemap hash x", "s390x"),
        ("/usr/libexec/sendmail/makemap hash x", "s390x"),
        ("/usr/libexec/sendmail/sendmail -bi", "s390x"),
        ("/usr/libexec/sendmail/sendmail -bv x", ""),
        ("/usr/sbin/kdb5_util create -s", "s390x"),
        ("/usr/bin/tdbrestore x", "s390x"),
        ("/usr/bin/net groupmap list", "s390x"),
        ("/usr/bin/pdbedit -L", "s390x"),
        ("/usr/bin/smbpasswd -a x", "s390x"),
        ("/usr/bin/isql-fb x", "s390x armhf i386"),
        ("/usr/bin/gsec x", "s390x armhf i386"),
        ("/usr/bin/gbak x", "s390x armhf i386"),
        ("/usr/bin/groonga x", "s390x armhf i386"),
        ("/usr/bin/rrdtool create x", "s390x armhf i386"),
        ("/usr/bin/rrdtool info x", ""),
        ("/usr/lib/news/bin/makedbz -i", "s390x armhf i386"),
        ("/usr/lib/news/bin/makehistory", "s390x armhf i386"),
        ("/usr/lib/news/bin/tdx-util -c", "s390x armhf i386"),
        ("/usr/sbin/updatedb.plocate", "s390x"),
        ("/usr/sbin/plocate-build a b", "s390x"),
        ("/usr/bin/dconf update", "s390x"),
        ("/usr/bin/dconf read /x", ""),
        ("/usr/bin/ibus write-cache --system", "s390x"),
        ("/usr/bin/appstreamcli refresh-cache --force", "s390x"),
        ("/usr/sbin/sefcontext_compile x", "s390x armhf i386"),
        (
            "/usr/lib/riscv64-linux-gnu/vlc/vlc-cache-gen x",
            "s390x armhf i386",
        ),
        ("/usr/bin/loadkeys -b x", "s390x"),
        ("/usr/sbin/cracklib-packer x", "s390x"),
        ("/usr/bin/aspell --lang=de create master x", "s390x armhf i386"),
        ("/usr/bin/aspell dump dicts", ""),
        ("/usr/bin/buildhash x", "s390x armhf i386 arm64 riscv64 ppc64el"),
        (
            "/usr/lib/ispell/buildhash x",
            "s390x armhf i386 arm64 riscv64 ppc64el",
        ),
        (
            "/usr/lib/mecab/mecab-dict-index -d x",
            "s390x armhf i386 arm64 riscv64 ppc64el",
        ),
        ("/usr/bin/luahbtex -ini x", "s390x armhf i386"),
        ("/usr/bin/luatex x.tex", ""),
        ("/usr/bin/guild compile x", "s390x armhf i386"),
        ("/usr/lib/jvm/java-21-openjdk-riscv64/bin/java -Xshare:dump", "*"),
        ("/usr/lib/jvm/java-21-openjdk-riscv64/bin/java -jar x", ""),
        ("/usr/bin/emacs-nox --batch -f batch-native-compile x", "*"),
        ("/usr/bin/emacs-nox --batch -f batch-byte-compile x", ""),
        ("/usr/bin/mono-sgen --aot x", "*"),
        ("/usr/bin/riscv64-linux-gnu-gcc-14 x.c", "+"),
        ("/usr/bin/arm-linux-gnueabihf-gcc-14 -dumpmachine", "+"),
        ("/usr/bin/riscv64-linux-gnu-gcc-14 -dumpversion", "+"),
        ("/usr/bin/riscv64-linux-gnu-g++-14 x.c", "+"),
        ("/usr/bin/riscv64-linux-gnu-cpp-14 x.c", "+"),
        ("/usr/bin/riscv64-linux-gnu-gfortran-14 x.c", "+"),
        ("/usr/bin/riscv64-linux-gnu-gnatmake-14 x", "*"),
        ("/usr/bin/riscv64-linux-gnu-gdc-14 x", "*"),
        ("/usr/bin/riscv64-linux-gnu-as x", "+"),
        ("/usr/bin/riscv64-linux-gnu-ld.bfd x", "+"),
        ("/usr/bin/riscv64-linux-gnu-gold x", "+"),
        ("/usr/bin/riscv64-linux-gnu-strip x", "+"),
        ("/usr/bin/riscv64-linux-gnu-objcopy x", "+"),
        ("/usr/bin/riscv64-linux-gnu-addr2line x", "+"),
        ("/usr/bin/riscv64-linux-gnu-ar x", "+"),
        ("/usr/bin/riscv64-linux-gnu-c++filt x", "+"),
        ("/usr/bin/riscv64-linux-gnu-dwp x", "+"),
        ("/usr/bin/riscv64-linux-gnu-elfedit x", "+"),
        ("/usr/bin/riscv64-linux-gnu-gprof x", "+"),
        ("/usr/bin/riscv64-linux-gnu-nm x", "+"),
        ("/usr/bin/riscv64-linux-gnu-objdump x", "+"),
        ("/usr/bin/riscv64-linux-gnu-ranlib x", "+"),
        ("/usr/bin/riscv64-linux-gnu-readelf x", "+"),
        ("/usr/bin/riscv64-linux-gnu-size x", "+"),
        ("/usr/bin/riscv64-linux-gnu-strings x", "+"),
        ("/usr/libexec/i386-linux-gnu/isa-support/test-SSE2", "?"),
        ("/usr/lib/arm-linux-gnueabihf/isa-support/test-NEON", "?"),
        ("/usr/lib/sse2-support.0123456789", "?"),
        ("/usr/libexec/gcc/riscv64-linux-gnu/14/cc1plus x", "*"),
        ("/usr/lib/llvm-19/bin/clang x", "*"),
        ("/usr/bin/tcc x", "*"),
        ("/usr/bin/rustc x", "*"),
        ("/usr/lib/rust-1.85/bin/rustc x", "*"),
        ("/usr/lib/go-1.24/bin/go build x", "*"),
        ("/usr/lib/go-1.24/bin/go env", ""),
        ("/usr/lib/ghc/bin/ghc-9.6.6 x", "*"),
        ("/usr/bin/ocamlopt.opt x", "*"),
        ("/usr/bin/sbcl x", "*"),
        ("/usr/bin/ecl x", "*"),
        ("/usr/bin/sqlite3 x", ""),
        ("/usr/bin/file -C -m x", "s390x"),
        ("/usr/bin/file -m x y", ""),
    ];

    #[test]
    fn every_row_decides() {
        let others = ["arm64", "armhf", "i386", "ppc64el", "riscv64", "s390x"];
        for (command, refused) in COMMANDS {
            let mut words = command.split(' ');
            let program = Path::new(words.next().unwrap());
            let arguments: Vec<&OsStr> = words.map(OsStr::new).collect();
            let mut found: Vec<String> = Vec::new();
            for other in others {
                match judge_between(program, &arguments, arch("amd64"), arch(other)) {
                    Verdict::Run => {}
                    Verdict::Convert(_) => found.push(format!("~{other}")),
                    Verdict::Cross(_) => found.push(format!("+{other}")),
                    Verdict::Processor => found.push(format!("?{other}")),
                    Verdict::Refuse(_) => found.push(other.to_owned()),
                }
            }
            let mut expected: Vec<String> = match *refused {
                "*" => others.map(str::to_owned).to_vec(),
                "+" | "?" => others.map(|name| format!("{refused}{name}")).to_vec(),
                named => named
                    .split(' ')
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect(),
            };
            expected.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, expected, "{command}");
            assert_eq!(
                judge_between(program, &arguments, arch("amd64"), arch("amd64")),
                Verdict::Run
            );
        }
        for output in tool_table::outputs() {
            let shown = COMMANDS.iter().any(|(command, refused)| {
                let program = command.split(' ').next().unwrap();
                let of_program = || output::outputs_of(program.as_bytes());
                !refused.is_empty() && of_program().any(|other| std::ptr::eq(other, output))
            });
            assert!(shown, "no command line for {}", output.program);
        }
    }

    #[test]
    fn questions_are_harmless() {
        let initdb = Path::new("/usr/lib/postgresql/17/bin/initdb");
        let verdict = |arguments: &[&str]| {
            let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
            judge_between(initdb, &arguments, arch("amd64"), arch("s390x"))
        };
        assert_eq!(verdict(&["--version"]), Verdict::Run);
        assert!(matches!(verdict(&["--version", "-D", "/x"]), Verdict::Refuse(_)));
    }

    #[test]
    fn packages_are_foreseen() {
        let foreseen = |package, target| foreseen_between(package, arch("amd64"), arch(target));
        assert!(foreseen("postgresql-17", "s390x").is_some());
        assert_eq!(foreseen("postgresql-17", "riscv64"), None);
        for other in ["postgresql", "postgresql-common", "postgresql-client-17"] {
            assert_eq!(foreseen(other, "s390x"), None);
        }
    }
}
