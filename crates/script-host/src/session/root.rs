//! The root directory of scripts, and the target as they see it from there.

use super::shared::Shared;
use super::{Network, Observer, Result, SessionError, private, resolver, serving, wrappers};
use crate::script::Environment;
use crate::view::{
    AdminView, BoundView, DPKG_ROOT, Machine, NativeRootView, SandboxedOptions, Sink, View, ViewError,
    ViewOptions, admin_mount_point,
};
use deb_arch::Architecture;
use rootless_install_fs::{SERVED, ServeOptions, Target};
use shim_protocol::{names, paths, variables};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use task_progress::Event;

/// Kind of a [`ScriptRoot`], chosen before there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptRootKind {
    /// The target, in a view of it.
    Target,
    /// A native root.
    Native,
    /// This machine's own root directory.
    Machine(Machine),
}

impl ScriptRootKind {
    /// Returns the root directory of scripts; `native_root` is the one that was made for them, if any, and whether it is
    /// never written to.
    pub fn root(self, native_root: Option<(&Target, bool)>) -> ScriptRoot<'_> {
        match (self, native_root) {
            (Self::Machine(machine), _) => ScriptRoot::Machine { fuse: machine.fuse },
            (Self::Target | Self::Native, Some((root, layered))) => ScriptRoot::Native { root, layered },
            (Self::Target | Self::Native, None) => ScriptRoot::Target,
        }
    }

    /// Whether packages of this machine's architecture are needed; `redirected` says whether native programs stand in
    /// for the target's.
    pub fn needs_native(self, redirected: bool) -> bool {
        match self {
            Self::Target => redirected,
            Self::Native => true,
            Self::Machine(_) => false,
        }
    }
}

/// The root directory of scripts.
#[derive(Clone, Copy, Debug)]
pub enum ScriptRoot<'a> {
    /// The target, in a view of it; `DPKG_ROOT` is empty.
    Target,
    /// A native root, with the target at [`DPKG_ROOT`] (dpkg(1), `--force-script-chrootless`).
    Native {
        /// The root filesystem.
        root: &'a Target,
        /// Whether it stays as it is: what scripts write to it goes to a layer in memory.
        layered: bool,
    },
    /// This machine's own, where the target is mounted somewhere, or, without FUSE, as it is on the disk.
    Machine {
        /// Whether the target can be mounted.
        fuse: bool,
    },
}

impl<'a> ScriptRoot<'a> {
    /// Returns the native root.
    pub fn native_root(self) -> Option<&'a Target> {
        match self {
            Self::Native { root, .. } => Some(root),
            Self::Target | Self::Machine { .. } => None,
        }
    }

    /// Whether scripts run outside of the target.
    pub fn is_chrootless(self) -> bool {
        !matches!(self, Self::Target)
    }
}

