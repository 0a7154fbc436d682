//! What is attached to container images: bills of materials and provenance, in layouts and in registries.

use std::path::Path;

use rootless_install_tests::faulty_registry::{Fault, FaultyRegistry, Misdeed, Referrers};
use rootless_install_tests::filled;
use rootless_install_tests::packing::{pack, run, text, told};
use rootless_install_tests::program::{Outcome, Workplace};
use rootless_install_tests::registry::Registry;
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::Synthetic;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

type Tested<T = ()> = Result<T, Box<dyn std::error::Error>>;

const TYPES: [&str; 3] = [
    "application/spdx+json",
    "application/vnd.cyclonedx+json",
    "application/vnd.in-toto+json",
];

fn json(text: &[u8]) -> Tested<Value> {
    Ok(serde_json::from_slice(text)?)
}

/// Returns the text of a blob of a layout, whose digest and size are those of its descriptor.
fn blob(layout: &Path, descriptor: &Value) -> Tested<Vec<u8>> {
    let digest = descriptor["digest"].as_str().ok_or("no digest")?;
    let text = std::fs::read(layout.join("blobs").join(digest.replace(':', "/")))?;
    let hash = Sha256::digest(&text);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        (digest, &descriptor["size"]),
        (format!("sha256:{hex}").as_str(), &text.len().into())
    );
    Ok(text)
}

/// Returns the descriptors of a layout's `index.json`.
fn index(layout: &Path) -> Tested<Vec<Value>> {
    let index = json(&std::fs::read(layout.join("index.json"))?)?;
    Ok(index["manifests"].as_array().cloned().unwrap_or_default())
}

/// Checks the manifest of an artifact by the specification, and returns its file.
fn artifact(layout: &Path, descriptor: &Value, subject: &Value) -> Tested<Vec<u8>> {
    let manifest = json(&blob(layout, descriptor)?)?;
    assert_eq!(manifest["schemaVersion"], 2);
    for one in [descriptor, &manifest] {
        assert_eq!(one["mediaType"], "application/vnd.oci.image.manifest.v1+json");
        assert_eq!(one["artifactType"], manifest["layers"][0]["mediaType"]);
    }
    assert_eq!(descriptor["annotations"], manifest["annotations"]);
    assert!(manifest["annotations"]["org.opencontainers.image.created"].is_string());
    let config = &manifest["config"];
    assert_eq!(config["mediaType"], "application/vnd.oci.empty.v1+json");
    assert_eq!(blob(layout, config)?, b"{}");
    for field in ["mediaType", "digest", "size"] {
        assert_eq!(manifest["subject"][field], subject[field]);
    }
    assert!(manifest["layers"][0]["annotations"]["org.opencontainers.image.title"].is_string());
    blob(layout, &manifest["layers"][0])
}

/// Makes a target or an image of a small archive.
fn make(archive: &Synthetic, words: &[&str], target: &str) -> Tested<Outcome> {
    let given: Vec<String> = archive
        .options()
        .iter()
        .skip(2)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let own = ["--variant", "essential"];
    let all = given
        .iter()
        .map(String::as_str)
        .chain(own)
        .chain(words.iter().copied())
        .chain([target]);
    Ok(archive
        .work
        .run(all)
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .end()?)
}

fn push(work: &Workplace, words: &[&str]) -> Tested<Outcome> {
    let all = ["push"].into_iter().chain(words.iter().copied());
    Ok(work.run_plain(all).env("SOURCE_DATE_EPOCH", "1700000000").end()?)
}

/// Tag of the list of what is attached to a digest, where a registry keeps none.
fn tag(digest: &Value) -> String {
    digest.as_str().unwrap_or_default().replace(':', "-")
}

