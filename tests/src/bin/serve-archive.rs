//! Serves the archive of this machine's apt on loopback, pinned, until standard input ends: for test suites of others, in
//! which an address is written.
//!
//!     serve-archive CACHE
//!
//! What is fetched is kept in CACHE; its file `port` has the port that is wanted. The URL is printed.

use std::io::{Read, Write as _};
use std::process::ExitCode;

use rootless_install_tests::mirror::Mirror;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let cache = match arguments.as_slice() {
        [cache] if !cache.as_encoded_bytes().starts_with(b"-") => cache,
        _ => {
            eprintln!("usage: serve-archive CACHE");
            return ExitCode::from(2);
        }
    };
    let mirror = match Mirror::pinned(cache.as_ref()) {
        Ok(mirror) => mirror,
        Err(error) => {
            eprintln!("serve-archive: {error}");
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = writeln!(std::io::stdout(), "{}", mirror.url()) {
        eprintln!("serve-archive: cannot print the URL: {error}");
        return ExitCode::FAILURE;
    }
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}
