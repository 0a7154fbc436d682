//! Users and groups of a root, from its passwd(5) and group(5): the outer system's may have other
//! numbers, or not have them at all.

use super::paths::World;

/// A database of the root or of the outer system.
#[derive(Clone, Copy)]
pub(crate) enum Base {
    /// passwd(5).
    Users,
    /// group(5).
    Groups,
}

impl Base {
    /// Its path.
    pub(crate) fn path(self) -> &'static [u8] {
        match self {
            Base::Users => b"/etc/passwd",
            Base::Groups => b"/etc/group",
        }
    }
}

/// The text of a database below a directory; the outer system's is below none.
pub(crate) fn text(world: &dyn World, root: &[u8], base: Base) -> Vec<u8> {
    world.read(&[root, base.path()].concat())
}

/// Fields of each line.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    text.split(|&b| b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| line.split(|&b| b == b':').collect())
}

/// A field of the line of a name.
pub(crate) fn field<'t>(text: &'t [u8], name: &[u8], index: usize) -> Option<&'t [u8]> {
    lines(text)
        .find(|fields| fields.first() == Some(&name))
        .and_then(|fields| fields.get(index).copied())
}

/// Whether it is a number, as chown(1) takes before it looks for a name.
pub(crate) fn is_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// Meaning of a name of a user or group.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It means the same outside, or nothing anywhere: it stays.
    Same,
    /// It means this in the root.
    Other(Vec<u8>),
    /// It is only known outside.
    Outside,
}

/// Returns the meaning of a single name.
pub(crate) fn name(world: &dyn World, root: &[u8], base: Base, name: &[u8]) -> Known {
    if name.is_empty() || is_number(name) {
        return Known::Same;
    }
    let number = |root: &[u8]| field(&text(world, root, base), name, 2).map(<[u8]>::to_vec);
    match (number(root), number(b"")) {
        (Some(ours), Some(theirs)) if ours == theirs => Known::Same,
        (Some(ours), _) => Known::Other(ours),
        (None, Some(_)) => Known::Outside,
        (None, None) => Known::Same,
    }
}

/// Returns the meaning of `USER`, `USER:GROUP`, `USER:` or `:GROUP`; a dot may be the colon (chown(1)).
pub(crate) fn owner(world: &dyn World, root: &[u8], spec: &[u8]) -> Known {
    let Some((user, group)) = split(world, root, spec) else {
        return name(world, root, Base::Users, spec);
    };
    let (first, mut second) = (
        name(world, root, Base::Users, user),
        name(world, root, Base::Groups, group),
    );
    if first == Known::Outside || second == Known::Outside {
        return Known::Outside;
    }
    if first == Known::Same && second == Known::Same {
        return Known::Same;
    }
    // The login group of a number is not looked up.
    let users = text(world, root, Base::Users);
    if group.is_empty()
        && let Some(login) = field(&users, user, 3)
    {
        second = Known::Other(login.to_vec());
    }
    let known = |known: Known, text: &[u8]| match known {
        Known::Other(number) => number,
        _ => text.to_vec(),
    };
    Known::Other([known(first, user), b":".to_vec(), known(second, group)].concat())
}

/// User and group of an owner, when there is something that divides them.
pub(crate) fn split<'s>(world: &dyn World, root: &[u8], spec: &'s [u8]) -> Option<(&'s [u8], &'s [u8])> {
    let cut = |at: usize| Some((spec.get(..at)?, spec.get(at + 1..)?));
    if let Some(at) = spec.iter().position(|&b| b == b':') {
        return cut(at);
    }
    let at = spec.iter().position(|&b| b == b'.')?;
    match field(&text(world, root, Base::Users), spec, 2) {
        Some(_) => None,
        None => cut(at),
    }
}

/// The number of a name or of a number; nothing where it has none.
pub(crate) fn number(world: &dyn World, root: &[u8], base: Base, name: &[u8]) -> Option<u32> {
    let digits = |text: &[u8]| std::str::from_utf8(text).ok()?.parse().ok();
    if is_number(name) {
        return digits(name.strip_prefix(b"+").unwrap_or(name));
    }
    digits(field(&text(world, root, base), name, 2)?)
}
