use super::*;

fn parse_with(words: &str, environment: &Defaults) -> Result<Parsed, String> {
    parse(words.split_whitespace().map(OsString::from), environment)
}

#[track_caller]
fn call(words: &str) -> Call {
    match parse_with(words, &Defaults::default()) {
        Ok(Parsed::Call(call)) => *call,
        other => panic!("{words}: {other:?}"),
    }
}

#[track_caller]
fn refused(words: &str, expected: &str) {
    match parse_with(words, &Defaults::default()) {
        Err(problem) => assert_eq!(problem, expected),
        Ok(parsed) => panic!("{words}: {parsed:?}"),
    }
}

#[test]
fn as_mmdebstrap_calls_it() {
    let call = call(
        "--force-not-root --force-script-chrootless --root=/t --log=/t/var/log/dpkg.log \
         --install --force-depends /t/a.deb /t/b.deb",
    );
    assert_eq!(call.action, Action::Install);
    assert_eq!(call.arguments, ["/t/a.deb", "/t/b.deb"]);
    assert_eq!(call.options.root, Path::new("/t"));
    assert_eq!(call.options.log, Some(PathBuf::from("/t/var/log/dpkg.log")));
    let forces = "security-mac,downgrade,not-root,script-chrootless,depends";
    assert_eq!(call.options.forces.to_string(), forces);
}

#[test]
fn as_apt_calls_it() {
    let unpack = call(
        "--root=/t --status-fd 21 --no-triggers --unpack --auto-deconfigure --recursive /tmp/apt-dpkg-install-x",
    );
    assert_eq!(unpack.action, Action::Unpack);
    assert_eq!(unpack.options.status_fds, [21]);
    assert_eq!(unpack.options.triggers, Some(false));
    assert!(unpack.options.auto_deconfigure && unpack.options.recursive);
    let configure = call("--root=/t --status-fd 21 --no-triggers --configure a:arm64 b");
    assert_eq!(configure.arguments, ["a:arm64", "b"]);
    let pending = call("--root=/t --status-fd 21 --configure --pending");
    assert!(pending.options.pending && pending.arguments.is_empty());
    assert_eq!(
        call("--assert-multi-arch").action,
        Action::Assert("multi-arch".to_owned())
    );
    let removal = call("--status-fd 4 --no-triggers --force-depends --force-remove-essential --remove a");
    assert!(removal.options.forces.has("remove-essential"));
}

#[test]
fn short_options_share_a_word() {
    let call = call("-iEGB -D2000 -R --abort-after 0x10 -- -x.deb");
    assert_eq!(call.action, Action::Install);
    let options = &call.options;
    assert!(options.skip_same && options.auto_deconfigure && options.recursive);
    assert!(!options.forces.has("downgrade"));
    assert_eq!((options.debug, options.abort_after), (0o2000, 16));
    assert_eq!(call.arguments, ["-x.deb"]);
    assert_eq!(
        super::super::parse::tests::call("-aD 77 --configure")
            .options
            .debug,
        0o77
    );
}

#[test]
fn forces_and_their_three_ways() {
    let options = call("--force-confold,confdef --refuse-downgrade --no-force-security-mac -i x.deb").options;
    assert_eq!(options.forces.to_string(), "confold,confdef");
    assert_eq!(
        call("--force breaks -i x").options.forces.to_string(),
        "security-mac,downgrade,breaks"
    );
    refused(
        "--force-all,nothing -i x",
        "unknown force/refuse option 'nothing'",
    );
    assert_eq!(call("--force-help").action, Action::ForceHelp);
}

#[test]
fn options_end_at_the_first_argument() {
    assert_eq!(
        call("--unpack a.deb --force-all").arguments,
        ["a.deb", "--force-all"]
    );
    assert_eq!(call("--unpack - x").arguments, ["-", "x"]);
}

#[test]
fn what_makes_no_sense() {
    refused("", "need an action option");
    refused("--root=/t x.deb", "need an action option");
    refused("--nonsense", "unknown option --nonsense");
    refused("-Y", "unknown option -Y");
    refused(
        "--install --unpack x",
        "conflicting actions --unpack and --install",
    );
    refused("--install=x", "--install option does not take a value");
    refused("-i=x", "-i option does not take a value");
    refused("--status-fd", "--status-fd option takes a value");
    refused("-i -D", "-D option takes a value");
    refused("-D9 -i x", "--debug requires a positive octal argument");
    refused("--status-fd=x -i y", "invalid integer for --status-fd: 'x'");
    refused("--abort-after -1 -i y", "invalid integer for --abort-after: '-1'");
    refused("--admin x -i y", "--admin is not done by rootless-install");
    // In a view of the target only.
    assert_eq!(
        call("--pre-invoke=x -i y").options.unsupported(),
        Some("pre-invoke")
    );
    assert_eq!(
        call("--status-logger=x -i y").options.unsupported(),
        Some("status-logger")
    );
    assert_eq!(call("-i y").options.unsupported(), None);
    assert!(!call("--dry-run -i y").options.act && call("-i y").options.act);
}

#[test]
fn one_place_for_files_and_database() {
    assert_eq!(call("--audit").options.root, Path::new("/"));
    assert_eq!(
        call("--admindir=/t/var/lib/dpkg/ -C").options.root,
        Path::new("/t")
    );
    assert_eq!(
        call("--instdir=/t --admindir /t//var/lib/dpkg -C").options.root,
        Path::new("/t")
    );
    assert_eq!(
        call("--admindir=/x/var/lib/dpkg --root /t -C").options.root,
        Path::new("/t")
    );
    assert_eq!(call("--admindir=/t/var/lib/dpkg/ -C").options.admindir, None);
    let elsewhere = call("--instdir=/t --admindir=/db -C").options;
    assert_eq!(elsewhere.root, Path::new("/t"));
    assert_eq!(elsewhere.admindir.as_deref(), Some(Path::new("/db")));
    let alone = call("--admindir=/db -C").options;
    assert_eq!(alone.root, Path::new("/"));
    assert_eq!(alone.admindir.as_deref(), Some(Path::new("/db")));
    let environment = Defaults {
        root: Some("/e".into()),
        ..Defaults::default()
    };
    let root = |words| match parse_with(words, &environment) {
        Ok(Parsed::Call(call)) => call.options.root,
        other => panic!("{other:?}"),
    };
    assert_eq!(root("-C"), Path::new("/e"));
    assert_eq!(root("-C --root=/t"), Path::new("/t"));
}

#[test]
fn archives_are_left_to_dpkg_deb() {
    match parse_with("-x a.deb /t", &Defaults::default()) {
        Ok(Parsed::Backend(arguments)) => assert_eq!(arguments, ["--extract", "--", "a.deb", "/t"]),
        other => panic!("{other:?}"),
    }
}
