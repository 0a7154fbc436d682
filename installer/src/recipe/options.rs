//! The options that a recipe's keys are: those of the command line, from its own table.

use clap::{ArgAction, Command, ValueHint};
use std::collections::BTreeMap;

/// Keys that are no options, or can be tables as well: name, and what it is.
pub const TABLES: [(&str, &str); 8] = [
    ("file", "Files, links and directories of the system"),
    ("user", "Users of the system"),
    ("group", "Groups of the system"),
    ("network", "Networks of the system"),
    (
        "output",
        "Results of one installation, each with options of its format",
    ),
    (
        "matrix",
        "Options with lists of values: an installation for each combination",
    ),
    (
        "for",
        "What counts for an architecture or a suite only, by its name",
    ),
    (
        "env",
        "Variables of the environment of hooks, and SOURCE_DATE_EPOCH",
    ),
];

/// Options of the command line that no recipe has, and why.
pub(super) const LEFT_OUT: [(&str, &str); 2] = [
    ("help", "it prints the help, and makes nothing"),
    ("version", "it prints the version, and makes nothing"),
];

/// Options that are replaced where a later file gives them, though they can be given more than once.
const REPLACED: [&str; 1] = ["arch"];

/// Kind of an option's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// It is there or not.
    Flag,
    /// It counts how often it is there.
    Count,
    /// It has one value.
    One,
    /// It has any number of values.
    Many,
}

/// An option.
#[derive(Clone, Debug)]
pub struct OptionEntry {
    /// Its name, without the dashes; `target` is the argument.
    pub name: String,
    /// Kind of its values.
    pub kind: OptionKind,
    /// Whether a value is a path, whatever it looks like.
    pub is_path: bool,
    /// Its help, in one line.
    pub help: String,
    /// The words that it can have; none where others are possible.
    pub words: Vec<String>,
}

/// All options, by their names.
#[derive(Clone, Debug)]
pub struct Options {
    all: BTreeMap<String, OptionEntry>,
    /// Other names of them.
    aliases: BTreeMap<String, String>,
    /// Names of those of the result's format.
    image: Vec<String>,
}

impl Options {
    /// Takes the options of a command line. `image` is that of the options of a format, which outputs have.
    pub fn of(command: &Command, image: &Command) -> Self {
        let mut command = command.clone();
        command.build();
        let mut all = BTreeMap::new();
        let mut aliases = BTreeMap::new();
        for arg in command.get_arguments() {
            let name = match arg.get_long() {
                Some(name) if LEFT_OUT.iter().any(|(left, _)| *left == name) => continue,
                Some(name) => name.to_owned(),
                None => arg.get_id().to_string(),
            };
            for alias in arg.get_visible_aliases().unwrap_or_default() {
                aliases.insert(alias.to_owned(), name.clone());
            }
            let kind = match arg.get_action() {
                ArgAction::SetTrue | ArgAction::SetFalse => OptionKind::Flag,
                ArgAction::Count => OptionKind::Count,
                ArgAction::Append => OptionKind::Many,
                _ => OptionKind::One,
            };
            let values = arg.get_possible_values();
            let entry = OptionEntry {
                kind,
                is_path: kind != OptionKind::Flag && arg.get_value_hint() == ValueHint::AnyPath,
                help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
                words: match kind {
                    OptionKind::One | OptionKind::Many => {
                        values.iter().map(|value| value.get_name().to_owned()).collect()
                    }
                    OptionKind::Flag | OptionKind::Count => Vec::new(),
                },
                name: name.clone(),
            };
            all.insert(name, entry);
        }
        let image = image
            .get_arguments()
            .filter_map(clap::Arg::get_long)
            .map(str::to_owned)
            .collect();
        Self { all, aliases, image }
    }

    /// Returns an option by its name, or by another one that the command line has for it.
    pub fn get(&self, name: &str) -> Option<&OptionEntry> {
        let name = self.aliases.get(name).map_or(name, String::as_str);
        self.all.get(name)
    }

    /// Returns all options, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &OptionEntry> {
        self.all.values()
    }

    /// Returns the options of the result's format, and the name of it.
    pub fn of_outputs(&self) -> impl Iterator<Item = &OptionEntry> {
        let is = |entry: &&OptionEntry| entry.name == "target" || self.image.contains(&entry.name);
        self.all.values().filter(is)
    }

    /// Whether a later file's values come in the place of an earlier one's.
    pub fn is_replaced(option: &OptionEntry) -> bool {
        option.kind != OptionKind::Many || REPLACED.contains(&option.name.as_str())
    }
}
