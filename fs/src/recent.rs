//! A cache of what was used recently.

use std::collections::HashMap;
use std::hash::Hash;

/// Values by key; when there are too many, the half that was used least recently goes.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    kept: HashMap<K, (V, u64)>,
    clock: u64,
    most: usize,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// Makes an empty cache of at most `most` values.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            kept: HashMap::new(),
            clock: 0,
            most,
        }
    }

    /// Returns the value of a key, and counts that as a use.
    pub(crate) fn get<Q>(&mut self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.clock += 1;
        let (value, used) = self.kept.get_mut(key)?;
        *used = self.clock;
        Some(value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.insert_sparing(key, value, |_| false);
    }

    /// Inserts a value; those that are spared do not go, and do not count.
    pub(crate) fn insert_sparing(&mut self, key: K, value: V, spared: impl Fn(&K) -> bool) {
        if self.kept.len() >= self.most {
            let others = self.kept.iter().filter(|(key, _)| !spared(key));
            let mut times: Vec<u64> = others.map(|(_, (_, used))| *used).collect();
            if times.len() >= self.most {
                times.sort_unstable();
                let limit = times.get(times.len() / 2).copied().unwrap_or(u64::MAX);
                self.kept.retain(|key, (_, used)| spared(key) || *used > limit);
            }
        }
        self.clock += 1;
        self.kept.insert(key, (value, self.clock));
    }

    pub(crate) fn remove(&mut self, key: &K) {
        self.kept.remove(key);
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&K, &V) -> bool) {
        self.kept.retain(|key, (value, _)| keep(key, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_stays() {
        let mut recent = Recent::new(10);
        for number in 0..9 {
            recent.insert(number, number);
        }
        assert_eq!(recent.get(&0), Some(&0));
        for number in 9..12 {
            recent.insert(number, number);
        }
        assert!(recent.kept.len() <= 10);
        assert_eq!(recent.get(&0), Some(&0));
        assert_eq!(recent.get(&1), None);
        assert_eq!(recent.get(&11), Some(&11));
    }

    #[test]
    fn what_is_spared_stays() {
        let mut recent = Recent::new(4);
        for number in 0..100 {
            recent.insert_sparing(number, (), |key| *key < 10);
        }
        let spared = (0..10).filter(|key| recent.get(key).is_some()).count();
        assert_eq!(spared, 10);
        assert!(recent.kept.len() <= 14);
        recent.retain(|key, ()| *key >= 10);
        recent.remove(&99);
        assert_eq!(recent.get(&1), None);
        assert_eq!(recent.get(&99), None);
    }
}
