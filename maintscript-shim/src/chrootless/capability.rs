//! Capabilities of files: from the text that setcap(8) takes to the bytes of the extended
//! attribute (capabilities(7), `struct vfs_cap_data` in `linux/capability.h`).

/// Names by number, without `cap_`.
const NAMES: &str = "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap \
                     linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner \
                     sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice \
                     sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap \
                     mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf \
                     checkpoint_restore";
/// `VFS_CAP_REVISION_2`: 64 bits, and no user namespace.
const REVISION: u32 = 0x0200_0000;

/// The attribute for a text (cap_from_text(3)); nothing where it is none.
pub(super) fn attribute(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?.to_ascii_lowercase();
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
            if flags.chars().any(|flag| !"eip".contains(flag)) {
                return None;
            }
            for (set, flag) in sets.iter_mut().zip(['e', 'i', 'p']) {
                match (operator, flags.contains(flag)) {
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
    Some(words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

/// The bits of names between commas. None at all before `=` are all.
fn chosen(names: &str, rest: &str) -> Option<u64> {
    let all = (1u64 << NAMES.split_whitespace().count()) - 1;
    if names == "all" || (names.is_empty() && rest.starts_with('=')) {
        return Some(all);
    }
    names.split(',').try_fold(0, |bits, name| {
        let name = name.strip_prefix("cap_")?;
        let number = NAMES.split_whitespace().position(|known| known == name)?;
        Some(bits | 1u64 << number)
    })
}

fn half(set: u64, shift: u32) -> u32 {
    let bits = (set >> shift) & u64::from(u32::MAX);
    u32::try_from(bits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
