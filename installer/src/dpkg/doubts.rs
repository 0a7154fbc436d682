//! dpkg's warnings about stanzas that it accepts, in the database and in archives.

use super::messages::Messages;
use super::options::Call;
use dpkg_db::{ADMIN, ControlArchive, control_doubts, status_doubts};
use rootless_install_fs::Target;
use std::path::Path;

/// Warns about the control file of an archive.
pub(super) fn about_control(call: &Call, control: &ControlArchive, native: &str, messages: &Messages) {
    let file = shown(call, "tmp.ci/control");
    for doubt in control_doubts(&control.control, &file, native) {
        messages.warning(&doubt);
    }
}

/// Warns about the status file.
pub(super) fn about_status(call: &Call, target: &Target, native: &str, messages: &Messages) {
    let text = target.read(&Path::new(ADMIN).join("status")).unwrap_or_default();
    let text = deb_types::raw_text::decode(text);
    for doubt in status_doubts(&text, &shown(call, "status"), native) {
        messages.warning(&doubt);
    }
}

/// Returns the path of a file of the administrative directory, as dpkg shows it.
fn shown(call: &Call, name: &str) -> String {
    let options = &call.options;
    let admin = match &options.admindir {
        Some(admindir) => admindir.clone(),
        None => options.root.join(ADMIN.trim_start_matches('/')),
    };
    admin.join(name).display().to_string()
}
