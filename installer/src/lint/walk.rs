//! What a process means by its accesses: which lookups are the end of a path, and which are on the way.
//!
//! The kernel looks each name of a path up, one after the other, follows links, and then does something with
//! the last one, or nothing where only its attributes were asked for. So a lookup is kept until the same
//! process does something else: a lookup in that directory, or where that link leads, says that it was on the
//! way.

use super::classify::Deed;
use rootless_install_fs::{Access, AccessKind, LookupResult};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

/// A lookup that may be on the way to something.
#[derive(Debug)]
struct Pending<T> {
    path: PathBuf,
    /// Where the next lookup is made if this one is on the way: in the directory itself, or the first name
    /// of the link's text.
    leads: Leads,
    about: T,
}

#[derive(Debug)]
enum Leads {
    Nowhere,
    Inside,
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

/// The first name that is looked up to follow a link; nothing where there is none (`..`).
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

/// Something that was done to a path, with what was noted about it at that moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Done<T> {
    /// The path.
    pub(super) path: PathBuf,
    /// What.
    pub(super) deed: Deed,
    /// The note.
    pub(super) about: T,
}

/// What processes are about to do.
#[derive(Debug)]
pub(super) struct Walks<T> {
    pending: HashMap<u32, Pending<T>>,
    /// Processes that have opened a program for execution and done nothing else since: what they open so is
    /// the program's interpreter, and the interpreter's.
    executing: HashMap<u32, PathBuf>,
}

impl<T> Default for Walks<T> {
    fn default() -> Self {
        Self {
            pending: HashMap::new(),
            executing: HashMap::new(),
        }
    }
}

impl<T> Walks<T> {
    /// Takes an access, and `note` what is to be remembered about a deed at this moment. Gives what is known
    /// to have been done now.
    pub(super) fn step(&mut self, access: &Access<'_>, note: impl Fn(&Path, Deed) -> T) -> Vec<Done<T>> {
        let mut done = Vec::new();
        let deeds: &[(&Path, Deed)] = match &access.kind {
            AccessKind::Lookup { found } => {
                self.look_up(access, found, &note, &mut done);
                return done;
            }
            AccessKind::ReadLink => {
                // The lookup before says all that is to be said: it is followed, or that was the end.
                return done;
            }
            AccessKind::Open { write: true, .. }
            | AccessKind::Create
            | AccessKind::Remove
            | AccessKind::Attributes(_) => &[(access.path, Deed::Write)],
            AccessKind::Rename { to } => &[(access.path, Deed::Write), (to, Deed::Write)],
            AccessKind::Link { to } => &[(access.path, Deed::Read), (to, Deed::Write)],
            AccessKind::Open { .. } | AccessKind::List => &[(access.path, Deed::Read)],
            AccessKind::Execute => &[(access.path, Deed::Execute)],
        };
        if let Some(before) = self.pending.remove(&access.pid)
            && !deeds.iter().any(|(path, _)| *path == before.path)
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
        done.extend(deeds.iter().map(|(path, deed)| Done {
            path: (*path).to_owned(),
            deed: *deed,
            about: note(path, *deed),
        }));
        done
    }

