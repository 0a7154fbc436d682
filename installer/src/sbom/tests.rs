use super::*;

fn sbom() -> Sbom {
    let component = |name: &str, depends: &[usize]| Component {
        name: name.to_owned(),
        version: "1:1.0+x-1".to_owned(),
        architecture: "riscv64".to_owned(),
        source: ("source".to_owned(), "1.0-1".to_owned()),
        maintainer: Some("A Team <team@example.org>".to_owned()),
        homepage: Some("https://example.org/".to_owned()),
        summary: None,
        license: Some(licenses::parse("GPL-2+ and own", name)),
        sha256: Some("ab".repeat(32)),
        url: Some("http://mirror.example.org/debian/pool/x.deb".to_owned()),
        depends: depends.iter().copied().collect(),
    };
    Sbom {
        name: "trixie-riscv64-minbase".to_owned(),
        system: BTreeMap::from([("ID".to_owned(), "debian".to_owned())]),
        created: 1_760_000_000,
        components: vec![component("libstdc++6", &[]), component("tool", &[0])],
    }
}

#[test]
fn forms_have_what_their_schemas_want() {
    let bill = sbom();
    let spdx: Value = serde_json::from_str(&bill.text(SbomFormat::Spdx)).unwrap();
    assert_eq!(spdx["spdxVersion"], "SPDX-2.3");
    assert_eq!(spdx["creationInfo"]["created"], "2025-10-09T08:53:20Z");
    let packages = spdx["packages"].as_array().unwrap();
    assert_eq!(packages.len(), 3);
    for package in packages {
        let id = package["SPDXID"]
            .as_str()
            .unwrap()
            .strip_prefix("SPDXRef-")
            .unwrap();
        assert!(
            id.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-'),
            "{id}"
        );
    }
    assert_eq!(
        packages[1]["externalRefs"][0]["referenceLocator"],
        "pkg:deb/debian/libstdc%2B%2B6@1:1.0%2Bx-1?arch=riscv64"
    );
    // Every name that SPDX does not have is explained.
    let own = spdx["hasExtractedLicensingInfos"].as_array().unwrap();
    assert_eq!(own.len(), 2);
    let known: Vec<&str> = own.iter().map(|own| own["licenseId"].as_str().unwrap()).collect();
    assert!(known.contains(&"LicenseRef-tool-own"), "{known:?}");
    let relations = spdx["relationships"].as_array().unwrap();
    let ids: Vec<&Value> = packages.iter().map(|package| &package["SPDXID"]).collect();
    assert!(
        relations
            .iter()
            .all(|one| ids.contains(&&one["relatedSpdxElement"]))
    );
    assert!(
        relations
            .iter()
            .any(|one| one["relationshipType"] == "DEPENDS_ON")
    );
    let cyclonedx: Value = serde_json::from_str(&bill.text(SbomFormat::CycloneDx)).unwrap();
    assert_eq!(cyclonedx["specVersion"], "1.6");
    let components = cyclonedx["components"].as_array().unwrap();
    assert_eq!(components[1]["hashes"][0]["content"], "ab".repeat(32));
    let references: Vec<&Value> = components.iter().map(|component| &component["bom-ref"]).collect();
    for dependency in cyclonedx["dependencies"].as_array().unwrap() {
        let others = dependency["dependsOn"].as_array().unwrap();
        assert!(others.iter().all(|other| references.contains(&other)));
    }
    assert_eq!(bill.text(SbomFormat::Spdx), sbom().text(SbomFormat::Spdx));
    let mut other = sbom();
    other.components.pop();
    assert_ne!(other.uuid(), bill.uuid());
}
