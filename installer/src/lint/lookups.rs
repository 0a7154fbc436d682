//! Operations on paths, as distinct from the lookups that lead to them.
//!
//! The kernel looks up the names of a path one after the other, follows links, and then does something with the
//! last one, or nothing where only its attributes are wanted. So a lookup is kept until the same process does
//! something else: a lookup in that directory, or where that link leads, shows that the path went on.

use super::classify::Operation;
use rootless_install_fs::{Access, AccessKind, LookupResult};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

/// A lookup after which the path may go on.
#[derive(Debug)]
struct Pending<T> {
    path: PathBuf,
    /// The place of the next lookup of the same path.
    leads: Leads,
    about: T,
}

#[derive(Debug)]
enum Leads {
    /// The path ends here.
    Nowhere,
    /// A name in the directory.
    Inside,
    /// The first name of a link's text.
    To(PathBuf),
}

impl<T> Pending<T> {
    fn is_on_the_way_to(&self, path: &Path) -> bool {
        match &self.leads {
            Leads::Nowhere => false,
            Leads::Inside => path.parent() == Some(&self.path),
            Leads::To(next) => path == next,
        }
    }
}

/// Returns the path of the first lookup that follows a link; none where its text has no name, as `..`.
fn first_step(link: &Path, text: &Path) -> Option<PathBuf> {
    let mut at = link.parent()?.to_owned();
    for component in text.components() {
        match component {
            Component::RootDir => at = PathBuf::from("/"),
            Component::ParentDir => {
                at.pop();
            }
            Component::Normal(name) => return Some(at.join(name)),
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
    None
}

/// An operation on a path, with a note that was taken at that moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Performed<T> {
    /// The path.
    pub(super) path: PathBuf,
    /// The operation.
    pub(super) operation: Operation,
    /// The note.
    pub(super) about: T,
}

/// Lookups of all processes that may go on.
#[derive(Debug)]
pub(super) struct Lookups<T> {
    pending: HashMap<u32, Pending<T>>,
    /// Processes that have opened a program for execution and done nothing else since. The next files that they
    /// open in this way are the program's interpreter and that one's own.
    executing: HashMap<u32, PathBuf>,
}

impl<T> Default for Lookups<T> {
    fn default() -> Self {
        Self {
            pending: HashMap::new(),
            executing: HashMap::new(),
        }
    }
}

impl<T> Lookups<T> {
    /// Takes an access, and returns the operations that it shows to be complete. `note` makes the note of an
    /// operation.
    pub(super) fn step(
        &mut self,
        access: &Access<'_>,
        note: impl Fn(&Path, Operation) -> T,
    ) -> Vec<Performed<T>> {
        let mut done = Vec::new();
        let operations: &[(&Path, Operation)] = match &access.kind {
            AccessKind::Lookup { found } => {
                self.look_up(access, found, &note, &mut done);
                return done;
            }
            AccessKind::ReadLink => {
                // The lookup before it counts: the link is followed, or the path ends there.
                return done;
            }
            AccessKind::Open { write: true, .. }
            | AccessKind::Create
            | AccessKind::Remove
            | AccessKind::Attributes(_) => &[(access.path, Operation::Write)],
            AccessKind::Rename { to } => &[(access.path, Operation::Write), (to, Operation::Write)],
            AccessKind::Link { to } => &[(access.path, Operation::Read), (to, Operation::Write)],
            AccessKind::Open { .. } | AccessKind::List => &[(access.path, Operation::Read)],
            AccessKind::Execute => &[(access.path, Operation::Execute)],
        };
        if let Some(before) = self.pending.remove(&access.pid)
            && !operations.iter().any(|(path, _)| *path == before.path)
        {
            done.push(before.done());
        }
        if access.kind == AccessKind::Execute {
            if self
                .executing
                .insert(access.pid, access.path.to_owned())
                .is_some()
            {
                return done;
            }
        } else {
            self.executing.remove(&access.pid);
        }
        done.extend(operations.iter().map(|(path, operation)| Performed {
            path: (*path).to_owned(),
            operation: *operation,
            about: note(path, *operation),
        }));
        done
    }

    fn look_up(
        &mut self,
        access: &Access<'_>,
        found: &LookupResult,
        note: impl Fn(&Path, Operation) -> T,
        done: &mut Vec<Performed<T>>,
    ) {
        let leads = match found {
            LookupResult::Directory => Leads::Inside,
            LookupResult::Link(text) => first_step(access.path, text).map_or(Leads::Nowhere, Leads::To),
            LookupResult::Nothing | LookupResult::Other => Leads::Nowhere,
        };
        let pending = Pending {
            path: access.path.to_owned(),
            leads,
            about: note(access.path, Operation::Test),
        };
        if let Some(before) = self.pending.insert(access.pid, pending)
            && !before.is_on_the_way_to(access.path)
        {
            done.push(before.done());
        }
        // A program that was not executed after all: the search for it goes on.
        if *found == LookupResult::Nothing {
            self.executing.remove(&access.pid);
        }
    }

    /// Returns the last lookups of all processes, as operations.
    pub(super) fn end(&mut self) -> Vec<Performed<T>> {
        self.executing.clear();
        let pending = std::mem::take(&mut self.pending);
        pending.into_values().map(Pending::done).collect()
    }
}

impl<T> Pending<T> {
    fn done(self) -> Performed<T> {
        Performed {
            path: self.path,
            operation: Operation::Test,
            about: self.about,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rootless_install_fs::Attribute;

    const DIRECTORY: LookupResult = LookupResult::Directory;
    const OTHER: LookupResult = LookupResult::Other;
    const NOTHING: LookupResult = LookupResult::Nothing;

    fn look<'a>(path: &'a str, found: &'a LookupResult) -> (&'a str, AccessKind<'a>) {
        (path, AccessKind::Lookup { found })
    }

    /// What is done by accesses of one process.
    fn done(accesses: &[(&str, AccessKind<'_>)]) -> Vec<(String, Operation)> {
        let mut lookups = Lookups::default();
        let mut all = Vec::new();
        for (path, kind) in accesses {
            let access = Access {
                pid: 7,
                path: Path::new(path),
                kind: *kind,
            };
            all.extend(lookups.step(&access, |_, _| ()));
        }
        all.extend(lookups.end());
        all.into_iter()
            .map(|done| (done.path.display().to_string(), done.operation))
            .collect()
    }

    fn is(path: &str, operation: Operation) -> (String, Operation) {
        (path.to_owned(), operation)
    }

    #[test]
    fn directories_on_the_way_are_nothing() {
        let test = [look("/etc", &DIRECTORY), look("/etc/foo", &NOTHING)];
        assert_eq!(done(&test), [is("/etc/foo", Operation::Test)]);
        let twice = [test, test].concat();
        assert_eq!(
            done(&twice),
            [is("/etc/foo", Operation::Test), is("/etc/foo", Operation::Test)]
        );
        // A directory for its own sake.
        let dirs = [
            look("/etc", &DIRECTORY),
            look("/etc", &DIRECTORY),
            look("/etc/foo", &OTHER),
        ];
        assert_eq!(
            done(&dirs),
            [is("/etc", Operation::Test), is("/etc/foo", Operation::Test)]
        );
    }

    #[test]
    fn links_are_followed() {
        let bin = LookupResult::Link("usr/bin".into());
        let walk = [
            look("/bin", &bin),
            ("/bin", AccessKind::ReadLink),
            look("/usr", &DIRECTORY),
            look("/usr/bin", &DIRECTORY),
            look("/usr/bin/x", &NOTHING),
        ];
        assert_eq!(done(&walk), [is("/usr/bin/x", Operation::Test)]);
        // A link for its own sake.
        let own = [
            look("/etc", &DIRECTORY),
            look("/etc/mtab", &bin),
            look("/etc", &DIRECTORY),
        ];
        assert_eq!(done(&own)[0], is("/etc/mtab", Operation::Test));
        let up = first_step(Path::new("/usr/lib/x"), Path::new("../../etc/y"));
        assert_eq!(up.as_deref(), Some(Path::new("/etc")));
        assert_eq!(first_step(Path::new("/a"), Path::new("..")), None);
    }

    #[test]
    fn the_last_lookup_is_of_what_follows() {
        let open = AccessKind::Open {
            read: true,
            write: false,
        };
        let read = [
            look("/etc", &DIRECTORY),
            look("/etc/foo", &OTHER),
            ("/etc/foo", open),
        ];
        assert_eq!(done(&read), [is("/etc/foo", Operation::Read)]);
        let make = [
            look("/etc", &DIRECTORY),
            look("/etc/x", &NOTHING),
            ("/etc/x", AccessKind::Create),
        ];
        assert_eq!(done(&make), [is("/etc/x", Operation::Write)]);
        let owner = AccessKind::Attributes(Attribute::Owner);
        let chown = [look("/x", &OTHER), ("/x", owner)];
        assert_eq!(done(&chown), [is("/x", Operation::Write)]);
        let to = AccessKind::Rename { to: Path::new("/b") };
        let rename = [look("/a", &OTHER), look("/b", &NOTHING), ("/a", to)];
        assert_eq!(
            done(&rename),
            [
                is("/a", Operation::Test),
                is("/a", Operation::Write),
                is("/b", Operation::Write)
            ]
        );
    }

    #[test]
    fn an_execution_is_the_programs() {
        let (usr, bin) = (look("/usr", &DIRECTORY), look("/usr/bin", &DIRECTORY));
        let script = [
            usr,
            bin,
            look("/usr/bin/tool", &OTHER),
            ("/usr/bin/tool", AccessKind::Execute),
            usr,
            bin,
            look("/usr/bin/perl", &OTHER),
            ("/usr/bin/perl", AccessKind::Execute),
            look("/lib64", &DIRECTORY),
            look("/lib64/ld.so", &OTHER),
            ("/lib64/ld.so", AccessKind::Execute),
            look("/etc", &DIRECTORY),
            look("/etc/ld.so.preload", &NOTHING),
        ];
        assert_eq!(
            done(&script),
            [
                is("/usr/bin/tool", Operation::Execute),
                is("/etc/ld.so.preload", Operation::Test)
            ]
        );
    }

    #[test]
    fn processes_do_not_disturb_each_other() {
        let mut lookups = Lookups::default();
        let mut step = |pid, path: &str, found: &LookupResult| {
            let kind = AccessKind::Lookup { found };
            let path = Path::new(path);
            lookups.step(&Access { pid, path, kind }, |_, _| pid).len()
        };
        assert_eq!(step(1, "/etc", &DIRECTORY), 0);
        assert_eq!(step(2, "/usr", &DIRECTORY), 0);
        assert_eq!(step(1, "/etc/a", &OTHER), 0);
        assert_eq!(step(2, "/usr/b", &OTHER), 0);
        let mut ends = lookups.end();
        ends.sort_by_key(|done| done.about);
        let paths: Vec<_> = ends.iter().map(|done| (done.about, done.path.to_str())).collect();
        assert_eq!(paths, [(1, Some("/etc/a")), (2, Some("/usr/b"))]);
    }
}
