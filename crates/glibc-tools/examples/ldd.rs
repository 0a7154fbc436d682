//! Lists the libraries of a program of another architecture: `ldd ARCHITECTURE ROOT PROGRAM`.
//!
//! PROGRAM is a path below ROOT, such as `/usr/bin/perl`.

use glibc_tools::{Architecture, Target, ldd};
use std::error::Error;
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [arch, root, program] = arguments.as_slice() else {
        return Err("usage: ldd ARCHITECTURE ROOT PROGRAM".into());
    };
    let arch = arch.to_str().and_then(Architecture::by_name);
    let arch = arch.ok_or("the architecture is not one that Debian has")?;
    let output = ldd::list(&Target::open(Path::new(root))?, arch, Path::new(program))?;
    std::io::stderr().write_all(&output.stderr)?;
    std::io::stdout().write_all(&output.stdout)?;
    Ok(ExitCode::from(u8::try_from(output.status)?))
}
