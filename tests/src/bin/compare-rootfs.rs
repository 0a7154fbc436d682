//! `compare-rootfs [--ignore GLOB]… REFERENCE.tar CANDIDATE.tar`: prints every
//! difference between two root filesystem tars, or listings of them
//! (`.list.zst`); exit status 1 if there is one.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use rootless_install_tests::compare::{compare_files, matches};

fn main() -> ExitCode {
    let mut ignore = Vec::new();
    let mut files = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--ignore" => ignore.extend(arguments.next()),
            _ => files.push(argument),
        }
    }
    let [reference, candidate] = files.as_slice() else {
        let _ = writeln!(
            std::io::stderr(),
            "usage: compare-rootfs [--ignore GLOB]… REFERENCE.tar CANDIDATE.tar"
        );
        return ExitCode::from(2);
    };
    match compare_files(Path::new(reference), Path::new(candidate)) {
        Ok(mut found) => {
            found
                .differences
                .retain(|one| !ignore.iter().any(|glob| matches(glob, &one.path)));
            let _ = writeln!(std::io::stdout(), "{found}");
            ExitCode::from(u8::from(!found.differences.is_empty()))
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}
