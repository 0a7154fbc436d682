//! Observation of scripts.

use rootless_install_fs::{Target, Watch};
use shim_protocol::Violation;
use std::path::Path;
use std::sync::Arc;

/// An observer of what scripts do, such as lint. The target is thrown away afterwards, so a script that fails
/// does not end the work.
pub trait Observer: Send + Sync {
    /// Returns the watch of the target's view.
    fn inside(self: Arc<Self>) -> Arc<dyn Watch>;
    /// Returns the watch of the native root's view.
    fn outside(self: Arc<Self>) -> Arc<dyn Watch>;
    /// Takes the shim's report of a script that acts outside of `DPKG_ROOT`.
    fn violation(&self, violation: &Violation<'_>);
    /// Prepares the private directory and the native root before the first script; `admin` is
    /// `DPKG_ADMINDIR`, `shim` the shim's path, both as scripts see them.
    ///
    /// # Errors
    /// A file cannot be written.
    fn prepare(&self, private: &Path, root: &Target, admin: &Path, shim: &Path) -> std::io::Result<()>;
    /// Runs in a thread of its own while the session is open, until `ended` says so.
    fn accompany(&self, ended: &dyn Fn() -> bool);
}
