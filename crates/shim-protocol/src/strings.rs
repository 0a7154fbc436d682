//! Lists of strings, as they are sent.

/// Strings, each with a NUL behind it, in one piece of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strings<'a>(&'a [u8]);

impl<'a> Strings<'a> {
    /// Takes strings that end with NUL; none where the last one does not.
    ///
    /// ```
    /// use shim_protocol::Strings;
    ///
    /// let strings = Strings::new(b"-n\0/lib\0").unwrap();
    /// assert!(strings.iter().eq([&b"-n"[..], b"/lib"]));
    /// assert_eq!(Strings::new(b"-n"), None);
    /// ```
    pub fn new(encoded: &'a [u8]) -> Option<Self> {
        (encoded.is_empty() || encoded.ends_with(b"\0")).then_some(Self(encoded))
    }

    /// Returns the strings in their order.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        self.0.split_inclusive(|&byte| byte == 0).map(without_end)
    }

    /// Takes the first string off.
    pub(crate) fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|&byte| byte == 0)?;
        let (first, rest) = self.0.split_at_checked(end + 1)?;
        self.0 = rest;
        Some(without_end(first))
    }

    /// Takes the strings before the first empty one off, and that one.
    pub(crate) fn next_list(&mut self) -> Option<Self> {
        let all = self.0;
        while let Some(string) = self.next() {
            if string.is_empty() {
                let length = all.len() - self.0.len() - 1;
                return all.get(..length).map(Self);
            }
        }
        None
    }

    /// Returns the strings with the NUL behind each.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Returns whether there is no string.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

fn without_end(string: &[u8]) -> &[u8] {
    string.strip_suffix(b"\0").unwrap_or(string)
}

/// A number in decimal digits, without a heap.
pub(crate) struct Decimal {
    digits: [u8; 10],
    from: usize,
}

impl Decimal {
    pub(crate) fn new(mut number: u32) -> Self {
        let mut this = Self {
            digits: [b'0'; 10],
            from: 10,
        };
        for (at, digit) in this.digits.iter_mut().enumerate().rev() {
            *digit = b'0' + (number % 10) as u8;
            this.from = at;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        this
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.digits.get(self.from..).unwrap_or_default()
    }
}

/// Reads a number in decimal digits, which has nothing else in it.
pub(crate) fn number(text: &[u8]) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u32, |number, byte| match byte {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u32::from(byte - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_digits() {
        for n in [0, 9, 10, 4_294_967_295] {
            assert_eq!(number(Decimal::new(n).as_bytes()), Some(n));
        }
        assert_eq!(Decimal::new(1047).as_bytes(), b"1047");
        for other in [&b""[..], b"-1", b"+1", b"1 ", b"4294967296", b"x"] {
            assert_eq!(number(other), None);
        }
    }

    #[test]
    fn lists_end_with_an_empty_string() {
        let mut strings = Strings::new(b"a\0b\0\0c\0").unwrap();
        assert!(strings.next_list().unwrap().iter().eq([&b"a"[..], b"b"]));
        assert_eq!(strings.next(), Some(&b"c"[..]));
        assert_eq!(strings.next(), None);
        assert_eq!(Strings::new(b"a\0b\0").unwrap().next_list(), None);
        assert!(Strings::new(b"\0x\0").unwrap().next_list().unwrap().is_empty());
    }
}
