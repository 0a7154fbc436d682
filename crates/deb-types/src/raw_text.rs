//! Text that need not be UTF-8, kept byte for byte.
//!
//! dpkg and apt hand on whatever bytes stand in control data; descriptions and names of people in old packages are
//! Latin-1. [`decode`] gives each byte that is not UTF-8 a character of a private range (U+10FF00 and the byte), and
//! [`encode`] gives the bytes back.

use std::borrow::Cow;

/// First character of the range: the highest private one of Unicode, which nobody else has a meaning for.
const FIRST: u32 = 0x10_ff00;

fn byte_of(c: char) -> Option<u8> {
    u32::from(c)
        .checked_sub(FIRST)
        .and_then(|byte| u8::try_from(byte).ok())
}

/// Returns bytes as text; UTF-8 stays as it is.
///
/// ```
/// use deb_types::raw_text::{decode, encode};
/// assert_eq!(decode("café".into()), "café");
/// let latin1 = b"caf\xe9".to_vec();
/// assert_eq!(*encode(&decode(latin1.clone())), *latin1);
/// ```
pub fn decode(bytes: Vec<u8>) -> String {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|c| byte_of(c).is_some()) => return text,
        Ok(text) => text.into_bytes(),
        Err(error) => error.into_bytes(),
    };
    let mut text = String::with_capacity(bytes.len() * 2);
    let raw = |text: &mut String, bytes: &[u8]| {
        text.extend(
            bytes
                .iter()
                .filter_map(|byte| char::from_u32(FIRST + u32::from(*byte))),
        );
    };
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match byte_of(c) {
                // A character of the range itself: its bytes one by one, so that it comes back.
                Some(_) => raw(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes()),
                None => text.push(c),
            }
        }
        raw(&mut text, chunk.invalid());
    }
    text
}

/// Returns the bytes that [`decode`] made the text of.
pub fn encode(text: &str) -> Cow<'_, [u8]> {
    if !text.chars().any(|c| byte_of(c).is_some()) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match byte_of(c) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        let private = "\u{10ff00}\u{10ffe9}x\u{10ffff}".as_bytes().to_vec();
        for bytes in [
            all,
            private,
            b"a\xc3".to_vec(),
            b"\xff\xe9\xe8".to_vec(),
            Vec::new(),
        ] {
            let text = decode(bytes.clone());
            assert_eq!(*encode(&text), *bytes);
            assert_eq!(decode(encode(&text).into_owned()), text);
        }
    }
}
