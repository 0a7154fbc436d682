//! The rows by subject, and what they are written with.

mod accounts;
mod code;
mod confined;
mod coreutils;
mod data;
mod files;
mod interpreters;
mod own_option;
mod pure;
mod reading;
mod running_system;

use crate::output::{CHAR, Form, MACHINE, ORDER, TIME, WORD, output};
use crate::root::{Asked, Confined, Question, RootOption, Shape, Words};
use crate::{Answer, Method, Output, Recorded, Responder, Tool, tool};

/// Every row.
pub(crate) static TABLES: &[&[Tool]] = &[
    coreutils::TABLE,
    reading::TABLE,
    files::TABLE,
    own_option::TABLE,
    accounts::TABLE,
    confined::TABLE,
    pure::TABLE,
    interpreters::TABLE,
    running_system::TABLE,
    data::TABLE,
    code::TABLE,
];

/// The answers of all rows, in one piece of memory: the shim looks there at every execution.
pub(crate) static ANSWERS: [&Answer; count_answers()] = {
    static NONE: Answer = Answer {
        names: "",
        responder: Responder::Arch,
    };
    let mut all = [&NONE; count_answers()];
    let (mut table, mut found) = (0, 0);
    while table < TABLES.len() {
        let mut row = 0;
        while row < TABLES[table].len() {
            if let Some(answer) = &TABLES[table][row].answer {
                all[found] = answer;
                found += 1;
            }
            row += 1;
        }
        table += 1;
    }
    all
};

/// The outputs of all rows, likewise.
pub(crate) static OUTPUTS: [&Output; count_outputs()] = {
    static NONE: Output = output("", 0, "");
    let mut all = [&NONE; count_outputs()];
    let (mut table, mut found) = (0, 0);
    while table < TABLES.len() {
        let mut row = 0;
        while row < TABLES[table].len() {
            let outputs = TABLES[table][row].outputs;
            let mut at = 0;
            while at < outputs.len() {
                all[found] = &outputs[at];
                found += 1;
                at += 1;
            }
            row += 1;
        }
        table += 1;
    }
    all
};

const fn count_answers() -> usize {
    let (mut table, mut count) = (0, 0);
    while table < TABLES.len() {
        let mut row = 0;
        while row < TABLES[table].len() {
            count += TABLES[table][row].answer.is_some() as usize;
            row += 1;
        }
        table += 1;
    }
    count
}

const fn count_outputs() -> usize {
    let (mut table, mut count) = (0, 0);
    while table < TABLES.len() {
        let mut row = 0;
        while row < TABLES[table].len() {
            count += TABLES[table][row].outputs.len();
            row += 1;
        }
        table += 1;
    }
    count
}

/// Options and operands.
const fn plain(options: &'static str, operands: &'static [(&'static str, &'static str)]) -> Method {
    Method::Arguments(Shape {
        options,
        operands,
        words: Words::Plain,
    })
}

/// A grammar of its own, and options of it.
const fn words(words: Words, options: &'static str) -> Method {
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

const CHANGES: &str = "it changes the files it is given";
const READS: &str = "it reads the files it is given";
const MAKES: &str = "it makes the files it is given";

const fn confined(options: &'static str) -> Method {
    Method::Chroot(Confined {
        options,
        or_nothing: false,
        only_outside: None,
    })
}

const INIT: Method = Method::Chroot(Confined {
    options: "",
    or_nothing: true,
    only_outside: None,
});

const NONE: &str = "it has no option for a root";
const SHADOW: &str = "--root calls chroot(2) (shadow's manual pages)";

/// An option that every call may have.
const fn option(insert: &'static str, options: &'static str) -> Method {
    Method::Option(RootOption {
        insert,
        options,
        only_with: &[],
        behind_command: false,
        offline: &[],
    })
}

/// An option that only calls with one of these words may have.
const fn option_with(
    insert: &'static str,
    options: &'static str,
    only_with: &'static [&'static str],
) -> RootOption {
    RootOption {
        insert,
        options,
        only_with,
        behind_command: false,
        offline: &[],
    }
}

const ACCOUNTS: &str = "--prefix needs no chroot(2), other than --root (shadow's manual pages)";

const OUTER: Method = Method::Query(Question::Outer);

/// It would act on the running system.
const NOTHING: Method = Method::Nothing {
    status: 0,
    prints: "",
};

/// Output of debootstrap's start-stop-daemon(8).
const NOTHING_STARTS: &str = "\nWarning: Fake start-stop-daemon called, doing nothing\n";

const BERKELEY: &str = "a Berkeley DB file in its own byte order";
const CODE: &str = "code";
const PROCESSOR: &str = "whether the processor has an extension";
const LOGINS: &str = "records of logins as structures in memory";
const FIREBIRD: &str = "databases whose pages are structures in memory";
const GDBM: &str = "gdbm files, which are structures in memory";
const LMDB: &str = "an LMDB database, which is mapped into memory";
const MAPS: &str = "maps as LMDB or Berkeley DB files";
const NEWS: &str = "an index of articles as structures in memory";
const TDB: &str = "a TDB file in its own byte order";
const TOLD: &str = "what it tells of code";
