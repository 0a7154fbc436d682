//! Unified kernel images: systemd's stub, a PE file, with sections for the kernel and what belongs to it (UAPI Group's
//! Unified Kernel Image; Microsoft's PE format).

/// Size in bytes of a section's header.
const HEADER: usize = 40;
/// Initialised data that is read.
const READ: u32 = 0x4000_0040;

/// Fields of a PE file: their places.
struct Layout {
    /// Of the COFF header.
    coff: usize,
    /// Of the optional header.
    optional: usize,
    /// Of the headers of sections.
    sections: usize,
    /// Number of sections.
    count: usize,
    section_alignment: u32,
    file_alignment: u32,
    headers: u32,
}

/// Returns the number of the machine that a PE file is for, or why it is none.
pub(super) fn machine(file: &[u8]) -> Result<u16, &'static str> {
    let at = coff(file)?;
    u16_at(file, at).ok_or("its header is cut off")
}

fn coff(file: &[u8]) -> Result<usize, &'static str> {
    let at = u32_at(file, 0x3c).filter(|_| file.starts_with(b"MZ"));
    let at = at.ok_or("it is no EFI program")? as usize;
    match file.get(at..at.saturating_add(4)) {
        Some(b"PE\0\0") => Ok(at + 4),
        _ => Err("it is no EFI program"),
    }
}

impl Layout {
    fn of(file: &[u8]) -> Result<Self, &'static str> {
        let cut = "its header is cut off";
        let coff = coff(file)?;
        let count = usize::from(u16_at(file, coff + 2).ok_or(cut)?);
        let length = usize::from(u16_at(file, coff + 16).ok_or(cut)?);
        let optional = coff + 20;
        let sections = optional + length;
        let layout = Self {
            coff,
            optional,
            sections,
            count,
            section_alignment: u32_at(file, optional + 32).ok_or(cut)?,
            file_alignment: u32_at(file, optional + 36).ok_or(cut)?,
            headers: u32_at(file, optional + 60).ok_or(cut)?,
        };
        let aligned = |alignment: u32| alignment.is_power_of_two() && alignment <= 1 << 20;
        match aligned(layout.section_alignment) && aligned(layout.file_alignment) && count > 0 && length >= 64
        {
            true => Ok(layout),
            false => Err("its header makes no sense"),
        }
    }

    fn section(&self, number: usize) -> usize {
        self.sections + number * HEADER
    }
}

/// Returns a stub with sections of these names, of at most eight bytes, and contents.
///
/// # Errors
/// The reason why the stub cannot have them.
pub(super) fn with_sections(stub: &[u8], sections: &[(&str, Vec<u8>)]) -> Result<Vec<u8>, &'static str> {
    let cut = "its header is cut off";
    let layout = Layout::of(stub)?;
    let mut file = stub.to_vec();
    let (mut end, mut first_raw, mut first_address) = (0_u32, u32::MAX, u32::MAX);
    for number in 0..layout.count {
        let at = layout.section(number);
        let size = u32_at(stub, at + 8).ok_or(cut)?;
        let address = u32_at(stub, at + 12).ok_or(cut)?;
        let raw = u32_at(stub, at + 20).ok_or(cut)?;
        end = end.max(address.checked_add(size).ok_or(cut)?);
        first_address = first_address.min(address);
        if raw > 0 {
            first_raw = first_raw.min(raw);
        }
    }
    // The new headers have to fit before the first section; where they do not, all that comes after moves.
    let headers_end = layout.section(layout.count + sections.len());
    let mut headers = layout.headers.max(first_raw.min(layout.headers));
    let room = headers.min(first_raw) as usize;
    if room > file.len() {
        return Err(cut);
    }
    if headers_end > room {
        let moved = (headers_end - room).next_multiple_of(layout.file_alignment as usize);
        let moved_u32 = u32::try_from(moved).map_err(|_| cut)?;
        headers = u32::try_from(headers_end)
            .map_err(|_| cut)?
            .next_multiple_of(layout.file_alignment);
        if headers > first_address {
            return Err("it has no room for more sections");
        }
        file.splice(room..room, std::iter::repeat_n(0, moved));
        for number in 0..layout.count {
            let at = layout.section(number) + 20;
            if let Some(raw) = u32_at(&file, at).filter(|raw| *raw > 0) {
                put_u32(&mut file, at, raw.checked_add(moved_u32).ok_or(cut)?);
            }
        }
        let symbols = layout.coff + 8;
        if let Some(place) = u32_at(&file, symbols).filter(|place| *place > 0) {
            put_u32(&mut file, symbols, place.checked_add(moved_u32).ok_or(cut)?);
        }
    }
    let too_large = "it would be larger than 4 GiB";
    let mut added = 0;
    for (number, (name, content)) in sections.iter().enumerate() {
        let size = u32::try_from(content.len()).map_err(|_| too_large)?;
        let address = end
            .checked_next_multiple_of(layout.section_alignment)
            .ok_or(too_large)?;
        file.resize(file.len().next_multiple_of(layout.file_alignment as usize), 0);
        let raw = u32::try_from(file.len()).map_err(|_| too_large)?;
        let raw_size = size
            .checked_next_multiple_of(layout.file_alignment)
            .ok_or(too_large)?;
        file.extend_from_slice(content);
        file.resize(raw as usize + raw_size as usize, 0);
        let mut header = [0; HEADER];
        for (to, from) in header.iter_mut().zip(name.bytes().take(8)) {
            *to = from;
        }
        for (at, value) in [(8, size), (12, address), (16, raw_size), (20, raw), (36, READ)] {
            put_u32(&mut header, at, value);
        }
        let at = layout.section(layout.count + number);
        file.get_mut(at..at + HEADER).ok_or(cut)?.copy_from_slice(&header);
        end = address.checked_add(size).ok_or(too_large)?;
        added += raw_size;
    }
    let count = u16::try_from(layout.count + sections.len()).map_err(|_| "it has too many sections")?;
    file.get_mut(layout.coff + 2..layout.coff + 4)
        .ok_or(cut)?
        .copy_from_slice(&count.to_le_bytes());
    let data = u32_at(&file, layout.optional + 8).ok_or(cut)?;
    put_u32(&mut file, layout.optional + 8, data.wrapping_add(added));
    let image = end
        .checked_next_multiple_of(layout.section_alignment)
        .ok_or(too_large)?;
    put_u32(&mut file, layout.optional + 56, image);
    put_u32(&mut file, layout.optional + 60, headers);
    // A checksum is for drivers only; none is right.
    put_u32(&mut file, layout.optional + 64, 0);
    Ok(file)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..at.checked_add(2)?)?;
    field.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    field.try_into().ok().map(u32::from_le_bytes)
}

fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(field) = bytes.get_mut(at..at + 4) {
        field.copy_from_slice(&value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PE file with one section, and so much room for headers.
    fn stub(headers: u32) -> Vec<u8> {
        let mut file = vec![0; headers as usize + 512];
        file[..2].copy_from_slice(b"MZ");
        put_u32(&mut file, 0x3c, 64);
        file[64..68].copy_from_slice(b"PE\0\0");
        file[68..72].copy_from_slice(&[0x64, 0x86, 1, 0]);
        file[84..86].copy_from_slice(&112_u16.to_le_bytes());
        for (at, value) in [(32, 4096), (36, 512), (56, 8192), (60, headers)] {
            put_u32(&mut file, 88 + at, value);
        }
        let section = 88 + 112;
        file[section..section + 5].copy_from_slice(b".text");
        for (at, value) in [(8, 100), (12, 4096), (16, 512), (20, headers)] {
            put_u32(&mut file, section + at, value);
        }
        file[headers as usize] = 0xc3;
        file
    }

    #[test]
    fn sections_are_added() {
        for headers in [256, 512, 1024] {
            let new = [(".cmdline", b"quiet".to_vec()), (".linux", vec![7; 5000])];
            let file = with_sections(&stub(headers), &new).unwrap();
            assert_eq!(machine(&file), Ok(0x8664));
            let layout = Layout::of(&file).unwrap();
            assert_eq!(layout.count, 3);
            assert!(layout.section(3) <= layout.headers as usize, "{headers}");
            let content = |number: usize| {
                let at = layout.section(number);
                let (size, raw) = (u32_at(&file, at + 8).unwrap(), u32_at(&file, at + 20).unwrap());
                file[raw as usize..(raw + size) as usize].to_vec()
            };
            assert_eq!(content(0)[0], 0xc3, "{headers}");
            assert_eq!((content(1), content(2)), (b"quiet".to_vec(), vec![7; 5000]));
            let addresses: Vec<u32> = (0..3)
                .map(|number| u32_at(&file, layout.section(number) + 12).unwrap())
                .collect();
            assert_eq!(addresses, [4096, 8192, 12_288]);
            assert_eq!(u32_at(&file, layout.optional + 56), Some(20_480));
        }
    }

    #[test]
    fn what_is_no_program_is_refused() {
        for bad in [&b""[..], b"MZ", &[0; 4096], &stub(512)[..120]] {
            assert!(with_sections(bad, &[(".linux", vec![1])]).is_err());
        }
        let mut odd = stub(512);
        put_u32(&mut odd, 88 + 36, 0);
        assert!(with_sections(&odd, &[(".linux", vec![1])]).is_err());
        // Its headers and its section would be after its end.
        let mut short = stub(512);
        put_u32(&mut short, 88 + 60, 1 << 20);
        put_u32(&mut short, 88 + 112 + 20, 1 << 20);
        assert!(with_sections(&short, &[(".linux", vec![1])]).is_err());
    }
}