scenario!(
    /// What --sbom and --provenance write is attached to OCI images, and comes back out of a registry without lists of its own.
    bills_and_provenance, CONFIGURE_REGISTRY, {
    let archive = Synthetic::with(&[])?;
    let work = &archive.work;
    let path = |name: &str| work.out(name).display().to_string();
    let foreign = archive.foreign().debian;
    let (spdx, cdx, made_of) = (path("a.spdx"), path("a.cdx"), path("a.intoto"));
    let files = [format!("spdx={spdx}"), format!("cyclonedx={cdx}")];
    let words = ["--arch", foreign, "--oci-cmd", "true", "--sbom", &files[0], "--sbom", &files[1], "--provenance", &made_of];
    make(&archive, &words, &format!("oci:{}", path("a")))?.succeeded();
    make(&archive, &["--arch", foreign, "--oci-cmd", "true"], &format!("oci:{}", path("plain")))?.succeeded();
    let layout = work.out("a");
    let found = index(&layout)?;
    let [image, attached @ ..] = &found[..] else { return Err("no image".into()) };
    assert_eq!(image["annotations"]["org.opencontainers.image.ref.name"], "latest");
    assert_eq!(image["digest"], index(&work.out("plain"))?[0]["digest"], "the image is another one");
    assert_eq!(attached.iter().map(|one| &one["artifactType"]).collect::<Vec<_>>(), TYPES);
    for (one, file) in attached.iter().zip([&spdx, &cdx]) {
        assert!(artifact(&layout, one, image)? == std::fs::read(file)?, "{file}");
    }
    let statement = json(&artifact(&layout, &attached[2], image)?)?;
    let hex = image["digest"].as_str().unwrap_or_default().trim_start_matches("sha256:");
    assert_eq!((&statement["subject"][0]["digest"]["sha256"], &statement["subject"][0]["name"]), (&hex.into(), &"latest".into()));
    assert_eq!(attached[2]["annotations"]["in-toto.io/predicate-type"], "https://slsa.dev/provenance/v1");
    let written = json(&std::fs::read(&made_of)?)?;
    assert_eq!(statement["predicate"], written["predicate"]);
    assert!(statement["predicate"]["buildDefinition"]["resolvedDependencies"].as_array().is_some_and(|all| all.len() > 3));
    // The same by the option, without files; the same bytes again, and in an archive.
    let attach = |what: &[&str], to: &str| -> Tested {
        let mut words = vec!["--arch", foreign, "--oci-cmd", "true"];
        words.extend(what.iter().flat_map(|one| ["--oci-attach", one]));
        make(&archive, &words, to)?.succeeded();
        Ok(())
    };
    attach(&["spdx", "cyclonedx", "provenance"], &format!("oci-archive:{}", path("b.oci")))?;
    let untarred = work.make_dir("untarred")?;
    told("tar", &[&"-xf", &work.out("b.oci"), &"-C", &untarred])?;
    assert_eq!(text("diff", &[&"-r", &untarred, &layout])?, "");
    attach(&["spdx", "none"], &format!("oci:{}", path("none")))?;
    assert_eq!(text("diff", &[&"-r", &work.out("none"), &work.out("plain")])?, "");
    // Readers that know nothing of it read the image by its tag; this program without.
    told("skopeo", &[&"--insecure-policy", &"--override-arch", &"any", &"inspect", &"--raw", &format!("oci:{}:latest", path("a"))])?;
    for name in ["a", "plain"] {
        let back = work.out(&format!("back-{name}"));
        run(work, &[&"unpack", &format!("oci:{}", path(name)), &back])?.succeeded();
        pack(work, &back, &format!("{name}.tar"), &[])?;
    }
    assert!(std::fs::read(work.out("a.tar"))? == std::fs::read(work.out("plain.tar"))?);
    // Into a registry that keeps no such lists, by a tag; again, and nothing is sent.
    let registry = Registry::start(work, "registry", false, None)?;
    let to = format!("{}/team/a:1", registry.address);
    let raw = |tag: &str| -> Tested<Value> {
        let image = format!("docker://{}/team/a:{tag}", registry.address);
        json(&told("skopeo", &[&"inspect", &"--raw", &"--tls-verify=false", &image])?)
    };
    let fallback = tag(&image["digest"]);
    for sent in [true, false] {
        let done = push(work, &["--json", &path("a"), &to])?;
        done.succeeded();
        let said = json(&done.stdout)?;
        assert_eq!(said["digest"], image["digest"]);
        let referrers = said["referrers"].as_array().cloned().unwrap_or_default();
        assert_eq!(referrers.iter().map(|one| &one["artifactType"]).collect::<Vec<_>>(), TYPES);
        assert!(referrers.iter().all(|one| one["subject"] == image["digest"]));
        let blobs = said["blobs"].as_array().cloned().unwrap_or_default();
        assert!(!blobs.is_empty() && blobs.iter().all(|blob| blob["sent"] == sent), "{said}");
        let list = raw(&fallback)?;
        assert_eq!(list["mediaType"], "application/vnd.oci.image.index.v1+json");
        assert_eq!(list["manifests"].as_array().map(Vec::as_slice), Some(attached));
    }
    // Each comes back as it was.
    for one in attached {
        let to = work.out(&format!("back-{}", tag(&one["digest"])));
        let from = format!("docker://{}/team/a@{}", registry.address, one["digest"].as_str().unwrap_or_default());
        told("skopeo", &[&"--insecure-policy", &"copy", &"-q", &"--src-tls-verify=false", &from, &format!("dir:{}", to.display())])?;
        let manifest = json(&std::fs::read(to.join("manifest.json"))?)?;
        let layer = manifest["layers"][0]["digest"].as_str().unwrap_or_default().trim_start_matches("sha256:").to_owned();
        assert!(std::fs::read(to.join(layer))? == artifact(&layout, one, image)?);
    }
    // What others have attached stays in the list. A target has no hashes of packages, so its bill is another one.
    make(&archive, &["--arch", foreign], &path("t"))?.succeeded();
    let done = push(work, &["--oci-cmd", "true", "--oci-attach", "spdx", &path("t"), &to])?;
    done.succeeded();
    let list = raw(&fallback)?["manifests"].as_array().cloned().unwrap_or_default();
    assert_eq!((list.len(), &list[..3]), (4, attached));
    // Where it makes no sense.
    for (words, target, said) in [
        (&["--oci-attach", "spdx"][..], format!("docker-archive:{}", path("x")), "nothing can be attached"),
        (&["--oci-attach", "spdx"], path("x.tar"), "--oci-"),
        (&["--oci-attach", "spdx2"], format!("oci:{}", path("x")), "possible values: spdx, cyclonedx, provenance, none"),
        (&["--sbom", "spdx"], format!("oci:{}", path("x")), "--oci-attach"),
        (&["--multi", "--sbom", &files[0]], format!("oci:{}", path("x")), "--oci-attach spdx"),
    ] {
        let done = make(&archive, &[&["--arch", foreign], words].concat(), &target)?;
        assert!(!done.status.success() && done.stderr.contains(said), "{words:?}: {}", done.stderr);
        assert!(!work.out("x").exists());
    }
    run(work, &[&"pack", &"--oci-attach", &"provenance", &work.out("t"), &format!("oci:{}", path("x"))])?
        .failed_with(&["known to the installation only"]);
    let empty = filled::target(work, "f")?;
    run(work, &[&"pack", &"--oci-attach", &"spdx", &empty, &format!("oci:{}", path("x"))])?.failed_with(&["package"]);
    assert_eq!(work.names("tmp")?, [""; 0], "temporary files are left");
});

