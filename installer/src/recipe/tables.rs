//! Tables of a recipe that are no options: users, groups, networks and files, by the schema of each.

use super::error::{RecipeError, unknown_key};
use super::node::{Node, Table, Value};
use crate::customization::{Customization, Field, FileEntry, Group, Kind, Network, User, Wrong, fields};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

/// Adds what the tables of a kind say. Entries that are text are the option's.
pub(super) fn add(to: &mut Customization, kind: &str, node: &Node) -> Result<(), RecipeError> {
    let single;
    let all = match &node.value {
        Value::List(all) => all.as_slice(),
        _ => {
            single = [node.clone()];
            &single
        }
    };
    for node in all {
        let directory = node.place.directory();
        match &node.value {
            Value::Table(table) => match kind {
                "user" => to
                    .users
                    .push(read(node, table, |user: &mut User| user.complete(directory))?),
                "group" => to
                    .groups
                    .push(read(node, table, |group: &mut Group| group.check())?),
                "network" => to
                    .networks
                    .push(read(node, table, |network: &mut Network| network.check())?),
                _ => to.files.push(read(node, table, |file: &mut FileEntry| {
                    file.complete(directory)
                })?),
            },
            // The option's.
            Value::Text(_) if kind != "file" => {}
            other => {
                let what = format!("`{kind}` has tables, and this is {}", other.kind());
                return Err(RecipeError::wrong(&node.place, what));
            }
        }
    }
    Ok(())
}

/// Reads a table as a type, and checks it.
fn read<T: JsonSchema + DeserializeOwned>(
    node: &Node,
    table: &Table,
    complete: impl FnOnce(&mut T) -> Result<(), Wrong>,
) -> Result<T, RecipeError> {
    let known = fields::<T>();
    let mut map = Map::new();
    for entry in &table.0 {
        let Some(field) = known.iter().find(|field| field.name == entry.key) else {
            let names = known.iter().map(|field| field.name.as_str());
            return Err(RecipeError::wrong(&entry.place, unknown_key(&entry.key, names)));
        };
        map.insert(entry.key.clone(), json(field, &entry.node)?);
    }
    let mut value: T = serde_json::from_value(Json::Object(map))
        .map_err(|error| RecipeError::wrong(&node.place, error.to_string()))?;
    complete(&mut value).map_err(|wrong| {
        let at = table.get(&wrong.key).map_or(&node.place, |node| &node.place);
        RecipeError::wrong(at, wrong.to_string())
    })?;
    Ok(value)
}

/// Returns a value of a field.
fn json(field: &Field, node: &Node) -> Result<Json, RecipeError> {
    let wrong = |wanted: &str| {
        let what = format!(
            "`{}` wants {wanted}, and this is {}",
            field.name,
            node.value.kind()
        );
        Err(RecipeError::wrong(&node.place, what))
    };
    match (field.kind, &node.value) {
        (Kind::Flag, Value::Flag(flag)) => Ok((*flag).into()),
        (Kind::Flag, _) => wrong("true or false"),
        (Kind::Number, Value::Written(text)) => match text.parse::<u32>() {
            Ok(number) => Ok(number.into()),
            Err(_) => wrong("a number from 0 to 4294967295"),
        },
        (Kind::Number, _) => wrong("a number"),
        (Kind::List, Value::List(all)) => all
            .iter()
            .map(|node| match &node.value {
                Value::Text(text) => Ok(text.clone().into()),
                _ => wrong("texts in its list"),
            })
            .collect::<Result<Vec<Json>, _>>()
            .map(Into::into),
        (Kind::List, Value::Text(text)) => Ok(vec![text.clone()].into()),
        (Kind::List, _) => wrong("a list of texts"),
        (Kind::Text, Value::Text(text)) => Ok(text.clone().into()),
        // Octal numbers are modes as they are; 644 would be another number.
        (Kind::Text, Value::Written(text)) if field.name == "mode" && text.starts_with("0o") => {
            Ok(text.clone().into())
        }
        (Kind::Text, Value::Written(_)) if field.name == "mode" => {
            wrong("octal digits, as \"0644\" or 0o644")
        }
        (Kind::Text, Value::Flag(flag)) if field.name == "dhcp" => {
            Ok(if *flag { "yes" } else { "no" }.into())
        }
        (Kind::Text, _) => wrong("text"),
    }
}
