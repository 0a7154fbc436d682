//! What a virtual machine starts with: the kernel and the initrd of a target or of a filesystem, or a disk and its firmware.

use super::error::BootError;
use super::machine::Machine;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Kind of a file that is to boot, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A filesystem of ext2, ext3 or ext4.
    Ext,
    /// A raw disk with a GUID partition table.
    Disk,
    /// A disk in the format qcow2.
    Qcow2,
    /// Anything else: perhaps an archive.
    Other,
}

/// Kernel and initrd, in files of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The kernel.
    pub kernel: PathBuf,
    /// The initrd; none where there is none.
    pub initrd: Option<PathBuf>,
}

/// Names of a kernel's files in /boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The kernel.
    pub kernel: String,
    /// The initrd; none where there is none.
    pub initrd: Option<String>,
}

/// Returns the kind of a file.
///
/// # Errors
/// Those of reading, and a disk that would have qemu read other files.
pub fn kind(path: &Path) -> Result<Kind, BootError> {
    let mut head = Vec::new();
    let file = File::open(path).map_err(BootError::file("open", path))?;
    file.take(4096)
        .read_to_end(&mut head)
        .map_err(BootError::file("read", path))?;
    if head.get(1080..1082) == Some(&[0x53, 0xef]) {
        return Ok(Kind::Ext);
    }
    if head.get(512..520) == Some(b"EFI PART") {
        return Ok(Kind::Disk);
    }
    if head.starts_with(b"QFI\xfb") {
        let backed = head
            .get(8..16)
            .is_none_or(|field| field.iter().any(|byte| *byte != 0));
        // Incompatible feature 2 of version 3 (qemu's docs/interop/qcow2): the data are in another file.
        let version = head.get(4..8);
        let external = version != Some(&[0, 0, 0, 2]) && head.get(79).is_none_or(|byte| byte & 4 != 0);
        if backed || external {
            return Err(BootError::Image {
                path: path.to_owned(),
                what:
                    "a disk whose content is in another file; make it whole with `qemu-img convert -O qcow2`"
                        .to_owned(),
            });
        }
        return Ok(Kind::Qcow2);
    }
    Ok(Kind::Other)
}

/// Returns the newest kernel of some names in /boot, and its initrd.
pub fn newest<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Names> {
    let names: Vec<&str> = names.into_iter().collect();
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b".+-_~".contains(&byte);
    let version = |name: &'a str| {
        let version = name.strip_prefix("vmlinuz-").or(name.strip_prefix("vmlinux-"))?;
        (!version.is_empty() && version.bytes().all(usual)).then_some(version)
    };
    let all = names.iter().filter_map(|name| Some((version(name)?, *name)));
    let (version, kernel) = all.max_by(|a, b| deb_types::version::loose_order(a.0, b.0))?;
    let initrd = format!("initrd.img-{version}");
    Some(Names {
        kernel: kernel.to_owned(),
        initrd: names.contains(&initrd.as_str()).then_some(initrd),
    })
}

/// Returns the path of a program, which an ordinary user's `PATH` may lack.
///
/// # Errors
/// [`BootError::NoProgram`].
pub fn program(
    program: &'static str,
    package: &'static str,
    purpose: &'static str,
) -> Result<PathBuf, BootError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
        .ok_or(BootError::NoProgram {
            program,
            package,
            purpose,
        })
}

/// A filesystem of ext2, ext3 or ext4 in a file, read with debugfs(8).
pub struct Ext<'a> {
    path: &'a Path,
    debugfs: PathBuf,
    scratch: &'a Path,
}

impl<'a> Ext<'a> {
    /// Prepares reading it; `scratch` is a directory for copies.
    ///
    /// # Errors
    /// [`BootError::NoProgram`].
    pub fn new(path: &'a Path, scratch: &'a Path) -> Result<Self, BootError> {
        Ok(Self {
            path,
            debugfs: program("debugfs", "e2fsprogs", "by which an image of ext4 is read")?,
            scratch,
        })
    }

    /// Returns what debugfs answers to a request.
    fn ask(&self, request: &str) -> Result<String, BootError> {
        let path = std::path::absolute(self.path).map_err(BootError::file("open", self.path))?;
        let done = Command::new(&self.debugfs)
            .env("LC_ALL", "C")
            .env("DEBUGFS_PAGER", "cat")
            .args(["-R", request])
            .arg(path)
            .stdin(Stdio::null())
            .output();
        let done = done.map_err(|source| BootError::Execute {
            path: self.debugfs.clone(),
            source,
        })?;
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// Copies a file of the image to `name` in the scratch directory. Returns its path; none where there is no such file.
    fn copy(&self, path: &str, name: &str) -> Result<Option<PathBuf>, BootError> {
        // Requests have no quotes for all names: the copy is named from its own directory.
        let to = self.scratch.join(name);
        let image = std::path::absolute(self.path).map_err(BootError::file("open", self.path))?;
        let status = Command::new(&self.debugfs)
            .current_dir(self.scratch)
            .args(["-R", &format!("dump {path} {name}")])
            .arg(image)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.map_err(|source| BootError::Execute {
            path: self.debugfs.clone(),
            source,
        })?;
        let bytes = to.metadata().map_or(0, |found| found.len());
        Ok((bytes > 0).then_some(to))
    }

    /// Returns Debian's name of its architecture, by dpkg's database; none without one.
    ///
    /// # Errors
    /// Those of reading.
    pub fn architecture(&self) -> Result<Option<String>, BootError> {
        for name in ["arch-native", "arch"] {
            let text = self.ask(&format!("cat /var/lib/dpkg/{name}"))?;
            if let Some(line) = text.lines().next().filter(|line| !line.trim().is_empty()) {
                return Ok(Some(line.trim().to_owned()));
            }
        }
        let status = self.ask("cat /var/lib/dpkg/status")?;
        let mut stanzas = status.split("\n\n");
        let own = stanzas.find(|stanza| stanza.lines().any(|line| line == "Package: dpkg"));
        let field = own.and_then(|own| own.lines().find_map(|line| line.strip_prefix("Architecture: ")));
        Ok(field.map(str::to_owned))
    }

    /// Copies the newest kernel and its initrd.
    ///
    /// # Errors
    /// [`BootError::NoKernel`].
    pub fn kernel(&self, machine: &Machine) -> Result<Kernel, BootError> {
        // Lines are /INODE/MODE/UID/GID/NAME/SIZE/.
        let list = self.ask("ls -p /boot")?;
        let names = list.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split('/').collect();
            let regular = fields.get(2)?.starts_with("10");
            regular.then(|| fields.get(5).copied()).flatten()
        });
        let missing = || BootError::NoKernel {
            path: self.path.to_owned(),
            package: machine.kernel,
        };
        let found = newest(names).ok_or_else(missing)?;
        let kernel = self.copy(&format!("/boot/{}", found.kernel), "kernel")?;
        let initrd = match found.initrd {
            Some(name) => self.copy(&format!("/boot/{name}"), "initrd")?,
            None => None,
        };
        Ok(Kernel {
            kernel: kernel.ok_or_else(missing)?,
            initrd,
        })
    }
}

