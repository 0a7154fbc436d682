//! Tools of coreutils that know nothing of a root: their arguments that are paths, each
//! from its manual page.

use super::{Confined, Method, Row, Shape, Words, row};

/// Options and operands.
pub(super) const fn plain(
    options: &'static str,
    operands: &'static [(&'static str, &'static str)],
) -> Method {
    Method::Arguments(Shape {
        options,
        operands,
        words: Words::Plain,
    })
}

/// A grammar of its own, and options of it.
pub(super) const fn words(words: Words, options: &'static str) -> Method {
    Method::Arguments(Shape {
        options,
        operands: &[("", "T*")],
        words,
    })
}

/// Resolved in the root: what it prints is what it does, so a path is not merely changed.
const fn resolved(options: &'static str, operands: &'static [(&'static str, &'static str)]) -> Method {
    Method::Chroot(Confined {
        options,
        or_nothing: false,
        only_outside: Some(Shape {
            options,
            operands,
            words: Words::Plain,
        }),
    })
}

pub(super) const CHANGES: &str = "it changes the files it is given";
pub(super) const READS: &str = "it reads the files it is given";
const MAKES: &str = "it makes the files it is given";

pub(super) static TABLE: &[Row] = &[
    row(
        "chown",
        plain(
            "--from=O --reference=R -R -h,--no-dereference",
            &[("--reference", "W*"), ("", "O W*")],
        ),
        "owners are looked up in the root, too",
    ),
    row(
        "chgrp",
        plain(
            "--from=O --reference=R -R -h,--no-dereference",
            &[("--reference", "W*"), ("", "G W*")],
        ),
        "groups are looked up in the root, too",
    ),
    row(
        "chmod",
        plain(
            "--reference=R -r -w -x -X -s -t -u -g -o",
            // A mode may look like an option.
            &[
                ("--reference", "W*"),
                ("-r", "W*"),
                ("-w", "W*"),
                ("-x", "W*"),
                ("-X", "W*"),
                ("-s", "W*"),
                ("-t", "W*"),
                ("-u", "W*"),
                ("-g", "W*"),
                ("-o", "W*"),
                ("", "T W*"),
            ],
        ),
        CHANGES,
    ),
    row(
        "install",
        plain(
            "-d,--directory -t,--target-directory=W -m,--mode=T -o,--owner=U -g,--group=G -S,--suffix=T --strip-program=T",
            &[("-d", "W*"), ("-t", "R*"), ("", "R* W")],
        ),
        MAKES,
    ),
    row("mkdir", plain("-m,--mode=T", &[("", "W*")]), MAKES),
    row("mkfifo", plain("-m,--mode=T", &[("", "W*")]), MAKES),
    row(
        "mknod",
        plain("-m,--mode=T", &[("", "W T*")]),
        "the kernel may refuse devices",
    ),
    row("rmdir unlink", plain("", &[("", "W*")]), CHANGES),
    row("rm", plain("", &[("", "W*")]), CHANGES),
    row(
        "shred",
        plain("-n,--iterations=T -s,--size=T --random-source=R", &[("", "W*")]),
        CHANGES,
    ),
    row(
        "ln",
        plain(
            "-s,--symbolic -t,--target-directory=W -S,--suffix=T",
            &[("-s -t", "T*"), ("-t", "R*"), ("-s", "T* W"), ("", "R* W")],
        ),
        "the text of a symbolic link is the target's as it is",
    ),
    row("link", plain("", &[("", "R W")]), MAKES),
    row(
        "cp",
        plain(
            "-s,--symbolic-link -t,--target-directory=W -S,--suffix=T",
            &[("-s -t", "T*"), ("-t", "R*"), ("-s", "T* W"), ("", "R* W")],
        ),
        "with -s its sources are the text of links",
    ),
    row(
        "mv",
        plain("-t,--target-directory=W -S,--suffix=T", &[("", "W*")]),
        CHANGES,
    ),
    row(
        "touch",
        plain("-d,--date=T -t=T -r,--reference=R", &[("", "W*")]),
        MAKES,
    ),
    row(
        "truncate",
        plain("-s,--size=T -r,--reference=R", &[("", "W*")]),
        CHANGES,
    ),
    row(
        "fallocate",
        plain("-l,--length=T -o,--offset=T", &[("", "W*")]),
        CHANGES,
    ),
    row("tee", plain("", &[("", "W*")]), MAKES),
    row(
        "mktemp",
        plain(
            "-p,--tmpdir=W -t --suffix=T",
            &[("-p", "T"), ("-t", "T"), ("", "W")],
        ),
        MAKES,
    ),
    row(
        "tempfile",
        plain(
            "-d,--directory=W -m,--mode=T -n,--name=W -p,--prefix=T -s,--suffix=T",
            &[("", "T*")],
        ),
        MAKES,
    ),
    row("dd", words(Words::Dd, ""), "if= is read, of= is written"),
    row(
        "test [",
        words(Words::Test, ""),
        "operators on files ask about the root",
    ),
    row("cat tac rev tsort", plain("", &[("", "R*")]), READS),
    row(
        "nl",
        plain("-b=T -d=T -f=T -h=T -i=T -l=T -n=T -s=T -v=T -w=T", &[("", "R*")]),
        READS,
    ),
    row(
        "fold fmt expand unexpand column colrm",
        plain("-w,--width=T -t,--tabs=T -g=T -p=T", &[("", "R*")]),
        READS,
    ),
    row("paste", plain("-d,--delimiters=T", &[("", "R*")]), READS),
    row(
        "ls dir vdir",
        plain("-I,--ignore=T -T,--tabsize=T -w,--width=T", &[("", "R*")]),
        READS,
    ),
    row("stat", plain("-c,--format=T --printf=T", &[("", "R*")]), READS),
    row(
        "head tail",
        plain("-n,--lines=T -c,--bytes=T -s=T --pid=T", &[("", "R*")]),
        READS,
    ),
    row(
        "sort",
        plain(
            "-k,--key=T -t,--field-separator=T -o,--output=W -S=T -T,--temporary-directory=W --files0-from=R --parallel=T",
            &[("", "R*")],
        ),
        READS,
    ),
    row(
        "uniq",
        plain(
            "-f,--skip-fields=T -s,--skip-chars=T -w,--check-chars=T",
            &[("", "R W")],
        ),
        "its second operand is written",
    ),
    row(
        "cut",
        plain(
            "-b,--bytes=T -c,--characters=T -d,--delimiter=T -f,--fields=T --output-delimiter=T",
            &[("", "R*")],
        ),
        READS,
    ),
    row("wc", plain("--files0-from=R", &[("", "R*")]), READS),
    row(
        "du",
        plain(
            "--files0-from=R -d,--max-depth=T -t,--threshold=T -B,--block-size=T --exclude=T -X,--exclude-from=R",
            &[("", "R*")],
        ),
        READS,
    ),
    row("comm", plain("", &[("", "R R")]), READS),
    row(
        "join",
        plain("-1=T -2=T -a=T -e=T -j=T -o=T -t=T -v=T", &[("", "R R")]),
        READS,
    ),
    row("od", plain("-A=T -j=T -N=T -S=T -t=T -w=T", &[("", "R*")]), READS),
    row("hexdump hd", plain("-e=T -f=R -n=T -s=T", &[("", "R*")]), READS),
    row("xxd", plain("-c=T -g=T -l=T -s=T", &[("", "R W")]), READS),
    row(
        "strings",
        plain("-n,--bytes=T -t,--radix=T -e,--encoding=T", &[("", "R*")]),
        READS,
    ),
    row("base64 base32 basenc", plain("-w,--wrap=T", &[("", "R*")]), READS),
    row(
        "cksum sum",
        plain("-a,--algorithm=T -l,--length=T", &[("", "R*")]),
        READS,
    ),
    row(
        "file",
        plain(
            "-f,--files-from=R -m,--magic-file=R -e,--exclude=T -F,--separator=T -P=T",
            &[("", "R*")],
        ),
        READS,
    ),
    row(
        "cmp",
        plain("-i,--ignore-initial=T -n,--bytes=T", &[("", "R R T*")]),
        READS,
    ),
    row(
        "diff",
        plain(
            "-I=T -U=T -C=T -F=T -x,--exclude=T -X=R -L=T --label=T -W,--width=T",
            &[("", "R*")],
        ),
        READS,
    ),
    row("diff3", plain("-L=T --label=T", &[("", "R*")]), READS),
    row(
        "sdiff",
        plain("-I=T -w,--width=T -o,--output=W", &[("", "R*")]),
        READS,
    ),
    row(
        "md5sum sha1sum sha224sum sha256sum sha384sum sha512sum b2sum shasum",
        plain("-l,--length=T -a=T", &[("", "R*")]),
        READS,
    ),
    row(
        "split csplit",
        plain(
            "-a=T -b,--bytes=T -l,--lines=T -n=T -f,--prefix=W",
            &[("", "R W*")],
        ),
        "it writes files that begin with the second operand",
    ),
    // Links are resolved as the root has them; only links' own text needs no resolving.
    row(
        "realpath",
        resolved("--relative-to=R --relative-base=R", &[("", "R*")]),
        "links lead where the root has them",
    ),
    row(
        "readlink",
        resolved("", &[("", "R*")]),
        "links lead where the root has them",
    ),
];
