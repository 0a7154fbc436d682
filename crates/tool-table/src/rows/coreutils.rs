//! Tools of coreutils that know nothing of a root and make, change or ask about files:
//! their arguments that are paths, each from its manual page.

use super::*;

pub(super) static TABLE: &[Tool] = &[
    tool("chown")
        .root(
            plain(
                "--from=O --reference=R -R -h,--no-dereference",
                &[("--reference", "W*"), ("", "O W*")],
            ),
            "owners are looked up in the root, too",
        )
        .recorded(Recorded::Owner)
        .shown(
            r#"
chown root:shadow /etc/shadow
    run root:42 /target/etc/shadow | outer-query root:shadow 1 | path /etc/shadow 1
chown -R www-data: /target/var/www
    run -R 33:33 /target/var/www | outer-query www-data: 1
chown --reference=/etc/passwd /etc/x
    run --reference=/target/etc/passwd /target/etc/x | path /etc/passwd 1 | path /etc/x 1
chown bob /target/x
    run bob /target/x | outer-query bob 0
chown 0:0 /target/etc/x
    run 0:0 /target/etc/x
"#,
        ),
    tool("chgrp")
        .root(
            plain(
                "--from=O --reference=R -R -h,--no-dereference",
                &[("--reference", "W*"), ("", "G W*")],
            ),
            "groups are looked up in the root, too",
        )
        .recorded(Recorded::Group)
        .shown(
            r#"
chgrp shadow /etc/gshadow
    run 42 /target/etc/gshadow | outer-query shadow 1 | path /etc/gshadow 1
"#,
        ),
    tool("chmod")
        .root(
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
        )
        .shown(
            r#"
chmod 644 /etc/x /target/etc/y
    run 644 /target/etc/x /target/etc/y | path /etc/x 1
chmod -x /etc/x
    run -x /target/etc/x | path /etc/x 1
chmod --reference /etc/passwd /target/etc/x
    run --reference /target/etc/passwd /target/etc/x | path /etc/passwd 1
"#,
        ),
    tool("install")
        .root(
            plain(
                "-d,--directory -t,--target-directory=W -m,--mode=T -o,--owner=U -g,--group=G \
             -S,--suffix=T --strip-program=T",
                &[("-d", "W*"), ("-t", "R*"), ("", "R* W")],
            ),
            MAKES,
        )
        .recorded(Recorded::Install)
        .shown(
            r#"
install -m 644 -o root -g shadow /usr/share/x/conf /etc/conf
    run -m 644 -o root -g 42 /target/usr/share/x/conf /target/etc/conf | outer-query shadow 1
    | path /usr/share/x/conf 1 | path /etc/conf 1
install -d /var/lib/x
    run -d /target/var/lib/x | path /var/lib/x 1
install -t /etc/x.d /target/a
    run -t /target/etc/x.d /target/a | path /etc/x.d 1
"#,
        ),
    tool("mkdir")
        .root(plain("-m,--mode=T", &[("", "W*")]), MAKES)
        .shown(
            r#"
mkdir -p -m 755 /var/lib/x /target/var/lib/y
    run -p -m 755 /target/var/lib/x /target/var/lib/y | path /var/lib/x 1
"#,
        ),
    tool("mkfifo")
        .root(plain("-m,--mode=T", &[("", "W*")]), MAKES)
        .shown(
            r#"
mkfifo -m 600 /var/lib/x/pipe
    run -m 600 /target/var/lib/x/pipe | path /var/lib/x/pipe 1
"#,
        ),
    tool("mknod")
        .root(
            plain("-m,--mode=T", &[("", "W T*")]),
            "the kernel may refuse devices",
        )
        .recorded(Recorded::Node)
        .shown(
            r#"
mknod -m 600 /dev/loop9 b 7 9
    run -m 600 /target/dev/loop9 b 7 9 | path /dev/loop9 1
"#,
        ),
    tool("rmdir unlink")
        .root(plain("", &[("", "W*")]), CHANGES)
        .shown(
            r#"
rmdir --ignore-fail-on-non-empty /etc/x
    run --ignore-fail-on-non-empty /target/etc/x | path /etc/x 1
"#,
        ),
    tool("rm").root(plain("", &[("", "W*")]), CHANGES).shown(
        r#"
rm -rf /var/cache/x /tmp/y /run/z
    run -rf /target/var/cache/x /tmp/y /target/run/z | path /var/cache/x 1 | path /run/z 1
rm -rf /
    run -rf / | path / 0
"#,
    ),
    tool("shred")
        .root(
            plain("-n,--iterations=T -s,--size=T --random-source=R", &[("", "W*")]),
            CHANGES,
        )
        .shown(
            r#"
shred -u -n 1 /etc/key
    run -u -n 1 /target/etc/key | path /etc/key 1
"#,
        ),
    tool("ln")
        .root(
            plain(
                "-s,--symbolic -t,--target-directory=W -S,--suffix=T",
                &[("-s -t", "T*"), ("-t", "R*"), ("-s", "T* W"), ("", "R* W")],
            ),
            "the text of a symbolic link is the target's as it is",
        )
        .shown(
            r#"
ln -s /usr/share/x /etc/x
    run -s /usr/share/x /target/etc/x | path /etc/x 1
ln -sf /etc/y
    run -sf /etc/y
ln -st /etc /usr/share/x
    run -st /target/etc /usr/share/x | path /etc 1
ln /etc/a /etc/b
    run /target/etc/a /target/etc/b | path /etc/a 1 | path /etc/b 1
ln -s /usr/share/x /target/etc/x
    run -s /usr/share/x /target/etc/x
"#,
        ),
    tool("link").root(plain("", &[("", "R W")]), MAKES).shown(
        r#"
link /etc/a /etc/b
    run /target/etc/a /target/etc/b | path /etc/a 1 | path /etc/b 1
"#,
    ),
    tool("cp")
        .root(
            plain(
                "-s,--symbolic-link -t,--target-directory=W -S,--suffix=T",
                &[("-s -t", "T*"), ("-t", "R*"), ("-s", "T* W"), ("", "R* W")],
            ),
            "with -s its sources are the text of links",
        )
        .shown(
            r#"
cp -a /usr/share/x/conf /etc/conf
    run -a /target/usr/share/x/conf /target/etc/conf | path /usr/share/x/conf 1 | path /etc/conf 1
cp -t /etc /only/outside
    run -t /target/etc /only/outside | path /etc 1 | path /only/outside 0
cp -s /usr/share/x /etc/x
    run -s /usr/share/x /target/etc/x | path /etc/x 1
cp /only/outside /target/x
    run /only/outside /target/x | path /only/outside 0
cp -f /var/lib/only/outside /var/lib/only/saved
    0 "" | path /var/lib/only/outside 0 | path /var/lib/only/saved 1
cp /var/lib/only/outside /target/x
    run /var/lib/only/outside /target/x | path /var/lib/only/outside 0
"#,
        ),
    tool("mv")
        .root(
            plain("-t,--target-directory=W -S,--suffix=T", &[("", "W*")]),
            CHANGES,
        )
        .shown(
            r#"
mv -f /etc/a /etc/b
    run -f /target/etc/a /target/etc/b | path /etc/a 1 | path /etc/b 1
"#,
        ),
    tool("touch")
        .root(plain("-d,--date=T -t=T -r,--reference=R", &[("", "W*")]), MAKES)
        .shown(
            r#"
touch -d 2020-01-01 -r /etc/passwd /etc/x
    run -d 2020-01-01 -r /target/etc/passwd /target/etc/x | path /etc/passwd 1 | path /etc/x 1
"#,
        ),
    tool("truncate")
        .root(plain("-s,--size=T -r,--reference=R", &[("", "W*")]), CHANGES)
        .shown(
            r#"
truncate -s 0 /var/log/x
    run -s 0 /target/var/log/x | path /var/log/x 1
"#,
        ),
    tool("fallocate")
        .root(plain("-l,--length=T -o,--offset=T", &[("", "W*")]), CHANGES)
        .shown(
            r#"
fallocate -l 1 /var/log/x
    run -l 1 /target/var/log/x | path /var/log/x 1
"#,
        ),
    tool("tee").root(plain("", &[("", "W*")]), MAKES).shown(
        r#"
tee -a /etc/x /dev/stderr
    run -a /target/etc/x /dev/stderr | path /etc/x 1
"#,
    ),
    tool("mktemp")
        .root(
            plain(
                "-p,--tmpdir=W -t --suffix=T",
                &[("-p", "T"), ("-t", "T"), ("", "W")],
            ),
            MAKES,
        )
        .shown(
            r#"
mktemp /etc/x.XXXXXX
    run /target/etc/x.XXXXXX | path /etc/x.XXXXXX 1
mktemp -p /var/lib x.XXXX
    run -p /target/var/lib x.XXXX | path /var/lib 1
mktemp
    run
"#,
        ),
    tool("tempfile")
        .root(
            plain(
                "-d,--directory=W -m,--mode=T -n,--name=W -p,--prefix=T -s,--suffix=T",
                &[("", "T*")],
            ),
            MAKES,
        )
        .shown(
            r#"
tempfile -d /var/lib -p x
    run -d /target/var/lib -p x | path /var/lib 1
"#,
        ),
    tool("dd")
        .root(words(Words::Dd, ""), "if= is read, of= is written")
        .shown(
            r#"
dd if=/dev/zero of=/var/swap count=1
    run if=/dev/zero of=/target/var/swap count=1 | path /var/swap 1
"#,
        ),
    tool("test [")
        .root(words(Words::Test, ""), "operators on files ask about the root")
        .shown(
            r#"
test -e /etc/x -a /etc/a -nt /etc/b
    run -e /target/etc/x -a /target/etc/a -nt /target/etc/b | path /etc/x 1 | path /etc/a 1
    | path /etc/b 1
test -n /etc/x
    run -n /etc/x
test -f = -f
    run -f = -f
[ -d /run/systemd/system ]
    run -d /run/systemd/system ]
[ /etc/x = /etc/y ]
    run /etc/x = /etc/y ]
[ ! -e /etc/x ]
    run ! -e /target/etc/x ] | path /etc/x 1
"#,
        ),
];
