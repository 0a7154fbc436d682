//! Answers for debconf, given in the session.

use super::{InstallError, Installation, Result};
use crate::preseed::{PreseedError, Selections};
use script_host::Session;
use script_host::script::Script;
use script_host::view::Ended;
use shim_protocol::{names, paths};
use std::os::unix::fs::PermissionsExt;

impl Installation<'_, '_> {
    /// Checks that debconf is installed in the first phase, before packages that ask questions.
    ///
    /// # Errors
    /// There are answers, and debconf is not among the packages of the first phase or not configured.
    pub(super) fn check_selections(&self) -> Result<()> {
        let mut first = self.plan.phases.iter().take(1).flat_map(|phase| &phase.packages);
        let there = first.any(|id| self.universe.package(*id).name == "debconf");
        if self.system.selections.is_empty() || there && self.configures() {
            return Ok(());
        }
        let variant = self.selection.variant.to_string();
        Err(PreseedError::NoDebconf { variant }.into())
    }

    /// Gives the answers to the target's debconf, in files: standard input is empty in a session.
    ///
    /// # Errors
    /// The program fails, or the file cannot be written.
    pub(super) fn preselect(&self, session: &mut Session<'_>) -> Result<()> {
        for selections in &self.system.selections {
            let file = session.private().join(names::SELECTIONS);
            let written = std::fs::write(&file, &selections.text)
                .and_then(|()| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)));
            written.map_err(|source| InstallError::Write {
                path: file.clone(),
                source,
            })?;
            let command = Selections::command(paths::SELECTIONS);
            // As in a hook of mmdebstrap: none of dpkg's variables.
            let variables: Vec<(String, String)> = session
                .environment()
                .of("debconf", "all", &Script::Preinst, "")
                .into_iter()
                .filter(|(name, value)| {
                    !name.starts_with("DPKG_") || name == "DPKG_ROOT" && !value.is_empty()
                })
                .collect();
            let outcome = session.run("debconf", &command, &variables)?.outcome;
            let removed = std::fs::remove_file(&file);
            removed.map_err(|source| InstallError::Write { path: file, source })?;
            if outcome.ended != Ended::Exited(0) {
                let last_lines = outcome.last_lines.iter().map(|line| format!("\n  {line}"));
                return Err(PreseedError::Failed {
                    path: selections.path.clone(),
                    ended: outcome.ended.to_string(),
                    last_lines: last_lines.collect(),
                }
                .into());
            }
        }
        Ok(())
    }

    fn configures(&self) -> bool {
        self.selection.variant != apt_solve::Variant::Extract
    }
}
