//! Fields of what can be asked for, read from one schema: that of options (`NAME:KEY=VALUE:…`) and of recipes.

use super::error::Wrong;
use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Kind of the values of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Number,
    /// Yes or no.
    Flag,
    /// A list of texts.
    List,
}

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Kind of its values.
    pub kind: Kind,
}

/// Returns the fields of a type, in the order of their names.
pub fn fields<T: JsonSchema>() -> Vec<Field> {
    let schema = schema_for!(T);
    let properties = schema.get("properties").and_then(Value::as_object);
    let kind = |property: &Value| {
        let kinds = property.get("type");
        let is = |name: &str| match kinds {
            Some(Value::String(kind)) => kind == name,
            Some(Value::Array(all)) => all.iter().any(|kind| kind == name),
            _ => false,
        };
        if is("integer") {
            Kind::Number
        } else if is("boolean") {
            Kind::Flag
        } else if is("array") {
            Kind::List
        } else {
            Kind::Text
        }
    };
    properties
        .into_iter()
        .flatten()
        .map(|(name, property)| Field {
            name: name.clone(),
            kind: kind(property),
        })
        .collect()
}

/// Parses `NAME[:KEY=VALUE]...`, where `first` is the key of NAME. Values of lists are between commas, a flag may stand
/// without a value. A part without a key belongs to the value before it, as the parts of an IPv6 address do.
///
/// # Errors
/// What is wrong.
pub fn from_words<T: JsonSchema + DeserializeOwned>(first: &str, text: &str) -> Result<T, Wrong> {
    let known = fields::<T>();
    let mut pieces: Vec<(String, String)> = Vec::new();
    let mut parts = text.split(':');
    let name = parts.next().unwrap_or_default();
    pieces.push((first.to_owned(), name.to_owned()));
    for part in parts {
        let (key, value) = part
            .split_once('=')
            .map_or((part, None), |(key, value)| (key, Some(value)));
        let field = known.iter().find(|field| field.name == key);
        match (field, value, pieces.last_mut()) {
            (Some(field), None, _) if field.kind == Kind::Flag => {
                pieces.push((key.to_owned(), "true".to_owned()))
            }
            (Some(_), Some(value), _) => pieces.push((key.to_owned(), value.to_owned())),
            (_, None, Some((_, before))) if pieces_may_go_on(before) => {
                before.push(':');
                before.push_str(part);
            }
            _ => return Err(unknown(key, &known)),
        }
    }
    let mut map = Map::new();
    for (key, value) in pieces {
        let kind = known
            .iter()
            .find(|field| field.name == key)
            .map(|field| field.kind);
        let value = match kind {
            Some(Kind::Number) => match value.parse::<u64>() {
                Ok(number) => number.into(),
                Err(_) => return Err(Wrong::new(&key, format!("`{value}` is no number"))),
            },
            Some(Kind::Flag) => match value.as_str() {
                "true" | "yes" => true.into(),
                "false" | "no" => false.into(),
                _ => return Err(Wrong::new(&key, format!("`{value}` is not yes or no"))),
            },
            Some(Kind::List) => value.split(',').map(str::to_owned).collect::<Vec<_>>().into(),
            _ => value.into(),
        };
        if map.insert(key.clone(), value).is_some() {
            return Err(Wrong::new(&key, "is there twice"));
        }
    }
    serde_json::from_value(Value::Object(map)).map_err(|error| Wrong::new(first, error.to_string()))
}

/// Whether a value may have a colon: it is an address.
fn pieces_may_go_on(value: &str) -> bool {
    let last = value.rsplit(',').next().unwrap_or_default();
    last.bytes()
        .all(|byte| byte.is_ascii_hexdigit() || b":./".contains(&byte))
}

fn unknown(key: &str, known: &[Field]) -> Wrong {
    let names = || known.iter().map(|field| field.name.as_str());
    let near = deb_types::near::nearest(key, names(), 2);
    let all: Vec<&str> = names().collect();
    let near = match near.first() {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", all.join(", ")),
    };
    Wrong::new(key, format!("there is no such key; {near}"))
}
