//! Where maintainer scripts run, and how they see the target.

use super::{InstallError, Installation, Native, Result, environs};
use crate::configure::script::Environment;
use crate::lint::{Inside, Tracer};
use crate::native_root;
use crate::report::Event;
use crate::view::{DPKG_ROOT, Machine, Outer, PlainOptions, Sink, View, ViewError, ViewOptions};
use rootless_install_fs::{SERVED, ServeOptions, Target, Watch};
use shim_protocol::{names, paths, variables};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which way maintainer scripts run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In a view of the target.
    View,
    /// In a native root.
    NativeRoot,
    /// On this machine itself.
    Machine(Machine),
}

impl Way {
    /// Where that is, with the native root that was made for it.
    pub fn place(self, native_root: Option<&Target>) -> Place<'_> {
        match (self, native_root) {
            (Self::Machine(machine), _) => Place::Machine { fuse: machine.fuse },
            (Self::View | Self::NativeRoot, Some(root)) => Place::NativeRoot(root),
            (Self::View | Self::NativeRoot, None) => Place::View,
        }
    }
}

/// Where maintainer scripts run.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// In a view of the target: it is their root directory, and `DPKG_ROOT` is empty.
    View,
    /// In a native root, with the target at [`DPKG_ROOT`] (dpkg(1), `--force-script-chrootless`).
    NativeRoot(&'a Target),
    /// On this machine, where the target is mounted somewhere, or, without FUSE, as it is on the disk.
    Machine {
        /// Whether it can be mounted.
        fuse: bool,
    },
}

impl<'a> Place<'a> {
    /// The native root.
    pub fn native_root(self) -> Option<&'a Target> {
        match self {
            Self::NativeRoot(root) => Some(root),
            Self::View | Self::Machine { .. } => None,
        }
    }

    /// Whether scripts run outside of the target.
    pub fn is_chrootless(self) -> bool {
        !matches!(self, Self::View)
    }
}

impl Installation<'_, '_> {
    /// Where scripts see the target: what comes before its absolute paths.
    pub(super) fn dpkg_root(&self) -> PathBuf {
        match self.place {
            Place::View => PathBuf::new(),
            Place::NativeRoot(_) => PathBuf::from(DPKG_ROOT),
            Place::Machine { fuse: true } => self.mount_point.join(SERVED),
            Place::Machine { fuse: false } => self.target.root_path().to_owned(),
        }
    }

