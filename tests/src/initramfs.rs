//! What is in an initramfs: cpio archives in the "newc" format one after the
//! other, of which the last may be compressed as a whole (the kernel's
//! Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeMap;
use std::io::{Error, Read as _, Result};

use sha2::{Digest as _, Sha256};

use crate::compare::matches;
use crate::deb::hex;
use crate::listing::Facts;

/// The members of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// How its parts are compressed, in their order.
    pub compression: String,
    /// The facts of each member by path. A path that is there several times
    /// gets `#2` and so on, since each of them is unpacked.
    pub members: BTreeMap<String, Facts>,
}

/// Whether an image is expected at a path of a root filesystem.
#[must_use]
pub fn is_at(path: &str) -> bool {
    matches("boot/initrd.img-*", path) && !path.ends_with(".bak")
}

/// Reads an image.
///
/// # Errors
/// When it is not sound, or compressed in a way that is not known here.
pub fn read(data: &[u8]) -> Result<Image> {
    let mut image = Image::default();
    part(data, &mut image)?;
    Ok(image)
}

fn part(mut data: &[u8], image: &mut Image) -> Result<()> {
    loop {
        let padding = data.iter().take_while(|byte| **byte == 0).count();
        data = data.get(padding..).unwrap_or_default();
        if data.is_empty() {
            return Ok(());
        }
        if data.starts_with(b"07070") {
            data = archive(data, image)?;
            note(image, "none");
            continue;
        }
        let (name, plain) = decompress(data)?;
        note(image, name);
        return archives(&plain, image);
    }
}

// What was compressed holds archives only.
fn archives(mut data: &[u8], image: &mut Image) -> Result<()> {
    while !data.iter().all(|byte| *byte == 0) {
        data = archive(data, image)?;
        let padding = data.iter().take_while(|byte| **byte == 0).count();
        data = data.get(padding..).unwrap_or_default();
    }
    Ok(())
}

fn note(image: &mut Image, name: &str) {
    if !image.compression.is_empty() {
        image.compression.push('+');
    }
    image.compression.push_str(name);
}

fn decompress(data: &[u8]) -> Result<(&'static str, Vec<u8>)> {
    let mut plain = Vec::new();
    let name = if data.starts_with(&[0x1f, 0x8b]) {
        flate2::read::MultiGzDecoder::new(data).read_to_end(&mut plain)?;
        "gzip"
    } else if data.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        zstd::Decoder::new(data)?.read_to_end(&mut plain)?;
        "zstd"
    } else if data.starts_with(b"\xfd7zXZ\0") {
        liblzma::read::XzDecoder::new_multi_decoder(data).read_to_end(&mut plain)?;
        "xz"
    } else {
        return Err(Error::other(format!(
            "the initramfs is compressed in an unknown way: it starts with {}",
            hex(data.get(..4).unwrap_or(data))
        )));
    };
    Ok((name, plain))
}

