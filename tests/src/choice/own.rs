//! What this program chooses.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Answer;
use super::apt::key;
use super::setting::Setting;
use crate::program::Workplace;
use crate::real::KEYRING;
use crate::{Error, Result};

/// How it is asked.
#[derive(Debug)]
pub struct Own<'a> {
    /// Where it runs.
    pub work: &'a Workplace,
    /// The archive.
    pub mirror: String,
    /// Options of its sources.
    pub options: &'static str,
}

impl Own<'_> {
    /// The plan for items.
    ///
    /// # Errors
    /// When the program cannot be started, or what it prints is no plan.
    pub fn ask(&self, setting: &Setting, solver: &str, items: &[String]) -> Result<(Answer, Duration)> {
        let variant = if setting.installed { "apt" } else { "custom" };
        self.plan(setting, variant, solver, items)
    }

    fn plan(
        &self,
        setting: &Setting,
        variant: &str,
        solver: &str,
        items: &[String],
    ) -> Result<(Answer, Duration)> {
        let mut arguments = vec![
            "plan".to_owned(),
            "--json".to_owned(),
            "--keyring".to_owned(),
            KEYRING.to_owned(),
        ];
        let suite = setting.suites.first().copied().unwrap_or_default();
        let archs = setting.archs.join(",");
        for (option, value) in [
            ("--arch", archs.as_str()),
            ("--suite", suite),
            ("--variant", variant),
            ("--solver", solver),
        ] {
            arguments.extend([option.to_owned(), value.to_owned()]);
        }
        for suite in setting.suites {
            let line = format!(
                "deb [{}] {} {suite} {}",
                self.options, self.mirror, setting.components
            );
            arguments.extend(["--mirror".to_owned(), line]);
        }
        if setting.recommends {
            arguments.push("--install-recommends".to_owned());
        }
        for item in items {
            arguments.extend(["--include".to_owned(), item.clone()]);
        }
        arguments.extend([
            "--cache".to_owned(),
            self.work.path("cache").to_string_lossy().into_owned(),
        ]);
        let done = self
            .work
            .run_plain(arguments)
            .limit(Duration::from_secs(300))
            .end()?;
        if !done.status.success() {
            let said = done.stderr.lines().skip_while(|line| !line.starts_with("error:"));
            let besides = said.collect::<Vec<_>>().join(" / ");
            if besides.is_empty() || besides.contains("panicked") {
                return Err(fail(done.stderr));
            }
            return Ok((
                Answer {
                    chosen: None,
                    besides,
                },
                done.elapsed,
            ));
        }
        let plan: serde_json::Value =
            serde_json::from_slice(&done.stdout).map_err(|error| fail(error.to_string()))?;
        let packages = plan.get("packages").and_then(serde_json::Value::as_array);
        let packages = packages.ok_or_else(|| fail("the plan has no packages".to_owned()))?;
        let first = setting.archs.first().copied().unwrap_or_default();
        let one = |package: &serde_json::Value| {
            let text = |name: &str| package.get(name).and_then(serde_json::Value::as_str);
            // As apt shows it.
            let arch = text("architecture").filter(|arch| *arch != "all");
            Some(key(text("name")?, arch.unwrap_or(first), text("version")?))
        };
        let chosen = packages.iter().filter_map(one).collect();
        let answer = Answer {
            chosen: Some(chosen),
            besides: String::new(),
        };
        Ok((answer, done.elapsed))
    }

    /// What is installed before the items of a setting are.
    ///
    /// # Errors
    /// When the program refuses that.
    pub fn installed(&self, setting: &Setting) -> Result<BTreeSet<String>> {
        if !setting.installed {
            return Ok(BTreeSet::new());
        }
        let (answer, _) = self.plan(setting, "essential", "internal", &[])?;
        answer.chosen.ok_or_else(|| fail(answer.besides))
    }
}

fn fail(what: String) -> Error {
    Error::Command {
        command: "rootless-install plan".to_owned(),
        what,
    }
}
