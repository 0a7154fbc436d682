//! Libraries that packages offer as alternatives (update-alternatives(1)), as liblapack3 does.
//!
//! The link a program needs is made by the package's postinst, which does not run for
//! the native sysroot. It is read from that script: the arguments of `--install` and `--slave`
//! are a link, a name and the file it leads to.

use super::tree::kept;
use std::path::{Path, PathBuf};

/// The links to shared libraries that a script offers, and where each leads. Both are paths
/// of a sysroot.
pub(super) fn libraries(script: &[u8]) -> Vec<(PathBuf, PathBuf)> {
    let script = String::from_utf8_lossy(script).replace("\\\n", " ");
    let mut links = Vec::new();
    for command in script.lines().filter(|line| line.contains("update-alternatives")) {
        let plain = |word: &str| word.trim_matches(['"', '\'', ';']).to_owned();
        let words: Vec<String> = command.split_whitespace().map(plain).collect();
        for window in words.windows(4) {
            if let [option, link, _, file] = window
                && (option == "--install" || option == "--slave")
                && let (Some(link), Some(file)) = (library(link), library(file))
            {
                links.push((link, file));
            }
        }
    }
    links
}

/// A shared library's path below the root, if it is one that a sysroot has.
fn library(path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let name = path.file_name()?.to_str()?;
    let shared = name.ends_with(".so") || name.contains(".so.");
    // A variable of the shell would have to be known.
    let known = path.is_absolute() && !path.to_str()?.contains('$');
    (shared && known).then(|| kept(path)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offered_libraries_are_found() {
        let script = b"#!/bin/sh\nset -e\nupdate-alternatives --install /usr/lib/T/libx.so.3 \\\n  \
            libx.so.3-T \\\n\t/usr/lib/T/x/libx.so.3 10 --slave /usr/lib/T/liby.so liby /usr/lib/T/x/liby.so\n\
            update-alternatives --install \"/usr/bin/x\" x /usr/bin/x1 5\n\
            update-alternatives --install $D/libz.so z $D/z/libz.so 5\n\
            update-alternatives --install /usr/lib/../../etc/l.so l /usr/lib/l.so 5\n";
        let links = libraries(script);
        let pair = |link: &str, file: &str| (PathBuf::from(link), PathBuf::from(file));
        assert_eq!(
            links,
            [
                pair("usr/lib/T/libx.so.3", "usr/lib/T/x/libx.so.3"),
                pair("usr/lib/T/liby.so", "usr/lib/T/x/liby.so"),
            ]
        );
        assert!(libraries(b"\xff\xfeupdate-alternatives --install").is_empty());
    }
}
