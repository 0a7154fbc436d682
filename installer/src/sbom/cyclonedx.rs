//! CycloneDX 1.6 as JSON.

use super::{Component, Sbom, moment};
use serde_json::{Map, Value, json};

pub(super) fn document(sbom: &Sbom) -> Value {
    let root = "system";
    let all: Vec<String> = (0..sbom.components.len())
        .map(|number| id(sbom, number))
        .collect();
    let mut dependencies = vec![json!({ "ref": root, "dependsOn": all })];
    for (number, component) in sbom.components.iter().enumerate() {
        let others: Vec<String> = component.depends.iter().map(|other| id(sbom, *other)).collect();
        dependencies.push(json!({ "ref": id(sbom, number), "dependsOn": others }));
    }
    let components = sbom.components.iter().enumerate();
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", sbom.uuid()),
        "version": 1,
        "metadata": {
            "timestamp": moment(sbom.created),
            "tools": { "components": [{
                "type": "application",
                "name": "rootless-install",
                "version": env!("CARGO_PKG_VERSION"),
            }] },
            "component": {
                "type": "operating-system",
                "bom-ref": root,
                "name": sbom.name,
                "version": sbom.system.get("VERSION_ID").map_or("", String::as_str),
                "description": sbom.system.get("PRETTY_NAME").map_or("", String::as_str),
            },
        },
        "components": components.map(|(number, component)| item(sbom, component, number)).collect::<Vec<_>>(),
        "dependencies": dependencies,
    })
}

/// Returns the reference of a component: its package URL, which two never have.
fn id(sbom: &Sbom, number: usize) -> String {
    let component = sbom.components.get(number);
    component.map_or_else(String::new, |component| component.purl_of(sbom.vendor()))
}

fn item(sbom: &Sbom, component: &Component, number: usize) -> Value {
    let mut object: Map<String, Value> = Map::new();
    let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
    put("type", "library".into());
    put("bom-ref", id(sbom, number).into());
    put("name", component.name.as_str().into());
    put("version", component.version.as_str().into());
    put("purl", component.purl_of(sbom.vendor()).into());
    if let Some(maintainer) = &component.maintainer {
        put("supplier", json!({ "name": maintainer }));
    }
    if let Some(summary) = &component.summary {
        put("description", summary.as_str().into());
    }
    if let Some(license) = &component.license {
        put("licenses", json!([{ "expression": license.expression }]));
    }
    if let Some(sha256) = &component.sha256 {
        put("hashes", json!([{ "alg": "SHA-256", "content": sha256 }]));
    }
    let mut references = Vec::new();
    if let Some(url) = &component.url {
        references.push(json!({ "type": "distribution", "url": url }));
    }
    if let Some(homepage) = &component.homepage {
        references.push(json!({ "type": "website", "url": homepage }));
    }
    if !references.is_empty() {
        put("externalReferences", references.into());
    }
    let (source, version) = &component.source;
    put(
        "properties",
        json!([
            { "name": "debian:architecture", "value": component.architecture },
            { "name": "debian:source", "value": source },
            { "name": "debian:source-version", "value": version },
        ]),
    );
    object.into()
}
