//! Mutations, and the random numbers for them.

/// Random numbers (splitmix64): the same from the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`, which may be zero.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// Largest input in bytes.
const LONGEST: usize = 64 << 10;

/// Words that mean something to many parsers.
const WORDS: [&[u8]; 24] = [
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\0\0\0\0\0\0\0\0\0\0\0\0",
    b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x80\0\0\0\0\0\0\0\0\0\0\x01",
    b"\x7f\xff\xff\xff",
    b"-1",
    b"99999999999999999999",
    b"18446744073709551615",
    b"4294967296",
    b"7777777777777",
    b"\n",
    b"\n\n",
    b"\r\n",
    b": ",
    b"../",
    b"/",
    b"//",
    b"./",
    b"\xe9",
    b"\xf4\x8f\xbf\xa9",
    b"(>= 1:2~)",
    b" | ",
    b"$(ARCH)",
    b"-----BEGIN PGP SIGNATURE-----\n",
];

const BYTES: &[u8] = b"\0\n\t /:.,()|[]<>=~+-#!\"'0789AZaz\x7f\x80\xff";

/// Returns `input` with some changes; `other` is another input to take parts of.
pub(crate) fn mutate(input: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    let rounds = [1, 1, 1, 2, 3, 4, 8, 32]
        .get(random.below(8))
        .copied()
        .unwrap_or(1);
    for _ in 0..rounds {
        change(&mut bytes, other, random);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(bytes.len());
    let most = [4, 16, 64, 600].get(random.below(4)).copied().unwrap_or(1);
    let length = 1 + random.below(most);
    let end = at.saturating_add(length).min(bytes.len());
    let part = |from: &[u8], random: &mut Random| {
        let start = random.below(from.len());
        let stop = start.saturating_add(length).min(from.len());
        from.get(start..stop).unwrap_or_default().to_vec()
    };
    match random.below(12) {
        0 => put(bytes, at, &[random.byte()]),
        1 => {
            let bit = 1 << random.below(8);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= bit;
            }
        }
        2 => drop(bytes.drain(at..end)),
        3 => {
            let new: Vec<u8> = (0..1 + random.below(20)).map(|_| random.byte()).collect();
            bytes.splice(at..at, new);
        }
        4 => {
            let again = part(bytes, random);
            bytes.splice(at..at, again);
        }
        5 => {
            let word = WORDS.get(random.below(WORDS.len())).copied().unwrap_or_default();
            bytes.splice(at..at, word.iter().copied());
        }
        6 => {
            let word = WORDS.get(random.below(WORDS.len())).copied().unwrap_or_default();
            put(bytes, at, word);
        }
        7 => {
            let byte = BYTES.get(random.below(BYTES.len())).copied().unwrap_or_default();
            put(bytes, at, &[byte]);
        }
        8 => {
            let theirs = part(other, random);
            bytes.splice(at..end, theirs);
        }
        9 => {
            let theirs = part(other, random);
            put(bytes, at, &theirs);
        }
        10 => line(bytes, random),
        _ => {
            // Numbers one more or less, where binary headers have them.
            let step = if random.below(2) == 0 { 1 } else { 0xff };
            if let Some(byte) = bytes.get_mut(at) {
                *byte = byte.wrapping_add(step);
            }
        }
    }
}

/// Overwrites bytes; what reaches beyond the end is added.
fn put(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    let end = at.saturating_add(new.len()).min(bytes.len());
    bytes.splice(at..end, new.iter().copied());
}

/// Takes a line away, doubles it, or puts it somewhere else.
fn line(bytes: &mut Vec<u8>, random: &mut Random) {
    let mut lines: Vec<Vec<u8>> = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    if lines.is_empty() {
        return;
    }
    let (from, to) = (random.below(lines.len()), random.below(lines.len()));
    match random.below(3) {
        0 => drop(lines.remove(from)),
        1 => {
            let line = lines.get(from).cloned().unwrap_or_default();
            lines.insert(to, line);
        }
        _ => lines.swap(from, to),
    }
    *bytes = lines.concat();
}

/// Gives every header of a tar archive within the bytes its checksum, without which nothing behind it is looked at.
pub(crate) fn mend_tar(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(found) = bytes
        .get(at..)
        .and_then(|rest| rest.windows(5).position(|window| window == b"ustar"))
    {
        let magic = at + found;
        at = magic + 5;
        let Some(start) = magic.checked_sub(257) else {
            continue;
        };
        let Some(header) = bytes.get_mut(start..start + 512) else {
            continue;
        };
        let (before, rest) = header.split_at_mut(148);
        let (field, after) = rest.split_at_mut(8);
        let sum = |part: &[u8]| part.iter().map(|byte| u32::from(*byte)).sum::<u32>();
        let total = sum(before) + sum(after) + 8 * u32::from(b' ');
        field.copy_from_slice(format!("{total:06o}\0 ").as_bytes());
    }
}
