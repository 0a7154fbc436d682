//! Items of a request as apt-get(8) reads them: a name, a name with a sign, a task, a glob, a regular expression or a
//! pattern ([`super::patterns`]).

use super::names::{Named, resolve};
use super::patterns::Pattern;
use crate::error::SolveError;
use crate::package::PackageId;
use crate::universe::Universe;
use regex::{Regex, RegexBuilder};

/// What an item asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// These are to be installed.
    Install(Vec<PackageId>),
    /// These are not to be installed.
    Leave(Vec<PackageId>),
}

/// Letters with which a text is a pattern of apt as a whole.
const PATTERN: [char; 4] = ['?', '~', '!', '('];

/// Returns what an item asks for, and notes the versions and suites that it names.
///
/// # Errors
/// [`SolveError`]: there is no such package, or no package matches.
pub(crate) fn item(universe: &Universe<'_>, named: &mut Named, text: &str) -> Result<Item, SolveError> {
    let text = text.trim();
    if text.starts_with(PATTERN) {
        let bad = |reason| SolveError::Pattern {
            pattern: text.to_owned(),
            reason,
        };
        let pattern = Pattern::parse(text).map_err(bad)?;
        let found = universe
            .every_candidate()
            .filter(|id| pattern.matches(universe, *id));
        // To apt a pattern that nothing matches asks for nothing.
        return Ok(Item::Install(found.collect()));
    }
    let unknown = match resolve(universe, named, text) {
        Ok(id) => return Ok(Item::Install(vec![id])),
        Err(error) => error,
    };
    // A sign counts where no package has the whole as its name.
    for (sign, leave) in [('-', true), ('+', false)] {
        if let Some(name) = text.strip_suffix(sign)
            && let Ok(Item::Install(found)) = item(universe, named, name)
        {
            return Ok(if leave {
                Item::Leave(found)
            } else {
                Item::Install(found)
            });
        }
    }
    // What is not there need not be left out, as long as it is a name at all.
    if let Some(name) = text.strip_suffix('-')
        && universe.is_known(name)
    {
        return Ok(Item::Leave(Vec::new()));
    }
    if let Some(task) = text.strip_suffix('^') {
        let has = |id: &PackageId| tasks(universe.package(*id).stanza).any(|word| word == task);
        return some(universe.native_names().filter(has).collect(), text).map(Item::Install);
    }
    let Some(expression) = expression(text) else {
        return Err(unknown);
    };
    let (name, architecture) = match text.split_once(':') {
        Some((name, architecture)) if !architecture.is_empty() => (name, architecture),
        _ => (text, universe.native()),
    };
    let expression = match name == text {
        true => expression,
        false => self::expression(name).unwrap_or(expression),
    };
    let names: Vec<&str> = universe
        .names()
        .filter(|name| expression.is_match(name))
        .collect();
    let mut found: Vec<PackageId> = names
        .into_iter()
        .filter_map(|name| universe.candidate(name, architecture))
        .collect();
    found.sort_by_key(|id| universe.package(*id).name);
    found.dedup();
    match found.is_empty() {
        true => Err(unknown),
        false => Ok(Item::Install(found)),
    }
}

fn some(found: Vec<PackageId>, text: &str) -> Result<Vec<PackageId>, SolveError> {
    match found.is_empty() {
        true => Err(SolveError::NothingMatches(text.to_owned())),
        false => Ok(found),
    }
}

/// Returns the tasks of a package (`Task`).
fn tasks(stanza: &str) -> impl Iterator<Item = &str> {
    let field = stanza.lines().find_map(|line| line.strip_prefix("Task:"));
    field
        .unwrap_or("")
        .split(',')
        .map(str::trim)
        .filter(|task| !task.is_empty())
}

/// Returns the expression for names that a text stands for: a glob of whole names, or else a regular expression.
fn expression(text: &str) -> Option<Regex> {
    if text.contains(['*', '?', '[']) && !text.contains(['^', '$', '|', '(']) {
        return RegexBuilder::new(&glob(text)).build().ok();
    }
    if !text.contains(['.', '?', '+', '*', '|', '[', '^', '$']) {
        return None;
    }
    regular(text)
}

/// Returns an expression that is searched for, without regard to capitals.
pub(super) fn regular(text: &str) -> Option<Regex> {
    RegexBuilder::new(text).case_insensitive(true).build().ok()
}

/// Returns the regular expression for a glob (glob(7)).
pub(super) fn glob(text: &str) -> String {
    let mut expression = String::from("^");
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            '[' => {
                let rest = letters.as_str();
                match rest.find(']').filter(|end| *end > 0) {
                    Some(end) => {
                        let set = rest.get(..end).unwrap_or_default().replace('\\', "\\\\");
                        let set = set.strip_prefix('!').map_or(set.clone(), |set| format!("^{set}"));
                        expression.push_str(&format!("[{set}]"));
                        letters = rest.get(end + 1..).unwrap_or_default().chars();
                    }
                    None => expression.push_str("\\["),
                }
            }
            letter => expression.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4]))),
        }
    }
    expression.push('$');
    expression
}
