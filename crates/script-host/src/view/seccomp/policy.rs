//! What scripts may ask of the kernel, in a view and in a sandbox.

use super::{Action, Call, Clause, Condition, Policy};
use libc::{
    AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, EACCES, EAFNOSUPPORT, ENOKEY, ENOSYS, ENOTTY, EPERM,
    EPROTONOSUPPORT, NETLINK_AUDIT, NETLINK_ROUTE, SOCK_DGRAM,
};
use shim_protocol::CONTROL_LINE;

/// Keyrings of scripts (keyrings(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyrings {
    /// They have a session keyring of their own.
    Own,
    /// None can be made here, so the calls fail as on a kernel without keyrings.
    None,
}

/// Means of a machine to keep a script in where it shares the user's namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Whether the filter can have a listener, which decides by more than registers.
    pub(crate) supervised: bool,
    /// Whether Landlock keeps signals in (version 6).
    pub(crate) signals: bool,
    /// Whether Landlock controls truncate(2) (version 3).
    pub(crate) truncation: bool,
}

/// Bits of a socket's type that are not flags.
const SOCKET_TYPE: u32 = 0xf;

/// Operations of socketcall(2): socket and socketpair.
const SOCKETCALLS: [u32; 2] = [1, 8];

/// keyctl(2): gives the caller's session keyring to its parent, which is process 1 for a script.
const SESSION_TO_PARENT: u32 = 18;

/// Kinds of a second argument in setpriority(2) and ioprio_set(2).
const PRIO_PROCESS: u32 = 0;
const PRIO_USER: u32 = 2;
const IOPRIO_WHO_PROCESS: u32 = 1;
const IOPRIO_WHO_USER: u32 = 3;

/// ioctl(2) that sets flags of a file (chattr(1)), its version and its project, which may only be open for reading.
/// The numbers differ in the size of `long`.
const FLAGS_OF_FILES: [u32; 5] = [0x4008_6602, 0x4004_6602, 0x4008_7602, 0x4004_7602, 0x401c_5820];

/// fcntl(2) and ioctl(2) that name a process to be sent signals: F_SETOWN, F_SETOWN_EX; FIOSETOWN, SIOCSPGRP.
const OWNERS_BY_FCNTL: [u32; 2] = [8, 15];
const OWNERS_BY_IOCTL: [u32; 2] = [0x8901, 0x8902];

/// Returns the policy for scripts in namespaces of their own, where process 1 is the agent's. With `machine` the filter's
/// listener answers uname(2).
pub(crate) fn view(keyrings: Keyrings, machine: bool) -> Policy {
    let mut policy = Policy::default();
    if machine {
        policy.rule(Call::Uname, vec![clause(Action::Notify, [])]);
    }
    for call in [Call::Socket, Call::Socketpair] {
        let families = [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK].map(|family| allow([is(0, number(family))]));
        policy.rule(call, or_else(families, EAFNOSUPPORT));
    }
    socketcall(&mut policy, EAFNOSUPPORT);
    policy.rule(Call::IoUringSetup, always(EACCES));
    match keyrings {
        Keyrings::None => refuse(&mut policy, &KEYS, ENOSYS),
        Keyrings::Own => {
            policy.rule(Call::Keyctl, vec![deny(EPERM, [is(0, SESSION_TO_PARENT)])]);
            // A key that is not there would be made by the machine's request-key(8).
            let asks = Condition::NotNull { argument: 2 };
            policy.rule(Call::RequestKey, vec![deny(ENOKEY, [asks])]);
        }
    }
    let first = |argument| is(argument, 1);
    let new_limit = Condition::NotNull { argument: 2 };
    policy.rule(Call::Prlimit64, vec![deny(EPERM, [first(0), new_limit])]);
    for call in SCHEDULING {
        policy.rule(call, vec![deny(EPERM, [first(0)])]);
    }
    policy.rule(
        Call::Setpriority,
        vec![
            deny(EPERM, [is(0, PRIO_USER)]),
            deny(EPERM, [is(0, PRIO_PROCESS), first(1)]),
        ],
    );
    policy.rule(
        Call::IoprioSet,
        vec![
            deny(EPERM, [is(0, IOPRIO_WHO_USER)]),
            deny(EPERM, [is(0, IOPRIO_WHO_PROCESS), first(1)]),
        ],
    );
    policy
}