/// Returns the machine of a disk, by the type of its root partition (UEFI, 5.3); none where it says none.
///
/// # Errors
/// Those of reading.
pub fn machine_of_disk(disk: &Path) -> Result<Option<&'static Machine>, BootError> {
    let file = File::open(disk).map_err(BootError::file("open", disk))?;
    // 128 entries of 128 bytes after two blocks.
    let mut table = vec![0; 128 * 128];
    file.read_exact_at(&mut table, 1024)
        .map_err(BootError::file("read", disk))?;
    let mut kinds = table
        .chunks_exact(128)
        .filter_map(|entry| entry.first_chunk::<16>());
    Ok(kinds.find_map(|kind| Machine::of_root_partition(&guid(kind))))
}

/// Returns a GUID as text: its first three fields are little-endian.
fn guid(bytes: &[u8; 16]) -> String {
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let ordered: Vec<u8> = order.iter().filter_map(|at| bytes.get(*at).copied()).collect();
    let text = deb_types::hex(&ordered);
    let part = |range| text.get(range).unwrap_or_default();
    let parts = [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)];
    parts.join("-")
}

/// Writes the beginning of a disk in the format qcow2 to a raw file.
///
/// # Errors
/// qemu-img is missing or fails.
pub fn beginning(disk: &Path, to: &Path) -> Result<(), BootError> {
    let tool = program("qemu-img", "qemu-utils", "by which a disk's table is read")?;
    let disk = std::path::absolute(disk).map_err(BootError::file("open", disk))?;
    let word = |name: &str, path: &Path| {
        let mut word = std::ffi::OsString::from(name);
        word.push(path);
        word
    };
    let done = Command::new(&tool)
        .args(["dd", "-f", "qcow2", "-O", "raw", "bs=64k", "count=1"])
        .args([word("if=", &disk), word("of=", to)])
        .stdin(Stdio::null())
        .output()
        .map_err(|source| BootError::Execute { path: tool, source })?;
    match done.status.success() {
        true => Ok(()),
        false => Err(BootError::Image {
            path: disk,
            what: format!(
                "no disk that qemu-img can read: {}",
                String::from_utf8_lossy(&done.stderr).trim()
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_kernel_starts() {
        let names = [
            "vmlinuz-6.9.2",
            "initrd.img-6.9.2",
            "vmlinuz-6.12.1",
            "initrd.img-6.12.1",
            "vmlinuz-$x",
            "grub",
        ];
        let found = newest(names).unwrap();
        assert_eq!(
            (found.kernel.as_str(), found.initrd.as_deref()),
            ("vmlinuz-6.12.1", Some("initrd.img-6.12.1"))
        );
        assert_eq!(newest(["vmlinux-6.1"]).unwrap().initrd, None);
        assert_eq!(newest(["vmlinuz", "initrd.img"]), None);
    }

    #[test]
    fn files_are_known_by_their_content() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let of = |at: usize, bytes: &[u8]| {
            let mut content = vec![0; 4096];
            content[at..at + bytes.len()].copy_from_slice(bytes);
            std::fs::write(&path, content).unwrap();
            kind(&path)
        };
        assert_eq!(of(1080, &[0x53, 0xef]).unwrap(), Kind::Ext);
        assert_eq!(of(512, b"EFI PART").unwrap(), Kind::Disk);
        assert_eq!(of(0, b"QFI\xfb\0\0\0\x03").unwrap(), Kind::Qcow2);
        assert_eq!(of(0, b"").unwrap(), Kind::Other);
        // Another file behind it.
        assert!(of(0, b"QFI\xfb\0\0\0\x03\0\0\0\0\0\0\0\x40").is_err());
    }

    #[test]
    fn disks_say_their_machine() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk");
        let mut content = vec![0; 64 << 10];
        let kind = [
            0xe3, 0xbc, 0x68, 0x4f, 0xcd, 0xe8, 0xb1, 0x4d, 0x96, 0xe7, 0xfb, 0xca, 0xf9, 0x84, 0xb7, 0x09,
        ];
        content[1152..1168].copy_from_slice(&kind);
        std::fs::write(&path, content).unwrap();
        assert_eq!(machine_of_disk(&path).unwrap().unwrap().name, "amd64");
    }
}
