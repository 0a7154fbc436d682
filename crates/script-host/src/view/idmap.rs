//! Subordinate ids and the maps of the view's user namespace.
//!
//! The target's ids 0 to 65535 are mapped to the user's subordinate range, so
//! that no process in the view is the user (subuid(5), newuidmap(1),
//! user_namespaces(7)).

use super::ViewError;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Number of ids that a Debian system uses: Policy section 9.2.2 ends at 65535.
const WANTED: u32 = 65536;

/// Least number of ids: the last one, 65535, must not be used, since it is -1 in 16 bits (the same section).
const LEAST: u32 = WANTED - 1;

/// First outside id when root has all ids of the machine and no range of its own.
const ROOTS_OWN: u32 = 0x4000_0000;

/// A range of ids: the first, and their number.
type Range = (u32, u32);

/// The outside ids that stand for the target's users and groups, in the order of the target's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// Outside user ids, from that of the target's uid 0 on.
    uid: Vec<Range>,
    /// Outside group ids, from that of the target's gid 0 on.
    gid: Vec<Range>,
}

impl IdRange {
    /// Returns the same ids, but for the first, in whose place are the user's own: the target's root is the user.
    #[must_use]
    pub fn with_own(&self, uid: u32, gid: u32) -> Self {
        let map = |own: u32, ranges: &[Range]| {
            let mut map = vec![(own, 1)];
            let mut left = WANTED - 1;
            for &(first, count) in ranges {
                let count = count.min(left);
                if count > 0 {
                    map.push((first, count));
                }
                left -= count;
            }
            map
        };
        Self {
            uid: map(uid, &self.uid),
            gid: map(gid, &self.gid),
        }
    }
}

/// Writer of the maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapper {
    /// The set-id helpers of the package uidmap.
    Helpers {
        /// Path of newuidmap.
        uid: PathBuf,
        /// Path of newgidmap.
        gid: PathBuf,
    },
    /// This process, which is root.
    Root,
}

/// Finds the ids that this user may map and the writer of the maps. That they can be mapped is shown by doing it only.
///
/// # Errors
/// [`ViewError::NoSubordinateIds`], [`ViewError::FewIds`] and [`ViewError::NoIdMapHelper`].
pub fn probe() -> Result<(IdRange, Mapper), ViewError> {
    let uid = nix::unistd::getuid();
    let name = nix::unistd::User::from_uid(uid).ok().flatten().map(|u| u.name);
    let find = |file: &'static str, map: &str| -> Option<Vec<Range>> {
        let text = fs::read_to_string(file).unwrap_or_default();
        let mine = fs::read_to_string(map).map_or_else(|_| vec![(0, u32::MAX)], |text| ids_of(&text));
        select(&within(&ranges(&text, name.as_deref(), uid.as_raw()), &mine))
    };
    let (uids, gids) = (
        find("/etc/subuid", "/proc/self/uid_map"),
        find("/etc/subgid", "/proc/self/gid_map"),
    );
    if uid.is_root() {
        let own = |map: &'static str, id: u32| {
            let text = fs::read_to_string(map).unwrap_or_default();
            roots_own(&ids_of(&text), id).map_err(|count| ViewError::FewIds { map, count })
        };
        let range = IdRange {
            uid: uids.map_or_else(|| own("/proc/self/uid_map", uid.as_raw()), Ok)?,
            gid: gids.map_or_else(|| own("/proc/self/gid_map", nix::unistd::getgid().as_raw()), Ok)?,
        };
        return Ok((range, Mapper::Root));
    }
    let user = name.unwrap_or_else(|| uid.to_string());
    let missing = |file: &'static str| ViewError::NoSubordinateIds {
        user: user.clone(),
        file,
    };
    let range = IdRange {
        uid: uids.ok_or_else(|| missing("/etc/subuid"))?,
        gid: gids.ok_or_else(|| missing("/etc/subgid"))?,
    };
    let mapper = Mapper::Helpers {
        uid: helper("newuidmap")?,
        gid: helper("newgidmap")?,
    };
    Ok((range, mapper))
}

