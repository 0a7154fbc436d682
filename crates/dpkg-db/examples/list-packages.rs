//! Lists the packages of a root filesystem with their states.
//!
//! ```text
//! list-packages ROOT ARCHITECTURE
//! ```

use std::error::Error;
use std::io::{Write, stdout};
use std::path::Path;

use dpkg_db::Database;
use rootless_install_fs::Target;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(root), Some(architecture)) = (arguments.next(), arguments.next()) else {
        return Err("usage: list-packages ROOT ARCHITECTURE".into());
    };
    let target = Target::open(Path::new(&root))?;
    let database = Database::load(&target, &architecture.to_string_lossy())?;
    let mut out = stdout().lock();
    for package in database.packages() {
        let name = package.display_name(database.native());
        writeln!(
            out,
            "{} {} {name} {}",
            package.want, package.status, package.version
        )?;
    }
    Ok(())
}
