//! `check`: whether a target is whole.

mod database;
mod disk;

use super::error::Error;
use crate::finished;
use rootless_install_fs::Target;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use task_progress::{Cancel, Reporter, escape};

/// Version of the report's form in JSON.
const VERSION: u32 = 1;

/// Settings of the command.
#[derive(Clone, Debug)]
pub struct CheckSettings {
    /// The target's directory.
    pub target: PathBuf,
    /// Whether files are not compared with the checksums of their packages, which reads all of them.
    pub quick: bool,
}

/// Kind of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A record of fake ownership, or another attribute of this program's, that says nothing.
    Record,
    /// A file that is on the disk as no target has it.
    Stray,
    /// What a run or a script that was killed has left.
    Leftover,
    /// dpkg's database cannot be read, or contradicts itself.
    Database,
    /// A package that is not completely installed.
    Package,
    /// A file of a package that is not there.
    Missing,
    /// A file of a package with other content.
    Changed,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Stray => "stray",
            Self::Leftover => "leftover",
            Self::Database => "database",
            Self::Package => "package",
            Self::Missing => "missing",
            Self::Changed => "changed",
        }
    }
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its kind.
    pub kind: Kind,
    /// A path in the target, or a path of the machine for what is beside it; empty for a package's.
    pub path: String,
    /// The package that it is about; empty for none.
    pub package: String,
    /// What is wrong.
    pub what: String,
    /// What mends it; empty where nobody knows.
    pub mend: String,
}

/// The result.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of this form.
    pub version: u32,
    /// The target.
    pub target: String,
    /// Number of files that were looked at.
    pub files: u64,
    /// Number of packages that are installed.
    pub packages: u64,
    /// Number of files whose content was compared.
    pub compared: u64,
    /// The findings, by kind and path.
    pub findings: Vec<Finding>,
}

impl Report {
    fn add(&mut self, kind: Kind, path: &Path, what: impl Into<String>, mend: impl Into<String>) {
        self.findings.push(Finding {
            kind,
            path: path.to_string_lossy().into_owned(),
            package: String::new(),
            what: what.into(),
            mend: mend.into(),
        });
    }

    fn add_of(
        &mut self,
        kind: Kind,
        package: &str,
        path: &str,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.findings.push(Finding {
            kind,
            path: path.to_owned(),
            package: package.to_owned(),
            what: what.into(),
            mend: mend.into(),
        });
    }

    /// Writes the findings, a line each.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_text(&self, out: &mut dyn Write) -> std::io::Result<()> {
        for finding in &self.findings {
            let of = match (finding.path.as_str(), finding.package.as_str()) {
                (path, "") => path.to_owned(),
                ("", package) => package.to_owned(),
                (path, package) => format!("{path} ({package})"),
            };
            let mend = match finding.mend.as_str() {
                "" => String::new(),
                mend => format!("; {mend}"),
            };
            let line = format!("{}: {of}: {}{mend}", finding.kind.word(), finding.what);
            writeln!(out, "{}", escape(&line))?;
        }
        Ok(())
    }

    /// Writes the report as JSON.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_json(&self, out: &mut dyn Write) -> std::io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }
}

/// Checks a target, of which nothing is changed.
///
/// # Errors
/// It is none, or cannot be read.
pub fn run(settings: &CheckSettings, reporter: &dyn Reporter, cancel: &Cancel) -> Result<Report, Error> {
    let target: Target = finished::open(&settings.target)?;
    let _hold = finished::hold(&target, false)?;
    let mut report = Report {
        version: VERSION,
        target: settings.target.to_string_lossy().into_owned(),
        files: 0,
        packages: 0,
        compared: 0,
        findings: Vec::new(),
    };
    disk::check(&target, &mut report, cancel)?;
    reporter.detail(&format!("looked at {} files", report.files));
    database::check(&target, settings.quick, &mut report, cancel)?;
    reporter.detail(&format!(
        "compared {} files of {} packages",
        report.compared, report.packages
    ));
    report
        .findings
        .sort_by(|a, b| (a.kind, &a.path, &a.package).cmp(&(b.kind, &b.path, &b.package)));
    Ok(report)
}