/// Returns the ids that exist in a user namespace: the first and third fields of its map (user_namespaces(7)).
fn ids_of(map: &str) -> Vec<Range> {
    map.lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let (first, _, count) = (fields.next()?, fields.next()?, fields.next()?);
            Some((first.parse().ok()?, count.parse().ok()?))
        })
        .collect()
}

/// Returns the ranges that a file gives to the user, by name or number (subuid(5)).
fn ranges(text: &str, name: Option<&str>, uid: u32) -> Vec<Range> {
    let of_line = |line: &str| {
        let mut fields = line.trim().split(':');
        let (owner, start, count) = (fields.next()?, fields.next()?, fields.next()?);
        let owned = Some(owner) == name || owner.parse() == Ok(uid);
        let range = (start.parse().ok()?, count.parse().ok()?);
        owned.then_some(range)
    };
    text.lines().filter_map(of_line).collect()
}

/// Returns the parts of `ranges` that lie in one of `known` each: the kernel maps no range over the end of another.
fn within(ranges: &[Range], known: &[Range]) -> Vec<Range> {
    let part = |a: Range, b: Range| {
        let first = a.0.max(b.0);
        let end = (u64::from(a.0) + u64::from(a.1)).min(u64::from(b.0) + u64::from(b.1));
        let count = u32::try_from(end.checked_sub(first.into())?).ok()?;
        (count > 0).then_some((first, count))
    };
    let parts = ranges.iter().flat_map(|a| known.iter().map(|b| part(*a, *b)));
    parts.flatten().collect()
}

/// Returns the first range that is large enough, or as many as are together.
fn select(ranges: &[Range]) -> Option<Vec<Range>> {
    if let Some(large) = ranges.iter().find(|range| range.1 >= WANTED) {
        return Some(vec![(large.0, WANTED)]);
    }
    let mut chosen: Vec<Range> = Vec::new();
    let mut left = WANTED;
    for &(first, count) in ranges {
        // A range that two lines give is one.
        let free =
            |range: Range| range.0 >= first.saturating_add(count) || first >= range.0.saturating_add(range.1);
        if left > 0 && chosen.iter().all(|range| free(*range)) {
            chosen.push((first, count.min(left)));
            left -= count.min(left);
        }
    }
    (WANTED - left >= LEAST).then_some(chosen)
}

/// Returns ids of root's namespace without `own`: the usual ones where it has all, else the last ones, which its own
/// users are least likely to have. Where there are not enough, their number is the error.
fn roots_own(known: &[Range], own: u32) -> Result<Vec<Range>, u64> {
    let usual = within(&[(ROOTS_OWN, WANTED)], known);
    if usual == [(ROOTS_OWN, WANTED)] {
        return Ok(usual);
    }
    let others = [(0, own), (own.saturating_add(1), u32::MAX - own - 1)];
    let mut free = within(known, &others);
    free.sort_unstable();
    let count = free.iter().map(|range| u64::from(range.1)).sum();
    let mut chosen = Vec::new();
    let mut left = WANTED;
    for (first, count) in free.into_iter().rev() {
        let taken = count.min(left);
        if taken > 0 {
            chosen.push((first + (count - taken), taken));
            left -= taken;
        }
    }
    chosen.reverse();
    if WANTED - left >= LEAST {
        Ok(chosen)
    } else {
        Err(count)
    }
}

fn helper(name: &'static str) -> Result<PathBuf, ViewError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|file| nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok())
        .ok_or(ViewError::NoIdMapHelper { name })
}

/// Returns the fields of the lines of a map: inside id, outside id and number, from the target's id 0 on.
fn lines(outside: &[Range]) -> impl Iterator<Item = [u32; 3]> {
    let mut inside = 0;
    outside.iter().map(move |(first, count)| {
        let line = [inside, *first, *count];
        inside += count;
        line
    })
}

