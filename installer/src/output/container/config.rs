//! The configuration of a container image (OCI Image Format Specification, `config.md`).

use super::super::{Error, Source};
use super::Attachment;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// Configuration of a container image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerConfig {
    /// Words of the command that is always executed.
    pub entrypoint: Vec<String>,
    /// Words of the command that is executed where the user gives none, or its arguments; empty for the target's shell,
    /// where there is no entry point.
    pub cmd: Vec<String>,
    /// `NAME=VALUE` of the environment.
    pub env: Vec<String>,
    /// User that the command runs as: `NAME|UID[:GROUP|GID]`.
    pub user: Option<String>,
    /// Its working directory.
    pub workdir: Option<String>,
    /// `NAME=VALUE` of labels.
    pub labels: Vec<String>,
    /// Name of the image, `NAME[:TAG]`, or its tag in an OCI layout.
    pub name: Option<String>,
    /// What is attached to the image; none where nothing was said of it.
    pub attach: Option<Vec<Attachment>>,
}

/// The search path that container runtimes expect.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl ContainerConfig {
    /// Returns what is attached to the image.
    pub fn attached(&self) -> &[Attachment] {
        self.attach.as_deref().unwrap_or_default()
    }

    /// Checks values that clap does not.
    ///
    /// # Errors
    /// [`Error::Container`].
    pub(in super::super) fn check(&self) -> Result<(), Error> {
        let wrong = |what: String| Err(Error::Container { what });
        for (option, pairs) in [("--oci-env", &self.env), ("--oci-label", &self.labels)] {
            if let Some(pair) = pairs.iter().find(|pair| pair.find('=').unwrap_or_default() == 0) {
                return wrong(format!("{option} {pair}: give it as NAME=VALUE"));
            }
        }
        match &self.workdir {
            Some(workdir) if !workdir.starts_with('/') => {
                wrong(format!("--oci-workdir {workdir}: give an absolute path"))
            }
            _ => Ok(()),
        }
    }
}

/// Returns a name with its tag, `latest` where it has none.
pub fn with_tag(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    match last.contains(':') {
        true => name.to_owned(),
        false => format!("{name}:latest"),
    }
}

/// Returns the time of the image (RFC 3339).
pub(super) fn created(source: &Source<'_>) -> String {
    // The year 9999 is the last that the form has.
    let seconds = u64::try_from(source.time())
        .unwrap_or_default()
        .min(253_402_300_799);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

/// Returns the configuration. `layers` are their digests, and what is in them.
pub(super) fn json(source: &Source<'_>, created: &str, layers: &[(&str, &str)]) -> Value {
    let given = &source.options.container;
    let mut config = Map::new();
    let mut env = given.env.clone();
    if !env.iter().any(|pair| pair.starts_with("PATH=")) {
        env.insert(0, PATH.to_owned());
    }
    config.insert("Env".to_owned(), json!(env));
    if !given.entrypoint.is_empty() {
        config.insert("Entrypoint".to_owned(), json!(given.entrypoint));
    }
    let shell = || {
        let shells = ["/bin/bash", "/bin/sh"].into_iter();
        shells
            .filter(|shell| source.target.stat_follow(Path::new(shell)).is_ok())
            .take(1)
            .map(str::to_owned)
            .collect()
    };
    let cmd = match given.cmd.is_empty() && given.entrypoint.is_empty() {
        true => shell(),
        false => given.cmd.clone(),
    };
    if !cmd.is_empty() {
        config.insert("Cmd".to_owned(), json!(cmd));
    }
    if let Some(user) = &given.user {
        config.insert("User".to_owned(), json!(user));
    }
    if let Some(workdir) = &given.workdir {
        config.insert("WorkingDir".to_owned(), json!(workdir));
    }
    if !given.labels.is_empty() {
        let labels = given.labels.iter().filter_map(|label| label.split_once('='));
        let labels: Map<String, Value> = labels
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        config.insert("Labels".to_owned(), Value::Object(labels));
    }
    let (architecture, variant) = architecture(source.architecture);
    let mut image = json!({
        "created": created,
        "architecture": architecture,
        "os": "linux",
        "config": config,
        "rootfs": {
            "type": "layers",
            "diff_ids": layers.iter().map(|(diff_id, _)| diff_id).collect::<Vec<_>>(),
        },
        "history": layers
            .iter()
            .map(|(_, what)| json!({ "created": created, "created_by": "rootless-install", "comment": what }))
            .collect::<Vec<_>>(),
    });
    if let (Some(variant), Some(fields)) = (variant, image.as_object_mut()) {
        fields.insert("variant".to_owned(), json!(variant));
    }
    image
}

/// Returns the name of an architecture of Debian's and its variant as Go has them (`GOARCH`, `platforms` of containerd).
fn architecture(debian: &str) -> (&str, Option<&'static str>) {
    match debian {
        "i386" | "hurd-i386" => ("386", None),
        "arm64" => ("arm64", Some("v8")),
        "armhf" => ("arm", Some("v7")),
        "armel" => ("arm", Some("v5")),
        "ppc64el" => ("ppc64le", None),
        "powerpc" => ("ppc", None),
        "mipsel" => ("mipsle", None),
        "mips64el" => ("mips64le", None),
        "x32" => ("amd64p32", None),
        other => (other, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_a_tag() {
        for (name, with) in [
            ("debian", "debian:latest"),
            ("debian:13", "debian:13"),
            ("localhost:5000/debian", "localhost:5000/debian:latest"),
            ("localhost:5000/debian:x", "localhost:5000/debian:x"),
        ] {
            assert_eq!(with_tag(name), with);
        }
    }

    #[test]
    fn pairs_have_names() {
        let check = |env: &str, workdir: Option<&str>| {
            ContainerConfig {
                env: vec![env.to_owned()],
                workdir: workdir.map(str::to_owned),
                ..ContainerConfig::default()
            }
            .check()
        };
        assert!(check("A=", Some("/x")).is_ok());
        assert!(check("A", None).is_err() && check("=x", None).is_err());
        assert!(check("A=x", Some("x")).is_err());
    }
}
