//! Patterns of apt (apt-patterns(7)), on the candidate version of each package.

use super::items::{glob, regular};
use crate::package::{Package, PackageId};
use crate::universe::Universe;
use deb_types::relation::Alternatives;
use regex::Regex;

/// A pattern.
#[derive(Debug)]
pub(super) enum Pattern {
    And(Vec<Pattern>),
    Or(Vec<Pattern>),
    Not(Box<Pattern>),
    Always(bool),
    Essential,
    Name(Regex),
    Exactly(String),
    Architecture(Regex),
    Archive(Regex),
    Codename(Regex),
    Section(Regex),
    Priority(String),
    Source(Regex),
    Version(Regex),
    Description(Regex),
    Task(Regex),
    Provides(Box<Pattern>),
    Relates(&'static str, Box<Pattern>),
}

/// Words of patterns that take other patterns or a text, with the letter of their short form.
const WORDS: &[(&str, &str)] = &[
    ("name", "n"),
    ("architecture", "r"),
    ("archive", "A"),
    ("section", "s"),
    ("priority", "p"),
    ("source-package", "e"),
    ("version", "V"),
    ("description", "d"),
    ("essential", "E"),
    ("provides", "P"),
    ("depends", "D"),
    ("pre-depends", "DPreDepends:"),
    ("recommends", "DRecommends:"),
    ("suggests", "DSuggests:"),
    ("conflicts", "C"),
    ("breaks", "B"),
    ("installed", "i"),
    ("upgradable", "U"),
    ("garbage", "g"),
    ("automatic", "M"),
    ("config-files", "c"),
    ("broken", "b"),
    ("obsolete", "o"),
    ("virtual", "v"),
    ("true", "T"),
    ("false", "F"),
    ("narrow", "S"),
];

/// Most patterns in one another.
const DEEPEST: usize = 50;

impl Pattern {
    /// Parses a text. The error says in words what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text, depth: 0 };
        let pattern = parser.alternatives(false)?;
        parser.blanks();
        match parser.rest {
            "" => Ok(pattern),
            rest => Err(format!("there is no sense in `{rest}`")),
        }
    }

    /// Whether a package matches.
    pub(super) fn matches(&self, universe: &Universe<'_>, id: PackageId) -> bool {
        let package = universe.package(id);
        let index = || universe.index(package.index);
        match self {
            Self::And(all) => all.iter().all(|pattern| pattern.matches(universe, id)),
            Self::Or(some) => some.iter().any(|pattern| pattern.matches(universe, id)),
            Self::Not(pattern) => !pattern.matches(universe, id),
            Self::Always(answer) => *answer,
            Self::Essential => universe.is_essential(id),
            Self::Name(name) => name.is_match(package.name),
            Self::Exactly(name) => package.name == name,
            Self::Architecture(name) => match package.architecture {
                "all" => name.is_match("all") || name.is_match(universe.native()),
                architecture => name.is_match(architecture),
            },
            Self::Archive(name) => index().is_some_and(|index| name.is_match(index.suite)),
            Self::Codename(name) => index().is_some_and(|index| name.is_match(index.codename)),
            Self::Section(name) => name.is_match(package.section),
            Self::Priority(name) => package.priority == name,
            Self::Source(name) => name.is_match(package.source),
            Self::Version(text) => text.is_match(package.version),
            Self::Description(text) => text.is_match(field(package.stanza, "Description:")),
            Self::Task(text) => text.is_match(field(package.stanza, "Task:")),
            Self::Provides(pattern) => {
                let names = package.provides.iter().map(|relation| relation.name);
                pattern.names_any(universe, names)
            }
            Self::Relates(kind, pattern) => pattern.names_any(universe, related(package, kind).into_iter()),
        }
    }

    /// Whether a package of any of these names matches.
    fn names_any<'n>(&self, universe: &Universe<'_>, mut names: impl Iterator<Item = &'n str>) -> bool {
        names.any(|name| match universe.candidate(name, universe.native()) {
            Some(id) => self.matches(universe, id),
            // Of a virtual package there is the name.
            None => match self {
                Self::Name(expression) => expression.is_match(name),
                Self::Exactly(exact) => exact == name,
                _ => false,
            },
        })
    }
}

/// Returns the first line of a field, in lower or upper case as written.
fn field<'s>(stanza: &'s str, name: &str) -> &'s str {
    stanza
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap_or("")
        .trim()
}

