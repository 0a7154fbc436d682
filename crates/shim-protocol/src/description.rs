//! Description of the target for the library map.

/// What the library map has to know of the target: the file [`paths::DESCRIPTION`](crate::paths::DESCRIPTION) has a
/// line for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Description<'a> {
    /// Multiarch triplet.
    pub triplet: &'a [u8],
    /// Machine, as uname(2) gives it.
    pub machine: &'a [u8],
}

impl<'a> Description<'a> {
    /// Longest description in bytes.
    pub const LONGEST: usize = 256;

    /// Reads a description; what is missing is empty.
    pub fn decode(text: &'a [u8]) -> Self {
        let mut lines = text.split(|&byte| byte == b'\n');
        Self {
            triplet: lines.next().unwrap_or_default(),
            machine: lines.next().unwrap_or_default(),
        }
    }

    /// Hands the bytes of the description to `sink`, piece by piece.
    pub fn encode(&self, sink: &mut impl FnMut(&[u8])) {
        for line in [self.triplet, self.machine] {
            sink(line);
            sink(b"\n");
        }
    }
}
