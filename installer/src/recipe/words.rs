//! Words of a command line, as the values of a recipe mean them.

use super::error::{Place, RecipeError, unknown_key};
use super::layers::check_kind;
use super::node::{Node, Table, Value};
use super::options::{OptionEntry, OptionKind, Options};
use super::paths::{NAMES, RESULTS, rebased};
use deb_arch::Architecture;
use std::ffi::OsString;
use std::path::Path;

/// A value of an option, as a word of a command line has it.
#[derive(Clone, Debug)]
pub struct Word {
    /// Name of the option; `target` is the argument.
    pub option: String,
    /// Its value; none of a flag.
    pub value: Option<OsString>,
    /// The place in the recipe; none for one of the command line.
    pub place: Option<Place>,
}
pub(super) fn word(option: &OptionEntry, value: Option<String>, place: &Place) -> Word {
    Word {
        option: option.name.clone(),
        value: value.map(|value| rebased(option, &value, place).into()),
        place: Some(place.clone()),
    }
}

/// Returns the words of an option's values, whose kind was checked. Tables among them are no words.
pub(super) fn option_words(option: &OptionEntry, node: &Node, place: &Place) -> Vec<Word> {
    let one = |node: &Node| {
        node.value
            .scalar()
            .map(|value| word(option, Some(value), &node.place))
    };
    match (option.kind, &node.value) {
        (OptionKind::Flag | OptionKind::Count, Value::Flag(given)) => {
            given.then(|| word(option, None, place)).into_iter().collect()
        }
        (OptionKind::Count, Value::Written(times)) => {
            let times: usize = times.parse().unwrap_or(0);
            std::iter::repeat_n(word(option, None, place), times).collect()
        }
        (_, Value::List(all)) => all.iter().filter_map(one).collect(),
        _ => one(node).into_iter().collect(),
    }
}

/// Lays words over others: what there is only one of is replaced, lists go on.
pub(super) fn overlay(under: &mut Vec<Word>, over: Vec<Word>, options: &Options) {
    let replaced = |word: &Word| {
        options.get(&word.option).is_none_or(Options::is_replaced)
            && over.iter().any(|other| other.option == word.option)
    };
    under.retain(|word| !replaced(word));
    under.extend(over);
}

/// Returns the words of a result.
pub(super) fn output_words(node: &Node, options: &Options) -> Result<Vec<Word>, RecipeError> {
    let table: &Table = match &node.value {
        Value::Table(table) => table,
        other => {
            let what = format!("`output` has tables, and this is {}", other.kind());
            return Err(RecipeError::wrong(&node.place, what));
        }
    };
    let mut words = Vec::new();
    for entry in &table.0 {
        let option = options.get(&entry.key);
        let Some(option) = option.filter(|option| options.of_outputs().any(|own| own.name == option.name))
        else {
            let names = options.of_outputs().map(|option| option.name.as_str());
            return Err(RecipeError::wrong(&entry.place, unknown_key(&entry.key, names)));
        };
        check_kind(entry, option.kind)?;
        words.extend(option_words(option, &entry.node, &entry.place));
    }
    if !words.iter().any(|word| word.option == "target") {
        return Err(RecipeError::wrong(&node.place, "this output has no `target`"));
    }
    Ok(words)
}

pub(super) fn last(words: &[Word], option: &str) -> Option<String> {
    let found = words.iter().rev().find(|word| word.option == option)?;
    found.value.as_ref()?.to_str().map(str::to_owned)
}

pub(super) fn own_architecture(words: &[Word]) -> String {
    let first = words
        .iter()
        .find(|word| word.option == "arch")
        .and_then(|word| word.value.as_ref()?.to_str());
    let first = first.and_then(|names| names.split([',', ' ']).find(|name| !name.is_empty()));
    first.unwrap_or(Architecture::native().name).to_owned()
}

/// Puts values in the place of `{KEY}` in names of results.
pub(super) fn expand(
    word: &mut Word,
    placeholders: &[(String, String)],
    path: &Path,
) -> Result<(), RecipeError> {
    let wrong = |what: String| match &word.place {
        Some(place) => RecipeError::wrong(place, what),
        None => RecipeError::Whole {
            path: path.to_owned(),
            what,
        },
    };
    let Some(text) = word.value.as_ref().and_then(|value| value.to_str()) else {
        return Ok(());
    };
    let option = word.option.as_str();
    if !RESULTS.contains(&option) && !NAMES.contains(&option) {
        return Ok(());
    }
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        expanded.push_str(before);
        let Some((key, after)) = from.get(1..).and_then(|from| from.split_once('}')) else {
            return Err(wrong("a `{` has no `}`".to_owned()));
        };
        let Some((_, value)) = placeholders.iter().rev().find(|(known, _)| known == key) else {
            let names: Vec<String> = placeholders.iter().map(|(key, _)| format!("{{{key}}}")).collect();
            let what = format!(
                "there is no `{{{}}}` here; there are {}",
                key.escape_debug(),
                names.join(", ")
            );
            return Err(wrong(what));
        };
        expanded.push_str(&value.replace(['/', ',', ' '], "-"));
        rest = after;
    }
    expanded.push_str(rest);
    word.value = Some(expanded.into());
    Ok(())
}
