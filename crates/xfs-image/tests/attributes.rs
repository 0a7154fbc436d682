//! Extended attributes of all sizes and numbers.

mod common;

use common::{Files, check, directory, file, options, sparse, xfs_db};
use image_tree::{Kind, NodeId};

/// Files of the kinds that have something in their inodes.
fn kinds(files: &mut Files, name: &str) -> Vec<NodeId> {
    let full = files.add(0, format!("file-{name}"), file(5000));
    let data = (0..25).map(|number| number * 8192..number * 8192 + 100).collect();
    let holes = files.add(0, format!("holes-{name}"), sparse(1 << 20, data));
    let short = files.add(0, format!("short-{name}"), directory());
    for number in 0..15 {
        files.add(short, format!("entry{number}"), file(0));
    }
    let link = files.add(0, format!("link-{name}"), Kind::Symlink(b"to".to_vec()));
    let long = files.add(0, format!("long-link-{name}"), Kind::Symlink(vec![b'l'; 320]));
    let device = files.add(
        0,
        format!("device-{name}"),
        Kind::CharDevice { major: 1, minor: 3 },
    );
    vec![full, holes, short, link, long, device]
}

#[test]
fn all_sizes() {
    let mut files = Files::new();
    let cases = [
        (1, 0),
        (1, 10),
        (1, 250),
        (1, 255),
        (1, 256),
        (3, 60),
        (4, 70),
        (1, 3060),
        (1, 3064),
        (1, 3065),
        (1, 3066),
        (1, 4040),
        (1, 4041),
        (1, 65536),
        (20, 2000),
        (20, 65536),
        (3000, 20),
    ];
    for (count, size) in cases {
        for id in kinds(&mut files, &format!("{count}-{size}")) {
            for number in 0..count {
                let space = ["user", "trusted", "security"][number % 3];
                files.xattr(id, format!("{space}.a{number}"), vec![b'v'; size]);
            }
        }
    }
    let id = files.add(0, "name", file(0));
    files.xattr(id, [b"user.".as_slice(), &[b'n'; 255]].concat(), b"value");
    files.xattr(0, "trusted.of-the-root", b"value");
    check("attributes", &files.tree(), &options(), |_, _| {});
}

#[test]
fn are_read() {
    let mut files = Files::new();
    let short = files.add(0, "short", file(0));
    files.xattr(short, "security.capability", b"caps");
    files.xattr(short, "user.note", b"text");
    let long = files.add(0, "long", file(0));
    for number in 0..12 {
        files.xattr(
            long,
            format!("trusted.name{number}"),
            format!("value{number}").repeat(30),
        );
    }
    check("read", &files.tree(), &options(), |image, _| {
        let Some(said) = xfs_db(image, &["path /short".into(), "p a core.naextents".into()]) else {
            return;
        };
        for line in [
            "a.sfattr.hdr.count = 2",
            "secure = 1",
            "name = \"capability\"",
            "value = \"caps\"",
            "name = \"note\"",
            "value = \"text\"",
            "core.naextents = 0",
        ] {
            assert!(said.contains(line), "{line} in {said}");
        }
        let said = xfs_db(
            image,
            &["path /long".into(), "ablock 0".into(), "p nvlist".into()],
        )
        .unwrap_or_default();
        for number in 0..12 {
            let (name, value) = (
                format!("name = \"name{number}\""),
                format!("value{number}").repeat(30),
            );
            assert!(said.contains(&name) && said.contains(&value), "{name} in {said}");
        }
    });
}

#[test]
fn access_lists() {
    // A user with a number, and entries that have none.
    let entries: [(u16, u16, u32); 5] = [
        (0x01, 6, u32::MAX),
        (0x02, 7, 1000),
        (0x04, 4, u32::MAX),
        (0x10, 7, u32::MAX),
        (0x20, 4, u32::MAX),
    ];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, number) in entries {
        list.extend([tag.to_le_bytes(), permissions.to_le_bytes()].concat());
        list.extend(number.to_le_bytes());
    }
    let mut files = Files::new();
    let id = files.add(0, "d", directory());
    files.xattr(id, "system.posix_acl_access", &list);
    files.xattr(id, "system.posix_acl_default", &list);
    // As the kernel lists it besides for the superuser.
    files.xattr(id, "trusted.SGI_ACL_DEFAULT", b"anything");
    check("lists", &files.tree(), &options(), |image, _| {
        let Some(said) = xfs_db(image, &["path /d".into(), "p a".into()]) else {
            return;
        };
        let value = r#""\000\000\000\005\000\000\000\001\377\377\377\377\000\006\000\000\000\000\000\002\000\000\003\350\000\a\000\000\000\000\000\004\377\377\377\377\000\004\000\000\000\000\000\020\377\377\377\377\000\a\000\000\000\000\000 \377\377\377\377\000\004\000\000""#;
        assert_eq!(said.matches(&format!("value = {value}")).count(), 2, "{said}");
        assert!(said.contains("name = \"SGI_ACL_FILE\"") && said.contains("name = \"SGI_ACL_DEFAULT\""));
    });
}
