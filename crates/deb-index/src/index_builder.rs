//! Makes the table of an index from its text.

use super::Malformed;
use super::index_table::{self, FirstMentions, Mention};
use deb_types::control::{Item, next_item};
use deb_types::{MultiArch, version};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// The architecture of packages that fit any.
const ALL: &str = "all";

/// Largest number of packages of an index, and of names in it: thirty times those of Debian's largest.
const LARGEST: usize = 2 << 20;

/// Returns a priority as a number, 1 for the most important.
fn priority_number(text: &str) -> u8 {
    match text {
        "required" => 1,
        "important" => 2,
        "standard" => 3,
        "optional" => 4,
        _ => 5,
    }
}

fn is_name(text: &str) -> bool {
    text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// Returns the name of a field as it is usually written; one of no meaning here may stay as it is.
fn usual_name(name: &str) -> &str {
    const NAMES: [&str; 16] = [
        "Package",
        "Version",
        "Architecture",
        "Multi-Arch",
        "Essential",
        "Priority",
        "Pre-Depends",
        "Depends",
        "Conflicts",
        "Breaks",
        "Recommends",
        "Suggests",
        "Replaces",
        "Enhances",
        "Provides",
        "Filename",
    ];
    // All archives write a capital and small letters, so that the list is hardly ever searched.
    let usual = match name.as_bytes() {
        [first, second, ..] => {
            first.is_ascii_uppercase()
                && second.is_ascii_lowercase()
                && !name.ends_with(|c: char| c.is_ascii_uppercase())
        }
        _ => true,
    };
    if usual {
        return name;
    }
    NAMES
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(name))
        .unwrap_or(name)
}

/// Returns the number of a relation field in apt's order, from 1.
pub(super) fn relation_field(name: &str) -> Option<u8> {
    Some(match usual_name(name) {
        "Pre-Depends" => 1,
        "Depends" => 2,
        "Conflicts" => 3,
        "Breaks" => 4,
        "Recommends" => 5,
        "Suggests" => 6,
        "Replaces" => 7,
        "Enhances" => 8,
        "Provides" => 9,
        _ => return None,
    })
}

/// Returns the names in a list of relations, alternatives included, without parsing their restrictions.
///
/// ```
/// let names: Vec<&str> = deb_index::names_in("libc6 (>= 2.38), perl:any | awk").collect();
/// assert_eq!(names, ["libc6", "perl", "awk"]);
/// ```
pub fn names_in(list: &str) -> impl Iterator<Item = &str> {
    // By bytes: this runs over some ten million of them.
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let text = rest?.trim_ascii_start();
        let is_end = |b: u8| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        let end = text.bytes().position(is_end).unwrap_or(text.len());
        let (name, after) = text.split_at_checked(end)?;
        let next = after.bytes().position(|b| matches!(b, b',' | b'|'));
        rest = next.and_then(|at| after.get(at + 1..));
        Some(name)
    })
    .filter(|name| !name.is_empty())
}

/// The fields of a package's paragraph that the table needs.
#[derive(Default)]
struct PackageFields<'a> {
    name: &'a str,
    version: &'a str,
    architecture: &'a str,
    provides: &'a str,
    multi_arch: MultiArch,
    essential: bool,
    priority: Option<u8>,
    relations: Vec<(u8, &'a str)>,
}

impl<'a> PackageFields<'a> {
    fn set(&mut self, field: &str, value: &'a str) {
        let field = usual_name(field);
        if let Some(field) = relation_field(field) {
            self.relations.push((field, value));
        }
        match field {
            "Package" => self.name = value,
            "Version" => self.version = value,
            "Architecture" => self.architecture = value,
            "Provides" => self.provides = value,
            "Multi-Arch" => self.multi_arch = MultiArch::from_word(value).unwrap_or_default(),
            "Essential" => self.essential = value == "yes",
            "Priority" => self.priority = Some(priority_number(value)),
            _ => {}
        }
    }
}

