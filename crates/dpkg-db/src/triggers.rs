//! Trigger declarations and interests (deb-triggers(5), dpkg's trigger documentation): the data,
//! without a database.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::DpkgError;
use super::files::malformed;
use deb_types::relation::is_name;

/// Directory of the trigger files.
pub const TRIGGERS: &str = "/var/lib/dpkg/triggers";

/// Length of the longest line that dpkg reads, with its end (`MAXTRIGDIRECTIVE` in its source).
const LONGEST_LINE: usize = 255;

/// A line of a `triggers` control file: a trigger name, and whether activators await its processing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// Trigger name, a path for a file trigger.
    pub trigger: String,
    /// `false` for the `-noawait` directives
    pub awaited: bool,
}

/// A package's `triggers` control file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declarations {
    /// `interest` directives in order
    pub interests: Vec<Declaration>,
    /// `activate` directives in order
    pub activations: Vec<Declaration>,
}

impl Declarations {
    /// Parses a `triggers` control file of `package`.
    ///
    /// # Errors
    /// An unknown directive or an invalid trigger name.
    pub fn parse(text: &str, package: &str) -> Result<Declarations, DpkgError> {
        let problem = |problem: String| DpkgError::Triggers {
            package: package.to_owned(),
            problem,
        };
        let mut declarations = Declarations::default();
        let whole = |line: &&str| !line.ends_with('\n') || line.len() > LONGEST_LINE;
        if let Some(line) = text.split_inclusive('\n').find(whole) {
            let start: String = line.trim_ascii_end().chars().take(80).collect();
            return Err(problem(format!(
                "line '{start}' is too long, or has no newline at its end"
            )));
        }
        for line in text
            .lines()
            .map(str::trim_ascii)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let Some((directive, trigger)) = line.split_once([' ', '\t']) else {
                return Err(problem(format!("line '{line}' names no trigger")));
            };
            let trigger = trigger.trim_ascii_start();
            if trigger.bytes().any(|b| b <= b' ' || b >= 0x7f) {
                return Err(problem(format!(
                    "trigger name '{trigger}' has an invalid character"
                )));
            }
            let (directive, awaited) = match directive.strip_suffix("-noawait") {
                Some(directive) => (directive, false),
                None => (directive.strip_suffix("-await").unwrap_or(directive), true),
            };
            let declaration = Declaration {
                trigger: trigger.to_owned(),
                awaited,
            };
            match directive {
                "interest" if TriggerKind::of(trigger) == TriggerKind::Invalid => {
                    return Err(problem(format!("'{trigger}' is no trigger name")));
                }
                "interest" => declarations.interests.push(declaration),
                "activate" if trigger.is_empty() => return Err(problem("a trigger has no name".to_owned())),
                "activate" => declarations.activations.push(declaration),
                _ => return Err(problem(format!("directive '{directive}' is unknown"))),
            }
        }
        Ok(declarations)
    }
}

/// Kind of a trigger, by the form of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TriggerKind {
    Explicit,
    File,
    Invalid,
}

impl TriggerKind {
    pub(super) fn of(name: &str) -> TriggerKind {
        if let Some(path) = name.strip_prefix('/') {
            // A trailing or doubled slash would never match a path.
            return if path.split('/').any(str::is_empty) {
                TriggerKind::Invalid
            } else {
                TriggerKind::File
            };
        }
        // These would take the place of the trigger database's own files.
        let reserved = ["File", "Lock", "Unincorp"].contains(&name);
        if !reserved && is_name(name) && !name.contains('_') {
            TriggerKind::Explicit
        } else {
            TriggerKind::Invalid
        }
    }
}

/// An interest in a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// `NAME` or `NAME:ARCH` as in the trigger files
    pub package: String,
    /// Whether activators await the processing.
    pub awaited: bool,
}

impl Interest {
    fn parse(text: &str) -> Interest {
        let (package, options) = text.split_once('/').unwrap_or((text, ""));
        Interest {
            package: package.to_owned(),
            awaited: options != "noawait",
        }
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.package);
        if !self.awaited {
            out.push_str("/noawait");
        }
        out.push('\n');
    }
}

/// Interests of packages in triggers: the contents of `triggers/File` and of the files named
/// after explicit triggers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interests {
    files: Vec<(String, Interest)>,
    explicit: BTreeMap<String, Vec<Interest>>,
}

impl Interests {
    pub(super) fn parse_file_triggers(&mut self, text: &str) -> Result<(), DpkgError> {
        for line in text.lines() {
            let parsed = line.split_once(' ').filter(|(path, _)| path.starts_with('/'));
            let Some((path, interest)) = parsed else {
                let problem = format!("has a malformed line '{line}'");
                return Err(malformed(Path::new(TRIGGERS).join("File"), problem));
            };
            self.files.push((path.to_owned(), Interest::parse(interest)));
        }
        Ok(())
    }

