//! What runs in the guest for `--run`, and the disk on which its results come out.
//!
//! The guest is given three disks besides its own: a shell script of this program's, the user's script, and an empty one for
//! results. systemd runs the first (systemd-run-generator(8)), so nothing in the image is changed. The disk of results has
//! blocks of 4096 bytes. The first has lines, and is written last: `unit STATUS`, `missing N`, `full NAME`, `NAME BLOCK BYTES`
//! for what the script said (`output`) and for the tar of each path (`tarN`), and `status STATUS` as the last line.

use super::error::{BootError, Failure};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Size of a block on the disk of results.
pub const BLOCK: u64 = 4096;
/// Serial numbers of the disks, by which the guest finds them.
pub const ROOT: &str = "ri-root";
/// Serial number of the disk with the script of this program's.
pub const RUN: &str = "ri-run";
/// Serial number of the disk with the user's script.
pub const SCRIPT: &str = "ri-script";
/// Serial number of the disk of results.
pub const OUT: &str = "ri-out";

/// Words for the kernel by which systemd runs the script, and halts.
pub const OPTIONS: &str = "systemd.run=\"/bin/sh -c 'udevadm settle; exec /bin/sh /dev/disk/by-id/virtio-ri-run'\" \
     systemd.run_success_action=poweroff-force systemd.run_failure_action=poweroff-force";

const BEGIN: &str = "\
LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
export LC_ALL PATH HOME
disks=/dev/disk/by-id/virtio-ri
dir=/run/rootless-install
mkdir -p $dir && mount -t tmpfs -o mode=700,size=75% tmpfs $dir || exit 1
: >$dir/head
echo 1 >$dir/at
finish() {
	sync
	dd if=$dir/head of=$disks-out bs=4096 conv=notrunc,fsync 2>/dev/null
	sync
	exit 0
}
# It may be in a shell of its own, on the right of a pipe.
put() {
	read -r at <$dir/at
	if dd of=$disks-out bs=4096 seek=$at conv=notrunc iflag=fullblock 2>$dir/dd; then
		bytes=$(sed -n 's/^\\([0-9]*\\) bytes* .*/\\1/p' $dir/dd)
		echo \"$1 $at $bytes\" >>$dir/head
		echo $((at + (bytes + 4095) / 4096)) >$dir/at
	else
		echo \"full $1\" >>$dir/head
	fi
}
";

/// Returns this program's script in the guest, for a script of the user's of `size` bytes that begins when `unit` has been started.
pub fn script(unit: &str, size: u64, paths: &[&str]) -> Vec<u8> {
    let mut text = BEGIN.to_owned();
    text += &format!(
        "\
systemctl start {unit}
unit=$?
echo \"unit $unit\" >>$dir/head
[ $unit = 0 ] || {{ echo status 0 >>$dir/head; finish; }}
head -c {size} $disks-script >$dir/script
chmod 700 $dir/script
: >$dir/output
tail -f -n +1 $dir/output &
tail=$!
(unset disks dir unit; cd /root 2>/dev/null || cd /; exec /run/rootless-install/script) </dev/null >>$dir/output 2>&1
status=$?
sleep 1
kill $tail
put output <$dir/output
",
        unit = quoted(unit),
    );
    for (number, path) in paths.iter().enumerate() {
        let relative = quoted(path.trim_start_matches('/'));
        text += &format!(
            "\
cd /
if [ -e {relative} ] || [ -L {relative} ]; then
	tar -c -f - -- {relative} | put tar{number}
else
	echo missing {number} >>$dir/head
fi
"
        );
    }
    text += "echo \"status $status\" >>$dir/head\nfinish\n";
    text.into_bytes()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// What the disk of results says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Exit status of the script; none where it has not ended.
    pub status: Option<u8>,
    /// Exit status of starting the unit.
    unit: Option<u32>,
    /// Name, position and length in bytes of what came out.
    parts: Vec<(String, u64, u64)>,
    missing: Vec<usize>,
    full: Vec<String>,
}

