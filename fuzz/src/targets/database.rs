//! dpkg's database in a target.

use std::fs;
use std::path::{Path, PathBuf};

use deb_unpack::{Context, Layering};
use dpkg_db::Database;
use rootless_install_fs::Target as Root;

use super::{Spec, Target, nothing, outcome};

pub(super) const DATABASE: Spec = Spec {
    name: "database",
    what: "dpkg's database: status, journal, diversions, overrides, triggers, lists; read, written, and read again",
    open: |directory| Box::new(Reader(directory.join("root"))),
    seeds: || vec![SEED.into()],
    mend: nothing,
};

/// The files of an input, each after a line with its name.
const SEED: &str = "%%status\nPackage: a\nStatus: install ok installed\nPriority: required\nMaintainer: caf\u{e9} <a@example.org>\n\
    Architecture: riscv64\nMulti-Arch: same\nVersion: 1:2-3\nDepends: b (>= 1)\nConffiles:\n /etc/a d41d8cd98f00b204e9800998ecf8427e\n \
    /etc/b newconffile obsolete\nTriggers-Pending: x\n\nPackage: b\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n\
    Triggers-Awaited: a\nConfig-Version: 0\n%%updates/0000\nPackage: c\nStatus: install ok unpacked\nArchitecture: amd64\nVersion: 3\n\n#padding\n\
    %%arch\nriscv64\namd64\n%%diversions\n/usr/a\n/usr/a.d\nx\n%%statoverride\nroot root 4755 /usr/a\n#0 #3 755 /x\n\
    %%triggers/File\n/usr/share/x a:riscv64/noawait\n%%triggers/x\nb/noawait\n%%triggers/Unincorp\nx a -\n%%info/a:riscv64.list\n/.\n/usr\n/usr/a\n\
    %%info/format\n1\n";

struct Reader(PathBuf);

impl Reader {
    fn load(&self, input: &[u8]) -> Result<usize, Box<dyn std::error::Error>> {
        let admin = self.0.join("var/lib/dpkg");
        for directory in ["updates", "triggers", "info"] {
            fs::create_dir_all(admin.join(directory))?;
        }
        let mut name = "status".to_owned();
        let mut content = Vec::new();
        let put = |name: &str, content: &[u8]| {
            let plain = name.split('/').all(|part| !matches!(part, "" | "." | "..")) && !name.contains('\0');
            // Names are those of dpkg, not of the input.
            if plain && name.len() < 100 {
                let _ = fs::write(admin.join(name), content);
            }
        };
        for line in input.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_prefix(b"%%") {
                Some(next) => {
                    put(&name, &content);
                    name = String::from_utf8_lossy(next.trim_ascii()).into_owned();
                    content.clear();
                }
                None => content.extend_from_slice(line),
            }
        }
        put(&name, &content);
        let root = Root::open(&self.0)?;
        let mut database = Database::load(&root, "riscv64")?;
        drop(Context::load(&root, &database, Layering::Dpkg));
        database.save(&root)?;
        let again = Database::load(&root, "riscv64");
        match again {
            Ok(again) => Ok(again.packages().count()),
            Err(error) => panic!("what was written cannot be read: {error}"),
        }
    }
}

impl Target for Reader {
    fn read(&mut self, input: &[u8]) -> String {
        let done = self.load(input);
        let _ = fs::remove_dir_all(&self.0);
        let there = Path::new(&self.0).exists();
        format!("{} {there}", outcome(done, |number| number))
    }
}
