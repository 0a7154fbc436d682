//! The files of a recipe: those that it includes come before it, and what is for an architecture or a suite after it.

use super::error::{Place, RecipeError, SourceFile, unknown_key};
use super::node::{Entry, Node, Table, Value, parse};
use super::options::{OptionKind, Options, TABLES};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Most bytes of a file.
const MOST_BYTES: u64 = 16 << 20;

/// A table of options and more, of a file.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) table: Table,
    /// The architecture or suite that it is for, and where that stands; none for all.
    pub(super) only: Option<(String, Place)>,
}

/// Reads a recipe. Returns its layers, the last of which counts most, and its directory.
pub(super) fn read(path: &Path, options: &Options) -> Result<(Vec<Layer>, PathBuf), RecipeError> {
    let mut layers = Vec::new();
    let mut reader = Reader {
        options,
        open: Vec::new(),
        layers: &mut layers,
    };
    let directory = reader.read(path, None)?;
    Ok((layers, directory))
}

struct Reader<'r> {
    options: &'r Options,
    /// Files that are being read, by their real paths.
    open: Vec<PathBuf>,
    layers: &'r mut Vec<Layer>,
}

impl Reader<'_> {
    fn read(&mut self, path: &Path, named: Option<&Place>) -> Result<PathBuf, RecipeError> {
        let failed = |source| match named {
            Some(place) => RecipeError::Include {
                place: place.clone(),
                path: path.to_owned(),
                source,
            },
            None => RecipeError::Read {
                path: path.to_owned(),
                source,
            },
        };
        let real = std::fs::canonicalize(path).map_err(failed)?;
        if let Some(place) = named
            && self.open.contains(&real)
        {
            let what = format!("{} includes itself in a circle", path.display());
            return Err(RecipeError::wrong(place, what));
        }
        let mut bytes = Vec::new();
        let limit = MOST_BYTES + 1;
        let open = File::open(&real).and_then(|file| file.take(limit).read_to_end(&mut bytes));
        open.map_err(failed)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(failed(std::io::Error::other("it is larger than 16 MiB")));
        }
        let text =
            String::from_utf8(bytes).map_err(|_| failed(std::io::Error::other("it is not text in UTF-8")))?;
        let directory = real.parent().unwrap_or(Path::new("/")).to_owned();
        let file = Rc::new(SourceFile {
            path: path.to_owned(),
            directory: directory.clone(),
            text,
        });
        let mut table = parse(&file)?;
        self.open.push(real);
        for (include, place) in take_recipes(&mut table)? {
            let shown = path.parent().unwrap_or(Path::new("")).join(&include);
            self.read(&shown, Some(&place))?;
        }
        self.open.pop();
        let only = take(&mut table, "for");
        self.check(&table, true)?;
        self.layers.push(Layer { table, only: None });
        if let Some(entry) = only {
            self.read_only(entry)?;
        }
        Ok(directory)
    }

    /// Takes in tables for an architecture or a suite.
    fn read_only(&mut self, entry: Entry) -> Result<(), RecipeError> {
        let Value::Table(all) = entry.node.value else {
            return Err(RecipeError::wrong(
                &entry.place,
                "`for` has tables: [for.arm64] has what counts for arm64 only",
            ));
        };
        for entry in all.0 {
            let Value::Table(table) = entry.node.value else {
                return Err(RecipeError::wrong(
                    &entry.place,
                    format!("`for.{}` is a table", entry.key.escape_debug()),
                ));
            };
            if let Some(wrong) = table.0.iter().find(|entry| {
                ["arch", "suite", "matrix", "for"].contains(&entry.key.as_str())
                    || self
                        .options
                        .get(&entry.key)
                        .is_some_and(|option| option.name == "arch")
            }) {
                let what = format!("`{}` cannot depend on an architecture or a suite", wrong.key);
                return Err(RecipeError::wrong(&wrong.place, what));
            }
            self.check(&table, false)?;
            self.layers.push(Layer {
                table,
                only: Some((entry.key, entry.place)),
            });
        }
        Ok(())
    }

    /// Checks the keys of a table, and the kinds of the values of options.
    fn check(&self, table: &Table, whole: bool) -> Result<(), RecipeError> {
        for entry in &table.0 {
            let is_table = TABLES.iter().any(|(name, _)| *name == entry.key);
            match self.options.get(&entry.key) {
                _ if is_table && self.options.get(&entry.key).is_none() => {}
                Some(_) if is_table => {}
                Some(option) => check_kind(entry, option.kind)?,
                None => {
                    let options = self.options.iter().map(|option| option.name.as_str());
                    let tables = TABLES.iter().map(|(name, _)| *name);
                    let known = options.chain(tables.filter(|name| whole || *name != "for"));
                    return Err(RecipeError::wrong(&entry.place, unknown_key(&entry.key, known)));
                }
            }
        }
        Ok(())
    }
}

/// Checks that a value is of the kind that an option has.
pub(super) fn check_kind(entry: &Entry, kind: OptionKind) -> Result<(), RecipeError> {
    let wrong = |node: &Node, wanted: &str| {
        let what = format!(
            "`{}` wants {wanted}, and this is {}",
            entry.key,
            node.value.kind()
        );
        Err(RecipeError::wrong(&node.place, what))
    };
    let node = &entry.node;
    match (kind, &node.value) {
        (OptionKind::Flag, Value::Flag(_)) => Ok(()),
        (OptionKind::Flag, _) => wrong(node, "true or false"),
        (OptionKind::Count, Value::Flag(_)) => Ok(()),
        (OptionKind::Count, Value::Written(text)) if text.parse::<u8>().is_ok() => Ok(()),
        (OptionKind::Count, _) => wrong(node, "true, false or how often"),
        (OptionKind::Many, Value::List(all)) => match all.iter().find(|node| node.value.scalar().is_none()) {
            Some(node) => wrong(node, "single values in its list"),
            None => Ok(()),
        },
        (OptionKind::One | OptionKind::Many, Value::Text(_) | Value::Written(_) | Value::Flag(_)) => Ok(()),
        (OptionKind::One, _) => wrong(node, "one value"),
        (OptionKind::Many, _) => wrong(node, "a value or a list of them"),
    }
}

/// Takes an entry out of a table.
fn take(table: &mut Table, key: &str) -> Option<Entry> {
    let at = table.0.iter().position(|entry| entry.key == key)?;
    Some(table.0.remove(at))
}

/// Takes the recipes out of `include`, which has packages beside them: those that end in `.toml`.
fn take_recipes(table: &mut Table) -> Result<Vec<(String, Place)>, RecipeError> {
    let Some(at) = table.0.iter().position(|entry| entry.key == "include") else {
        return Ok(Vec::new());
    };
    let is_recipe = |node: &Node| matches!(&node.value, Value::Text(text) if text.ends_with(".toml"));
    let mut recipes = Vec::new();
    let mut take = |node: &Node| {
        if let Value::Text(text) = &node.value
            && is_recipe(node)
        {
            recipes.push((text.clone(), node.place.clone()));
        }
    };
    let Some(entry) = table.0.get_mut(at) else {
        return Ok(recipes);
    };
    if is_recipe(&entry.node) {
        take(&entry.node);
        table.0.remove(at);
    } else if let Value::List(all) = &mut entry.node.value {
        all.iter().for_each(&mut take);
        all.retain(|node| !is_recipe(node));
    }
    Ok(recipes)
}
