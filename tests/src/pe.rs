//! PE files for tests: EFI programs that do nothing.

/// Returns a PE file for a machine of this number, with one section and `room` bytes for its headers.
#[must_use]
pub fn program(machine: u16, room: u32, content: &[u8]) -> Vec<u8> {
    let mut file = vec![0; room as usize];
    let optional = 88;
    let section = optional + 240;
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(field) = file.get_mut(at..at + bytes.len()) {
            field.copy_from_slice(bytes);
        }
    };
    put(0, b"MZ");
    put(0x3c, &64_u32.to_le_bytes());
    put(64, b"PE\0\0");
    put(68, &machine.to_le_bytes());
    put(70, &1_u16.to_le_bytes());
    put(84, &240_u16.to_le_bytes());
    put(86, &0x2022_u16.to_le_bytes());
    put(optional, &0x20b_u16.to_le_bytes());
    let aligned = u32::try_from(content.len().next_multiple_of(512)).unwrap_or(u32::MAX);
    for (at, value) in [
        (16, 4096),
        (32, 4096),
        (36, 512),
        (56, 4096 + aligned.next_multiple_of(4096)),
        (60, room),
        (108, 16),
    ] {
        put(optional + at, &value.to_le_bytes());
    }
    put(optional + 68, &10_u16.to_le_bytes());
    put(section, b".text");
    for (at, value) in [
        (8, aligned),
        (12, 4096),
        (16, aligned),
        (20, room),
        (36, 0x6000_0020),
    ] {
        put(section + at, &value.to_le_bytes());
    }
    file.extend_from_slice(content);
    file.resize(room as usize + aligned as usize, 0);
    file
}
