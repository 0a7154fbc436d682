use super::*;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

#[test]
fn messages_survive_the_wire() {
    let run = ToAgent::Run {
        arguments: vec!["/bin/sh".into(), String::new(), "two words".into()],
        environment: vec![("PATH".into(), "/bin".into()), ("EMPTY".into(), String::new())],
        processor: Some(7),
    };
    let free = ToAgent::Run {
        arguments: Vec::new(),
        environment: Vec::new(),
        processor: None,
    };
    let command = ToAgent::Command(Command {
        arguments: vec!["sh".into(), OsString::from_vec(b"\xff".to_vec()), OsString::new()],
        environment: vec![("A".into(), OsString::new()), ("B".into(), "=".into())],
        directory: "/tmp".into(),
        user: User {
            uid: 1000,
            gid: 100,
            groups: vec![100, 4],
        },
        standard: [Standard::Terminal, Standard::Given, Standard::Given],
    });
    let short = [
        ToAgent::Serving,
        ToAgent::Populate,
        ToAgent::Spread,
        ToAgent::Kill,
        ToAgent::Signal(15),
        command,
    ];
    let mapped = [Vec::new(), vec!["|0|".into(), "|1|".into()]].map(|handlers| ToAgent::Mapped { handlers });
    let points = [None, Some(PathBuf::from(OsStr::from_bytes(b"/na\xefve")))].map(|path| {
        ToAgent::Points(MountPoints {
            target: "/target".into(),
            private: "/private".into(),
            native_system: path.clone(),
            native_root: path.clone(),
            layer: path.clone(),
            admin: path.clone(),
            around: Some("/work".into()),
            running: Running {
                proc: false,
                dev: true,
            },
            terminal: match path {
                Some(_) => OnTerminal::All,
                None => OnTerminal::Input,
            },
            machine: path.is_some().then(|| "s390x".to_owned()),
            host_network: path.is_some(),
            read_only: path.is_none(),
            binds: path
                .iter()
                .map(|path| BindPoint {
                    mount_point: "/m".into(),
                    file: Some("f".into()),
                    to: path.clone(),
                    read_only: true,
                })
                .collect(),
            resolver: path,
        })
    });
    let all = short.into_iter().chain(mapped).chain(points);
    for message in all.chain([run, free]) {
        let mut wire = Vec::new();
        message.send(&mut wire).unwrap();
        assert_eq!(ToAgent::receive(&mut wire.as_slice()).unwrap(), message);
    }
    let failed = FromAgent::Failed {
        action: "mount".into(),
        reason: "no".into(),
        errno: 1,
    };
    let mounted = [true, false].map(|handled| FromAgent::Mounted { handled });
    for message in [
        FromAgent::Unshared,
        FromAgent::Ready,
        FromAgent::Terminal,
        FromAgent::NotFound,
        failed,
    ]
    .into_iter()
    .chain(mounted)
    .chain([
        FromAgent::Exited(-1),
        FromAgent::Signalled(9),
        FromAgent::NotRun("x".into()),
    ]) {
        let mut wire = Vec::new();
        message.send(&mut wire).unwrap();
        assert_eq!(FromAgent::receive(&mut wire.as_slice()).unwrap(), message);
    }
}

#[test]
fn garbage_is_an_error() {
    for wire in [
        &b"\xff\xff\xff\xff"[..],
        b"\x01\x00\x00\x00\xff\xff\xff\x7f",
        b"\x01\x00\x00",
        b"\x00\x00\x00\x00",
    ] {
        assert!(ToAgent::receive(&mut &*wire).is_err());
        assert!(FromAgent::receive(&mut &*wire).is_err());
    }
}
