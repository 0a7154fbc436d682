//! A target with a file of every kind, made of a tar without installing anything.

use std::path::PathBuf;

use crate::Result;
use crate::deb::{Entry, Kind, directory, entry, tar};
use crate::error::At as _;
use crate::program::Workplace;

/// Time of all files, in seconds since 1970.
pub const TIME: u64 = 1_500_000_000;
/// Number of files in one directory, which takes several blocks.
const MANY: usize = 1500;

/// The entries of the tar.
#[must_use]
pub fn entries() -> Vec<Entry> {
    let file = |name: &str, content: &[u8], mode| entry(name, Kind::File(content.to_vec()), mode);
    let owned = |mut entry: Entry, owner| {
        entry.owner = owner;
        entry
    };
    let passwd = b"root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/sh\nuser:x:1000:1001::/home/user:/bin/sh\n";
    let pattern: Vec<u8> = (0..3_000_000_u32).map(|at| (at / 977 % 251) as u8).collect();
    let mut all = vec![
        directory("./", 0o755),
        directory("./dev/", 0o755),
        entry("./dev/big", Kind::CharDevice(300, 70_000), 0o600),
        entry("./dev/null", Kind::CharDevice(1, 3), 0o666),
        owned(entry("./dev/vda", Kind::BlockDevice(253, 0), 0o660), (0, 6)),
        directory("./etc/", 0o755),
        file(
            "./etc/group",
            b"root:x:0:\nshadow:x:42:\nwww-data:x:33:\nuser:x:1001:\n",
            0o644,
        ),
        file("./etc/passwd", passwd, 0o644),
        owned(file("./etc/shadow", b"root:*:::::::\n", 0o640), (0, 42)),
        directory("./home/", 0o755),
        owned(directory("./home/user/", 0o2750), (1000, 1001)),
        owned(
            entry(
                "./home/user/link",
                Kind::Symlink("../nowhere else".to_owned()),
                0o777,
            ),
            (1000, 1001),
        ),
        directory("./odd/", 0o755),
        file("./odd/ ", b"a blank", 0o644),
        file("./odd/#\"quoted\" 'name'\\", b"quoted", 0o644),
        file("./odd/-x", b"", 0o644),
        owned(file("./odd/large", b"ids", 0o604), (70_000, 4_000_000_000)),
        directory("./run/", 0o755),
        entry("./run/pipe", Kind::Fifo, 0o600),
        directory("./tmp/", 0o1777),
        directory("./usr/", 0o755),
        directory("./usr/bin/", 0o755),
        file("./usr/bin/ping", b"ping", 0o755),
        file("./usr/bin/su", b"su", 0o4755),
        entry(
            "./usr/bin/su-too",
            Kind::Hardlink("./usr/bin/su".to_owned()),
            0o4755,
        ),
        directory("./usr/share/", 0o755),
        directory("./usr/share/many/", 0o755),
    ];
    all.extend((0..MANY).map(|number| file(&format!("./usr/share/many/file-{number:05}"), b"x", 0o644)));
    all.extend([
        directory("./var/", 0o755),
        file("./var/pattern", &pattern, 0o644),
        entry("./var/zeroes", Kind::Zeros(20_000_000), 0o644),
    ]);
    all
}

/// Makes the target `out/NAME`: of a tar, and with capabilities.
///
/// # Errors
/// When it cannot be made.
///
/// # Panics
/// When the program fails.
pub fn target(work: &Workplace, name: &str) -> Result<PathBuf> {
    let path = work.path("filled.tar");
    std::fs::write(&path, tar(&entries(), TIME)?).at(&path)?;
    let target = work.out(name);
    let run = work.run_plain(["unpack".as_ref(), path.as_os_str(), target.as_os_str()]);
    run.end()?.succeeded();
    let ping = target.join("usr/bin/ping");
    let run = work.run_plain(["setcap".as_ref(), "cap_net_raw+ep".as_ref(), ping.as_os_str()]);
    run.end()?.succeeded();
    Ok(target)
}
