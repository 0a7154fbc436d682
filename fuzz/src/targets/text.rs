//! Control data and its relatives.

use std::fs;
use std::path::{Path, PathBuf};

use apt_solve::{DEFAULT_PRIORITY, IndexInput, Plan, Request, Universe, Variant, choose};
use deb_archive::{
    Credentials, SourceFormat, parse_mirror_argument, parse_sources_text, sources_of, target_sources,
};
use deb_index::Packages;
use deb_types::control::paragraphs;
use deb_types::relation::{Dialect, parse_groups, parse_list};
use deb_types::{raw_text, version};
use sha2::{Digest, Sha256};

use super::{Spec, Target, nothing, outcome};

pub(super) const CONTROL: Spec = Spec {
    name: "control",
    what: "control data, relations in both dialects, versions, dpkg's stanzas and triggers",
    open: |_| Box::new(Control),
    seeds: || {
        vec![
            STANZAS.into(),
            b"interest-noawait /usr/x\nactivate-await y\n".to_vec(),
        ]
    },
    mend: nothing,
};

pub(super) const PACKAGES: Spec = Spec {
    name: "packages",
    what: "a `Packages` index: its table, and what the solver makes of its packages",
    open: |_| Box::new(Index),
    seeds: || vec![STANZAS.into()],
    mend: nothing,
};

pub(super) const TABLE: Spec = Spec {
    name: "table",
    what: "the table of an index that the cache keeps, with a right checksum",
    open: |directory| Box::new(Table::new(directory)),
    seeds: table_seeds,
    mend: |input| {
        let content = input.len().saturating_sub(32);
        let sum = Sha256::digest(input.get(..content).unwrap_or_default());
        input.truncate(content);
        input.extend_from_slice(&sum);
    },
};

pub(super) const SOURCES: Spec = Spec {
    name: "sources",
    what: "apt's sources in both formats, `--mirror`, and apt's configuration, preferences and passwords",
    open: |directory| Box::new(Sources(directory.join("apt"))),
    seeds: || {
        [
            "deb [arch=riscv64,amd64 signed-by=\"/k/a.gpg\" trusted=yes valid-until-min=9] http://mirror.example.org/d t main c # x\n",
            "Types: deb deb-src\nURIs: http://mirror.example.org/debian file:/srv/$(ARCH)\nSuites: trixie\n trixie-updates\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDME\n -----END PGP PUBLIC KEY BLOCK-----\nEnabled: no\n\n# c\nTypes: deb\n",
            "// c\nAcquire { Check-Valid-Until \"false\"; /* { */ http { Proxy \"http://p.example.org:3142\"; }; };\n# y\nA::B:: \"c\";\n",
        ]
        .map(Vec::from)
        .to_vec()
    },
    mend: nothing,
};

const STANZAS: &str = "Package: b\nVersion: 1:2-3\nArchitecture: riscv64\nMulti-Arch: same\nPriority: required\n\
    Depends: c (>= 1) | v,\n a:any\nProvides: v (= 2), w\nFilename: ./pool/b.deb\nSize: 3\nSHA256: \
    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\nPackage: a\nVersion: 4~rc1+b2\nArchitecture: all\n\
    Essential: yes\nStatus: install ok triggers-awaited\nSuggests: w [amd64] <!nocheck>\nConflicts: z (<< 1), c (>> 9)\n\
    Conffiles:\n /etc/a 0123 obsolete\nTriggers-Pending: x y\nTriggers-Awaited: b:riscv64\nFilename: b.deb\nSize: 3\nSHA512: \
    00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\n\
    \nPackage: c\nVersion: 1\nArchitecture: riscv64\nPre-Depends: a\nBreaks: w (<< 1)\nEnhances: b\nDescription: x\n caf\u{e9}\n .\n\
    Filename: c.deb\nSize: 3\nSHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";

struct Control;

