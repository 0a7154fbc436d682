//! How end-to-end tests are declared: what each shows, and what it needs of the machine.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};

use crate::probe::met;
use needs::Needs;

/// What tests need.
pub mod needs {
    use crate::probe::Need;

    /// Needs of a test.
    #[derive(Clone, Copy, Debug)]
    pub struct Needs {
        pub(super) first: &'static [Need],
        pub(super) besides: &'static [Need],
    }

    const fn to_configure_and(besides: &'static [Need]) -> Needs {
        Needs {
            first: Need::TO_CONFIGURE,
            besides,
        }
    }

    /// The program alone.
    pub const PROGRAM: Needs = Needs {
        first: &[Need::Program],
        besides: &[],
    };
    /// The program, programs that make images, and others that read them.
    pub const IMAGES: Needs = Needs {
        first: &[Need::Program],
        besides: &[Need::Images],
    };
    /// The same, and a registry.
    pub const REGISTRY: Needs = Needs {
        first: &[Need::Program],
        besides: &[Need::Images, Need::Registry],
    };
    /// A target whose scripts run, programs that read images, and a registry.
    pub const CONFIGURE_REGISTRY: Needs = to_configure_and(&[Need::Images, Need::Registry]);
    /// The same as for images, and GRUB.
    pub const IMAGES_GRUB: Needs = Needs {
        first: &[Need::Program],
        besides: &[Need::Images, Need::Grub],
    };
    /// A target whose scripts run, and programs that make and read images.
    pub const CONFIGURE_IMAGES: Needs = to_configure_and(&[Need::Images]);
    /// A target from the real archive that boots.
    pub const BOOT: Needs = to_configure_and(&[Need::Archive, Need::Images, Need::Qemu]);
    /// A target whose scripts run, and fakeroot.
    pub const CONFIGURE_FAKEROOT: Needs = to_configure_and(&[Need::Fakeroot]);
    /// A target whose scripts run.
    pub const CONFIGURE: Needs = to_configure_and(&[]);
    /// The same, and root, who takes parts of the machine away.
    pub const ROOT: Needs = to_configure_and(&[Need::Root]);
    /// The same, and files that root can make immutable.
    pub const IMMUTABLE: Needs = to_configure_and(&[Need::Root, Need::Immutability]);
    /// A target from the real archive.
    pub const REAL: Needs = to_configure_and(&[Need::Archive]);
    /// The same, and root.
    pub const REAL_ROOT: Needs = to_configure_and(&[Need::Archive, Need::Root, Need::Images]);
    /// A target from the real archive, where nothing can be emulated.
    pub const NO_EMULATION: Needs = to_configure_and(&[Need::Archive, Need::NoEmulation]);
    /// A target from the real archive, and a reference.
    pub const REFERENCE: Needs = to_configure_and(&[Need::Archive, Need::Mmdebstrap, Need::Emulation]);
    /// A target from an archive of the tests, and bdebstrap.
    pub const BDEBSTRAP: Needs = to_configure_and(&[Need::Bdebstrap]);
    /// A target from the real archive, and mmdebstrap.
    pub const MMDEBSTRAP: Needs = to_configure_and(&[Need::Archive, Need::Mmdebstrap]);
}

/// The variable that names a file to which each test appends its seconds, those of all processors, and its
/// name, separated by tabs.
pub const TIMES: &str = "ROOTLESS_INSTALL_TEST_TIMES";

/// The right to run; other tests of the same file that must be alone wait for its end.
#[derive(Debug)]
pub struct Begun {
    name: String,
    since: Instant,
    processors: f64,
    _alone: Option<MutexGuard<'static, ()>>,
}

impl Drop for Begun {
    fn drop(&mut self) {
        let Some(path) = std::env::var_os(TIMES) else {
            return;
        };
        let line = format!(
            "{:.1}\t{:.1}\t{}\n",
            self.since.elapsed().as_secs_f64(),
            processors() - self.processors,
            self.name
        );
        let file = OpenOptions::new().append(true).create(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

/// Begins a test, which no other that must be `alone` runs beside if it must be itself; nothing if the
/// machine lacks something it needs.
///
/// # Panics
/// With `CI=true`, when a need is not met.
#[must_use]
pub fn begin(name: &str, needs: Needs, alone: bool) -> Option<Begun> {
    static ALONE: Mutex<()> = Mutex::new(());
    if !met(name, needs.first) || !met(name, needs.besides) {
        return None;
    }
    let alone = alone.then(|| ALONE.lock().unwrap_or_else(PoisonError::into_inner));
    Some(Begun {
        name: name.to_owned(),
        since: Instant::now(),
        processors: processors(),
        _alone: alone,
    })
}

// Seconds that processors have worked for this process and for those of its children that have ended.
// One test at a time runs in it where they are asked for.
fn processors() -> f64 {
    [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN]
        .into_iter()
        .filter_map(|who| getrusage(who).ok())
        .flat_map(|usage| [usage.user_time(), usage.system_time()])
        .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6)
        .sum()
}

/// Declares a test: what it shows (as documentation), its name, one of the constants of [`needs`],
/// `alone` if it must be, and a body that may use `?`.
#[macro_export]
macro_rules! scenario {
    ($(#[$shows:meta])+ $name:ident, $needs:ident, alone, $body:block) => {
        $crate::scenario!(@ $(#[$shows])+ $name, $needs, true, $body);
    };
    ($(#[$shows:meta])+ $name:ident, $needs:ident, $body:block) => {
        $crate::scenario!(@ $(#[$shows])+ $name, $needs, false, $body);
    };
    (@ $(#[$shows:meta])+ $name:ident, $needs:ident, $alone:literal, $body:block) => {
        $(#[$shows])+
        #[test]
        fn $name() {
            let needs = $crate::scenario::needs::$needs;
            let Some(_begun) = $crate::scenario::begin(stringify!($name), needs, $alone) else { return };
            let body = || -> std::result::Result<(), Box<dyn std::error::Error>> {
                $body
                Ok(())
            };
            if let Err(error) = body() {
                panic!("{error}");
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// One that is not would pass where the machine lacks what it needs.
    #[test]
    fn every_end_to_end_test_is_declared() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let mut declared = 0;
        for entry in std::fs::read_dir(&dir).expect("tests/tests") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|end| end != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("text");
            assert!(
                !text.contains("#[test]"),
                "{} has a test that is not declared with scenario!",
                path.display()
            );
            declared += text.matches("\nscenario!(").count();
        }
        assert!(declared > 100, "only {declared} tests are declared");
    }
}
