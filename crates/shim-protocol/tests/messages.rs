//! Messages come back as they were sent, and bytes of anybody are refused without a panic.

use shim_protocol::{
    Description, Device, LONGEST_PATH, LONGEST_REQUEST, Record, Reply, Request, Strings, Violation,
    ViolationKind, names, paths,
};

fn encoded(request: &Request<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.encode(&mut |piece| bytes.extend_from_slice(piece));
    bytes
}

fn replied<B: AsRef<[u8]>>(reply: &Reply<B>) -> Vec<u8> {
    let mut bytes = Vec::new();
    reply.encode(&mut |piece| bytes.extend_from_slice(piece));
    bytes
}

fn strings(encoded: &[u8]) -> Strings<'_> {
    Strings::new(encoded).unwrap()
}

fn requests() -> Vec<Request<'static>> {
    let mut all = vec![
        Request::Counterpart {
            path: b"/usr/bin/\xff\xfe",
        },
        Request::Judge {
            program: b"/usr/bin/mandb",
            arguments: strings(b"-p\0\0-q\0"),
        },
        Request::Judge {
            program: b"/usr/bin/mandb",
            arguments: strings(b""),
        },
        Request::Ended {
            program: b"/usr/bin/mandb",
        },
        Request::Failed {
            program: b"/usr/bin/x",
            reason: b"",
        },
        Request::Ldconfig {
            directory: b"/",
            arguments: strings(b"-r\0/target\0"),
        },
        Request::Loader {
            directory: b"/",
            environment: strings(b"LD_A=1\0LD_B=\0"),
            program: b"ld.so",
            arguments: strings(b"\0-x\0"),
        },
        Request::Dpkg {
            directory: b"/mnt",
            environment: strings(b"DPKG_ROOT=\0DPKG_FRONTEND_LOCKED=1\0"),
            descriptors: strings(b"5\x0017\0"),
            arguments: strings(b"dpkg\0--status-fd\x005\0-i\0a b.deb\0\0"),
        },
        Request::Dpkg {
            directory: b"/",
            environment: strings(b""),
            descriptors: strings(b""),
            arguments: strings(b"dpkg-query\0"),
        },
        Request::Loader {
            directory: b"/x",
            environment: strings(b""),
            program: b"",
            arguments: strings(b""),
        },
    ];
    all.extend(ViolationKind::ALL.map(|kind| {
        Request::Violation(Violation {
            kind,
            tool: b"chown",
            subject: b"/etc/x y",
            helped: kind == ViolationKind::Path,
            process: u32::MAX,
        })
    }));
    let records = [
        Record::Owner {
            path: b"/target/a",
            uid: Some(7),
            gid: None,
            follow: true,
        },
        Record::Owner {
            path: b"/target/a",
            uid: None,
            gid: Some(u32::MAX),
            follow: false,
        },
        Record::OwnerOf {
            path: b"/target/a",
            reference: b"/target/b",
            group_only: true,
            follow: false,
        },
        Record::Node {
            path: b"/target/n",
            device: Device::Character,
            major: 1,
            minor: 3,
            mode: 0o666,
        },
        Record::Node {
            path: b"/target/n",
            device: Device::Block,
            major: 7,
            minor: 0,
            mode: 0,
        },
        Record::Capability {
            path: b"/target/a",
            value: b"\x01\0\xff",
        },
        Record::Capability {
            path: b"/target/a",
            value: b"",
        },
    ];
    all.extend(records.map(Request::Record));
    all
}

fn replies() -> Vec<Reply<&'static [u8]>> {
    vec![
        Reply::Execute(b"/.rootless-install/sysroot/usr/bin/tool"),
        Reply::Counterpart,
        Reply::CounterpartReported,
        Reply::Done {
            output: b"out\0",
            messages: b"err",
            status: 255,
        },
        Reply::Done {
            output: b"",
            messages: b"",
            status: 0,
        },
        Reply::Refused(b"why"),
        Reply::Refused(b""),
    ]
}

#[test]
fn requests_come_back() {
    for request in requests() {
        assert_eq!(Request::decode(&encoded(&request)), Ok(request));
    }
}

#[test]
fn replies_come_back() {
    for reply in replies() {
        assert_eq!(Reply::decode(&replied(&reply)), Ok(reply));
        assert_eq!(replied(&reply.map(<[u8]>::to_vec)), replied(&reply));
    }
}

#[test]
fn bytes_are_as_documented() {
    let told = Request::Violation(Violation {
        kind: ViolationKind::Path,
        tool: b"rm",
        subject: b"/etc/x",
        helped: true,
        process: 77,
    });
    assert_eq!(encoded(&told), b"vpath\0rm\0/etc/x\x001\x0077\0");
    let record = Request::Record(Record::Node {
        path: b"/n",
        device: Device::Block,
        major: 7,
        minor: 8,
        mode: 0o10600,
    });
    assert_eq!(encoded(&record), b"n/n\0b\x007\x008\x00384\0");
    let done = Reply::Done {
        output: "out",
        messages: "err",
        status: 2,
    };
    assert_eq!(replied(&done), b"=\x02\0\0\0\x03outerr");
}

