//! Data in whole sectors, and reading it.

use std::ops::Range;

use image_tree::{Contents, Error, NodeId};

use crate::format::SECTOR;

/// Returns the sectors that have data of a file, in ranges that do not touch.
pub(crate) fn spans(data: &[Range<u64>]) -> impl Iterator<Item = Range<u64>> {
    let mut rest = data.iter().peekable();
    std::iter::from_fn(move || {
        let first = rest.next()?;
        let start = first.start - first.start % SECTOR;
        let mut end = first.end.next_multiple_of(SECTOR);
        while let Some(next) = rest.next_if(|next| next.start - next.start % SECTOR <= end) {
            end = next.end.next_multiple_of(SECTOR);
        }
        Some(start..end)
    })
}

/// Returns how many bytes the sectors are that have data of a file.
pub(crate) fn bytes(data: &[Range<u64>]) -> u64 {
    spans(data)
        .map(|span| span.end - span.start)
        .fold(0, u64::saturating_add)
}

/// Fills a buffer of zeros with what is data of a file from an offset on.
pub(crate) fn read(
    contents: &mut dyn Contents,
    node: NodeId,
    data: &[Range<u64>],
    offset: u64,
    buffer: &mut [u8],
) -> Result<(), Error> {
    let end = offset + buffer.len() as u64;
    let first = data.partition_point(|range| range.end <= offset);
    for range in data.iter().skip(first).take_while(|range| range.start < end) {
        let (start, end) = (range.start.max(offset), range.end.min(end));
        if let Some(part) = buffer.get_mut((start - offset) as usize..(end - offset) as usize) {
            contents.read(node, start, part).map_err(Error::Read)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "files have lists of ranges")]
mod tests {
    use super::*;

    #[test]
    fn spans_are_whole_sectors() {
        let of = |data: &[Range<u64>]| spans(data).collect::<Vec<_>>();
        assert_eq!(of(&[]), []);
        assert_eq!(of(&[1..2, 4000..5000, 9000..9001]), [0..12288]);
        assert_eq!(of(&[4096..8192, 12288..12289]), [4096..8192, 12288..16384]);
        assert_eq!(bytes(&[4096..8192, 12288..12289]), 8192);
    }
}
