//! The environment variables that the program reads; there are no others.
//!
//! | variable | use |
//! |---|---|
//! | `XDG_CACHE_HOME`, `HOME` | where the cache is, without `--cache`; the home directory of passwd(5) where neither is set |
//! | `SOURCE_DATE_EPOCH` | times of the result are not later than this |
//! | `TMPDIR` | where the work directory is when the target is `-` |
//! | `LC_ALL`, `LC_CTYPE`, `LANG` | messages are in ASCII where these do not name UTF-8 |
//! | `NO_COLOR`, `TERM` | no colour when `NO_COLOR` is not empty or `TERM` is `dumb` |
//! | `REGISTRY_AUTH_FILE`, `XDG_RUNTIME_DIR`, `DOCKER_CONFIG`, `HOME` | users and passwords of registries, for `push` |
//! | `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy` | as usual, for downloads |

use nix::unistd::{User, getuid};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

use task_progress::Style;

/// Values of the variables when the program began; none for one that is not set.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `XDG_CACHE_HOME`.
    pub xdg_cache_home: Option<OsString>,
    /// `HOME`, else what passwd(5) says of the user.
    pub home: Option<OsString>,
    /// `SOURCE_DATE_EPOCH`.
    pub source_date_epoch: Option<OsString>,
    /// `TMPDIR`.
    pub tmpdir: Option<OsString>,
    /// `NO_COLOR`.
    pub no_color: Option<OsString>,
    /// `TERM`.
    pub term: Option<OsString>,
    /// `REGISTRY_AUTH_FILE`.
    pub registry_auth_file: Option<OsString>,
    /// `XDG_RUNTIME_DIR`.
    pub xdg_runtime_dir: Option<OsString>,
    /// `DOCKER_CONFIG`.
    pub docker_config: Option<OsString>,
    /// The first of `LC_ALL`, `LC_CTYPE` and `LANG` (locale(7)).
    pub locale: Option<OsString>,
}

impl Environment {
    /// Returns the values in this process. A variable that is empty counts as not set.
    pub fn of_process() -> Self {
        let get = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            xdg_cache_home: get("XDG_CACHE_HOME"),
            home: get("HOME").or_else(home_of_user),
            source_date_epoch: get("SOURCE_DATE_EPOCH"),
            tmpdir: get("TMPDIR"),
            no_color: get("NO_COLOR"),
            term: get("TERM"),
            registry_auth_file: get("REGISTRY_AUTH_FILE"),
            xdg_runtime_dir: get("XDG_RUNTIME_DIR"),
            docker_config: get("DOCKER_CONFIG"),
            locale: get("LC_ALL").or_else(|| get("LC_CTYPE")).or_else(|| get("LANG")),
        }
    }

    /// Returns `rootless-install` in the user's cache directory (XDG Base Directory Specification: a relative
    /// `XDG_CACHE_HOME` is ignored); none where neither that nor a home directory is known.
    pub fn cache(&self) -> Option<PathBuf> {
        let absolute = |value: &Option<OsString>| {
            value
                .as_ref()
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        absolute(&self.xdg_cache_home)
            .or_else(|| absolute(&self.home).map(|home| home.join(".cache")))
            .map(|cache| cache.join("rootless-install"))
    }

    /// Returns the parent of work directories that are not beside a target: `TMPDIR`, else `/var/tmp`, the directory
    /// for large temporary files (hier(7)).
    pub fn temporary(&self) -> PathBuf {
        self.tmpdir
            .as_ref()
            .map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from)
    }

    /// Returns the style of messages on this process's standard error.
    pub fn style(&self) -> Style {
        let dumb = self.term.as_ref().is_none_or(|term| term == "dumb");
        let terminal = std::io::stderr().is_terminal() && !dumb;
        Style {
            terminal,
            colour: terminal && self.no_color.is_none(),
            unicode: self.locale.as_ref().is_some_and(|locale| {
                let locale = locale.to_string_lossy().to_ascii_lowercase();
                locale.contains("utf-8") || locale.contains("utf8")
            }),
        }
    }
}

/// Returns the home directory that the machine knows of the user: callers clear the environment (`env -i`).
fn home_of_user() -> Option<OsString> {
    let user = User::from_uid(getuid()).ok()??;
    Some(user.dir.into_os_string()).filter(|home| !home.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_knows_a_home() {
        let passwd = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd");
        let user = getuid().to_string();
        let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(&user));
        // A user of another database has one as well.
        if let Some(home) = line.and_then(|line| line.split(':').nth(5)) {
            assert_eq!(home_of_user(), Some(home.into()));
        }
    }

    #[test]
    fn cache_follows_xdg() {
        let mut environment = Environment {
            home: Some("/home/u".into()),
            ..Environment::default()
        };
        assert_eq!(
            environment.cache(),
            Some("/home/u/.cache/rootless-install".into())
        );
        environment.xdg_cache_home = Some("relative".into());
        assert_eq!(
            environment.cache(),
            Some("/home/u/.cache/rootless-install".into())
        );
        environment.xdg_cache_home = Some("/c".into());
        assert_eq!(environment.cache(), Some("/c/rootless-install".into()));
        assert_eq!(Environment::default().cache(), None);
    }
}
