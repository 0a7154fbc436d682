//! Users and groups of recipes: as root makes them with the same programs, and the same bytes in every format.

use std::path::Path;

use rootless_install_tests::listing::{Facts, entries};
use rootless_install_tests::packing::{text, told};
use rootless_install_tests::program::which;
use rootless_install_tests::real::{EPOCH, Real};
use rootless_install_tests::scenario;

type Tested<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// What the recipe asks for.
const TABLES: &str = r#"
variant = "essential"
include = ["passwd"]

[[group]]
name = "team"
gid = 1500

[[group]]
name = "machines"
system = true

[[user]]
name = "anna"
comment = "Anna"
groups = ["team", "users"]
password-hash = "$6$salt$HASH"

[[user]]
name = "bob"
uid = 2000
group = "team"
home = "/srv/people/bob"
shell = "/bin/sh"

[[user]]
name = "service"
system = true
home = "/var/lib/service"

[[user]]
name = "carl"

[[user]]
name = "root"
password-hash = "$6$salt$ROOT"
"#;

/// The same, as root does it.
const AS_ROOT: &str = "set -e
mkdir /srv/people
groupadd --gid 1500 team
groupadd --system machines
useradd --create-home --groups team,users --shell /bin/bash --comment Anna anna
echo 'anna:$6$salt$HASH' | chpasswd --encrypted
useradd --create-home --home-dir /srv/people/bob --shell /bin/sh --uid 2000 --gid team bob
useradd --system --home-dir /var/lib/service --shell /usr/sbin/nologin service
useradd --create-home --shell /bin/bash carl
echo 'root:$6$salt$ROOT' | chpasswd --encrypted
";

/// Returns the facts of accounts and homes in a tar, but for times.
fn accounts(tar: &Path) -> Tested<Vec<(String, Facts)>> {
    let is_of_accounts = |name: &str| {
        ["home", "srv", "var/lib/service", "var/mail"]
            .iter()
            .any(|place| name.starts_with(place))
            || ["passwd", "shadow", "group", "gshadow", "subuid", "subgid"]
                .iter()
                .any(|file| name == format!("etc/{file}"))
    };
    let mut found: Vec<(String, Facts)> = entries(tar)?
        .into_iter()
        .filter(|(name, _)| is_of_accounts(name))
        .collect();
    for (_, facts) in &mut found {
        facts.retain(|name, _| name != "mtime");
    }
    Ok(found)
}

scenario!(
    /// Without emulation and without root the files of accounts and the homes are those that root's programs make.
    as_root_makes_them, REAL_ROOT, alone, {
    let real = Real::new()?;
    let work = &real.work;
    let cache = work.path("cache");
    let ours = work.write("home/ours.toml", format!("arch = \"riscv64\"\ntarget = \"ours.tar\"\n{TABLES}").as_bytes())?;
    real.build(&ours, &cache, &[]).end()?.succeeded();
    let native = text("dpkg", &[&"--print-architecture"])?;
    let plain = format!("arch = \"{}\"\ntarget = \"plain.tar\"\nvariant = \"essential\"\ninclude = [\"passwd\"]\n", native.trim());
    let plain = work.write("home/plain.toml", plain.as_bytes())?;
    real.build(&plain, &cache, &[]).end()?.succeeded();
    let home = work.path("home");
    let root = work.make_dir("root")?;
    let root = root.as_path();
    std::os::unix::fs::chown(root, Some(0), Some(0))?;
    told("tar", &[&"--numeric-owner", &"--exclude=./dev/*", &"-xpf", &home.join("plain.tar"), &"-C", &root])?;
    let done = std::process::Command::new(which("chroot").ok_or("no chroot")?)
        .arg(root)
        .args(["/bin/sh", "-c", AS_ROOT])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("SOURCE_DATE_EPOCH", EPOCH.to_string())
        .output()?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let theirs = work.path("theirs.tar");
    told("tar", &[&"--numeric-owner", &"-cf", &theirs, &"-C", &root, &"."])?;
    let ours = home.join("ours.tar");
    for file in ["passwd", "shadow", "group", "gshadow", "subuid", "subgid"] {
        let read = |tar: &Path| text("tar", &[&"-xOf", &tar, &format!("./etc/{file}")]);
        assert_eq!(read(&ours)?, read(&theirs)?, "/etc/{file}");
    }
    let (ours, theirs) = (accounts(&ours)?, accounts(&theirs)?);
    assert!(theirs.iter().any(|(name, _)| name == "home/carl/.bashrc"), "{theirs:?}");
    assert!(theirs.iter().any(|(name, _)| name == "srv/people/bob/.profile"));
    assert_eq!(ours, theirs);
});

scenario!(
    /// Each format of a recipe's results is the same bytes when root makes it, elsewhere, with another umask, time zone and locale.
    the_same_bytes_in_every_format, REAL_ROOT, alone, {
    let real = Real::new()?;
    let work = &real.work;
    let results = [
        ("a.tar", ""), ("a.tar.zst", ""), ("a.cpio.gz", ""), ("a.squashfs", ""), ("a.ext4", "free = \"64M\"\n"),
        ("a.oci", "oci-attach = [\"spdx\", \"provenance\"]\n"), ("a.docker.tar", ""),
        ("a.img", "bootloader = \"none\"\nswap = \"64M\"\n"), ("a.qcow2", "bootloader = \"none\"\nroot-format = \"ext2\"\n"),
    ];
    let mut recipe = format!("arch = \"riscv64\"\nhostname = \"same\"\nmachine-id = \"empty\"\n{TABLES}");
    for (name, options) in results {
        recipe += &format!("\n[[output]]\ntarget = \"{name}\"\n{options}");
    }
    let recipe = work.write("home/recipe.toml", recipe.as_bytes())?;
    real.build(&recipe, &work.path("cache"), &[]).end()?.succeeded();
    let elsewhere = tempfile::Builder::new().prefix("ri-").tempdir_in("/dev/shm")?;
    let place = elsewhere.path();
    real.build(&recipe, &place.join("cache"), &[])
        .as_root()
        .env("TZ", "Pacific/Auckland")
        .env("LC_ALL", "tr_TR.UTF-8")
        .env("TMPDIR", place)
        .through(format!("cd {} && umask 077 && exec \"$@\"", place.display()))
        .end()?
        .succeeded();
    for (name, _) in results {
        let (first, second) = (std::fs::read(work.path("home").join(name))?, std::fs::read(place.join(name))?);
        assert!(first == second, "{name} is another one");
    }
});
