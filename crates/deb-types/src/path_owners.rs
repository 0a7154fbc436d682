//! The owners of a root filesystem's paths, in little memory: there may be some hundred thousand paths and
//! some hundred owners.

use smallvec::SmallVec;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::path::Path;

/// Paths and their owners, in the order in which they came.
#[derive(Debug)]
pub struct PathOwners<T> {
    owners: Vec<T>,
    numbers: HashMap<T, u32>,
    // Two fit without memory of their own.
    paths: HashMap<Box<Path>, SmallVec<[u32; 2]>>,
}

impl<T> Default for PathOwners<T> {
    fn default() -> Self {
        Self {
            owners: Vec::new(),
            numbers: HashMap::new(),
            paths: HashMap::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> PathOwners<T> {
    /// Adds paths to those of an owner, after their other owners. An owner that has a path already keeps its
    /// position.
    pub fn add<P: AsRef<Path>>(&mut self, owner: &T, paths: impl IntoIterator<Item = P>) {
        let number = match self.numbers.get(owner) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.owners.len()).unwrap_or(u32::MAX);
                self.owners.push(owner.clone());
                self.numbers.insert(owner.clone(), number);
                number
            }
        };
        for path in paths {
            let path = path.as_ref();
            match self.paths.get_mut(path) {
                Some(list) if list.contains(&number) => {}
                Some(list) => list.push(number),
                None => {
                    self.paths.insert(path.into(), SmallVec::from_slice(&[number]));
                }
            }
        }
    }

    /// Removes an owner from all paths.
    pub fn forget(&mut self, owner: &T) {
        if let Some(number) = self.numbers.get(owner) {
            self.paths
                .values_mut()
                .for_each(|list| list.retain(|have| have != number));
        }
    }

    /// Renames an owner; no other may have the new name.
    pub fn rename(&mut self, old: &T, new: T) {
        let number = self.numbers.remove(old);
        let place = number.and_then(|number| self.owners.get_mut(usize::try_from(number).ok()?));
        if let (Some(number), Some(place)) = (number, place) {
            place.clone_from(&new);
            self.numbers.insert(new, number);
        }
    }

    /// Returns the number of paths that have an owner.
    pub fn path_count(&self) -> usize {
        self.paths.values().filter(|owners| !owners.is_empty()).count()
    }

    /// Returns the paths that have an owner, in no order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let owned = self.paths.iter().filter(|(_, owners)| !owners.is_empty());
        owned.map(|(path, _)| path.as_ref())
    }

    /// Returns the owners of a path.
    pub fn of(&self, path: &Path) -> impl DoubleEndedIterator<Item = &T> {
        let numbers = self.paths.get(path).map_or(&[][..], SmallVec::as_slice);
        numbers
            .iter()
            .filter_map(|number| self.owners.get(usize::try_from(*number).ok()?))
    }

    /// Returns the owners that have a path which no other has, those of `except` aside.
    pub fn sole(&self, except: &HashSet<&Path>) -> HashSet<T> {
        let mut sole = HashSet::new();
        for (path, numbers) in &self.paths {
            if let [number] = numbers.as_slice()
                && let Ok(number) = usize::try_from(*number)
                && let Some(owner) = self.owners.get(number)
                && !sole.contains(owner)
                && !except.contains(&**path)
            {
                sole.insert(owner.clone());
            }
        }
        sole
    }

    /// Removes from a path the owners for which `loses` holds, and returns them.
    pub fn take(&mut self, path: &Path, loses: impl Fn(&T) -> bool) -> Vec<T> {
        let mut losers = Vec::new();
        if let Some(list) = self.paths.get_mut(path) {
            list.retain(|number| {
                let owner = usize::try_from(*number)
                    .ok()
                    .and_then(|number| self.owners.get(number));
                match owner.filter(|owner| loses(owner)) {
                    Some(owner) => {
                        losers.push(owner.clone());
                        false
                    }
                    None => true,
                }
            });
        }
        losers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_come_and_go() {
        let mut owned = PathOwners::default();
        owned.add(&"a", ["/usr", "/usr/f"]);
        owned.add(&"b", ["/usr"]);
        owned.add(&"c", ["/usr"]);
        owned.add(&"a", ["/usr"]);
        let of =
            |owned: &PathOwners<&'static str>, path| owned.of(Path::new(path)).copied().collect::<Vec<_>>();
        assert_eq!(of(&owned, "/usr"), ["a", "b", "c"]);
        assert_eq!(of(&owned, "/usr/f"), ["a"]);
        assert!(of(&owned, "/etc").is_empty());
        assert_eq!(owned.sole(&HashSet::new()), HashSet::from(["a"]));
        assert!(owned.sole(&HashSet::from([Path::new("/usr/f")])).is_empty());
        assert_eq!(owned.take(Path::new("/usr"), |owner| *owner != "b"), ["a", "c"]);
        assert_eq!(of(&owned, "/usr"), ["b"]);
        assert!(owned.take(Path::new("/etc"), |_| true).is_empty());
        owned.add(&"a", ["/usr"]);
        assert_eq!(owned.of(Path::new("/usr")).next_back(), Some(&"a"));
    }
}
