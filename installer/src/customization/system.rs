//! The name of a system, its time zone and its locale.

use super::apply::System;
use super::error::{CustomizationError, Wrong};
use super::place;
use rootless_install_fs::{FileType, Meta, Target};
use std::path::Path;

type Result<T> = std::result::Result<T, CustomizationError>;

/// Directory of time zones.
const ZONES: &str = "/usr/share/zoneinfo";

/// Locales that the C library has by itself.
const BUILT_IN: [&str; 4] = ["C", "POSIX", "C.UTF-8", "C.utf8"];

/// Checks a name of a system (hostname(7)).
///
/// # Errors
/// [`Wrong`].
pub(crate) fn check_hostname(name: &str) -> std::result::Result<(), Wrong> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    match name.len() <= 64 && name.split('.').all(label) {
        true => Ok(()),
        false => Err(Wrong::new(
            "hostname",
            format!(
                "`{}` is no name of a system: letters, digits and `-`, at most 64",
                name.escape_debug()
            ),
        )),
    }
}

/// Checks the form of a time zone's name.
///
/// # Errors
/// [`Wrong`].
pub(crate) fn check_timezone(zone: &str) -> std::result::Result<(), Wrong> {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte))
    };
    match zone.split('/').all(part) {
        true => Ok(()),
        false => Err(Wrong::new(
            "timezone",
            format!(
                "`{}` is no time zone: write it as Europe/Berlin or UTC",
                zone.escape_debug()
            ),
        )),
    }
}

/// Checks the form of a locale's name.
///
/// # Errors
/// [`Wrong`].
pub(crate) fn check_locale(locale: &str) -> std::result::Result<(), Wrong> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.@-".contains(&byte);
    match !locale.is_empty() && locale.bytes().all(fits) {
        true => Ok(()),
        false => Err(Wrong::new(
            "locale",
            format!(
                "`{}` is no locale: write it as de_DE.UTF-8",
                locale.escape_debug()
            ),
        )),
    }
}

/// Sets the name, which /etc/hosts has for this machine as well, as Debian's installer writes it.
pub(super) fn set_hostname(target: &Target, name: &str) -> Result<()> {
    place::text(target, "/etc/hostname", &format!("{name}\n"))?;
    let names = match name.split_once('.') {
        Some((short, _)) => format!("{name} {short}"),
        None => name.to_owned(),
    };
    let own = format!("127.0.1.1\t{names}");
    let hosts = match target.read(Path::new("/etc/hosts")) {
        Ok(data) => String::from_utf8_lossy(&data).into_owned(),
        Err(error) if error.is_not_found() => {
            return place::text(
                target,
                "/etc/hosts",
                &format!(
                    "127.0.0.1\tlocalhost\n{own}\n\n::1\tlocalhost ip6-localhost ip6-loopback\n\
                     ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
                ),
            );
        }
        Err(error) => return Err(error.into()),
    };
    let mut lines: Vec<&str> = hosts
        .lines()
        .filter(|line| !line.starts_with("127.0.1.1"))
        .collect();
    let after = lines.iter().position(|line| line.starts_with("127.0.0.1"));
    lines.insert(after.map_or(0, |at| at + 1), &own);
    place::text(target, "/etc/hosts", &format!("{}\n", lines.join("\n")))
}

/// Sets the time zone, as the package tzdata does.
pub(super) fn set_timezone(target: &Target, zone: &str) -> Result<()> {
    let what = format!("time zone {zone}");
    if !place::has(target, ZONES) {
        return Err(CustomizationError::lacks(
            what,
            "time zones",
            "install tzdata as well",
        ));
    }
    let file = format!("{ZONES}/{zone}");
    let found = target.stat_follow(Path::new(&file));
    if !found.is_ok_and(|stat| stat.meta.kind == FileType::Regular) {
        let parent = Path::new(&file).parent().unwrap_or(Path::new(ZONES));
        let names = target.read_dir(parent).unwrap_or_default();
        let names: Vec<String> = names
            .into_iter()
            .filter_map(|name| name.into_string().ok())
            .collect();
        let last = zone.rsplit('/').next().unwrap_or(zone);
        let near = deb_types::near::nearest(last, names.iter().map(String::as_str), 2);
        let near = match near.first() {
            Some(near) => format!("; did you mean {}?", zone.replace(last, near)),
            None => String::new(),
        };
        return Err(CustomizationError::unfit(
            what,
            format!("the target has no such time zone{near}"),
        ));
    }
    let link = Meta::of_root(FileType::Symlink, 0o777);
    place::link(target, Path::new("/etc/localtime"), Path::new(&file), &link)?;
    // Releases since Debian 13 have no such file.
    if target.stat(Path::new("/etc/timezone")).is_ok() {
        place::text(target, "/etc/timezone", &format!("{zone}\n"))?;
    }
    Ok(())
}

/// Sets the locale, and has it generated where it is one that the package locales makes.
pub(super) fn set_locale(system: &mut System<'_, '_>, locale: &str) -> Result<()> {
    let what = format!("locale {locale}");
    let target = system.target;
    let all_there = place::has(target, "/usr/lib/locale/locale-archive") && !system.has_program("locale-gen");
    if !BUILT_IN.contains(&locale) && !all_there && !has_compiled(target, locale) {
        let supported = match target.read(Path::new("/usr/share/i18n/SUPPORTED")) {
            Ok(data) => String::from_utf8_lossy(&data).into_owned(),
            Err(_) => {
                return Err(CustomizationError::lacks(
                    what,
                    "package that makes locales",
                    "install locales as well, or use C.UTF-8",
                ));
            }
        };
        let first = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
        let Some(line) = supported.lines().find(|line| first(line) == locale) else {
            let known: Vec<String> = supported.lines().map(first).collect();
            let near = deb_types::near::nearest(locale, known.iter().map(String::as_str), 3);
            let near = near.first().map(|near| format!("; did you mean {near}?"));
            let reason = format!("the target can make no such locale{}", near.unwrap_or_default());
            return Err(CustomizationError::unfit(what, reason));
        };
        let wanted = match target.read(Path::new("/etc/locale.gen")) {
            Ok(data) => String::from_utf8_lossy(&data).into_owned(),
            Err(_) => String::new(),
        };
        if !wanted.lines().any(|known| known == line) {
            let mut found = false;
            let mut lines: Vec<String> = Vec::new();
            for known in wanted.lines() {
                let is = known.strip_prefix("# ").is_some_and(|known| known.trim() == line);
                lines.push(if is && !found {
                    line.to_owned()
                } else {
                    known.to_owned()
                });
                found |= is;
            }
            if !found {
                lines.push(line.to_owned());
            }
            place::text(target, "/etc/locale.gen", &format!("{}\n", lines.join("\n")))?;
        }
        system.run(&what, &["locale-gen".to_owned()], "locales")?;
    }
    // Releases since Debian 13 have a link there.
    let path = match target.read_link(Path::new("/etc/default/locale")) {
        Ok(_) => "/etc/locale.conf",
        Err(_) => "/etc/default/locale",
    };
    place::text(target, path, &format!("LANG={locale}\n"))
}

/// Whether the target has a locale in a directory of its own, which localedef(1) names in its own way.
fn has_compiled(target: &Target, locale: &str) -> bool {
    let normal = match locale.split_once('.') {
        Some((name, set)) => format!("{name}.{}", set.to_ascii_lowercase().replace('-', "")),
        None => locale.to_owned(),
    };
    [locale, &normal]
        .iter()
        .any(|name| place::has(target, &format!("/usr/lib/locale/{name}")))
}
