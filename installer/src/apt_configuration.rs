//! The target's configuration of apt (apt.conf(5)), as apt has it when it begins: an ordered tree of names, each with
//! a value and further names below it.
//!
//! It is read as in apt's source (`apt-pkg/init.cc`, `contrib/configuration.cc`): apt's own settings first, then the
//! files of the parts directory in their order, then the main file. A file with a mistake counts up to that mistake.

use deb_types::apt_conf::{Statement, SyntaxError, statements};
use rootless_install_fs::{FileType, Target};
use std::fmt;
use std::path::{Path, PathBuf};

/// The deepest nesting of included files (`ReadConfigFile` in apt's source).
const INCLUDES: usize = 10;
/// The largest file that is read, in bytes.
const LARGEST: u64 = 256 << 10;
/// The most files that are read: directories may include each other.
const MOST: usize = 1000;

/// Settings that apt has without any file, as far as a hook might look for them.
const DEFAULTS: &[(&str, &str)] = &[
    ("APT::Build-Essential::", "build-essential"),
    ("APT::Install-Recommends", "1"),
    ("APT::Install-Suggests", "0"),
    ("APT::Sandbox::User", "_apt"),
    ("Dir", "/"),
    ("Dir::State", "var/lib/apt"),
    ("Dir::State::lists", "lists/"),
    ("Dir::State::cdroms", "cdroms.list"),
    ("Dir::State::status", "/var/lib/dpkg/status"),
    ("Dir::Cache", "var/cache/apt"),
    ("Dir::Cache::archives", "archives/"),
    ("Dir::Cache::srcpkgcache", "srcpkgcache.bin"),
    ("Dir::Cache::pkgcache", "pkgcache.bin"),
    ("Dir::Etc", "etc/apt"),
    ("Dir::Etc::sourcelist", "sources.list"),
    ("Dir::Etc::sourceparts", "sources.list.d"),
    ("Dir::Etc::main", "apt.conf"),
    ("Dir::Etc::netrc", "auth.conf"),
    ("Dir::Etc::netrcparts", "auth.conf.d"),
    ("Dir::Etc::parts", "apt.conf.d"),
    ("Dir::Etc::preferences", "preferences"),
    ("Dir::Etc::preferencesparts", "preferences.d"),
    ("Dir::Etc::trustedparts", "trusted.gpg.d"),
    ("Dir::Bin::methods", "/usr/lib/apt/methods"),
    ("Dir::Bin::dpkg", "/usr/bin/dpkg"),
    ("Dir::Media::MountPath", "/media/apt"),
    ("Dir::Log", "var/log/apt"),
    ("Dir::Log::Terminal", "term.log"),
    ("Dir::Log::History", "history.log"),
    ("Dir::Log::Planner", "eipp.log.xz"),
    ("DPkg::Path", "/usr/sbin:/usr/bin:/sbin:/bin"),
];

/// A name with its value and the names below it. The name of a list's member is empty.
#[derive(Clone, Debug, Default)]
struct Item {
    tag: String,
    value: String,
    children: Vec<Item>,
}

impl Item {
    /// Returns the item of a path below this one, made where it is missing. An empty name is always a new one.
    fn make(&mut self, path: &str) -> &mut Self {
        let mut item = self;
        for name in path.split("::") {
            let same = |child: &Self| child.tag.eq_ignore_ascii_case(name);
            let found = match name {
                "" => None,
                _ => item.children.iter().position(same),
            };
            let at = found.unwrap_or_else(|| {
                item.children.push(Self {
                    tag: name.to_owned(),
                    ..Self::default()
                });
                item.children.len() - 1
            });
            item = &mut item.children[at];
        }
        item
    }

    fn find(&self, path: &str) -> Option<&Self> {
        path.split("::").try_fold(self, |item, name| {
            item.children
                .iter()
                .find(|child| !name.is_empty() && child.tag.eq_ignore_ascii_case(name))
        })
    }

    fn find_mut(&mut self, path: &str) -> Option<&mut Self> {
        path.split("::").try_fold(self, |item, name| {
            item.children
                .iter_mut()
                .find(|child| !name.is_empty() && child.tag.eq_ignore_ascii_case(name))
        })
    }

    fn walk(&self, prefix: &str, visit: &mut dyn FnMut(&str, &str)) {
        for child in &self.children {
            let name = match prefix {
                "" => child.tag.clone(),
                _ => format!("{prefix}::{}", child.tag),
            };
            visit(&name, &child.value);
            child.walk(&name, visit);
        }
    }
}

/// The configuration of apt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configuration {
    root: Item,
}

