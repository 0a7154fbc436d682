//! dpkg's database, and the files of packages by it.

use super::{Kind, Report};
use crate::commands::Error;
use crate::dpkg_configuration::DpkgConfiguration;
use crate::finished;
use deb_arch::Architecture;
use dpkg_db::{ADMIN, Accounts, Database, Diversions, Flag, Package, StatOverrides, Status};
use rootless_install_fs::{FileType, Target};
use std::collections::HashSet;
use std::path::Path;
use task_progress::Cancel;
use task_progress::with_causes;

/// Suffixes of files in `info` that are no package's.
const OF_NOBODY: [&str; 1] = ["format"];

/// Checks the database and, unless that shall be `quick`, the content of files.
pub(super) fn check(target: &Target, quick: bool, report: &mut Report, cancel: &Cancel) -> Result<(), Error> {
    if target.stat_follow(Path::new(ADMIN)).is_err() {
        // A target without dpkg is one, too.
        return Ok(());
    }
    let architecture = match finished::architecture(target) {
        Ok(found) => found.unwrap_or_else(Architecture::native),
        Err(error) => {
            report.add(Kind::Database, Path::new(ADMIN), error.to_string(), "");
            return Ok(());
        }
    };
    let database = match Database::load(target, architecture.name) {
        Ok(database) => database,
        Err(error) => {
            report.add(
                Kind::Database,
                Path::new(ADMIN),
                with_causes(&error),
                "status-old is the file before its last change",
            );
            return Ok(());
        }
    };
    leftovers(target, report);
    states(target, &database, report);
    strays(target, &database, report);
    let diversions = Diversions::load(target).unwrap_or_else(|error| {
        report.add(
            Kind::Database,
            Path::new(dpkg_db::DIVERSIONS),
            with_causes(&error),
            "",
        );
        Diversions::default()
    });
    let accounts = Accounts::load(target).unwrap_or_default();
    if let Err(error) = StatOverrides::load(target, &accounts) {
        report.add(
            Kind::Database,
            Path::new(dpkg_db::STATOVERRIDE),
            with_causes(&error),
            "",
        );
    }
    if !quick {
        let filters = DpkgConfiguration::of(target).filters;
        let left_out = |path: &Path| filters.leave_out(path, false);
        for package in database.packages() {
            let there = !matches!(
                package.status,
                Status::NotInstalled | Status::ConfigFiles | Status::HalfInstalled
            );
            if there {
                files(target, package, &diversions, &left_out, report, cancel)?;
            }
        }
    }
    Ok(())
}

/// What a call of dpkg that was killed leaves in its directory.
fn leftovers(target: &Target, report: &mut Report) {
    let admin = Path::new(ADMIN);
    let names = |directory: &Path| target.read_dir(directory).unwrap_or_default();
    let mend = "dpkg --configure -a ends what was begun";
    for directory in ["updates", "tmp.ci", "reassemble"] {
        let path = admin.join(directory);
        if !names(&path).is_empty() && directory != "reassemble" {
            report.add(
                Kind::Leftover,
                &path,
                "has what a call of dpkg that did not end has noted",
                mend,
            );
        }
    }
    for directory in [admin.to_owned(), admin.join("triggers"), admin.join("info")] {
        for name in names(&directory) {
            let text = name.to_string_lossy();
            if text.ends_with("-new") || text.ends_with(".new") {
                report.add(
                    Kind::Leftover,
                    &directory.join(&name),
                    "is a file that dpkg was about to rename",
                    mend,
                );
            }
        }
    }
}

/// Packages that are not installed completely.
fn states(target: &Target, database: &Database, report: &mut Report) {
    for package in database.packages() {
        let name = package.display_name(database.native());
        let (what, mend) = match package.status {
            _ if package.flag == Flag::ReinstReq => ("must be installed again", "install it again"),
            Status::Unpacked => ("is unpacked and not configured", "dpkg --configure -a"),
            Status::HalfConfigured => ("is half configured", "dpkg --configure -a"),
            Status::HalfInstalled => ("is half installed", "install it again, or remove it"),
            Status::TriggersAwaited | Status::TriggersPending => {
                ("has triggers that were not processed", "dpkg --configure -a")
            }
            Status::Installed => {
                report.packages += 1;
                ("", "")
            }
            Status::NotInstalled | Status::ConfigFiles => continue,
        };
        if !what.is_empty() {
            report.add_of(Kind::Package, &name, "", what, mend);
        }
        if target.stat(&package.info_path("list")).is_err() {
            report.add_of(
                Kind::Database,
                &name,
                "",
                "has no list of its files",
                "install it again",
            );
        }
    }
}

/// Files in `info` of packages that the database does not have.
fn strays(target: &Target, database: &Database, report: &mut Report) {
    let known: HashSet<String> = database.packages().map(Package::info_name).collect();
    let directory = Path::new(ADMIN).join("info");
    for name in target.read_dir(&directory).unwrap_or_default() {
        let text = name.to_string_lossy();
        if OF_NOBODY.contains(&&*text) || text.ends_with("-new") {
            continue;
        }
        // Package names have dots, kinds of files none.
        let package = text.rsplit_once('.').map_or(&*text, |(package, _)| package);
        if !known.contains(package) {
            report.add(
                Kind::Database,
                &directory.join(&name),
                "is of no package of the database",
                "remove it",
            );
        }
    }
}

/// Compares the files of a package with its checksums.
fn files(
    target: &Target,
    package: &Package,
    diversions: &Diversions,
    left_out: &dyn Fn(&Path) -> bool,
    report: &mut Report,
    cancel: &Cancel,
) -> Result<(), Error> {
    let path = package.info_path("md5sums");
    let Ok(sums) = target.read(&path) else {
        return Ok(());
    };
    let sums = String::from_utf8_lossy(&sums).into_owned();
    for line in sums.lines() {
        cancel.check()?;
        let Some((sum, name)) = line.split_once("  ") else {
            report.add_of(
                Kind::Database,
                &package.name,
                &path.to_string_lossy(),
                "has a line that is none",
                "install it again",
            );
            continue;
        };
        let named = Path::new("/").join(name);
        if left_out(&named) {
            continue;
        }
        let used = diversions.used(&named, &package.name);
        let shown = used.to_string_lossy();
        // An administrator's changes of these are meant to be.
        let conffile = package
            .conffiles
            .iter()
            .any(|conffile| Path::new(&conffile.path) == named);
        match target.stat(used) {
            Err(error) if error.is_not_found() && conffile => {}
            Err(error) if error.is_not_found() => {
                report.add_of(
                    Kind::Missing,
                    &package.name,
                    &shown,
                    "is not there",
                    "install the package again",
                );
            }
            // Told with the disk's.
            Err(_) => {}
            Ok(stat) if stat.meta.kind != FileType::Regular => {
                let what = format!("is {}, not a file", stat.meta.kind.description());
                report.add_of(Kind::Changed, &package.name, &shown, what, "");
            }
            Ok(_) => {
                report.compared += 1;
                match dpkg_db::md5_of(target, used) {
                    Ok(found) if found == sum || conffile => {}
                    Ok(_) => report.add_of(
                        Kind::Changed,
                        &package.name,
                        &shown,
                        "has another content than its package brought",
                        "",
                    ),
                    Err(error) => {
                        report.add_of(Kind::Changed, &package.name, &shown, with_causes(&error), "")
                    }
                }
            }
        }
    }
    Ok(())
}
