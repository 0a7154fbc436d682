//! `rootless-install lint`: what scripts do outside `DPKG_ROOT`, with script and line.

use std::ffi::OsString;
use std::path::Path;

use rootless_install_tests::base::program;
use rootless_install_tests::deb::Package;
use rootless_install_tests::program::Outcome;
use rootless_install_tests::synthetic::Synthetic;
use rootless_install_tests::{Result, scenario};

/// One violation a line, and what is to be said of it. Lines are numbered from 1.
const DIRTY: [(&str, &[&str]); 8] = [
    ("#!/bin/sh", &[]),
    ("echo x >/etc/outside", &["write echo /etc/outside"]),
    ("[ -e /etc/foo ] || :", &["test [ /etc/foo"]),
    ("getent passwd root >/dev/null", &["outer-query getent passwd"]),
    ("odd-tool", &["uncovered odd-tool odd-tool"]),
    (
        "\"$DPKG_ROOT/usr/bin/odd-tool\"",
        &["target-binary odd-tool $DPKG_ROOT/usr/bin/odd-tool"],
    ),
    ("chown root /var/lib/x", &["path chown /var/lib/x"]),
    ("echo \"$DPKG_ROOT/etc\" >\"$DPKG_ROOT/etc/leaky\"", &[]),
];

/// What standard snippets do, and what has the root in front.
const CLEAN: &str = r#"#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
if [ -x "$(command -v absent)" ]; then absent; fi
if command -v update-alternatives >/dev/null; then
    update-alternatives --install /usr/bin/pick pick /usr/bin/odd-tool 10
fi
file=$(mktemp)
echo x >"$file"
cat "$file" >"$DPKG_ROOT/etc/clean"
rm -f "$file"
dpkg-query --show --showformat='${Version}' clean >/dev/null
chown root:root "$DPKG_ROOT/etc/clean"
chmod 644 "$DPKG_ROOT/etc/clean"
[ -e "$DPKG_ROOT/etc/clean" ] && grep -q x "$DPKG_ROOT"/etc/clean
find "$DPKG_ROOT/etc" -name clean >/dev/null
while read -r line; do :; done <"$DPKG_ROOT/etc/clean"
cd "$DPKG_ROOT/etc" && ls clean >/dev/null
exit 0
"#;

/// An archive with these packages, and what their scripts and the tracing of lines need.
fn archive(packages: &[Package]) -> Result<Synthetic> {
    let mut all = packages.to_vec();
    all.extend(program("bash", "usr/bin/bash")?);
    all.extend(program("libc-bin", "usr/bin/getent")?);
    all.push(Package::new("odd", "1.0-1", "all").file("usr/bin/odd-tool", "#!/bin/sh\n", 0o755));
    Synthetic::with(&all)
}

fn scripted(name: &str, script: &str) -> Result<Package> {
    // For every architecture: so the native root has what it depends on, too.
    let package = Package::new(name, "1.0-1", "all").field("Depends", "bash, libc-bin, odd");
    Ok(package.script("postinst", script))
}

fn dirty() -> Result<Package> {
    let lines: Vec<&str> = DIRTY.iter().map(|(line, _)| *line).collect();
    let package = scripted("dirty", &(lines.join("\n") + "\n"))?;
    Ok(package.dir("var/lib/x"))
}

fn lint(archive: &Synthetic, words: &[OsString]) -> Result<Outcome> {
    let mut all: Vec<OsString> = vec!["lint".into(), "--cache".into(), archive.work.path("cache").into()];
    all.extend(archive.options());
    all.extend(["--variant".into(), "essential".into()]);
    all.extend_from_slice(words);
    archive.work.run_plain(all).end()
}

fn words(line: &str) -> Vec<OsString> {
    line.split(' ').map(OsString::from).collect()
}

#[track_caller]
fn status(done: &Outcome, wanted: i32) -> String {
    let said = done.text();
    assert_eq!(done.status.code(), Some(wanted), "{said}{}", done.stderr);
    said
}