// Reads one archive; what is behind its trailer is left.
fn archive<'a>(mut data: &'a [u8], image: &mut Image) -> Result<&'a [u8]> {
    loop {
        let cut = || Error::other("the cpio archive in the initramfs is cut");
        let head = data.get(..110).ok_or_else(cut)?;
        if !(head.starts_with(b"070701") || head.starts_with(b"070702")) {
            return Err(Error::other(
                "the cpio archive in the initramfs is not in the newc format",
            ));
        }
        let field = |at: usize| {
            let digits = head.get(6 + at * 8..14 + at * 8).unwrap_or_default();
            let digits = std::str::from_utf8(digits).map_err(Error::other)?;
            u32::from_str_radix(digits, 16).map_err(Error::other)
        };
        let (mode, links, size) = (field(1)?, field(4)?, field(6)? as usize);
        let end = 110 + field(11)? as usize;
        let name = data.get(110..end).ok_or_else(cut)?;
        let name = String::from_utf8_lossy(name.strip_suffix(b"\0").unwrap_or(name)).into_owned();
        let start = end.next_multiple_of(4);
        let content = data.get(start..start + size).ok_or_else(cut)?;
        data = data.get((start + size).next_multiple_of(4)..).unwrap_or_default();
        if name == "TRAILER!!!" {
            return Ok(data);
        }
        let mut facts = Facts::new();
        let mut set = |name: &str, value: String| {
            facts.insert(name.to_owned(), value);
        };
        set("mode", format!("{mode:06o}"));
        set("owner", format!("{}:{}", field(2)?, field(3)?));
        set("mtime", field(5)?.to_string());
        match mode & 0o170_000 {
            // The count of a directory's links depends on the filesystem it was read from.
            0o040_000 => {}
            0o020_000 | 0o060_000 => set("device", format!("{}:{}", field(9)?, field(10)?)),
            0o120_000 => set("link", String::from_utf8_lossy(content).into_owned()),
            _ => {
                set("links", links.to_string());
                set("size", size.to_string());
                set("sha256", hex(&Sha256::digest(content)));
            }
        }
        let mut key = name.clone();
        let mut count = 1;
        while image.members.contains_key(&key) {
            count += 1;
            key = format!("{name}#{count}");
        }
        image.members.insert(key, facts);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn cpio(members: &[(&str, u32, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, mode, content) in members.iter().chain([&("TRAILER!!!", 0, &b""[..])]) {
            let name_size = name.len() + 1;
            let mode = *mode as usize;
            let fields = [7, mode, 0, 0, 1, 99, content.len(), 0, 0, 5, 1, name_size, 0];
            out.extend_from_slice(b"070701");
            for field in fields {
                write!(out, "{field:08X}").expect("written");
            }
            out.extend_from_slice(name.as_bytes());
            out.push(0);
            out.resize(out.len().next_multiple_of(4), 0);
            out.extend_from_slice(content);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out.resize(out.len().next_multiple_of(512), 0);
        out
    }

    fn compressed(name: &str, data: &[u8]) -> Vec<u8> {
        match name {
            "gzip" => {
                let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                out.write_all(data).expect("written");
                out.finish().expect("ended")
            }
            "xz" => {
                let mut out = liblzma::write::XzEncoder::new(Vec::new(), 1);
                out.write_all(data).expect("written");
                out.finish().expect("ended")
            }
            _ => zstd::encode_all(data, 1).expect("packed"),
        }
    }

    #[test]
    fn members_of_every_compression_are_found() {
        let early = cpio(&[("kernel", 0o040_755, b""), ("kernel/code.bin", 0o100_644, b"x")]);
        let main = cpio(&[
            ("init", 0o100_755, b"#!/bin/sh\n"),
            ("bin", 0o120_777, b"usr/bin"),
            ("dev/null", 0o020_666, b""),
            ("init", 0o100_755, b"later"),
        ]);
        for name in ["gzip", "xz", "zstd"] {
            let image = read(&[early.clone(), compressed(name, &main)].concat()).expect(name);
            assert_eq!(image.compression, format!("none+{name}"));
            let names: Vec<_> = image.members.keys().map(String::as_str).collect();
            assert_eq!(
                names,
                ["bin", "dev/null", "init", "init#2", "kernel", "kernel/code.bin"]
            );
            assert_eq!(image.members["bin"]["link"], "usr/bin");
            assert_eq!(image.members["dev/null"]["device"], "5:1");
            assert_ne!(image.members["init"]["sha256"], image.members["init#2"]["sha256"]);
            assert_eq!(image.members["init"]["mtime"], "99");
        }
        assert_eq!(read(&main).expect("plain").compression, "none");
    }

    #[test]
    fn what_is_not_sound_is_an_error() {
        let main = cpio(&[("init", 0o100_755, b"#!/bin/sh\n")]);
        let cut = read(&main[..main.len() - 512 + 100]).expect_err("cut");
        assert!(cut.to_string().contains("cut"), "{cut}");
        let odd = read(&compressed("zstd", b"no archive")).expect_err("no archive");
        assert!(
            odd.to_string().contains("cut") || odd.to_string().contains("newc"),
            "{odd}"
        );
        let lz4 = read(&[2, 0x21, 0x4c, 0x18, 0]).expect_err("lz4");
        assert!(lz4.to_string().contains("02214c18"), "{lz4}");
        let mut old = main;
        old[5] = b'7';
        assert!(read(&old).is_err());
    }
}
