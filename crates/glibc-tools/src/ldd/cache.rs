//! Libraries that the cache knows (dl-cache.h of glibc).

use crate::ldconfig::cache::{ENTRY, HEADER, MAGIC};
use crate::ldconfig::root::Root;
use crate::ldconfig::rules::Known;
use std::io::Read;

const PATH: &[u8] = b"/etc/ld.so.cache";
/// Largest cache read; one of ten thousand libraries has about a megabyte.
const LARGEST: u64 = 256 << 20;

/// The cache, or none if there is no usable one.
#[derive(Default)]
pub(super) struct Cache(Vec<u8>);

impl Cache {
    pub(super) fn read(root: &Root<'_>) -> Self {
        let mut bytes = Vec::new();
        let read = root
            .open_file(PATH)
            .is_ok_and(|file| file.take(LARGEST).read_to_end(&mut bytes).is_ok());
        if read && bytes.starts_with(MAGIC) {
            Self(bytes)
        } else {
            Self::default()
        }
    }

    /// Path of the library of that name, for any machine of the architecture.
    pub(super) fn find(&self, name: &[u8], known: &Known) -> Option<&[u8]> {
        let count = usize::try_from(number(&self.0, 20, known)?).ok()?;
        let mut rows = self.0.get(HEADER..)?.chunks_exact(ENTRY).take(count);
        rows.find_map(|row| {
            let flags = number(row, 0, known)?;
            let either = flags == known.cache_flags() || known.plain_flags() == Some(flags);
            // What needs certain machines has some bit set here.
            let any = row.get(16..24)?.iter().all(|&byte| byte == 0);
            (either && any && self.string(number(row, 4, known)?)? == name)
                .then(|| self.string(number(row, 8, known)?))
                .flatten()
        })
    }

    fn string(&self, at: u32) -> Option<&[u8]> {
        self.0.get(usize::try_from(at).ok()?..)?.split(|&b| b == 0).next()
    }
}

fn number(bytes: &[u8], at: usize, known: &Known) -> Option<u32> {
    let bytes: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    Some(if known.big_endian {
        u32::from_be_bytes(bytes)
    } else {
        u32::from_le_bytes(bytes)
    })
}
