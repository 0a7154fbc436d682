//! The JSON schema of recipes, made of the table of options and of the types of the tables.

use super::options::{OptionEntry, OptionKind, Options, TABLES};
use crate::customization::{FileEntry, Group, Network, User};
use schemars::{JsonSchema, schema_for};
use serde_json::{Map, Value, json};

/// Returns the schema.
pub fn schema(options: &Options) -> Value {
    let mut properties = common(options);
    let only = properties.clone();
    let described = |name: &str| {
        TABLES
            .iter()
            .find(|(known, _)| *known == name)
            .map_or("", |(_, help)| help)
    };
    let values: Map<String, Value> = options
        .iter()
        .filter(|option| option.name != "target" && matches!(option.kind, OptionKind::One | OptionKind::Many))
        .map(|option| {
            (
                option.name.clone(),
                json!({"type": "array", "minItems": 1, "items": scalar(option)}),
            )
        })
        .collect();
    properties.insert(
        "matrix".to_owned(),
        json!({"description": described("matrix"), "type": "object", "additionalProperties": false, "properties": values}),
    );
    properties.insert(
        "for".to_owned(),
        json!({
            "description": described("for"),
            "type": "object",
            "additionalProperties": {"type": "object", "additionalProperties": false, "properties": only}
        }),
    );
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Recipe of rootless-install",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

/// Returns what every layer of a recipe can have.
fn common(options: &Options) -> Map<String, Value> {
    let mut properties: Map<String, Value> = options
        .iter()
        .map(|option| (option.name.clone(), property(option)))
        .collect();
    let described = |name: &str| {
        TABLES
            .iter()
            .find(|(known, _)| *known == name)
            .map_or("", |(_, help)| help)
    };
    for (name, table) in [
        ("file", table::<FileEntry>()),
        ("user", table::<User>()),
        ("group", table::<Group>()),
        ("network", table::<Network>()),
    ] {
        let items = match options.get(name) {
            Some(_) => json!({"anyOf": [{"type": "string"}, table]}),
            None => table,
        };
        properties.insert(
            name.to_owned(),
            json!({"description": described(name), "type": "array", "items": items}),
        );
    }
    let output: Map<String, Value> = options
        .of_outputs()
        .map(|option| (option.name.clone(), property(option)))
        .collect();
    properties.insert(
        "output".to_owned(),
        json!({
            "description": described("output"),
            "type": "array",
            "items": {"type": "object", "additionalProperties": false, "required": ["target"], "properties": output}
        }),
    );
    properties.insert(
        "env".to_owned(),
        json!({
            "description": described("env"),
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean"]}
        }),
    );
    properties
}

fn scalar(option: &OptionEntry) -> Value {
    match option.words.is_empty() {
        true => json!({"type": ["string", "number", "boolean"]}),
        false => json!({"enum": option.words}),
    }
}

fn property(option: &OptionEntry) -> Value {
    let help = &option.help;
    match option.kind {
        OptionKind::Flag => json!({"description": help, "type": "boolean"}),
        OptionKind::Count => json!({"description": help, "type": ["boolean", "integer"]}),
        OptionKind::One => {
            let mut property = scalar(option);
            property["description"] = json!(help);
            property
        }
        OptionKind::Many => {
            let item = scalar(option);
            json!({"description": help, "anyOf": [item, {"type": "array", "items": item}]})
        }
    }
}

/// Returns the schema of a table.
fn table<T: JsonSchema>() -> Value {
    let mut schema = schema_for!(T).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
        object.remove("title");
    }
    without_null(&mut schema);
    schema
}

/// TOML has no null: what may be missing is missing.
fn without_null(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Array(kinds)) = map.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [only] = kinds.as_slice() {
                    let only = only.clone();
                    map.insert("type".to_owned(), only);
                }
            }
            if map.get("default").is_some_and(Value::is_null) {
                map.remove("default");
            }
            map.values_mut().for_each(without_null);
        }
        Value::Array(all) => all.iter_mut().for_each(without_null),
        _ => {}
    }
}
