//! The root directory of scripts, and how they see the target from there.

use super::{Result, SessionError, Shared, private, serving};
use crate::native_root;
use crate::script::Environment;
use crate::view::{DPKG_ROOT, Machine, Outer, SandboxedOptions, Sink, View, ViewError, ViewOptions};
use progress::Event;
use rootless_install_fs::{SERVED, ServeOptions, Target};
use shim_protocol::{names, paths, variables};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The ways in which scripts can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptsRun {
    /// In a view of the target.
    InView,
    /// In a native root.
    InNativeRoot,
    /// On this machine itself.
    OnMachine(Machine),
}

impl ScriptsRun {
    /// Returns the root directory that scripts have, with the native root that was made for it.
    pub fn root(self, native_root: Option<&Target>) -> ScriptRoot<'_> {
        match (self, native_root) {
            (Self::OnMachine(machine), _) => ScriptRoot::Machine { fuse: machine.fuse },
            (Self::InView | Self::InNativeRoot, Some(root)) => ScriptRoot::Native(root),
            (Self::InView | Self::InNativeRoot, None) => ScriptRoot::Target,
        }
    }

    /// Whether packages of this machine's architecture are needed, for a target in which native programs
    /// stand in for others or do not (`redirected`).
    pub fn needs_native(self, redirected: bool) -> bool {
        match self {
            Self::InView => redirected,
            Self::InNativeRoot => true,
            Self::OnMachine(_) => false,
        }
    }
}

/// The root directory of scripts.
#[derive(Clone, Copy, Debug)]
pub enum ScriptRoot<'a> {
    /// The target, in a view of it; `DPKG_ROOT` is empty.
    Target,
    /// A native root, with the target at [`DPKG_ROOT`] (dpkg(1), `--force-script-chrootless`).
    Native(&'a Target),
    /// This machine's own, where the target is mounted somewhere, or, without FUSE, as it is on the disk.
    Machine {
        /// Whether it can be mounted.
        fuse: bool,
    },
}

impl<'a> ScriptRoot<'a> {
    /// Returns the native root.
    pub fn native_root(self) -> Option<&'a Target> {
        match self {
            Self::Native(root) => Some(root),
            Self::Target | Self::Machine { .. } => None,
        }
    }

    /// Whether scripts run outside of the target.
    pub fn is_chrootless(self) -> bool {
        !matches!(self, Self::Target)
    }
}

