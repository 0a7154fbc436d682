//! dpkg's forces: problems that are ignored (dpkg(1), `--force-things`).

/// Names of the forces, in the order of dpkg and of `DPKG_FORCE`.
const NAMES: &[&str] = &[
    "security-mac",
    "downgrade",
    "configure-any",
    "hold",
    "not-root",
    "bad-path",
    "bad-verify",
    "bad-version",
    "statoverride-add",
    "statoverride-remove",
    "overwrite",
    "overwrite-diverted",
    "overwrite-dir",
    "unsafe-io",
    "script-chrootless",
    "confnew",
    "confold",
    "confdef",
    "confmiss",
    "confask",
    "architecture",
    "breaks",
    "conflicts",
    "depends",
    "depends-version",
    "remove-reinstreq",
    "remove-protected",
    "remove-essential",
];

/// Forces of other versions of dpkg, which are accepted without effect.
const WITHOUT_EFFECT: &[&str] = &["auto-select"];

/// The forces in effect: a bit for each, by its position in `NAMES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forces(u32);

impl Default for Forces {
    /// Returns dpkg's defaults.
    fn default() -> Self {
        let mut forces = Self(0);
        forces.set("security-mac", true);
        forces.set("downgrade", true);
        forces
    }
}

impl Forces {
    /// Whether a thing is forced.
    pub fn has(self, name: &str) -> bool {
        bit(name).is_some_and(|bit| self.0 & bit != 0)
    }

    /// Forces one thing, or refuses it. Returns `false` where there is no such thing.
    pub fn set(&mut self, name: &str, on: bool) -> bool {
        let bits = match bit(name) {
            Some(bit) => bit,
            None if name == "all" => NAMES
                .iter()
                .filter_map(|name| bit(name))
                .fold(0, |all, bit| all | bit),
            None => return WITHOUT_EFFECT.contains(&name),
        };
        self.0 = if on { self.0 | bits } else { self.0 & !bits };
        true
    }

    /// Forces or refuses the things of a list, `thing,thing…`.
    ///
    /// # Errors
    /// The first that is unknown, in dpkg's words.
    pub fn set_all(&mut self, list: &str, on: bool) -> Result<(), String> {
        match list.split(',').find(|name| !self.set(name, on)) {
            Some(unknown) => Err(format!("unknown force/refuse option '{unknown}'")),
            None => Ok(()),
        }
    }
}

impl std::fmt::Display for Forces {
    /// Writes the value of `DPKG_FORCE`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = NAMES.iter().filter(|name| self.has(name)).copied().collect();
        f.write_str(&names.join(","))
    }
}

fn bit(name: &str) -> Option<u32> {
    let number = NAMES.iter().position(|known| *known == name)?;
    1_u32.checked_shl(u32::try_from(number).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forces_are_set_and_refused() {
        let mut forces = Forces::default();
        assert_eq!(forces.to_string(), "security-mac,downgrade");
        assert_eq!(forces.set_all("depends,confold", true), Ok(()));
        assert!(forces.has("depends") && forces.has("confold") && !forces.has("breaks"));
        assert_eq!(forces.set_all("downgrade", false), Ok(()));
        assert_eq!(forces.to_string(), "security-mac,confold,depends");
        let unknown = forces.set_all("depends,nonsense,breaks", true);
        assert_eq!(unknown, Err("unknown force/refuse option 'nonsense'".to_owned()));
        assert_eq!(forces.set_all("all", true), Ok(()));
        assert!(NAMES.iter().all(|name| forces.has(name)));
        assert_eq!(forces.set_all("all", false), Ok(()));
        assert_eq!(forces.to_string(), "");
    }
}