impl Configuration {
    /// Reads the configuration of a target for packages of `architectures`, the target's own first. Returns the
    /// mistakes of its files as well; apt tells of them and goes on.
    pub(crate) fn of(target: &Target, architectures: &[&str]) -> (Self, Vec<Mistake>) {
        let mut configuration = Self::default();
        configuration.set(
            "APT::Architecture",
            architectures.first().copied().unwrap_or_default(),
        );
        for architecture in architectures {
            configuration.set("APT::Architectures::", architecture);
        }
        for (name, value) in DEFAULTS {
            configuration.set(name, value);
        }
        let mut wrong = Vec::new();
        let mut files = Files {
            target,
            left: MOST,
            wrong: &mut wrong,
        };
        let parts = configuration.directory("Dir::Etc::parts");
        files.read_directory(&mut configuration, &parts, 0);
        let main = configuration.path("Dir::Etc::main");
        files.read(&mut configuration, &main, 0);
        (configuration, wrong)
    }

    /// Sets a value. A path that ends with `::` adds a member to a list.
    pub(crate) fn set(&mut self, path: &str, value: &str) {
        value.clone_into(&mut self.root.make(path).value);
    }

    /// Removes the value of a name and all that is below it.
    fn clear(&mut self, path: &str) {
        if let Some(item) = self.root.find_mut(path.trim_end_matches("::")) {
            item.value.clear();
            item.children.clear();
        }
    }

    /// Returns the value of a name; empty where there is none.
    pub(crate) fn value(&self, path: &str) -> &str {
        self.root.find(path).map_or("", |item| item.value.as_str())
    }

    /// Returns a value as a number.
    pub(crate) fn number(&self, path: &str) -> Option<u32> {
        self.value(path).trim().parse().ok()
    }

    /// Returns the values directly below a name, in their order, empty ones left out.
    pub(crate) fn list(&self, path: &str) -> Vec<&str> {
        let children = self.root.find(path).map_or(&[][..], |item| &item.children);
        let values = children.iter().map(|child| child.value.as_str());
        values.filter(|value| !value.is_empty()).collect()
    }

    /// Visits all names in apt's order, each with its value, which may be empty.
    pub(crate) fn walk(&self, visit: &mut dyn FnMut(&str, &str)) {
        self.root.walk("", visit);
    }

    /// Returns the path of a file, which names above it make absolute (`Configuration::FindFile`).
    fn path(&self, name: &str) -> PathBuf {
        let mut path = PathBuf::from(self.value(name));
        let mut above = name;
        while let Some((upper, _)) = above.rsplit_once("::") {
            if path.has_root() || path.as_os_str().is_empty() {
                break;
            }
            path = Path::new(self.value(upper)).join(path);
            above = upper;
        }
        Path::new("/").join(path)
    }

    /// Returns the path of a directory.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        self.path(name)
    }
}

/// A mistake in a file of configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    file: PathBuf,
    error: SyntaxError,
}

impl Mistake {
    fn new(file: &Path, error: SyntaxError) -> Self {
        Self {
            file: file.to_owned(),
            error,
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SyntaxError { line, what } = &self.error;
        write!(f, "{}:{line}: {what}", self.file.display())
    }
}

/// The files of a target that are being read.
struct Files<'a> {
    target: &'a Target,
    /// Number of files that may still be read.
    left: usize,
    wrong: &'a mut Vec<Mistake>,
}

impl Files<'_> {
    /// Reads the files of a directory in the order of their names: those without extension and with `.conf`.
    fn read_directory(&mut self, configuration: &mut Configuration, directory: &Path, depth: usize) {
        let mut names = self.target.read_dir(directory).unwrap_or_default();
        names.sort();
        for name in names {
            if name.to_str().is_some_and(is_part) {
                self.read(configuration, &directory.join(name), depth);
            }
        }
    }

    fn read(&mut self, configuration: &mut Configuration, path: &Path, depth: usize) {
        let stat = self.target.stat_follow(path);
        let is_file = stat.is_ok_and(|stat| stat.meta.kind == FileType::Regular && stat.size <= LARGEST);
        if !is_file || self.left == 0 {
            return;
        }
        self.left -= 1;
        let Ok(text) = self.target.read(path) else { return };
        let text = String::from_utf8_lossy(&text);
        for statement in statements(&text) {
            match statement {
                Ok(Statement::Set { name, value }) => configuration.set(&name, &value),
                Ok(Statement::Clear { name }) => configuration.clear(&name),
                Ok(Statement::Include { path }) if depth < INCLUDES => {
                    let included = Path::new("/").join(path.trim_end_matches('/'));
                    if path.ends_with('/') {
                        self.read_directory(configuration, &included, depth + 1);
                    } else {
                        self.read(configuration, &included, depth + 1);
                    }
                }
                Ok(Statement::Include { .. }) => {
                    let what = "too many nested includes".to_owned();
                    self.wrong.push(Mistake::new(path, SyntaxError { line: 0, what }));
                }
                Err(error) => {
                    self.wrong.push(Mistake::new(path, error));
                    return;
                }
            }
        }
    }
}

