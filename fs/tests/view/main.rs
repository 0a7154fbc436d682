//! The view, mounted: each case has a part inside a user and mount namespace, which sees the view, and a
//! part outside, which serves it and looks at the disk.
//!
//! `cargo test --test view [-- NAME…]` runs as root or as a user with a range in `/etc/subuid`.

mod cases;
mod memory;
mod namespace;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cases = cases::all();
    if let Some(name) = std::env::var_os(namespace::CASE) {
        let case = cases.iter().find(|case| name == case.name).expect("a known case");
        namespace::run_inside(case);
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    if let Err(reason) = namespace::possible() {
        eprintln!("skipped: {reason}");
        // In a place that must be able to, a skip is a failure.
        return match std::env::var_os("ROOTLESS_INSTALL_TESTS_MUST_RUN") {
            Some(_) => ExitCode::FAILURE,
            None => ExitCode::SUCCESS,
        };
    }
    let mut failed = 0;
    for case in &cases {
        let asked = wanted.iter().any(|name| case.name.contains(name.as_str()));
        if !asked && !wanted.is_empty() {
            continue;
        }
        let result = std::panic::catch_unwind(|| namespace::run_outside(case));
        let ok = matches!(result, Ok(true));
        eprintln!("case {} ... {}", case.name, if ok { "ok" } else { "FAILED" });
        failed += usize::from(!ok);
    }
    ExitCode::from(u8::from(failed > 0))
}
