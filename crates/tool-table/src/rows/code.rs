//! Compilers, and interpreters that write code.

use super::*;

pub(super) static TABLE: &[Tool] = &[
    tool("luatex")
        .outputs(&[
            output("/usr/bin/lua*tex", ORDER | WORD, "a format with byte code of Lua")
                .only_with(&["-ini", "--ini"]),
        ])
        .shown(
            r#"
byte order> /usr/bin/luahbtex -ini x
    refuse
"#,
        ),
    tool("guild")
        .outputs(&[output("/usr/bin/guild", ORDER | WORD, "byte code")])
        .shown(
            r#"
byte order> /usr/bin/guild
    refuse
"#,
        ),
    tool("java")
        .outputs(&[
            output("/usr/lib/jvm/*/bin/java", MACHINE, "an archive of classes")
                .only_with(&["-Xshare:dump", "-XX:ArchiveClassesAtExit"]),
        ])
        .shown(
            r#"
instruction set> /usr/lib/jvm/java-21/bin/java -Xshare:dump x
    refuse
"#,
        ),
    tool("emacs")
        .outputs(&[
            output("/usr/bin/emacs-*", MACHINE, CODE).only_with(&["batch-native-compile", "native-compile"])
        ])
        .shown(
            r#"
instruction set> /usr/bin/emacs-gtk batch-native-compile x
    refuse
"#,
        ),
    tool("mono-sgen")
        .outputs(&[output("/usr/bin/mono-sgen", MACHINE, CODE).only_with(&["--aot"])])
        .shown(
            r#"
instruction set> /usr/bin/mono-sgen --aot x
    refuse
"#,
        ),
    tool("gcc g++ cpp gfortran gnat gdc cc")
        .answer("gcc* g++* cpp* gfortran* cc", Responder::Compiler)
        .outputs(&[
            output("/usr/bin/*-linux-gnu*-gcc-#", MACHINE, CODE).crossed(false),
            output("/usr/bin/*-linux-gnu*-g++-#", MACHINE, CODE).crossed(false),
            output(
                "/usr/bin/*-linux-gnu*-cpp-#",
                MACHINE,
                "what depends on the machine it compiles for",
            )
            .crossed(false),
            output("/usr/bin/*-linux-gnu*-gfortran-#", MACHINE, CODE).crossed(false),
            output("/usr/bin/*-linux-gnu*-gnat*-#", MACHINE, CODE),
            output("/usr/bin/*-linux-gnu*-gdc-#", MACHINE, CODE),
            output("/usr/libexec/gcc/*/#/cc1*", MACHINE, CODE),
        ])
        .shown(
            r#"
i386$ /usr/bin/gcc-14 -dumpmachine
    prints "i686-linux-gnu\n"
instruction set> /usr/bin/s390x-linux-gnu-gcc-14
    cross
"#,
        ),
    // GNU binutils: the packages for other machines have the same programs by the same names.
    tool("as ld strip objcopy")
        .outputs(&[
            output("/usr/bin/*-linux-gnu*-as", MACHINE, CODE).crossed(false),
            output("/usr/bin/*-linux-gnu*-ld.*", MACHINE, CODE).crossed(false),
            output("/usr/bin/*-linux-gnu*-gold", MACHINE, CODE).crossed(false),
            output("/usr/bin/*-linux-gnu*-strip", MACHINE, CODE).crossed(false),
            output("/usr/bin/*-linux-gnu*-objcopy", MACHINE, CODE).crossed(false),
        ])
        .shown(
            r#"
instruction set> /usr/bin/s390x-linux-gnu-strip x
    cross
instruction set> /usr/bin/s390x-linux-gnu-ld.bfd --version
    cross
"#,
        ),
    tool("addr2line ar c++filt dwp elfedit gprof nm objdump ranlib readelf size")
        .outputs(&[
            output("/usr/bin/*-linux-gnu*-addr2line", MACHINE, TOLD).crossed(true),
            output("/usr/bin/*-linux-gnu*-ar", MACHINE, TOLD).crossed(true),
            output("/usr/bin/*-linux-gnu*-c++filt", MACHINE, TOLD).crossed(true),
            output("/usr/bin/*-linux-gnu*-dwp", MACHINE, TOLD).crossed(true),
            output("/usr/bin/*-linux-gnu*-elfedit", MACHINE, TOLD).crossed(true),
            output("/usr/bin/*-linux-gnu*-gprof", MACHINE, TOLD).crossed(true),
            output("/usr/bin/*-linux-gnu*-nm", MACHINE, TOLD).crossed(true),
            output("/usr/bin/*-linux-gnu*-objdump", MACHINE, TOLD).crossed(true),
            output("/usr/bin/*-linux-gnu*-ranlib", MACHINE, TOLD).crossed(true),
            output("/usr/bin/*-linux-gnu*-readelf", MACHINE, TOLD).crossed(true),
            output("/usr/bin/*-linux-gnu*-size", MACHINE, TOLD).crossed(true),
            output("/usr/bin/*-linux-gnu*-strings", MACHINE, TOLD).crossed(true),
        ])
        .shown(
            r#"
instruction set> /usr/bin/s390x-linux-gnu-objdump -d x
    cross
"#,
        ),
    tool("clang")
        .answer("clang*", Responder::Compiler)
        .outputs(&[output("/usr/lib/llvm-#/bin/clang", MACHINE, CODE)])
        .shown(
            r#"
riscv64$ /usr/bin/clang-19 -print-multiarch
    prints "riscv64-linux-gnu\n"
instruction set> /usr/lib/llvm-14/bin/clang
    refuse
"#,
        ),
    tool("tcc")
        .outputs(&[output("/usr/bin/tcc", MACHINE, CODE)])
        .shown(
            r#"
instruction set> /usr/bin/tcc
    refuse
"#,
        ),
    tool("rustc")
        .outputs(&[
            output("/usr/bin/rustc", MACHINE, CODE),
            output("/usr/lib/rust-*/bin/rustc", MACHINE, CODE),
        ])
        .shown(
            r#"
instruction set> /usr/bin/rustc
    refuse
instruction set> /usr/lib/rust-1.85/bin/rustc
    refuse
"#,
        ),
    tool("go")
        .outputs(&[output("/usr/lib/go-*/bin/go", MACHINE, CODE).only_with(&["build", "install", "run"])])
        .shown(
            r#"
instruction set> /usr/lib/go-1.24/bin/go build x
    refuse
"#,
        ),
    tool("ghc")
        .outputs(&[output("/usr/lib/ghc/bin/ghc-#.*", MACHINE, CODE)])
        .shown(
            r#"
instruction set> /usr/lib/ghc/bin/ghc-9.10.3
    refuse
"#,
        ),
    tool("ocamlopt")
        .outputs(&[output("/usr/bin/ocamlopt*", MACHINE, CODE)])
        .shown(
            r#"
instruction set> /usr/bin/ocamlopt
    refuse
"#,
        ),
    tool("sbcl")
        .outputs(&[output("/usr/bin/sbcl", MACHINE, CODE)])
        .shown(
            r#"
instruction set> /usr/bin/sbcl
    refuse
"#,
        ),
    tool("ecl")
        .outputs(&[output("/usr/bin/ecl", MACHINE, CODE)])
        .shown(
            r#"
instruction set> /usr/bin/ecl
    refuse
"#,
        ),
];