    fn look_up(
        &mut self,
        access: &Access<'_>,
        found: &LookupResult,
        note: impl Fn(&Path, Deed) -> T,
        done: &mut Vec<Done<T>>,
    ) {
        let leads = match found {
            LookupResult::Directory => Leads::Inside,
            LookupResult::Link(text) => first_step(access.path, text).map_or(Leads::Nowhere, Leads::To),
            LookupResult::Nothing | LookupResult::Other => Leads::Nowhere,
        };
        let pending = Pending {
            path: access.path.to_owned(),
            leads,
            about: note(access.path, Deed::Test),
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

    /// What was looked up last and not followed by anything.
    pub(super) fn end(&mut self) -> Vec<Done<T>> {
        self.executing.clear();
        let pending = std::mem::take(&mut self.pending);
        pending.into_values().map(Pending::done).collect()
    }
}

impl<T> Pending<T> {
    fn done(self) -> Done<T> {
        Done {
            path: self.path,
            deed: Deed::Test,
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
    fn done(accesses: &[(&str, AccessKind<'_>)]) -> Vec<(String, Deed)> {
        let mut walks = Walks::default();
        let mut all = Vec::new();
        for (path, kind) in accesses {
            let access = Access {
                pid: 7,
                path: Path::new(path),
                kind: *kind,
            };
            all.extend(walks.step(&access, |_, _| ()));
        }
        all.extend(walks.end());
        all.into_iter()
            .map(|done| (done.path.display().to_string(), done.deed))
            .collect()
    }

    fn is(path: &str, deed: Deed) -> (String, Deed) {
        (path.to_owned(), deed)
    }

    #[test]
    fn directories_on_the_way_are_nothing() {
        let test = [look("/etc", &DIRECTORY), look("/etc/foo", &NOTHING)];
        assert_eq!(done(&test), [is("/etc/foo", Deed::Test)]);
        let twice = [test, test].concat();
        assert_eq!(
            done(&twice),
            [is("/etc/foo", Deed::Test), is("/etc/foo", Deed::Test)]
        );
        // A directory for its own sake.
        let dirs = [
            look("/etc", &DIRECTORY),
            look("/etc", &DIRECTORY),
            look("/etc/foo", &OTHER),
        ];
        assert_eq!(done(&dirs), [is("/etc", Deed::Test), is("/etc/foo", Deed::Test)]);
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
        assert_eq!(done(&walk), [is("/usr/bin/x", Deed::Test)]);
        // A link for its own sake.
        let own = [
            look("/etc", &DIRECTORY),
            look("/etc/mtab", &bin),
            look("/etc", &DIRECTORY),
        ];
        assert_eq!(done(&own)[0], is("/etc/mtab", Deed::Test));
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
        assert_eq!(done(&read), [is("/etc/foo", Deed::Read)]);
        let make = [
            look("/etc", &DIRECTORY),
            look("/etc/x", &NOTHING),
            ("/etc/x", AccessKind::Create),
        ];
        assert_eq!(done(&make), [is("/etc/x", Deed::Write)]);
        let owner = AccessKind::Attributes(Attribute::Owner);
        let chown = [look("/x", &OTHER), ("/x", owner)];
        assert_eq!(done(&chown), [is("/x", Deed::Write)]);
        let to = AccessKind::Rename { to: Path::new("/b") };
        let rename = [look("/a", &OTHER), look("/b", &NOTHING), ("/a", to)];
        assert_eq!(
            done(&rename),
            [is("/a", Deed::Test), is("/a", Deed::Write), is("/b", Deed::Write)]
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
                is("/usr/bin/tool", Deed::Execute),
                is("/etc/ld.so.preload", Deed::Test)
            ]
        );
    }

    #[test]
    fn processes_do_not_disturb_each_other() {
        let mut walks = Walks::default();
        let mut step = |pid, path: &str, found: &LookupResult| {
            let kind = AccessKind::Lookup { found };
            let path = Path::new(path);
            walks.step(&Access { pid, path, kind }, |_, _| pid).len()
        };
        assert_eq!(step(1, "/etc", &DIRECTORY), 0);
        assert_eq!(step(2, "/usr", &DIRECTORY), 0);
        assert_eq!(step(1, "/etc/a", &OTHER), 0);
        assert_eq!(step(2, "/usr/b", &OTHER), 0);
        let mut ends = walks.end();
        ends.sort_by_key(|done| done.about);
        let paths: Vec<_> = ends.iter().map(|done| (done.about, done.path.to_str())).collect();
        assert_eq!(paths, [(1, Some("/etc/a")), (2, Some("/usr/b"))]);
    }
}
