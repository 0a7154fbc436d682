//! Names of images in registries.

use super::PushError;
use oci_client::{ParseError, Reference};

/// A tag of a repository of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    reference: Reference,
    tag: String,
}

impl Destination {
    /// Parses `REGISTRY/NAME[:TAG]`; the tag is `latest` where it has none. A `docker://` before it, as skopeo(1) has it, is
    /// passed over.
    ///
    /// # Errors
    /// [`PushError::Destination`].
    pub fn parse(argument: &str) -> Result<Self, PushError> {
        let wrong = |what: String| PushError::Destination {
            argument: argument.to_owned(),
            what,
        };
        let name = argument.strip_prefix("docker://").unwrap_or(argument);
        if let Some((scheme, _)) = name.split_once("://") {
            return Err(wrong(format!("leave {scheme}:// out")));
        }
        let registry = name.split_once('/').map_or("", |(registry, _)| registry);
        // A name without a registry would be one of Docker Hub, which nobody means who has forgotten it.
        if !(registry.contains(['.', ':']) || registry == "localhost") {
            return Err(wrong(
                "it names no registry: give REGISTRY/NAME[:TAG], as localhost:5000/debian:mine".to_owned(),
            ));
        }
        let path = name.get(registry.len()..).unwrap_or_default();
        let path = path.split([':', '@']).next().unwrap_or_default();
        if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(wrong(
                "the name of a repository has small letters only".to_owned(),
            ));
        }
        let reference: Reference = name
            .parse()
            .map_err(|error: ParseError| wrong(error.to_string()))?;
        match reference.digest() {
            Some(_) => Err(wrong(
                "the content decides the digest: give a tag, or nothing".to_owned(),
            )),
            None => Ok(Self {
                tag: reference.tag().unwrap_or("latest").to_owned(),
                reference,
            }),
        }
    }

    /// Returns the registry, with its port where that is not the usual one.
    pub fn registry(&self) -> &str {
        self.reference.resolve_registry()
    }

    /// Returns the registry and the repository, as users name them.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.reference.registry(), self.reference.repository())
    }

    /// Returns the name of what is in the repository under a tag or digest.
    pub(super) fn of(&self, tag: &str) -> Reference {
        let reference = &self.reference;
        Reference::with_tag(
            reference.registry().to_owned(),
            reference.repository().to_owned(),
            tag.to_owned(),
        )
    }

    /// Returns the tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Returns the name of the path in the registry.
    pub(super) fn path(&self) -> &str {
        self.reference.repository()
    }

    /// Whether the registry is on this machine.
    pub fn is_loopback(&self) -> bool {
        let registry = self.registry();
        let host = match registry.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => registry,
        };
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let address = address.parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() -> Result<(), PushError> {
        let debian = Destination::parse("docker://localhost:5000/a/debian:13")?;
        assert_eq!(
            (debian.registry(), debian.path(), debian.tag()),
            ("localhost:5000", "a/debian", "13")
        );
        assert_eq!(debian.repository(), "localhost:5000/a/debian");
        assert_eq!(Destination::parse("r.example.org/x")?.tag(), "latest");
        for (name, said) in [
            ("debian", "names no registry"),
            ("team/debian:13", "names no registry"),
            ("https://r.example.org/x", "leave https://"),
            ("r.example.org/Debian", "small letters"),
            ("r.example.org/", "invalid"),
            ("r.example.org/x:", "invalid"),
            (
                &format!("r.example.org/x@sha256:{}", "0".repeat(64)),
                "the digest",
            ),
        ] {
            let text = Destination::parse(name).map_err(|error| error.to_string());
            assert!(
                text.as_ref().is_err_and(|text| text.contains(said)),
                "{name}: {text:?}"
            );
        }
        for (name, loopback) in [
            ("localhost/x", true),
            ("127.0.0.9:1/x", true),
            ("r.example.org/x", false),
            ("10.0.0.1:5000/x", false),
        ] {
            assert_eq!(Destination::parse(name)?.is_loopback(), loopback, "{name}");
        }
        Ok(())
    }
}
