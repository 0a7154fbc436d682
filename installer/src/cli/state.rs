//! Options for the state of archives.

use clap::Args;
use deb_archive::Snapshot;

/// Which state of archives is read, and whether the network is.
#[derive(Args, Clone, Debug, Default)]
pub struct StateArgs {
    /// Use no network: what is not in the cache or on this machine is missing
    ///
    /// Archives are in the state in which an earlier run saw them, however old it is.
    #[arg(long)]
    pub offline: bool,

    /// Archives as they were at this moment: `2026-09-12T08:00Z`, UTC
    ///
    /// Packages come from the snapshot service that an archive's Release file names, or Debian's.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub snapshot: Option<String>,

    /// Where snapshots are, with @SNAPSHOTID@ in the place of the moment
    ///
    /// For archives whose Release files do not name a service, and for a nearer one.
    #[arg(long, value_name = "URL", value_parser = template, requires = "snapshot")]
    pub snapshot_url: Option<String>,
}

impl StateArgs {
    /// Returns the moment at which archives are read.
    pub(super) fn snapshot(&self) -> Option<Snapshot> {
        let id = self.snapshot.clone()?;
        Some(Snapshot {
            id,
            template: self.snapshot_url.clone(),
        })
    }
}

fn moment(text: &str) -> Result<String, String> {
    Snapshot::parse_id(text).ok_or_else(|| "write it as 2026-09-12T08:00Z or 2026-09-12".to_owned())
}

fn template(text: &str) -> Result<String, String> {
    match text.contains("@SNAPSHOTID@") && text.contains("://") {
        true => Ok(text.to_owned()),
        false => Err("it is a URL with @SNAPSHOTID@ in the place of the moment".to_owned()),
    }
}
