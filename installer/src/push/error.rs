//! Errors of pushing.

use std::path::PathBuf;
use std::time::Duration;
use task_progress::Cancelled;

/// Reason why an image could not be pushed. `what` of a request says which blob or manifest it was for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The user stopped the run.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// An argument names no place in a registry.
    #[error("cannot push to {argument:?}: {what}")]
    Destination {
        /// The argument.
        argument: String,
        /// What is wrong.
        what: String,
    },
    /// The image is none, or is damaged.
    #[error("{} cannot be pushed: {what}", path.display())]
    Source {
        /// The image.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {what} {}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file of users and passwords cannot be used.
    #[error("{}: {what}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// There is no client for HTTP.
    #[error("cannot set up connections to {registry}: {what}")]
    Client {
        /// The registry.
        registry: String,
        /// The reason.
        what: String,
    },
    /// The registry, or the server that it sends its users to, does not let them in.
    #[error("{registry} refuses {what}: {said}")]
    Unauthorized {
        /// The registry.
        registry: String,
        /// The request.
        what: String,
        /// Its words.
        said: String,
        /// Where the user and password come from; none for nobody's.
        credentials: Option<String>,
    },
    /// The registry refuses a request, or fails at it.
    #[error("{registry} {} {what}: {said}", if *status >= 500 { "fails at" } else { "refuses" })]
    Refused {
        /// The registry.
        registry: String,
        /// The request.
        what: String,
        /// HTTP's status, or the one that the registry's code means.
        status: u16,
        /// Its words.
        said: String,
    },
    /// The connection failed.
    #[error("no connection to {registry} for {what}: {reason}")]
    Broken {
        /// The registry.
        registry: String,
        /// The request.
        what: String,
        /// The reason.
        reason: String,
    },
    /// The registry took and said nothing.
    #[error("{registry} neither takes nor says anything for {}, at {what}", humantime::format_duration(*limit))]
    Silent {
        /// The registry.
        registry: String,
        /// The request.
        what: String,
        /// The time limit.
        limit: Duration,
    },
    /// An answer is not what a registry may say.
    #[error("{registry} answers {what} with what no registry may say: {said}")]
    Lied {
        /// The registry.
        registry: String,
        /// The request.
        what: String,
        /// The answer.
        said: String,
    },
}

impl PushError {
    /// Returns advice to the user.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Unauthorized {
                credentials: Some(from),
                registry,
                ..
            } => format!(
                "the user and password are from {from}: see that they are right and may write there, or give others with \
                 --username and --password-stdin, or `skopeo login {registry}`"
            ),
            Self::Unauthorized { registry, .. } => format!(
                "give --username USER --password-stdin, or log in with `skopeo login {registry}`, `podman login` or `docker login`"
            ),
            Self::Refused { status, .. } => match status {
                404 => "see that the registry and the repository are right; some registries want a repository to be made \
                            before the first push"
                    .to_owned(),
                400 => "a registry on this machine that has TLS needs --ca-certificate FILE; its own log has the reason"
                    .to_owned(),
                413 => "the registry, or a proxy before it, takes no blob that large: its limit has to be raised".to_owned(),
                429 => "wait and push again: what is there already is not sent again".to_owned(),
                500.. => "push again later: what is there already is not sent again; the registry's own log has the reason"
                    .to_owned(),
                _ => return None,
            },
            Self::Broken { reason, .. } if reason.contains("ertificate") => {
                "name the registry's authority with --ca-certificate FILE, or use --plain-http for one without TLS".to_owned()
            }
            Self::Broken { .. } | Self::Silent { .. } => {
                "see that the registry's name and port are right and that it runs, with TLS or --plain-http; then push again: \
                 what is there already is not sent again"
                    .to_owned()
            }
            Self::Lied { .. } => {
                "do not use what is there under that name: tell those who run the registry, or a proxy before it".to_owned()
            }
            Self::Credentials { .. } => {
                "mend or remove it, name another in REGISTRY_AUTH_FILE, or give --username and --password-stdin".to_owned()
            }
            Self::Client { .. } => {
                "see that the package ca-certificates is installed, and that --ca-certificate is a file in PEM".to_owned()
            }
            Self::Cancelled(_) | Self::Destination { .. } | Self::Source { .. } | Self::File { .. } => return None,
        };
        Some(text)
    }
}
