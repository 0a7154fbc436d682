//! Values of a recipe, each with its place.

use super::error::{Place, RecipeError, SourceFile};
use std::ops::Range;
use std::rc::Rc;
use toml_edit::{Document, Item, TableLike, Value as TomlValue};

/// Most levels of tables and lists. The parser has a limit of its own, which is higher.
const MOST_LEVELS: usize = 16;

/// A value.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What a value can be.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    /// A number or a date, as it is written.
    Written(String),
    Flag(bool),
    List(Vec<Node>),
    Table(Table),
}

/// A table, in the order in which it is written.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(pub(super) Vec<Entry>);

/// An entry of a table.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Place of the key.
    pub(super) place: Place,
    pub(super) node: Node,
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.0
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.node)
    }
}

impl Value {
    /// Returns the kind, in words.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Written(_) => "a number or a date",
            Self::Flag(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    /// Returns a single value as an option would have it.
    pub(super) fn scalar(&self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Written(text) => Some(text.clone()),
            Self::Flag(true) => Some("yes".to_owned()),
            Self::Flag(false) => Some("no".to_owned()),
            Self::List(_) | Self::Table(_) => None,
        }
    }
}

/// Parses a file.
///
/// # Errors
/// It is no TOML.
pub(super) fn parse(file: &Rc<SourceFile>) -> Result<Table, RecipeError> {
    let place = |offset| Place {
        file: Rc::clone(file),
        offset,
    };
    let document = Document::parse(file.text.as_str()).map_err(|error| RecipeError::Wrong {
        place: place(error.span().map_or(0, |span| span.start)),
        what: error.message().trim().replace('\n', "; "),
    })?;
    Reader { file }.table(document.as_table(), 0)
}

struct Reader<'f> {
    file: &'f Rc<SourceFile>,
}

impl Reader<'_> {
    fn place(&self, span: Option<Range<usize>>) -> Place {
        Place {
            file: Rc::clone(self.file),
            offset: span.map_or(0, |span| span.start),
        }
    }

    fn table(&self, table: &dyn TableLike, level: usize) -> Result<Table, RecipeError> {
        let mut entries = Vec::new();
        for (name, item) in table.iter() {
            let key = table.key(name).and_then(toml_edit::Key::span);
            let place = self.place(key.or(item.span()));
            if level > MOST_LEVELS {
                return Err(RecipeError::wrong(&place, "tables and lists are too deep here"));
            }
            if item.is_none() {
                continue;
            }
            entries.push(Entry {
                key: name.to_owned(),
                node: Node {
                    place: self.place(item.span().or(Some(place.offset..place.offset))),
                    value: self.item(item, level)?,
                },
                place,
            });
        }
        Ok(Table(entries))
    }

    fn item(&self, item: &Item, level: usize) -> Result<Value, RecipeError> {
        Ok(match item {
            Item::Value(value) => return self.value(value, level),
            Item::Table(table) => Value::Table(self.table(table, level + 1)?),
            Item::ArrayOfTables(tables) => Value::List(
                tables
                    .iter()
                    .map(|table| {
                        Ok(Node {
                            place: self.place(table.span()),
                            value: Value::Table(self.table(table, level + 1)?),
                        })
                    })
                    .collect::<Result<_, RecipeError>>()?,
            ),
            Item::None => Value::List(Vec::new()),
        })
    }

    fn value(&self, value: &TomlValue, level: usize) -> Result<Value, RecipeError> {
        let place = self.place(value.span());
        if level > MOST_LEVELS {
            return Err(RecipeError::wrong(&place, "tables and lists are too deep here"));
        }
        Ok(match value {
            TomlValue::String(text) => {
                if text.value().contains('\0') {
                    return Err(RecipeError::wrong(&place, "a text cannot have a zero byte"));
                }
                Value::Text(text.value().clone())
            }
            TomlValue::Integer(_) | TomlValue::Float(_) | TomlValue::Datetime(_) => {
                let written = value
                    .span()
                    .and_then(|span| self.file.text.get(span))
                    .unwrap_or_default();
                // Digits may be grouped.
                let is_number = matches!(value, TomlValue::Integer(_));
                Value::Written(if is_number {
                    written.replace('_', "")
                } else {
                    written.to_owned()
                })
            }
            TomlValue::Boolean(flag) => Value::Flag(*flag.value()),
            TomlValue::Array(all) => Value::List(
                all.iter()
                    .map(|value| {
                        Ok(Node {
                            place: self.place(value.span()),
                            value: self.value(value, level + 1)?,
                        })
                    })
                    .collect::<Result<_, RecipeError>>()?,
            ),
            TomlValue::InlineTable(table) => Value::Table(self.table(table, level + 1)?),
        })
    }
}
