//! Writing a database.

use super::{Database, ELEMENT, FREE_TABLE, Free, HEADER_FREE, Layout, MAGIC, damaged, index};
use deb_arch::ByteOrder;

impl Database {
    /// Returns the contents of `file`, of which this was read in the layout `from`, with the database in the layout `to`.
    pub(super) fn write(&self, file: &[u8], from: Layout, to: Layout) -> Result<Vec<u8>, String> {
        let mut output = Output {
            bytes: file.to_vec(),
            layout: to,
        };
        let same = from.wide == to.wide;
        let header_length =
            (index(self.block_size)?).saturating_sub(HEADER_FREE + FREE_TABLE) / to.free_size();
        output.number(0, MAGIC)?;
        output.number(4, self.block_size)?;
        output.offset(8, self.directory_at as u64)?;
        output.number(16, self.directory_size)?;
        output.number(20, self.directory_bits)?;
        output.number(24, u32::try_from(self.bucket_size).map_err(|_| damaged())?)?;
        output.number(
            28,
            u32::try_from(to.elements(self.bucket_size)).map_err(|_| damaged())?,
        )?;
        output.offset(32, self.next_block)?;
        for list in &self.free {
            let mut places = list.places.clone();
            if !same {
                if list.next != 0 || list.at != HEADER_FREE || index(list.count)? > header_length {
                    return Err("its list of free places is too long to be converted".into());
                }
                places.resize(header_length, Free::default());
                output.clear(HEADER_FREE, index(self.block_size)?)?;
            }
            output.number(list.at, u32::try_from(places.len()).map_err(|_| damaged())?)?;
            output.number(list.at + 4, list.count)?;
            output.offset(list.at + 8, list.next)?;
            output.places(list.at + FREE_TABLE, &places)?;
        }
        for (entry, &at) in self.directory.iter().enumerate() {
            output.offset(self.directory_at + entry * 8, at as u64)?;
        }
        for (&at, bucket) in &self.buckets {
            if !same {
                output.clear(at, at.saturating_add(self.bucket_size))?;
            }
            output.number(at, bucket.free_count)?;
            output.places(at + 4 + to.padding(), &bucket.free)?;
            output.number(at + to.bits(), bucket.bits)?;
            output.number(at + to.bits() + 4, bucket.count)?;
            for (position, element) in bucket.elements.iter().enumerate() {
                let at = at + to.table() + position * ELEMENT;
                output.number(at, element.hash)?;
                output.put(at + 4, &element.start)?;
                output.offset(at + 8, element.data)?;
                output.number(at + 16, element.key_size)?;
                output.number(at + 20, element.data_size)?;
            }
        }
        Ok(output.bytes)
    }
}

struct Output {
    bytes: Vec<u8>,
    layout: Layout,
}

impl Output {
    fn range(&mut self, at: usize, end: Option<usize>) -> Result<&mut [u8], String> {
        end.and_then(|end| self.bytes.get_mut(at..end))
            .ok_or_else(damaged)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) -> Result<(), String> {
        self.range(at, at.checked_add(bytes.len()))?
            .copy_from_slice(bytes);
        Ok(())
    }

    fn clear(&mut self, at: usize, end: usize) -> Result<(), String> {
        self.range(at, Some(end))?.fill(0);
        Ok(())
    }

    fn number(&mut self, at: usize, value: u32) -> Result<(), String> {
        let bytes = match self.layout.order {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        };
        self.put(at, &bytes)
    }

    fn offset(&mut self, at: usize, value: u64) -> Result<(), String> {
        let bytes = match self.layout.order {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        };
        self.put(at, &bytes)
    }

    fn places(&mut self, at: usize, places: &[Free]) -> Result<(), String> {
        let layout = self.layout;
        for (position, free) in places.iter().enumerate() {
            let at = at + position * layout.free_size();
            self.number(at, free.size)?;
            self.offset(at + 4 + layout.padding(), free.at)?;
        }
        Ok(())
    }
}
