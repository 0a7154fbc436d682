//! Interpreters: they act by the script that they run, load compiled modules, and know a machine.

use super::*;

const CALLERS: &str = "the script that it runs is the caller's";

pub(super) static TABLE: &[Tool] = &[
    tool("python")
        .versioned()
        .root(Method::Pure, CALLERS)
        .answer("python3*", Responder::Python)
        .shown(
            r#"
python3.14 -m x /etc/x
    run -m x /etc/x
s390x$ /usr/bin/python3.13 -V
    executes libraries machine
riscv64$ /usr/bin/python3.13 -V
    executes GI_TYPELIB_PATH libraries machine
"#,
        ),
    tool("perl")
        .versioned()
        .root(Method::Pure, CALLERS)
        .answer("perl*", Responder::Perl)
        .shown(
            r#"
perl5.40.1 /etc/x
    run /etc/x
s390x$ /usr/bin/perl -e x
    executes machine
s390x$ /usr/bin/perl -v
    executes machine rewritten
"#,
        ),
    tool("bash")
        .root(Method::Pure, CALLERS)
        .answer("bash", Responder::Bash)
        .shown(
            r#"
bash /usr/share/x
    run /usr/share/x
s390x$ /usr/bin/bash -c x
    executes HOSTTYPE MACHTYPE
"#,
        ),
    tool("make")
        .root(Method::Pure, CALLERS)
        .answer("make gmake", Responder::Make)
        .shown(
            r#"
make -f /etc/x
    run -f /etc/x
s390x$ /usr/bin/make -f x
    executes MAKE_HOST
s390x$ /usr/bin/make -v
    executes MAKE_HOST rewritten
"#,
        ),
    tool("ruby")
        .versioned()
        .root(Method::Pure, CALLERS)
        .answer("ruby*", Responder::Ruby)
        .shown(
            r#"
ruby3.3 /etc/x
    run /etc/x
s390x$ /usr/bin/ruby3.3 -e x
    executes RUBYLIB RUBYOPT libraries machine
s390x$ /usr/bin/ruby3.3 -v
    executes RUBYLIB RUBYOPT libraries machine rewritten
"#,
        ),
    tool("lua luajit")
        .versioned()
        .root(Method::Pure, CALLERS)
        .answer("lua5* luajit*", Responder::Lua)
        .shown(
            r#"
lua5.4 /etc/x
    run /etc/x
s390x$ /usr/bin/lua5.4 -e x
    executes LUA_CPATH_5_4 libraries machine
s390x$ /usr/bin/lua5.1 -e x
    executes LUA_CPATH libraries machine
s390x$ /usr/bin/luajit -e x
    executes LUA_CPATH LUA_INIT libraries machine
"#,
        ),
    tool("tclsh wish expect")
        .versioned()
        .root(Method::Pure, CALLERS)
        .answer("tclsh* wish* expect*", Responder::Tcl)
        .shown(
            r#"
tclsh8.6 /etc/x
    run /etc/x
s390x$ /usr/bin/tclsh8.6 x
    executes TCLLIBPATH libraries machine
"#,
        ),
    tool("node nodejs")
        .root(Method::Pure, CALLERS)
        .answer("node nodejs", Responder::Node)
        .shown(
            r#"
node /etc/x
    run /etc/x
s390x$ /usr/bin/node -e x
    executes NODE_PATH NODE_OPTIONS libraries machine
"#,
        ),
    tool("guile")
        .root(Method::Pure, CALLERS)
        .answer("guile*", Responder::Guile)
        .shown(
            r#"
guile -s /etc/x
    run -s /etc/x
riscv64$ /usr/lib/riscv64-linux-gnu/guile/3.0/bin/guile -s x
    executes GUILE_LOAD_PATH GUILE_SYSTEM_EXTENSIONS_PATH GUILE_SYSTEM_COMPILED_PATH libraries machine
s390x$ /usr/lib/s390x-linux-gnu/guile/3.0/bin/guile -s x
    executes GUILE_LOAD_PATH GUILE_SYSTEM_EXTENSIONS_PATH GUILE_AUTO_COMPILE libraries machine
"#,
        ),
    // Their modules are at the same paths for every machine, so that loading them is redirected without more.
    tool("R")
        .root(Method::Pure, CALLERS)
        .answer("R", Responder::R)
        .shown(
            r#"
R /etc/x
    run /etc/x
s390x$ /usr/lib/R/bin/exec/R -e x
    executes R_PROFILE libraries machine
"#,
        ),
    tool("ocamlc")
        .answer("ocamlc ocamlc.opt ocamlc.byte", Responder::Ocaml)
        .shown(
            r#"
s390x$ /usr/bin/ocamlc.opt -config
    executes libraries machine rewritten
s390x$ /usr/bin/ocamlc.opt -c x.ml
    executes libraries machine
"#,
        ),
    tool("php Rscript ocamlrun pike")
        .versioned()
        .root(Method::Pure, CALLERS)
        .answer("php* ocamlrun* pike*", Responder::Modules)
        .shown(
            r#"
php8.4 /etc/x
    run /etc/x
s390x$ /usr/bin/php8.4 -r x
    executes libraries machine
"#,
        ),
];
