//! Tools of other packages than coreutils that know nothing of a root, each from its
//! manual page.

use super::arguments::{CHANGES, READS, plain, words};
use super::{Row, Words, row};

pub(super) static TABLE: &[Row] = &[
    row(
        "sed",
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
    ),
    row(
        "grep egrep fgrep rgrep zgrep zegrep zfgrep xzgrep bzgrep",
        plain(
            "-e,--regexp=T -f,--file=R -A,--after-context=T -B,--before-context=T -C,--context=T -m,--max-count=T -d,--directories=T -D,--devices=T --include=T --exclude=T --exclude-dir=T --exclude-from=R --label=T",
            &[("-e", "R*"), ("-f", "R*"), ("", "T R*")],
        ),
        READS,
    ),
    row(
        "awk mawk gawk nawk original-awk",
        plain(
            "+-F,--field-separator=T -v,--assign=T -f,--file=R -W=T",
            &[("-f", "R*"), ("", "T R*")],
        ),
        READS,
    ),
    row(
        "find",
        words(Words::Find, ""),
        "starting points, and files in its expression",
    ),
    row(
        "xargs",
        plain(
            "+-a,--arg-file=R -d,--delimiter=T -E=T -I=T -L=T -n,--max-args=T -P,--max-procs=T -s,--max-chars=T",
            &[("", "T*")],
        ),
        "the tool that it runs has its own row",
    ),
    row(
        "tar",
        words(
            Words::Tar,
            "-f,--file=R -C,--directory=W -T,--files-from=R -X,--exclude-from=R -b=T -g=W -H=T -I=T -K=T -L=T -N=T -V=T --exclude=T --transform=T --owner=T --group=T --mode=T --mtime=T --strip-components=T",
        ),
        "-C, the archive, and files of an archive that is made",
    ),
    row(
        "cpio",
        plain(
            "-D,--directory=W -F,--file=R -I=R -O=W -H,--format=T -E=R -R,--owner=T -C=T",
            &[("", "W*")],
        ),
        CHANGES,
    ),
    row(
        "gzip gunzip bzip2 bunzip2",
        plain("-S,--suffix=T", &[("", "W*")]),
        "it replaces its files",
    ),
    row(
        "xz unxz lzma unlzma",
        plain(
            "-S,--suffix=T -T,--threads=T -M=T -F,--format=T -C=T",
            &[("", "W*")],
        ),
        "it replaces its files",
    ),
    row(
        "zstd",
        plain("-o=W -D=R", &[("", "R*")]),
        "it reads its files, and writes others beside them",
    ),
    row(
        "zcat bzcat xzcat lzcat zmore zless zcmp zdiff",
        plain("", &[("", "R*")]),
        READS,
    ),
    row(
        "savelog",
        plain("-m=T -u=U -g=G -c=T -p=T -t=T -r=W", &[("", "W*")]),
        CHANGES,
    ),
    row(
        "setcap",
        plain("-n=T", &[("", "W*")]),
        "the kernel may refuse capabilities",
    ),
    row("getcap getfacl lsattr", plain("", &[("", "R*")]), READS),
    row(
        "setfacl",
        plain(
            "-m,--modify=T -x,--remove=T -M,--modify-file=R -X,--remove-file=R --set=T --set-file=R --restore=R",
            &[("", "W*")],
        ),
        CHANGES,
    ),
    row("chattr", plain("-p=T -v=T", &[("", "W*")]), CHANGES),
    row(
        "chcon",
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
    ),
    row("restorecon", plain("-f=R -e=W", &[("", "W*")]), CHANGES),
    row(
        "patch",
        plain(
            "-d,--directory=W -i,--input=R -o,--output=W -r,--reject-file=W -p,--strip=T -F=T -B=T -z=T -D=T -g=T -V=T -Y=T",
            &[("", "W R")],
        ),
        CHANGES,
    ),
    row(
        "run-parts",
        plain("--regex=T -a,--arg=T -u,--umask=T", &[("", "R")]),
        "the programs of a directory of the root",
    ),
    row(
        "dpkg-deb",
        plain("-D=T -Z=T -z=T -S=T", &[("", "R W")]),
        "an archive, and where it goes",
    ),
    row(
        "openssl c_rehash",
        plain(
            "-in=R -out=W -keyout=W -key=R -config=R -CAfile=R -CApath=R -CA=R -inkey=R -certfile=R -subj=T -days=T -passin=T -passout=T -newkey=T",
            &[("", "T W*")],
        ),
        CHANGES,
    ),
    row(
        "ssh-keygen",
        plain(
            "-f=W -b=T -C=T -N=T -P=T -t=T -m=T -O=T -E=T -I=T -s=R -V=T -n=T -R=T -F=T -a=T -Z=T -Y=T",
            &[("", "T*")],
        ),
        "-f is the file of a key",
    ),
    row(
        "update-mime-database",
        plain("", &[("", "W")]),
        "its operand is the directory (update-mime-database(1))",
    ),
    row(
        "glib-compile-schemas",
        plain("--targetdir=W --schema-file=R", &[("", "W")]),
        "its operand is the directory (glib-compile-schemas(1))",
    ),
    row(
        "gtk-update-icon-cache gtk4-update-icon-cache gtk-update-icon-cache-3.0 update-icon-caches",
        plain("-c,--source=T", &[("", "W*")]),
        "its operand is the directory (gtk-update-icon-cache(1))",
    ),
    row(
        "mkfontscale mkfontdir",
        plain("-e=R -x=T -a=T -f=T -o=W -r=T -p=T", &[("", "W*")]),
        "its operands are directories (mkfontscale(1))",
    ),
];
