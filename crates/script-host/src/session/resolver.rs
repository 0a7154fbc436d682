//! /etc/resolv.conf of programs that have this machine's network.
//!
//! The target's own file is for where it will run; here programs ask the servers that this machine asks. The target keeps
//! its file.

use rootless_install_fs::{Parents, Phantom, PhantomKind, Target};
use std::path::{Component, Path, PathBuf};

/// Most links that are followed, as in path_resolution(7).
const MAX_LINKS: u32 = 40;

/// The way in which the file is seen.
#[derive(Debug)]
pub(super) enum Place {
    /// It is mounted over this file of the target.
    Mount(PathBuf),
    /// The target has none, but perhaps a link that leads to where one would be.
    Phantom(Phantom),
}

/// Returns the place of the file in a target; `text` is what it contains.
pub(super) fn place(target: &Target, text: &[u8]) -> Place {
    let mut path = PathBuf::from("/etc/resolv.conf");
    for _ in 0..MAX_LINKS {
        match target.read_link(&path) {
            Ok(text) => path = plain(&path.parent().unwrap_or(Path::new("/")).join(text)),
            Err(error) if error.is_not_found() => break,
            Err(_) => return Place::Mount(path),
        }
    }
    Place::Phantom(Phantom {
        path,
        kind: PhantomKind::File {
            data: text.to_vec(),
            mode: 0o644,
        },
        parents: Parents::Shown,
    })
}

/// Returns a path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => {
                plain.pop();
            }
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use rootless_install_fs::{FileType, Meta};

    #[test]
    fn where_the_target_has_it_or_would_have_it() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::open(directory.path()).unwrap();
        let phantom = |target: &Target| match place(target, b"x") {
            Place::Phantom(phantom) => phantom.path,
            Place::Mount(path) => panic!("{}", path.display()),
        };
        assert_eq!(phantom(&target), Path::new("/etc/resolv.conf"));
        let etc = Meta::of_root(FileType::Directory, 0o755);
        target.make_dir(Path::new("/etc"), &etc).unwrap();
        let file = Path::new("/etc/resolv.conf");
        let link = Meta::of_root(FileType::Symlink, 0o777);
        let to = Path::new("../run/systemd/resolve/stub-resolv.conf");
        target.make_symlink(file, to, &link).unwrap();
        assert_eq!(
            phantom(&target),
            Path::new("/run/systemd/resolve/stub-resolv.conf")
        );
        target.remove(file).unwrap();
        let regular = Meta::of_root(FileType::Regular, 0o644);
        target.write(file, b"nameserver 192.0.2.1\n", &regular).unwrap();
        assert!(matches!(place(&target, b"x"), Place::Mount(path) if path == file));
    }
}
