//! Hooks of the target's apt (apt.conf(5)): programs that its configuration has run before and after apt calls dpkg,
//! and around an update of its lists.
//!
//! Each runs in the session at the moment at which apt would run it, with what apt tells it (`RunScripts` and
//! `pkgDPkgPM::RunScriptsWithPkgs` in apt's source). The configuration is what it is when apt begins: a package that
//! brings a hook is installed without it.

mod archives;
mod information;

use super::error::HookError;
use super::{InstallError, Installation, Result};
use crate::apt_configuration::Configuration;
use apt_solve::{Mmdebstrap, Phase};
use archives::Archives;
pub(crate) use archives::name as archive_name;
use information::Items;
use script_host::Session;
use script_host::script::Script;
use script_host::view::Ended;
use shim_protocol::{names, paths};
use std::os::unix::fs::PermissionsExt;
use task_progress::escape;

/// The list of hooks that are told what is going to be installed.
const PRE_INSTALL: &str = "DPkg::Pre-Install-Pkgs";

/// A call of apt in which packages are installed.
pub(super) struct AptCall {
    configuration: Configuration,
    /// Package files in the target; removed when the call ends.
    archives: Option<Archives>,
}

impl Installation<'_, '_> {
    /// Begins a call of apt for the packages of a phase: reads the configuration, and runs the hooks that come before
    /// dpkg. None where no hooks run: scripts are outside of the target.
    ///
    /// # Errors
    /// A hook fails, or the target cannot be written.
    pub(super) fn begin_apt(&self, phase: &Phase, session: &mut Session<'_>) -> Result<Option<AptCall>> {
        let Some(configuration) = self.apt_configuration(session) else {
            return Ok(None);
        };
        let mut call = AptCall {
            configuration,
            archives: None,
        };
        let hooks = Hooks {
            configuration: &call.configuration,
        };
        hooks.run(session, "APT::Install::Pre-Invoke")?;
        hooks.run(session, "DPkg::Pre-Invoke")?;
        if !call.configuration.list(PRE_INSTALL).is_empty() {
            let directory = call.configuration.directory("Dir::Cache::archives");
            let files = phase.packages.iter().filter_map(|id| {
                let package = self.universe.package(*id);
                Some((archives::name(package), self.debs.get(id)?.as_path()))
            });
            let archives = Archives::place(self.target, session, directory, files)?;
            let items = Items::of(phase, self.universe, archives.directory());
            hooks.tell(session, &items)?;
            call.archives = Some(archives);
        }
        Ok(Some(call))
    }

    /// Ends a call of apt: runs the hooks that come after dpkg.
    ///
    /// # Errors
    /// As [`begin_apt`](Self::begin_apt).
    pub(super) fn end_apt(&self, call: Option<AptCall>, session: &mut Session<'_>) -> Result<()> {
        let Some(call) = call else { return Ok(()) };
        let hooks = Hooks {
            configuration: &call.configuration,
        };
        hooks.run(session, "DPkg::Post-Invoke")?;
        hooks.run(session, "APT::Install::Post-Invoke-Success")?;
        match call.archives {
            Some(archives) => archives.remove(self.target),
            None => Ok(()),
        }
    }

    /// Runs the hooks of the update with which mmdebstrap cleans apt's lists. It fetches nothing, and so is no success
    /// for `APT::Update::Post-Invoke-Success`.
    ///
    /// # Errors
    /// A hook fails.
    pub(super) fn clean_lists(&self, mmdebstrap: Mmdebstrap, session: &mut Session<'_>) -> Result<()> {
        if !mmdebstrap.updates_in_target() {
            return Ok(());
        }
        let Some(configuration) = self.apt_configuration(session) else {
            return Ok(());
        };
        let hooks = Hooks {
            configuration: &configuration,
        };
        hooks.run(session, "APT::Update::Pre-Invoke")?;
        hooks.run(session, "APT::Update::Post-Invoke")
    }

