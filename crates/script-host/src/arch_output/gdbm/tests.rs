use super::*;

const AMD64: Layout = layout(ByteOrder::Little, true, true);
const I386: Layout = layout(ByteOrder::Little, false, true);
const RISCV64: Layout = layout(ByteOrder::Little, true, false);
const S390X: Layout = layout(ByteOrder::Big, true, false);

const fn layout(order: ByteOrder, wide: bool, signed: bool) -> Layout {
    Layout { order, wide, signed }
}

// Numbers found in files that gdbm 1.24 made: elements of a bucket, places in the
// header, and in a bucket where free places, bits and elements are.
fn found(layout: Layout) -> [usize; 5] {
    if layout.wide {
        [166, 252, 8, 104, 112]
    } else {
        [167, 336, 4, 76, 84]
    }
}

// A database of these keys, each with its hash, in the order of their arrival.
fn database(layout: Layout, keys: &[(&str, u32)]) -> Vec<u8> {
    let [elements, places, free, bits, table] = found(layout);
    let mut file = vec![0; 0x4000];
    let mut put = |at: usize, value: u64, width: usize| {
        let bytes = match layout.order {
            ByteOrder::Big => value.to_be_bytes()[8 - width..].to_vec(),
            ByteOrder::Little => value.to_le_bytes()[..width].to_vec(),
        };
        file[at..at + width].copy_from_slice(&bytes);
    };
    for (at, value) in [
        (0, MAGIC as usize),
        (4, 0x1000),
        (16, 0x1000),
        (20, 9),
        (24, 0x1000),
        (28, elements),
    ] {
        put(at, value as u64, 4);
    }
    put(8, 0x1000, 8);
    put(32, 0x4000, 8);
    put(40, places as u64, 4);
    for place in 0..512 {
        put(0x1000 + place * 8, 0x2000, 8);
    }
    put(0x2000, 1, 4);
    put(0x2000 + free, 0x0d14, 4);
    put(0x2000 + if layout.wide { 16 } else { 8 }, 0x32ec, 8);
    put(0x2000 + bits + 4, keys.len() as u64, 4);
    let mut taken = vec![false; elements];
    let mut data = 0x3000;
    let mut strings = Vec::new();
    for (key, hash) in keys {
        let mut place = *hash as usize % elements;
        while std::mem::replace(&mut taken[place], true) {
            place = (place + 1) % elements;
        }
        let at = 0x2000 + table + place * ELEMENT;
        put(at, u64::from(*hash), 4);
        put(at + 8, data as u64, 8);
        put(at + 16, key.len() as u64, 4);
        put(at + 20, 2, 4);
        strings.push((at + 4, data, *key));
        data += key.len() + 2;
    }
    for (place, taken) in taken.iter().enumerate() {
        if !taken {
            put(0x2000 + table + place * ELEMENT, u64::from(UNUSED), 4);
        }
    }
    for (start, data, key) in strings {
        let length = key.len().min(4);
        file[start..start + length].copy_from_slice(&key.as_bytes()[..length]);
        file[data..data + key.len()].copy_from_slice(key.as_bytes());
    }
    file
}

// Two of them have one place in every layout.
fn keys(signed: bool) -> Vec<(&'static str, u32)> {
    let with = |key: &'static str| (key, hash(key.as_bytes(), signed));
    let mut keys = vec![with("ls~1"), with("манпутања\0"), with("clé"), with("grep")];
    keys.push(("other", keys[0].1 + 166 * 167));
    keys
}

#[test]
fn hashes_are_those_of_gdbm() {
    // As found in files that gdbm made.
    assert_eq!(hash(b"", true), 12345);
    assert_eq!(hash(b"ls", true), hash(b"ls", false));
    assert_ne!(hash("clé".as_bytes(), true), hash("clé".as_bytes(), false));
    assert_eq!(keys(true)[0].1 % 166, keys(true)[4].1 % 166);
}

#[test]
fn every_layout_becomes_every_other() {
    let layouts = [AMD64, I386, RISCV64, S390X];
    for from in layouts {
        for to in layouts {
            let (before, after) = (database(from, &keys(from.signed)), database(to, &keys(to.signed)));
            let converted = convert(&before, from, to).unwrap();
            if from == to {
                assert_eq!(converted, None);
            } else {
                assert!(converted.as_deref() == Some(&*after), "{from:?} {to:?}");
            }
        }
    }
    // What is converted stays so.
    let big = database(S390X, &keys(false));
    assert_eq!(convert(&big, AMD64, S390X), Ok(None));
    // Nothing but the byte order differs where all keys are ASCII.
    let plain = [("key", 7)];
    assert_eq!(convert(&database(AMD64, &plain), AMD64, RISCV64), Ok(None));
}

#[test]
fn damaged_files_are_refused() {
    let good = database(AMD64, &keys(true));
    for length in [0, 3, 39, 60, 0x1008, 0x2100] {
        assert!(convert(&good[..length], AMD64, S390X).is_err(), "{length}");
        assert!(convert(&good[..length], AMD64, I386).is_err(), "{length}");
    }
    for (at, value) in [
        (0x1000, 0xff),
        (0x1007, 0x7f),
        (41, 0xff),
        (28, 0),
        (27, 0xff),
        (19, 0xff),
        (48, 40),
        (8, 255),
    ] {
        let mut hostile = good.clone();
        hostile[at] = value;
        // An answer or an error, and an end.
        let _ = convert(&hostile, AMD64, S390X);
        let _ = convert(&hostile, AMD64, I386);
    }
    // A hash that is not the key's.
    let wrong = database(AMD64, &[("clé", 7)]);
    assert!(convert(&wrong, AMD64, RISCV64).is_err());
}
