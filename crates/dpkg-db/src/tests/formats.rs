//! What is written is what dpkg would write, and what is read is what dpkg would read.

use std::path::Path;

use super::scene::Scene;
use crate::{
    Accounts, Database, Diversions, Package, PackageKey, StatOverrides, Status, Want, parse_relations,
};
use deb_types::MultiArch;

const CONTROL: &str = "Package: demo\n\
    Source: demo-src (1.0)\n\
    Version: 0:1.2-3\n\
    Architecture: riscv64\n\
    Maintainer: A Person <a@example.org>\n\
    Installed-Size: 12\n\
    Depends: libc6 (>=2.38),perl:any|awk ,  x(<1) , y(= 2:1)\n\
    Replaces: old(<< 0:5)\n\
    Section: admin\n\
    Priority: Required\n\
    multi-arch: same\n\
    X-Custom: kept\n\
    Essential: yes\n\
    Protected: no\n\
    Filename: pool/x.deb\n\
    Homepage: https://example.org/\n\
    Description: short  \n  indented\n .\n long text\n";

const STANZA: &str = "Package: demo\n\
    Essential: yes\n\
    Status: install ok unpacked\n\
    Priority: required\n\
    Section: admin\n\
    Installed-Size: 12\n\
    Maintainer: A Person <a@example.org>\n\
    Architecture: riscv64\n\
    Multi-Arch: same\n\
    Source: demo-src (1.0)\n\
    Version: 1.2-3\n\
    Config-Version: 1.0\n\
    Replaces: old (<< 5)\n\
    Depends: libc6 (>= 2.38), perl:any | awk, x (<= 1), y (= 2:1)\n\
    Conffiles:\n /etc/a newconffile\n /etc/b 0123 obsolete\n\
    Description: short  \n  indented\n .\n long text\n\
    Triggers-Awaited: other\n\
    X-Custom: kept\n\
    Homepage: https://example.org/\n";

#[test]
fn packages_are_unpacked_together_while_the_journal_has_room() {
    let mut database = Database::new("riscv64", Vec::new());
    assert_eq!(database.room_for_packages(), 50);
    for number in 0..248 {
        let text =
            format!("Package: p{number}\nStatus: install ok installed\nArchitecture: riscv64\nVersion: 1\n");
        database.insert(Package::parse(&text).unwrap());
    }
    // One at a time, until dpkg would write the status file.
    assert_eq!(database.room_for_packages(), 0);
    for name in ["a", "b", "c"] {
        let text =
            format!("Package: {name}\nStatus: install ok installed\nArchitecture: riscv64\nVersion: 1\n");
        database.insert(Package::parse(&text).unwrap());
    }
    assert_eq!(database.room_for_packages(), 50);
}

#[test]
fn fields_are_normalised_and_ordered() {
    let mut package = Package::parse(CONTROL).unwrap();
    assert_eq!(
        (package.multi_arch, package.status),
        (MultiArch::Same, Status::NotInstalled)
    );
    assert!(package.essential());
    (package.want, package.status) = (Want::Install, Status::Unpacked);
    package.config_version = Some("1.0".to_owned());
    package.triggers_awaited.push(PackageKey::new("other", "all"));
    let conffiles =
        Package::parse("Package: x\nConffiles:\n /etc/a newconffile\n /etc/b 0123 obsolete\n").unwrap();
    package.conffiles = conffiles.conffiles;
    let mut text = String::new();
    package.write_stanza(|key| key.name.clone(), &mut text);
    assert_eq!(text, STANZA);
    // and read back
    let mut again = String::new();
    Package::parse(STANZA)
        .unwrap()
        .write_stanza(|key| key.name.clone(), &mut again);
    assert_eq!(again, STANZA);
    package.status = Status::Installed;
    let mut text = String::new();
    package.write_stanza(|key| key.name.clone(), &mut text);
    assert!(
        !text.contains("Config-Version"),
        "an installed package has configured its own version"
    );
}

