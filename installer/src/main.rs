//! The `rootless-install` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Processes that hold the view, confine a script, or clean up are this program executed anew.
    script_host::view::agent_entry()
        .or_else(|| rootless_install::staging::entry(std::env::args_os().skip(1)))
        .unwrap_or_else(|| rootless_install::cli::main(std::env::args_os()))
}