fn related<'p>(package: &'p Package<'_>, kind: &str) -> Vec<&'p str> {
    let names = |groups: &'p [Alternatives<'_>]| -> Vec<&'p str> {
        groups
            .iter()
            .flat_map(|group| group.iter().map(|relation| relation.name))
            .collect()
    };
    match kind {
        "depends" => names(&package.depends),
        "pre-depends" => names(&package.pre_depends),
        "recommends" => names(&package.recommends),
        "conflicts" => package.conflicts.iter().map(|relation| relation.name).collect(),
        _ => package.breaks.iter().map(|relation| relation.name).collect(),
    }
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
}

type Parsed = Result<Pattern, String>;

impl<'t> Parser<'t> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Patterns between `|`, each some that follow one another; `inside` those of another one's arguments.
    fn alternatives(&mut self, inside: bool) -> Parsed {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("too many patterns are in one another".to_owned());
        }
        let mut some = vec![self.sequence(inside)?];
        loop {
            self.blanks();
            if !self.take("|") {
                break;
            }
            some.push(self.sequence(inside)?);
        }
        self.depth -= 1;
        Ok(only(some, Pattern::Or))
    }

    fn sequence(&mut self, inside: bool) -> Parsed {
        let mut all = vec![self.one()?];
        loop {
            self.blanks();
            let ends = self.rest.is_empty() || self.rest.starts_with(['|', ')']);
            if ends || inside && self.rest.starts_with(',') {
                return Ok(only(all, Pattern::And));
            }
            all.push(self.one()?);
        }
    }

    fn one(&mut self) -> Parsed {
        self.blanks();
        if self.take("!") {
            return Ok(Pattern::Not(Box::new(self.one()?)));
        }
        if self.take("(") {
            let pattern = self.alternatives(false)?;
            return self.close().map(|()| pattern);
        }
        if self.take("?") {
            return self.long();
        }
        if self.take("~") {
            return self.short();
        }
        Err(format!(
            "a pattern begins with `?`, `~`, `!` or `(`, and not as `{}`",
            self.rest
        ))
    }

    fn close(&mut self) -> Result<(), String> {
        self.blanks();
        match self.take(")") {
            true => Ok(()),
            false => Err("a bracket is not closed".to_owned()),
        }
    }

    fn long(&mut self) -> Parsed {
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "and" | "narrow" => return Ok(Pattern::And(self.arguments()?)),
            "or" => return Ok(Pattern::Or(self.arguments()?)),
            "not" => {
                let pattern = Pattern::And(self.arguments()?);
                return Ok(Pattern::Not(Box::new(pattern)));
            }
            "any-version" | "all-versions" => return Ok(Pattern::And(self.arguments()?)),
            _ => {}
        }
        if let Some(pattern) = simple(word) {
            return Ok(pattern);
        }
        if let Some(kind) = relation(word) {
            let inner = Box::new(Pattern::And(self.arguments()?));
            return Ok(match kind {
                "provides" => Pattern::Provides(inner),
                kind => Pattern::Relates(kind, inner),
            });
        }
        let text = self.text()?;
        of_text(word, &text)
    }

    /// Patterns in brackets, between commas.
    fn arguments(&mut self) -> Result<Vec<Pattern>, String> {
        if !self.take("(") {
            return Err("patterns in brackets are missing".to_owned());
        }
        let mut all = Vec::new();
        loop {
            all.push(self.alternatives(true)?);
            self.blanks();
            if !self.take(",") {
                return self.close().map(|()| all);
            }
        }
    }

    /// A text in brackets, perhaps in quotes.
    fn text(&mut self) -> Result<String, String> {
        if !self.take("(") {
            return Err("a text in brackets is missing".to_owned());
        }
        self.blanks();
        let text = if self.take("\"") {
            let end = self.rest.find('"').ok_or("a quote is not closed")?;
            let (text, rest) = self.rest.split_at(end);
            self.rest = rest.strip_prefix('"').unwrap_or(rest);
            text
        } else {
            let end = self.rest.find([')', ',']).unwrap_or(self.rest.len());
            let (text, rest) = self.rest.split_at(end);
            self.rest = rest;
            text.trim()
        };
        self.close().map(|()| text.to_owned())
    }

    /// `~n` and a text without brackets, quotes or blanks.
    fn short(&mut self) -> Parsed {
        let mut words: Vec<&(&str, &str)> = WORDS
            .iter()
            .filter(|(_, letter)| self.rest.starts_with(letter))
            .collect();
        words.sort_by_key(|(_, letter)| std::cmp::Reverse(letter.len()));
        let (word, letter) = *words
            .first()
            .ok_or_else(|| format!("there is no pattern `~{}`", self.rest))?;
        self.take(letter);
        if let Some(pattern) = simple(word) {
            return Ok(pattern);
        }
        if let Some(kind) = relation(word) {
            let inner = match self.rest.starts_with(['~', '?', '(', '!']) {
                true => self.one()?,
                false => Pattern::Name(expression(&self.word())?),
            };
            return Ok(match kind {
                "provides" => Pattern::Provides(Box::new(inner)),
                kind => Pattern::Relates(kind, Box::new(inner)),
            });
        }
        let text = match self.rest.strip_prefix('"') {
            Some(rest) => {
                let end = rest.find('"').ok_or("a quote is not closed")?;
                self.rest = rest.get(end + 1..).unwrap_or_default();
                rest.get(..end).unwrap_or_default().to_owned()
            }
            None => self.word(),
        };
        of_text(word, &text)
    }

    fn word(&mut self) -> String {
        let ends = |c: char| c.is_whitespace() || ['|', ')', ',', '~', '!', '?'].contains(&c);
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }
}

