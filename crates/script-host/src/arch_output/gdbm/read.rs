//! Reading a database.

use super::{
    BUCKET_FREE, Bucket, Database, ELEMENT, Element, FREE_TABLE, Free, FreeList, HEADER_FREE, Layout, MAGIC,
    damaged, index,
};
use deb_arch::ByteOrder;
use std::collections::BTreeMap;

/// Whether a file has the byte order that is not the layout's.
pub(super) fn has_other_order(file: &[u8], layout: Layout) -> Result<bool, String> {
    let input = Input {
        bytes: file,
        order: layout.order,
    };
    Ok(input.number(0)? == MAGIC.swap_bytes())
}

impl Database {
    /// Reads a database in a layout.
    pub(super) fn read(file: &[u8], layout: Layout) -> Result<Self, String> {
        let input = Input {
            bytes: file,
            order: layout.order,
        };
        let (directory_at, directory_size) = (index(input.offset(8)?)?, input.number(16)?);
        let bucket_size = index(input.number(24)?)?;
        let elements = index(input.number(28)?)?;
        let entries = index(directory_size / 8)?;
        if input.number(0)? != MAGIC
            || entries > input.bytes.len()
            || elements != layout.elements(bucket_size)
        {
            return Err(damaged());
        }
        let mut free = vec![input.free_list(HEADER_FREE, layout)?];
        while let Some(next) = free.last().map(|list| list.next).filter(|next| *next != 0) {
            let next = index(next)?;
            if free.iter().any(|list| list.at == next) {
                return Err(damaged());
            }
            free.push(input.free_list(next, layout)?);
        }
        let directory = (0..entries)
            .map(|entry| index(input.offset(directory_at.saturating_add(entry * 8))?))
            .collect::<Result<Vec<usize>, String>>()?;
        let mut buckets = BTreeMap::new();
        for &at in &directory {
            if let std::collections::btree_map::Entry::Vacant(entry) = buckets.entry(at) {
                entry.insert(input.bucket(at, elements, layout)?);
            }
        }
        Ok(Self {
            block_size: input.number(4)?,
            directory_at,
            directory_size,
            directory_bits: input.number(20)?,
            bucket_size,
            next_block: input.offset(32)?,
            free,
            directory,
            buckets,
        })
    }
}

struct Input<'a> {
    bytes: &'a [u8],
    order: ByteOrder,
}

impl Input<'_> {
    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], String> {
        let bytes = at.checked_add(N).and_then(|end| self.bytes.get(at..end));
        bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(damaged)
    }

    fn number(&self, at: usize) -> Result<u32, String> {
        let bytes = self.array(at)?;
        Ok(match self.order {
            ByteOrder::Little => u32::from_le_bytes(bytes),
            ByteOrder::Big => u32::from_be_bytes(bytes),
        })
    }

    fn offset(&self, at: usize) -> Result<u64, String> {
        let bytes = self.array(at)?;
        Ok(match self.order {
            ByteOrder::Little => u64::from_le_bytes(bytes),
            ByteOrder::Big => u64::from_be_bytes(bytes),
        })
    }

    fn places(&self, at: usize, count: usize, layout: Layout) -> Result<Vec<Free>, String> {
        let free = |index: usize| {
            let at = at.saturating_add(index.saturating_mul(layout.free_size()));
            Ok(Free {
                size: self.number(at)?,
                at: self.offset(at.saturating_add(4 + layout.padding()))?,
            })
        };
        if count > self.bytes.len() {
            return Err(damaged());
        }
        (0..count).map(free).collect()
    }

    fn free_list(&self, at: usize, layout: Layout) -> Result<FreeList, String> {
        let size = index(self.number(at)?)?;
        Ok(FreeList {
            at,
            count: self.number(at.saturating_add(4))?,
            next: self.offset(at.saturating_add(8))?,
            places: self.places(at.saturating_add(FREE_TABLE), size, layout)?,
        })
    }

    fn bucket(&self, at: usize, elements: usize, layout: Layout) -> Result<Bucket, String> {
        let element = |index: usize| {
            let at = at.saturating_add(layout.table() + index * ELEMENT);
            Ok(Element {
                hash: self.number(at)?,
                start: self.array(at + 4)?,
                data: self.offset(at + 8)?,
                key_size: self.number(at + 16)?,
                data_size: self.number(at + 20)?,
            })
        };
        Ok(Bucket {
            free_count: self.number(at)?,
            free: self.places(at.saturating_add(4 + layout.padding()), BUCKET_FREE, layout)?,
            bits: self.number(at.saturating_add(layout.bits()))?,
            count: self.number(at.saturating_add(layout.bits() + 4))?,
            elements: (0..elements).map(element).collect::<Result<_, String>>()?,
        })
    }
}