/// Returns the policy for scripts without a network in a view that has one. They have it in addition to that of the view.
pub(crate) fn without_network() -> Policy {
    let mut policy = Policy::default();
    let families = [AF_INET, AF_INET6].map(|family| deny(EACCES, [is(0, number(family))]));
    policy.rule(Call::Socket, families.into());
    policy
}

/// Returns the policy for scripts beside the user's own processes and files.
pub(crate) fn sandbox(limits: Limits) -> Policy {
    let mut policy = Policy::default();
    sockets(&mut policy, limits);
    policy.rule(Call::IoUringSetup, always(EACCES));
    refuse(&mut policy, &KEYS, ENOSYS);
    refuse(&mut policy, &SHARED, ENOSYS);
    others(&mut policy, limits);
    let asked = if limits.supervised {
        Action::Notify
    } else {
        Action::Allow
    };
    for call in METADATA {
        policy.rule(call, vec![clause(asked, [])]);
    }
    if !limits.truncation {
        policy.rule(Call::Truncate, vec![clause(asked, [])]);
        policy.rule(Call::Truncate64, vec![clause(asked, [])]);
    }
    refuse(
        &mut policy,
        &[Call::Setxattrat, Call::Removexattrat, Call::FileSetattr],
        ENOSYS,
    );
    let mut commands: Vec<Clause> = FLAGS_OF_FILES
        .map(|command| deny(ENOTTY, [is(1, command)]))
        .into();
    if !limits.signals {
        commands.extend(OWNERS_BY_IOCTL.map(|command| deny(EPERM, [is(1, command)])));
    }
    policy.rule(Call::Ioctl, commands);
    policy
}

/// Sockets: none that leads to another process, but for the way to the installer.
fn sockets(policy: &mut Policy, limits: Limits) {
    let unix = is(0, number(AF_UNIX));
    let netlink = |protocol| allow([is(0, number(AF_NETLINK)), is(2, number(protocol))]);
    let named = if limits.supervised {
        clause(Action::Notify, [unix, is(2, number(CONTROL_LINE))])
    } else {
        allow([unix])
    };
    let mut clauses = vec![named];
    clauses.extend([AF_UNIX, AF_INET, AF_INET6].map(|family| deny(EACCES, [is(0, number(family))])));
    // shadow's tools give up where they cannot ask for the audit system.
    clauses.extend([NETLINK_ROUTE, NETLINK_AUDIT].map(netlink));
    clauses.push(deny(EPROTONOSUPPORT, [is(0, number(AF_NETLINK))]));
    clauses.push(deny(EAFNOSUPPORT, []));
    policy.rule(Call::Socket, clauses);
    // A datagram of one of a pair can have any address.
    let datagrams = Condition::Is {
        argument: 1,
        mask: SOCKET_TYPE,
        value: number(SOCK_DGRAM),
    };
    let mut pairs = Vec::new();
    if limits.supervised {
        pairs.push(deny(EACCES, [unix, datagrams]));
    }
    pairs.extend([allow([unix]), deny(EAFNOSUPPORT, [])]);
    policy.rule(Call::Socketpair, pairs);
    socketcall(policy, EACCES);
}

/// socketcall(2) has its arguments in memory. It is refused where it is not the C library's only way to a socket.
fn socketcall(policy: &mut Policy, errno: i32) {
    if !cfg!(target_arch = "x86") {
        policy.rule(
            Call::Socketcall,
            SOCKETCALLS
                .map(|operation| deny(errno, [is(0, operation)]))
                .into(),
        );
    }
}