#[test]
fn malformed_stanzas() {
    let cases = [
        ("Version: 1\n", "Package is missing"),
        ("Package: a\nPackage: b\n", "appears twice"),
        ("Package: a\nxy: 1\nXY: 2\n", "appears twice"),
        ("Package: a\nx: 1\n", "too short"),
        ("Package: A b\n", "invalid package name"),
        ("Package: a\nVersion: 1 2\n", "invalid version"),
        ("Package: a\nVersion: x:2\n", "invalid version"),
        ("Package: a\nDepends: b (>= 1\n", "unterminated"),
        ("Package: a\nDepends: b,,c\n", "invalid package name"),
        ("Package: a\nDepends: b:\n", "invalid architecture"),
        ("Package: a\nEssential: maybe\n", "neither yes nor no"),
        ("Package: a\nStatus: install ok\n", "three words"),
        ("Package: a\nStatus: install ok odd\n", "'odd'"),
        ("Package: a\nConffiles:\n /only-a-path\n", "malformed line"),
        ("Package: a\nno field\n", "'no field'"),
        (" continuation\nPackage: a\n", "neither a field"),
    ];
    for (stanza, expected) in cases {
        let error = Package::parse(stanza).expect_err(stanza).to_string();
        assert!(error.contains(expected), "'{error}' does not say '{expected}'");
    }
}

#[test]
fn relations() {
    let groups = parse_relations("a (>= 1:2), b | c:any (<< 3~)").unwrap();
    assert!(groups[0][0].accepts("1:2") && !groups[0][0].accepts("9"));
    assert!(groups[1][0].accepts("anything"));
    assert!(groups[1][1].accepts("2") && !groups[1][1].accepts("3"));
}

fn package(name: &str, architecture: &str, multi_arch: &str, status: &str) -> Package {
    let text = format!(
        "Package: {name}\nStatus: install ok {status}\nArchitecture: {architecture}\nMulti-Arch: {multi_arch}\n\
         Version: 1\nMaintainer: x\nDescription: x\n"
    );
    Package::parse(&text).unwrap()
}

#[test]
fn names_and_order() {
    let mut database = Database::new("riscv64", vec!["arm64".to_owned()]);
    for (name, architecture, multi_arch) in [
        ("libb", "riscv64", "same"),
        ("libb", "arm64", "same"),
        ("liba", "all", "no"),
        ("c", "arm64", "no"),
        ("B", "riscv64", "no"),
    ] {
        database.insert(package(name, architecture, multi_arch, "installed"));
    }
    let text = database.status_text();
    let order: Vec<&str> = text
        .lines()
        .filter(|l| l.starts_with("Package") || l.starts_with("Arch"))
        .collect();
    assert_eq!(order.join(" ").matches("Package: ").count(), 5);
    assert!(text.starts_with("Package: b\n"));
    assert!(
        text.find("Architecture: arm64\nMulti-Arch: same")
            < text.find("Architecture: riscv64\nMulti-Arch: same")
    );
    let name = |name: &str, architecture: &str| database.display_name(&PackageKey::new(name, architecture));
    assert_eq!(name("libb", "riscv64"), "libb:riscv64");
    assert_eq!(
        (name("liba", "all"), name("c", "arm64")),
        ("liba".to_owned(), "c:arm64".to_owned())
    );
    assert_eq!(database.resolve("libb"), Some(PackageKey::new("libb", "riscv64")));
    assert_eq!(
        database.resolve("liba:riscv64"),
        Some(PackageKey::new("liba", "all"))
    );
    assert_eq!(database.resolve("c"), Some(PackageKey::new("c", "arm64")));
    assert_eq!(database.resolve("lib"), None);
}

