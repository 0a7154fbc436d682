//! Units that start with a system, by systemctl(1), or by update-rc.d(8) where there is none.

use super::Customization;
use super::apply::System;
use super::error::{CustomizationError, Wrong};

type Result<T> = std::result::Result<T, CustomizationError>;

/// Checks the form of a unit's name (systemd.unit(5)).
///
/// # Errors
/// [`Wrong`].
pub(crate) fn check(key: &str, unit: &str) -> std::result::Result<(), Wrong> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    match !unit.is_empty() && unit.len() < 256 && !unit.starts_with('-') && unit.bytes().all(fits) {
        true => Ok(()),
        false => Err(Wrong::new(
            key,
            format!("`{}` is no name of a unit", unit.escape_debug()),
        )),
    }
}

/// Enables, disables and masks the units.
pub(super) fn apply(customization: &Customization, system: &mut System<'_, '_>) -> Result<()> {
    let Customization {
        enable,
        disable,
        mask,
        ..
    } = customization;
    for (verb, units) in [("mask", mask), ("disable", disable), ("enable", enable)] {
        change(system, verb, units)?;
    }
    Ok(())
}

/// Has systemctl do something with units.
pub(super) fn change(system: &mut System<'_, '_>, verb: &str, units: &[String]) -> Result<()> {
    for unit in units {
        let what = format!("{verb} {unit}");
        let command = if system.has_program("systemctl") {
            vec!["systemctl", verb, unit]
        } else if system.has_program("update-rc.d") && verb != "mask" {
            let script = unit.strip_suffix(".service").unwrap_or(unit);
            vec![
                "update-rc.d",
                script,
                if verb == "enable" { "defaults" } else { "disable" },
            ]
        } else {
            return Err(CustomizationError::lacks(
                what,
                "program systemctl",
                "install systemd as well",
            ));
        };
        let command: Vec<String> = command.into_iter().map(str::to_owned).collect();
        system.run(&what, &command, "systemd")?;
    }
    Ok(())
}