fn only(mut patterns: Vec<Pattern>, several: fn(Vec<Pattern>) -> Pattern) -> Pattern {
    match patterns.len() {
        1 => patterns.pop().unwrap_or(Pattern::Always(false)),
        _ => several(patterns),
    }
}

/// Returns the pattern of a word that takes nothing. Nothing is installed before the packages that are asked for.
fn simple(word: &str) -> Option<Pattern> {
    Some(match word {
        "essential" => Pattern::Essential,
        "true" => Pattern::Always(true),
        "false" | "installed" | "upgradable" | "garbage" | "automatic" | "config-files" | "broken"
        | "obsolete" | "virtual" => Pattern::Always(false),
        _ => return None,
    })
}

fn relation(word: &str) -> Option<&'static str> {
    [
        "provides",
        "depends",
        "pre-depends",
        "recommends",
        "conflicts",
        "breaks",
    ]
    .into_iter()
    .find(|kind| *kind == word)
}

fn of_text(word: &str, text: &str) -> Parsed {
    if text.is_empty() {
        return Err(format!("?{word} needs a text"));
    }
    Ok(match word {
        "name" => Pattern::Name(expression(text)?),
        "exact-name" => Pattern::Exactly(text.to_owned()),
        "architecture" => Pattern::Architecture(wildcard(text)?),
        "archive" => Pattern::Archive(expression(text)?),
        "codename" => Pattern::Codename(expression(text)?),
        "section" => Pattern::Section(expression(text)?),
        "priority" => Pattern::Priority(text.to_owned()),
        "source-package" => Pattern::Source(expression(text)?),
        "version" => Pattern::Version(expression(text)?),
        "description" => Pattern::Description(expression(text)?),
        "task" => Pattern::Task(expression(text)?),
        word => return Err(format!("`?{word}` is not supported here")),
    })
}

fn expression(text: &str) -> Result<Regex, String> {
    regular(text).ok_or_else(|| format!("`{text}` is no regular expression"))
}

/// `any` and `native` stand for architectures, and so do globs.
fn wildcard(text: &str) -> Result<Regex, String> {
    let text = if matches!(text, "any" | "native") {
        "*"
    } else {
        text
    };
    expression(&glob(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_patterns() {
        for good in [
            "?essential",
            "~E",
            "?priority(required)",
            "~prequired",
            "?or(~prequired, ~pimportant)",
            "~prequired|~pimportant",
            "?and(?priority(required),?not(?essential))",
            "?narrow(?or(?archive(^trixie$),?codename(^trixie$)),?architecture(amd64),~pstandard)",
            "!~E",
            "(~nfoo | ~nbar) !~nbaz",
            "?name(\"^a.*$\")",
            "?depends(?name(libc6))",
            "~Dlibc6",
            "~DPreDepends:~nlibc6",
        ] {
            assert!(Pattern::parse(good).is_ok(), "{good}: {:?}", Pattern::parse(good));
        }
        for (bad, said) in [
            ("?", "brackets"),
            ("?or(~prequired", "bracket"),
            ("~X", "no pattern"),
            ("?origin(Debian)", "?origin"),
            ("?name([)", "regular expression"),
            ("~nfoo )", "no sense"),
            ("?priority", "brackets"),
        ] {
            let error = Pattern::parse(bad).map(|_| ()).unwrap_err();
            assert!(error.contains(said), "{bad}: {error}");
        }
        let deep = "(".repeat(100_000);
        assert!(Pattern::parse(&deep).is_err());
    }
}
