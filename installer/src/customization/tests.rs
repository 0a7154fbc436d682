use super::*;
use rootless_install_fs::{FileType, Meta, Target};
use script_host::SessionError;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHoNTPE4SZ6c9b3nAOiHZtYTr9BTCE7P3x8wQRVkq4Vc anna";

/// Notes the programs that are run, and lets those fail that are named.
#[derive(Default)]
struct Noted {
    commands: Vec<String>,
    fails: Option<&'static str>,
}

impl Programs for Noted {
    fn run(&mut self, command: &[&str]) -> Result<Ran, SessionError> {
        self.commands.push(command.join(" "));
        let fails = self.fails.is_some_and(|name| command.first() == Some(&name));
        Ok(Ran {
            failure: fails.then(|| "failed with exit status 9".to_owned()),
            last_lines: vec!["why".to_owned()],
        })
    }
}

struct Nothing;

impl task_progress::Reporter for Nothing {
    fn event(&self, _: &task_progress::Event<'_>) {}
}

/// A target with accounts and the programs that are named.
fn target(programs: &[&str]) -> (tempfile::TempDir, Target) {
    let directory = tempfile::tempdir().unwrap();
    let target = Target::open(directory.path()).unwrap();
    for path in [
        "/etc",
        "/usr",
        "/usr/sbin",
        "/usr/lib",
        "/usr/lib/systemd",
        "/root",
    ] {
        target
            .make_dir(Path::new(path), &Meta::of_root(FileType::Directory, 0o755))
            .unwrap();
    }
    let file = Meta::of_root(FileType::Regular, 0o644);
    let passwd = b"root:x:0:0::/root:/bin/sh\nanna:x:1000:1001::/home/anna:/bin/sh\n";
    target.write(Path::new("/etc/passwd"), passwd, &file).unwrap();
    target
        .write(
            Path::new("/etc/group"),
            b"root:x:0:\nsudo:x:27:\nanna:x:1001:\n",
            &file,
        )
        .unwrap();
    for program in programs {
        let path = match program.strip_prefix('/') {
            Some(_) => (*program).to_owned(),
            None => format!("/usr/sbin/{program}"),
        };
        target.write(Path::new(&path), b"", &file).unwrap();
    }
    (directory, target)
}

fn made(customization: &Customization, target: &Target, programs: &mut Noted) -> Result<(), String> {
    customization.check().map_err(|wrong| wrong.to_string())?;
    apply(customization, target, Some(programs), &Nothing).map_err(|error| match error.hint() {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    })
}

fn user(text: &str) -> Result<User, Wrong> {
    let mut user: User = from_words("name", text)?;
    user.complete(Path::new("/nowhere"))?;
    Ok(user)
}

fn read(target: &Target, path: &str) -> String {
    String::from_utf8(target.read(Path::new(path)).unwrap()).unwrap()
}

#[test]
fn words_have_the_fields_of_tables() {
    let anna = user("anna:uid=1000:groups=sudo,video:system=no:comment=A B").unwrap();
    assert_eq!((anna.uid, anna.system, anna.groups.len()), (Some(1000), false, 2));
    assert!(user("x:system").unwrap().system);
    let network: Network = from_words(
        "interface",
        "eth0:address=2001:db8::2/64,192.0.2.2/24:gateway=2001:db8::1:dns=::1",
    )
    .unwrap();
    network.check().unwrap();
    assert_eq!(network.address, ["2001:db8::2/64", "192.0.2.2/24"]);
    assert_eq!(network.gateway, ["2001:db8::1"]);
    for (text, said) in [
        ("anna:uid=x", "uid: `x` is no number"),
        (
            "anna:gruops=a",
            "gruops: there is no such key; did you mean `groups`?",
        ),
        ("anna:uid=1:uid=2", "uid: is there twice"),
        ("An na", "name: `An na` is no name"),
        ("anna:shell=sh", "shell: `sh` is no absolute path"),
        ("anna:password-hash=secret", "password-hash: this is no hash"),
        (
            "anna:ssh-keys=nothing.pub",
            "ssh-keys: cannot read /nowhere/nothing.pub",
        ),
    ] {
        let error = user(text).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn users_are_made_by_the_targets_programs() {
    let (_directory, target) = target(&["useradd", "usermod", "groupadd"]);
    let mut all = Customization::default();
    all.groups.push(from_words("name", "staff:gid=50").unwrap());
    all.users
        .push(user("berta:groups=sudo:uid=1005:password-hash=$6$a$b").unwrap());
    all.users.push(user("anna:shell=/bin/zsh").unwrap());
    all.users.push(user("daemon1:system").unwrap());
    all.add_key(&format!("anna={KEY}")).unwrap();
    all.add_key(&format!("root={KEY}")).unwrap();
    assert!(
        all.add_key(KEY)
            .unwrap_err()
            .to_string()
            .contains("several users")
    );
    let mut programs = Noted::default();
    made(&all, &target, &mut programs).unwrap();
    assert_eq!(
        programs.commands,
        [
            "groupadd --gid 50 staff",
            "useradd --create-home --groups sudo --shell /bin/bash --uid 1005 --password $6$a$b berta",
            "usermod --shell /bin/zsh anna",
            "useradd --system --shell /usr/sbin/nologin daemon1",
        ]
    );
    let keys = target.stat(Path::new("/home/anna/.ssh/authorized_keys")).unwrap();
    assert_eq!(
        (keys.meta.uid, keys.meta.gid, keys.meta.mode),
        (1000, 1001, 0o600)
    );
    assert_eq!(read(&target, "/root/.ssh/authorized_keys"), format!("{KEY}\n"));

    let mut fails = Noted {
        fails: Some("useradd"),
        ..Noted::default()
    };
    let error = made(&all, &target, &mut fails).unwrap_err();
    assert!(
        error.contains("user berta: useradd failed with exit status 9\n  why"),
        "{error}"
    );
}

#[test]
fn what_a_target_lacks_is_named() {
    let (_directory, target) = target(&[]);
    let of = |change: &dyn Fn(&mut Customization)| {
        let mut all = Customization::default();
        change(&mut all);
        made(&all, &target, &mut Noted::default()).unwrap_err()
    };
    let error = of(&|all| all.users.push(user("berta").unwrap()));
    assert!(
        error.contains("user berta: the target has no program useradd") && error.contains("passwd"),
        "{error}"
    );
    let error = of(&|all| all.users.push(user("berta:groups=video").unwrap()));
    assert!(error.contains("the target has no group video"), "{error}");
    let error = of(&|all| all.timezone = Some("Europe/Berlin".to_owned()));
    assert!(error.contains("install tzdata"), "{error}");
    let error = of(&|all| all.locale = Some("de_DE.UTF-8".to_owned()));
    assert!(error.contains("install locales"), "{error}");
    let error = of(&|all| all.enable = vec!["ssh".to_owned()]);
    assert!(error.contains("install systemd"), "{error}");
    let error = of(&|all| all.networks = vec![from_words("interface", "eth0").unwrap()]);
    assert!(error.contains("systemd-networkd"), "{error}");
    let error = of(&|all| {
        all.files = vec![FileEntry {
            path: "/etc/x".to_owned(),
            content: Some(String::new()),
            owner: Some("nobody".to_owned()),
            ..FileEntry::default()
        }]
    });
    assert!(
        error.contains("file /etc/x: the target has no user \"nobody\""),
        "{error}"
    );
}

#[test]
fn no_path_leads_out() {
    let (directory, target) = target(&[]);
    let outside = tempfile::tempdir().unwrap();
    let link = Meta::of_root(FileType::Symlink, 0o777);
    let to = outside.path().join("x");
    target
        .make_symlink(Path::new("/away"), outside.path(), &link)
        .unwrap();
    target
        .make_symlink(Path::new("/up"), Path::new("../../../../etc"), &link)
        .unwrap();
    target.make_symlink(Path::new("/etc/last"), &to, &link).unwrap();
    let put = |path: &str| {
        let file = FileEntry {
            path: path.to_owned(),
            content: Some("x".to_owned()),
            ..FileEntry::default()
        };
        let all = Customization {
            files: vec![file],
            ..Customization::default()
        };
        made(&all, &target, &mut Noted::default())
    };
    // The link leads to a place in the target that is not there.
    assert!(put("/away/file").is_err());
    put("/up/file").unwrap();
    assert_eq!(std::fs::read(directory.path().join("etc/file")).unwrap(), b"x");
    // A link at the end is replaced.
    put("/etc/last").unwrap();
    assert_eq!(
        target.stat(Path::new("/etc/last")).unwrap().meta.kind,
        FileType::Regular
    );
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    for wrong in ["/x/../../y", "relative", "/etc"] {
        assert!(put(wrong).is_err(), "{wrong}");
    }
    // Keys go to where the target's own file says that the home is.
    let passwd = format!(
        "evil:x:0:0::{}:/bin/sh\nworse:x:0:0::/../../tmp:/bin/sh\n",
        outside.path().display()
    );
    let file = Meta::of_root(FileType::Regular, 0o644);
    target
        .write(Path::new("/etc/passwd"), passwd.as_bytes(), &file)
        .unwrap();
    for name in ["evil", "worse"] {
        let mut all = Customization::default();
        all.add_key(&format!("{name}={KEY}")).unwrap();
        let done = made(&all, &target, &mut Noted::default());
        assert_eq!(done.is_ok(), name == "evil", "{done:?}");
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn trees_are_copied_as_git_has_them() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_directory, target) = target(&[]);
    let source = tempfile::tempdir().unwrap();
    std::fs::create_dir(source.path().join("etc")).unwrap();
    for (name, mode) in [("etc/plain", 0o600), ("etc/program", 0o700)] {
        std::fs::write(source.path().join(name), name).unwrap();
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(source.path().join(name), mode).unwrap();
    }
    std::os::unix::fs::symlink("plain", source.path().join("etc/link")).unwrap();
    let mut file = FileEntry::of_copy(&format!("{}:/", source.path().display())).unwrap();
    file.complete(Path::new("")).unwrap();
    let single = source.path().join("etc/plain");
    let mut other = FileEntry::of_copy(&format!("{}:/srv/", single.display())).unwrap();
    other.complete(Path::new("")).unwrap();
    let all = Customization {
        files: vec![file, other],
        ..Customization::default()
    };
    made(&all, &target, &mut Noted::default()).unwrap();
    let mode = |path: &str| target.stat(Path::new(path)).unwrap().meta.mode;
    assert_eq!(
        (mode("/etc/plain"), mode("/etc/program"), mode("/etc")),
        (0o644, 0o755, 0o755)
    );
    assert_eq!(
        target.read_link(Path::new("/etc/link")).unwrap(),
        Path::new("plain")
    );
    assert_eq!(read(&target, "/srv/plain"), "etc/plain");
}

#[test]
fn networks_are_told_to_what_there_is() {
    let networks: Vec<Network> = [
        "eth0:address=192.0.2.2/24,2001:db8::2/64:gateway=192.0.2.1:dns=192.0.2.53",
        "eth1",
    ]
    .iter()
    .map(|text| from_words("interface", text).unwrap())
    .collect();
    let all = Customization {
        networks,
        ..Customization::default()
    };
    let (_directory, networkd) = target(&["/usr/lib/systemd/systemd-networkd", "systemctl"]);
    let mut programs = Noted::default();
    made(&all, &networkd, &mut programs).unwrap();
    assert_eq!(programs.commands, ["systemctl enable systemd-networkd.service"]);
    assert_eq!(
        read(&networkd, "/etc/systemd/network/10-eth0.network"),
        "[Match]\nName=eth0\n\n[Network]\nDHCP=no\nAddress=192.0.2.2/24\nAddress=2001:db8::2/64\nGateway=192.0.2.1\nDNS=192.0.2.53\n"
    );
    assert!(read(&networkd, "/etc/systemd/network/11-eth1.network").contains("DHCP=yes"));
    assert_eq!(read(&networkd, "/etc/resolv.conf"), "nameserver 192.0.2.53\n");

    let (_directory, ifupdown) = target(&["ifup", "dhcpcd"]);
    made(&all, &ifupdown, &mut Noted::default()).unwrap();
    assert_eq!(
        read(&ifupdown, "/etc/network/interfaces.d/eth0"),
        "auto eth0\niface eth0 inet static\n\taddress 192.0.2.2/24\n\tgateway 192.0.2.1\n\tdns-nameservers 192.0.2.53\n\
         iface eth0 inet6 static\n\taddress 2001:db8::2/64\n"
    );
    assert_eq!(
        read(&ifupdown, "/etc/network/interfaces.d/eth1"),
        "auto eth1\niface eth1 inet dhcp\niface eth1 inet6 dhcp\n"
    );
    let (_directory, without_client) = target(&["ifup"]);
    let error = made(&all, &without_client, &mut Noted::default()).unwrap_err();
    assert!(error.contains("dhcpcd-base"), "{error}");
}

#[test]
fn host_keys_are_made_by_a_unit_that_makes_them() {
    for (condition, written) in [("ConditionFirstBoot=yes\n", true), ("", false)] {
        let (_directory, target) = target(&["sshd"]);
        for path in ["/usr/lib", "/usr/lib/systemd", "/usr/lib/systemd/system"] {
            let made = target.make_dir(Path::new(path), &Meta::of_root(FileType::Directory, 0o755));
            assert!(made.is_ok() || target.stat(Path::new(path)).is_ok());
        }
        let unit = format!("[Unit]\n{condition}[Service]\nExecStart=ssh-keygen -A\n");
        let file = Meta::of_root(FileType::Regular, 0o644);
        let path = Path::new("/usr/lib/systemd/system/sshd-keygen.service");
        target.write(path, unit.as_bytes(), &file).unwrap();
        let all = Customization {
            host_keys: Some(HostKeys::Remove),
            ..Customization::default()
        };
        made(&all, &target, &mut Noted::default()).unwrap();
        let own = Path::new("/etc/systemd/system/ssh.service.requires/ssh-host-keys.service");
        assert_eq!(target.stat(own).is_ok(), written, "{condition}");
    }
}

#[test]
fn the_systems_name_and_identity() {
    let (_directory, target) = target(&["sshd"]);
    let file = Meta::of_root(FileType::Regular, 0o600);
    target
        .make_dir(Path::new("/etc/ssh"), &Meta::of_root(FileType::Directory, 0o755))
        .unwrap();
    for name in ["ssh_host_rsa_key", "ssh_host_rsa_key.pub", "ssh_config"] {
        target
            .write(&Path::new("/etc/ssh").join(name), b"", &file)
            .unwrap();
    }
    let all = Customization {
        hostname: Some("board.example.org".to_owned()),
        host_keys: Some(HostKeys::Remove),
        ..Customization::default()
    };
    made(&all, &target, &mut Noted::default()).unwrap();
    assert_eq!(target.read_dir(Path::new("/etc/ssh")).unwrap(), ["ssh_config"]);
    assert!(read(&target, "/etc/systemd/system/ssh-host-keys.service").contains("ssh-keygen -A"));
    assert_eq!(read(&target, "/etc/hostname"), "board.example.org\n");
    assert!(read(&target, "/etc/hosts").contains("127.0.1.1\tboard.example.org board\n"));
    for (word, content) in [
        ("empty", Some("")),
        ("uninitialized", Some("uninitialized\n")),
        ("absent", None),
    ] {
        finish(Some(&MachineId::parse(word).unwrap()), &target).unwrap();
        let data = target.read(Path::new("/etc/machine-id")).ok();
        assert_eq!(data.as_deref(), content.map(str::as_bytes), "{word}");
    }
    let id = "0123456789abcdef0123456789abcdef";
    finish(Some(&MachineId::parse(id).unwrap()), &target).unwrap();
    assert_eq!(read(&target, "/etc/machine-id"), format!("{id}\n"));
    assert!(MachineId::parse("0123").is_err());
}
