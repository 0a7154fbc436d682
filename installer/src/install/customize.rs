//! What the system is to be beside its packages, made in the session of the installation.

use super::hooks::variables;
use super::{Installation, Result};
use crate::customization::{self, Programs, Ran};
use script_host::{Session, SessionError};

/// The target's programs in a session.
struct InSession<'p, 's>(&'p mut Session<'s>);

impl Programs for InSession<'_, '_> {
    fn run(&mut self, command: &[&str]) -> std::result::Result<Ran, SessionError> {
        let variables = variables(self.0, &[]);
        let ran = self.0.run("customization", command, &variables)?;
        let failure = match &ran.refusal {
            Some(refusal) => Some(format!(
                "executes {}, which cannot be run here: {}",
                refusal.tool.display(),
                refusal.reason
            )),
            None => ran.failure().map(|failure| format!("failed with {failure}")),
        };
        Ok(Ran {
            failure,
            last_lines: ran.outcome.last_lines,
        })
    }
}

impl Installation<'_, '_> {
    /// Customizes the system, when its packages are configured.
    pub(super) fn customize(&self, session: &mut Session<'_>) -> Result<()> {
        if self.customization.is_empty() {
            return Ok(());
        }
        let mut programs = InSession(session);
        customization::apply(
            self.customization,
            self.target,
            Some(&mut programs),
            &*self.reporter,
        )?;
        Ok(())
    }

    /// Customizes a system in which nothing is configured: it has no programs that could run.
    pub(super) fn customize_files(&self) -> Result<()> {
        if self.customization.is_empty() {
            return Ok(());
        }
        customization::apply(self.customization, self.target, None, &*self.reporter)?;
        Ok(())
    }
}
