//! Requests of every class, each class from a seed of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::Request;
use super::archive::Package;

/// A class of requests.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    /// Its name: the row of the table.
    pub name: &'static str,
    /// Its setting.
    pub setting: &'static str,
    /// How many there are.
    pub count: usize,
    /// Number from which they are made.
    pub seed: u64,
    make: Maker,
}

type Maker = fn(&mut Dice, &Archive<'_>) -> Vec<String>;

/// All classes.
pub const CLASSES: &[Class] = &[
    class("names", "amd64", 160, names),
    class("virtual names", "amd64", 70, virtual_names),
    class("packages that exclude others", "amd64", 200, excluding),
    class("`name-`", "amd64", 90, negative),
    class("`name:any`", "amd64", 40, any),
    class("nothing is installed", "amd64-bare", 80, names),
    class(
        "nothing is installed, packages that exclude others",
        "amd64-bare",
        60,
        excluding,
    ),
    class("with recommended packages", "amd64-recommends", 120, names),
    class("riscv64", "riscv64", 90, names),
    class("all components", "components", 50, names),
    class("amd64 and i386", "i386", 120, foreign),
    class("riscv64 and amd64", "riscv64+amd64", 60, foreign),
    class("trixie and bookworm", "bookworm", 60, names),
    class("trixie and bookworm, `name=version`", "bookworm", 110, versions),
    class("trixie and bookworm, `name/suite`", "bookworm", 130, suites),
    class("trixie and sid, `name=version`", "sid", 40, versions),
    class("trixie and sid, `name/suite`", "sid", 40, suites),
    class("sid", "sid-only", 60, names),
    class("many names", "amd64", 20, many),
];

const fn class(name: &'static str, setting: &'static str, count: usize, make: Maker) -> Class {
    // Each class has numbers of its own, whatever becomes of the others.
    let mut seed = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < name.len() {
        seed = (seed ^ name.as_bytes()[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    Class {
        name,
        setting,
        count,
        seed: seed % 1_000_000,
        make,
    }
}

/// Makes the requests of a class.
#[must_use]
pub fn of(class: &Class, archive: &Archive<'_>) -> Vec<Request> {
    let mut dice = Dice(class.seed);
    let one = |_| Request {
        class: class.name,
        setting: class.setting,
        items: (class.make)(&mut dice, archive),
    };
    (0..class.count).map(one).collect()
}

/// What requests are made from.
#[derive(Debug)]
pub struct Archive<'a> {
    packages: &'a [Package],
    names: Vec<&'a str>,
    /// Names for the first architecture.
    native: Vec<&'a str>,
    /// Names, with their architecture, of packages of a foreign one alone.
    foreign: Vec<String>,
    virtuals: Vec<&'a str>,
    /// Packages of which two suites have other versions: each with version and suite.
    several: Vec<(&'a str, Vec<(&'a str, &'a str)>)>,
    /// Who conflicts with whom, both there.
    clashes: Vec<(&'a str, &'a str)>,
    needed_by: BTreeMap<&'a str, Vec<&'a str>>,
    libraries: Vec<&'a str>,
}

impl<'a> Archive<'a> {
    /// Sorts packages out; `arch` is the target's architecture.
    #[must_use]
    pub fn new(packages: &'a [Package], arch: &str) -> Self {
        let all: BTreeSet<&str> = packages.iter().map(Package::name).collect();
        let of = |wanted: &dyn Fn(&Package) -> bool| -> BTreeSet<&'a str> {
            packages.iter().filter(|p| wanted(p)).map(Package::name).collect()
        };
        let native = of(&|p| p.index == arch);
        let foreign: BTreeSet<String> = packages
            .iter()
            .filter(|p| p.index != arch && p.field("Architecture") != "all")
            .map(|p| format!("{}:{}", p.name(), p.index))
            .collect();
        let provided: BTreeSet<&str> = packages.iter().flat_map(|p| p.named("Provides")).collect();
        let mut by_name: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        let mut clashes = BTreeSet::new();
        let mut needed_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for package in packages.iter().filter(|p| p.index == arch) {
            let name = package.name();
            let versions = by_name.entry(name).or_default();
            versions.insert(&package.suite, package.field("Version"));
            for other in package.named("Conflicts").chain(package.named("Breaks")) {
                if native.contains(other) && other != name {
                    clashes.insert((name, other));
                }
            }
            for other in package.named("Depends") {
                needed_by.entry(other).or_default().push(name);
            }
        }
        let several = by_name
            .into_iter()
            .filter(|(_, by_suite)| by_suite.values().collect::<BTreeSet<_>>().len() > 1)
            .map(|(name, by_suite)| (name, by_suite.into_iter().map(|(s, v)| (v, s)).collect()));
        Self {
            packages,
            several: several.collect(),
            virtuals: provided.difference(&all).copied().collect(),
            names: all.into_iter().collect(),
            foreign: foreign.into_iter().collect(),
            clashes: clashes.into_iter().collect(),
            needed_by,
            libraries: of(&|p| p.index == arch && p.field("Section") == "libs")
                .into_iter()
                .collect(),
            native: native.into_iter().collect(),
        }
    }

    fn package(&self, name: &str) -> Option<&'a Package> {
        self.packages.iter().find(|package| package.name() == name)
    }
}

/// Numbers that look random (splitmix64 of Sebastiano Vigna).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Begins with a number.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or(0)
    }

    /// One of several.
    pub fn one<'t, T>(&mut self, all: &'t [T]) -> Option<&'t T> {
        all.get(self.below(all.len()))
    }

    fn some(&mut self, all: &[&str], least: usize, most: usize) -> Vec<String> {
        let count = least + self.below(most + 1 - least);
        let mut found: Vec<String> = Vec::new();
        for _ in 0..count {
            found.extend(self.one(all).map(|name| (*name).to_owned()));
        }
        found
    }

    /// Whether something happens that does so often of ten times.
    pub fn chance(&mut self, of_ten: usize) -> bool {
        self.below(10) < of_ten
    }
}