impl Target for Control {
    fn read(&mut self, input: &[u8]) -> String {
        let text = raw_text::decode(input.to_vec());
        assert_eq!(*raw_text::encode(&text), *input, "bytes have changed");
        let mut seen = Vec::new();
        for paragraph in paragraphs(&text) {
            let paragraph = match paragraph {
                Ok(paragraph) => paragraph,
                Err(error) => {
                    seen.push(error.to_string());
                    break;
                }
            };
            let mut last = "";
            for (_, value) in paragraph.fields() {
                for dialect in [Dialect::Apt, Dialect::Dpkg] {
                    seen.push(outcome(parse_groups(value, dialect), |groups| groups.len()));
                    seen.push(outcome(parse_list(value, dialect), |list| list.len()));
                }
                seen.push(outcome(dpkg_db::parse_relations(value), |groups| groups.len()));
                let _ = (version::is_valid(value), version::compare(value, last));
                let _ = (
                    version::loose_order(last, value),
                    version::without_rebuild(value),
                    version::rebuild(value),
                );
                last = value;
            }
            seen.push(outcome(dpkg_db::Package::parse(paragraph.text()), |package| {
                package.requirements().count()
            }));
        }
        seen.push(outcome(dpkg_db::Declarations::parse(&text, "p"), |_| 1));
        seen.push(outcome(dpkg_db::parse_unincorp(&text), |all| all.len()));
        seen.push(outcome(dpkg_db::Diversions::parse(input), |all| {
            all.iter().count()
        }));
        seen.sort();
        seen.dedup();
        seen.join("\n")
    }
}

fn walk(packages: &Packages) -> usize {
    let mut size = 0;
    for record in packages.records().take(100) {
        let stanza = packages.stanza(record.stanza);
        size += deb_index::relations(stanza).count();
        size += packages.providers(record.name).take(100).count();
        size += usize::from(packages.mention(record.name).is_some());
    }
    size + packages.architecture().map_or(0, str::len)
}

struct Index;

impl Target for Index {
    fn read(&mut self, input: &[u8]) -> String {
        let packages = match Packages::parse_bytes(input) {
            Ok(packages) => packages,
            Err(error) => return error.to_string(),
        };
        let size = walk(&packages);
        let input = IndexInput {
            packages: &packages,
            suite: "stable",
            codename: "trixie",
            component: "main",
            architecture: "riscv64",
            priority: DEFAULT_PRIORITY,
        };
        let universe = Universe::new(&[input], "riscv64", &["amd64"]);
        let include: Vec<String> = universe.names().take(4).map(str::to_owned).collect();
        let request = Request {
            variant: Variant::Custom,
            include,
            ..Request::default()
        };
        let chosen = choose(&universe, &request);
        let planned = chosen.map(|selection| Plan::new(&universe, &selection).packages().count());
        format!(
            "{}\n{}",
            outcome(Ok::<_, String>(size), |size| size),
            outcome(planned, |number| number)
        )
    }
}

struct Table {
    index: PathBuf,
    kept: PathBuf,
}

impl Table {
    fn new(directory: &Path) -> Self {
        let index = directory.join("index");
        let _ = fs::write(&index, STANZAS);
        Self {
            index,
            kept: directory.join("table"),
        }
    }
}

fn table_seeds() -> Vec<Vec<u8>> {
    let made = || {
        let directory = tempfile::tempdir().ok()?;
        let table = Table::new(directory.path());
        Packages::of_cache(&table.index, &table.kept).ok()?;
        fs::read(&table.kept).ok()
    };
    made().into_iter().collect()
}

impl Target for Table {
    fn read(&mut self, input: &[u8]) -> String {
        let _ = fs::write(&self.kept, input);
        match Packages::of_cache(&self.index, &self.kept) {
            Ok(packages) => outcome(Ok::<_, String>(walk(&packages)), |size| size),
            Err(error) => format!("{error:?}"),
        }
    }
}

struct Sources(PathBuf);

impl Target for Sources {
    fn read(&mut self, input: &[u8]) -> String {
        let text = String::from_utf8_lossy(input);
        let mut seen = Vec::new();
        for format in [SourceFormat::OneLine, SourceFormat::Deb822] {
            let parsed = parse_sources_text(&text, format, None, "input");
            seen.push(outcome(parsed, |list| list.sources.len()));
        }
        let line = text.lines().next().unwrap_or_default();
        let mirror = parse_mirror_argument(line, "trixie", &["main".into()]);
        seen.push(outcome(mirror, |list| list.sources.len()));
        for name in ["sources.list", "sources.list.d/a.sources", "apt.conf"] {
            let path = self.0.join("etc/apt").join(name);
            if let Some(parent) = path.parent() {
                let _ = fs::create_dir_all(parent);
            }
            let _ = fs::write(path, input);
        }
        let auth = self.0.join("auth");
        let _ = fs::write(&auth, input);
        seen.push(outcome(Credentials::read(&auth), |found| {
            format!("{found:?}").len()
        }));
        let preferences = rootless_install::preferences::parse(&text, Path::new("input"));
        seen.push(outcome(preferences, |found| format!("{found:?}").len()));
        seen.push(outcome(target_sources(&self.0), |found| found.keyrings.len()));
        seen.push(outcome(sources_of(&self.0), |found| found.len()));
        seen.join("\n")
    }
}
