//! Libraries that `ld.so.cache` names, as the loader looks them up.

use crate::abi::Abi;
use crate::cache::{self, CacheBytes};
use crate::root::Root;

/// The cache; without a usable one there is no library in it.
#[derive(Default)]
pub(super) struct KnownLibraries(Vec<u8>);

impl KnownLibraries {
    /// Reads the cache of a root.
    pub(super) fn read(root: &Root<'_>) -> Self {
        let bytes = cache::read(root, cache::PATH.as_bytes()).unwrap_or_default();
        if bytes.starts_with(cache::MAGIC) {
            Self(bytes)
        } else {
            Self::default()
        }
    }

    /// Returns the path of the library of that name that every machine of the architecture can use.
    pub(super) fn find(&self, name: &[u8], abi: &Abi) -> Option<&[u8]> {
        let file = CacheBytes {
            bytes: &self.0,
            big_endian: abi.big_endian,
        };
        file.entries()?.find_map(|row| {
            let flags = row.u32(0)?;
            let either = flags == abi.cache_flags() || abi.plain_flags() == Some(flags);
            // A library that needs certain machines has some bit set here.
            let any = row.bytes.get(16..24)?.iter().all(|&byte| byte == 0);
            (either && any && file.string(row.size(4)?)? == name)
                .then(|| file.string(row.size(8)?))
                .flatten()
        })
    }
}
