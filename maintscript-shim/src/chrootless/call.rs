//! Reads a command line by the grammar of its row: which bytes of which argument name
//! a file, a root or an owner. Nothing else of it is ever changed.

use super::special;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use tool_table::root::{Shape, Words};

/// Use of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// A file that is read.
    Read,
    /// A file whose existence or kind is asked.
    Look,
    /// A file that is made, changed or removed.
    Write,
    /// A root directory.
    Root,
    /// A user and group, as chown(1) takes them.
    Owner,
    /// A user.
    User,
    /// A group.
    Group,
}

/// A part of a command line: an argument from a byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Index of the argument.
    pub(crate) argument: usize,
    /// First byte in it.
    pub(crate) from: usize,
    /// Its use.
    pub(crate) used: Use,
}

impl Piece {
    /// Its text.
    pub(crate) fn of<'a>(&self, arguments: &'a [OsString]) -> &'a [u8] {
        let argument = arguments.get(self.argument).map(|a| a.as_bytes());
        argument.and_then(|a| a.get(self.from..)).unwrap_or_default()
    }
}

/// A command line, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Call {
    /// The parts that matter, in no order.
    pub(crate) pieces: Vec<Piece>,
    /// The options of the grammar that are given, by their first names.
    pub(crate) given: Vec<&'static str>,
    /// Indexes of its operands.
    pub(crate) operands: Vec<usize>,
    /// Values of options: name, argument, and where in it they begin.
    pub(crate) values: Vec<(&'static str, usize, usize)>,
}

impl Call {
    /// Whether an option is given, by its first name.
    pub(crate) fn has(&self, option: &str) -> bool {
        self.given.contains(&option)
    }

    fn add(&mut self, letter: u8, argument: usize, from: usize) {
        if let Some(used) = meaning(letter) {
            self.pieces.push(Piece { argument, from, used });
        }
    }
}

/// Reads a command line.
pub(crate) fn read(shape: &Shape, arguments: &[OsString]) -> Call {
    match shape.words {
        Words::Plain => plain(shape, arguments),
        Words::Find => special::find(arguments),
        Words::Test => special::test(arguments),
        Words::Dd => special::dd(arguments),
        Words::Tar => special::tar(shape.options, arguments),
    }
}

fn plain(shape: &Shape, arguments: &[OsString]) -> Call {
    let mut call = options(shape.options, arguments);
    let holds = |condition: &str| condition.split_whitespace().all(|name| call.has(name));
    let rule = shape.operands.iter().find(|(condition, _)| holds(condition));
    let letters = rule.map(|(_, letters)| *letters).unwrap_or_default();
    for (letter, argument) in assign(letters, &call.operands) {
        call.add(letter, argument, 0);
    }
    call
}

/// Letters for operands: those before the one with `*` are for the first operands, those
/// behind it for the last. The first are served first, and a last one is not the only.
fn assign(letters: &str, operands: &[usize]) -> Vec<(u8, usize)> {
    let letters: Vec<&[u8]> = letters.split(' ').map(str::as_bytes).collect();
    let many = letters.iter().position(|word| word.ends_with(b"*"));
    let behind = many.map_or(0, |at| letters.len() - at - 1);
    let last = operands.len().saturating_sub(behind);
    let letter = |index: usize, operand: usize| -> Option<u8> {
        let word = match many {
            Some(at) if operand >= last && last > 0 => letters.get(at + 1 + operand - last),
            Some(at) => letters.get(index.min(at)),
            None => letters.get(index),
        };
        word.and_then(|word| word.first()).copied()
    };
    let numbered = operands.iter().enumerate();
    numbered
        .filter_map(|(index, operand)| Some((letter(index, index)?, *operand)))
        .collect()
}

