//! `--path-exclude` and `--path-include`: paths of packages that are not unpacked.

use glibc_tools::fnmatch;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Patterns in the order given; the last that matches decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(Vec<(Vec<u8>, bool)>);

impl Filters {
    /// Adds a pattern (glob(7), where `*` and `?` match slashes as well).
    pub fn add(&mut self, pattern: &Path, include: bool) {
        self.0.push((pattern.as_os_str().as_bytes().to_vec(), include));
    }

    /// Whether a path of a package is left out. With `may_hold_others`, a directory or link, it stays where an
    /// included path may lie below it.
    pub fn leave_out(&self, path: &Path, may_hold_others: bool) -> bool {
        let path = path.as_os_str().as_bytes();
        let mut matching = self.0.iter().rev();
        let last = matching.find(|(pattern, _)| fnmatch(pattern, path));
        if last.is_none_or(|(_, include)| *include) {
            return false;
        }
        let reaches = |pattern: &[u8]| {
            let end = pattern
                .iter()
                .position(|b| b"*?[\\".contains(b))
                .unwrap_or(pattern.len());
            let mut fixed = pattern.get(..end).unwrap_or_default();
            while let Some(shorter) = fixed.strip_suffix(b"/") {
                fixed = shorter;
            }
            // As in dpkg, the path is compared with the fixed part of the pattern only.
            path.starts_with(fixed)
        };
        !(may_hold_others
            && self
                .0
                .iter()
                .any(|(pattern, include)| *include && reaches(pattern)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pattern_decides_and_parents_stay() {
        let mut filters = Filters::default();
        assert!(!filters.leave_out(Path::new("/usr/share/doc/a"), false));
        filters.add(Path::new("/usr/share/doc/*"), false);
        filters.add(Path::new("/usr/share/doc/*/copyright"), true);
        assert!(filters.leave_out(Path::new("/usr/share/doc/a/README"), false));
        assert!(!filters.leave_out(Path::new("/usr/share/doc/a/copyright"), false));
        assert!(!filters.leave_out(Path::new("/usr/share/doc/a"), true));
        assert!(!filters.leave_out(Path::new("/usr/bin/a"), false));
        filters.add(Path::new("/usr/share/man/*"), false);
        assert!(filters.leave_out(Path::new("/usr/share/man/man1"), true));
    }
}
