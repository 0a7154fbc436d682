//! What lint finds in packages of the archive, as tables of a document.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::fidelity::state::Release;
use crate::program::workspace;
use crate::{Error, Result};

/// The suites that are looked at.
pub const SUITES: [&str; 2] = ["stable", "unstable"];

/// What is installed: the packages of a variant, and more.
pub const VARIANT: &str = "standard";
/// What is added to it.
pub const INCLUDE: &str = "build-essential,systemd-sysv";

/// The directory that reports are kept in.
#[must_use]
pub fn kept() -> PathBuf {
    workspace().join("target/lint")
}

/// The arguments of a run for `suite`, on the archive at `mirror`.
#[must_use]
pub fn arguments(suite: &str, mirror: &str) -> Vec<String> {
    // A pinned state may be older than the archive lets it be.
    let source = format!("deb [check-valid-until=no] {mirror} {suite} main");
    let all = [
        "--suite",
        suite,
        "--mirror",
        &source,
        "--variant",
        VARIANT,
        "--include",
        INCLUDE,
        "--all",
        "--quiet",
        "--format",
        "json",
        "base-files",
    ];
    all.map(str::to_owned).to_vec()
}

/// A package and its script.
type Script = (String, String);
/// Script, counts and examples.
type Shown = (String, String, String);
/// Packages, script, counts and examples.
type Row<'a> = (Vec<&'a str>, &'a str, String, String);

/// One finding, as far as the table shows it.
#[derive(Clone, Debug)]
struct Finding {
    line: Option<u64>,
    kind: String,
    what: String,
    command: String,
}

/// The table of a suite, from lint's report in JSON.
///
/// # Errors
/// When it is not in the form that is known.
pub fn table(report: &str, release: &Release) -> Result<String> {
    let wrong = |what: &str| Error::Machine(format!("lint's report: {what}"));
    let report: Value = serde_json::from_str(report).map_err(|error| wrong(&error.to_string()))?;
    if report["version"] != 1 {
        return Err(wrong("another version"));
    }
    let findings = report["findings"]
        .as_array()
        .ok_or_else(|| wrong("no findings"))?;
    let mut scripts: BTreeMap<Script, Vec<Finding>> = BTreeMap::new();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for one in findings {
        let at = (text(&one["package"]), text(&one["script"]));
        scripts.entry(at).or_default().push(Finding {
            line: one["line"].as_u64(),
            kind: text(&one["kind"]),
            what: text(&one["what"]),
            command: text(&one["command"]),
        });
    }
    let mut packages: Vec<&String> = scripts.keys().map(|(package, _)| package).collect();
    packages.dedup();
    let helped = findings.iter().filter(|one| one["helped"] == true).count();
    let mut out = format!(
        "**{}, archive of {}, {}: {} packages, {} scripts; findings in {} packages: {}, of which {helped} were \
         helped.**\n\n| package | script | findings | the first of each kind |\n|---|---|---|---|\n",
        release.name,
        release.date,
        text(&report["architecture"]),
        report["packages"].as_array().map_or(0, Vec::len),
        report["scripts"],
        packages.len(),
        findings.len(),
    );
    for (names, script, counts, examples) in rows(&scripts) {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(out, "| {} | {script} | {counts} | {examples} |", names.join(", "));
    }
    Ok(out)
}

/// Packages, script, counts and examples. Packages that differ in nothing but their name share a row, with
/// `PACKAGE` for it.
fn rows(scripts: &BTreeMap<Script, Vec<Finding>>) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    let shared = |(package, script): &Script, findings: &[Finding]| {
        (
            script.clone(),
            counts(findings),
            examples(findings, Some(package)),
        )
    };
    let mut alike: BTreeMap<Shown, Vec<&Script>> = BTreeMap::new();
    for (at, findings) in scripts {
        alike.entry(shared(at, findings)).or_default().push(at);
    }
    for (at, findings) in scripts {
        let key = shared(at, findings);
        match alike.get(&key).map(Vec::as_slice) {
            Some([first, _, ..]) if *first != at => {}
            Some(all @ [_, _, ..]) => {
                let names = all.iter().map(|(package, _)| package.as_str()).collect();
                rows.push((names, &at.1, key.1, key.2));
            }
            _ => rows.push((vec![&at.0], &at.1, counts(findings), examples(findings, None))),
        }
    }
    rows
}

fn counts(findings: &[Finding]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for finding in findings {
        match counts.iter_mut().find(|(kind, _)| *kind == finding.kind) {
            Some((_, count)) => *count += 1,
            None => counts.push((&finding.kind, 1)),
        }
    }
    let words: Vec<String> = counts
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    words.join(", ")
}

/// The first finding of each kind.
fn examples(findings: &[Finding], without: Option<&str>) -> String {
    let mut seen: Vec<&str> = Vec::new();
    let mut shown = Vec::new();
    for finding in findings {
        if !seen.contains(&finding.kind.as_str()) {
            seen.push(&finding.kind);
            shown.push(example(finding, without));
        }
    }
    shown.join("<br>")
}

/// The most letters of a command that are shown.
const LONGEST: usize = 70;

fn example(finding: &Finding, without: Option<&str>) -> String {
    let said = match finding.command.as_str() {
        "" => finding.what.clone(),
        command if command.contains(&finding.what) => command.to_owned(),
        command => format!("{command} → {}", finding.what),
    };
    let own = |word: &str| without.is_some_and(|name| word == name || word.starts_with(&format!("{name}:")));
    let words: Vec<&str> = said
        .split_whitespace()
        .map(|word| if own(word) { "PACKAGE" } else { word })
        .collect();
    let mut said = words.join(" ").replace("/target/", "$DPKG_ROOT/");
    if let Some((end, _)) = said.char_indices().nth(LONGEST) {
        said.truncate(end);
        said.push('…');
    }
    let said = said.replace('`', "'").replace('|', "\\|");
    let line = finding.line.map_or(String::new(), |line| format!("{line}: "));
    format!("{line}`{said}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_become_tables() {
        let finding = |package: &str, kind: &str, line: u32, command: &str| {
            format!(
                r#"{{"package": "{package}", "script": "postinst", "line": {line}, "kind": "{kind}", "what": "/etc/x",
                    "helped": true, "command": "{command}"}}"#
            )
        };
        let all = [
            finding("a", "test", 3, "[ -e /etc/x ] | y"),
            finding("a", "test", 4, "[ -f /etc/x ]"),
            finding("b", "path", 6, "tool -p b /etc/x"),
            finding("c", "path", 6, "tool -p c:amd64 /etc/x"),
        ];
        let report = format!(
            r#"{{"version": 1, "architecture": "amd64", "packages": [{{}}, {{}}, {{}}], "scripts": 5,
                "findings": [{}]}}"#,
            all.join(",")
        );
        let release = Release {
            hash: String::new(),
            date: "today".to_owned(),
            name: "trixie 13.2".to_owned(),
        };
        let table = table(&report, &release).expect("a table");
        assert!(
            table.starts_with(
                "**trixie 13.2, archive of today, amd64: 3 packages, 5 scripts; findings in 3 packages: 4, of which 4"
            ),
            "{table}"
        );
        assert!(
            table.contains("| `a` | postinst | 2 test | 3: `[ -e /etc/x ] \\| y` |\n"),
            "{table}"
        );
        assert!(
            table.contains("| `b`, `c` | postinst | 1 path | 6: `tool -p PACKAGE /etc/x` |\n"),
            "{table}"
        );
    }
}
