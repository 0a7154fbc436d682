//! Partition tables (GPT), written by sfdisk(8) into a file.

use super::super::maker::Maker;
use super::super::{Error, Source};
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

pub(super) const SFDISK: Maker = Maker {
    program: "sfdisk",
    package: "fdisk",
    makes: "partition tables",
};

/// Size of a sector in bytes.
const SECTOR: u64 = 512;
/// Partitions begin and end at multiples of these bytes; before the first and after the last are the tables.
pub(super) const STEP: u64 = 1 << 20;

/// A partition.
pub(super) struct Partition {
    /// Its name.
    pub(super) name: &'static str,
    /// Its type.
    pub(super) kind: &'static str,
    /// Its UUID.
    pub(super) uuid: String,
    /// Its attributes, as sfdisk(8) names them; empty for none.
    pub(super) attributes: &'static str,
    /// Its size in bytes, a multiple of [`STEP`].
    pub(super) size: u64,
    /// The file with its content, which may be shorter.
    pub(super) content: PathBuf,
}

/// Makes a disk of partitions in a file that is not there yet. The contents are removed.
///
/// # Errors
/// Those of sfdisk and of writing, [`Error::Cancelled`].
pub(super) fn write(
    source: &Source<'_>,
    disk: &Path,
    uuid: &str,
    size: u64,
    partitions: &[Partition],
) -> Result<(), Error> {
    let mut file = File::create_new(disk).map_err(Error::Write)?;
    file.set_len(size).map_err(Error::Write)?;
    let mut script = format!("label: gpt\nlabel-id: {uuid}\nunit: sectors\ntable-length: 128\n");
    let mut begin = STEP;
    for partition in partitions {
        script.push_str(&format!(
            "start={}, size={}, type={}, uuid={}, name=\"{}\"",
            begin / SECTOR,
            partition.size / SECTOR,
            partition.kind,
            partition.uuid,
            partition.name
        ));
        if !partition.attributes.is_empty() {
            script.push_str(&format!(", attrs=\"{}\"", partition.attributes));
        }
        script.push('\n');
        copy(source, &partition.content, &mut file, begin)?;
        std::fs::remove_file(&partition.content).map_err(Error::Write)?;
        begin += partition.size;
    }
    drop(file);
    let mut call = SFDISK.call(source.time(), &source.scratch.join("sfdisk.log"))?;
    call.args(["--quiet", "--no-reread", "--no-tell-kernel", "--wipe", "never"])
        .args(["--wipe-partitions", "never"])
        .args([disk]);
    call.feed(|input| input.write_all(script.as_bytes()).map_err(Error::Write))
}

/// Copies a file to a place in another one; what is a hole stays one.
fn copy(source: &Source<'_>, from: &Path, to: &mut File, begin: u64) -> Result<(), Error> {
    let mut from = File::open(from).map_err(Error::Write)?;
    let size = from.metadata().map_err(Error::Write)?.len();
    let mut at = 0;
    while at < size {
        source.cancel.check()?;
        let data = match rustix::fs::seek(&from, rustix::fs::SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(rustix::io::Errno::NXIO) => break,
            Err(errno) => return Err(Error::Write(errno.into())),
        };
        let end = rustix::fs::seek(&from, rustix::fs::SeekFrom::Hole(data))
            .map_err(|errno| Error::Write(errno.into()))?;
        // Large pieces are stopped between.
        let end = end.clamp(data + 1, data + (64 << 20));
        from.seek(SeekFrom::Start(data)).map_err(Error::Write)?;
        to.seek(SeekFrom::Start(begin + data)).map_err(Error::Write)?;
        io::copy(&mut io::Read::take(&mut from, end - data), to).map_err(Error::Write)?;
        at = end;
    }
    Ok(())
}