#[test]
fn hostile_requests_are_refused() {
    let long = [b"c/", "x".repeat(LONGEST_PATH).as_bytes(), b"\0"].concat();
    let hostile: &[&[u8]] = &[
        b"",
        b"c",
        b"c\0",
        b"cusr/bin/tool\0",
        b"c/a",
        b"c/a\0b\0",
        b"l",
        b"l\0",
        b"l/\0-n",
        b"?/\0",
        b"o/\0",
        b"o/\0LD_A=1\0",
        b"o/\0LD_A=1\0\0",
        b"e/a\0more\0",
        b"f/a\0",
        b"v",
        b"vpath\0chown\0/a\x001\0",
        b"vpath\0chown\0/a\x001\0x\0",
        b"vpath\0chown\0/a\x002\x001\0",
        b"vnothing\0chown\0/a\x001\x001\0",
        b"w\0",
        b"wa\x000\x000\x001\0",
        b"w/a\0x\x000\x001\0",
        b"w/a\x000\x000\0",
        b"w/a\x000\x004294967296\x001\0",
        b"r/a\0b\x001\x001\0",
        b"n/a\0p\x000\x000\x000\0",
        b"n/a\0c\0-1\x000\x000\0",
        b"x/a",
        b"xa\0",
        &long,
    ];
    for bytes in hostile {
        assert!(Request::decode(bytes).is_err(), "{bytes:?}");
    }
    let mut longest = b"j/a\0".to_vec();
    longest.resize(LONGEST_REQUEST, 0);
    assert!(Request::decode(&longest).is_ok());
    longest.push(0);
    assert!(Request::decode(&longest).is_err());
    for bytes in [&b"?"[..], b"", b">x", b"~~", b"=", b"=\0\0\0\0\x09out"] {
        assert!(Reply::decode(bytes).is_err(), "{bytes:?}");
    }
}

/// Every message with a byte changed, added or taken away is read or refused.
#[test]
fn damaged_messages_do_no_harm() {
    let mut state = 1_u32;
    let mut random = |limit: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % limit
    };
    let messages: Vec<Vec<u8>> = requests()
        .iter()
        .map(encoded)
        .chain(replies().iter().map(replied))
        .collect();
    for message in messages {
        for _ in 0..2_000 {
            let mut bytes = message.clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len() + 1);
                match random(3) {
                    0 if at < bytes.len() => drop(bytes.remove(at)),
                    1 if at < bytes.len() => bytes[at] = random(256) as u8,
                    _ => bytes.insert(at, random(256) as u8),
                }
            }
            if let Ok(request) = Request::decode(&bytes) {
                let again = encoded(&request);
                assert_eq!(Request::decode(&again), Ok(request));
            }
            if let Ok(reply) = Reply::decode(&bytes) {
                assert_eq!(replied(&reply), bytes);
            }
        }
    }
}

#[test]
fn descriptions_have_two_lines() {
    let description = Description {
        triplet: b"riscv64-linux-gnu",
        machine: b"riscv64",
    };
    let mut text = Vec::new();
    description.encode(&mut |piece| text.extend_from_slice(piece));
    assert_eq!(text, b"riscv64-linux-gnu\nriscv64\n");
    assert_eq!(Description::decode(&text), description);
    assert_eq!(Description::decode(b""), Description::default());
}

#[test]
fn paths_are_below_the_private_directory() {
    assert_eq!(paths::SHIM, "/.rootless-install/shim");
    assert_eq!(
        paths::SYSROOT,
        format!("{}/{}", shim_protocol::PHANTOM_DIRECTORY, names::SYSROOT)
    );
}

#[test]
fn the_dialogue_about_scripts_comes_back() {
    use shim_protocol::dialogue::{Ended, Run};
    let runs = [
        Run {
            filter: b"\0\x01filter\0",
            command: strings(b"/var/lib/dpkg/info/a.postinst\0configure\0\0"),
            environment: strings(b"DPKG_ROOT=\0"),
        },
        Run {
            filter: b"",
            command: strings(b"/bin/sh\0"),
            environment: strings(b""),
        },
    ];
    for run in runs {
        let mut bytes = Vec::new();
        run.encode(&mut |piece| bytes.extend_from_slice(piece));
        assert_eq!(Run::decode(&bytes), Ok(run));
        for length in 0..bytes.len() {
            let _ = Run::decode(bytes.get(..length).unwrap());
        }
    }
    for hostile in [
        &b""[..],
        b"9\0",
        b"0\x009\0a\0",
        b"9999\x001\0a\0",
        b"x\x001\0a\0",
        b"0\x001\0a",
    ] {
        assert!(Run::decode(hostile).is_err(), "{hostile:?}");
    }
    for ended in [Ended::Exited(-1), Ended::Signalled(9), Ended::NotRun(2)] {
        assert_eq!(Ended::decode(ended.encode()), Ok(ended));
    }
    assert!(Ended::decode(*b"?0000").is_err());
}