scenario!(
    /// Each architecture of an image has its own, and the index has where it comes from.
    of_several_architectures, CONFIGURE_REGISTRY, {
    let archive = Synthetic::with(&[])?;
    let work = &archive.work;
    let path = |name: &str| work.out(name).display().to_string();
    let both = [archive.foreign().debian, archive.native().debian];
    let attach = ["--oci-attach", "cyclonedx", "--oci-attach", "provenance"];
    let list = both.join(",");
    let multi = [&["--arch", &list, "--multi"][..], &attach].concat();
    make(&archive, &multi, &format!("oci:{}:all", path("both")))?.succeeded();
    make(&archive, &multi, &format!("oci-archive:{}:all", path("both.oci")))?.succeeded();
    let untarred = work.make_dir("untarred")?;
    told("tar", &[&"-xf", &work.out("both.oci"), &"-C", &untarred])?;
    assert_eq!(text("diff", &[&"-r", &untarred, &work.out("both")])?, "");
    let layout = work.out("both");
    let found = index(&layout)?;
    let [top, attached @ ..] = &found[..] else { return Err("no image".into()) };
    assert_eq!((&top["annotations"]["org.opencontainers.image.ref.name"], attached.len()), (&"all".into(), 5));
    let images = json(&blob(&layout, top)?)?["manifests"].as_array().cloned().unwrap_or_default();
    let mut alone = Vec::new();
    for (number, architecture) in both.into_iter().enumerate() {
        make(&archive, &[&["--arch", architecture][..], &attach].concat(), &format!("oci:{}:all", path(architecture)))?.succeeded();
        let own = index(&work.out(architecture))?;
        assert_eq!(own[0]["digest"], images[number]["digest"]);
        alone.extend(own.into_iter().skip(1));
        for one in &attached[number * 2..number * 2 + 2] {
            artifact(&layout, one, &images[number])?;
        }
    }
    assert_eq!(&attached[..4], &alone[..], "alone they are others");
    let statement = json(&artifact(&layout, &attached[4], top)?)?;
    let made_of = &statement["predicate"]["buildDefinition"]["resolvedDependencies"];
    for (number, image) in images.iter().enumerate() {
        let hex = image["digest"].as_str().unwrap_or_default().trim_start_matches("sha256:");
        assert_eq!(made_of[number]["digest"]["sha256"], hex);
        assert_eq!(made_of[number]["name"].as_str().map(|name| name.starts_with("linux/")), Some(true));
    }
    let registry = Registry::start(work, "registry", false, None)?;
    push(work, &[&format!("oci-archive:{}", path("both.oci")), &format!("{}/all:1", registry.address)])?.succeeded();
    for (subject, number) in [(top, 1), (&images[0], 2), (&images[1], 2)] {
        let image = format!("docker://{}/all:{}", registry.address, tag(&subject["digest"]));
        let list = json(&told("skopeo", &[&"inspect", &"--raw", &"--tls-verify=false", &image])?)?;
        assert_eq!(list["manifests"].as_array().map(Vec::len), Some(number), "{image}");
    }
    assert_eq!(work.names("tmp")?, [""; 0], "temporary files are left");
});

