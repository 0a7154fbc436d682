//! The `rootless-install` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The process that holds the view is this program executed anew.
    script_host::view::agent_entry().unwrap_or_else(|| rootless_install::cli::main(std::env::args_os()))
}
