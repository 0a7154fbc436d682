//! The list of loaded objects, as it is printed.

use super::{Map, Maps};

impl Maps<'_> {
    /// Returns the objects in the order of the list, the program first; the loader stands where it is needed first.
    pub(in crate::ldd) fn chain(&self) -> impl Iterator<Item = &Map> {
        self.order.iter().filter_map(|index| self.maps.get(*index))
    }

    /// Returns the object that a name in the tables of versions means.
    pub(in crate::ldd) fn by_name(&self, name: &[u8]) -> Option<&Map> {
        self.maps.iter().find(|map| {
            map.names.iter().any(|known| known == name) || map.object.soname.as_deref() == Some(name)
        })
    }

    /// Prints the list: `\tNAME => PATH (0xADDRESS)`.
    pub(in crate::ldd) fn print(&self, output: &mut Vec<u8>) {
        let digits = if self.abi.wide { 16 } else { 8 };
        let mut address: u64 = if self.abi.wide {
            0x7fff_f7fc_8000
        } else {
            0xf7fc_8000
        };
        let mut lines = Vec::new();
        for map in self.chain().skip(1) {
            let name = map.names.first().map(Vec::as_slice).unwrap_or_default();
            if map.missing {
                lines.push([b"\t", name, b" => not found\n"].concat());
                continue;
            }
            let extent = map.object.extent.max(1).next_multiple_of(0x1000).min(1 << 32);
            address = address.wrapping_sub(extent) & if self.abi.wide { u64::MAX } else { 0xffff_f000 };
            let address = format!(" (0x{address:0digits$x})\n");
            lines.push(if name == map.path {
                [b"\t", name, address.as_bytes()].concat()
            } else {
                [b"\t", name, b" => ", &map.path, address.as_bytes()].concat()
            });
        }
        // The kernel's own object comes after the program, and after the loader where that is second.
        let second = self.order.get(1).copied();
        let behind = usize::from(second.is_some() && second == self.loader_map);
        if let Some(name) = self.abi.vdso {
            let address: u64 = if self.abi.wide {
                0x7fff_f7fc_a000
            } else {
                0xf7fc_a000
            };
            lines.insert(
                behind.min(lines.len()),
                format!("\t{name} (0x{address:0digits$x})\n").into_bytes(),
            );
        }
        output.extend(lines.concat());
    }
}
