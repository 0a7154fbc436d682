//! Findings as text for people and as JSON for programs.

use super::finding::{Finding, FindingKind};
use serde::Serialize;
use std::fmt::Write as _;
use std::io;
use task_progress::escape;

/// Form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people: grouped by package and script, with advice.
    Text,
    /// For programs: one object, whose fields are described in docs/lint.md.
    Json,
}

/// Result of a run of lint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Version of the form of the report ([`VERSION`]).
    pub version: u32,
    /// The target's architecture.
    pub architecture: String,
    /// The suite.
    pub suite: String,
    /// The packages that were asked for, with their versions.
    pub packages: Vec<Package>,
    /// Number of scripts of these packages that ran.
    pub scripts: usize,
    /// The findings, sorted by package, script and line.
    pub findings: Vec<Finding>,
}

/// A package that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Version of the JSON form; raised when it changes incompatibly.
pub const VERSION: u32 = 1;

impl Report {
    /// Writes the report to `out`.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, format: Format, mut out: impl io::Write) -> io::Result<()> {
        match format {
            Format::Text => out.write_all(self.text().as_bytes())?,
            Format::Json => {
                serde_json::to_writer_pretty(&mut out, self)?;
                out.write_all(b"\n")?;
            }
        }
        out.flush()
    }

    /// Returns the report for people. Strings that come from packages are escaped.
    fn text(&self) -> String {
        let mut text = String::new();
        let mut heading = None;
        for group in self.findings.chunk_by(|a, b| alike(a) == alike(b)) {
            for finding in group.iter().take(MOST_ALIKE) {
                let here = (&finding.package, &finding.script);
                if heading != Some(here) {
                    let empty = if heading.is_none() { "" } else { "\n" };
                    let version = self.packages.iter().find(|one| one.name == finding.package);
                    let version = version.map_or(String::new(), |one| format!(" {}", one.version));
                    let _ = writeln!(
                        text,
                        "{empty}{}{}: {}",
                        escape(&finding.package),
                        escape(&version),
                        escape(&finding.script)
                    );
                    heading = Some(here);
                }
                let _ = writeln!(text, "  {}", line(finding));
            }
            if group.len() > MOST_ALIKE {
                let _ = writeln!(
                    text,
                    "        ... and {} more like these",
                    group.len() - MOST_ALIKE
                );
            }
        }
        if !self.findings.is_empty() {
            text.push('\n');
            for kind in FindingKind::ALL {
                if self.findings.iter().any(|finding| finding.kind == kind) {
                    let _ = writeln!(text, "{}: {}", kind.name(), kind.advice());
                }
            }
            text.push('\n');
        }
        let helped = self.findings.iter().filter(|finding| finding.helped).count();
        let _ = write!(
            text,
            "{}, {}: {}",
            count(self.packages.len(), "package"),
            count(self.scripts, "script"),
            count(self.findings.len(), "finding")
        );
        if helped > 0 {
            let _ = write!(
                text,
                ", of which {helped} had their effect in the target all the same"
            );
        }
        text.push('\n');
        text
    }
}

/// Number of findings of one kind, line and tool that are printed for people.
const MOST_ALIKE: usize = 4;

/// Returns the properties that are equal in findings which differ in their file only.
fn alike(finding: &Finding) -> (&str, &str, Option<u32>, FindingKind, &str, bool) {
    let Finding {
        package,
        script,
        line,
        kind,
        tool,
        helped,
        ..
    } = finding;
    (package, script, *line, *kind, tool, *helped)
}

fn count(number: usize, what: &str) -> String {
    match number {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

/// Returns the text of one finding: line, kind, path, tool, and the command where it says more.
fn line(finding: &Finding) -> String {
    let number = finding.line.map_or("-".to_owned(), |line| line.to_string());
    let mut text = format!(
        "{number:>4}  {:<14} {}",
        finding.kind.name(),
        escape(&finding.what)
    );
    if !finding.tool.is_empty() && finding.tool != finding.what {
        let _ = write!(text, "  by {}", escape(&finding.tool));
    }
    if finding.helped {
        text.push_str("  (helped)");
    }
    if finding.times > 1 {
        let _ = write!(text, "  ({} times)", finding.times);
    }
    if let Some(command) = &finding.command {
        let _ = write!(text, "\n        {}", escape(command));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let finding = |line, kind, tool: &str, what: &str| Finding {
            package: "foo".into(),
            script: "postinst".into(),
            line,
            kind,
            tool: tool.into(),
            what: what.into(),
            helped: false,
            command: None,
            times: 1,
        };
        Report {
            version: VERSION,
            architecture: "riscv64".into(),
            suite: "trixie".into(),
            packages: vec![Package {
                name: "foo".into(),
                version: "1.0-1".into(),
            }],
            scripts: 2,
            findings: vec![
                Finding {
                    command: Some("[ -e /etc/foo ]".into()),
                    ..finding(Some(12), FindingKind::Test, "[", "/etc/foo")
                },
                Finding {
                    helped: true,
                    times: 2,
                    ..finding(None, FindingKind::Uncovered, "evil\x1b", "evil\x1b")
                },
            ],
        }
    }

    fn written(report: &Report, format: Format) -> String {
        let mut out = Vec::new();
        report.write(format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn for_people() {
        let text = written(&report(), Format::Text);
        let expected = "foo 1.0-1: postinst\n    12  test           /etc/foo  by [\n        [ -e /etc/foo ]\n     \
                        -  uncovered      evil\\u{1b}  (helped)  (2 times)\n\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("\ntest: asks about the outer system"), "{text}");
        assert!(
            text.ends_with(
                "1 package, 2 scripts: 2 findings, of which 1 had their effect in the target all the same\n"
            ),
            "{text}"
        );
        let clean = Report {
            findings: Vec::new(),
            ..report()
        };
        assert_eq!(
            written(&clean, Format::Text),
            "1 package, 2 scripts: no findings\n"
        );
    }

    #[test]
    fn for_programs() {
        let text = written(&report(), Format::Json);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["version"], 1);
        assert_eq!(value["findings"][0]["kind"], "test");
        assert_eq!(value["findings"][0]["line"], 12);
        assert_eq!(value["findings"][1]["line"], serde_json::Value::Null);
        assert_eq!(value["findings"][1]["helped"], true);
        assert_eq!(value["packages"][0]["version"], "1.0-1");
    }
}
