//! Formats of virtual machines' disks, made by qemu-img(1). What it makes up anew each time is set to what the content
//! decides.

use super::super::maker::Maker;
use super::super::{Error, Source};
use super::options::DiskImage;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

pub(super) const QEMU_IMG: Maker = Maker {
    program: "qemu-img",
    package: "qemu-utils",
    makes: "qcow2, VHD and VMDK",
};

/// Size of the head and the foot of a VHD.
const FOOT: usize = 512;
/// 2000, from which a VHD counts its seconds.
const YEAR_2000: i64 = 946_684_800;
/// Most bytes in which a VMDK says what it is.
const DESCRIPTION: u64 = 64 << 10;
const SECTOR: u64 = 512;

/// Makes the image of a raw disk in a file that is not there yet.
///
/// # Errors
/// Those of qemu-img, [`Error::Write`].
pub(super) fn convert(
    source: &Source<'_>,
    format: DiskImage,
    raw: &Path,
    image: &Path,
    uuid: &str,
) -> Result<(), Error> {
    let mut call = QEMU_IMG.call(source.time(), &source.scratch.join("qemu-img.log"))?;
    call.args(["convert", "-f", "raw", "-O"]);
    call.args(match format {
        DiskImage::Raw => &["raw"][..],
        DiskImage::Qcow2 => &["qcow2"],
        // As large as the disk, to the sector.
        DiskImage::Vhd => &["vpc", "-o", "subformat=dynamic,force_size=on"],
        DiskImage::Vmdk => &["vmdk", "-o", "subformat=monolithicSparse"],
    });
    call.args([raw, image]);
    call.output()?;
    let settled = match format {
        DiskImage::Raw | DiskImage::Qcow2 => Ok(()),
        DiskImage::Vhd => settle_vhd(image, source.time(), uuid),
        DiskImage::Vmdk => settle_vmdk(image, uuid),
    };
    settled.map_err(Error::Write)
}

/// Sets the time and the UUID of a VHD (Virtual Hard Disk Image Format Specification, "Hard Disk Footer Format").
fn settle_vhd(image: &Path, time: i64, uuid: &str) -> std::io::Result<()> {
    let mut file = File::options().read(true).write(true).open(image)?;
    let end = file.metadata()?.len().saturating_sub(FOOT as u64);
    for at in [0, end] {
        let mut foot = [0; FOOT];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut foot)?;
        settle_foot(&mut foot, time, uuid);
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&foot)?;
    }
    Ok(())
}

fn settle_foot(foot: &mut [u8; FOOT], time: i64, uuid: &str) {
    let seconds = u32::try_from(time - YEAR_2000).unwrap_or_default();
    let uuid = deb_types::parse_hex::<16>(&uuid.replace('-', "")).unwrap_or_default();
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(field) = foot.get_mut(at..at + bytes.len()) {
            field.copy_from_slice(bytes);
        }
    };
    put(24, &seconds.to_be_bytes());
    put(64, &[0; 4]);
    put(68, &uuid);
    let sum = !foot
        .iter()
        .fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    if let Some(field) = foot.get_mut(64..68) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
}

/// Sets the number of a VMDK's content in its description (Virtual Disk Format 5.0, "The Descriptor File"), whose
/// sectors are named at bytes 28 (first) and 36 (number) of the head.
fn settle_vmdk(image: &Path, uuid: &str) -> std::io::Result<()> {
    let mut file = File::options().read(true).write(true).open(image)?;
    let (mut first, mut number) = ([0; 8], [0; 8]);
    file.seek(SeekFrom::Start(28))?;
    file.read_exact(&mut first)?;
    file.read_exact(&mut number)?;
    let begin = SeekFrom::Start(u64::from_le_bytes(first).saturating_mul(SECTOR));
    let mut description = Vec::new();
    file.seek(begin)?;
    (&file)
        .take(u64::from_le_bytes(number).saturating_mul(SECTOR).min(DESCRIPTION))
        .read_to_end(&mut description)?;
    file.seek(begin)?;
    file.write_all(&with_content_id(&description, uuid.get(..8).unwrap_or_default()))
}

/// A description with another number after `CID=`, and as long as before: qemu-img writes its random number without
/// leading zeros, and a second one over the first, so the lines behind it move, and of the first ones something may be
/// left behind the zero byte that ends the text.
fn with_content_id(description: &[u8], number: &str) -> Vec<u8> {
    const FIELD: &[u8] = b"\nCID=";
    let size = description.len();
    let end = description.iter().position(|byte| *byte == 0);
    let description = description.get(..end.unwrap_or(size)).unwrap_or_default();
    let mut settled = match description.windows(FIELD.len()).position(|bytes| bytes == FIELD) {
        None => description.to_vec(),
        Some(at) => {
            let (head, value) = description.split_at(at + FIELD.len());
            let behind = value.iter().position(|byte| *byte == b'\n').unwrap_or(0);
            [head, number.as_bytes(), &value[behind..]].concat()
        }
    };
    settled.resize(size, 0);
    settled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foot_has_its_sum() {
        let mut foot = [0; FOOT];
        foot[..8].copy_from_slice(b"conectix");
        settle_foot(&mut foot, YEAR_2000 + 258, "01000000-0000-8000-8000-000000000002");
        assert_eq!(foot[24..28], [0, 0, 1, 2]);
        assert_eq!((foot[68], foot[83]), (1, 2));
        let stored = u32::from_be_bytes([foot[64], foot[65], foot[66], foot[67]]);
        foot[64..68].fill(0);
        let sum: u32 = foot.iter().map(|byte| u32::from(*byte)).sum();
        assert_eq!(stored, !sum);
    }

    #[test]
    fn a_content_has_eight_digits() {
        let description = |number: &str| {
            let mut lines = format!("# Disk\nversion=1\nCID={number}\nparentCID=ffffffff\n").into_bytes();
            lines.resize(512, 0);
            lines
        };
        for number in ["0", "7abcdef", "9abcdef0", "ffffffff"] {
            let settled = with_content_id(&description(number), "0123abcd");
            assert_eq!(settled, description("0123abcd"), "{number}");
        }
        let mut twice = description("7abcdef");
        let end = twice.iter().position(|byte| *byte == 0).unwrap();
        twice[end + 1..=end + 2].copy_from_slice(b"f\n");
        assert_eq!(with_content_id(&twice, "0123abcd"), description("0123abcd"));
        assert_eq!(with_content_id(b"no such line\n", "0123abcd"), b"no such line\n");
    }
}
