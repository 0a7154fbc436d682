//! Words that are nearly another: what a user may have meant.

/// Returns the number of letters to change, insert, drop or swap, if it is at most `most`.
///
/// ```
/// use deb_types::near::distance;
///
/// assert_eq!(distance("nginx", "ngnix", 2), Some(1));
/// assert_eq!(distance("vim", "emacs", 2), None);
/// ```
pub fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && Some(x) == b.get(j - 1) && a.get(i - 1) == Some(y) {
                best = best.min(before.get(j - 1).copied().unwrap_or(best) + 1);
            }
            row.push(best);
        }
        if row.iter().min().is_some_and(|least| *least > most) {
            return None;
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|d| *d <= most)
}

/// Returns the words within `most` letters of one, in either case, the nearest first.
pub fn nearest<'w>(word: &str, words: impl IntoIterator<Item = &'w str>, most: usize) -> Vec<&'w str> {
    let word = word.to_ascii_lowercase();
    let near = |known: &'w str| Some((distance(&word, &known.to_ascii_lowercase(), most)?, known));
    let mut found: Vec<(usize, &str)> = words.into_iter().filter_map(near).collect();
    found.sort_by_key(|(distance, _)| *distance);
    found.into_iter().map(|(_, known)| known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("nginx", "ngnix", 2), Some(1));
        assert_eq!(distance("vim", "vim", 2), Some(0));
        assert_eq!(distance("vim", "emacs", 2), None);
        assert_eq!(distance("", "ab", 2), Some(2));
    }

    #[test]
    fn near_words() {
        let suites = ["bookworm", "trixie", "sid"];
        assert_eq!(nearest("Trixie", suites, 2), ["trixie"]);
        assert_eq!(nearest("bokworm", suites, 2), ["bookworm"]);
        assert!(nearest("noble", suites, 2).is_empty());
    }
}