    /// What is the same in the environment of all scripts.
    pub(super) fn environment(&self, scratch: &Path) -> Result<Environment> {
        let text = |path: &Path| match path.to_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(InstallError::NotUtf8 {
                path: path.to_owned(),
            }),
        };
        let private = scratch.join("private");
        let arch = (variables::ARCHITECTURE, self.arch.name.to_owned());
        let (front, besides) = match self.place {
            Place::View => (None, Vec::new()),
            Place::NativeRoot(_) => {
                let mut besides = vec![arch];
                if self.lint.is_some() {
                    besides.push((variables::TRACE, "1".to_owned()));
                }
                (Some(paths::WRAPPERS.to_owned()), besides)
            }
            Place::Machine { fuse } => {
                let mut besides = vec![
                    arch,
                    ("TMPDIR", text(&scratch.join("tmp"))?),
                    (variables::NO_NAMESPACE, "1".to_owned()),
                ];
                if !fuse {
                    besides.push((variables::NO_FUSE, "1".to_owned()));
                }
                (Some(text(&private.join(names::WRAPPERS))?), besides)
            }
        };
        Ok(Environment {
            dpkg_version: self.dpkg_version(),
            source_date_epoch: self.source_date_epoch,
            root: text(&self.dpkg_root())?,
            front,
            besides,
        })
    }

    /// Makes the directory of this run that scripts find the shim in.
    pub(super) fn create_private(&self, scratch: &Path) -> Result<PathBuf> {
        let chrootless = self.place.is_chrootless();
        let with_shim = self.native.is_some() || chrootless;
        let private = environs::create_private(scratch, with_shim, self.arch, chrootless)?;
        let made = match self.place {
            Place::View => Ok(()),
            Place::NativeRoot(root) => {
                let names = |directory: &str| root.read_dir(Path::new(directory)).unwrap_or_default();
                native_root::create_wrappers(&private, names)
                    .and_then(|()| fs::create_dir(private.join(names::SYSROOT)))
                    .and_then(|()| self.trace(&private, root))
            }
            Place::Machine { .. } => {
                let temporary = scratch.join("tmp");
                native_root::create_wrappers(&private, native_root::names_on_machine)
                    .and_then(|()| fs::create_dir(&temporary))
                    .and_then(|()| fs::set_permissions(&temporary, fs::Permissions::from_mode(0o1777)))
            }
        };
        match made {
            Ok(()) => Ok(private),
            Err(source) => Err(InstallError::Write {
                path: private,
                source,
            }),
        }
    }

    /// Has the shells of the native root say where they are, for who watches.
    fn trace(&self, private: &Path, root: &Target) -> std::io::Result<()> {
        let Some(lint) = &self.lint else { return Ok(()) };
        let admin = format!("{DPKG_ROOT}{}", crate::dpkg::ADMIN);
        lint.trace(Tracer::prepare(
            private,
            root,
            Path::new(&admin),
            Path::new(paths::SHIM),
        )?);
        Ok(())
    }

    pub(super) fn view(&self, scratch: &Path) -> Result<View> {
        let outer_mount = scratch.join("outer");
        let outer = self.place.native_root().map(|_| &outer_mount);
        for path in std::iter::once(&self.mount_point).chain(outer) {
            match fs::create_dir(path) {
                // A view before this one has left it.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => made.map_err(|source| InstallError::Write {
                    path: path.clone(),
                    source,
                })?,
            }
        }
        let reporter = Arc::clone(&self.reporter);
        let sink: Sink = Box::new(move |package, line| {
            reporter.event(&Event::ScriptOutput {
                package,
                output: line.as_bytes(),
            });
        });
        if let Place::Machine { fuse } = self.place {
            return Ok(View::on_machine(PlainOptions {
                target: self.target,
                mount_point: fuse.then_some(self.mount_point.as_path()),
                readable: vec![scratch.join("private")],
                writable: vec![scratch.join("tmp")],
                sink,
            })?);
        }
        Ok(self.in_namespaces(scratch, &outer_mount, sink)?)
    }

    fn in_namespaces(
        &self,
        scratch: &Path,
        outer_mount: &Path,
        sink: Sink,
    ) -> std::result::Result<View, ViewError> {
        let native_root = self.place.native_root();
        let directory = self.native.as_ref().and_then(|native| native.directory.clone());
        let programs = |native: &Native<'_, '_>| match (native_root, &native.directory) {
            (Some(root), _) => root.root_path().to_owned(),
            (None, Some(directory)) => directory.clone(),
            (None, None) => scratch.join("private").join(names::SYSROOT),
        };
        View::start(ViewOptions {
            target: self.target,
            mount_point: &self.mount_point,
            private: &scratch.join("private"),
            native_system: directory.as_deref().filter(|_| native_root.is_none()),
            serve: ServeOptions {
                watch: self
                    .lint
                    .clone()
                    .map(|lint| Arc::new(Inside(lint)) as Arc<dyn Watch>),
                ..environs::serve_options(self.arch, self.foreign, self.native.as_ref().map(programs))
            },
            outer: native_root.map(|root| Outer {
                root,
                mount_point: outer_mount,
                serve: ServeOptions {
                    watch: self.lint.clone().map(|lint| lint as Arc<dyn Watch>),
                    ..environs::serve_native_root()
                },
            }),
            sink,
        })
    }
}
