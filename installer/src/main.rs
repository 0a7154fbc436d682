//! The `rootless-install` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        _ => rootless_install::cli::main(std::env::args_os()),
    }
}
