//! Runs ldconfig(8) on a root filesystem of another architecture: `ldconfig ARCHITECTURE ROOT [ARGUMENT]...`.
//!
//! The arguments are those of ldconfig, such as `-v`, `-N` or `-p`.

use glibc_tools::{Architecture, Target, ldconfig};
use std::error::Error;
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [arch, root, arguments @ ..] = arguments.as_slice() else {
        return Err("usage: ldconfig ARCHITECTURE ROOT [ARGUMENT]...".into());
    };
    let arch = arch.to_str().and_then(Architecture::by_name);
    let arch = arch.ok_or("the architecture is not one that Debian has")?;
    let output = ldconfig::run(&Target::open(Path::new(root))?, arch, arguments)?;
    std::io::stderr().write_all(&output.stderr)?;
    std::io::stdout().write_all(&output.stdout)?;
    Ok(ExitCode::from(u8::try_from(output.status)?))
}