#[test]
fn journal_and_checkpoint() {
    let scene = Scene::new();
    std::fs::remove_file(scene.root("var/lib/dpkg/arch")).unwrap();
    let mut database = Database::create(&scene.target, "riscv64", &["arm64".to_owned()]).unwrap();
    let key = database.insert(package("a", "riscv64", "no", "unpacked"));
    database.flush(&scene.target).unwrap();
    assert_eq!(scene.text("/var/lib/dpkg/status"), "");
    assert!(
        scene
            .text("/var/lib/dpkg/updates/0000")
            .starts_with("Package: a\nStatus: install ok unpacked\n")
    );
    database
        .update(&key, |p| p.status = Status::HalfConfigured)
        .unwrap();
    database.flush(&scene.target).unwrap();
    let loaded = Database::load(&scene.target, "riscv64").unwrap();
    assert_eq!(loaded.get(&key).unwrap().status, Status::HalfConfigured);
    assert_eq!(loaded.foreign(), ["arm64"]);
    database.save(&scene.target).unwrap();
    assert_eq!(scene.text("/var/lib/dpkg/status-old"), "");
    assert!(scene.text("/var/lib/dpkg/status").contains("half-configured"));
    assert!(
        scene
            .target
            .read_dir(Path::new("/var/lib/dpkg/updates"))
            .unwrap()
            .is_empty()
    );
    for _ in 0..260 {
        database.update(&key, |p| p.status = Status::Installed).unwrap();
        database.flush(&scene.target).unwrap();
    }
    assert!(
        scene
            .target
            .read_dir(Path::new("/var/lib/dpkg/updates"))
            .unwrap()
            .len()
            < 20,
        "no checkpoint was made"
    );
    assert_eq!(
        Database::load(&scene.target, "riscv64").unwrap().status_text(),
        database.status_text()
    );
    let mode = |path: &str| scene.target.stat(Path::new(path)).unwrap().meta.mode;
    assert_eq!(
        (mode("/var/lib/dpkg/lock"), mode("/var/lib/dpkg/triggers/Lock")),
        (0o640, 0o600)
    );
}

#[test]
fn a_damaged_database_is_refused() {
    let cases = [
        ("status", "Package: a\nStatus: broken\n"),
        ("updates/0000", "nonsense"),
        ("triggers/File", "no-path package\n"),
    ];
    for (name, contents) in cases {
        let scene = Scene::new();
        scene.put(&format!("var/lib/dpkg/{name}"), contents);
        let error = Database::load(&scene.target, "riscv64")
            .expect_err(name)
            .to_string();
        assert!(error.contains(name), "'{error}' does not name {name}");
    }
    assert!(Diversions::parse(b"/a\n/b\n").is_err());
    assert!(Diversions::parse(b"/a\n/b\np\n/a\n/c\np\n").is_err());
    let accounts = Accounts::parse(b"root:x:0:0\nbad\n:x:1\nroot:x:5:5\n", b"g:x:7:\n");
    assert_eq!(
        (accounts.uid(b"root"), accounts.gid(b"g"), accounts.uid(b"")),
        (Some(0), Some(7), None)
    );
    assert!(
        StatOverrides::parse(b"root g 4755 /bin/su\n", &accounts)
            .unwrap()
            .get(Path::new("/bin/su"))
            .is_some()
    );
    for bad in ["nobody g 755 /x\n", "root g 99999 /x\n", "root g 755\n"] {
        assert!(StatOverrides::parse(bad.as_bytes(), &accounts).is_err(), "{bad}");
    }
}

#[test]
fn files_of_instances_get_the_names_of_the_present_format() {
    let directory = tempfile::tempdir().unwrap();
    let target = rootless_install_fs::Target::open(directory.path()).unwrap();
    let admin = directory.path().join("var/lib/dpkg");
    std::fs::create_dir_all(admin.join("info")).unwrap();
    let stanza =
        "Package: lib\nStatus: install ok installed\nArchitecture: riscv64\nMulti-Arch: same\nVersion: 1\n";
    std::fs::write(admin.join("status"), stanza).unwrap();
    std::fs::write(admin.join("info/lib.list"), "/.\n/usr\n").unwrap();
    let database = Database::create(&target, "riscv64", &[]).unwrap();
    assert!(admin.join("info/lib:riscv64.list").exists() && !admin.join("info/lib.list").exists());
    assert!(admin.join("info/format").exists());
    let key = PackageKey::new("lib", "riscv64");
    assert_eq!(database.owners(Path::new("/usr")).collect::<Vec<_>>(), [&key]);
}
