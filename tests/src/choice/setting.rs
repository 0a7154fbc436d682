//! What requests are made in.

/// Architectures, suites and components, and what is installed.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// The target's architecture, then the foreign ones.
    pub archs: &'static [&'static str],
    /// The suites, the one of the variant first.
    pub suites: &'static [&'static str],
    /// Components of each.
    pub components: &'static str,
    /// Whether the essential packages are installed, and apt is asked for after all others, as in variant `apt`; else
    /// nothing is.
    pub installed: bool,
    /// Whether recommended packages are installed.
    pub recommends: bool,
}

impl Setting {
    /// What apt is asked for where this program is asked for `items`.
    #[must_use]
    pub fn items(&self, items: &[String]) -> Vec<String> {
        let last = self.installed.then(|| "apt".to_owned());
        items.iter().cloned().chain(last).collect()
    }
}

const PLAIN: Setting = Setting {
    name: "amd64",
    archs: &["amd64"],
    suites: &["trixie"],
    components: "main",
    installed: true,
    recommends: false,
};

/// All settings.
pub const SETTINGS: &[Setting] = &[
    PLAIN,
    Setting {
        name: "amd64-bare",
        installed: false,
        ..PLAIN
    },
    Setting {
        name: "amd64-recommends",
        recommends: true,
        ..PLAIN
    },
    Setting {
        name: "riscv64",
        archs: &["riscv64"],
        ..PLAIN
    },
    Setting {
        name: "components",
        components: "main contrib non-free non-free-firmware",
        ..PLAIN
    },
    Setting {
        name: "i386",
        archs: &["amd64", "i386"],
        ..PLAIN
    },
    Setting {
        name: "riscv64+amd64",
        archs: &["riscv64", "amd64"],
        ..PLAIN
    },
    Setting {
        name: "bookworm",
        suites: &["trixie", "bookworm"],
        ..PLAIN
    },
    Setting {
        name: "sid",
        suites: &["trixie", "sid"],
        ..PLAIN
    },
    Setting {
        name: "sid-only",
        suites: &["sid"],
        ..PLAIN
    },
    Setting {
        name: "sid-riscv64",
        archs: &["riscv64"],
        suites: &["sid"],
        ..PLAIN
    },
];

/// The setting of a name.
#[must_use]
pub fn of(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}