    fn apt_configuration(&self, session: &Session<'_>) -> Option<Configuration> {
        if !session.environment().root.is_empty() {
            return None;
        }
        let (configuration, wrong) = Configuration::of(self.target, self.universe.architectures());
        for error in wrong {
            self.reporter.warn(&format!(
                "the target's configuration of apt: {}",
                escape(&error.to_string())
            ));
        }
        Some(configuration)
    }
}

/// The hooks of a configuration.
struct Hooks<'c> {
    configuration: &'c Configuration,
}

impl Hooks<'_> {
    /// Runs the commands of a list, one after another, in /tmp.
    fn run(&self, session: &mut Session<'_>, list: &str) -> Result<()> {
        for hook in self.configuration.list(list) {
            let variables = variables(session, &[]);
            let shell = ["/bin/sh", "-c", r#"cd /tmp/ && exec /bin/sh -c "$1""#, "sh", hook];
            self.execute(session, list, hook, &shell, &variables)?;
        }
        Ok(())
    }

    /// Runs the commands that are told what is going to be installed, in the version of the protocol that each asks
    /// for and on the file descriptor that it names.
    fn tell(&self, session: &mut Session<'_>, items: &Items) -> Result<()> {
        let file = session.private().join(names::HOOK_INFORMATION);
        for hook in self.configuration.list(PRE_INSTALL) {
            let program = hook
                .split(' ')
                .next()
                .filter(|word| !word.is_empty())
                .unwrap_or(hook);
            let option = |name: &str| {
                let path = format!("DPkg::Tools::Options::{program}::{name}");
                self.configuration.number(&path)
            };
            let version = option("Version").unwrap_or(1);
            let descriptor = option("InfoFD").unwrap_or(0);
            let text = items.text(version, self.configuration);
            let written = std::fs::write(&file, text)
                .and_then(|()| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)));
            written.map_err(|source| InstallError::Write {
                path: file.clone(),
                source,
            })?;
            let number = descriptor.to_string();
            let variables = variables(session, &[("APT_HOOK_INFO_FD", &number)]);
            // dash redirects descriptors of one digit only; bash is essential as well.
            let shell = if descriptor < 10 { "/bin/sh" } else { "/bin/bash" };
            let script = format!(r#"exec /bin/sh -c "$2" {number}<"$1""#);
            let command = [shell, "-c", &script, "sh", paths::HOOK_INFORMATION, hook];
            self.execute(session, PRE_INSTALL, hook, &command, &variables)?;
            std::fs::remove_file(&file).map_err(|source| InstallError::Write {
                path: file.clone(),
                source,
            })?;
        }
        Ok(())
    }

    fn execute(
        &self,
        session: &mut Session<'_>,
        list: &str,
        hook: &str,
        command: &[&str],
        variables: &[(String, String)],
    ) -> Result<()> {
        let ran = session.run("apt", command, variables)?;
        let ended = match (ran.refusal, ran.outcome.ended) {
            (Some(refusal), _) => format!(
                "executes {}, which cannot be run here: {}",
                refusal.tool.display(),
                refusal.reason
            ),
            (None, Ended::Exited(0)) => return Ok(()),
            (None, ended) => format!("failed with {ended}"),
        };
        if session.is_observed() {
            return Ok(());
        }
        let last_lines = ran
            .outcome
            .last_lines
            .iter()
            .map(|line| format!("\n  {}", escape(line)));
        Err(HookError {
            list: list.to_owned(),
            command: hook.to_owned(),
            ended,
            last_lines: last_lines.collect(),
        }
        .into())
    }
}

/// Returns the environment of a hook: none of dpkg's variables but the one that says that apt holds dpkg's lock.
pub(super) fn variables(session: &Session<'_>, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let all = session.environment().of("apt", "all", &Script::Preinst, "");
    let more = more.iter().chain(&[("DPKG_FRONTEND_LOCKED", "true")]);
    all.into_iter()
        .filter(|(name, _)| !name.starts_with("DPKG_"))
        .chain(more.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
        .collect()
}
