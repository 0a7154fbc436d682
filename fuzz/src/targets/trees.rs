//! Archives that become a target: tar and cpio archives.

use std::fs;
use std::path::PathBuf;

use deb_testing::{Data, compress};
use rootless_install::input::{Input, unpack};
use rootless_install_fs::Target as Tree;
use task_progress::Cancel;

use super::{Spec, Target, outcome};
use crate::mutate::mend_tar;

pub(super) const TREE: Spec = Spec {
    name: "tree",
    what: "tar and cpio archives that become a target (`unpack`, `run`); nothing is made beside that",
    open: |directory| Box::new(Unpacker(directory.join("tree"))),
    seeds,
    mend: |input| mend_tar(input),
};

fn seeds() -> Vec<Vec<u8>> {
    let tar = Data::default()
        .dir("./")
        .dir("./usr/")
        .file("./usr/a", "content\n")
        .link("./usr/b", b'1', "./usr/a")
        .link("./usr/c", b'2', "../usr/a")
        .raw("./dev", b'3', b"", |header| {
            let _ = header.set_device_major(1);
            let _ = header.set_device_minor(3);
        })
        .raw("./pax", b'x', b"31 SCHILY.xattr.user.a=content\n", |_| {})
        .file("./usr/d", "d")
        .finish();
    let mut cpio = Vec::new();
    let mut member = |name: &str, mode: u32, number: u32, links: u32, content: &str| {
        let fields = [
            number,
            mode,
            7,
            8,
            links,
            9,
            content.len() as u32,
            0,
            0,
            1,
            3,
            name.len() as u32 + 1,
            0,
        ];
        cpio.extend_from_slice(b"070701");
        for field in fields {
            cpio.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        for text in [&format!("{name}\0"), content] {
            cpio.extend_from_slice(text.as_bytes());
            cpio.resize(cpio.len().next_multiple_of(4), 0);
        }
    };
    member(".", 0o040_755, 1, 2, "");
    member("usr", 0o040_755, 2, 2, "");
    member("usr/a", 0o100_644, 3, 2, "");
    member("usr/b", 0o104_755, 3, 2, "content");
    member("usr/c", 0o120_777, 4, 1, "../usr/a");
    member("null", 0o020_666, 5, 1, "");
    member("TRAILER!!!", 0, 0, 1, "");
    let packed = [&cpio[..], &[0; 512], &compress(&cpio, ".gz")].concat();
    vec![compress(&tar, ".zst"), compress(&tar, ".xz"), tar, cpio, packed]
}

struct Unpacker(PathBuf);

impl Unpacker {
    fn unpack(&self, input: &[u8]) -> Result<usize, Box<dyn std::error::Error>> {
        let (root, scratch, archive) = (
            self.0.join("root"),
            self.0.join("scratch"),
            self.0.join("archive"),
        );
        fs::create_dir_all(&root)?;
        fs::create_dir_all(&scratch)?;
        fs::write(&archive, input)?;
        let tree = Tree::open(&root)?;
        let done = unpack(&Input::File(archive), &tree, &scratch, &Cancel::new())
            .map_err(|error| task_progress::with_causes(&error));
        let walked = tree.walk().count();
        done?;
        Ok(walked)
    }
}

impl Target for Unpacker {
    fn read(&mut self, input: &[u8]) -> String {
        let done = self.unpack(input);
        let beside = fs::read_dir(&self.0)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name())
            .filter(|name| !["root", "scratch", "archive"].iter().any(|known| name == known))
            .collect::<Vec<_>>();
        assert!(
            beside.is_empty(),
            "something was made beside the target: {beside:?}"
        );
        let _ = fs::remove_dir_all(&self.0);
        outcome(done, |entries| entries)
    }
}
