//! What a maintainer script that means harm tries: a program in C, which is given to packages.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::deb::{Package, hex};
use crate::error::At as _;
use crate::program::place;
use crate::{Error, Result};

const SOURCE: &str = include_str!("attack/attack.c");

/// Path of the program in a package, without the leading slash.
pub const PATH: &str = "usr/lib/attack";

/// The program, compiled once for this machine; `attack.c` has what it does. Every user can execute it.
///
/// # Errors
/// When it cannot be compiled.
pub fn program() -> Result<PathBuf> {
    static ONE: Mutex<()> = Mutex::new(());
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let name = hex(&Sha256::digest(SOURCE));
    let directory = place()?.join(format!("attack-{}", name.get(..16).unwrap_or(&name)));
    std::fs::create_dir_all(&directory).at(&directory)?;
    let program = directory.join("attack");
    if !program.exists() {
        let source = directory.join("attack.c");
        std::fs::write(&source, SOURCE).at(&source)?;
        let part = directory.join(format!("part-{}", std::process::id()));
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-static", "-o"]).arg(&part).arg(&source);
        let done = compiler.output().at(&source)?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            return Err(Error::Machine(format!("cc cannot compile attack.c: {said}")));
        }
        std::fs::rename(&part, &program).at(&program)?;
    }
    Ok(program)
}

/// Adds the program to a package, at [`PATH`].
///
/// # Errors
/// Those of [`program`].
pub fn armed(package: Package) -> Result<Package> {
    let program = program()?;
    let content = std::fs::read(&program).at(&program)?;
    Ok(package.file(PATH, content, 0o755))
}
