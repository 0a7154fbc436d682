//! apt and other programs of its library: the architecture that is compiled in.

use super::Execution;
use crate::base_name;
use crate::paths::Architecture;
use shim_protocol::paths::APT_CONFIGURATION;
use std::ffi::{OsStr, OsString};

/// Variable of the environment that names a file of configuration (apt.conf(5)).
const VARIABLE: &str = "APT_CONFIG";

/// Programs that do not know the option `-o`.
const WITHOUT_OPTION: [&[u8]; 2] = [b"apt-key", b"apt-add-repository"];

/// Returns the variable with which programs of apt's library learn of the target's architecture; none in a session
/// without such programs, and where the caller has a configuration of its own. The file is the first that apt reads, so
/// that the target's own configuration comes after it.
pub(super) fn variable() -> Option<(&'static str, OsString)> {
    let callers = std::env::var_os(VARIABLE).is_some_and(|file| !file.is_empty());
    let there = || std::fs::metadata(APT_CONFIGURATION).is_ok();
    (!callers && there()).then(|| (VARIABLE, APT_CONFIGURATION.into()))
}

/// Where the caller has a configuration of its own, an option says the architecture.
pub(super) fn apt(arch: &Architecture, path: &OsStr) -> Execution {
    if let Some(variable) = variable() {
        return Execution {
            variables: vec![variable],
            ..Execution::default()
        };
    }
    let callers = std::env::var_os(VARIABLE).is_some_and(|file| !file.is_empty());
    if !callers || WITHOUT_OPTION.contains(&base_name(path)) {
        return Execution::default();
    }
    Execution {
        arguments: vec!["-o".into(), format!("APT::Architecture={}", arch.name).into()],
        ..Execution::default()
    }
}
