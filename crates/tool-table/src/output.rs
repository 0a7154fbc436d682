//! The table of programs whose output carries the machine they run on: data,
//! not code. The shim has it too (`maintscript-shim/src/main.rs`), so it uses
//! nothing but the language.

/// Byte order of numbers in the program's data.
pub const ORDER: u8 = 1;
/// Width of `long`, `size_t` and pointers, and what follows: alignment, layout
/// of structures, arithmetic that overflows.
pub const WORD: u8 = 2;
/// Whether `char` has a sign.
pub const CHAR: u8 = 4;
/// The machine itself: instructions, or what only its own programs can load.
pub const MACHINE: u8 = 8;

/// What is done where the native program would be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// It is not run.
    Refuse,
    /// It is run, and what it wrote is brought into the target's form: gdbm files
    /// named `index.db` below `/var/cache/man`.
    Gdbm,
}

/// One row.
#[derive(Debug)]
pub struct Hazard {
    /// The program's path as the target's package ships it; `*` stands for any
    /// bytes but a slash, `#` for a number.
    pub program: &'static str,
    /// What it writes, in words that complete "it writes ...".
    pub writes: &'static str,
    /// What of the machine is in that: the constants above, added up.
    pub carries: u8,
    /// Where this is not empty, only a command line with an argument that begins
    /// with one of these writes it.
    pub only_with: &'static [&'static str],
    /// Packages that execute it whenever they are configured first; `*` as above.
    pub packages: &'static [&'static str],
    /// What is done.
    pub means: Means,
}

const fn row(program: &'static str, carries: u8, writes: &'static str) -> Hazard {
    Hazard {
        program,
        writes,
        carries,
        only_with: &[],
        packages: &[],
        means: Means::Refuse,
    }
}

impl Hazard {
    const fn only_with(self, only_with: &'static [&'static str]) -> Hazard {
        Hazard { only_with, ..self }
    }

    const fn by(self, packages: &'static [&'static str]) -> Hazard {
        Hazard { packages, ..self }
    }

    const fn means(self, means: Means) -> Hazard {
        Hazard { means, ..self }
    }
}

