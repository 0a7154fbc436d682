//! SPDX 2.3 as JSON.

use super::{Component, Sbom, moment};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const NOTHING: &str = "NOASSERTION";

pub(super) fn document(sbom: &Sbom) -> Value {
    let root = "SPDXRef-system";
    let mut packages = vec![json!({
        "SPDXID": root,
        "name": sbom.name,
        "versionInfo": sbom.system.get("VERSION_ID").map_or("", String::as_str),
        "downloadLocation": NOTHING,
        "filesAnalyzed": false,
        "licenseConcluded": NOTHING,
        "licenseDeclared": NOTHING,
        "copyrightText": NOTHING,
        "primaryPackagePurpose": "OPERATING-SYSTEM",
        "summary": sbom.system.get("PRETTY_NAME").map_or("", String::as_str),
    })];
    let mut relationships = vec![relationship("SPDXRef-DOCUMENT", "DESCRIBES", root)];
    for (number, component) in sbom.components.iter().enumerate() {
        let id = id(sbom, number);
        relationships.push(relationship(root, "CONTAINS", &id));
        for other in &component.depends {
            relationships.push(relationship(&id, "DEPENDS_ON", &self::id(sbom, *other)));
        }
        packages.push(package(sbom, component, &id));
    }
    let uuid = sbom.uuid();
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": sbom.name,
        "documentNamespace": format!("https://spdx.org/spdxdocs/rootless-install-{uuid}"),
        "creationInfo": {
            "created": moment(sbom.created),
            "creators": [format!("Tool: rootless-install-{}", env!("CARGO_PKG_VERSION"))],
        },
        "packages": packages,
        "relationships": relationships,
        "hasExtractedLicensingInfos": licenses(sbom),
    })
}

fn relationship(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
}

/// Returns the identifier of a component: letters, digits, `.` and `-` only.
fn id(sbom: &Sbom, number: usize) -> String {
    let Some(component) = sbom.components.get(number) else {
        return format!("SPDXRef-{number}");
    };
    let words = format!("{}-{}-{}", component.name, component.architecture, number);
    let plain = words.chars().map(|one| {
        if one.is_ascii_alphanumeric() || one == '.' {
            one
        } else {
            '-'
        }
    });
    format!("SPDXRef-{}", plain.collect::<String>())
}

fn package(sbom: &Sbom, component: &Component, id: &str) -> Value {
    let declared = component
        .license
        .as_ref()
        .map_or(NOTHING, |license| license.expression.as_str());
    let mut object: Map<String, Value> = Map::new();
    let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
    put("SPDXID", id.into());
    put("name", component.name.as_str().into());
    put("versionInfo", component.version.as_str().into());
    put(
        "downloadLocation",
        component.url.as_deref().unwrap_or(NOTHING).into(),
    );
    put("filesAnalyzed", false.into());
    put("licenseConcluded", NOTHING.into());
    put("licenseDeclared", declared.into());
    put("copyrightText", NOTHING.into());
    let (source, version) = &component.source;
    put(
        "sourceInfo",
        format!("built from the source package {source} {version}").into(),
    );
    if let Some(maintainer) = &component.maintainer {
        let kind = match maintainer.contains("lists.")
            || maintainer.contains("Team")
            || maintainer.contains("Maintainers")
        {
            true => "Organization",
            false => "Person",
        };
        put(
            "supplier",
            format!("{kind}: {}", maintainer.replace(" <", " (").replace('>', ")")).into(),
        );
    }
    if let Some(homepage) = &component.homepage {
        put("homepage", homepage.as_str().into());
    }
    if let Some(summary) = &component.summary {
        put("summary", summary.as_str().into());
    }
    if let Some(sha256) = &component.sha256 {
        put(
            "checksums",
            json!([{ "algorithm": "SHA256", "checksumValue": sha256 }]),
        );
    }
    put(
        "externalRefs",
        json!([{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": component.purl_of(sbom.vendor()),
        }]),
    );
    object.into()
}

/// Returns the licences that SPDX has no name for.
fn licenses(sbom: &Sbom) -> Vec<Value> {
    let mut all: BTreeMap<&str, (&str, Option<&str>)> = BTreeMap::new();
    for license in sbom
        .components
        .iter()
        .filter_map(|component| component.license.as_ref())
    {
        for (id, name) in &license.own {
            let text = license.texts.get(id).map(String::as_str);
            let known = all.entry(id).or_insert((name, text));
            known.1 = known.1.or(text);
        }
    }
    all.into_iter()
        .map(|(id, (name, text))| {
            json!({
                "licenseId": id,
                "name": name,
                "extractedText": text.unwrap_or("The text is in the copyright file of the package."),
            })
        })
        .collect()
}