    pub(super) fn parse_explicit(&mut self, trigger: &str, text: &str) {
        self.explicit
            .insert(trigger.to_owned(), text.lines().map(Interest::parse).collect());
    }

    /// Has each interest be of the package that `name` gives for its name; none means that it stays.
    pub(super) fn rename(&mut self, name: impl Fn(&str) -> Option<String>) {
        let files = self.files.iter_mut().map(|(_, interest)| interest);
        for interest in files.chain(self.explicit.values_mut().flatten()) {
            if let Some(name) = name(&interest.package) {
                interest.package = name;
            }
        }
    }

    /// Returns the contents of `triggers/File`; none when there is no such interest and so no file.
    pub(super) fn file_triggers(&self) -> Option<String> {
        let mut out = String::new();
        for (path, interest) in &self.files {
            out.push_str(path);
            out.push(' ');
            interest.write(&mut out);
        }
        (!out.is_empty()).then_some(out)
    }

    /// Returns the contents of the file of an explicit trigger; none when it is not to exist.
    pub(super) fn explicit_file(&self, trigger: &str) -> Option<String> {
        let mut out = String::new();
        for interest in self.explicit.get(trigger)? {
            interest.write(&mut out);
        }
        (!out.is_empty()).then_some(out)
    }

    /// Adds an interest, or changes its options, as dpkg does when a package is unpacked.
    pub fn add(&mut self, trigger: &str, package: &str, awaited: bool) {
        let interest = Interest {
            package: package.to_owned(),
            awaited,
        };
        if TriggerKind::of(trigger) == TriggerKind::File {
            match self
                .files
                .iter_mut()
                .find(|(path, have)| path == trigger && have.package == package)
            {
                Some((_, have)) => *have = interest,
                None => self.files.push((trigger.to_owned(), interest)),
            }
        } else {
            let list = self.explicit.entry(trigger.to_owned()).or_default();
            list.retain(|have| have.package != package);
            list.push(interest);
        }
    }

    /// Removes an interest.
    pub fn remove(&mut self, trigger: &str, package: &str) {
        self.files
            .retain(|(path, have)| path != trigger || have.package != package);
        if let Some(list) = self.explicit.get_mut(trigger) {
            list.retain(|have| have.package != package);
        }
    }

    /// Returns the interests in a trigger of exactly this name, in the order in which dpkg notes them.
    pub fn of(&self, trigger: &str) -> Vec<&Interest> {
        if trigger.starts_with('/') {
            // dpkg's list of a path has the newest interest first.
            self.files
                .iter()
                .rev()
                .filter(|(path, _)| path == trigger)
                .map(|(_, interest)| interest)
                .collect()
        } else {
            self.explicit.get(trigger).into_iter().flatten().collect()
        }
    }

    /// Returns whether any file trigger exists.
    pub fn has_file_triggers(&self) -> bool {
        !self.files.is_empty()
    }

    /// Returns the file triggers that unpacking these paths (the archive's entries, directories included)
    /// activates: those of exactly these names, each once, in order of first activation.
    pub fn file_triggers_for<'a>(&self, paths: impl IntoIterator<Item = &'a Path>) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        if self.files.is_empty() {
            return found;
        }
        for path in paths {
            let hit = self.files.iter().find(|(trigger, _)| Path::new(trigger) == path);
            if let Some((trigger, _)) = hit
                && !found.contains(&trigger.as_str())
            {
                found.push(trigger);
            }
        }
        found
    }
}

/// A line of `triggers/Unincorp`: a trigger activated by maintainer scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deferred {
    /// Trigger name.
    pub trigger: String,
    /// The activating packages; `None` (`-`) awaits nothing.
    pub awaiters: Vec<Option<String>>,
}

/// Parses `triggers/Unincorp`.
///
/// # Errors
/// A malformed line.
pub fn parse_unincorp(text: &str) -> Result<Vec<Deferred>, DpkgError> {
    let mut deferred = Vec::new();
    for line in text
        .lines()
        .map(str::trim_ascii)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let mut words = line.split_ascii_whitespace();
        let trigger = words.next().unwrap_or_default().to_owned();
        let awaiters: Vec<_> = words.map(|word| (word != "-").then(|| word.to_owned())).collect();
        let bad = |name: &Option<String>| name.as_ref().is_some_and(|name| name.starts_with('-'));
        if awaiters.is_empty() || awaiters.iter().any(bad) {
            let problem = format!("has a malformed line '{line}'");
            return Err(malformed(Path::new(TRIGGERS).join("Unincorp"), problem));
        }
        deferred.push(Deferred { trigger, awaiters });
    }
    Ok(deferred)
}
