//! `--audit`: packages in a state in which they should not stay.

use super::messages::Messages;
use dpkg_db::{Database, Package, Status};
use rootless_install_fs::Target;

/// Prints the packages with each kind of problem.
pub(super) fn audit(target: &Target, database: &Database, messages: &Messages) {
    let has = |package: &Package, kind: &str| target.stat(&package.info_path(kind)).is_ok();
    let there = |package: &Package| package.status >= Status::HalfInstalled;
    type Check<'c> = &'c dyn Fn(&Package) -> bool;
    let checks: [(Check<'_>, &str); 8] = [
        (
            &|package| package.flag == dpkg_db::Flag::ReinstReq,
            "The following packages are in a mess due to serious problems during\ninstallation.  They must be \
             reinstalled for them (and any packages\nthat depend on them) to function properly:",
        ),
        (
            &|package| package.status == Status::Unpacked,
            "The following packages have been unpacked but not yet configured.\nThey must be configured using dpkg \
             --configure or the configure\nmenu option in dselect for them to work:",
        ),
        (
            &|package| package.status == Status::HalfConfigured,
            "The following packages are only half configured, probably due to problems\nconfiguring them the first \
             time.  The configuration should be retried using\ndpkg --configure <package> or the configure menu \
             option in dselect:",
        ),
        (
            &|package| package.status == Status::HalfInstalled,
            "The following packages are only half installed, due to problems during\ninstallation.  The \
             installation can probably be completed by retrying it;\nthe packages can be removed using dselect or \
             dpkg --remove:",
        ),
        (
            &|package| package.status == Status::TriggersAwaited,
            "The following packages are awaiting processing of triggers that they\nhave activated in other \
             packages.  This processing can be requested using\ndselect or dpkg --configure --pending (or dpkg \
             --triggers-only):",
        ),
        (
            &|package| package.status == Status::TriggersPending,
            "The following packages have been triggered, but the trigger processing\nhas not yet been done.  Trigger \
             processing can be requested using\ndselect or dpkg --configure --pending (or dpkg --triggers-only):",
        ),
        (
            &|package| there(package) && !has(package, "list"),
            "The following packages are missing the list control file in the\ndatabase, they need to be reinstalled:",
        ),
        (
            &|package| there(package) && !has(package, "md5sums"),
            "The following packages are missing the md5sums control file in the\ndatabase, they need to be \
             reinstalled:",
        ),
    ];
    for (check, explanation) in checks {
        let mut found = database.packages().filter(|package| check(package)).peekable();
        if found.peek().is_none() {
            continue;
        }
        messages.say(explanation);
        for package in found {
            let name = package.display_name(database.native());
            let synopsis = package.field("Description").and_then(|text| text.lines().next());
            let synopsis: String = synopsis.unwrap_or_default().chars().take(57).collect();
            messages.say(&format!(" {name:<20} {synopsis}"));
        }
        messages.say("");
    }
}