/// Reads options as getopt_long(3) does, permuted unless the grammar begins with `+`.
pub(crate) fn options(grammar: &'static str, arguments: &[OsString]) -> Call {
    let (ordered, grammar) = match grammar.strip_prefix('+') {
        Some(grammar) => (true, grammar),
        None => (false, grammar),
    };
    let mut call = Call::default();
    let mut index = 0;
    while let Some(argument) = arguments.get(index).map(|a| a.as_bytes()) {
        match argument {
            b"--" => {
                call.operands.extend(index + 1..arguments.len());
                break;
            }
            [b'-', b'-', ..] => index += long(grammar, argument, index, &mut call),
            [b'-', _, ..] => index += short(grammar, argument, index, &mut call),
            _ if ordered => {
                call.operands.extend(index..arguments.len());
                break;
            }
            _ => call.operands.push(index),
        }
        index += 1;
    }
    // A value that is asked for may be missing.
    call.pieces.retain(|piece| piece.argument < arguments.len());
    call.values.retain(|(_, argument, _)| *argument < arguments.len());
    call
}

/// `--name`, `--name=value`, `--name value`. How many arguments more it takes.
fn long(grammar: &'static str, argument: &[u8], index: usize, call: &mut Call) -> usize {
    let equals = argument.iter().position(|&b| b == b'=');
    let name = argument.get(..equals.unwrap_or(argument.len()));
    let Some(option) = known(grammar, name.unwrap_or_default()) else {
        return 0;
    };
    call.given.push(option.name);
    match (option.value, equals) {
        (None, _) => 0,
        (Some(letter), Some(at)) => value(call, &option, letter, index, at + 1),
        (Some(_), None) if option.attached => 0,
        (Some(letter), None) => value(call, &option, letter, index + 1, 0) + 1,
    }
}

/// `-abc`, `-ovalue`, `-o value`, and `-name value` of programs that have such.
fn short(grammar: &'static str, argument: &[u8], index: usize, call: &mut Call) -> usize {
    if argument.len() > 2
        && let Some(option) = known(grammar, argument)
    {
        call.given.push(option.name);
        return match option.value {
            Some(letter) => value(call, &option, letter, index + 1, 0) + 1,
            None => 0,
        };
    }
    for (at, letter) in argument.iter().enumerate().skip(1) {
        let Some(option) = known(grammar, &[b'-', *letter]) else {
            continue;
        };
        call.given.push(option.name);
        let Some(letter) = option.value else { continue };
        if at + 1 < argument.len() {
            return value(call, &option, letter, index, at + 1);
        }
        if option.attached {
            return 0;
        }
        return value(call, &option, letter, index + 1, 0) + 1;
    }
    0
}

fn value(call: &mut Call, option: &Known, letter: u8, argument: usize, from: usize) -> usize {
    call.values.push((option.name, argument, from));
    call.add(letter, argument, from);
    0
}

/// An option of a grammar.
struct Known {
    /// Its first name.
    name: &'static str,
    /// The letter of its value.
    value: Option<u8>,
    /// Whether a value is only one when it is attached.
    attached: bool,
}

fn known(grammar: &'static str, name: &[u8]) -> Option<Known> {
    grammar.split_whitespace().find_map(|word| {
        let (names, value) = match word.split_once('=') {
            Some((names, value)) => (names, Some(value)),
            None => (word, None),
        };
        if !names.split(',').any(|n| n.as_bytes() == name) {
            return None;
        }
        let attached = value.is_some_and(|value| value.starts_with('?'));
        let letter = value.map(|value| *value.trim_start_matches('?').as_bytes().first().unwrap_or(&b'T'));
        Some(Known {
            name: names.split(',').next().unwrap_or(names),
            value: letter,
            attached,
        })
    })
}

/// Returns the use that a letter of a grammar stands for; none means text.
fn meaning(letter: u8) -> Option<Use> {
    Some(match letter {
        b'R' => Use::Read,
        b'L' => Use::Look,
        b'W' => Use::Write,
        b'D' => Use::Root,
        b'O' => Use::Owner,
        b'U' => Use::User,
        b'G' => Use::Group,
        _ => return None,
    })
}
