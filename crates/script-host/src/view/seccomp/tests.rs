use super::*;
use libc::{EACCES, EAFNOSUPPORT, ENOSYS, EPERM, sock_filter};

const AMD64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
const X32_BIT: u32 = 0x4000_0000;

/// Runs a program as the kernel does, and returns its value.
fn run(program: &[sock_filter], arch: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(number.to_ne_bytes());
    data.extend(arch.to_ne_bytes());
    data.extend(0_u64.to_ne_bytes());
    data.extend(arguments.iter().flat_map(|argument| argument.to_ne_bytes()));
    let (mut at, mut accumulator) = (0, 0_u32);
    loop {
        let step = program[at];
        at += 1;
        match u32::from(step.code) {
            code if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                let from = step.k as usize;
                accumulator = u32::from_ne_bytes(data[from..from + 4].try_into().unwrap());
            }
            code if code == libc::BPF_ALU | libc::BPF_AND | libc::BPF_K => accumulator &= step.k,
            code if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K => {
                at += usize::from(if accumulator == step.k { step.jt } else { step.jf });
            }
            code if code == libc::BPF_JMP | libc::BPF_JA => at += step.k as usize,
            code if code == libc::BPF_RET | libc::BPF_K => return step.k,
            code => panic!("instruction {code:#x}"),
        }
    }
}

fn arguments(first: &[u64]) -> [u64; 6] {
    let mut all = [0; 6];
    all[..first.len()].copy_from_slice(first);
    all
}

/// One call on amd64: interface, number, arguments, and what becomes of it.
type Case<'a> = (u32, u32, &'a [u64], Action);

