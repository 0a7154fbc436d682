//! The environment of hooks: the caller's, with what mmdebstrap changes of it and adds to it (mmdebstrap(1), HOOKS).

use super::{HookContext, Moment};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Variables of the caller that hooks do not get: paths that mean something else around the target.
const REMOVED: [&str; 4] = ["TMPDIR", "APT_CONFIG", "DPKG_ROOT", "DPKG_ADMINDIR"];

/// Directories of programs, after the caller's (`DPkg::Path` of apt).
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Returns the whole environment of a hook. `apt_config` is a configuration of apt with which the machine's apt works in
/// the target, if there is one; `essential` are the package files that are about to be configured.
pub(super) fn environment(
    context: &HookContext,
    moment: Moment,
    apt_config: Option<&Path>,
    essential: &[String],
    callers: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = callers
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| !REMOVED.contains(&name.as_str()) && !name.starts_with("MMDEBSTRAP_"))
        .collect();
    let mut set = |name: &str, value: String| {
        all.retain(|(known, _)| known != name);
        all.push((name.to_owned(), value));
    };
    for (name, value) in [
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
        ("LC_ALL", "C.UTF-8"),
        ("LANGUAGE", "C.UTF-8"),
        ("LANG", "C.UTF-8"),
    ] {
        set(name, value.to_owned());
    }
    let text = |value: &OsStr| String::from_utf8_lossy(value.as_bytes()).into_owned();
    set("MMDEBSTRAP_ARGV0", text(&context.argv0));
    set("MMDEBSTRAP_MODE", context.mode.clone());
    set("MMDEBSTRAP_FORMAT", context.format.clone());
    set("MMDEBSTRAP_HOOK", moment.name().to_owned());
    set("MMDEBSTRAP_VERBOSITY", context.verbosity.to_string());
    set("MMDEBSTRAP_INCLUDE", include(&context.include));
    if let Some(suite) = &context.suite {
        set("MMDEBSTRAP_SUITE", suite.clone());
    }
    if let Some(path) = apt_config {
        set("MMDEBSTRAP_APT_CONFIG", text(path.as_os_str()));
    }
    if moment == Moment::Extract && !essential.is_empty() {
        set("MMDEBSTRAP_ESSENTIAL", essential.join(" "));
    }
    if context.mode == "unshare" {
        set("container", "mmdebstrap-unshare".to_owned());
    }
    for (name, value) in &context.variables {
        set(name, value.clone());
    }
    let path = all.iter_mut().find(|(name, _)| name == "PATH");
    match path {
        Some((_, path)) if !path.is_empty() => *path = format!("{path}:{PATH}"),
        Some((_, path)) => PATH.clone_into(path),
        None => all.push(("PATH".to_owned(), PATH.to_owned())),
    }
    all
}

/// Returns packages as one word: commas in them, and what stands for a comma, are written by their numbers.
fn include(packages: &[String]) -> String {
    let escaped: Vec<String> = packages
        .iter()
        .map(|package| package.replace('%', "%25").replace(',', "%2C"))
        .collect();
    escaped.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn of(context: &HookContext, moment: Moment) -> Vec<(String, String)> {
        let callers = [
            ("PATH", "/opt/bin"),
            ("TMPDIR", "/x"),
            ("APT_CONFIG", "/y"),
            ("MINE", "1"),
            ("LANG", "de_DE"),
        ];
        let callers = callers.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let essential = ["/var/cache/apt/archives/a.deb".to_owned()];
        environment(
            context,
            moment,
            Some(Path::new("/r/apt.conf")),
            &essential,
            callers.into_iter(),
        )
    }

    #[test]
    fn hooks_have_the_callers_variables_and_mmdebstraps() {
        let context = HookContext {
            argv0: "mmdebstrap".into(),
            mode: "unshare".to_owned(),
            include: vec!["a".to_owned(), "?or(~nx,~ny%)".to_owned()],
            format: "tar".to_owned(),
            verbosity: 1,
            ..HookContext::default()
        };
        let all = of(&context, Moment::Extract);
        let get = |name: &str| {
            let found: Vec<&str> = all
                .iter()
                .filter(|(known, _)| known == name)
                .map(|(_, value)| value.as_str())
                .collect();
            assert!(found.len() < 2, "{name}");
            found.first().copied()
        };
        assert_eq!(get("TMPDIR"), None);
        assert_eq!(get("APT_CONFIG"), None);
        assert_eq!(get("MINE"), Some("1"));
        assert_eq!(get("LANG"), Some("C.UTF-8"));
        assert_eq!(
            get("PATH").map(|path| path.starts_with("/opt/bin:/usr/local/sbin:")),
            Some(true)
        );
        assert_eq!(get("MMDEBSTRAP_INCLUDE"), Some("a,?or(~nx%2C~ny%25)"));
        assert_eq!(get("MMDEBSTRAP_APT_CONFIG"), Some("/r/apt.conf"));
        assert_eq!(get("MMDEBSTRAP_ESSENTIAL"), Some("/var/cache/apt/archives/a.deb"));
        assert_eq!(get("MMDEBSTRAP_SUITE"), None);
        assert_eq!(get("container"), Some("mmdebstrap-unshare"));
        let later = of(&context, Moment::Customize);
        assert!(!later.iter().any(|(name, _)| name == "MMDEBSTRAP_ESSENTIAL"));
    }
}