impl Shared<'_> {
    /// Returns the path at which scripts see the target (`DPKG_ROOT`); empty where it is their root directory.
    pub(super) fn dpkg_root(&self) -> PathBuf {
        match self.options.root {
            ScriptRoot::Target => PathBuf::new(),
            ScriptRoot::Native { .. } => PathBuf::from(DPKG_ROOT),
            ScriptRoot::Machine { fuse: true } => self.options.mount_point.join(SERVED),
            ScriptRoot::Machine { fuse: false } => self.options.target.root_path().to_owned(),
        }
    }

    /// Returns the environment that all scripts have.
    pub(super) fn environment(&self) -> Result<Environment> {
        let text = |path: &Path| match path.to_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(SessionError::NotUtf8 {
                path: path.to_owned(),
            }),
        };
        let private = self.private();
        let arch = (variables::ARCHITECTURE, self.options.arch.word().to_string());
        let (wrappers, extra) = match self.options.root {
            ScriptRoot::Target => (None, Vec::new()),
            ScriptRoot::Native { .. } => {
                let mut extra = vec![arch];
                if self.options.observer.is_some() {
                    extra.push((variables::TRACE, "1".to_owned()));
                }
                (Some(paths::WRAPPERS.to_owned()), extra)
            }
            ScriptRoot::Machine { fuse } => {
                let mut extra = vec![
                    arch,
                    ("TMPDIR", text(&self.options.scratch.join("tmp"))?),
                    (variables::NO_NAMESPACE, "1".to_owned()),
                ];
                if !fuse {
                    extra.push((variables::NO_FUSE, "1".to_owned()));
                }
                (Some(text(&private.join(names::WRAPPERS))?), extra)
            }
        };
        Ok(Environment {
            dpkg_version: self.options.dpkg_version.clone(),
            source_date_epoch: self.options.scripts.source_date_epoch,
            root: text(&self.dpkg_root())?,
            admin: text(&self.admin_directory())?,
            wrappers,
            extra,
        })
    }

    /// Returns the private directory, in which scripts find the shim.
    pub(super) fn private(&self) -> PathBuf {
        self.options.scratch.join("private")
    }

    /// Makes the private directory.
    pub(super) fn create_private(&self) -> Result<()> {
        let chrootless = self.options.root.is_chrootless();
        let with_shim = self.redirected || chrootless;
        let private = self.private();
        // Where a user's commands run, dpkg of a target of this machine's architecture can replace its own; it is mounted over
        // that otherwise.
        let of_user = self.options.surroundings.dpkg.is_some();
        let own_programs = self.options.arch == Architecture::native() && !of_user;
        private::create(&private, with_shim, self.options.arch, chrootless || own_programs)?;
        private::add(&private, &self.own_files())?;
        let made = match self.options.root {
            ScriptRoot::Target => Ok(()),
            ScriptRoot::Native { root, .. } => {
                let names = |directory: &str| root.read_dir(Path::new(directory)).unwrap_or_default();
                let made = match self.options.observer {
                    // It watches directories of this session's own.
                    Some(_) => wrappers::create(&private, names),
                    None => wrappers::share(&private, self.options.cache, names),
                };
                made.and_then(|()| fs::create_dir(private.join(names::SYSROOT)))
                    .and_then(|()| self.prepare_observer(&private, root))
            }
            ScriptRoot::Machine { .. } => {
                let temporary = self.options.scratch.join("tmp");
                wrappers::create(&private, wrappers::names_on_machine)
                    .and_then(|()| fs::create_dir(&temporary))
                    .and_then(|()| fs::set_permissions(&temporary, fs::Permissions::from_mode(0o1777)))
            }
        };
        let in_namespaces = !matches!(self.options.root, ScriptRoot::Machine { .. });
        let admin = self.admin_outside().filter(|_| in_namespaces);
        made.and_then(|()| admin.map_or(Ok(()), |_| fs::create_dir(private.join(names::ADMIN))))
            .map_err(|source| SessionError::Write {
                path: private,
                source,
            })
    }

    /// Returns further files of the private directory.
    fn own_files(&self) -> Vec<(&'static str, Vec<u8>)> {
        let surroundings = &self.options.surroundings;
        let mut files = Vec::new();
        if self.redirected && !self.options.root.is_chrootless() {
            let architecture = format!("APT::Architecture \"{}\";\n", self.options.arch.name);
            files.push((names::APT_CONFIGURATION, architecture.into_bytes()));
            if surroundings.dpkg.is_some() {
                files.push((names::DPKG, Vec::new()));
            }
        }
        files.extend(surroundings.resolver.clone().map(|text| (names::RESOLVER, text)));
        files
    }

    fn prepare_observer(&self, private: &Path, root: &Target) -> std::io::Result<()> {
        let Some(observer) = &self.options.observer else {
            return Ok(());
        };
        let admin = format!("{DPKG_ROOT}{}", dpkg_db::ADMIN);
        observer.prepare(private, root, Path::new(&admin), Path::new(paths::SHIM))
    }

    /// Makes the view, or the sandbox, in which programs run.
    pub(super) fn view(&self) -> Result<View> {
        let native_mount = self.options.scratch.join("native-root");
        let layer = self.options.scratch.join("layer");
        let layered = matches!(self.options.root, ScriptRoot::Native { layered: true, .. });
        let layer = layered.then_some(layer.as_path());
        let native = self.options.root.native_root().map(|_| native_mount.as_path());
        let admin = self
            .admin_outside()
            .map(|directory| (directory, admin_mount_point(&self.options.mount_point)));
        for path in std::iter::once(self.options.mount_point.as_path())
            .chain(native)
            .chain(layer)
            .chain(admin.as_ref().map(|(_, path)| path.as_path()))
        {
            match fs::create_dir(path) {
                // A view before this one has left it.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => made.map_err(|source| SessionError::Write {
                    path: path.to_owned(),
                    source,
                })?,
            }
        }
        let reporter = Arc::clone(&self.options.reporter);
        let sink: Sink = Box::new(move |package, line| {
            reporter.event(&Event::ScriptOutput {
                package,
                output: line.as_bytes(),
            });
        });
        if let ScriptRoot::Machine { fuse } = self.options.root {
            return Ok(View::in_sandbox(SandboxedOptions {
                target: self.options.target,
                mount_point: fuse.then_some(self.options.mount_point.as_path()),
                admin: admin.map(|(directory, _)| directory),
                control: Some(self.private().join(names::CONTROL)),
                readable: vec![self.private()],
                writable: vec![self.options.scratch.join("tmp")],
                sink,
            })?);
        }
        Ok(self.in_namespaces(&native_mount, layer, admin, sink)?)
    }

    fn in_namespaces(
        &self,
        native_mount: &Path,
        layer: Option<&Path>,
        admin: Option<(&Target, PathBuf)>,
        sink: Sink,
    ) -> std::result::Result<View, ViewError> {
        let native_root = self.options.root.native_root();
        let private = self.private();
        let programs = self.redirected.then(|| match (native_root, self.native_system) {
            (Some(root), _) => root.root_path().to_owned(),
            (None, Some(directory)) => directory.to_owned(),
            (None, None) => private.join(names::SYSROOT),
        });
        let top = serving::loader_top().map(|top| self.options.target.root_path().join(top));
        let own_top = top.and_then(|top| top.symlink_metadata().ok());
        let own_top = own_top.is_some_and(|top| top.is_dir());
        let serve = serving::serve_target(self.options.arch, self.options.foreign, programs, own_top);
        let admin = admin.map(|(directory, mount_point)| AdminView {
            directory,
            mount_point,
            // Scripts in it that are programs.
            serve: ServeOptions {
                phantoms: Vec::new(),
                redirect: serve.redirect.clone(),
                ..ServeOptions::default()
            },
        });
        let surroundings = &self.options.surroundings;
        let resolver = surroundings.resolver.as_deref();
        let resolver = resolver.map(|text| resolver::place(self.options.target, text));
        let mut serve = serve;
        serve.durable = surroundings.durable;
        let mut resolver_mount = None;
        match resolver {
            Some(resolver::Place::Mount(path)) => resolver_mount = Some(path),
            Some(resolver::Place::Phantom(phantom)) => serve.phantoms.push(phantom),
            None => {}
        }
        let mut binds = Vec::new();
        for (number, bind) in surroundings.binds.iter().enumerate() {
            let mount_point = self.options.mount_point.with_extension(format!("bind{number}"));
            match fs::create_dir(&mount_point) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(ViewError::Io {
                        action: "make a directory for a mount",
                        source: error,
                    });
                }
                _ => {}
            }
            let destination = self.options.target.stat_follow(&bind.destination);
            if destination.is_err() {
                serve
                    .phantoms
                    .push(serving::mount_point(&bind.destination, bind.source.is_dir()));
            }
            let to = bind.destination.clone();
            let bound = BoundView::new(&bind.source, to, bind.read_only, mount_point);
            binds.push(bound.map_err(ViewError::Serve)?);
        }
        let watched = |of: fn(Arc<dyn Observer>) -> Arc<dyn rootless_install_fs::Watch>| {
            self.options.observer.clone().map(of)
        };
        View::start(ViewOptions {
            target: self.options.target,
            mount_point: &self.options.mount_point,
            private: &private,
            native_system: self.native_system.filter(|_| native_root.is_none()),
            serve: ServeOptions {
                watch: watched(|observer| observer.inside()),
                ..serve
            },
            native_root: native_root.map(|root| NativeRootView {
                root,
                mount_point: native_mount,
                layer,
                serve: ServeOptions {
                    watch: watched(|observer| observer.outside()),
                    ..serving::serve_native_root()
                },
            }),
            admin,
            around: None,
            machine: other_machine(self.options.arch),
            host_network: surroundings.network == Network::Host,
            read_only: surroundings.read_only,
            binds,
            resolver: resolver_mount,
            sink,
        })
    }
}

/// Returns the machine that uname(2) is to name in a target; none where it is this one's.
fn other_machine(arch: &Architecture) -> Option<&'static str> {
    (arch.uname != Architecture::native().uname).then_some(arch.uname)
}
