//! Files that the user writes, or has from others.

use std::fs;
use std::path::{Path, PathBuf};

use deb_archive::FetchOptions;
use rootless_install::{bdebstrap, cli, multistrap, package_lock::PackageLock, preseed::Selections, recipe};

use super::{Spec, Target, nothing, outcome};

pub(super) const RECIPE: Spec = Spec {
    name: "recipe",
    what: "a recipe and what it includes, laid over one another, and the installations of it",
    open: |directory| {
        let options = cli::recipe_options();
        let path = directory.join("input.toml");
        // What seeds name besides.
        let _ = fs::write(directory.join("key.pub"), KEY);
        let _ = fs::write(
            directory.join("other.toml"),
            "arch = \"riscv64\"\ninclude = [\"nano\"]\n",
        );
        Box::new(File(path, move |path: &Path| {
            let made =
                recipe::Recipe::read(path, &options).and_then(|recipe| recipe.installations(&options, &[]));
            let size = |made: Vec<recipe::Installation>| {
                let lines = made.iter().flat_map(|one| {
                    let outputs = one.outputs.iter().map(|output| one.command_line(output));
                    outputs.collect::<Vec<_>>()
                });
                lines.map(|line| line.len()).sum()
            };
            outcome(made, size)
        }))
    },
    seeds: || vec![RECIPE_TEXT.into()],
    mend: nothing,
};

pub(super) const BDEBSTRAP: Spec = Spec {
    name: "bdebstrap",
    what: "a configuration of bdebstrap, which becomes a recipe",
    open: |directory| {
        let path = directory.join("input.yaml");
        Box::new(File(path, |path: &Path| {
            outcome(bdebstrap::convert(path), |made| {
                made.text.len() + made.warnings.len()
            })
        }))
    },
    seeds: || vec![BDEBSTRAP_TEXT.into()],
    mend: nothing,
};

pub(super) const MULTISTRAP: Spec = Spec {
    name: "multistrap",
    what: "a configuration of multistrap, what it includes, and what this program makes of it",
    open: |directory| {
        let cache = directory.join("cache");
        Box::new(File(directory.join("input.conf"), move |path: &Path| {
            let made = multistrap::read(path)
                .and_then(|files| multistrap::Configuration::new(&files, &multistrap::Overrides::default()))
                .and_then(|configuration| {
                    let summary = multistrap::summary(&configuration)?;
                    // The package of a key is looked for in this machine's archives.
                    if !summary.to_lowercase().contains("keyring") {
                        multistrap::Translation::new(&configuration, FetchOptions::new(&cache))?;
                    }
                    Ok(summary.len())
                });
            outcome(made, |size| size)
        }))
    },
    seeds: || {
        let without = MULTISTRAP_TEXT.replace("keyring=debian-archive-keyring\n", "");
        vec![MULTISTRAP_TEXT.into(), without.into()]
    },
    mend: nothing,
};

pub(super) const LOCK: Spec = Spec {
    name: "lock",
    what: "a lock, its sources and its packages as indexes",
    open: |directory| {
        Box::new(File(directory.join("input.json"), |path: &Path| {
            let made = PackageLock::read(path).and_then(|lock| {
                lock.lists()?;
                Ok(lock.indexes()?.len())
            });
            outcome(made, |size| size)
        }))
    },
    seeds: || vec![LOCK_TEXT.into()],
    mend: nothing,
};

pub(super) const PRESEED: Spec = Spec {
    name: "preseed",
    what: "answers for debconf",
    open: |directory| {
        Box::new(File(directory.join("input"), |path: &Path| {
            outcome(Selections::read(path), |_| 1)
        }))
    },
    seeds: || vec![b"# c\ntzdata tzdata/Areas select Etc\nd-i a/b \\\n string x\na a/c seen true\n".into()],
    mend: nothing,
};

/// A public key of OpenSSH.
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHoNTPE4SZ6c9b3nAOiHZtYTr9BTCE7P3x8wQRVkq4Vc anna@example.org\n";

const RECIPE_TEXT: &str = r#"arch = "arm64"
include = ["other.toml", "systemd-sysv", "openssh-server"]
suite = "trixie"
hostname = "board-{arch}"
enable = ["ssh.service"]
customize-hook = ["echo a", "echo \"b\""]
env = { A = "b", SOURCE_DATE_EPOCH = "1" }

[[user]]
name = "anna"
groups = ["sudo"]
password-hash = "$6$board$tkLDmeAD"
ssh-keys = ["key.pub"]

[[group]]
name = "people"
gid = 1234

[[file]]
path = "/etc/a"
content = """
a
b"""
mode = "0440"
owner = "1:anna"

[[network]]
interface = "en*"
dhcp = "yes"
address = ["192.0.2.1/24"]

[[output]]
target = "board-{arch}-{suite}.img"
free = "256M"

[matrix]
arch = ["arm64", "riscv64"]
suite = ["trixie", "forky"]

[for.riscv64]
include = ["linux-image-riscv64"]
"#;

const BDEBSTRAP_TEXT: &str = "---\nname: example # c\nenv:\n  A: b\nmmdebstrap:\n  architectures:\n    - riscv64\n  suite: trixie\n  \
    mirrors: [\"deb http://mirror.example.org/debian trixie main\", 'x']\n  install-recommends: true\n  customize-hooks:\n    - |\n      \
    echo a\n      echo b\n    - >-\n      folded\n      text\n  packages: &p\n    - ifupdown\n  variant: important\n  target: a.tar\n";

const MULTISTRAP_TEXT: &str = "# c\n[General]\narch=riscv64\ndirectory=/x/y/\nbootstrap=Debian Ports\naptsources=Debian\n\
    cleanup=true\nnoauth=false\nunpack=true\nmarkauto=true\nomitrequired=false\nretainsources=/x/s\ndebconfseed=\nexplicitsuite=false\n\
    [Debian]\npackages=dpkg apt adduser\nsource=http://mirror.example.org/debian\nkeyring=debian-archive-keyring\nsuite=trixie\n\
    components=main contrib\nomitdebsrc=true\n[Ports]\npackages=hello\nsource=copy:/srv/debs ./\nsuite=unstable\nadditional=a\n";

const LOCK_TEXT: &str = r#"{"form": 1,
"request": {"architectures": ["riscv64", "amd64"], "suite": "trixie", "variant": "minbase", "include": ["hello"], "merged_usr": "auto",
  "recommends": false, "solver": "3.0", "mmdebstrap": "1.5.7"},
"sources": [{"deb822": false, "path": "etc/apt/sources.list.d/a.list", "lines": ["deb http://mirror.example.org/debian trixie main"]}],
"releases": [{"url": "http://mirror.example.org/debian/dists/trixie/InRelease", "date": "Sat, 12 Sep 2026 07:55:41 UTC",
  "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}],
"indexes": [{"base": "http://mirror.example.org/debian/", "suite": "trixie", "archive": "stable", "codename": "trixie", "component": "main",
  "architecture": "riscv64", "priority": 500, "label": "Debian", "origin": "Debian"}],
"packages": [{"name": "hello", "version": "2.10-3", "architecture": "riscv64", "index": 0, "filename": "pool/h/hello.deb", "size": 3,
  "hash": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "fields": {"Depends": "libc6 (>= 2.34)", "Essential": "yes"}}]}
"#;

/// What is read as a file.
struct File<R>(PathBuf, R);

impl<R: Fn(&Path) -> String> Target for File<R> {
    fn read(&mut self, input: &[u8]) -> String {
        if let Err(error) = fs::write(&self.0, input) {
            return error.to_string();
        }
        self.1(&self.0)
    }
}