/// Writes both maps of the namespace that process `pid` made.
///
/// # Errors
/// [`ViewError::IdMap`] with the message of the helper or the kernel.
pub fn write(pid: u32, range: &IdRange, mapper: &Mapper) -> Result<(), ViewError> {
    match mapper {
        Mapper::Helpers { uid, gid } => {
            call(uid, pid, &range.uid)?;
            call(gid, pid, &range.gid)
        }
        Mapper::Root => {
            let put = |file: &str, ids: &[Range]| {
                let path = format!("/proc/{pid}/{file}");
                let text: String = lines(ids)
                    .map(|[inside, outside, count]| format!("{inside} {outside} {count}\n"))
                    .collect();
                fs::write(&path, text).map_err(|error| ViewError::IdMap {
                    program: path.into(),
                    reason: error.to_string(),
                })
            };
            super::privileges::with_map_rights(|| {
                put("uid_map", &range.uid).and_then(|()| put("gid_map", &range.gid))
            })
            .map_err(|error| ViewError::IdMap {
                program: "capset".into(),
                reason: error.to_string(),
            })?
        }
    }
}

fn call(program: &Path, pid: u32, ids: &[Range]) -> Result<(), ViewError> {
    let failed = |reason: String| ViewError::IdMap {
        program: program.to_owned(),
        reason,
    };
    let mut command = Command::new(program);
    command.arg(pid.to_string());
    command.args(lines(ids).flatten().map(|number| number.to_string()));
    let done = command
        .output()
        .map_err(|error: io::Error| failed(error.to_string()))?;
    if done.status.success() {
        Ok(())
    } else {
        Err(failed(String::from_utf8_lossy(&done.stderr).trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_by_name_and_number() {
        let text = "other:1:65536\nsmall:5:1000\nme:100000:65536\n1000:300000:70000\nbad\n:::\n";
        let all = [(0, u32::MAX)];
        let first = |name, uid| select(&within(&ranges(text, name, uid), &all));
        assert_eq!(first(Some("me"), 7), Some(vec![(100_000, WANTED)]));
        assert_eq!(first(Some("else"), 1000), Some(vec![(300_000, WANTED)]));
        assert_eq!(first(Some("small"), 7), None);
        assert_eq!(first(None, 7), None);
    }

    #[test]
    fn ranges_may_be_in_pieces() {
        let text = "me:100000:30000\nme:100000:30000\nme:200000:40000\n";
        let all = [(0, u32::MAX)];
        let found = select(&within(&ranges(text, Some("me"), 7), &all)).unwrap();
        assert_eq!(found, [(100_000, 30_000), (200_000, 35_536)]);
        let of_map: Vec<[u32; 3]> = lines(&found).collect();
        assert_eq!(of_map, [[0, 100_000, 30_000], [30_000, 200_000, 35_536]]);
        // In a container that has only some of these ids.
        assert_eq!(
            select(&within(&ranges(text, Some("me"), 7), &[(0, 200_000)])),
            None
        );
    }

    #[test]
    fn root_takes_ids_that_its_namespace_has() {
        let of = |map: &str| roots_own(&ids_of(map), 0);
        assert_eq!(
            of("         0          0 4294967295\n"),
            Ok(vec![(ROOTS_OWN, WANTED)])
        );
        // podman unshare, and a container: all but root itself.
        assert_eq!(of("0 1001 1\n1 100000 65536\n"), Ok(vec![(1, 65_536)]));
        assert_eq!(of("0 100000 65536\n"), Ok(vec![(1, 65_535)]));
        // In pieces, and from the end.
        let pieces = of("0 1001 1\n1 100000 30000\n30001 200000 40000\n");
        assert_eq!(pieces, Ok(vec![(4465, 25_536), (30_001, 40_000)]));
        assert_eq!(of("0 1001 1\n"), Err(0));
        assert_eq!(of("0 100000 5000\n"), Err(4999));
    }
}
