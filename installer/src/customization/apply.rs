//! Customizing a target whose packages are configured.

use super::Customization;
use super::error::CustomizationError;
use super::{identity, network, place, system, units};
use rootless_install_fs::Target;
use script_host::SessionError;
use task_progress::{Reporter, escape};

type Result<T> = std::result::Result<T, CustomizationError>;

/// Directories of programs (`PATH` of root).
const DIRECTORIES: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// The end of a program.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// How it failed, in words; none where it did not.
    pub failure: Option<String>,
    /// The last lines that it wrote.
    pub last_lines: Vec<String>,
}

/// Runs programs in a target, as root of it.
pub trait Programs {
    /// Runs a program, which `PATH` finds, with its arguments.
    ///
    /// # Errors
    /// The place in which programs run is lost, or the run was stopped.
    fn run(&mut self, command: &[&str]) -> std::result::Result<Ran, SessionError>;
}

/// A target that is customized.
pub(super) struct System<'s, 'p> {
    pub(super) target: &'s Target,
    programs: Option<&'p mut dyn Programs>,
}

impl System<'_, '_> {
    /// Runs a program of the target, for which `package` is to be installed; `what` it is for.
    pub(super) fn run(&mut self, what: &str, command: &[String], package: &str) -> Result<()> {
        let program = command.first().map_or("", String::as_str);
        if !self.has_program(program) {
            return Err(CustomizationError::lacks(
                what,
                &format!("program {program}"),
                format!("install {package} as well, which has it"),
            ));
        }
        let Some(programs) = self.programs.as_deref_mut() else {
            return Err(CustomizationError::unfit(
                what,
                format!("nothing is configured in the target, so {program} cannot run"),
            ));
        };
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let ran = programs.run(&words)?;
        match ran.failure {
            None => Ok(()),
            Some(ended) => Err(CustomizationError::Program {
                what: what.to_owned(),
                program: program.to_owned(),
                ended,
                last_lines: ran
                    .last_lines
                    .iter()
                    .map(|line| format!("\n  {}", escape(line)))
                    .collect(),
            }),
        }
    }

    /// Whether the target has a program.
    pub(super) fn has_program(&self, name: &str) -> bool {
        DIRECTORIES
            .iter()
            .any(|directory| place::has(self.target, &format!("{directory}/{name}")))
    }
}

/// Makes of a target what is asked for. `programs` run in it; none where nothing is configured in it.
///
/// # Errors
/// [`CustomizationError`]; what was done before stays.
pub fn apply(
    customization: &Customization,
    target: &Target,
    programs: Option<&mut dyn Programs>,
    reporter: &dyn Reporter,
) -> Result<()> {
    let mut system = System { target, programs };
    if let Some(name) = &customization.hostname {
        system::set_hostname(target, name)?;
    }
    // Those of /etc/skel and of useradd's own configuration count for users.
    let (first, others): (Vec<_>, Vec<_>) = customization.files.iter().partition(|file| file.comes_first());
    for file in first {
        file.apply(target)?;
    }
    for group in &customization.groups {
        group.apply(&mut system)?;
    }
    for user in &customization.users {
        user.apply(&mut system)?;
    }
    for file in others {
        file.apply(target)?;
    }
    if let Some(zone) = &customization.timezone {
        system::set_timezone(target, zone)?;
    }
    if let Some(locale) = &customization.locale {
        system::set_locale(&mut system, locale)?;
    }
    network::apply(&customization.networks, &mut system)?;
    units::apply(customization, &mut system)?;
    identity::host_keys(customization.host_keys, target, reporter)
}
