//! Filters of system calls (seccomp(2)), as programs of the classic BPF.
//!
//! A [`Policy`] says for calls by their name, and by the values in their registers, what becomes of them; all others
//! are allowed. One program has a part for each interface through which a process of this machine can call the
//! kernel (`arch` of `struct seccomp_data`): a 64-bit process on amd64 reaches those of i386 and x32, too. Calls
//! through an interface that is not known here fail with `ENOSYS`.
//!
//! Source: `Documentation/userspace-api/seccomp_filter.rst`.

mod calls;
mod policy;

pub(super) use calls::{Call, Interface, called};
pub(super) use policy::{Keyrings, Limits, sandbox, view, without_network};

use calls::{INTERFACES, X32};
use libc::sock_filter;
use std::io;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The kernel does it.
    Allow,
    /// It fails with this error number.
    Errno(i32),
    /// The listener of the filter decides, or does it.
    Notify,
}

impl Action {
    fn value(self) -> u32 {
        match self {
            Self::Allow => libc::SECCOMP_RET_ALLOW,
            Self::Errno(errno) => libc::SECCOMP_RET_ERRNO | errno.unsigned_abs(),
            Self::Notify => libc::SECCOMP_RET_USER_NOTIF,
        }
    }
}

/// A condition on an argument, counted from 0. Numbers are compared as the kernel's `int`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Condition {
    /// The bits of `mask` are those of `value`.
    Is { argument: u32, mask: u32, value: u32 },
    /// A pointer is null.
    Null { argument: u32 },
    /// A pointer is not null.
    NotNull { argument: u32 },
}

/// The action where all conditions hold; none always holds.
#[derive(Clone, Debug)]
pub(super) struct Clause {
    pub(super) conditions: Vec<Condition>,
    pub(super) action: Action,
}

/// Clauses of calls; the first that holds counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Policy(Vec<(Call, Vec<Clause>)>);

impl Policy {
    /// Adds the clauses of a call.
    fn rule(&mut self, call: Call, clauses: Vec<Clause>) {
        self.0.push((call, clauses));
    }

    /// Returns the policy as a program for this machine.
    ///
    /// # Errors
    /// `Unsupported` where the system calls of this machine are not known.
    pub(super) fn compile(&self) -> io::Result<Vec<sock_filter>> {
        if INTERFACES.is_empty() {
            let reason = format!("the system calls of {} are not known", std::env::consts::ARCH);
            return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
        }
        let mut program = vec![load(ARCH)];
        for interface in INTERFACES {
            let part = self.part(interface);
            // Distances of a conditional jump have eight bits only.
            program.push(equal(interface.audit, 1, 0));
            program.push(jump(part.len()));
            program.extend(part);
        }
        program.push(end(Action::Errno(libc::ENOSYS)));
        Ok(program)
    }

    fn part(&self, interface: &Interface) -> Vec<sock_filter> {
        let mut part = vec![load(NUMBER)];
        if interface.has_x32 {
            part.push(statement(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, !X32));
        }
        for (call, clauses) in &self.0 {
            for number in interface.numbers(*call) {
                let body = body(clauses);
                part.push(equal(number, 1, 0));
                part.push(jump(body.len()));
                part.extend(body);
            }
        }
        part.push(end(Action::Allow));
        part
    }
}

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;

/// Offsets of the lower and the upper half of an argument.
fn halves(argument: u32) -> [u32; 2] {
    let first = 16 + 8 * argument;
    if cfg!(target_endian = "little") {
        [first, first + 4]
    } else {
        [first + 4, first]
    }
}

/// Returns the instructions of a call's clauses, which always end the program.
fn body(clauses: &[Clause]) -> Vec<sock_filter> {
    let mut body = Vec::new();
    for clause in clauses {
        let mut tests: Vec<Test> = clause.conditions.iter().flat_map(|one| tests(*one)).collect();
        let length = tests.len();
        for (at, test) in tests.iter_mut().enumerate() {
            // Over the other tests and the clause's end.
            let miss = u8::try_from(length - at).unwrap_or(u8::MAX);
            body.push(test.instruction(miss));
        }
        body.push(end(clause.action));
    }
    body.push(end(Action::Allow));
    body
}

/// An instruction of a condition; `None` in the place of a distance is the way to the next clause.
struct Test {
    code: u32,
    value: u32,
    yes: Option<u8>,
    no: Option<u8>,
}

impl Test {
    fn instruction(&self, miss: u8) -> sock_filter {
        sock_filter {
            code: code(self.code),
            jt: self.yes.unwrap_or(miss),
            jf: self.no.unwrap_or(miss),
            k: self.value,
        }
    }
}

fn tests(condition: Condition) -> Vec<Test> {
    let plain = |code, value| Test {
        code,
        value,
        yes: Some(0),
        no: Some(0),
    };
    let load = |offset| plain(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset);
    let test = |value, yes, no| Test {
        code: libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
        value,
        yes,
        no,
    };
    match condition {
        Condition::Is {
            argument,
            mask,
            value,
        } => {
            let [lower, _] = halves(argument);
            let masked = plain(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, mask);
            vec![load(lower), masked, test(value, Some(0), None)]
        }
        Condition::Null { argument } => {
            let both = halves(argument).map(|half| [load(half), test(0, Some(0), None)]);
            both.into_iter().flatten().collect()
        }
        Condition::NotNull { argument } => {
            let [lower, upper] = halves(argument);
            vec![
                load(lower),
                test(0, Some(0), Some(2)),
                load(upper),
                test(0, None, Some(0)),
            ]
        }
    }
}

fn code(code: u32) -> u16 {
    u16::try_from(code).unwrap_or_default()
}

fn statement(what: u32, k: u32) -> sock_filter {
    sock_filter {
        code: code(what),
        jt: 0,
        jf: 0,
        k,
    }
}

fn load(offset: u32) -> sock_filter {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

fn equal(value: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter {
        code: code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K),
        jt: yes,
        jf: no,
        k: value,
    }
}

fn jump(over: usize) -> sock_filter {
    statement(
        libc::BPF_JMP | libc::BPF_JA,
        u32::try_from(over).unwrap_or(u32::MAX),
    )
}

fn end(action: Action) -> sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, action.value())
}

#[cfg(test)]
mod tests;
