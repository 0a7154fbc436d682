//! Owners, devices and capabilities that the kernel refuses: recorded by the installer.

use super::call::{self, Call};
use super::complain;
use super::owner::{self, Base};
use super::paths::World;
use super::program::Home;
use super::report::Line;
use crate::counterpart::encoded;
use shim_protocol::capability;
use shim_protocol::{Device, Record, Reply, Request, variables};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use tool_table::root::{Method, Recorded, Shape};

/// The records of a call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Recording {
    /// Messages, each a [`Record`].
    pub(super) messages: Vec<Vec<u8>>,
    /// The command line that does all else, if there is something.
    pub(super) before: Option<Vec<OsString>>,
}

/// Runs a tool so that what is refused of it is recorded. Nothing: it is to be executed as any other.
pub(super) fn run(
    world: &dyn World,
    root: &[u8],
    (tool, recorded): (&[u8], Recorded),
    program: &OsStr,
    arguments: &[OsString],
    home: &Home,
) -> Option<i32> {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| value == "1");
    if is_set(variables::NO_FUSE) || is_set(variables::NO_NAMESPACE) {
        let record = record(world, root, (tool, recorded), arguments)?;
        if let Some(before) = &record.before {
            let status = Command::new(program).args(before).status().ok()?;
            if !status.success() {
                return Some(status.code().unwrap_or(1));
            }
        }
        return Some(send(tool, &record.messages, home));
    }
    // Whoever makes files with an owner has the right to it in a namespace.
    if recorded == Recorded::Install {
        return None;
    }
    let mut command = Command::new(program);
    // Its words for what the kernel said are read.
    command.args(arguments).env("LC_ALL", "C").stderr(Stdio::piped());
    let output = command
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit())
        .output()
        .ok()?;
    let refused = output
        .stderr
        .windows(REFUSED.len())
        .any(|part| part == REFUSED.as_bytes());
    if !output.status.success()
        && refused
        && let Some(record) = record(world, root, (tool, recorded), arguments)
    {
        return Some(send(tool, &record.messages, home));
    }
    crate::sys::complain(&output.stderr);
    let signal = output.status.signal().map_or(1, |signal| 128 + signal);
    Some(output.status.code().unwrap_or(signal))
}

/// EPERM (strerror(3)).
const REFUSED: &str = "Operation not permitted";

/// Sends all; the exit status.
fn send(tool: &[u8], messages: &[Vec<u8>], home: &Home) -> i32 {
    let mut status = 0;
    for message in messages {
        let reason = match Line::open(&home.control()).send(message) {
            Ok(reply) => match Reply::decode(&reply) {
                Ok(Reply::Counterpart) => continue,
                Ok(Reply::Refused(reason)) => reason.to_vec(),
                _ => b"it is not recorded".to_vec(),
            },
            Err(error) => format!("the installer does not answer: {error}").into_bytes(),
        };
        let path = match Request::decode(message) {
            Ok(Request::Record(record)) => record.path(),
            _ => b"",
        };
        complain(&[tool, b": ", path, b": ", &reason]);
        status = 1;
    }
    status
}

/// Returns the records of a call, as messages; nothing where the call's form is not known.
pub(super) fn record(
    world: &dyn World,
    root: &[u8],
    (tool, recorded): (&[u8], Recorded),
    arguments: &[OsString],
) -> Option<Recording> {
    let Method::Arguments(shape) = tool_table::wrapped(tool)?.root.as_ref()?.method else {
        return None;
    };
    let shape = &shape;
    let asked = Asked {
        world,
        root,
        call: call::read(shape, arguments),
        arguments,
    };
    match recorded {
        Recorded::Owner => asked.owner(false),
        Recorded::Group => asked.owner(true),
        Recorded::Node => asked.node(),
        Recorded::Capability => asked.capability(),
        Recorded::Install => asked.install(shape),
    }
}

/// Makes the message for a path.
type Message = Box<dyn Fn(&[u8]) -> Vec<u8>>;

struct Asked<'a> {
    world: &'a dyn World,
    root: &'a [u8],
    call: Call,
    arguments: &'a [OsString],
}