impl Shared<'_> {
    /// Where scripts see the target: what comes before its absolute paths.
    pub(super) fn dpkg_root(&self) -> PathBuf {
        match self.root {
            ScriptRoot::Target => PathBuf::new(),
            ScriptRoot::Native(_) => PathBuf::from(DPKG_ROOT),
            ScriptRoot::Machine { fuse: true } => self.mount_point.join(SERVED),
            ScriptRoot::Machine { fuse: false } => self.target.root_path().to_owned(),
        }
    }

    /// What is the same in the environment of all scripts.
    pub(super) fn environment(&self, dpkg_version: String) -> Result<Environment> {
        let text = |path: &Path| match path.to_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(SessionError::NotUtf8 {
                path: path.to_owned(),
            }),
        };
        let private = self.private();
        let arch = (variables::ARCHITECTURE, self.arch.name.to_owned());
        let (front, besides) = match self.root {
            ScriptRoot::Target => (None, Vec::new()),
            ScriptRoot::Native(_) => {
                let mut besides = vec![arch];
                if self.observer.is_some() {
                    besides.push((variables::TRACE, "1".to_owned()));
                }
                (Some(paths::WRAPPERS.to_owned()), besides)
            }
            ScriptRoot::Machine { fuse } => {
                let mut besides = vec![
                    arch,
                    ("TMPDIR", text(&self.scratch.join("tmp"))?),
                    (variables::NO_NAMESPACE, "1".to_owned()),
                ];
                if !fuse {
                    besides.push((variables::NO_FUSE, "1".to_owned()));
                }
                (Some(text(&private.join(names::WRAPPERS))?), besides)
            }
        };
        Ok(Environment {
            dpkg_version,
            source_date_epoch: self.scripts.source_date_epoch,
            root: text(&self.dpkg_root())?,
            wrappers: front,
            besides,
        })
    }

    /// The directory of this run in which scripts find the shim.
    pub(super) fn private(&self) -> PathBuf {
        self.scratch.join("private")
    }

    /// Makes that directory.
    pub(super) fn create_private(&self) -> Result<()> {
        let chrootless = self.root.is_chrootless();
        let with_shim = self.redirected || chrootless;
        let private = self.private();
        private::create(&private, with_shim, self.arch, chrootless)?;
        let made = match self.root {
            ScriptRoot::Target => Ok(()),
            ScriptRoot::Native(root) => {
                let names = |directory: &str| root.read_dir(Path::new(directory)).unwrap_or_default();
                native_root::create_wrappers(&private, names)
                    .and_then(|()| fs::create_dir(private.join(names::SYSROOT)))
                    .and_then(|()| self.prepare_observer(&private, root))
            }
            ScriptRoot::Machine { .. } => {
                let temporary = self.scratch.join("tmp");
                native_root::create_wrappers(&private, native_root::names_on_machine)
                    .and_then(|()| fs::create_dir(&temporary))
                    .and_then(|()| fs::set_permissions(&temporary, fs::Permissions::from_mode(0o1777)))
            }
        };
        made.map_err(|source| SessionError::Write {
            path: private,
            source,
        })
    }

    fn prepare_observer(&self, private: &Path, root: &Target) -> std::io::Result<()> {
        let Some(observer) = &self.observer else {
            return Ok(());
        };
        let admin = format!("{DPKG_ROOT}{}", dpkg_db::ADMIN);
        observer.prepare(private, root, Path::new(&admin), Path::new(paths::SHIM))
    }

    /// Makes the place in which programs run.
    pub(super) fn view(&self) -> Result<View> {
        let outer_mount = self.scratch.join("outer");
        let outer = self.root.native_root().map(|_| outer_mount.as_path());
        for path in std::iter::once(self.mount_point).chain(outer) {
            match fs::create_dir(path) {
                // A view before this one has left it.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => made.map_err(|source| SessionError::Write {
                    path: path.to_owned(),
                    source,
                })?,
            }
        }
        let reporter = Arc::clone(self.reporter);
        let sink: Sink = Box::new(move |package, line| {
            reporter.event(&Event::ScriptOutput {
                package,
                output: line.as_bytes(),
            });
        });
        if let ScriptRoot::Machine { fuse } = self.root {
            return Ok(View::in_sandbox(SandboxedOptions {
                target: self.target,
                mount_point: fuse.then_some(self.mount_point),
                readable: vec![self.private()],
                writable: vec![self.scratch.join("tmp")],
                sink,
            })?);
        }
        Ok(self.in_namespaces(&outer_mount, sink)?)
    }

    fn in_namespaces(&self, outer_mount: &Path, sink: Sink) -> std::result::Result<View, ViewError> {
        let native_root = self.root.native_root();
        let private = self.private();
        let programs = self.redirected.then(|| match (native_root, &self.native_system) {
            (Some(root), _) => root.root_path().to_owned(),
            (None, Some(directory)) => directory.clone(),
            (None, None) => private.join(names::SYSROOT),
        });
        let watched = |of: fn(Arc<dyn super::Observer>) -> Arc<dyn rootless_install_fs::Watch>| {
            self.observer.clone().map(of)
        };
        View::start(ViewOptions {
            target: self.target,
            mount_point: self.mount_point,
            private: &private,
            native_system: self.native_system.as_deref().filter(|_| native_root.is_none()),
            serve: ServeOptions {
                watch: watched(|observer| observer.inside()),
                ..serving::serve_target(self.arch, self.foreign, programs)
            },
            outer: native_root.map(|root| Outer {
                root,
                mount_point: outer_mount,
                serve: ServeOptions {
                    watch: watched(|observer| observer.outside()),
                    ..serving::serve_native_root()
                },
            }),
            sink,
        })
    }
}
