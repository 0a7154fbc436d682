//! Tools that know nothing of a root and read files: their arguments that are paths, each from its manual page.

use super::*;

pub(super) static TABLE: &[Tool] = &[
    tool("cat tac rev tsort")
        .root(plain("", &[("", "R*")]), READS)
        .shown(
            r#"
cat /etc/conf -
    run /target/etc/conf - | path /etc/conf 1
cat /only/outside
    run /only/outside | path /only/outside 0
cat /target/etc/x relative
    run /target/etc/x relative
"#,
        ),
    tool("nl")
        .root(
            plain("-b=T -d=T -f=T -h=T -i=T -l=T -n=T -s=T -v=T -w=T", &[("", "R*")]),
            READS,
        )
        .shown(
            r#"
nl -b a /etc/conf
    run -b a /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("fold fmt expand unexpand column colrm")
        .root(plain("-w,--width=T -t,--tabs=T -g=T -p=T", &[("", "R*")]), READS)
        .shown(
            r#"
fold -w 70 /etc/conf
    run -w 70 /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("paste")
        .root(plain("-d,--delimiters=T", &[("", "R*")]), READS)
        .shown(
            r#"
paste -d : /etc/conf
    run -d : /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("ls dir vdir")
        .root(
            plain("-I,--ignore=T -T,--tabsize=T -w,--width=T", &[("", "R*")]),
            READS,
        )
        .shown(
            r#"
ls -l /etc
    run -l /target/etc | path /etc 1
"#,
        ),
    tool("stat")
        .root(plain("-c,--format=T --printf=T", &[("", "R*")]), READS)
        .shown(
            r#"
stat -c %U /etc/conf
    run -c %U /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("head tail")
        .root(
            plain("-n,--lines=T -c,--bytes=T -s=T --pid=T", &[("", "R*")]),
            READS,
        )
        .shown(
            r#"
head -n 1 /etc/conf
    run -n 1 /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("sort")
        .root(
            plain(
                "-k,--key=T -t,--field-separator=T -o,--output=W -S=T \
             -T,--temporary-directory=W --files0-from=R --parallel=T",
                &[("", "R*")],
            ),
            READS,
        )
        .shown(
            r#"
sort -u -o /etc/conf /etc/conf
    run -u -o /target/etc/conf /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("uniq")
        .root(
            plain(
                "-f,--skip-fields=T -s,--skip-chars=T -w,--check-chars=T",
                &[("", "R W")],
            ),
            "its second operand is written",
        )
        .shown(
            r#"
uniq /etc/conf /etc/y
    run /target/etc/conf /target/etc/y | path /etc/conf 1 | path /etc/y 1
"#,
        ),
    tool("cut")
        .root(
            plain(
                "-b,--bytes=T -c,--characters=T -d,--delimiter=T -f,--fields=T \
             --output-delimiter=T",
                &[("", "R*")],
            ),
            READS,
        )
        .shown(
            r#"
cut -d : -f 1 /etc/passwd
    run -d : -f 1 /target/etc/passwd | path /etc/passwd 1
"#,
        ),
    tool("wc")
        .root(plain("--files0-from=R", &[("", "R*")]), READS)
        .shown(
            r#"
wc -l /etc/conf
    run -l /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("du")
        .root(
            plain(
                "--files0-from=R -d,--max-depth=T -t,--threshold=T -B,--block-size=T \
             --exclude=T -X,--exclude-from=R",
                &[("", "R*")],
            ),
            READS,
        )
        .shown(
            r#"
du -s /var
    run -s /target/var | path /var 1
"#,
        ),
    tool("comm").root(plain("", &[("", "R R")]), READS).shown(
        r#"
comm -1 /etc/conf /etc/passwd
    run -1 /target/etc/conf /target/etc/passwd | path /etc/conf 1 | path /etc/passwd 1
"#,
    ),
    tool("join")
        .root(
            plain("-1=T -2=T -a=T -e=T -j=T -o=T -t=T -v=T", &[("", "R R")]),
            READS,
        )
        .shown(
            r#"
join -t : /etc/conf /etc/passwd
    run -t : /target/etc/conf /target/etc/passwd | path /etc/conf 1 | path /etc/passwd 1
"#,
        ),
    tool("od")
        .root(plain("-A=T -j=T -N=T -S=T -t=T -w=T", &[("", "R*")]), READS)
        .shown(
            r#"
od -t x1 /etc/conf
    run -t x1 /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("hexdump hd")
        .root(plain("-e=T -f=R -n=T -s=T", &[("", "R*")]), READS)
        .shown(
            r#"
hexdump -n 4 /etc/conf
    run -n 4 /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("xxd")
        .root(plain("-c=T -g=T -l=T -s=T", &[("", "R W")]), READS)
        .shown(
            r#"
xxd -l 4 /etc/conf
    run -l 4 /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("strings")
        .root(
            plain("-n,--bytes=T -t,--radix=T -e,--encoding=T", &[("", "R*")]),
            READS,
        )
        .shown(
            r#"
strings -n 4 /etc/conf
    run -n 4 /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("base64 base32 basenc")
        .root(plain("-w,--wrap=T", &[("", "R*")]), READS)
        .shown(
            r#"
base64 -w 0 /etc/conf
    run -w 0 /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("cksum sum")
        .root(plain("-a,--algorithm=T -l,--length=T", &[("", "R*")]), READS)
        .shown(
            r#"
cksum /etc/conf
    run /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("file")
        .root(
            plain(
                "-f,--files-from=R -m,--magic-file=R -e,--exclude=T -F,--separator=T -P=T",
                &[("", "R*")],
            ),
            READS,
        )
        .answer("file", Responder::Magic)
        .outputs(&[output("/usr/bin/file", ORDER, "compiled magic").only_with(&["-C", "--compile"])])
        .shown(
            r#"
file -b /etc/conf
    run -b /target/etc/conf | path /etc/conf 1
s390x$ /usr/bin/file /etc/conf
    executes MAGIC
s390x$ /usr/bin/file --version
    executes
riscv64$ /usr/bin/file /etc/conf
    executes
byte order> /usr/bin/file -C -m x
    refuse
"#,
        ),
    tool("cmp")
        .root(
            plain("-i,--ignore-initial=T -n,--bytes=T", &[("", "R R T*")]),
            READS,
        )
        .shown(
            r#"
cmp -s /etc/conf /target/etc/y
    run -s /target/etc/conf /target/etc/y | path /etc/conf 1
"#,
        ),
    tool("diff")
        .root(
            plain(
                "-I=T -U=T -C=T -F=T -x,--exclude=T -X=R -L=T --label=T -W,--width=T",
                &[("", "R*")],
            ),
            READS,
        )
        .shown(
            r#"
diff -u /etc/conf /target/etc/y
    run -u /target/etc/conf /target/etc/y | path /etc/conf 1
"#,
        ),
    tool("diff3")
        .root(plain("-L=T --label=T", &[("", "R*")]), READS)
        .shown(
            r#"
diff3 /etc/conf /target/a /target/b
    run /target/etc/conf /target/a /target/b | path /etc/conf 1
"#,
        ),
    tool("sdiff")
        .root(plain("-I=T -w,--width=T -o,--output=W", &[("", "R*")]), READS)
        .shown(
            r#"
sdiff -o /etc/z /etc/conf /target/a
    run -o /target/etc/z /target/etc/conf /target/a | path /etc/z 1 | path /etc/conf 1
"#,
        ),
    tool("md5sum sha1sum sha224sum sha256sum sha384sum sha512sum b2sum shasum")
        .root(plain("-l,--length=T -a=T", &[("", "R*")]), READS)
        .shown(
            r#"
md5sum /etc/conf
    run /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("split csplit")
        .root(
            plain(
                "-a=T -b,--bytes=T -l,--lines=T -n=T -f,--prefix=W",
                &[("", "R W*")],
            ),
            "it writes files that begin with the second operand",
        )
        .shown(
            r#"
split -l 10 /etc/conf /etc/part.
    run -l 10 /target/etc/conf /target/etc/part. | path /etc/conf 1 | path /etc/part. 1
"#,
        ),
    tool("realpath")
        .root(
            resolved("--relative-to=R --relative-base=R", &[("", "R*")]),
            "links lead where the root has them",
        )
        .shown(
            r#"
realpath -m /bin/zsh
    chroot -m /bin/zsh | path /bin/zsh 1
realpath /target/bin/zsh
    run /target/bin/zsh
"#,
        ),
    tool("readlink")
        .root(resolved("", &[("", "R*")]), "links lead where the root has them")
        .shown(
            r#"
readlink -f /target/etc/x /etc/y
    run -f /target/etc/x /etc/y | path /etc/y 0
readlink -f /etc/x
    chroot -f /etc/x | path /etc/x 1
"#,
        ),
];
