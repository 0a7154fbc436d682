//! The layout of a table: little-endian words of 32 bits.
//!
//! A header, the packages in the order of the index, the names they provide and the first mentions of names, both
//! sorted by name, all strings, and the SHA-256 of everything before it. A string is two words: its offset among the
//! strings and its length.

use super::IndexBytes;
use deb_types::MultiArch;
use sha2::{Digest, Sha256};

/// Name of the layout; another layout has another number.
const MAGIC: &[u8; 8] = b"ripkgs\x001";
/// Bytes of the header: magic, size of the text, architecture, four lengths, and a flag for several architectures.
const HEADER: usize = 8 + 4 + 8 + 4 * 4 + 4;
/// Bytes of a package: paragraph, name, version, architecture, flags.
const RECORD: usize = 9 * 4;
/// Bytes of a provided name: name, package.
const PROVIDED: usize = 3 * 4;
/// Bytes of a name's first mentions: name, and twice package, field and place.
const MENTION: usize = 8 * 4;
/// Bytes of the SHA-256 at the end.
const CHECKSUM: usize = 32;
/// Stands for the absence of a position or string.
const NONE: u32 = u32::MAX;

/// A package as the table holds it; strings are offset and length.
#[derive(Debug)]
pub(super) struct TableRow {
    pub(super) stanza: [u32; 2],
    pub(super) name: [u32; 2],
    pub(super) version: [u32; 2],
    pub(super) architecture: [u32; 2],
    pub(super) multi_arch: MultiArch,
    pub(super) essential: bool,
    pub(super) priority: u8,
}

/// The parts of a table.
pub(super) struct TableContent<'a> {
    /// Size of the text in bytes.
    pub(super) text: u32,
    /// First architecture that is not `all`.
    pub(super) architecture: Option<[u32; 2]>,
    /// Whether there are further architectures.
    pub(super) mixed: bool,
    pub(super) records: &'a [TableRow],
    pub(super) provides: &'a [([u32; 2], u32)],
    pub(super) mentions: &'a [([u32; 2], FirstMentions)],
    pub(super) strings: &'a [u8],
}

/// A package of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexRecord<'a> {
    /// Offset of the package's paragraph in the text, and its length, in bytes.
    pub stanza: [u32; 2],
    /// Name of the package.
    pub name: &'a str,
    /// Version, valid by deb-version(7).
    pub version: &'a str,
    /// Architecture, `all` included.
    pub architecture: &'a str,
    /// `Multi-Arch`.
    pub multi_arch: MultiArch,
    /// `Essential: yes`.
    pub essential: bool,
    /// Priority as a number, from 1 for `required` to 5 for `extra`, which also stands for none and for unknown ones.
    pub priority: u8,
}

/// A position in the relations of an index. The order of positions is that in which apt reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mention {
    /// Number of the package in the index, from 0.
    pub record: u32,
    /// Number of the field in apt's order, from 1.
    pub field: u8,
    /// Number of the relation in the field, from 0.
    pub place: u32,
}

/// The first mentions of a name in the relations of an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirstMentions {
    /// First mention by packages of the index's own architecture.
    pub own: Option<Mention>,
    /// First mention by packages for all architectures.
    pub for_all: Option<Mention>,
}

/// Returns the bytes of a table.
pub(super) fn write(content: &TableContent<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(
        HEADER
            + content.records.len() * RECORD
            + content.provides.len() * PROVIDED
            + content.mentions.len() * MENTION
            + content.strings.len()
            + CHECKSUM,
    );
    out.extend_from_slice(MAGIC);
    let count = |length: usize| u32::try_from(length).unwrap_or(NONE);
    let mut words = |words: &[u32]| words.iter().for_each(|word| out.extend(word.to_le_bytes()));
    words(&[content.text]);
    words(&content.architecture.unwrap_or([NONE; 2]));
    words(&[
        count(content.records.len()),
        count(content.provides.len()),
        count(content.mentions.len()),
        count(content.strings.len()),
        content.mixed.into(),
    ]);
    for row in content.records {
        for place in [row.stanza, row.name, row.version, row.architecture] {
            words(&place);
        }
        let multi_arch = match row.multi_arch {
            MultiArch::No => 0,
            MultiArch::Same => 1,
            MultiArch::Foreign => 2,
            MultiArch::Allowed => 3,
        };
        words(&[multi_arch | u32::from(row.essential) << 8 | u32::from(row.priority) << 16]);
    }
    for (name, record) in content.provides {
        words(name);
        words(&[*record]);
    }
    for (name, seen) in content.mentions {
        words(name);
        for first in [seen.own, seen.for_all] {
            words(&first.map_or([NONE; 3], |first| [first.record, first.field.into(), first.place]));
        }
    }
    out.extend_from_slice(content.strings);
    let sum = Sha256::digest(&out);
    out.extend_from_slice(&sum);
    out
}

