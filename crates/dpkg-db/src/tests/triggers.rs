//! Triggers: declarations, activation, awaiting, Unincorp.

use std::path::Path;

use super::scene::Scene;
use crate::{Database, Declarations, Package, PackageKey, Status, parse_unincorp};

fn key(name: &str) -> PackageKey {
    PackageKey::new(name, "riscv64")
}

fn database(packages: &[(&str, &str)]) -> Database {
    let mut database = Database::new("riscv64", Vec::new());
    for (name, status) in packages {
        let text =
            format!("Package: {name}\nStatus: install ok {status}\nArchitecture: riscv64\nVersion: 1\n");
        database.insert(Package::parse(&text).unwrap());
    }
    database
}

fn interested(database: &mut Database, trigger: &str, package: &str, awaited: bool) {
    database.interests.add(trigger, package, awaited);
}

fn status(database: &Database, name: &str) -> Status {
    database.get(&key(name)).unwrap().status
}

fn pending(database: &Database, name: &str) -> Vec<String> {
    database.get(&key(name)).unwrap().triggers_pending.clone()
}

#[test]
fn declarations() {
    let text = "# comment\n\n  interest a\ninterest-await /usr/share/b \ninterest-noawait c\n\
                activate d\nactivate-await e\nactivate-noawait /f\n";
    let declared = Declarations::parse(text, "p").unwrap();
    let names = |list: &[crate::Declaration]| -> Vec<(String, bool)> {
        list.iter().map(|d| (d.trigger.clone(), d.awaited)).collect()
    };
    let expected = |list: &[(&str, bool)]| -> Vec<(String, bool)> {
        list.iter()
            .map(|(name, awaited)| ((*name).to_owned(), *awaited))
            .collect()
    };
    assert_eq!(
        names(&declared.interests),
        expected(&[("a", true), ("/usr/share/b", true), ("c", false)])
    );
    assert_eq!(
        names(&declared.activations),
        expected(&[("d", true), ("e", true), ("/f", false)])
    );
    for bad in [
        "interest\n",
        "interest a b\n",
        "notice a\n",
        "interest ../x\n",
        "interest /a//b\n",
        "interest /a/\n",
        "interest File\n",
        "interest Unincorp\n",
        "interest \u{e9}\n",
    ] {
        assert!(Declarations::parse(bad, "p").is_err(), "{bad}");
    }
}

#[test]
fn only_configured_packages_are_interested() {
    let mut database = database(&[("ready", "installed"), ("early", "unpacked"), ("by", "unpacked")]);
    interested(&mut database, "t", "early", true);
    interested(&mut database, "t", "ready", true);
    database.activate("t", Some(&key("by")));
    assert_eq!(
        (status(&database, "early"), status(&database, "ready")),
        (Status::Unpacked, Status::TriggersPending)
    );
    assert_eq!(pending(&database, "ready"), ["t"]);
    let by = database.get(&key("by")).unwrap();
    assert_eq!(
        (by.status, &by.triggers_awaited[..]),
        (Status::Unpacked, &[key("ready")][..])
    );
    assert_eq!(database.next_deferred(), Some(key("ready")));
    assert_eq!(database.next_deferred(), None);

    // The activator is configured: it waits. Processing releases it.
    database
        .update(&key("by"), |p| p.status = Status::HalfConfigured)
        .unwrap();
    assert_eq!(database.settle(&key("by")).unwrap(), Status::TriggersAwaited);
    let stanza = database.stanza(database.get(&key("by")).unwrap());
    assert!(stanza.ends_with("Triggers-Awaited: ready\n"), "{stanza}");
    database.activate("t", None);
    database.activate("u", None);
    assert_eq!(database.take_pending(&key("ready")).unwrap(), ["t"]);
    assert_eq!(status(&database, "ready"), Status::HalfConfigured);
    assert_eq!(
        status(&database, "by"),
        Status::Installed,
        "half-configured, it has nothing pending any more"
    );
    assert_eq!(database.settle(&key("ready")).unwrap(), Status::Installed);
}

#[test]
fn noawait_on_either_side() {
    for (interest, activate, waits) in [(true, true, true), (true, false, false), (false, true, false)] {
        let mut database = database(&[("i", "installed"), ("by", "installed")]);
        interested(&mut database, "t", "i", interest);
        let declared = Declarations::parse(
            if activate {
                "activate t\n"
            } else {
                "activate-noawait t\n"
            },
            "by",
        )
        .unwrap();
        database.activate_declared(&key("by"), &declared);
        assert_eq!(status(&database, "i"), Status::TriggersPending);
        let expected = if waits {
            Status::TriggersAwaited
        } else {
            Status::Installed
        };
        assert_eq!(
            status(&database, "by"),
            expected,
            "interest {interest} activate {activate}"
        );
    }
}

