//! Directories that are searched, and the tokens in their paths (ld.so(8), "Dynamic string tokens").

use crate::abi::Abi;

/// Returns the directories of a search path, without those whose tokens have no value.
pub(super) fn directories(list: &[u8], separators: &[u8], origin: Option<&[u8]>, abi: &Abi) -> Vec<Vec<u8>> {
    list.split(|b| separators.contains(b))
        .filter_map(|directory| expand(directory, origin, abi))
        .map(|directory| with_slash(&directory))
        .collect()
}

/// Returns the directories that are always searched.
pub(super) fn system(abi: &Abi) -> [Vec<u8>; 4] {
    abi.system_directories()
        .map(|directory| with_slash(directory.as_bytes()))
}

/// Returns a directory with one slash at its end, for a name to follow; an empty one is the current directory.
fn with_slash(directory: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        return b"./".to_vec();
    }
    let end = directory
        .iter()
        .rposition(|&b| b != b'/')
        .map_or(0, |last| last + 1);
    [directory.get(..end).unwrap_or_default(), b"/"].concat()
}

/// Replaces `$ORIGIN` and `$LIB`; `None` if `$ORIGIN` has no value, and for `$PLATFORM`, which is a property of the
/// machine.
pub(super) fn expand(text: &[u8], origin: Option<&[u8]>, abi: &Abi) -> Option<Vec<u8>> {
    let mut expanded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'$' {
            expanded.push(first);
            continue;
        }
        if let Some(tail) = token(tail, b"ORIGIN") {
            expanded.extend_from_slice(origin?);
            rest = tail;
        } else if let Some(tail) = token(tail, b"LIB") {
            expanded.extend_from_slice(format!("lib/{}", abi.triplet).as_bytes());
            rest = tail;
        } else if token(tail, b"PLATFORM").is_some() {
            return None;
        } else {
            expanded.push(first);
        }
    }
    Some(expanded)
}

/// Returns the text behind `NAME` or `{NAME}`.
fn token<'t>(text: &'t [u8], name: &[u8]) -> Option<&'t [u8]> {
    if let Some(braced) = text.strip_prefix(b"{") {
        return braced.strip_prefix(name)?.strip_prefix(b"}");
    }
    let rest = text.strip_prefix(name)?;
    let longer = rest
        .first()
        .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    (!longer).then_some(rest)
}

/// Returns `$ORIGIN` of a file loaded as `path` by a process in `directory`.
pub(super) fn origin(path: &[u8], directory: &[u8]) -> Vec<u8> {
    let parent = path.iter().rposition(|&b| b == b'/');
    let parent = parent.and_then(|slash| path.get(..slash));
    let origin = match (path.first(), parent) {
        (Some(b'/'), Some(parent)) => parent.to_vec(),
        (_, Some(parent)) => [with_slash(directory).as_slice(), parent].concat(),
        (_, None) => directory.to_vec(),
    };
    if origin.is_empty() { b"/".to_vec() } else { origin }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deb_arch::Architecture;

    #[test]
    fn tokens_are_replaced() {
        let abi = Abi::of(Architecture::by_name("riscv64").unwrap());
        let told = |text: &str| {
            expand(text.as_bytes(), Some(b"/opt/x"), &abi).map(|text| String::from_utf8(text).unwrap())
        };
        assert_eq!(told("$ORIGIN/../lib").unwrap(), "/opt/x/../lib");
        assert_eq!(told("${ORIGIN}").unwrap(), "/opt/x");
        assert_eq!(told("/usr/$LIB/y").unwrap(), "/usr/lib/riscv64-linux-gnu/y");
        assert_eq!(told("/a/$ORIGINAL/$").unwrap(), "/a/$ORIGINAL/$");
        assert_eq!(told("/usr/$PLATFORM"), None);
        assert_eq!(expand(b"$ORIGIN", None, &abi), None);
        let list = directories(b"/a//:$PLATFORM::$ORIGIN/b;c", b":;", Some(b"/o"), &abi);
        assert_eq!(list, [&b"/a/"[..], b"./", b"/o/b/", b"c/"].map(<[u8]>::to_vec));
    }

    #[test]
    fn origins() {
        for (path, expected) in [("/bin/x", "/bin"), ("/x", "/"), ("./y/x", "/d/./y"), ("x", "/d")] {
            assert_eq!(origin(path.as_bytes(), b"/d"), expected.as_bytes());
        }
    }
}