/// Every row; a program may have several. Not here, because their formats are the
/// same everywhere: what SQLite, InnoDB, Aria and MyISAM, systemd (hardware
/// database, message catalogue), GVDB of glib-compile-schemas, the caches of icons
/// and MIME types, depmod(8) (but for an order, which the shim mends), selinux policies, git, GnuPG, ghc-pkg, Python's byte
/// code, zic(8) and locate(1) of findutils write.
pub static TABLE: &[Hazard] = &[
    // Databases.
    row(
        "/usr/lib/postgresql/#/bin/initdb",
        ORDER | WORD,
        "a database cluster, whose pages are structures in memory",
    )
    .by(&["postgresql-#"]),
    // From version 18 on the cluster records the sign of char.
    row(
        "/usr/lib/postgresql/18/bin/initdb",
        CHAR,
        "the sign of char into the cluster",
    ),
    row(
        "/usr/lib/postgresql/19/bin/initdb",
        CHAR,
        "the sign of char into the cluster",
    ),
    row("/usr/bin/mandb", ORDER | WORD | CHAR, GDBM).means(Means::Gdbm),
    row("/usr/lib/yp/makedbm", ORDER | WORD | CHAR, GDBM),
    row("/usr/lib/courier/makedatprog", ORDER | WORD | CHAR, GDBM),
    row("/usr/sbin/slapadd", ORDER | WORD, LMDB).by(&["slapd"]),
    row("/usr/sbin/slapindex", ORDER | WORD, LMDB),
    row("/usr/sbin/postalias", ORDER | WORD, MAPS),
    row("/usr/sbin/postmap", ORDER | WORD, MAPS),
    row("/usr/sbin/saslpasswd2", ORDER, BERKELEY).by(&["sasl2-bin"]),
    row("/usr/bin/db#.#_load", ORDER, BERKELEY),
    row("/usr/bin/db#.#_upgrade", ORDER, BERKELEY),
    row("/usr/sbin/exim_dbmbuild", ORDER, BERKELEY),
    row("/usr/sbin/makemap", ORDER, BERKELEY),
    row("/usr/libexec/sendmail/makemap", ORDER, BERKELEY),
    row("/usr/libexec/sendmail/sendmail", ORDER, BERKELEY).only_with(&["-bi", "-I"]),
    row("/usr/sbin/kdb5_util", ORDER, BERKELEY).only_with(&["create", "load"]),
    row("/usr/bin/tdbrestore", ORDER, TDB),
    row("/usr/bin/net", ORDER, TDB),
    row("/usr/bin/pdbedit", ORDER, TDB),
    row("/usr/bin/smbpasswd", ORDER, TDB),
    row("/usr/bin/isql-fb", ORDER | WORD, FIREBIRD),
    row("/usr/bin/gsec", ORDER | WORD, FIREBIRD),
    row("/usr/bin/gbak", ORDER | WORD, FIREBIRD),
    row(
        "/usr/bin/groonga",
        ORDER | WORD,
        "a database that is mapped into memory",
    ),
    row(
        "/usr/bin/rrdtool",
        ORDER | WORD,
        "round-robin databases of numbers as in memory",
    )
    .only_with(&["create", "update", "restore", "tune"]),
    row("/usr/lib/news/bin/makedbz", ORDER | WORD, NEWS).by(&["inn2"]),
    row("/usr/lib/news/bin/makehistory", ORDER | WORD, NEWS),
    row("/usr/lib/news/bin/tdx-util", ORDER | WORD, NEWS),
    row(
        "/usr/sbin/updatedb.plocate",
        ORDER,
        "an index of file names that is mapped into memory",
    ),
    row(
        "/usr/sbin/plocate-build",
        ORDER,
        "an index of file names that is mapped into memory",
    ),
    // Settings and caches.
    row(
        "/usr/bin/dconf",
        ORDER,
        "a settings database in its own byte order",
    )
    .only_with(&["update", "compile"]),
    row(
        "/usr/bin/ibus",
        ORDER,
        "a cache of components in its own byte order",
    )
    .only_with(&["write-cache"]),
    row(
        "/usr/bin/appstreamcli",
        ORDER,
        "a cache that is mapped into memory",
    )
    .only_with(&["refresh"])
    .by(&["appstream"]),
    row(
        "/usr/sbin/sefcontext_compile",
        ORDER | WORD,
        "compiled regular expressions",
    ),
    row(
        "/usr/lib/*/vlc/vlc-cache-gen",
        ORDER | WORD,
        "a cache of what plug-ins say",
    ),
    row("/usr/bin/loadkeys", ORDER, "a binary key map").only_with(&["-b", "--bkeymap"]),
    // Dictionaries.
    row("/usr/sbin/cracklib-packer", ORDER, "an index of words").by(&["cracklib-runtime"]),
    // Found equal on amd64 and riscv64, umlauts included.
    row("/usr/bin/aspell", ORDER | WORD, "a hash table of words").only_with(&["create", "merge"]),
    row("/usr/bin/buildhash", ORDER | WORD | CHAR, "a hash table of words"),
    row(
        "/usr/lib/ispell/buildhash",
        ORDER | WORD | CHAR,
        "a hash table of words",
    ),
    row(
        "/usr/lib/mecab/mecab-dict-index",
        ORDER | WORD | CHAR,
        "a dictionary that is mapped into memory",
    )
    .by(&["mecab-*dic", "mecab-*dic-*"]),
    // Code of interpreters.
    row("/usr/bin/lua*tex", ORDER | WORD, "a format with byte code of Lua").only_with(&["-ini", "--ini"]),
    row("/usr/bin/guild", ORDER | WORD, "byte code"),
    // Code of the machine.
    row("/usr/lib/jvm/*/bin/java", MACHINE, "an archive of classes")
        .only_with(&["-Xshare:dump", "-XX:ArchiveClassesAtExit"]),
    row("/usr/bin/emacs-*", MACHINE, CODE).only_with(&["batch-native-compile", "native-compile"]),
    row("/usr/bin/mono-sgen", MACHINE, CODE).only_with(&["--aot"]),
    row("/usr/bin/*-linux-gnu*-gcc-#", MACHINE, CODE),
    row("/usr/bin/*-linux-gnu*-g++-#", MACHINE, CODE),
    row(
        "/usr/bin/*-linux-gnu*-cpp-#",
        MACHINE,
        "what depends on the machine it compiles for",
    ),
    row("/usr/bin/*-linux-gnu*-gfortran-#", MACHINE, CODE),
    row("/usr/bin/*-linux-gnu*-gnat*-#", MACHINE, CODE),
    row("/usr/bin/*-linux-gnu*-gdc-#", MACHINE, CODE),
    row("/usr/bin/*-linux-gnu*-as", MACHINE, CODE),
    row("/usr/bin/*-linux-gnu*-ld.*", MACHINE, CODE),
    row("/usr/bin/*-linux-gnu*-strip", MACHINE, CODE),
    row("/usr/bin/*-linux-gnu*-objcopy", MACHINE, CODE),
    row("/usr/libexec/gcc/*/#/cc1*", MACHINE, CODE),
    row("/usr/lib/llvm-#/bin/clang", MACHINE, CODE),
    row("/usr/bin/tcc", MACHINE, CODE),
    row("/usr/bin/rustc", MACHINE, CODE),
    row("/usr/lib/rust-*/bin/rustc", MACHINE, CODE),
    row("/usr/lib/go-*/bin/go", MACHINE, CODE).only_with(&["build", "install", "run"]),
    row("/usr/lib/ghc/bin/ghc-#.*", MACHINE, CODE),
    row("/usr/bin/ocamlopt*", MACHINE, CODE),
    row("/usr/bin/sbcl", MACHINE, CODE),
    row("/usr/bin/ecl", MACHINE, CODE),
];

const BERKELEY: &str = "a Berkeley DB file in its own byte order";
const CODE: &str = "code";
const FIREBIRD: &str = "databases whose pages are structures in memory";
const GDBM: &str = "gdbm files, which are structures in memory";
const LMDB: &str = "an LMDB database, which is mapped into memory";
const MAPS: &str = "maps as LMDB or Berkeley DB files";
const NEWS: &str = "an index of articles as structures in memory";
const TDB: &str = "a TDB file in its own byte order";

/// The rows of a program, by its path.
pub fn rows(path: &[u8]) -> impl Iterator<Item = &'static Hazard> {
    TABLE
        .iter()
        .filter(move |row| matches(row.program.as_bytes(), path))
}

/// Whether a text is of the form of a pattern, in which `*` stands for any bytes
/// but a slash, and `#` for a number.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            matches(rest, text)
                || matches!(text.split_first(), Some((first, more)) if *first != b'/' && matches(pattern, more))
        }
        (Some((b'#', rest)), Some((first, more))) => {
            first.is_ascii_digit() && (matches(rest, more) || matches(pattern, more))
        }
        (Some((wanted, rest)), Some((first, more))) => wanted == first && matches(rest, more),
        _ => false,
    }
}
