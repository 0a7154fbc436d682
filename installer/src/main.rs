//! The `rootless-install` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(first) if first == "--view-agent" => ExitCode::from(2),
        _ => rootless_install::cli::main(std::env::args_os()),
    }
}
