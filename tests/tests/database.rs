//! What `docs/semantics.md` says of dpkg's database and of dpkg's ways, as
//! maintainer scripts see them, on a synthetic archive.

use rootless_install_tests::compare::entries;
use rootless_install_tests::deb::Package;
use rootless_install_tests::synthetic::{Synthetic, installed, package, read};
use rootless_install_tests::{Result, scenario};

// A script that adds what its commands say to /var/lib/seen.
fn noting(commands: &str) -> String {
    format!("#!/bin/sh\nset -e\nexec >>/var/lib/seen 2>&1\n{commands}")
}

// A run that fails, and its log.
#[track_caller]
fn failed(packages: &[Package], include: &str, words: &[&str]) -> Result<String> {
    let archive = Synthetic::with(packages)?;
    let mut arguments = archive.options();
    for word in ["--variant", "essential", "--include", include, "--log"] {
        arguments.push(word.into());
    }
    arguments.push(archive.work.path("home/log").into());
    arguments.push(archive.work.out("target").into());
    let traces = archive.work.traces();
    archive.work.run(arguments).end()?.failed_with(words);
    archive.work.clean(&traces, &[]);
    Ok(read(&archive.work.path("home"), "log"))
}

scenario!(
    /// dpkg-query in scripts.
    scripts_find_their_own_state, CONFIGURE, {
    let query = |names: &str| {
        noting(&format!(
            "echo \"$DPKG_MAINTSCRIPT_NAME $1\"\n\
             dpkg-query -f '${{Package}} ${{db:Status-Want}} ${{db:Status-Status}} ${{db:Status-Eflag}}\\n' -W {names}\n"
        ))
    };
    let first = package("first")?.script("postinst", &query("first"));
    let second = package("second")?
        .field("Pre-Depends", "first")
        .script("preinst", &query("first second"))
        .script("postinst", &query("first second"))
        .control_file("triggers", b"interest-noawait mine\n", 0o644);
    let third = package("third")?
        .field("Depends", "second")
        .script("postinst", "#!/bin/sh\nset -e\ndpkg-trigger mine\n");
    let archive = installed(&[first, second, third])?;
    let seen = read(&archive.work.out("target"), "var/lib/seen");
    assert_eq!(
        seen,
        "postinst configure\nfirst install half-configured ok\n\
         preinst install\nfirst install installed ok\nsecond install half-installed reinstreq\n\
         postinst configure\nfirst install installed ok\nsecond install half-configured ok\n\
         postinst triggered\nfirst install installed ok\nsecond install half-configured ok\n"
    );
});

scenario!(
    /// postrm abort-install.
    a_failed_preinst_is_undone, CONFIGURE, {
    let bad = package("bad")?
        .script("preinst", "#!/bin/sh\necho first: $*\nexit 41\n")
        .script(
            "postrm",
            "#!/bin/sh\necho \"undone: $#: $*\"\necho name $DPKG_MAINTSCRIPT_NAME\n",
        )
        .script("postinst", "#!/bin/sh\necho never\n");
    let log = failed(
        &[bad],
        "bad",
        &["package bad: preinst install", "41", "first: install"],
    )?;
    let first = log.find("first: install").unwrap_or(usize::MAX);
    let undone = log
        .find("undone: 1: abort-install")
        .unwrap_or_else(|| panic!("{log}"));
    assert!(
        first < undone && log.contains("name postrm") && !log.contains("never"),
        "{log}"
    );
    // The first failure is the one that is told.
    let bad = package("bad")?
        .script("preinst", "#!/bin/sh\nexit 41\n")
        .script("postrm", "#!/bin/sh\necho \"undone: $*\"\nexit 43\n");
    let log = failed(&[bad], "bad", &["package bad: preinst install", "41"])?;
    assert!(log.contains("undone: abort-install"), "{log}");
    // Nobody undoes a postinst.
    let bad = package("bad")?
        .script("postinst", "#!/bin/sh\nexit 41\n")
        .script("postrm", "#!/bin/sh\necho \"undone: $*\"\n");
    let log = failed(&[bad], "bad", &["package bad: postinst configure", "41"])?;
    assert!(!log.contains("undone:"), "{log}");
});