/// Other processes: what is asked of one that is not the script's is refused.
fn others(policy: &mut Policy, limits: Limits) {
    let own = |argument| allow([is(argument, 0)]);
    let other = || match limits.supervised {
        true => clause(Action::Notify, []),
        false => deny(EPERM, []),
    };
    let only_reads = Condition::Null { argument: 2 };
    policy.rule(Call::Prlimit64, vec![own(0), allow([only_reads]), other()]);
    for call in SCHEDULING {
        policy.rule(call, vec![own(0), other()]);
    }
    for (call, user) in [(Call::Setpriority, PRIO_USER), (Call::IoprioSet, IOPRIO_WHO_USER)] {
        policy.rule(call, vec![deny(EPERM, [is(0, user)]), own(1), other()]);
    }
    for call in [Call::MigratePages, Call::MovePages] {
        policy.rule(call, vec![own(0), deny(EPERM, [])]);
    }
    if limits.signals {
        return;
    }
    refuse(policy, &[Call::PidfdSendSignal], ENOSYS);
    for call in [Call::Fcntl, Call::Fcntl64] {
        policy.rule(
            call,
            OWNERS_BY_FCNTL
                .map(|command| deny(EPERM, [is(1, command)]))
                .into(),
        );
    }
    let asked = if limits.supervised {
        Action::Notify
    } else {
        Action::Allow
    };
    for call in [
        Call::Tkill,
        Call::Tgkill,
        Call::RtSigqueueinfo,
        Call::RtTgsigqueueinfo,
    ] {
        policy.rule(call, vec![clause(asked, [])]);
    }
    // 0 is the caller's process group, which is the script's.
    policy.rule(Call::Kill, vec![own(0), clause(asked, [])]);
}

const KEYS: [Call; 3] = [Call::AddKey, Call::RequestKey, Call::Keyctl];

/// Memory, semaphores and messages that are found by a number or a name (sysvipc(7), mq_overview(7)).
const SHARED: [Call; 15] = [
    Call::Ipc,
    Call::Shmget,
    Call::Shmat,
    Call::Shmctl,
    Call::Semget,
    Call::Semop,
    Call::Semctl,
    Call::Semtimedop,
    Call::SemtimedopTime64,
    Call::Msgget,
    Call::Msgsnd,
    Call::Msgrcv,
    Call::Msgctl,
    Call::MqOpen,
    Call::MqUnlink,
];

const SCHEDULING: [Call; 4] = [
    Call::SchedSetaffinity,
    Call::SchedSetscheduler,
    Call::SchedSetparam,
    Call::SchedSetattr,
];

/// Calls that change what a file is described by, of which Landlock does not know.
const METADATA: [Call; 22] = [
    Call::Chmod,
    Call::Fchmod,
    Call::Fchmodat,
    Call::Fchmodat2,
    Call::Chown,
    Call::Chown16,
    Call::Lchown,
    Call::Lchown16,
    Call::Fchown,
    Call::Fchown16,
    Call::Fchownat,
    Call::Utime,
    Call::Utimes,
    Call::Futimesat,
    Call::Utimensat,
    Call::UtimensatTime64,
    Call::Setxattr,
    Call::Lsetxattr,
    Call::Fsetxattr,
    Call::Removexattr,
    Call::Lremovexattr,
    Call::Fremovexattr,
];

fn refuse(policy: &mut Policy, calls: &[Call], errno: i32) {
    for call in calls {
        policy.rule(*call, always(errno));
    }
}

fn always(errno: i32) -> Vec<Clause> {
    vec![deny(errno, [])]
}

fn or_else(clauses: impl IntoIterator<Item = Clause>, errno: i32) -> Vec<Clause> {
    clauses.into_iter().chain([deny(errno, [])]).collect()
}

fn allow<const N: usize>(conditions: [Condition; N]) -> Clause {
    clause(Action::Allow, conditions)
}

fn deny<const N: usize>(errno: i32, conditions: [Condition; N]) -> Clause {
    clause(Action::Errno(errno), conditions)
}

fn clause<const N: usize>(action: Action, conditions: [Condition; N]) -> Clause {
    Clause {
        conditions: conditions.into(),
        action,
    }
}

fn is(argument: u32, value: u32) -> Condition {
    Condition::Is {
        argument,
        mask: u32::MAX,
        value,
    }
}

fn number(value: i32) -> u32 {
    value.cast_unsigned()
}
