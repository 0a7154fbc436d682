//! Prints what apt would install for some names, and the calls of dpkg it would make.
//!
//! ```console
//! $ cargo run --example plan -- Packages bash vim
//! ```
//!
//! `Packages` is the uncompressed index of one architecture, as `apt-get` or a mirror has it. The plan is for that
//! architecture and a system without packages.

use apt_solve::{
    DEFAULT_PRIORITY, IndexInput, PackageId, Packages, Plan, Request, Step, Universe, Variant, choose,
};
use std::error::Error;
use std::io::Write;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: plan PACKAGES NAME...")?;
    let include: Vec<String> = arguments.collect();
    if include.is_empty() {
        return Err("usage: plan PACKAGES NAME...".into());
    }

    let packages = Packages::parse_bytes(&std::fs::read(&path)?)?;
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
        variant: Variant::Custom,
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