/// Returns the table of an index, with the checksum at its end.
pub(super) fn table(text: &str) -> Result<Vec<u8>, Malformed> {
    let bad = |at: usize, what: &str| Malformed {
        line: 1 + text.get(..at).map_or(0, |before| before.matches('\n').count()),
        what: what.to_owned(),
    };
    if u32::try_from(text.len()).is_err() {
        return Err(bad(0, "the index is larger than 4 GiB"));
    }
    let mut out = Builder::default();
    let mut rest = text;
    // The log is for the first ones, and for their beginnings.
    let mut odd = 0..20;
    let begin_of = |text: &'_ str| text.chars().take(100).collect::<String>();
    loop {
        let begin = text.len() - rest.len();
        let mut stanza = PackageFields::default();
        let (end, last) = loop {
            let at = text.len() - rest.len();
            let (item, after) = next_item(rest);
            rest = after;
            match item {
                Item::Field { name, value } => stanza.set(name, value),
                Item::Comment => {}
                Item::Blank => break (at, false),
                Item::End => break (at, true),
                // apt passes over such a line, and so do the readers of a stanza.
                Item::Bad(line) => {
                    if odd.next().is_some() {
                        tracing::warn!(line = ?begin_of(line), "not a field of an index: passed over");
                    }
                }
                Item::Stray => {}
            }
        };
        if stanza.name.is_empty() {
            if text.get(begin..end).is_some_and(|text| !text.trim().is_empty()) {
                return Err(bad(begin, "a paragraph has no Package field"));
            }
        } else if !is_name(stanza.name) || !version::is_valid(stanza.version) {
            // Not reachable by any dependency: no reason to refuse the others.
            if odd.next().is_some() {
                tracing::warn!(package = ?begin_of(stanza.name), version = ?begin_of(stanza.version),
                    "not a package name and version: left out");
            }
        } else {
            out.add(&stanza, begin, end);
            if out.is_too_large() {
                return Err(bad(
                    begin,
                    "the index has more packages or names than any archive",
                ));
            }
        }
        if last {
            return Ok(out.finish(text.len()));
        }
    }
}

#[derive(Default)]
struct Builder<'a> {
    strings: Vec<u8>,
    places: HashMap<&'a str, [u32; 2]>,
    records: Vec<index_table::TableRow>,
    provides: Vec<(&'a str, u32)>,
    mentions: HashMap<&'a str, FirstMentions>,
    architecture: Option<&'a str>,
    mixed: bool,
}

/// Returns a number as a word. It fits: the text is smaller than 4 GiB, and so is every part of it.
fn word(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl<'a> Builder<'a> {
    fn string(&mut self, text: &'a str) -> [u32; 2] {
        match self.places.entry(text) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let place = [word(self.strings.len()), word(text.len())];
                self.strings.extend_from_slice(text.as_bytes());
                *new.insert(place)
            }
        }
    }

    fn is_too_large(&self) -> bool {
        self.records.len() > LARGEST
            || self.places.len() > LARGEST
            || self.provides.len() > LARGEST
            || self.mentions.len() > LARGEST
    }

    fn add(&mut self, stanza: &PackageFields<'a>, begin: usize, end: usize) {
        let number = word(self.records.len());
        let for_all = stanza.architecture == ALL;
        if !for_all {
            self.mixed |= *self.architecture.get_or_insert(stanza.architecture) != stanza.architecture;
        }
        let [name, version, architecture] =
            [stanza.name, stanza.version, stanza.architecture].map(|text| self.string(text));
        self.records.push(index_table::TableRow {
            stanza: [word(begin), word(end - begin)],
            name,
            version,
            architecture,
            multi_arch: stanza.multi_arch,
            essential: stanza.essential,
            priority: stanza.priority.unwrap_or(5),
        });
        for (field, list) in &stanza.relations {
            for (place, name) in names_in(list).enumerate() {
                let here = Mention {
                    record: number,
                    field: *field,
                    place: word(place),
                };
                let seen = self.mentions.entry(name).or_default();
                let first = if for_all { &mut seen.for_all } else { &mut seen.own };
                if first.is_none_or(|first| here < first) {
                    *first = Some(here);
                }
            }
        }
        self.provides
            .extend(names_in(stanza.provides).map(|name| (name, number)));
    }

    fn finish(mut self, text: usize) -> Vec<u8> {
        let mut provides = std::mem::take(&mut self.provides);
        provides.sort_unstable();
        let provides: Vec<([u32; 2], u32)> = provides
            .into_iter()
            .map(|(name, record)| (self.string(name), record))
            .collect();
        let mut mentions: Vec<(&str, FirstMentions)> =
            std::mem::take(&mut self.mentions).into_iter().collect();
        mentions.sort_unstable_by_key(|(name, _)| *name);
        let mentions: Vec<([u32; 2], FirstMentions)> = mentions
            .into_iter()
            .map(|(name, seen)| (self.string(name), seen))
            .collect();
        let architecture = self.architecture.map(|name| self.string(name));
        index_table::write(&index_table::TableContent {
            text: word(text),
            architecture,
            mixed: self.mixed,
            records: &self.records,
            provides: &provides,
            mentions: &mentions,
            strings: &self.strings,
        })
    }
}