fn names(dice: &mut Dice, archive: &Archive<'_>) -> Vec<String> {
    dice.some(&archive.native, 1, 5)
}

fn many(dice: &mut Dice, archive: &Archive<'_>) -> Vec<String> {
    // Libraries seldom exclude each other, so most of these can be installed.
    dice.some(&archive.libraries, 20, 60)
}

fn virtual_names(dice: &mut Dice, archive: &Archive<'_>) -> Vec<String> {
    let mut items = dice.some(&archive.virtuals, 1, 1);
    if dice.chance(4) {
        items.extend(dice.some(&archive.native, 1, 1));
    }
    items
}

/// A package that conflicts with another, and one that needs that other.
fn excluding(dice: &mut Dice, archive: &Archive<'_>) -> Vec<String> {
    for _ in 0..100 {
        let Some((name, other)) = dice.one(&archive.clashes).copied() else {
            break;
        };
        let mut items = vec![name.to_owned()];
        if let Some(user) = archive.needed_by.get(other).and_then(|users| dice.one(users)) {
            items.push((*user).to_owned());
        } else if dice.chance(7) {
            continue;
        }
        if dice.chance(3) {
            items.extend(dice.some(&archive.native, 1, 2));
        }
        if dice.chance(5) {
            items.reverse();
        }
        return items;
    }
    names(dice, archive)
}

/// A package without something that it or one of its dependencies names.
fn negative(dice: &mut Dice, archive: &Archive<'_>) -> Vec<String> {
    for _ in 0..100 {
        let items = dice.some(&archive.native, 1, 2);
        let mut named: Vec<&str> = Vec::new();
        for package in items.iter().filter_map(|name| archive.package(name)) {
            named.extend(package.named("Depends"));
            for other in package.named("Depends").filter_map(|name| archive.package(name)) {
                named.extend(other.named("Depends"));
            }
        }
        let known = |name: &&str| archive.native.binary_search(name).is_ok();
        let named: Vec<&str> = named.into_iter().filter(known).collect();
        if let Some(without) = dice.one(&named) {
            return items.into_iter().chain([format!("{without}-")]).collect();
        }
    }
    names(dice, archive)
}

fn any(dice: &mut Dice, archive: &Archive<'_>) -> Vec<String> {
    let is_allowed = |package: &&Package| package.text.contains("\nMulti-Arch: allowed");
    let allowed: Vec<&str> = archive
        .packages
        .iter()
        .filter(is_allowed)
        .map(Package::name)
        .collect();
    let from = if dice.chance(6) { &allowed } else { &archive.native };
    let mut items: Vec<String> = dice.some(from, 1, 1);
    items.iter_mut().for_each(|item| item.push_str(":any"));
    if dice.chance(4) {
        items.extend(dice.some(&archive.native, 1, 2));
    }
    items
}

fn foreign(dice: &mut Dice, archive: &Archive<'_>) -> Vec<String> {
    let mut items = Vec::new();
    for _ in 0..=dice.below(2) {
        items.extend(dice.one(&archive.foreign).cloned());
    }
    if dice.chance(5) {
        items.extend(dice.some(&archive.native, 1, 2));
    }
    items
}

fn versions(dice: &mut Dice, archive: &Archive<'_>) -> Vec<String> {
    several(dice, archive, |name, version, _| format!("{name}={version}"))
}

fn suites(dice: &mut Dice, archive: &Archive<'_>) -> Vec<String> {
    several(dice, archive, |name, _, suite| format!("{name}/{suite}"))
}

fn several(dice: &mut Dice, archive: &Archive<'_>, item: fn(&str, &str, &str) -> String) -> Vec<String> {
    let mut items = Vec::new();
    if let Some((name, versions)) = dice.one(&archive.several)
        && let Some((version, suite)) = dice.one(versions)
    {
        items.push(item(name, version, suite));
    }
    if dice.chance(4) {
        items.extend(dice.some(&archive.names, 1, 1));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_requests() {
        let package = |name: &str, fields: &[(&str, &str)]| Package {
            suite: "trixie".to_owned(),
            index: "amd64".to_owned(),
            fields: [("Package", name), ("Version", "1"), ("Architecture", "amd64")]
                .iter()
                .chain(fields)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            text: String::new(),
        };
        let packages = [
            package("a", &[("Depends", "b | c (>= 1)"), ("Conflicts", "d")]),
            package("b", &[("Provides", "v")]),
            package("c", &[("Section", "libs")]),
            package("d", &[]),
        ];
        let archive = Archive::new(&packages, "amd64");
        assert_eq!(archive.virtuals, ["v"]);
        assert_eq!(archive.clashes, [("a", "d")]);
        let total: usize = CLASSES.iter().map(|class| class.count).sum();
        assert!(total >= 1500, "{total}");
        for class in CLASSES {
            let first = of(class, &archive);
            assert_eq!(first, of(class, &archive));
            assert_eq!(first.len(), class.count);
        }
        let seeds: BTreeSet<u64> = CLASSES.iter().map(|class| class.seed).collect();
        assert_eq!(seeds.len(), CLASSES.len());
    }
}