fn check(policy: &Policy, cases: &[Case<'_>]) {
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    let program = policy.compile().unwrap();
    for (arch, number, given, action) in cases {
        let found = run(&program, *arch, *number, arguments(given));
        assert_eq!(found, action.value(), "{arch:#x} {number} {given:?}: {action:?}");
    }
}

#[test]
fn the_machine_of_a_view() {
    let asked = [(AMD64, 63, &[][..]), (AMD64, X32_BIT | 63, &[]), (I386, 122, &[])];
    for (machine, action) in [(true, Action::Notify), (false, Action::Allow)] {
        let cases = asked.map(|(interface, call, given)| (interface, call, given, action));
        check(&view(Keyrings::Own, machine), &cases);
    }
}

#[test]
fn scripts_of_a_view() {
    use Action::{Allow, Errno};
    let pointer = 0x7fff_0000_0000;
    check(
        &view(Keyrings::Own, false),
        &[
            (AMD64, 41, &[1], Allow),
            (AMD64, 41, &[2], Allow),
            (AMD64, 41, &[16], Allow),
            (AMD64, 41, &[40], Errno(EAFNOSUPPORT)),
            // The kernel looks at the lower half only.
            (AMD64, 41, &[1 << 32 | 40], Errno(EAFNOSUPPORT)),
            (AMD64, X32_BIT | 41, &[40], Errno(EAFNOSUPPORT)),
            (AMD64, 53, &[38], Errno(EAFNOSUPPORT)),
            (I386, 359, &[40], Errno(EAFNOSUPPORT)),
            (I386, 102, &[1], Errno(EAFNOSUPPORT)),
            (I386, 102, &[8], Errno(EAFNOSUPPORT)),
            (I386, 102, &[3], Allow),
            (I386, 41, &[40], Allow),
            (0x4000_0028, 281, &[1], Errno(ENOSYS)),
            (AMD64, 425, &[1], Errno(EACCES)),
            (AMD64, 250, &[0], Allow),
            (AMD64, 250, &[18], Errno(EPERM)),
            (I386, 288, &[18], Errno(EPERM)),
            (AMD64, 302, &[0, 7, pointer], Allow),
            (AMD64, 302, &[1, 7, 0, pointer], Allow),
            (AMD64, 302, &[1, 7, pointer], Errno(EPERM)),
            (AMD64, 302, &[1, 7, 0x1000], Errno(EPERM)),
            (I386, 340, &[1, 7, 0x1000], Errno(EPERM)),
            (AMD64, 203, &[1, 8, pointer], Errno(EPERM)),
            (AMD64, 203, &[7, 8, pointer], Allow),
            (AMD64, 141, &[0, 1, 19], Errno(EPERM)),
            (AMD64, 141, &[2, 0, 19], Errno(EPERM)),
            (AMD64, 141, &[0, 0, 19], Allow),
            (AMD64, 90, &[pointer, 0o777], Allow),
        ],
    );
    check(
        &view(Keyrings::None, false),
        &[
            (AMD64, 250, &[0], Errno(ENOSYS)),
            (I386, 286, &[1], Errno(ENOSYS)),
        ],
    );
}

#[test]
fn scripts_of_a_sandbox() {
    use Action::{Allow, Errno, Notify};
    let line = shim_protocol::CONTROL_LINE.cast_unsigned();
    let line = [1, 1, u64::from(line)];
    let all = Limits {
        supervised: true,
        signals: true,
        truncation: true,
    };
    check(
        &sandbox(all),
        &[
            (AMD64, 41, &[1, 1, 0], Errno(EACCES)),
            (AMD64, 41, &line, Notify),
            (AMD64, 41, &[2, 1, 0], Errno(EACCES)),
            (AMD64, 41, &[16, 3, 0], Allow),
            (AMD64, 41, &[16, 3, 2], Errno(libc::EPROTONOSUPPORT)),
            (AMD64, 41, &[40, 1, 0], Errno(EAFNOSUPPORT)),
            (AMD64, 53, &[1, 1, 0], Allow),
            (AMD64, 53, &[1, 0x8_0002, 0], Errno(EACCES)),
            (I386, 102, &[1], Errno(EACCES)),
            (AMD64, 248, &[1], Errno(ENOSYS)),
            (AMD64, 29, &[0], Errno(ENOSYS)),
            (I386, 117, &[23], Errno(ENOSYS)),
            (AMD64, 302, &[0, 7, 1], Allow),
            (AMD64, 302, &[77, 7, 0, 1], Allow),
            (AMD64, 302, &[77, 7, 1], Notify),
            (AMD64, 141, &[2, 0, 1], Errno(EPERM)),
            (AMD64, 141, &[0, 0, 1], Allow),
            (AMD64, 141, &[0, 77, 1], Notify),
            (AMD64, 203, &[77], Notify),
            (AMD64, 62, &[77, 9], Allow),
            (AMD64, 90, &[1, 0o777], Notify),
            (I386, 182, &[1, 0, 0], Notify),
            (AMD64, 452, &[1], Notify),
            (AMD64, 463, &[1], Errno(ENOSYS)),
            (AMD64, 16, &[5, 0x4008_6602], Errno(libc::ENOTTY)),
            (AMD64, X32_BIT | 514, &[5, 0x4008_6602], Errno(libc::ENOTTY)),
            (AMD64, 16, &[5, 0x5401], Allow),
            (AMD64, 76, &[1, 0], Allow),
            (AMD64, 2, &[1, 0], Allow),
        ],
    );
    let old = Limits {
        signals: false,
        truncation: false,
        ..all
    };
    check(
        &sandbox(old),
        &[
            (AMD64, 62, &[77, 9], Notify),
            (AMD64, 62, &[0, 9], Allow),
            (AMD64, 424, &[7, 9], Errno(ENOSYS)),
            (AMD64, 72, &[3, 8, 77], Errno(EPERM)),
            (AMD64, 16, &[3, 0x8901], Errno(EPERM)),
            (AMD64, 76, &[1, 0], Notify),
        ],
    );
    let alone = Limits {
        supervised: false,
        ..all
    };
    check(
        &sandbox(alone),
        &[
            (AMD64, 41, &[1, 1, 0], Allow),
            (AMD64, 302, &[77, 7, 1], Errno(EPERM)),
            (AMD64, 90, &[1, 0o777], Allow),
        ],
    );
}
