//! From the layers of a recipe to installations: one for each combination of the matrix.

use super::error::{RecipeError, unknown_key};
use super::installation::Installation;
use super::layers::Layer;
use super::node::{Entry, Node, Value};
use super::options::{OptionEntry, OptionKind, Options};
use super::paths::RESULTS;
use super::words::{Word, expand, last, option_words, output_words, overlay, own_architecture, word};
use super::{Recipe, tables};
use crate::customization::Customization;
use deb_arch::ARCHITECTURES;
use std::ffi::OsString;

/// Most installations of one recipe.
const MOST: usize = 256;

impl Recipe {
    /// Returns the installations. `given` are words of the command line: they count as a last file would, and a target of
    /// theirs is the only result.
    ///
    /// # Errors
    /// [`RecipeError`].
    pub fn installations(&self, options: &Options, given: &[Word]) -> Result<Vec<Installation>, RecipeError> {
        let combinations = self.combinations(options, given)?;
        let several = combinations.len() > 1;
        let mut all = Vec::new();
        for combination in combinations {
            let mut made = self.installation(options, given, &combination)?;
            if several {
                let values = combination
                    .iter()
                    .filter_map(|word| word.value.as_ref()?.to_str());
                made.name = values.collect::<Vec<_>>().join(" ");
            }
            all.push(made);
        }
        self.check_only(&all)?;
        check_results(&all, self)?;
        Ok(all)
    }

    /// Returns the combinations of the matrix, each a value for each of its keys.
    fn combinations(&self, options: &Options, given: &[Word]) -> Result<Vec<Vec<Word>>, RecipeError> {
        let mut all: Vec<Vec<Word>> = vec![Vec::new()];
        let Some(matrix) = self
            .layers
            .iter()
            .rev()
            .find_map(|layer| layer.table.get("matrix"))
        else {
            return Ok(all);
        };
        let Value::Table(matrix) = &matrix.value else {
            return Err(RecipeError::wrong(&matrix.place, "`matrix` is a table of lists"));
        };
        for entry in &matrix.0 {
            let fits = |option: &&OptionEntry| {
                option.name != "target" && matches!(option.kind, OptionKind::One | OptionKind::Many)
            };
            let Some(option) = options.get(&entry.key).filter(fits) else {
                let names = options.iter().filter(fits).map(|option| option.name.as_str());
                return Err(RecipeError::wrong(&entry.place, unknown_key(&entry.key, names)));
            };
            // What the command line says, it says of all.
            if given.iter().any(|word| word.option == option.name) {
                continue;
            }
            let values = match &entry.node.value {
                Value::List(values) if !values.is_empty() => values,
                _ => {
                    let what = format!("`matrix.{}` is a list of values", entry.key);
                    return Err(RecipeError::wrong(&entry.node.place, what));
                }
            };
            let mut next = Vec::new();
            for combination in &all {
                for node in values {
                    let Some(value) = node.value.scalar() else {
                        return Err(RecipeError::wrong(&node.place, "this is no single value"));
                    };
                    let mut combination = combination.clone();
                    combination.push(word(option, Some(value), &node.place));
                    next.push(combination);
                }
            }
            if next.len() > MOST {
                let what = format!("the matrix has more than {MOST} combinations");
                return Err(RecipeError::wrong(&entry.place, what));
            }
            all = next;
        }
        Ok(all)
    }

    fn installation(
        &self,
        options: &Options,
        given: &[Word],
        combination: &[Word],
    ) -> Result<Installation, RecipeError> {
        let mut all = Merged::default();
        for layer in self.layers.iter().filter(|layer| layer.only.is_none()) {
            all.add(layer, options)?;
        }
        let mut settled = all.words.clone();
        settled.retain(|word| !combination.iter().any(|own| own.option == word.option));
        settled.extend(combination.iter().cloned());
        overlay(&mut settled, given.to_vec(), options);
        let arch = own_architecture(&settled);
        let suite = last(&settled, "suite").unwrap_or_else(|| "stable".to_owned());
        for layer in &self.layers {
            if layer
                .only
                .as_ref()
                .is_some_and(|(name, _)| *name == arch || *name == suite)
            {
                all.add(layer, options)?;
            }
        }
        let mut words = all.words;
        words.retain(|word| !combination.iter().any(|own| own.option == word.option));
        words.extend(combination.iter().cloned());
        let target_given = given.iter().any(|word| word.option == "target");
        overlay(&mut words, given.to_vec(), options);
        let variant = last(&words, "variant").unwrap_or_else(|| "minbase".to_owned());
        let mut placeholders = vec![
            ("arch".to_owned(), arch),
            ("suite".to_owned(), suite),
            ("variant".to_owned(), variant),
        ];
        for word in combination {
            if let Some(value) = word.value.as_ref().and_then(|value| value.to_str())
                && word.option != "arch"
            {
                placeholders.push((word.option.clone(), value.to_owned()));
            }
        }
        let of_output = |word: &Word| options.of_outputs().any(|option| option.name == word.option);
        let (of_all, mut words): (Vec<Word>, Vec<Word>) = words.into_iter().partition(of_output);
        let mut outputs = Vec::new();
        for node in all.outputs.iter().filter(|_| !target_given) {
            let mut output: Vec<Word> = of_all
                .iter()
                .filter(|word| word.option != "target")
                .cloned()
                .collect();
            overlay(&mut output, output_words(node, options)?, options);
            outputs.push(output);
        }
        if outputs.is_empty() || of_all.iter().any(|word| word.option == "target") && !target_given {
            outputs.insert(0, of_all);
        }
        for output in &outputs {
            if !output.iter().any(|word| word.option == "target") {
                return Err(RecipeError::Whole {
                    path: self.path.clone(),
                    what: "it says nowhere what to make: give `target`, or [[output]] with one".to_owned(),
                });
            }
        }
        for word in words.iter_mut().chain(outputs.iter_mut().flatten()) {
            expand(word, &placeholders, &self.path)?;
        }
        Ok(Installation {
            name: String::new(),
            words,
            outputs,
            customization: all.customization,
            variables: all.variables,
        })
    }

