//! Command lines that are not options and operands: find(1), test(1), dd(1), tar(1).

use super::call::{self, Call, Piece, Use};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

fn piece(argument: usize, used: Use) -> Piece {
    Piece {
        argument,
        from: 0,
        used,
    }
}

/// find(1): `[-H] [-L] [-P] [-D opts] [-Olevel] [start...] [expression]`. Patterns of whole names
/// begin with a starting point, so they are where it is.
pub(super) fn find(arguments: &[OsString]) -> Call {
    let words: Vec<&[u8]> = arguments.iter().map(|a| a.as_bytes()).collect();
    let starts_expression =
        |word: &[u8]| matches!(word, b"(" | b")" | b"!" | b",") || (word.starts_with(b"-") && word.len() > 1);
    let mut call = Call::default();
    let mut index = 0;
    while let Some(&word) = words.get(index) {
        match word {
            b"-H" | b"-L" | b"-P" | b"--" => {}
            b"-D" => index += 1,
            _ if word.starts_with(b"-O") => {}
            _ if starts_expression(word) => break,
            _ => call.operands.push(index),
        }
        index += 1;
    }
    let mut changes = false;
    while let Some(&word) = words.get(index) {
        index += 1;
        match word {
            b"-delete" => changes = true,
            b"-exec" | b"-execdir" | b"-ok" | b"-okdir" => {
                changes = true;
                // The words of a command, and no others, are its own.
                while words
                    .get(index)
                    .is_some_and(|word| *word != b";" && *word != b"+")
                {
                    index += 1;
                }
                index += 1;
            }
            b"-samefile" | b"-files0-from" => call.pieces.push(piece(index, Use::Read)),
            b"-fprint" | b"-fprint0" | b"-fls" | b"-fprintf" => {
                call.pieces.push(piece(index, Use::Write));
                index += usize::from(word == b"-fprintf");
            }
            b"-path" | b"-wholename" | b"-ipath" | b"-iwholename" => {
                call.pieces.push(piece(index, Use::Look));
            }
            b"-newer" | b"-anewer" | b"-cnewer" => call.pieces.push(piece(index, Use::Read)),
            // -newerXY: with t as Y it is a time.
            _ if word.starts_with(b"-newer") && word.len() == 8 && !word.ends_with(b"t") => {
                call.pieces.push(piece(index, Use::Read));
            }
            _ if word.starts_with(b"-newer") => {}
            _ if takes_text(word) => {}
            _ => continue,
        }
        if !matches!(word, b"-delete" | b"-exec" | b"-execdir" | b"-ok" | b"-okdir") {
            index += 1;
        }
    }
    let used = if changes { Use::Write } else { Use::Read };
    let starts: Vec<Piece> = call.operands.iter().map(|start| piece(*start, used)).collect();
    call.pieces.extend(starts);
    call.pieces.retain(|piece| piece.argument < words.len());
    call
}

/// Tests and actions of find(1) with an argument that is no path.
fn takes_text(word: &[u8]) -> bool {
    const WORDS: &str = "-amin -atime -cmin -context -ctime -fstype -gid -group -ilname -iname -inum -iregex \
                         -links -lname -maxdepth -mindepth -mmin -mtime -name -perm -printf -regex \
                         -regextype -size -type -uid -used -user -xtype";
    WORDS.split_whitespace().any(|known| known.as_bytes() == word)
}

/// test(1): operators on files, where POSIX has them before a word. Of three words in
/// a row the one in the middle decides.
pub(super) fn test(arguments: &[OsString]) -> Call {
    const FILES: &[u8] = b"bcdefghkLprsuwxOGNS";
    let words: Vec<&[u8]> = arguments.iter().map(|a| a.as_bytes()).collect();
    let mut call = Call::default();
    let mut index = 0;
    while let Some(&word) = words.get(index) {
        let next = words.get(index + 1).copied();
        if next.is_some_and(compares) && words.get(index + 2).is_some() {
            if matches!(next, Some(b"-nt" | b"-ot" | b"-ef")) {
                call.pieces.push(piece(index, Use::Look));
                call.pieces.push(piece(index + 2, Use::Look));
            }
            index += 3;
        } else if let ([b'-', letter], Some(_)) = (word, next) {
            match letter {
                _ if FILES.contains(letter) => call.pieces.push(piece(index + 1, Use::Look)),
                b'n' | b'z' | b't' | b'v' => {}
                // -a and -o
                _ => {
                    index += 1;
                    continue;
                }
            }
            index += 2;
        } else {
            index += 1;
        }
    }
    call
}

fn compares(word: &[u8]) -> bool {
    const WORDS: &str = "= == != < > -eq -ne -lt -le -gt -ge -nt -ot -ef";
    WORDS.split(' ').any(|known| known.as_bytes() == word)
}

/// dd(1): operands are `if=FILE`, `of=FILE` and numbers.
pub(super) fn dd(arguments: &[OsString]) -> Call {
    let file = |(argument, word): (usize, &OsString)| {
        let used = match word.as_bytes() {
            [b'i', b'f', b'=', ..] => Use::Read,
            [b'o', b'f', b'=', ..] => Use::Write,
            _ => return None,
        };
        Some(Piece {
            argument,
            from: 3,
            used,
        })
    };
    Call {
        pieces: arguments.iter().enumerate().filter_map(file).collect(),
        ..Call::default()
    }
}

/// tar(1): the first word may be letters without a dash, whose values follow in their order. An
/// archive is written when one is made; then operands are read, else they are names in it.
pub(super) fn tar(grammar: &'static str, arguments: &[OsString]) -> Call {
    let first = arguments.first().map(|a| a.as_bytes()).unwrap_or_default();
    let mut call = if first.is_empty() || first.starts_with(b"-") {
        call::options(grammar, arguments)
    } else {
        let valued: Vec<u8> = first
            .iter()
            .copied()
            .filter(|l| b"fCTXbgHIKLNV".contains(l))
            .collect();
        let mut call = call::options(grammar, arguments.get(1 + valued.len()..).unwrap_or_default());
        let moved = 1 + valued.len();
        call.operands.iter_mut().for_each(|operand| *operand += moved);
        call.pieces.iter_mut().for_each(|piece| piece.argument += moved);
        for (at, letter) in valued
            .iter()
            .enumerate()
            .filter(|(at, _)| at + 1 < arguments.len())
        {
            match letter {
                b'f' | b'T' | b'X' => call.pieces.push(piece(at + 1, Use::Read)),
                b'C' => call.pieces.push(piece(at + 1, Use::Write)),
                _ => {}
            }
            if *letter == b'f' {
                call.values.push(("-f", at + 1, 0));
            }
        }
        call
    };
    let letters = |word: &[u8], index: usize| {
        (index == 0 || word.starts_with(b"-")) && !word.starts_with(b"--") && !word.contains(&b'/')
    };
    let makes = arguments.iter().enumerate().any(|(index, argument)| {
        let word = argument.as_bytes();
        matches!(word, b"--create" | b"--append" | b"--update")
            || (letters(word, index) && word.iter().any(|l| b"cru".contains(l)))
    });
    if makes {
        let archives: Vec<usize> = call.values.iter().filter(|v| v.0 == "-f").map(|v| v.1).collect();
        for piece in &mut call.pieces {
            if archives.contains(&piece.argument) {
                piece.used = Use::Write;
            }
        }
        let read: Vec<Piece> = call.operands.iter().map(|o| piece(*o, Use::Read)).collect();
        call.pieces.extend(read);
    }
    call
}