/// A table in memory. Reading beyond its end gives empty strings and no positions.
pub(super) struct IndexTable {
    bytes: IndexBytes,
    records: Rows,
    provides: Rows,
    mentions: Rows,
    strings: usize,
}

/// A run of rows of one size.
#[derive(Clone, Copy)]
struct Rows {
    at: usize,
    each: usize,
    count: usize,
}

impl Rows {
    fn end(self) -> usize {
        self.at.saturating_add(self.each.saturating_mul(self.count))
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>);
    four.map_or(NONE, |four| u32::from_le_bytes(*four))
}

fn length(bytes: &[u8], at: usize) -> usize {
    usize::try_from(word(bytes, at)).unwrap_or(usize::MAX)
}

impl IndexTable {
    pub(super) fn forget(&self) {
        self.bytes.forget();
    }

    pub(super) fn new(bytes: IndexBytes) -> Self {
        let mut at = HEADER;
        let mut rows = |each, number: usize| {
            let rows = Rows {
                at,
                each,
                count: length(&bytes, 20 + 4 * number),
            };
            at = rows.end();
            rows
        };
        let (records, provides, mentions) = (rows(RECORD, 0), rows(PROVIDED, 1), rows(MENTION, 2));
        Self {
            bytes,
            records,
            provides,
            mentions,
            strings: at,
        }
    }

    /// Whether the table is of this layout, whole, and made of a text of `text` bytes.
    pub(super) fn fits(&self, text: usize) -> bool {
        self.bytes.starts_with(MAGIC)
            && length(&self.bytes, 8) == text
            && self
                .strings
                .checked_add(length(&self.bytes, 32))
                .and_then(|end| end.checked_add(CHECKSUM))
                == Some(self.bytes.len())
    }

    pub(super) fn len(&self) -> usize {
        self.records.count
    }

    fn row(&self, rows: Rows, number: usize) -> &[u8] {
        let at = number
            .checked_mul(rows.each)
            .and_then(|offset| rows.at.checked_add(offset));
        at.and_then(|at| self.bytes.get(at..at.checked_add(rows.each)?))
            .unwrap_or_default()
    }

    fn string(&self, row: &[u8], at: usize) -> &str {
        let place = length(row, at).checked_add(self.strings);
        let bytes = place.and_then(|place| self.bytes.get(place..place.checked_add(length(row, at + 4))?));
        std::str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    }

    pub(super) fn architecture(&self) -> Option<&str> {
        (word(&self.bytes, 12) != NONE).then(|| self.string(&self.bytes, 12))
    }

    pub(super) fn is_mixed(&self) -> bool {
        word(&self.bytes, 36) != 0
    }

    pub(super) fn records(&self) -> impl Iterator<Item = IndexRecord<'_>> {
        (0..self.records.count).map(|number| {
            let row = self.row(self.records, number);
            let flags = word(row, 32).to_le_bytes();
            IndexRecord {
                stanza: [word(row, 0), word(row, 4)],
                name: self.string(row, 8),
                version: self.string(row, 16),
                architecture: self.string(row, 24),
                multi_arch: match flags[0] {
                    1 => MultiArch::Same,
                    2 => MultiArch::Foreign,
                    3 => MultiArch::Allowed,
                    _ => MultiArch::No,
                },
                essential: flags[1] == 1,
                priority: flags[2],
            }
        })
    }

    /// Returns the number of the first row whose name is not before `name`.
    fn lower_bound(&self, rows: Rows, name: &str) -> usize {
        let (mut low, mut high) = (0, rows.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.string(self.row(rows, middle), 0) < name {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    pub(super) fn providers(&self, name: &str) -> impl Iterator<Item = usize> {
        let begin = self.lower_bound(self.provides, name);
        let is_it = |number: &usize| self.string(self.row(self.provides, *number), 0) == name;
        let end = (begin..self.provides.count)
            .find(|number| !is_it(number))
            .unwrap_or(self.provides.count);
        (begin..end)
            .rev()
            .map(|number| length(self.row(self.provides, number), 8))
    }

    pub(super) fn mention(&self, name: &str) -> Option<FirstMentions> {
        let number = self.lower_bound(self.mentions, name);
        let row = self.row(self.mentions, number);
        if number >= self.mentions.count || self.string(row, 0) != name {
            return None;
        }
        let first = |at: usize| {
            let record = word(row, at);
            (record != NONE).then(|| Mention {
                record,
                field: u8::try_from(word(row, at + 4)).unwrap_or(u8::MAX),
                place: word(row, at + 8),
            })
        };
        Some(FirstMentions {
            own: first(8),
            for_all: first(20),
        })
    }
}
