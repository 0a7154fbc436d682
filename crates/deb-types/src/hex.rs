//! Hexadecimal digits, as checksums are written.

use std::fmt::Write as _;

/// Returns `bytes` in lower-case hexadecimal.
///
/// ```
/// assert_eq!(deb_types::hex(&[0x0c, 0xc1, 0x75]), "0cc175");
/// ```
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Reads exactly `N` bytes in hexadecimal, of letters in either case; none for anything else.
///
/// ```
/// assert_eq!(deb_types::parse_hex("0cC1"), Some([0x0c, 0xc1]));
/// assert_eq!(deb_types::parse_hex::<2>("0cc"), None);
/// ```
pub fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        let high = char::from(*high).to_digit(16)?;
        let low = char::from(*low).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let bytes: [u8; 256] = std::array::from_fn(|at| at as u8);
        assert_eq!(parse_hex(&hex(&bytes)), Some(bytes));
        assert_eq!(parse_hex(&hex(&bytes).to_uppercase()), Some(bytes));
        for bad in ["", "0", "000", "0g", "+1", " 1", "é"] {
            assert_eq!(parse_hex::<1>(bad), None, "{bad}");
        }
    }
}
