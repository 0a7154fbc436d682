//! Frames, and the messages that have many parts.

use super::{BindPoint, Command, MountPoints, OnTerminal, Running, Standard, User, malformed};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Longest string, and most strings, that a frame may have.
const MAX_FRAME: usize = 4 << 20;

pub(super) fn write_frame(out: &mut impl Write, parts: &[impl AsRef<[u8]>]) -> io::Result<()> {
    let mut frame = Vec::new();
    let length = |n: usize| u32::try_from(n).map(u32::to_le_bytes).map_err(io::Error::other);
    frame.extend(length(parts.len())?);
    for part in parts {
        frame.extend(length(part.as_ref().len())?);
        frame.extend(part.as_ref());
    }
    out.write_all(&frame)
}

pub(super) fn read_frame(input: &mut impl Read) -> io::Result<Vec<Vec<u8>>> {
    let number = |input: &mut dyn Read| -> io::Result<usize> {
        let mut bytes = [0; 4];
        input.read_exact(&mut bytes)?;
        let n = u32::from_le_bytes(bytes) as usize;
        if n > MAX_FRAME {
            Err(io::Error::other("frame too large"))
        } else {
            Ok(n)
        }
    };
    let count = number(input)?;
    let mut parts = Vec::new();
    for _ in 0..count {
        let mut part = vec![0; number(input)?];
        input.read_exact(&mut part)?;
        parts.push(part);
    }
    Ok(parts)
}

pub(super) fn texts(parts: Vec<Vec<u8>>) -> io::Result<Vec<String>> {
    let texts = parts.into_iter().map(String::from_utf8);
    texts.collect::<Result<_, _>>().map_err(io::Error::other)
}

fn flag(on: bool) -> &'static [u8] {
    if on { b"1" } else { b"0" }
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

fn optional(bytes: &[u8]) -> Option<PathBuf> {
    (!bytes.is_empty()).then(|| path(bytes))
}

impl MountPoints {
    pub(super) fn parts(&self) -> Vec<&[u8]> {
        fn bytes(path: &Path) -> &[u8] {
            path.as_os_str().as_bytes()
        }
        let mut parts = vec![
            &b"points"[..],
            bytes(&self.target),
            bytes(&self.private),
            self.native_system.as_deref().map_or(b"", bytes),
            self.native_root.as_deref().map_or(b"", bytes),
            self.layer.as_deref().map_or(b"", bytes),
            self.admin.as_deref().map_or(b"", bytes),
            self.around.as_deref().map_or(b"", bytes),
            self.resolver.as_deref().map_or(b"", bytes),
            self.machine.as_ref().map_or(b"", String::as_bytes),
            flag(self.host_network),
            flag(self.read_only),
            flag(self.running.proc),
            flag(self.running.dev),
            match self.terminal {
                OnTerminal::Nothing => b"",
                OnTerminal::Input => b"i",
                OnTerminal::All => b"a",
            },
        ];
        for bind in &self.binds {
            parts.push(bytes(&bind.mount_point));
            parts.push(bind.file.as_ref().map_or(b"", |name| name.as_bytes()));
            parts.push(bytes(&bind.to));
            parts.push(flag(bind.read_only));
        }
        parts
    }

    /// Reads the parts after the first.
    pub(super) fn read(parts: &[Vec<u8>]) -> io::Result<Self> {
        match parts {
            [
                target,
                private,
                native_system,
                native_root,
                layer,
                admin,
                around,
                resolver,
                machine,
                host_network,
                read_only,
                proc,
                dev,
                terminal,
                binds @ ..,
            ] => {
                let binds = binds.chunks(4).map(|bind| match bind {
                    [mount_point, file, to, read_only] => Ok(BindPoint {
                        mount_point: path(mount_point),
                        file: optional(file).map(PathBuf::into_os_string),
                        to: path(to),
                        read_only: read_only == b"1",
                    }),
                    _ => Err(malformed()),
                });
                Ok(Self {
                    target: path(target),
                    private: path(private),
                    native_system: optional(native_system),
                    native_root: optional(native_root),
                    layer: optional(layer),
                    admin: optional(admin),
                    around: optional(around),
                    running: Running {
                        proc: proc == b"1",
                        dev: dev == b"1",
                    },
                    terminal: match terminal.as_slice() {
                        b"a" => OnTerminal::All,
                        b"i" => OnTerminal::Input,
                        _ => OnTerminal::Nothing,
                    },
                    resolver: optional(resolver),
                    machine: Some(String::from_utf8_lossy(machine).into_owned())
                        .filter(|name| !name.is_empty()),
                    host_network: host_network == b"1",
                    read_only: read_only == b"1",
                    binds: binds.collect::<io::Result<_>>()?,
                })
            }
            _ => Err(malformed()),
        }
    }
}

impl Command {
    pub(super) fn parts(&self) -> Vec<Vec<u8>> {
        let numbers = |numbers: &[u32]| {
            let texts: Vec<String> = numbers.iter().map(u32::to_string).collect();
            texts.join(",").into_bytes()
        };
        let standard = self.standard.map(|standard| match standard {
            Standard::Given => b'=',
            Standard::Terminal => b't',
        });
        let mut parts = vec![
            b"command".to_vec(),
            standard.to_vec(),
            self.directory.as_os_str().as_bytes().to_vec(),
            numbers(&[self.user.uid, self.user.gid]),
            numbers(&self.user.groups),
            self.arguments.len().to_string().into_bytes(),
        ];
        let words = self
            .arguments
            .iter()
            .chain(self.environment.iter().flat_map(|(name, value)| [name, value]));
        parts.extend(words.map(|word| word.as_bytes().to_vec()));
        parts
    }

    /// Reads the parts after the first.
    pub(super) fn read(parts: Vec<Vec<u8>>) -> Option<Self> {
        let mut parts = parts.into_iter();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).ok();
        let numbers = |bytes: Vec<u8>| -> Option<Vec<u32>> {
            let text = text(bytes)?;
            let words = text.split(',').filter(|word| !word.is_empty());
            words.map(|word| word.parse().ok()).collect()
        };
        let standard: [u8; 3] = parts.next()?.try_into().ok()?;
        let standard = standard.map(|kind| match kind {
            b't' => Standard::Terminal,
            _ => Standard::Given,
        });
        let directory = path(&parts.next()?);
        let [uid, gid] = numbers(parts.next()?)?.try_into().ok()?;
        let groups = numbers(parts.next()?)?;
        let count: usize = text(parts.next()?)?.parse().ok()?;
        let mut words = parts.map(OsString::from_vec);
        let arguments: Vec<OsString> = words.by_ref().take(count).collect();
        let mut environment = Vec::new();
        while let Some(name) = words.next() {
            environment.push((name, words.next()?));
        }
        Some(Self {
            arguments,
            environment,
            directory,
            user: User { uid, gid, groups },
            standard,
        })
    }
}