/// Whether apt reads a file of this name in a directory of configuration (`GetListOfFilesInDir`).
fn is_part(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    !name.is_empty()
        && !name.starts_with('.')
        && name.bytes().all(plain)
        && name
            .rsplit_once('.')
            .is_none_or(|(_, extension)| extension == "conf")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rootless_install_fs::Meta;

    fn target(files: &[(&str, &str)]) -> (tempfile::TempDir, Target) {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::open(directory.path()).unwrap();
        for path in ["/etc", "/etc/apt", "/etc/apt/apt.conf.d", "/usr", "/usr/share"] {
            let meta = Meta::of_root(FileType::Directory, 0o755);
            target.make_dir(Path::new(path), &meta).unwrap();
        }
        for (path, text) in files {
            let meta = Meta::of_root(FileType::Regular, 0o644);
            target.write(Path::new(path), text.as_bytes(), &meta).unwrap();
        }
        (directory, target)
    }

    #[test]
    fn parts_are_read_in_their_order_and_the_main_file_last() {
        let (_kept, target) = target(&[
            (
                "/etc/apt/apt.conf.d/70b",
                "DPkg::Pre-Install-Pkgs {\"second\";};\n",
            ),
            (
                "/etc/apt/apt.conf.d/05a.conf",
                "dpkg::pre-install-pkgs:: \"first\";\n",
            ),
            (
                "/etc/apt/apt.conf.d/99c.bak",
                "DPkg::Pre-Install-Pkgs:: \"no\";\n",
            ),
            ("/etc/apt/apt.conf.d/99d~", "DPkg::Pre-Install-Pkgs:: \"no\";\n"),
            (
                "/etc/apt/apt.conf",
                "#include \"/usr/share/more\";\nDPkg::Post-Invoke:: \"last\";\n",
            ),
            ("/usr/share/more", "DPkg::Post-Invoke:: \"included\";\n"),
        ]);
        let (configuration, wrong) = Configuration::of(&target, &["riscv64"]);
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!(configuration.list("DPkg::Pre-Install-Pkgs"), ["first", "second"]);
        assert_eq!(configuration.list("DPkg::Post-Invoke"), ["included", "last"]);
        assert_eq!(configuration.value("apt::architecture"), "riscv64");
        assert_eq!(
            configuration.directory("Dir::Cache::archives"),
            Path::new("/var/cache/apt/archives/")
        );
    }

    #[test]
    fn a_list_is_cleared_by_a_later_file() {
        let (_kept, target) = target(&[
            (
                "/etc/apt/apt.conf.d/70b",
                "DPkg::Pre-Install-Pkgs {\"a\";};\nDPkg::Tools::Options::b::Version \"3\";\n",
            ),
            ("/etc/apt/apt.conf.d/99c", "#clear DPkg::Pre-Install-Pkgs;\n"),
            ("/etc/apt/apt.conf.d/99z", "DPkg::Pre-Install-Pkgs:: \"z\";\n"),
        ]);
        let (configuration, _) = Configuration::of(&target, &["riscv64"]);
        assert_eq!(configuration.list("DPkg::Pre-Install-Pkgs"), ["z"]);
        assert_eq!(configuration.number("DPkg::Tools::Options::b::Version"), Some(3));
    }

    #[test]
    fn a_mistake_is_told_and_what_stands_before_it_counts() {
        let (_kept, target) = target(&[
            (
                "/etc/apt/apt.conf.d/10a",
                "A::B \"1\";\n{ \"x\"; };\nA::C \"2\";\n",
            ),
            (
                "/etc/apt/apt.conf.d/20b",
                "#include \"/etc/apt/apt.conf.d/20b\";\nA::D \"3\";\n",
            ),
        ]);
        let (configuration, wrong) = Configuration::of(&target, &["riscv64"]);
        assert_eq!(
            (configuration.value("A::B"), configuration.value("A::C")),
            ("1", "")
        );
        assert_eq!(configuration.value("A::D"), "3");
        assert!(
            wrong[0].to_string().starts_with("/etc/apt/apt.conf.d/10a:2: "),
            "{}",
            wrong[0]
        );
        assert!(wrong[1].to_string().contains("nested includes"));
    }
}