#[test]
fn file_triggers() {
    let mut database = database(&[("i", "installed"), ("j", "installed"), ("by", "unpacked")]);
    interested(&mut database, "/usr/share/man", "i", false);
    interested(&mut database, "/usr", "j", false);
    // Unpacking fires what is named exactly: a file below is not enough without its directory's entry.
    database.activate_unpacked([Path::new("/usr/share/man/man1")], &key("by"));
    assert_eq!(status(&database, "i"), Status::Installed);
    let paths = ["/.", "/usr", "/usr/share/man", "/usr/share/man"].map(Path::new);
    assert_eq!(
        database.interests().file_triggers_for(paths),
        ["/usr", "/usr/share/man"]
    );
    database.activate_unpacked(paths, &key("by"));
    assert_eq!(
        (pending(&database, "i"), pending(&database, "j")),
        (vec!["/usr/share/man".to_owned()], vec!["/usr".to_owned()])
    );
    // By name, all directories above are fired as well.
    for name in ["i", "j"] {
        database
            .update(&key(name), |p| p.status = Status::Installed)
            .unwrap();
    }
    database.activate("/usr/share/man/man1/x.1", None);
    assert_eq!(
        (pending(&database, "i").len(), pending(&database, "j").len()),
        (1, 1)
    );
    database.activate("/usrx", None);
    assert_eq!(pending(&database, "j").len(), 1);
}

#[test]
fn the_newest_trigger_comes_first() {
    let mut database = database(&[("i", "installed")]);
    for trigger in ["a", "b", "c"] {
        interested(&mut database, trigger, "i", false);
        database.activate(trigger, None);
    }
    database.activate("a", None);
    assert_eq!(pending(&database, "i"), ["c", "b", "a"]);
    assert!(database.status_text().contains("Triggers-Pending: c b a\n"));
}

#[test]
fn packages_that_wait_for_each_other() {
    let mut database = database(&[("a", "installed"), ("b", "installed")]);
    interested(&mut database, "ta", "a", true);
    interested(&mut database, "tb", "b", true);
    database.activate("ta", Some(&key("b")));
    database.activate("tb", Some(&key("a")));
    assert_eq!(
        (status(&database, "a"), status(&database, "b")),
        (Status::TriggersAwaited, Status::TriggersAwaited)
    );
    database.take_pending(&key("a")).unwrap();
    assert_eq!(
        status(&database, "b"),
        Status::TriggersPending,
        "a has nothing pending, b still has"
    );
    database.take_pending(&key("b")).unwrap();
    database.settle(&key("a")).unwrap();
    database.settle(&key("b")).unwrap();
    assert_eq!(
        (status(&database, "a"), status(&database, "b")),
        (Status::Installed, Status::Installed)
    );
}

#[test]
fn unincorp() {
    let scene = Scene::new();
    let mut database = database(&[("i", "installed"), ("by", "half-configured")]);
    interested(&mut database, "t", "i", true);
    interested(&mut database, "/usr/lib", "i", true);
    scene.put(
        "var/lib/dpkg/triggers/Unincorp",
        "t by -\n/usr/lib/x -\nunknown gone:arm64\n",
    );
    database.incorporate(&scene.target).unwrap();
    assert_eq!(pending(&database, "i"), ["/usr/lib", "t"]);
    assert_eq!(database.get(&key("by")).unwrap().triggers_awaited, [key("i")]);
    assert_eq!(scene.text("/var/lib/dpkg/triggers/Unincorp"), "");
    for bad in ["t\n", "t -x\n"] {
        assert!(parse_unincorp(bad).is_err(), "{bad}");
    }
}

#[test]
fn trigger_state_survives_the_status_file() {
    let scene = Scene::new();
    let mut database = Database::create(&scene.target, "riscv64", &[]).unwrap();
    for name in ["i", "by"] {
        let text =
            format!("Package: {name}\nStatus: install ok installed\nArchitecture: riscv64\nVersion: 1\n");
        database.insert(Package::parse(&text).unwrap());
    }
    interested(&mut database, "t", "i", true);
    database.activate("t", Some(&key("by")));
    database.save(&scene.target).unwrap();
    let mut loaded = Database::load(&scene.target, "riscv64").unwrap();
    assert_eq!(
        (pending(&loaded, "i"), status(&loaded, "by")),
        (vec!["t".to_owned()], Status::TriggersAwaited)
    );
    assert_eq!(loaded.next_deferred(), None);
    loaded.take_pending(&key("i")).unwrap();
    assert_eq!(status(&loaded, "by"), Status::Installed);
}

/// dpkg learns the configured version of what is installed as it reads its database.
#[test]
fn versions_configured_by_a_run_before() {
    let mut database = database(&[("i", "installed")]);
    interested(&mut database, "t", "i", false);
    let stanza = |database: &mut Database| {
        database.activate("t", None);
        database.take_pending(&key("i")).unwrap();
        let text = database.stanza(database.get(&key("i")).unwrap());
        database.settle(&key("i")).unwrap();
        text
    };
    assert!(!stanza(&mut database).contains("Config-Version"));
    database.begin_run();
    let text = stanza(&mut database);
    assert!(
        text.contains("half-configured\n") && text.contains("Config-Version: 1\n"),
        "{text}"
    );
    let settled = database.stanza(database.get(&key("i")).unwrap());
    assert!(!settled.contains("Config-Version"), "{settled}");
}
