//! Prints the plan for a system of the essential packages and some more, and the calls of dpkg that make it.
//!
//! ```console
//! $ cargo run --example plan -- Packages bash vim
//! ```
//!
//! `Packages` is the uncompressed index of one architecture, as a mirror or `/var/lib/apt/lists` has it. The plan is for
//! that architecture.

use apt_solve::{
    DEFAULT_PRIORITY, IndexInput, PackageId, Packages, Plan, Request, Step, Universe, Variant, choose,
};
use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        eprintln!("usage: plan PACKAGES [NAME...]");
        return ExitCode::from(2);
    };
    match plan(&path, arguments.collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn plan(path: &str, include: Vec<String>) -> Result<(), Box<dyn Error>> {
    let packages = Packages::parse_bytes(&std::fs::read(path)?)?;
    let architecture = packages.architecture().unwrap_or("all");
    let index = IndexInput {
        packages: &packages,
        suite: "",
        codename: "",
        component: "main",
        architecture,
        priority: DEFAULT_PRIORITY,
    };
    let universe = Universe::new(&[index], architecture, &[]);
    let request = Request {
        variant: Variant::Essential,
        include,
        ..Request::default()
    };
    let selection = choose(&universe, &request)?;
    let plan = Plan::new(&universe, &selection);

    let mut out = std::io::stdout().lock();
    write!(out, "{}", plan.display(&universe))?;
    let names = |ids: &[PackageId]| {
        let names: Vec<String> = ids.iter().map(|id| universe.display_name(*id)).collect();
        names.join(" ")
    };
    for step in plan.phases.iter().flat_map(|phase| &phase.steps) {
        match step {
            Step::Unpack(ids) => writeln!(out, "dpkg --unpack {}", names(ids))?,
            Step::Configure(ids) => writeln!(out, "dpkg --configure {}", names(ids))?,
            Step::ConfigurePending => writeln!(out, "dpkg --configure --pending")?,
        }
    }
    Ok(())
}
