//! A registry for container images on loopback: Debian's docker-registry, run as the ordinary user.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::certificates::Certificates;
use crate::error::At as _;
use crate::program::{Workplace, which};
use crate::{Error, Result};

/// The user who may enter a registry that wants one, and the password.
pub const LOGIN: (&str, &str) = ("me", "open sesame");
/// The same, as htpasswd(1) writes them: bcrypt is the only hash that docker-registry knows.
const HTPASSWD: &str = "me:$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n";

/// A registry that runs until this is dropped.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// The directory with all that it has.
    pub storage: PathBuf,
}

impl Registry {
    /// Starts one named `name` in a workplace; `login` is whether only [`LOGIN`] may enter, `tls` has its certificates.
    ///
    /// # Errors
    /// When it cannot be started, or does not answer.
    pub fn start(work: &Workplace, name: &str, login: bool, tls: Option<&Certificates>) -> Result<Self> {
        let storage = work.make_dir(name)?;
        let listener = TcpListener::bind("127.0.0.1:0").at("127.0.0.1:0")?;
        let address = listener.local_addr().at("127.0.0.1:0")?.to_string();
        drop(listener);
        let mut config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            storage.display()
        );
        if let Some(own) = tls {
            let (certificate, key) = (own.file("server.pem"), own.file("server.key"));
            let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            std::fs::set_permissions(&key, readable).at(&key)?;
            config += &format!(
                "  tls:\n    certificate: {}\n    key: {}\n",
                certificate.display(),
                key.display()
            );
        }
        if login {
            let file = work.write(&format!("{name}.htpasswd"), HTPASSWD.as_bytes())?;
            config += &format!(
                "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
                file.display()
            );
        }
        let file = work.write(&format!("{name}.yml"), config.as_bytes())?;
        let program = which("docker-registry").unwrap_or_else(|| Path::new("docker-registry").to_owned());
        let mut command = work.account().command(&program);
        command.arg("serve").arg(&file).current_dir(&storage);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().at(&program)?;
        let mut registry = Self {
            child,
            address,
            storage,
        };
        registry.wait()?;
        Ok(registry)
    }

    fn wait(&mut self) -> Result<()> {
        let begun = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            let ended = self.child.try_wait().at("docker-registry")?;
            if ended.is_some() || begun.elapsed() > Duration::from_secs(20) {
                return Err(Error::Machine(format!(
                    "docker-registry does not answer: {ended:?}"
                )));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Ends it.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}
