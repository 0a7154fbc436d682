//! The form of signed text (RFC 9580, section 7), as strictly as apt reads it.
//!
//! A parser of OpenPGP looks for a message and passes over what stands around it. What a reader of the file would
//! take for a part of it and nobody signed is refused here, before the signature is looked at.

const MESSAGE: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
const END: &[u8] = b"-----END PGP SIGNATURE-----";

/// Part of a file in which a line stands.
enum Part {
    Headers,
    Text,
    Signature,
    /// Behind a signature, where another one may begin.
    Between,
}

/// Returns the text within a file that is one clear-signed message and nothing else, dashes unescaped and blanks at the
/// ends of lines removed; none for a file without such a message.
///
/// # Errors
/// What the file has beside one message.
pub(super) fn text(bytes: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    let mut lines = lines(bytes);
    if lines.next() != Some(MESSAGE) {
        return if lines.any(|line| line == MESSAGE) {
            Err("there are lines before the signed message")
        } else {
            Ok(None)
        };
    }
    let mut text = Vec::with_capacity(bytes.len());
    let mut part = Part::Headers;
    for line in lines {
        part = match part {
            Part::Headers if line.is_empty() => Part::Text,
            Part::Headers if line.starts_with(b"-") => return Err("a header begins with a dash"),
            Part::Headers => Part::Headers,
            Part::Text if line == SIGNATURE => Part::Signature,
            Part::Text => {
                let line = match line.strip_prefix(b"- ") {
                    Some(line) => line,
                    None if line.starts_with(b"-") => return Err("a line of the text begins with a dash"),
                    None => line,
                };
                text.extend_from_slice(line);
                text.push(b'\n');
                Part::Text
            }
            Part::Signature if line == END => Part::Between,
            Part::Signature if line.starts_with(b"-") => {
                return Err("a line of the signature begins with a dash");
            }
            Part::Signature => Part::Signature,
            Part::Between if line == SIGNATURE => Part::Signature,
            Part::Between => return Err("there are lines after the signature"),
        };
    }
    match part {
        Part::Between => {
            // The line break before the signature is not signed.
            text.pop();
            if text.last() != Some(&b'\n') {
                text.push(b'\n');
            }
            Ok(Some(text))
        }
        Part::Headers | Part::Text => Err("the message has no signature"),
        Part::Signature => Err("the signature has no end"),
    }
}

/// Checks that a detached signature is armored signatures and nothing else.
///
/// # Errors
/// What else the file has.
pub(super) fn check_detached(bytes: &[u8]) -> Result<(), &'static str> {
    let (mut open, mut seen) = (false, false);
    for line in lines(bytes) {
        match (open, line) {
            (true, END) => open = false,
            (false, SIGNATURE) => (open, seen) = (true, true),
            (true, _) => {}
            (false, _) => return Err("it has lines that belong to no signature"),
        }
    }
    match (seen, open) {
        (false, _) => Err("it holds no armored signature"),
        (true, true) => Err("a signature of it has no end"),
        (true, false) => Ok(()),
    }
}

/// The lines without the blanks at their ends, which are not signed.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nSuite: x  \n- -dash\n\nA: b\n\
        -----BEGIN PGP SIGNATURE-----\n\nzz\n-----END PGP SIGNATURE-----\n";

    #[test]
    fn one_message_and_nothing_else() {
        let signature = &GOOD[GOOD.find("-----BEGIN PGP SIGNATURE").unwrap()..];
        for good in [
            GOOD.to_owned(),
            GOOD.trim_end().to_owned(),
            GOOD.replace('\n', "\r\n"),
            format!("{GOOD}{signature}"),
        ] {
            assert_eq!(
                text(good.as_bytes()),
                Ok(Some(b"Suite: x\n-dash\n\nA: b\n".to_vec())),
                "{good}"
            );
        }
        for (bad, reason) in [
            (format!("\n{GOOD}"), "before"),
            (format!("Suite: x\n\n{GOOD}"), "before"),
            (format!("{GOOD}\n"), "after"),
            (format!("{GOOD}SHA256:\n 00 0 evil\n"), "after"),
            (format!("{GOOD}{GOOD}"), "after"),
            (GOOD.replace("Hash: SHA512", "-Hash: SHA512"), "header"),
            (
                GOOD.replace("- -dash", "-----BEGIN PGP SIGNED MESSAGE-----"),
                "dash",
            ),
            (GOOD.replace("\nzz", "\n-----BEGIN PGP SIGNATURE-----"), "dash"),
            (GOOD.replace("-----END PGP SIGNATURE-----\n", ""), "no end"),
            (
                GOOD[..GOOD.find("-----BEGIN PGP SIGNATURE").unwrap()].to_owned(),
                "no signature",
            ),
        ] {
            assert!(text(bad.as_bytes()).unwrap_err().contains(reason), "{bad}");
        }
        for none in ["", "Suite: x\n", "<html>\n", "-----BEGIN PGP MESSAGE-----\n"] {
            assert_eq!(text(none.as_bytes()), Ok(None));
        }
    }

    #[test]
    fn detached_signatures_and_nothing_else() {
        let one = "-----BEGIN PGP SIGNATURE-----\n\nzz\n-----END PGP SIGNATURE-----\n";
        for good in [one.to_owned(), format!("{one}{one}")] {
            assert_eq!(check_detached(good.as_bytes()), Ok(()));
        }
        for bad in [
            "",
            "\u{88}",
            &format!("{one}x\n"),
            &format!("x\n{one}"),
            &one[..40],
        ] {
            assert!(check_detached(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
