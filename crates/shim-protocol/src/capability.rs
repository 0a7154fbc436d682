//! Capabilities of files: from the text that setcap(8) takes to the bytes of the extended
//! attribute (capabilities(7), `struct vfs_cap_data` in `linux/capability.h`).

/// Names by number, without `cap_`.
pub const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// Size of the attribute in bytes.
pub const LENGTH: usize = 20;

/// `VFS_CAP_REVISION_2`: 64 bits, and no user namespace.
const REVISION: u32 = 0x0200_0000;
const ALL: u64 = (1 << NAMES.len()) - 1;

/// Returns the attribute for a text (cap_from_text(3)); nothing where it is none.
///
/// ```
/// let ping = shim_protocol::capability::attribute(b"cap_net_raw+ep").unwrap();
/// assert_eq!(ping[..6], [1, 0, 0, 2, 0, 0x20]);
/// assert_eq!(shim_protocol::capability::attribute(b"cap_nothing+ep"), None);
/// ```
pub fn attribute(text: &[u8]) -> Option<[u8; LENGTH]> {
    let text = core::str::from_utf8(text).ok()?;
    // Effective, inheritable, permitted.
    let mut sets = [0u64; 3];
    for clause in text.split_whitespace() {
        let at = clause.find(['=', '+', '-'])?;
        let (names, mut rest) = clause.split_at_checked(at)?;
        let chosen = chosen(names, rest)?;
        while let Some(operator) = rest.chars().next() {
            rest = rest.get(1..)?;
            let end = rest.find(['=', '+', '-']).unwrap_or(rest.len());
            let (flags, next) = rest.split_at_checked(end)?;
            if flags
                .chars()
                .any(|flag| !"eip".contains(flag.to_ascii_lowercase()))
            {
                return None;
            }
            for (set, flag) in sets.iter_mut().zip(['e', 'i', 'p']) {
                let has = flags.contains(flag) || flags.contains(flag.to_ascii_uppercase());
                match (operator, has) {
                    ('=' | '+', true) => *set |= chosen,
                    ('=', false) | ('-', true) => *set &= !chosen,
                    _ => {}
                }
            }
            rest = next;
        }
    }
    let [effective, inheritable, permitted] = sets;
    let words = [
        REVISION | u32::from(effective != 0),
        half(permitted, 0),
        half(inheritable, 0),
        half(permitted, 32),
        half(inheritable, 32),
    ];
    let mut bytes = [0; LENGTH];
    for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    Some(bytes)
}

/// The sets of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sets {
    /// Whether permitted and inheritable capabilities are effective at once.
    pub effective: bool,
    /// The permitted ones, a bit each.
    pub permitted: u64,
    /// The inheritable ones.
    pub inheritable: u64,
}

/// Returns the sets of an attribute, also of one with the root of a user namespace (revision 3); nothing for other bytes.
pub fn sets(attribute: &[u8]) -> Option<Sets> {
    let word = |at: usize| {
        let bytes = attribute.get(4 * at..4 * at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let first = word(0)?;
    if !matches!(
        (first & 0xff00_0000, attribute.len()),
        (REVISION, LENGTH) | (0x0300_0000, 24)
    ) {
        return None;
    }
    let set = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    Some(Sets {
        effective: first & 1 != 0,
        permitted: set(word(1)?, word(3)?),
        inheritable: set(word(2)?, word(4)?),
    })
}

/// Returns the bits of names between commas. None at all before `=` are all.
fn chosen(names: &str, rest: &str) -> Option<u64> {
    if names.eq_ignore_ascii_case("all") || (names.is_empty() && rest.starts_with('=')) {
        return Some(ALL);
    }
    names.split(',').try_fold(0, |bits, name| {
        let (prefix, name) = name.split_at_checked(4)?;
        let known = |known: &&str| known.eq_ignore_ascii_case(name);
        let number = NAMES.iter().position(known)?;
        prefix
            .eq_ignore_ascii_case("cap_")
            .then_some(bits | 1u64 << number)
    })
}

fn half(set: u64, shift: u32) -> u32 {
    let bits = (set >> shift) & u64::from(u32::MAX);
    u32::try_from(bits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;
    use std::string::String;

    fn hex(text: &str) -> Option<String> {
        let bytes = attribute(text.as_bytes())?;
        Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    #[test]
    fn texts_become_attributes() {
        // As `getfattr -e hex` shows it for Debian's iputils-ping.
        let ping = "0100000200200000000000000000000000000000";
        assert_eq!(hex("cap_net_raw+ep").unwrap(), ping);
        assert_eq!(hex("CAP_NET_RAW=ep").unwrap(), ping);
        assert_eq!(hex("cap_net_raw+p").unwrap(), ping.replacen("01", "00", 1));
        assert_eq!(
            hex("cap_bpf,cap_chown=ip cap_chown-i").unwrap(),
            "0000000201000000000000008000000080000000"
        );
        assert_eq!(hex("=ep").unwrap(), "01000002ffffffff00000000ff01000000000000");
        for wrong in [
            "cap_nothing+ep",
            "cap_net_raw",
            "cap_net_raw+x",
            "net_raw+p",
            "+ep",
        ] {
            assert_eq!(hex(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn attributes_have_sets() {
        let of = |text: &str| sets(&attribute(text.as_bytes()).unwrap()).unwrap();
        let raw = of("cap_net_raw+ep");
        assert_eq!(
            (raw.effective, raw.permitted, raw.inheritable),
            (true, 1 << 13, 0)
        );
        assert_eq!(of("cap_bpf=i").inheritable, 1 << 39);
        assert_eq!((sets(b""), sets(&[0; 20])), (None, None));
    }
}
