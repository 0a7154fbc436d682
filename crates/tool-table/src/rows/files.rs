//! Tools of other packages than coreutils that know nothing of a root, each from its manual page.

use super::*;

pub(super) static TABLE: &[Tool] = &[
    tool("sed")
        .root(
            plain(
                "-i,--in-place=? -e,--expression=T -f,--file=R -l,--line-length=T",
                &[
                    ("-i -e", "W*"),
                    ("-i -f", "W*"),
                    ("-i", "T W*"),
                    ("-e", "R*"),
                    ("-f", "R*"),
                    ("", "T R*"),
                ],
            ),
            "with -i it changes its files",
        )
        .shown(
            r#"
sed -i -e s,/etc/a,/etc/b, /etc/conf
    run -i -e s,/etc/a,/etc/b, /target/etc/conf | path /etc/conf 1
sed -i.bak s,/a,/b, /etc/conf
    run -i.bak s,/a,/b, /target/etc/conf | path /etc/conf 1
sed s,/a,/b, /etc/conf
    run s,/a,/b, /target/etc/conf | path /etc/conf 1
sed -n -f /etc/script
    run -n -f /target/etc/script | path /etc/script 1
"#,
        ),
    tool("grep egrep fgrep rgrep zgrep zegrep zfgrep xzgrep bzgrep")
        .root(
            plain(
                "-e,--regexp=T -f,--file=R -A,--after-context=T -B,--before-context=T \
             -C,--context=T -m,--max-count=T -d,--directories=T -D,--devices=T \
             --include=T --exclude=T --exclude-dir=T --exclude-from=R --label=T",
                &[("-e", "R*"), ("-f", "R*"), ("", "T R*")],
            ),
            READS,
        )
        .shown(
            r#"
grep -q /etc/x /etc/conf
    run -q /etc/x /target/etc/conf | path /etc/conf 1
grep -e /etc/x -f /etc/conf /target/x
    run -e /etc/x -f /target/etc/conf /target/x | path /etc/conf 1
"#,
        ),
    tool("awk mawk gawk nawk original-awk")
        .root(
            plain(
                "+-F,--field-separator=T -v,--assign=T -f,--file=R -W=T",
                &[("-f", "R*"), ("", "T R*")],
            ),
            READS,
        )
        .shown(
            r#"
awk -F : {print} /etc/passwd
    run -F : {print} /target/etc/passwd | path /etc/passwd 1
awk -f /etc/conf /etc/passwd
    run -f /target/etc/conf /target/etc/passwd | path /etc/conf 1 | path /etc/passwd 1
"#,
        ),
    tool("find")
        .root(
            words(Words::Find, ""),
            "starting points, and files in its expression",
        )
        .shown(
            r#"
find /etc /target/var -name x -newer /etc/conf -exec rm /etc/y ; -print
    run /target/etc /target/var -name x -newer /target/etc/conf -exec rm /etc/y ; -print
    | path /etc/conf 1 | path /etc 1
find /etc -path /etc/x -prune -o -printf /a/b
    run /target/etc -path /target/etc/x -prune -o -printf /a/b | path /etc 1
find -L /target/etc -delete
    run -L /target/etc -delete
"#,
        ),
    tool("xargs")
        .root(
            plain(
                "+-a,--arg-file=R -d,--delimiter=T -E=T -I=T -L=T -n,--max-args=T \
             -P,--max-procs=T -s,--max-chars=T",
                &[("", "T*")],
            ),
            "the tool that it runs has its own row",
        )
        .shown(
            r#"
xargs -a /etc/conf rm /etc/y
    run -a /target/etc/conf rm /etc/y | path /etc/conf 1
"#,
        ),
    tool("tar")
        .root(
            words(
                Words::Tar,
                "-f,--file=R -C,--directory=W -T,--files-from=R -X,--exclude-from=R -b=T -g=W \
             -H=T -I=T -K=T -L=T -N=T -V=T --exclude=T --transform=T --owner=T --group=T \
             --mode=T --mtime=T --strip-components=T",
            ),
            "-C, the archive, and files of an archive that is made",
        )
        .shown(
            r#"
tar xzf /usr/share/x.tgz -C /var/lib
    run xzf /target/usr/share/x.tgz -C /target/var/lib | path /var/lib 1 | path /usr/share/x.tgz 1
tar -czf /var/backup.tgz -C /target/etc /etc/conf
    run -czf /target/var/backup.tgz -C /target/etc /target/etc/conf | path /var/backup.tgz 1
    | path /etc/conf 1
tar --extract --file=/target/x.tar --directory=/var
    run --extract --file=/target/x.tar --directory=/target/var | path /var 1
"#,
        ),
    tool("cpio")
        .root(
            plain(
                "-D,--directory=W -F,--file=R -I=R -O=W -H,--format=T -E=R -R,--owner=T -C=T",
                &[("", "W*")],
            ),
            CHANGES,
        )
        .shown(
            r#"
cpio -i -D /var/lib
    run -i -D /target/var/lib | path /var/lib 1
"#,
        ),
    tool("gzip gunzip bzip2 bunzip2")
        .root(plain("-S,--suffix=T", &[("", "W*")]), "it replaces its files")
        .shown(
            r#"
gzip -9 /var/log/x
    run -9 /target/var/log/x | path /var/log/x 1
"#,
        ),
    tool("xz unxz lzma unlzma")
        .root(
            plain(
                "-S,--suffix=T -T,--threads=T -M=T -F,--format=T -C=T",
                &[("", "W*")],
            ),
            "it replaces its files",
        )
        .shown(
            r#"
xz -T 2 /var/log/x
    run -T 2 /target/var/log/x | path /var/log/x 1
"#,
        ),
    tool("zstd")
        .root(
            plain("-o=W -D=R", &[("", "R*")]),
            "it reads its files, and writes others beside them",
        )
        .shown(
            r#"
zstd /etc/conf -o /var/x.zst
    run /target/etc/conf -o /target/var/x.zst | path /var/x.zst 1 | path /etc/conf 1
"#,
        ),
    tool("zcat bzcat xzcat lzcat zmore zless zcmp zdiff")
        .root(plain("", &[("", "R*")]), READS)
        .shown(
            r#"
zcat /etc/conf
    run /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("savelog")
        .root(
            plain("-m=T -u=U -g=G -c=T -p=T -t=T -r=W", &[("", "W*")]),
            CHANGES,
        )
        .shown(
            r#"
savelog -m 600 -u root /var/log/x
    run -m 600 -u root /target/var/log/x | path /var/log/x 1
"#,
        ),
    tool("setcap")
        .root(plain("-n=T", &[("", "W*")]), "the kernel may refuse capabilities")
        .recorded(Recorded::Capability)
        .shown(
            r#"
setcap cap_net_raw+ep /usr/bin/ping
    run cap_net_raw+ep /target/usr/bin/ping | path /usr/bin/ping 1
"#,
        ),
    tool("getcap getfacl lsattr")
        .root(plain("", &[("", "R*")]), READS)
        .shown(
            r#"
getcap /etc/conf
    run /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("setfacl")
        .root(
            plain(
                "-m,--modify=T -x,--remove=T -M,--modify-file=R -X,--remove-file=R --set=T \
             --set-file=R --restore=R",
                &[("", "W*")],
            ),
            CHANGES,
        )
        .shown(
            r#"
setfacl -m u:x:r /etc/conf
    run -m u:x:r /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("chattr")
        .root(plain("-p=T -v=T", &[("", "W*")]), CHANGES)
        .shown(
            r#"
chattr +i /etc/conf
    run +i /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("chcon")
        .root(
            plain(
                "--reference=R -u=T -r=T -t=T -l=T",
                &[
                    ("--reference", "W*"),
                    ("-u", "W*"),
                    ("-t", "W*"),
                    ("-r", "W*"),
                    ("-l", "W*"),
                    ("", "T W*"),
                ],
            ),
            CHANGES,
        )
        .shown(
            r#"
chcon -t etc_t /etc/conf
    run -t etc_t /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("restorecon")
        .root(plain("-f=R -e=W", &[("", "W*")]), CHANGES)
        .shown(
            r#"
restorecon -R /etc
    run -R /target/etc | path /etc 1
"#,
        ),
    tool("patch")
        .root(
            plain(
                "-d,--directory=W -i,--input=R -o,--output=W -r,--reject-file=W -p,--strip=T \
             -F=T -B=T -z=T -D=T -g=T -V=T -Y=T",
                &[("", "W R")],
            ),
            CHANGES,
        )
        .shown(
            r#"
patch -i /target/x.patch /etc/conf
    run -i /target/x.patch /target/etc/conf | path /etc/conf 1
"#,
        ),
    tool("run-parts")
        .root(
            plain("--regex=T -a,--arg=T -u,--umask=T", &[("", "R")]),
            "the programs of a directory of the root",
        )
        .shown(
            r#"
run-parts --regex x /etc
    run --regex x /target/etc | path /etc 1
"#,
        ),
    tool("dpkg-deb")
        .root(
            plain("-D=T -Z=T -z=T -S=T", &[("", "R W")]),
            "an archive, and where it goes",
        )
        .shown(
            r#"
dpkg-deb -x /target/x.deb /var/x
    run -x /target/x.deb /target/var/x | path /var/x 1
"#,
        ),
    tool("openssl c_rehash")
        .root(
            plain(
                "-in=R -out=W -keyout=W -key=R -config=R -CAfile=R -CApath=R -CA=R -inkey=R \
             -certfile=R -subj=T -days=T -passin=T -passout=T -newkey=T",
                &[("", "T W*")],
            ),
            CHANGES,
        )
        .shown(
            r#"
openssl req -new -key /etc/key.pem -out /etc/csr.pem
    run req -new -key /target/etc/key.pem -out /target/etc/csr.pem | path /etc/key.pem 1
    | path /etc/csr.pem 1
"#,
        ),
    tool("ssh-keygen")
        .root(
            plain(
                "-f=W -b=T -C=T -N=T -P=T -t=T -m=T -O=T -E=T -I=T -s=R -V=T -n=T -R=T -F=T \
             -a=T -Z=T -Y=T",
                &[("", "T*")],
            ),
            "-f is the file of a key",
        )
        .shown(
            r#"
ssh-keygen -q -f /etc/ssh/key -N  -t rsa
    run -q -f /target/etc/ssh/key -N  -t rsa | path /etc/ssh/key 1
"#,
        ),
    tool("update-mime-database")
        .root(
            plain("", &[("", "W")]),
            "its operand is the directory (update-mime-database(1))",
        )
        .shown(
            r#"
update-mime-database /usr/share/mime
    run /target/usr/share/mime | path /usr/share/mime 1
update-mime-database /target/usr/share/mime
    run /target/usr/share/mime
"#,
        ),
    tool("glib-compile-schemas")
        .root(
            plain("--targetdir=W --schema-file=R", &[("", "W")]),
            "its operand is the directory (glib-compile-schemas(1))",
        )
        .shown(
            r#"
glib-compile-schemas /usr/share/glib-2.0/schemas
    run /target/usr/share/glib-2.0/schemas | path /usr/share/glib-2.0/schemas 1
"#,
        ),
    tool(
        "gtk-update-icon-cache gtk4-update-icon-cache gtk-update-icon-cache-3.0 \
             update-icon-caches",
    )
    .root(
        plain("-c,--source=T", &[("", "W*")]),
        "its operand is the directory (gtk-update-icon-cache(1))",
    )
    .shown(
        r#"
gtk-update-icon-cache -q /usr/share/icons/x
    run -q /target/usr/share/icons/x | path /usr/share/icons/x 1
"#,
    ),
    tool("mkfontscale mkfontdir")
        .root(
            plain("-e=R -x=T -a=T -f=T -o=W -r=T -p=T", &[("", "W*")]),
            "its operands are directories (mkfontscale(1))",
        )
        .shown(
            r#"
mkfontscale -o /etc/fonts.scale /usr/share/fonts
    run -o /target/etc/fonts.scale /target/usr/share/fonts | path /etc/fonts.scale 1
    | path /usr/share/fonts 1
"#,
        ),
];