    /// Checks that what is for an architecture or a suite is not for a misspelt one. Suites that no installation has are those of
    /// others that include the file.
    fn check_only(&self, all: &[Installation]) -> Result<(), RecipeError> {
        for (name, place) in self.layers.iter().filter_map(|layer| layer.only.as_ref()) {
            let suites: Vec<String> = all.iter().filter_map(|made| last(&made.words, "suite")).collect();
            let known = ARCHITECTURES.iter().map(|arch| arch.name);
            let known: Vec<&str> = known.chain(suites.iter().map(String::as_str)).collect();
            let near = deb_types::near::nearest(name, known.iter().copied(), 1);
            if let Some(near) = near.first().filter(|_| !known.contains(&name.as_str())) {
                let what = format!("`{name}` is no architecture, and no suite here; did you mean `{near}`?");
                return Err(RecipeError::wrong(place, what));
            }
        }
        Ok(())
    }
}

/// Layers over one another.
#[derive(Default)]
struct Merged {
    words: Vec<Word>,
    outputs: Vec<Node>,
    customization: Customization,
    variables: Vec<(String, String)>,
}

impl Merged {
    fn add(&mut self, layer: &Layer, options: &Options) -> Result<(), RecipeError> {
        let mut words = Vec::new();
        for Entry { key, node, place } in &layer.table.0 {
            match key.as_str() {
                "matrix" | "for" => continue,
                "output" => match &node.value {
                    Value::List(all) => self.outputs.extend(all.iter().cloned()),
                    _ => self.outputs.push(node.clone()),
                },
                "env" => self.add_variables(node)?,
                "file" | "user" | "group" | "network" => tables::add(&mut self.customization, key, node)?,
                _ => {}
            }
            if let Some(option) = options.get(key) {
                words.extend(option_words(option, node, place));
            }
        }
        overlay(&mut self.words, words, options);
        Ok(())
    }

    fn add_variables(&mut self, node: &Node) -> Result<(), RecipeError> {
        let Value::Table(table) = &node.value else {
            return Err(RecipeError::wrong(&node.place, "`env` is a table of variables"));
        };
        for entry in &table.0 {
            let name = &entry.key;
            if name.is_empty()
                || !name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            {
                let what = format!("`{}` is no name of a variable", name.escape_debug());
                return Err(RecipeError::wrong(&entry.place, what));
            }
            let Some(value) = entry.node.value.scalar() else {
                return Err(RecipeError::wrong(&entry.node.place, "a variable has one value"));
            };
            self.variables.retain(|(known, _)| known != name);
            self.variables.push((name.clone(), value));
        }
        Ok(())
    }
}

/// Checks that no two results have one name.
fn check_results(all: &[Installation], recipe: &Recipe) -> Result<(), RecipeError> {
    let mut seen: Vec<&OsString> = Vec::new();
    for made in all {
        let named = |word: &&Word| {
            RESULTS.contains(&word.option.as_str()) && word.option != "locked" && word.option != "log"
        };
        let written = made.words.iter().filter(named);
        let outputs = made.outputs.iter().flatten().filter(named);
        for word in written.chain(outputs) {
            let Some(value) = &word.value else { continue };
            let is_stream = value == "-" || value.to_string_lossy().starts_with("/dev/");
            if seen.contains(&value) && !is_stream {
                let what = format!(
                    "two results would be {}; put {{arch}} or another key of the matrix into the name",
                    value.display()
                );
                return Err(match &word.place {
                    Some(place) => RecipeError::wrong(place, what),
                    None => RecipeError::Whole {
                        path: recipe.path.clone(),
                        what,
                    },
                });
            }
            seen.push(value);
        }
    }
    Ok(())
}
