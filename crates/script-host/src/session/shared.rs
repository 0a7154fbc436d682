//! The part of a session that stays the same while it is open, shared with the threads that answer the shim.

use super::{Native, Options, Result, ScriptRoot, disk_modes, private};
use crate::fontconfig;
use crate::sysroot::{Counterparts, Sysroot, SysrootOptions};
use crate::unrunnable::Unrunnable;
use deb_arch::Architecture;
use shim_protocol::names;
use std::path::Path;
use task_progress::Stage;

/// Directory of the cache for unpacked native packages; the number is that of their form.
pub const NATIVE_PACKAGES: &str = "native-3";

/// The part of a session that stays the same while it is open.
pub(super) struct Shared<'s> {
    pub(super) options: &'s Options<'s>,
    /// Whether native programs stand in for the target's.
    pub(super) redirected: bool,
    /// Root of a native system that is used instead of packages.
    pub(super) native_system: Option<&'s Path>,
    /// Native counterparts of programs; none where native tools are no packages.
    pub(super) counterparts: Option<&'s dyn Counterparts>,
    pub(super) unrunnable: &'s Unrunnable,
}

impl<'s> Shared<'s> {
    /// Makes the native sysroot. Returns it where native tools are packages.
    pub(super) fn sysroot<'u>(&self, native: &Native<'s, 'u>) -> Result<Option<Sysroot<'s, 'u>>> {
        let options = self.options;
        if options.root.is_chrootless() {
            return Ok(None);
        }
        let tree = self.private().join(names::SYSROOT);
        if let Some(directory) = &native.directory {
            private::check_native_system(directory)?;
            private::create_mount_points(&tree)?;
            return Ok(None);
        }
        let _stage = options.reporter.stage(Stage::Sysroot);
        let sysroot = Sysroot::new(SysrootOptions {
            tree,
            store: options.cache.join(NATIVE_PACKAGES),
            arch: options.arch,
            target: options.target,
            universe: native.universe,
            indexes: native.indexes,
            fetcher: native.fetcher,
            earlier: native.earlier,
            reporter: &*options.reporter,
        })?;
        Ok(Some(sysroot))
    }

    /// Brings into the target's form what scripts have left on the disk or in this machine's form.
    pub(super) fn finish(&self) -> Result<()> {
        let (target, arch) = (self.options.target, self.options.arch);
        if matches!(self.options.root, ScriptRoot::Machine { fuse: false }) {
            disk_modes::take_over_all(target)?;
            self.admin_outside().map_or(Ok(()), disk_modes::take_over_all)?;
        }
        let native = Architecture::native();
        if arch != native || self.options.foreign.iter().any(|arch| *arch != native) {
            fontconfig::remove_foreign(target, arch)?;
        }
        Ok(())
    }
}
