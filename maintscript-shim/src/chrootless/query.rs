//! Answers for the root: users and groups from its files, and what its machine is.

use super::owner::{self, Base};
use super::paths::World;
use crate::answers::{self, Answer as Told};
use crate::paths::Architecture;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use tool_table::root::Asked;

/// Output in place of a tool's.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// For standard output.
    pub(crate) output: Vec<u8>,
    /// For standard error.
    pub(crate) messages: Vec<u8>,
    /// Exit status.
    pub(crate) status: i32,
}

impl Answer {
    /// For a tool that may not do anything.
    pub(crate) fn nothing(status: u8, prints: &str) -> Self {
        Self {
            output: prints.into(),
            messages: Vec::new(),
            status: i32::from(status),
        }
    }

    fn line(output: &[u8]) -> Self {
        Self {
            output: [output, b"\n"].concat(),
            ..Self::default()
        }
    }

    fn failed(parts: &[&[u8]]) -> Self {
        Self {
            messages: [parts.concat(), b"\n".to_vec()].concat(),
            status: 1,
            ..Self::default()
        }
    }
}

/// getent(1): databases whose file is in the root. Exit status 2: a key was not found.
pub(super) fn getent(world: &dyn World, root: &[u8], arguments: &[OsString]) -> Option<Answer> {
    let (database, keys) = arguments.split_first()?;
    // Index of the field that is a key as well, when it is a number.
    let (file, number): (&[u8], Option<usize>) = match database.as_bytes() {
        b"passwd" => (b"/etc/passwd", Some(2)),
        b"group" => (b"/etc/group", Some(2)),
        b"shadow" => (b"/etc/shadow", None),
        b"gshadow" => (b"/etc/gshadow", None),
        _ => return None,
    };
    let text = world.read(&[root, file].concat());
    if keys.is_empty() {
        return Some(Answer {
            output: text,
            ..Answer::default()
        });
    }
    let mut answer = Answer::default();
    for key in keys.iter().map(|key| key.as_bytes()) {
        let index = match number {
            Some(index) if owner::is_number(key) => index,
            _ => 0,
        };
        match owner::lines(&text).find(|fields| fields.get(index) == Some(&key)) {
            Some(fields) => {
                answer.output.extend(fields.join(&b':'));
                answer.output.push(b'\n');
            }
            None => answer.status = 2,
        }
    }
    Some(answer)
}

/// A user of the root.
struct User {
    name: Vec<u8>,
    id: Vec<u8>,
    /// Number and name of each group, the login group first.
    groups: Vec<(Vec<u8>, Vec<u8>)>,
}

fn user(world: &dyn World, root: &[u8], wanted: &[u8]) -> Option<User> {
    let users = owner::text(world, root, Base::Users);
    let all_groups = owner::text(world, root, Base::Groups);
    let is = |fields: &Vec<&[u8]>| {
        fields.first() == Some(&wanted) || (owner::is_number(wanted) && fields.get(2) == Some(&wanted))
    };
    let fields = owner::lines(&users).find(is)?;
    let (name, login) = (fields.first()?.to_vec(), fields.get(3)?.to_vec());
    let mut groups = Vec::new();
    for group in owner::lines(&all_groups) {
        let [title, _, id, members] = group.as_slice() else {
            continue;
        };
        if *id == login.as_slice() {
            groups.insert(0, (id.to_vec(), title.to_vec()));
        } else if members.split(|&b| b == b',').any(|member| member == name) {
            groups.push((id.to_vec(), title.to_vec()));
        }
    }
    // A login group that has no name is told by its number.
    if groups.first().is_none_or(|(id, _)| *id != login) {
        groups.insert(0, (login.clone(), login));
    }
    let id = fields.get(2)?.to_vec();
    Some(User { name, id, groups })
}

