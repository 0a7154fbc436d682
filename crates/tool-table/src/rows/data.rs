//! Tools that write databases, dictionaries, caches and lists of modules.

use super::*;

pub(super) static TABLE: &[Tool] = &[
    tool("initdb")
        .outputs(&[
            output(
                "/usr/lib/postgresql/#/bin/initdb",
                ORDER | WORD,
                "a database cluster, whose pages are structures in memory",
            )
            .by(&["postgresql-#"]),
            // From version 18 on the cluster records the sign of char.
            output(
                "/usr/lib/postgresql/18/bin/initdb",
                CHAR,
                "the sign of char into the cluster",
            ),
            output(
                "/usr/lib/postgresql/19/bin/initdb",
                CHAR,
                "the sign of char into the cluster",
            ),
        ])
        .shown(
            r#"
byte order> /usr/lib/postgresql/17/bin/initdb
    refuse
sign of char> /usr/lib/postgresql/18/bin/initdb
    refuse
"#,
        ),
    tool("makedbm")
        .outputs(&[output("/usr/lib/yp/makedbm", ORDER | WORD | CHAR, GDBM)])
        .shown(
            r#"
byte order> /usr/lib/yp/makedbm
    refuse
"#,
        ),
    tool("makedatprog")
        .outputs(&[output("/usr/lib/courier/makedatprog", ORDER | WORD | CHAR, GDBM)])
        .shown(
            r#"
byte order> /usr/lib/courier/makedatprog
    refuse
"#,
        ),
    tool("slapadd slapindex")
        .outputs(&[
            output("/usr/sbin/slapadd", ORDER | WORD, LMDB).by(&["slapd"]),
            output("/usr/sbin/slapindex", ORDER | WORD, LMDB),
        ])
        .shown(
            r#"
byte order> /usr/sbin/slapadd
    refuse
byte order> /usr/sbin/slapindex
    refuse
"#,
        ),
    tool("saslpasswd2")
        .outputs(&[output("/usr/sbin/saslpasswd2", ORDER, BERKELEY).by(&["sasl2-bin"])])
        .shown(
            r#"
byte order> /usr/sbin/saslpasswd2
    refuse
"#,
        ),
    tool("db_load db_upgrade")
        .outputs(&[
            output("/usr/bin/db#.#_load", ORDER, BERKELEY),
            output("/usr/bin/db#.#_upgrade", ORDER, BERKELEY),
        ])
        .shown(
            r#"
byte order> /usr/bin/db5.3_load
    refuse
byte order> /usr/bin/db5.3_upgrade
    refuse
"#,
        ),
    tool("exim_dbmbuild")
        .outputs(&[output("/usr/sbin/exim_dbmbuild", ORDER, BERKELEY)])
        .shown(
            r#"
byte order> /usr/sbin/exim_dbmbuild
    refuse
"#,
        ),
    tool("makemap")
        .outputs(&[
            output("/usr/sbin/makemap", ORDER, BERKELEY),
            output("/usr/libexec/sendmail/makemap", ORDER, BERKELEY),
        ])
        .shown(
            r#"
byte order> /usr/sbin/makemap
    refuse
byte order> /usr/libexec/sendmail/makemap
    refuse
"#,
        ),
    tool("sendmail")
        .outputs(&[output("/usr/libexec/sendmail/sendmail", ORDER, BERKELEY).only_with(&["-bi", "-I"])])
        .shown(
            r#"
byte order> /usr/libexec/sendmail/sendmail -bi x
    refuse
"#,
        ),
    tool("kdb5_util")
        .outputs(&[output("/usr/sbin/kdb5_util", ORDER, BERKELEY).only_with(&["create", "load"])])
        .shown(
            r#"
byte order> /usr/sbin/kdb5_util create x
    refuse
"#,
        ),
    tool("tdbrestore net pdbedit smbpasswd")
        .outputs(&[
            output("/usr/bin/tdbrestore", ORDER, TDB),
            output("/usr/bin/net", ORDER, TDB),
            output("/usr/bin/pdbedit", ORDER, TDB),
            output("/usr/bin/smbpasswd", ORDER, TDB),
        ])
        .shown(
            r#"
byte order> /usr/bin/tdbrestore
    refuse
"#,
        ),
    tool("isql-fb gsec gbak")
        .outputs(&[
            output("/usr/bin/isql-fb", ORDER | WORD, FIREBIRD),
            output("/usr/bin/gsec", ORDER | WORD, FIREBIRD),
            output("/usr/bin/gbak", ORDER | WORD, FIREBIRD),
        ])
        .shown(
            r#"
byte order> /usr/bin/isql-fb
    refuse
byte order> /usr/bin/gsec
    refuse
"#,
        ),
    tool("groonga")
        .outputs(&[output(
            "/usr/bin/groonga",
            ORDER | WORD,
            "a database that is mapped into memory",
        )])
        .shown(
            r#"
byte order> /usr/bin/groonga
    refuse
"#,
        ),
    tool("rrdtool")
        .outputs(&[output(
            "/usr/bin/rrdtool",
            ORDER | WORD,
            "round-robin databases of numbers as in memory",
        )
        .only_with(&["create", "update", "restore", "tune"])])
        .shown(
            r#"
byte order> /usr/bin/rrdtool create x
    refuse
"#,
        ),
    tool("makedbz makehistory tdx-util")
        .outputs(&[
            output("/usr/lib/news/bin/makedbz", ORDER | WORD, NEWS).by(&["inn2"]),
            output("/usr/lib/news/bin/makehistory", ORDER | WORD, NEWS),
            output("/usr/lib/news/bin/tdx-util", ORDER | WORD, NEWS),
        ])
        .shown(
            r#"
byte order> /usr/lib/news/bin/makedbz
    refuse
byte order> /usr/lib/news/bin/makehistory
    refuse
"#,
        ),
    tool("updatedb.plocate plocate-build")
        .outputs(&[
            output(
                "/usr/sbin/updatedb.plocate",
                ORDER,
                "an index of file names that is mapped into memory",
            ),
            output(
                "/usr/sbin/plocate-build",
                ORDER,
                "an index of file names that is mapped into memory",
            ),
        ])
        .shown(
            r#"
byte order> /usr/sbin/updatedb.plocate
    refuse
byte order> /usr/sbin/plocate-build
    refuse
"#,
        ),
    tool("ibus")
        .outputs(&[output(
            "/usr/bin/ibus",
            ORDER,
            "a cache of components in its own byte order",
        )
        .only_with(&["write-cache"])])
        .shown(
            r#"
byte order> /usr/bin/ibus write-cache x
    refuse
"#,
        ),
    tool("appstreamcli")
        .outputs(&[output(
            "/usr/bin/appstreamcli",
            ORDER,
            "a cache that is mapped into memory",
        )
        .only_with(&["refresh"])
        .by(&["appstream"])])
        .shown(
            r#"
byte order> /usr/bin/appstreamcli refresh x
    refuse
"#,
        ),
    tool("sefcontext_compile")
        .outputs(&[output(
            "/usr/sbin/sefcontext_compile",
            ORDER | WORD,
            "compiled regular expressions",
        )])
        .shown(
            r#"
byte order> /usr/sbin/sefcontext_compile
    refuse
"#,
        ),
    tool("vlc-cache-gen")
        .answer("vlc-cache-gen", Responder::Modules)
        .outputs(&[output(
            "/usr/lib/*/vlc/vlc-cache-gen",
            ORDER | WORD,
            "a cache of what plug-ins say",
        )])
        .shown(
            r#"
s390x$ /usr/lib/s390x-linux-gnu/vlc/vlc-cache-gen /d
    executes libraries machine
byte order> /usr/lib/s390x-linux-gnu/vlc/vlc-cache-gen
    refuse
"#,
        ),
    tool("cracklib-packer")
        .outputs(&[output("/usr/sbin/cracklib-packer", ORDER, "an index of words").by(&["cracklib-runtime"])])
        .shown(
            r#"
byte order> /usr/sbin/cracklib-packer
    refuse
"#,
        ),
    tool("aspell")
        .outputs(&[
            // Found equal on amd64 and riscv64, umlauts included.
            output("/usr/bin/aspell", ORDER | WORD, "a hash table of words").only_with(&["create", "merge"]),
        ])
        .shown(
            r#"
byte order> /usr/bin/aspell create x
    refuse
"#,
        ),
    tool("buildhash")
        .outputs(&[
            output("/usr/bin/buildhash", ORDER | WORD | CHAR, "a hash table of words"),
            output(
                "/usr/lib/ispell/buildhash",
                ORDER | WORD | CHAR,
                "a hash table of words",
            ),
        ])
        .shown(
            r#"
byte order> /usr/bin/buildhash
    refuse
byte order> /usr/lib/ispell/buildhash
    refuse
"#,
        ),
    tool("mecab-dict-index")
        .outputs(&[output(
            "/usr/lib/mecab/mecab-dict-index",
            ORDER | WORD | CHAR,
            "a dictionary that is mapped into memory",
        )
        .by(&["mecab-*dic", "mecab-*dic-*"])])
        .shown(
            r#"
byte order> /usr/lib/mecab/mecab-dict-index
    refuse
"#,
        ),
    tool("gtk-query-immodules-3.0")
        .answer("gtk-query-immodules-3.0", Responder::Gtk3Modules)
        .shown(
            r#"
s390x$ /usr/lib/s390x-linux-gnu/libgtk-3-0t64/gtk-query-immodules-3.0 --update-cache
    executes libraries machine rewritten
"#,
        ),
    tool("gtk-query-immodules-2.0")
        .answer("gtk-query-immodules-2.0", Responder::Gtk2Modules)
        .shown(
            r#"
s390x$ /usr/lib/s390x-linux-gnu/libgtk2.0-0t64/gtk-query-immodules-2.0
    executes libraries machine rewritten
"#,
        ),
    tool("libgvc6-config-update dot")
        .answer("libgvc6-config-update dot", Responder::Graphviz)
        .shown(
            r#"
s390x$ /usr/bin/dot -c
    executes GVBINDIR libraries
"#,
        ),
];
