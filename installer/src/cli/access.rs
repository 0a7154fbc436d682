//! Options for servers that want to know who asks, or are known by certificates of their own.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use deb_archive::{ArchiveError, Connections, Credentials};

/// How servers are reached.
#[derive(Args, Clone, Debug, Default)]
pub struct AccessArgs {
    /// Users and passwords of servers, as apt_auth.conf(5) has them
    ///
    /// `machine HOST login USER password PASSWORD`, for https; `machine http://HOST …` for http. They count before those of
    /// /etc/apt/auth.conf and /etc/apt/auth.conf.d. May be given more than once.
    #[arg(long, value_name = "FILE", action = ArgAction::Append)]
    pub auth_file: Vec<PathBuf>,

    /// Certificates of authorities that are trusted for https, beside this machine's
    ///
    /// PEM. What apt's configuration says (Acquire::https::CAInfo), also with --aptopt, counts first. May be given more than
    /// once.
    #[arg(long, value_name = "FILE", action = ArgAction::Append)]
    pub ca_certificate: Vec<PathBuf>,

    /// Certificate by which https servers know who asks, perhaps with its key
    ///
    /// PEM; where apt's configuration names none (Acquire::https::SslCert).
    #[arg(long, value_name = "FILE")]
    pub client_certificate: Option<PathBuf>,

    /// Key of --client-certificate, without a passphrase
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    pub client_key: Option<PathBuf>,
}

impl AccessArgs {
    /// Returns what the options say.
    ///
    /// # Errors
    /// A file that cannot be read, or a line of one that cannot be understood.
    pub(super) fn connections(self) -> Result<Connections, ArchiveError> {
        let mut credentials = Credentials::default();
        for path in &self.auth_file {
            credentials.extend(&Credentials::read(path)?);
        }
        let client = (self.client_certificate, self.client_key);
        let connections = Connections::of_user(credentials, self.ca_certificate, client);
        connections.check()?;
        Ok(connections)
    }
}
