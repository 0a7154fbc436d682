//! Users and passwords for registries, from the files that podman, skopeo and docker keep (containers-auth.json(5)).
//!
//! The first file that has something for the registry decides. In a file, an entry for a repository, or what is above it,
//! goes before that of its registry.

use super::{Destination, PushError};
use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use oci_client::secrets::RegistryAuth;
use serde_json::Value;
use std::fmt;
use std::path::{Path, PathBuf};

/// Registry whose entry has a name of its own.
const DOCKER_HUB: (&str, &str) = ("index.docker.io", "https://index.docker.io/v1/");

/// Source of the user and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// The user's own.
    Given(Login),
    /// A file that has to be there.
    File(PathBuf),
    /// Files that may be there, in their order.
    Files(Vec<PathBuf>),
}

/// A user and a password, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Name of the user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Returns what a registry is told, and where that is from; none for nobody's.
    ///
    /// # Errors
    /// [`PushError::Credentials`], [`PushError::File`].
    pub(super) fn find(
        &self,
        destination: &Destination,
    ) -> Result<(RegistryAuth, Option<String>), PushError> {
        let (files, has_to_be) = match self {
            Self::Given(Login { user, password }) => {
                let auth = RegistryAuth::Basic(user.clone(), password.clone());
                return Ok((auth, Some("--username".to_owned())));
            }
            Self::File(path) => (std::slice::from_ref(path), true),
            Self::Files(paths) => (&paths[..], false),
        };
        for path in files {
            let text = match std::fs::read(path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && !has_to_be => continue,
                Err(source) => {
                    return Err(PushError::File {
                        what: "read",
                        path: path.clone(),
                        source,
                    });
                }
            };
            if let Some(Login { user, password }) = of_file(path, &text, destination)? {
                return Ok((
                    RegistryAuth::Basic(user, password),
                    Some(path.display().to_string()),
                ));
            }
        }
        Ok((RegistryAuth::Anonymous, None))
    }
}

/// Returns the user and password that a file has for a repository.
fn of_file(path: &Path, text: &[u8], destination: &Destination) -> Result<Option<Login>, PushError> {
    let wrong = |what: String| PushError::Credentials {
        path: path.to_owned(),
        what,
    };
    if text.trim_ascii().is_empty() {
        return Ok(None);
    }
    let parsed: Value =
        serde_json::from_slice(text).map_err(|error| wrong(format!("it is no JSON: {error}")))?;
    let has = |key: &String| {
        let helper = parsed.get("credHelpers").and_then(|all| all.get(key));
        helper.is_some() || parsed.get("auths").and_then(|all| all.get(key)).is_some()
    };
    let registry = destination.registry();
    let names = names(destination);
    let found = names.iter().find(|key| has(key));
    // A store that has all passwords need not be named for each registry.
    let store = || {
        parsed
            .get("credsStore")
            .and_then(Value::as_str)
            .map(|_| names.last())
    };
    let Some(key) = found.or_else(|| store().flatten()) else {
        return Ok(None);
    };
    match get_credential_from_reader(text, key) {
        Ok(DockerCredential::UsernamePassword(user, password)) => Ok(Some(Login { user, password })),
        Ok(DockerCredential::IdentityToken(_)) => Err(wrong(format!(
            "it has an identity token for {registry}, and no password: such tokens are not supported"
        ))),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        // The store knows nothing of this registry.
        Err(CredentialRetrievalError::HelperFailure { .. }) if found.is_none() => Ok(None),
        Err(CredentialRetrievalError::HelperFailure { helper, stderr, .. }) => Err(wrong(format!(
            "its helper {helper} fails for {registry}: {}",
            stderr.trim()
        ))),
        Err(CredentialRetrievalError::HelperCommunicationError) => Err(wrong(format!(
            "its helper docker-credential-… for {registry} cannot be run"
        ))),
        Err(error) => Err(wrong(format!(
            "what it has for {registry} cannot be used: {error}"
        ))),
    }
}

/// Returns the names under which a file may have a repository, the nearest first, that of its registry last.
fn names(destination: &Destination) -> Vec<String> {
    let registry = destination.registry();
    if registry == DOCKER_HUB.0 {
        return ["docker.io", DOCKER_HUB.0, DOCKER_HUB.1]
            .map(str::to_owned)
            .to_vec();
    }
    let path = destination.path();
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    let mut names: Vec<String> = ends
        .filter_map(|end| path.get(..end))
        .map(|path| format!("{registry}/{path}"))
        .collect();
    names.reverse();
    names.extend([format!("https://{registry}"), registry.to_owned()]);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Result<Option<Login>, PushError> {
        of_file(
            Path::new("auth.json"),
            text.as_bytes(),
            &Destination::parse("r.example.org/team/web/app:1")?,
        )
    }

    #[test]
    fn the_nearest_entry_counts() -> Result<(), PushError> {
        // user:registry, user:team, with the padding that RFC 4648 wants and without.
        let text = r#"{"auths": {"r.example.org": {"auth": "dXNlcjpyZWdpc3RyeQ=="},
            "r.example.org/team": {"auth": "dXNlcjp0ZWFt"}, "r.example.org/te": {"auth": "eDp5"}}}"#;
        assert_eq!(found(text)?.map(|login| login.password), Some("team".to_owned()));
        let text = r#"{"auths": {"r.example.org": {"auth": "dXNlcjpyZWdpc3RyeQ"}, "r.example.org:5000": {"auth": "eDp5"}}}"#;
        assert_eq!(
            found(text)?.map(|login| login.password),
            Some("registry".to_owned())
        );
        for nothing in [
            "",
            "{}",
            r#"{"auths": {"other.example.org": {"auth": "eDp5"}}}"#,
            r#"{"auths": {"r.example.org": {}}}"#,
        ] {
            assert_eq!(found(nothing)?, None, "{nothing}");
        }
        Ok(())
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (text, said) in [
            ("{", "no JSON"),
            (
                r#"{"auths": {"r.example.org": {"auth": "!secret!"}}}"#,
                "cannot be used",
            ),
            (
                r#"{"auths": {"r.example.org": {"identitytoken": "secret"}}}"#,
                "identity token",
            ),
            (
                r#"{"credHelpers": {"r.example.org": "of-nobody"}}"#,
                "cannot be run",
            ),
        ] {
            let error = found(text).map_err(|error| error.to_string());
            assert!(
                error
                    .as_ref()
                    .is_err_and(|error| error.contains(said) && !error.contains("secret")),
                "{text}: {error:?}"
            );
        }
        let login = Login {
            user: "me".into(),
            password: "secret".into(),
        };
        assert!(!format!("{login:?}").contains("secret"));
    }
}
