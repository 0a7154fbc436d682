//! Certificates of an authority that nobody knows but the tests, made by openssl(1).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::error::At as _;
use crate::{Error, Result};

/// An authority, a server on loopback that it knows, and a client.
#[derive(Debug)]
pub struct Certificates {
    directory: PathBuf,
}

impl Certificates {
    /// Makes them in a directory.
    ///
    /// # Errors
    /// Without openssl(1).
    pub fn new(directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory).at(directory)?;
        let made = Self {
            directory: directory.to_owned(),
        };
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let authority = ["req", "-x509", "-days", "30", "-subj", "/CN=Test Authority"];
        let files = ["-keyout", "ca.key", "-out", "ca.pem"];
        made.openssl(&[&authority[..], &key, &files].concat())?;
        for (name, extension) in [
            ("server", "subjectAltName=IP:127.0.0.1,DNS:localhost\n"),
            ("client", "extendedKeyUsage=clientAuth\n"),
        ] {
            let file = |end: &str| format!("{name}.{end}");
            let (own_key, request, pem, extensions) = (file("key"), file("csr"), file("pem"), file("ext"));
            let path = made.file(&extensions);
            std::fs::write(&path, extension).at(&path)?;
            let subject = format!("/CN={name}");
            let asked = ["req", "-subj", &subject, "-keyout", &own_key, "-out", &request];
            made.openssl(&[&asked[..], &key].concat())?;
            let by = [
                "-CA",
                "ca.pem",
                "-CAkey",
                "ca.key",
                "-CAcreateserial",
                "-days",
                "30",
            ];
            let signed = [
                "x509",
                "-req",
                "-in",
                &request,
                "-out",
                &pem,
                "-extfile",
                &extensions,
            ];
            made.openssl(&[&signed[..], &by].concat())?;
        }
        Ok(made)
    }

    /// A file: `ca.pem`, `client.pem`, `client.key`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn openssl(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new("openssl");
        command.args(arguments).current_dir(&self.directory);
        let done = command.stdin(Stdio::null()).output();
        let failed = |what: String| Error::Machine(format!("openssl {arguments:?}: {what}"));
        let done = done.map_err(|error| failed(error.to_string()))?;
        match done.status.success() {
            true => Ok(()),
            false => Err(failed(String::from_utf8_lossy(&done.stderr).into_owned())),
        }
    }

    /// What a server needs, perhaps one that speaks only to clients of the authority.
    pub(crate) fn server(&self, of_clients: bool) -> Result<Arc<ServerConfig>> {
        let failed = |error: &dyn std::fmt::Display| Error::Machine(format!("certificates: {error}"));
        let certificates = |name: &str| -> Result<Vec<CertificateDer<'static>>> {
            let found = CertificateDer::pem_file_iter(self.file(name)).map_err(|error| failed(&error))?;
            found
                .collect::<std::result::Result<_, _>>()
                .map_err(|error| failed(&error))
        };
        let key = PrivateKeyDer::from_pem_file(self.file("server.key")).map_err(|error| failed(&error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?;
        let builder = if of_clients {
            let mut roots = RootCertStore::empty();
            for authority in certificates("ca.pem")? {
                roots.add(authority).map_err(|error| failed(&error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(|error| failed(&error))?)
        } else {
            builder.with_no_client_auth()
        };
        let config = builder.with_single_cert(certificates("server.pem")?, key);
        config.map(Arc::new).map_err(|error| failed(&error))
    }
}
