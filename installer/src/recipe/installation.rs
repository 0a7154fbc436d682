//! An installation that a recipe asks for.

use super::error::Place;
use super::words::Word;
use crate::customization::Customization;
use std::ffi::{OsStr, OsString};

/// An installation that a recipe asks for.
#[derive(Debug, Default)]
pub struct Installation {
    /// What tells it from others of the recipe: values of the matrix; empty where there is only one.
    pub name: String,
    /// Options, but for those of the results' formats.
    pub words: Vec<Word>,
    /// Each result: its target and the options of its format.
    pub outputs: Vec<Vec<Word>>,
    /// What its tables ask for.
    pub customization: Customization,
    /// Variables of the environment of hooks.
    pub variables: Vec<(String, String)>,
}

impl Installation {
    /// Whether a flag is given.
    pub fn has(&self, option: &str) -> bool {
        self.words.iter().any(|word| word.option == option)
    }

    /// Returns the words of the command line for one of the results.
    pub fn command_line(&self, output: &[Word]) -> Vec<OsString> {
        let mut all = vec![OsString::from("rootless-install")];
        let mut target = OsString::new();
        for word in self.words.iter().chain(output) {
            match &word.value {
                Some(value) if word.option == "target" => target.clone_from(value),
                Some(value) => {
                    let mut text = OsString::from(format!("--{}=", word.option));
                    text.push(value);
                    all.push(text);
                }
                None => all.push(format!("--{}", word.option).into()),
            }
        }
        all.extend(["--".into(), target]);
        all
    }

    /// Returns the place of an option, and of a value of it if there is one such.
    pub fn place(&self, option: &str, value: Option<&str>) -> Option<&Place> {
        let all = || {
            let outputs = self.outputs.iter().flatten();
            self.words
                .iter()
                .chain(outputs)
                .filter(|word| word.option == option)
        };
        let same = |word: &&Word| {
            let words = word.value.as_deref().and_then(OsStr::to_str);
            value.is_some_and(|value| words.is_some_and(|text| text.contains(value)))
        };
        all().find(same).or_else(|| all().next())?.place.as_ref()
    }
}