scenario!(
    /// Registries with lists of their own, without, and with such that are not right: all is listed before the tag is there.
    registries_and_their_lists, CONFIGURE_REGISTRY, {
    let archive = Synthetic::with(&[])?;
    let work = &archive.work;
    let source = format!("oci:{}", work.out("a").display());
    make(&archive, &["--oci-attach", "spdx", "--oci-attach", "provenance"], &source)?.succeeded();
    let found = index(&work.out("a"))?;
    let digest = found[0]["digest"].clone();
    let fallback = tag(&digest);
    let to = |registry: &FaultyRegistry| format!("{}/x:1", registry.address);
    let fault = |method, path, times, does| Fault { method, path, times, does };
    let of_tags = |registry: &FaultyRegistry| registry.requests("PUT", "/manifests/sha256-");
    // With lists no tag is made; without, and with pages for people, one is.
    for (referrers, tags) in [(Referrers::Kept, 0), (Referrers::Paged, 0), (Referrers::Unknown, 1), (Referrers::Page, 1)] {
        let registry = FaultyRegistry::with(referrers, &[])?;
        push(work, &[&source, &to(&registry)])?.succeeded();
        assert_eq!((registry.broken_rules(), of_tags(&registry)), (Vec::new(), tags), "{referrers:?}");
        assert!(registry.manifest("1").is_some());
        let list = registry.manifest(&fallback).map(|text| json(&text)).transpose()?;
        assert_eq!(list.is_some(), tags == 1);
        if let Some(list) = list {
            assert_eq!(list["manifests"].as_array().map(Vec::as_slice), Some(&found[1..]));
        }
        push(work, &[&source, &to(&registry)])?.succeeded();
        assert_eq!(of_tags(&registry), tags, "{referrers:?}: written again");
    }
    // It says that it has the list, and that lacks what it has taken.
    let registry = FaultyRegistry::with(Referrers::Empty, &[])?;
    push(work, &[&source, &to(&registry)])?.failed_with(&[&registry.address, "list of referrers lacks it"]);
    assert_eq!(registry.manifest("1"), None, "the tag is there");
    // Something else has the tag that is for the list.
    let registry = FaultyRegistry::start(&[])?;
    let other = b"{\"schemaVersion\":2,\"config\":{},\"layers\":[]}";
    registry.put(&fallback, "application/vnd.oci.image.manifest.v1+json", other);
    push(work, &[&source, &to(&registry)])?.failed_with(&[&registry.address, &fallback]);
    assert_eq!((registry.manifest("1"), registry.manifest(&fallback)), (None, Some(other.to_vec())));
    // For a while, for ever, and for those who may not read.
    let busy = Misdeed::Status(503, "busy");
    let registry = FaultyRegistry::with(Referrers::Kept, &[fault("GET", "/referrers/", 3, busy), fault("PUT", "/manifests/", 2, busy)])?;
    push(work, &[&source, &to(&registry)])?.succeeded();
    let registry = FaultyRegistry::start(&[fault("PUT", "/manifests/sha256-", usize::MAX, Misdeed::Status(400, "bad"))])?;
    push(work, &[&source, &to(&registry)])?.failed_with(&["refuses", &fallback, "bad"]);
    assert_eq!(registry.manifest("1"), None);
    registry.set(&[]);
    push(work, &[&source, &to(&registry)])?.succeeded();
    assert!(registry.manifest("1").is_some() && registry.manifest(&fallback).is_some());
    let registry = FaultyRegistry::with(Referrers::Kept, &[fault("GET", "/referrers/", usize::MAX, Misdeed::Status(403, "no"))])?;
    let done = push(work, &[&source, &to(&registry)])?;
    done.succeeded();
    assert!(done.stderr.contains("not checked"), "{}", done.stderr);
    // What is attached is damaged: nothing names it.
    let file = work.out("a/blobs").join(found[1]["digest"].as_str().unwrap_or_default().replace(':', "/"));
    let manifest = json(&std::fs::read(&file)?)?;
    let bill = work.out("a/blobs").join(manifest["layers"][0]["digest"].as_str().unwrap_or_default().replace(':', "/"));
    let sound = std::fs::read(&bill)?;
    let mut changed = sound.clone();
    changed[10] ^= 1;
    std::fs::write(&bill, &changed)?;
    let registry = FaultyRegistry::with(Referrers::Kept, &[])?;
    push(work, &[&source, &to(&registry)])?.failed_with(&["damaged"]);
    assert_eq!(registry.has().1, 0);
    std::fs::write(&bill, &sound)?;
    push(work, &[&source, &to(&registry)])?.succeeded();
    assert_eq!(work.names("tmp")?, [""; 0], "temporary files are left");
});
