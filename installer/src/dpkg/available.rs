//! Actions on the list of available packages: `--record-avail`, `--update-avail`, `--merge-avail`, `--clear-avail`.

use super::deb_files::{archive_files, summary};
use super::fault::{Fault, Result, errno_text};
use super::messages::Messages;
use super::options::{Action, Call};
use deb_types::raw_text;
use deb_unpack::{Job, open_package};
use dpkg_db::{ADMIN, Available, Database};
use rootless_install_fs::{FileType, Meta, Target};
use std::ffi::OsStr;
use std::path::Path;
use task_progress::with_causes;

/// Does such an action. Returns whether each archive was recorded.
pub(super) fn change(call: &Call, target: &Target, database: &Database, messages: &Messages) -> Result<bool> {
    let action = call.action.name();
    let path = Path::new(ADMIN).join("available");
    let native = database.native();
    let refused = |error: dpkg_db::DpkgError| Fault::Call(with_causes(&error));
    let mut available = Available::default();
    if matches!(call.action, Action::RecordAvail | Action::MergeAvail) {
        match target.read(&path) {
            Ok(text) => drop(available.merge(&raw_text::decode(text)).map_err(refused)?),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut failed = Vec::new();
    match call.action {
        Action::ClearAvail if !call.arguments.is_empty() => {
            return Err(Fault::Call(format!("--{action} takes no arguments")));
        }
        Action::ClearAvail => {}
        Action::RecordAvail => {
            for archive in archive_files(call)? {
                if let Err(problem) = record(call, &archive, &mut available, database, messages) {
                    messages.notice(&format!(
                        "error processing archive {} (--{action}):\n {problem}",
                        archive.display()
                    ));
                    failed.push(archive);
                }
            }
        }
        _ => {
            let source = match &call.arguments[..] {
                [] => OsStr::new("-"),
                [source] => source,
                _ => {
                    let problem = format!("--{action} takes at most one Packages-file argument");
                    return Err(Fault::Call(problem));
                }
            };
            let doing = match call.action {
                Action::MergeAvail => "Updating",
                _ => "Replacing",
            };
            let shown = source.display();
            messages.say(&format!("{doing} available packages info, using {shown}."));
            let mut text = Vec::new();
            let read = match source == "-" {
                true => messages.read_input().map(|read| text = read),
                false => {
                    std::fs::read(call.options.places.on_machine(Path::new(source))).map(|read| text = read)
                }
            };
            read.map_err(|error| {
                let why = errno_text(&error);
                Fault::Call(format!(
                    "failed to open package info file '{shown}' for reading: {why}"
                ))
            })?;
            let taken = available.merge(&raw_text::decode(text)).map_err(refused)?;
            let packages = if taken == 1 {
                "package was"
            } else {
                "packages were"
            };
            write(call, target, &path, &available.text(native))?;
            messages.say(&format!("Information about {taken} {packages} updated."));
            return Ok(true);
        }
    }
    write(call, target, &path, &available.text(native))?;
    if !failed.is_empty() {
        messages.tell("Errors were encountered while processing:\n");
        failed
            .iter()
            .for_each(|name| messages.tell(&format!(" {}\n", name.display())));
    }
    Ok(failed.is_empty())
}

/// Records the package of an archive.
fn record(
    call: &Call,
    archive: &Path,
    available: &mut Available,
    database: &Database,
    messages: &Messages,
) -> std::result::Result<(), String> {
    let job = Job {
        path: call.options.places.on_machine(archive),
        expected: None,
        recompressed: None,
    };
    let forces = &call.options.forces;
    let (deb, mut control) = open_package(&job).map_err(|error| with_causes(&error))?;
    control.bad_versions = forces.has("bad-version");
    super::doubts::about_control(call, &control, database.native(), messages);
    let package = control.package().map_err(|error| with_causes(&error))?;
    if let Some(problem) = super::deb_files::foreign_to(&package, database) {
        if !forces.has("architecture") {
            return Err(problem);
        }
        messages.warning("overriding problem because --force enabled:");
        messages.warning(&problem);
    }
    let name = package.display_name(database.native());
    let shown = summary(&archive.to_string_lossy());
    available.record(package, deb.size());
    messages.say(&format!("Recorded info about {name} from {shown}."));
    Ok(())
}

fn write(call: &Call, target: &Target, path: &Path, text: &str) -> Result {
    if call.options.act {
        let meta = Meta::of_root(FileType::Regular, 0o644);
        target.write(path, &raw_text::encode(text), &meta)?;
    }
    Ok(())
}