/// Findings as `SCRIPT LINE KIND TOOL WHAT`.
fn found(report: &str) -> std::result::Result<Vec<String>, serde_json::Error> {
    let report: serde_json::Value = serde_json::from_str(report)?;
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let word = |finding: &serde_json::Value, name: &str| match &finding[name] {
        serde_json::Value::Null => String::from("-"),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Ok(findings
        .iter()
        .map(|one| ["script", "line", "kind", "tool", "what"].map(|name| word(one, name)))
        .map(|words| words.join(" "))
        .collect())
}

scenario!(
    /// As text and as JSON; nothing of it happens to this machine.
    each_violation_is_told_with_its_line, CONFIGURE, {
    let archive = archive(&[dirty()?])?;
    let traces = archive.work.traces();
    let json = status(&lint(&archive, &words("--format json dirty"))?, 3);
    let mut expected: Vec<String> = Vec::new();
    for (number, (_, findings)) in (1..).zip(DIRTY) {
        expected.extend(findings.iter().map(|one| format!("postinst {number} {one}")));
    }
    expected.push("postinst - leak  /etc/leaky".to_owned());
    assert_eq!(found(&json)?, expected, "{json}");
    // The same for people.
    let text = status(&lint(&archive, &words("dirty"))?, 3);
    assert!(text.starts_with("dirty 1.0-1: postinst\n"), "{text}");
    for (number, (_, findings)) in (1..).zip(DIRTY) {
        for finding in findings {
            let kind = finding.split(' ').next().unwrap_or(finding);
            let what = finding.rsplit(' ').next().unwrap_or(finding);
            let line = format!("{number:>4}  {kind:<14} {what}");
            assert!(text.contains(&line), "{line}: {text}");
        }
    }
    assert!(text.contains("1 package, 1 script: 7 findings"), "{text}");
    // Nothing of it has come to this machine.
    assert!(!Path::new("/etc/outside").exists());
    archive.work.clean(&traces, &[]);
});

scenario!(
    /// The root in front of every path, and snippets that packages have.
    a_clean_script_has_no_finding, CONFIGURE, {
    let archive = archive(&[scripted("clean", CLEAN)?])?;
    let text = status(&lint(&archive, &words("clean"))?, 0);
    assert_eq!(text, "1 package, 1 script: no findings\n");
    let json = status(&lint(&archive, &words("--format json clean"))?, 0);
    assert_eq!(found(&json)?, [""; 0]);
});

scenario!(
    /// And other packages are looked at all the same.
    a_script_that_fails_is_a_finding, CONFIGURE, {
    let failing = scripted("failing", "#!/bin/sh\nset -e\n[ -z \"$DPKG_ROOT\" ]\n")?;
    let archive = archive(&[failing, scripted("clean", CLEAN)?])?;
    let json = status(&lint(&archive, &words("--format json failing clean"))?, 3);
    assert_eq!(found(&json)?, ["postinst - fails  exit status 1"]);
});

scenario!(
    /// A file is a package to look at.
    a_package_of_ones_own, CONFIGURE, {
    let archive = archive(&[])?;
    let file = archive.work.write("home/dirty_1.0-1.deb", &dirty()?.build()?)?;
    let mut all = words("--format json --include bash,libc-bin,odd");
    all.push(file.into());
    let json = status(&lint(&archive, &all)?, 3);
    assert_eq!(found(&json)?.len(), 7, "{json}");
    // What others do is not told, unless it is asked for.
    let text = status(&lint(&archive, &words("odd"))?, 0);
    assert!(text.starts_with("1 package, no scripts"), "{text}");
});

scenario!(
    /// Exit status 2, and one error.
    what_makes_no_sense_to_lint, PROGRAM, {
    let archive = archive(&[])?;
    for line in ["Bad_Name", "./absent.deb", "--format xml odd", "--mode view"] {
        let done = lint(&archive, &words(line))?;
        assert_eq!(status(&done, 2), "", "{line}");
        assert!(done.stderr.starts_with("error:"), "{line}: {}", done.stderr);
    }
});
