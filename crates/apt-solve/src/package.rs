//! One binary package of an archive, parsed from its paragraph in the index.

use deb_types::FileHash;
use deb_types::MultiArch;
use deb_types::control::Fields;
use deb_types::relation::{Alternatives, Dialect, Relation, parse_groups, parse_list};

/// A package of a [`Universe`](super::Universe): a number that stands for one
/// version of one package for one architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId(pub(crate) u32);

impl PackageId {
    /// Returns the number as an index; the numbers are dense from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The kinds of relations that need another package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DependencyKind {
    /// `Pre-Depends`: the other is configured before this one is unpacked.
    PreDepends,
    /// `Depends`: the other is configured before this one is configured.
    Depends,
    /// `Recommends`: the other is installed if recommended packages are.
    Recommends,
}

impl DependencyKind {
    /// Returns the words for "NAME ... OTHER".
    pub fn verb(self) -> &'static str {
        match self {
            Self::PreDepends => "pre-depends on",
            Self::Depends => "depends on",
            Self::Recommends => "recommends",
        }
    }
}

/// A package as its paragraph in the index describes it.
#[derive(Clone, Debug)]
pub struct Package<'a> {
    /// Name; lower case letters, digits, `+`, `-` and `.` only.
    pub name: &'a str,
    /// Version, valid by deb-version(7).
    pub version: &'a str,
    /// Architecture, `all` included.
    pub architecture: &'a str,
    /// `Multi-Arch`.
    pub multi_arch: MultiArch,
    /// `Essential: yes`.
    pub essential: bool,
    /// `Protected: yes` (or `Important: yes`).
    pub protected: bool,
    /// `Priority`, as written.
    pub priority: &'a str,
    /// `Section`, as written.
    pub section: &'a str,
    /// Name of the source package.
    pub source: &'a str,
    /// Version of the source package, where `Source` says that it is another than the package's.
    pub source_version: Option<&'a str>,
    /// `Pre-Depends`.
    pub pre_depends: Vec<Alternatives<'a>>,
    /// `Depends`.
    pub depends: Vec<Alternatives<'a>>,
    /// `Recommends`.
    pub recommends: Vec<Alternatives<'a>>,
    /// `Suggests`.
    pub suggests: Vec<Alternatives<'a>>,
    /// `Conflicts`.
    pub conflicts: Vec<Relation<'a>>,
    /// `Breaks`.
    pub breaks: Vec<Relation<'a>>,
    /// `Replaces`.
    pub replaces: Vec<Relation<'a>>,
    /// `Provides`; a bound is the version provided.
    pub provides: Vec<Relation<'a>>,
    /// `Filename`, relative to the archive's base.
    pub filename: &'a str,
    /// `Size` of the .deb in bytes.
    pub size: u64,
    /// `SHA256` of the .deb, else its `SHA512`; none where the index has neither, which
    /// [`choose`](super::choose) does not accept.
    pub hash: Option<FileHash>,
    /// `Installed-Size` in KiB, as the packager estimated it.
    pub installed_size: u64,
    /// Number of the package's index, in the order given to the universe.
    pub index: usize,
    /// The paragraph as it stands in the index.
    pub stanza: &'a str,
    /// Malformed field and its text, if there is one; such a package
    /// is not chosen.
    pub malformed: Option<(&'static str, &'a str)>,
}