impl Told {
    /// Reads the first block of the disk.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read(disk: &Path) -> Result<Self, BootError> {
        let file = File::open(disk).map_err(BootError::file("read", disk))?;
        let mut head = Vec::new();
        file.take(BLOCK)
            .read_to_end(&mut head)
            .map_err(BootError::file("read", disk))?;
        let end = head.iter().position(|byte| *byte == 0).unwrap_or(head.len());
        Ok(Self::parse(&String::from_utf8_lossy(
            head.get(..end).unwrap_or_default(),
        )))
    }

    fn parse(text: &str) -> Self {
        let mut told = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match *words {
                ["unit", status] => told.unit = status.parse().ok(),
                ["status", status] => told.status = status.parse().ok(),
                ["missing", number] => told.missing.extend(number.parse::<usize>()),
                ["full", name] => told.full.push(name.to_owned()),
                [name, block, bytes] => {
                    let at = block.parse().ok().and_then(|block: u64| block.checked_mul(BLOCK));
                    if let (Some(at), Ok(bytes)) = (at, bytes.parse()) {
                        told.parts.push((name.to_owned(), at, bytes));
                    }
                }
                _ => {}
            }
        }
        told
    }

    /// Returns the first thing that the script was to have and did not get. `paths` are those that were to be brought out.
    pub fn failure(&self, unit: &str, paths: &[&str]) -> Option<Failure> {
        if self.unit.is_some_and(|status| status != 0) {
            return Some(Failure::Unit {
                unit: unit.to_owned(),
            });
        }
        for (number, path) in paths.iter().enumerate() {
            let name = format!("tar{number}");
            let what = if self.missing.contains(&number) {
                "there is no such file in the guest"
            } else if self.full.contains(&name) {
                "there is no room for it on the disk of results"
            } else if !self.parts.iter().any(|(part, _, _)| *part == name) {
                "the guest has not written it"
            } else {
                continue;
            };
            return Some(Failure::Out {
                path: (*path).to_owned(),
                what,
            });
        }
        None
    }

    /// Returns a reader of a part.
    ///
    /// # Errors
    /// Those of opening the disk.
    pub fn part(&self, disk: &Path, name: &str) -> Result<Option<impl Read + use<>>, BootError> {
        let Some((_, at, bytes)) = self.parts.iter().find(|(part, _, _)| part == name) else {
            return Ok(None);
        };
        let file = File::open(disk).map_err(BootError::file("read", disk))?;
        Ok(Some(Part {
            file,
            at: *at,
            left: *bytes,
        }))
    }
}

/// A piece of a file.
struct Part {
    file: File,
    at: u64,
    left: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let got = self
            .file
            .read_at(buffer.get_mut(..most).unwrap_or_default(), self.at)?;
        self.at += got as u64;
        self.left -= got as u64;
        Ok(got)
    }
}

/// Writes a disk with some content, to a whole number of blocks, and of at least `size` bytes.
///
/// # Errors
/// Those of writing.
pub fn write_disk(path: &Path, content: &[u8], size: u64) -> Result<(), BootError> {
    let mut file = File::create_new(path).map_err(BootError::file("write", path))?;
    file.write_all(content).map_err(BootError::file("write", path))?;
    let size = (content.len() as u64).max(size).max(1).next_multiple_of(BLOCK);
    file.set_len(size).map_err(BootError::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read() {
        let told = Told::parse("unit 0\noutput 1 5\ntar0 2 10240\nmissing 1\nfull tar2\nstatus 7\n");
        assert_eq!(told.status, Some(7));
        assert!(told.failure("a.target", &["/a"]).is_none());
        let failure = |paths: &[&str]| told.failure("a.target", paths).map(|failure| failure.to_string());
        assert!(
            failure(&["/a", "/b"])
                .unwrap()
                .contains("/b was not brought out: there is no such file")
        );
        let without = Told::parse("unit 0\noutput 1 5\n");
        assert_eq!(without.status, None);
        // What a guest makes up.
        assert_eq!(
            Told::parse("tar0 18446744073709551615 1\nstatus 999\n\u{fffd}"),
            Told::default()
        );
    }

    #[test]
    fn scripts_are_sound() {
        let text = script("multi-user.target", 10, &["/var/log", "/it's"]);
        let check = std::process::Command::new("sh")
            .arg("-n")
            .stdin(std::process::Stdio::piped())
            .spawn();
        let mut check = check.unwrap();
        check.stdin.take().unwrap().write_all(&text).unwrap();
        assert!(check.wait().unwrap().success());
        assert!(String::from_utf8(text).unwrap().contains("'it'\\''s'"));
    }
}