impl Asked<'_> {
    fn operands(&self) -> Vec<&[u8]> {
        let argument = |at: &usize| self.arguments.get(*at).map(|a| a.as_bytes());
        self.call.operands.iter().filter_map(argument).collect()
    }

    fn value(&self, option: &str) -> Option<&[u8]> {
        let (_, argument, from) = self.call.values.iter().rev().find(|value| value.0 == option)?;
        self.arguments.get(*argument)?.as_bytes().get(*from..)
    }

    fn absolute(&self, path: &[u8]) -> Vec<u8> {
        match path.starts_with(b"/") {
            true => path.to_vec(),
            false => [&self.world.directory(), &b"/"[..], path].concat(),
        }
    }

    /// chown(1), chgrp(1). With -R links are not followed (its default, -P).
    fn owner(&self, group: bool) -> Option<Recording> {
        let (call, operands) = (&self.call, self.operands());
        if call.has("--from") {
            return None;
        }
        let recursive = call.has("-R") || self.arguments.iter().any(|a| a == "--recursive");
        let follow = !recursive && !call.has("-h");
        let message: Message;
        let files = if let Some(reference) = self.value("--reference") {
            let reference = self.absolute(reference);
            message = Box::new(move |path| {
                message_of(Record::OwnerOf {
                    path,
                    reference: &reference,
                    group_only: group,
                    follow,
                })
            });
            operands.as_slice()
        } else {
            let (spec, files) = operands.split_first()?;
            let (user, group) = if group {
                (None, self.group(spec)?)
            } else {
                self.ids(spec)?
            };
            message = Box::new(move |path| {
                message_of(Record::Owner {
                    path,
                    uid: user,
                    gid: group,
                    follow,
                })
            });
            files
        };
        let mut record = Recording::default();
        let mut pending: Vec<Vec<u8>> = files.iter().rev().map(|path| self.absolute(path)).collect();
        while let Some(path) = pending.pop() {
            record.messages.push(message(&path));
            let directory = OsStr::from_bytes(&path);
            let is_directory = || std::fs::symlink_metadata(directory).is_ok_and(|found| found.is_dir());
            if recursive && is_directory() {
                let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
                pending.extend(entries.map(|entry| entry.path().into_os_string().into_encoded_bytes()));
            }
        }
        Some(record)
    }

    fn group(&self, name: &[u8]) -> Option<Option<u32>> {
        if name.is_empty() {
            return Some(None);
        }
        owner::number(self.world, self.root, Base::Groups, name).map(Some)
    }

    /// `USER`, `USER:GROUP`, `USER:` (his login group), `:GROUP`.
    fn ids(&self, spec: &[u8]) -> Option<(Option<u32>, Option<u32>)> {
        let user = |name: &[u8]| owner::number(self.world, self.root, Base::Users, name);
        let Some((name, group)) = owner::split(self.world, self.root, spec) else {
            return Some((Some(user(spec)?), None));
        };
        if name.is_empty() {
            return Some((None, self.group(group)?));
        }
        if group.is_empty() {
            let users = owner::text(self.world, self.root, Base::Users);
            let login = owner::field(&users, name, 3)?;
            return Some((Some(user(name)?), self.group(login)?));
        }
        Some((Some(user(name)?), self.group(group)?))
    }

    /// mknod(1): pipes anybody may make.
    fn node(&self) -> Option<Recording> {
        let operands = self.operands();
        let [path, kind, major, minor] = operands.as_slice() else {
            return None;
        };
        let device = match *kind {
            b"b" => Device::Block,
            b"c" | b"u" => Device::Character,
            _ => return None,
        };
        let mode = match self.value("-m") {
            Some(mode) => u32::from_str_radix(std::str::from_utf8(mode).ok()?, 8).ok()?,
            None => 0o666 & !mask(&self.world.read(b"/proc/self/status")),
        };
        let message = message_of(Record::Node {
            path: &self.absolute(path),
            device,
            major: device_number(major)?,
            minor: device_number(minor)?,
            mode,
        });
        Some(Recording {
            messages: vec![message],
            before: None,
        })
    }

    /// setcap(8): pairs of capabilities and a file; `-r FILE` takes them away.
    fn capability(&self) -> Option<Recording> {
        let mut record = Recording::default();
        let mut words = self.arguments.iter().map(|a| a.as_bytes());
        while let Some(word) = words.next() {
            let value = match word {
                b"-q" => continue,
                b"-r" => Vec::new(),
                _ => capability::attribute(word)?.to_vec(),
            };
            record.messages.push(message_of(Record::Capability {
                path: &self.absolute(words.next()?),
                value: &value,
            }));
        }
        Some(record)
    }

    /// install(1): it is run without `-o` and `-g`.
    fn install(&self, shape: &Shape) -> Option<Recording> {
        let (user, group) = (self.value("-o"), self.value("-g"));
        if user.is_none() && group.is_none() {
            return None;
        }
        let id = |base, name: Option<&[u8]>| match name {
            Some(name) => owner::number(self.world, self.root, base, name).map(Some),
            None => Some(None),
        };
        let (user, group) = (id(Base::Users, user)?, id(Base::Groups, group)?);
        let operands = self.operands();
        let base = |path: &&[u8]| path.rsplit(|&b| b == b'/').next().unwrap_or_default().to_vec();
        let within = |directory: &[u8], files: &[&[u8]]| -> Vec<Vec<u8>> {
            let name = |file| [directory, b"/", &base(file)].concat();
            files.iter().map(name).collect()
        };
        let made: Vec<Vec<u8>> = if self.call.has("-d") {
            operands.iter().map(|path| path.to_vec()).collect()
        } else if let Some(directory) = self.value("-t") {
            within(directory, &operands)
        } else {
            let (last, files) = operands.split_last()?;
            let whole = self.absolute(last);
            match std::fs::metadata(OsStr::from_bytes(&whole)).is_ok_and(|found| found.is_dir()) {
                true => within(last, files),
                false => vec![last.to_vec()],
            }
        };
        let message = |path: &Vec<u8>| {
            message_of(Record::Owner {
                path: &self.absolute(path),
                uid: user,
                gid: group,
                follow: true,
            })
        };
        Some(Recording {
            messages: made.iter().map(message).collect(),
            before: Some(self.without_owner(shape)?),
        })
    }

    /// The command line without the options for an owner: the value replaced by
    /// the caller's own number, which he may give.
    fn without_owner(&self, shape: &Shape) -> Option<Vec<OsString>> {
        let status = self.world.read(b"/proc/self/status");
        let mut changed = self.arguments.to_vec();
        let values = call::read(shape, self.arguments).values;
        for (name, argument, from) in values {
            let own = match name {
                "-o" => field(&status, b"Uid:")?,
                "-g" => field(&status, b"Gid:")?,
                _ => continue,
            };
            let text = changed.get_mut(argument)?;
            let kept = text.as_bytes().get(..from)?.to_vec();
            *text = OsStr::from_bytes(&[&kept, own].concat()).to_owned();
        }
        Some(changed)
    }
}

fn message_of(record: Record<'_>) -> Vec<u8> {
    encoded(&Request::Record(record))
}

/// The first word behind a name in /proc/self/status (proc(5)).
fn field<'s>(status: &'s [u8], name: &[u8]) -> Option<&'s [u8]> {
    let line = status
        .split(|&b| b == b'\n')
        .find_map(|line| line.strip_prefix(name))?;
    line.split(u8::is_ascii_whitespace).find(|word| !word.is_empty())
}

fn mask(status: &[u8]) -> u32 {
    let text = field(status, b"Umask:").and_then(|text| std::str::from_utf8(text).ok());
    text.and_then(|text| u32::from_str_radix(text, 8).ok())
        .unwrap_or(0o022)
}

/// Decimal, or as in C (mknod(1)).
fn device_number(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    let number = match (text.strip_prefix("0x"), text.strip_prefix('0')) {
        (Some(hex), _) => u32::from_str_radix(hex, 16),
        (None, Some(octal)) if !octal.is_empty() => u32::from_str_radix(octal, 8),
        _ => text.parse(),
    };
    number.ok()
}