/// id(1) of a user.
pub(super) fn id(world: &dyn World, root: &[u8], arguments: &[OsString]) -> Option<Answer> {
    let mut letters = Vec::new();
    let mut operand = None;
    for argument in arguments.iter().map(|a| a.as_bytes()) {
        match argument {
            b"--user" => letters.push(b'u'),
            b"--group" => letters.push(b'g'),
            b"--groups" => letters.push(b'G'),
            b"--name" => letters.push(b'n'),
            b"--real" => letters.push(b'r'),
            [b'-', b'-', ..] => return None,
            [b'-', rest @ ..] => letters.extend_from_slice(rest),
            _ if operand.is_none() => operand = Some(argument),
            _ => return None,
        }
    }
    let wanted = operand?;
    if !letters.iter().all(|letter| b"ugGnr".contains(letter)) {
        return None;
    }
    let Some(user) = user(world, root, wanted) else {
        return Some(Answer::failed(&[b"id: '", wanted, b"': no such user"]));
    };
    let names = letters.contains(&b'n');
    let pick = |(id, name): &(Vec<u8>, Vec<u8>)| if names { name.clone() } else { id.clone() };
    let login = user.groups.first();
    let text = match letters.iter().find(|letter| b"ugG".contains(letter)) {
        Some(b'u') => pick(&(user.id, user.name)),
        Some(b'g') => login.map(pick).unwrap_or_default(),
        Some(_) => user.groups.iter().map(pick).collect::<Vec<_>>().join(&b' '),
        None => {
            let both = |id: &[u8], name: &[u8]| [id, b"(", name, b")"].concat();
            let groups: Vec<Vec<u8>> = user.groups.iter().map(|(id, name)| both(id, name)).collect();
            [
                b"uid=".to_vec(),
                both(&user.id, &user.name),
                b" gid=".to_vec(),
                groups.first().cloned().unwrap_or_default(),
                b" groups=".to_vec(),
                groups.join(&b','),
            ]
            .concat()
        }
    };
    Some(Answer::line(&text))
}

/// groups(1) of users.
pub(super) fn groups(world: &dyn World, root: &[u8], arguments: &[OsString]) -> Option<Answer> {
    let mut answer = Answer::default();
    for wanted in arguments.iter().map(|a| a.as_bytes()) {
        if wanted.starts_with(b"-") {
            return None;
        }
        let Some(user) = user(world, root, wanted) else {
            let failed = Answer::failed(&[b"groups: '", wanted, b"': no such user"]);
            answer.messages.extend(failed.messages);
            answer.status = 1;
            continue;
        };
        let names: Vec<&[u8]> = user.groups.iter().map(|(_, name)| name.as_slice()).collect();
        answer
            .output
            .extend([wanted, b" : ", &names.join(&b' '), b"\n"].concat());
    }
    Some(answer)
}

/// dpkg(1), uname(1) and arch(1), where what they tell is compiled in or the kernel's.
pub(super) fn machine(
    world: &dyn World,
    root: &[u8],
    asked: Asked,
    arguments: &[OsString],
) -> Option<Answer> {
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let arch = || architecture(world, root);
    match asked {
        Asked::Ldconfig => None,
        Asked::Dpkg if has("--print-architecture") => Some(Answer::line(arch()?.name.as_bytes())),
        Asked::Dpkg if has("--print-foreign-architectures") => {
            let own = arch()?.name.as_bytes();
            let known = world.read(&[&crate::paths::admin_directory(root)[..], b"/arch"].concat());
            let lines = known.split(|&b| b == b'\n');
            let foreign = lines.filter(|name| !name.is_empty() && *name != own);
            Some(Answer {
                output: foreign.flat_map(|name| [name, b"\n"].concat()).collect(),
                ..Answer::default()
            })
        }
        Asked::Dpkg => None,
        Asked::Arch => told("/usr/bin/arch", arch()?, arguments),
        // Other fields are this machine's kernel's in any case.
        Asked::Uname if asks_machine(arguments) => told("/usr/bin/uname", arch()?, arguments),
        Asked::Uname => None,
    }
}

fn asks_machine(arguments: &[OsString]) -> bool {
    arguments.iter().any(|argument| match argument.as_bytes() {
        [b'-', b'-', b'm', ..] | [b'-', b'-', b'a', ..] => true,
        [b'-', b'-', ..] => false,
        letters => letters.contains(&b'm') || letters.contains(&b'a'),
    })
}

fn told(tool: &str, arch: &Architecture, arguments: &[OsString]) -> Option<Answer> {
    let tool = OsStr::new(tool);
    match answers::answer(arch, tool, tool, arguments) {
        Told::Done { output, status } => Some(Answer {
            output,
            status,
            ..Answer::default()
        }),
        _ => None,
    }
}

/// The root's architecture: the installer's word, the first line of dpkg's list, or that of the
/// package whose script runs (dpkg(1), DPKG_MAINTSCRIPT_ARCH), where it is of one.
fn architecture(world: &dyn World, root: &[u8]) -> Option<&'static Architecture> {
    let variable = |name| std::env::var_os(name).and_then(|value| crate::paths::target(&value));
    let list = world.read(&[&crate::paths::admin_directory(root)[..], b"/arch"].concat());
    let first = list.split(|&b| b == b'\n').next().unwrap_or_default();
    variable(shim_protocol::variables::ARCHITECTURE)
        .or_else(|| crate::paths::target(OsStr::from_bytes(first)))
        .or_else(|| variable("DPKG_MAINTSCRIPT_ARCH"))
}