scenario!(
    /// Triggers in a circle are an error, a long chain is none.
    endless_triggers_are_named, CONFIGURE, {
    let chasing = |name: &str, mine: &str, other: &str| -> Result<Package> {
        let script = format!("#!/bin/sh\nset -e\necho {name} $*\ndpkg-trigger --no-await {other}\n");
        Ok(package(name)?
            .control_file("triggers", format!("interest-noawait {mine}\n").as_bytes(), 0o644)
            .script("postinst", &script))
    };
    let packages = [
        chasing("cat", "miaow", "squeak")?,
        chasing("mouse", "squeak", "miaow")?,
    ];
    let log = failed(
        &packages,
        "cat,mouse",
        &[
            "cat|mouse",
            "miaow|squeak",
            "activate each other's triggers without end",
        ],
    )?;
    // They were given a few turns, not many.
    let turns = log.matches(" triggered ").count();
    assert!((2..40).contains(&turns), "{log}");
    // A long chain is no circle.
    let mut chain = Vec::new();
    for number in 0..12 {
        let script = noting(&format!(
            "echo {number} $1\n[ $1 = configure ] || dpkg-trigger --no-await link{}\n",
            number + 1
        ));
        chain.push(
            package(&format!("link{number}"))?
                .control_file(
                    "triggers",
                    format!("interest-noawait link{number}\n").as_bytes(),
                    0o644,
                )
                .script("postinst", &script),
        );
    }
    let start = "#!/bin/sh\ndpkg-trigger --no-await link0\n";
    let depends: Vec<String> = (0..12).map(|number| format!("link{number}")).collect();
    chain.push(
        package("start")?
            .field("Depends", &depends.join(", "))
            .script("postinst", start),
    );
    let archive = installed(&chain)?;
    let seen = read(&archive.work.out("target"), "var/lib/seen");
    let triggered: Vec<&str> = seen
        .lines()
        .filter_map(|line| line.strip_suffix(" triggered"))
        .collect();
    let numbers: Vec<String> = (0..12).map(|number| number.to_string()).collect();
    assert_eq!(triggered, numbers, "{seen}");
});

scenario!(
    /// Diversions and statoverrides that scripts register.
    redirections_hold_for_the_next_package, CONFIGURE, {
    let register = |name: &str| {
        format!(
            "#!/bin/sh\nset -e\ndpkg-divert --package first --add --rename \
             --divert /usr/share/{name}.diverted /usr/share/{name}\n\
             dpkg-statoverride --add www-data shadow 2750 /usr/share/{name}-dir\n"
        )
    };
    // Both a script of another step and one of the same.
    let first = package("first")?
        .script("preinst", &register("early"))
        .script("postinst", &register("late"))
        .file("usr/share/early", "first's", 0o644)
        .file("usr/share/late", "first's", 0o644);
    let mut packages = vec![first];
    for (name, relation, path) in [("same", "Depends", "early"), ("next", "Pre-Depends", "late")] {
        packages.push(
            package(name)?
                .field(relation, "first")
                .file(&format!("usr/share/{path}"), format!("{name}'s"), 0o644)
                .dir(&format!("usr/share/{path}-dir")),
        );
    }
    let archive = Synthetic::with(&packages)?;
    archive.install("same,next", "out.tar").end()?.succeeded();
    let found = entries(&archive.work.out("out.tar"))?;
    archive.install("same,next", "target").end()?.succeeded();
    let target = archive.work.out("target");
    for (path, package) in [("early", "same"), ("late", "next")] {
        assert_eq!(read(&target, &format!("usr/share/{path}")), "first's");
        assert_eq!(
            read(&target, &format!("usr/share/{path}.diverted")),
            format!("{package}'s")
        );
        let directory = &found[&format!("usr/share/{path}-dir")];
        assert_eq!(
            directory.get("owner").map(String::as_str),
            Some("33:42"),
            "{path}"
        );
        assert_eq!(directory.get("mode").map(String::as_str), Some("2750"), "{path}");
    }
});

scenario!(
    /// All preinst scripts of a call, then its packages.
    preinst_scripts_run_first, CONFIGURE, {
    let look = noting(
        "echo $DPKG_MAINTSCRIPT_PACKAGE $(cd /usr/share; for name in *-own; do [ -e $name ] && echo $name; done)\n",
    );
    let of = |name: &str| -> Result<Package> {
        Ok(package(name)?
            .file(&format!("usr/share/{name}-own"), "x", 0o644)
            .script("preinst", &look.replace("set -e", "set +e")))
    };
    let essential = |name: &str| -> Result<Package> { Ok(of(name)?.essential()) };
    let archive = installed(&[
        essential("e-one")?,
        essential("e-two")?,
        of("one")?,
        of("two")?.field("Depends", "one"),
    ])?;
    let seen = read(&archive.work.out("target"), "var/lib/seen");
    let mut lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines.len(), 4, "{seen}");
    let mut call = |count: usize| {
        let mut call: Vec<&str> = lines.drain(..count).collect();
        call.sort_unstable();
        call
    };
    // Essential packages are all there, those of a call are not.
    let all = "e-one-own e-two-own";
    assert_eq!(
        call(2),
        [format!("e-one {all}"), format!("e-two {all}")],
        "{seen}"
    );
    assert_eq!(call(2), [format!("one {all}"), format!("two {all}")], "{seen}");
});