impl<'a> Package<'a> {
    /// Returns the version of the source package.
    pub fn source_version(&self) -> &'a str {
        self.source_version.unwrap_or(self.version)
    }

    /// Returns the positive dependencies in the order apt considers them.
    pub fn dependencies(&self) -> impl Iterator<Item = (DependencyKind, &Alternatives<'a>)> {
        let with = |kind| move |group| (kind, group);
        self.pre_depends
            .iter()
            .map(with(DependencyKind::PreDepends))
            .chain(self.depends.iter().map(with(DependencyKind::Depends)))
            .chain(self.recommends.iter().map(with(DependencyKind::Recommends)))
    }

    /// Returns the `Pre-Depends` and `Depends`.
    pub fn required(&self) -> impl Iterator<Item = (DependencyKind, &Alternatives<'a>)> {
        self.dependencies()
            .take_while(|(kind, _)| *kind != DependencyKind::Recommends)
    }

    /// Returns the `Conflicts` and `Breaks`, each with the verb for messages.
    pub fn negatives(&self) -> impl Iterator<Item = (&'static str, &Relation<'a>)> {
        let conflicts = self.conflicts.iter().map(|r| ("conflicts with", r));
        conflicts.chain(self.breaks.iter().map(|r| ("breaks", r)))
    }

    /// Parses a paragraph whose name, version and architecture are known.
    pub(crate) fn parse(name: &'a str, version: &'a str, index: usize, stanza: &'a str) -> Self {
        let mut package = Self {
            name,
            version,
            architecture: "",
            multi_arch: MultiArch::No,
            essential: false,
            protected: false,
            priority: "",
            section: "",
            source: name,
            source_version: None,
            pre_depends: Vec::new(),
            depends: Vec::new(),
            recommends: Vec::new(),
            suggests: Vec::new(),
            conflicts: Vec::new(),
            breaks: Vec::new(),
            replaces: Vec::new(),
            provides: Vec::new(),
            filename: "",
            size: 0,
            hash: None,
            installed_size: 0,
            index,
            stanza,
            malformed: None,
        };
        for (field, value) in Fields::of(stanza) {
            package.set(field, value);
        }
        if package.malformed.is_none() && (package.filename.is_empty() || package.hash.is_none()) {
            package.malformed = Some(("Filename, SHA256 or SHA512", ""));
        }
        package
    }

    fn set(&mut self, field: &str, value: &'a str) {
        let bad = &mut self.malformed;
        let mut groups = |name: &'static str| {
            parse_groups(value, Dialect::Apt).unwrap_or_else(|error| {
                *bad = Some((name, error.relation));
                Vec::new()
            })
        };
        match field.to_ascii_lowercase().as_str() {
            "pre-depends" => self.pre_depends = groups("Pre-Depends"),
            "depends" => self.depends = groups("Depends"),
            "recommends" => self.recommends = groups("Recommends"),
            "suggests" => self.suggests = groups("Suggests"),
            "conflicts" => self.conflicts = self.list("Conflicts", value),
            "breaks" => self.breaks = self.list("Breaks", value),
            "replaces" => self.replaces = self.list("Replaces", value),
            "provides" => self.provides = self.list("Provides", value),
            "architecture" => self.architecture = value,
            "multi-arch" => self.multi_arch = MultiArch::from_word(value).unwrap_or_default(),
            "essential" => self.essential = value == "yes",
            "protected" | "important" => self.protected |= value == "yes",
            "priority" => self.priority = value,
            "section" => self.section = value,
            "source" => {
                let mut words = value.split_whitespace();
                self.source = words.next().unwrap_or(value);
                self.source_version = words.next().map(|version| version.trim_matches(['(', ')']));
            }
            "filename" => self.filename = value,
            "size" => self.size = self.number("Size", value),
            "installed-size" => self.installed_size = value.parse().unwrap_or(0),
            "sha256" | "sha512" => match FileHash::of_field(field, value) {
                Some(hash @ FileHash::Sha256(_)) => self.hash = Some(hash),
                Some(hash) => self.hash = self.hash.or(Some(hash)),
                None => self.malformed = Some(("SHA256 or SHA512", value)),
            },
            _ => {}
        }
    }

    fn list(&mut self, name: &'static str, value: &'a str) -> Vec<Relation<'a>> {
        parse_list(value, Dialect::Apt).unwrap_or_else(|error| {
            self.malformed = Some((name, error.relation));
            Vec::new()
        })
    }

    fn number(&mut self, name: &'static str, value: &'a str) -> u64 {
        value.parse().unwrap_or_else(|_| {
            self.malformed = Some((name, value));
            0
        })
    }
}
