//! From a configuration of bdebstrap(1), YAML CONFIGURATION, to a recipe.

use super::BdebstrapError;
use super::yaml::{MOST_BYTES, Node, Value, parse};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use toml_edit::{Array, DocumentMut, Item, Table, value};

/// Keys at the top.
const TOP: [&str; 3] = ["env", "mmdebstrap", "name"];

/// Kind of a key's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    List,
    Flag,
}

/// Keys of `mmdebstrap`, the kind of their values, and the keys of a recipe that they are.
const KEYS: [(&str, Kind, &str); 19] = [
    ("suite", Kind::Text, "suite"),
    ("target", Kind::Text, "target"),
    ("format", Kind::Text, "format"),
    ("architectures", Kind::List, "arch"),
    ("variant", Kind::Text, "variant"),
    ("mode", Kind::Text, "mode"),
    ("include", Kind::List, "include"),
    ("packages", Kind::List, "include"),
    ("components", Kind::List, "components"),
    ("mirrors", Kind::List, "mirror"),
    ("keyrings", Kind::List, "keyring"),
    ("aptopts", Kind::List, "aptopt"),
    ("dpkgopts", Kind::List, "dpkgopt"),
    ("hostname", Kind::Text, "hostname"),
    ("install-recommends", Kind::Flag, "aptopt"),
    ("setup-hooks", Kind::List, "setup-hook"),
    ("essential-hooks", Kind::List, "essential-hook"),
    ("customize-hooks", Kind::List, "customize-hook"),
    ("cleanup-hooks", Kind::List, "customize-hook"),
];

/// Directory in the target whose files bdebstrap brings out.
const OUTPUT: &str = "/tmp/bdebstrap-output";

/// A recipe, and what was left out.
#[derive(Debug)]
pub struct Converted {
    /// The recipe's text.
    pub text: String,
    /// What has no meaning in a configuration, with its lines.
    pub warnings: Vec<String>,
}

/// Converts a file.
///
/// # Errors
/// [`BdebstrapError`].
pub fn convert(path: &Path) -> Result<Converted, BdebstrapError> {
    let failed = |source| BdebstrapError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    let read = file
        .take(MOST_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if read as u64 > MOST_BYTES {
        return Err(failed(std::io::Error::other("it is larger than 4 MiB")));
    }
    Translation {
        path,
        document: DocumentMut::new(),
        warnings: Vec::new(),
        name: None,
    }
    .run(&text)
}

struct Translation<'t> {
    path: &'t Path,
    document: DocumentMut,
    /// With their lines.
    warnings: Vec<(usize, String)>,
    name: Option<String>,
}

impl Translation<'_> {
    fn wrong(&self, line: usize, what: impl Into<String>) -> BdebstrapError {
        BdebstrapError::Wrong {
            path: self.path.to_owned(),
            line,
            what: what.into(),
        }
    }

    fn run(mut self, text: &str) -> Result<Converted, BdebstrapError> {
        let top = match parse(self.path, text)? {
            Some(Node {
                value: Value::Map(all),
                ..
            }) => all,
            other => {
                let line = other.map_or(1, |node| node.line);
                return Err(self.wrong(line, "a configuration of bdebstrap is a mapping"));
            }
        };
        let mut env = Vec::new();
        let mut options = Vec::new();
        for (key, node) in top {
            match self.text(&key, "a key")?.as_str() {
                "name" => self.name = Some(self.text(&node, "name")?),
                "env" => env = self.map(node, "env")?,
                "mmdebstrap" => options = self.map(node, "mmdebstrap")?,
                other => self.unknown(key.line, other, &TOP),
            }
        }
        let mut variables = Table::new();
        for (key, node) in env {
            let name = self.text(&key, "a variable")?;
            variables.insert(&name, value(self.text(&node, &name)?));
        }
        let mut named = Vec::new();
        for (key, node) in options {
            let name = self.text(&key, "a key")?;
            named.push((name, key, node));
        }
        // Cleanup hooks come after customize hooks, wherever they stand.
        named.sort_by_key(|(name, ..)| KEYS.iter().position(|(known, ..)| known == name));
        for (name, key, node) in named {
            match KEYS.iter().find(|(known, ..)| *known == name) {
                Some((_, kind, option)) => self.option(&name, *kind, option, &node)?,
                None => {
                    let known = KEYS.map(|(known, ..)| known);
                    self.unknown(key.line, &format!("mmdebstrap.{name}"), &known);
                }
            }
        }
        self.place_target();
        self.bring_out(&mut variables);
        if !variables.is_empty() {
            self.document.insert("env", Item::Table(variables));
        }
        let mut text = self.document.to_string();
        self.warnings.sort();
        let warnings: Vec<String> = self.warnings.into_iter().map(|(_, warning)| warning).collect();
        if !warnings.is_empty() {
            let left: String = warnings.iter().map(|warning| format!("# {warning}\n")).collect();
            text = format!("{left}{text}");
        }
        Ok(Converted { text, warnings })
    }

    fn unknown(&mut self, line: usize, key: &str, known: &[&str]) {
        let last = key.rsplit('.').next().unwrap_or(key);
        let near = deb_types::near::nearest(last, known.iter().copied(), 3);
        let near = near
            .first()
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default();
        let warning = format!(
            "{}:{line}: bdebstrap has no key `{}`, so it is left out{near}",
            self.path.display(),
            key.escape_debug()
        );
        self.warnings.push((line, warning));
    }

    fn text(&self, node: &Node, key: &str) -> Result<String, BdebstrapError> {
        match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => Ok(text.clone()),
            _ => Err(self.wrong(node.line, format!("`{key}` is to be text"))),
        }
    }

    fn map(&self, node: Node, key: &str) -> Result<Vec<(Node, Node)>, BdebstrapError> {
        match node.value {
            Value::Map(all) => Ok(all),
            _ if node.is_null() => Ok(Vec::new()),
            _ => Err(self.wrong(node.line, format!("`{key}` is to be a mapping"))),
        }
    }

    fn option(&mut self, name: &str, kind: Kind, option: &str, node: &Node) -> Result<(), BdebstrapError> {
        match kind {
            Kind::Text => {
                let text = self.text(node, name)?;
                self.document.insert(option, value(text));
            }
            Kind::Flag => match self.text(node, name)?.as_str() {
                "true" | "True" | "TRUE" => self.push(option, "Apt::Install-Recommends \"true\""),
                "false" | "False" | "FALSE" => {}
                _ => return Err(self.wrong(node.line, format!("`{name}` is to be true or false"))),
            },
            Kind::List => {
                let Value::List(all) = &node.value else {
                    return match node.is_null() {
                        true => Ok(()),
                        false => Err(self.wrong(node.line, format!("`{name}` is to be a list"))),
                    };
                };
                // Those that are commented out.
                for node in all.iter().filter(|node| !node.is_null()) {
                    let text = self.text(node, name)?;
                    match units(&text) {
                        Some((option, units)) if name.ends_with("-hooks") => {
                            units.iter().for_each(|unit| self.push(option, unit));
                        }
                        _ => self.push(option, &text),
                    }
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, option: &str, text: &str) {
        let item = self.document.entry(option).or_insert_with(|| value(Array::new()));
        if let Some(all) = item.as_array_mut() {
            all.push(text);
        }
    }

    /// Puts the target into the output directory, as bdebstrap does with a name alone.
    fn place_target(&mut self) {
        let target = self
            .document
            .get("target")
            .and_then(Item::as_str)
            .unwrap_or("-")
            .to_owned();
        let target = match &self.name {
            Some(name) if target != "-" && !target.contains('/') => format!("{name}/{target}"),
            _ => target,
        };
        self.document.insert("target", value(target));
    }

    /// Has files brought out of the target that hooks have written for that.
    fn bring_out(&mut self, variables: &mut Table) {
        let text = self.document.to_string();
        if text.contains("BDEBSTRAP_NAME") {
            variables.insert("BDEBSTRAP_NAME", value(self.name.clone().unwrap_or_default()));
        }
        if !text.contains("BDEBSTRAP_OUTPUT_DIR") {
            return;
        }
        variables.insert("BDEBSTRAP_OUTPUT_DIR", value(OUTPUT));
        let make = format!("mkdir -p \"$1{OUTPUT}\"");
        let entry = self
            .document
            .entry("essential-hook")
            .or_insert_with(|| value(Array::new()));
        if let Some(all) = entry.as_array_mut() {
            all.insert(0, make);
        }
        let to =
            shlex::try_quote(self.name.as_deref().unwrap_or(".")).map_or_else(|_| ".".to_owned(), Into::into);
        self.push("customize-hook", &format!("sync-out {OUTPUT} {to}"));
        self.push("customize-hook", &format!("rm -rf \"$1{OUTPUT}\""));
    }
}

/// Returns the option and the units of a hook that does nothing but call one of bdebstrap's own programs.
fn units(hook: &str) -> Option<(&'static str, Vec<String>)> {
    let words = shlex::split(hook)?;
    let (program, rest) = words.split_first()?;
    let name = [
        "$BDEBSTRAP_HOOKS/",
        "${BDEBSTRAP_HOOKS}/",
        "${BDEBSTRAP_HOOKS?}/",
        "/usr/share/bdebstrap/hooks/",
    ]
    .iter()
    .find_map(|directory| program.strip_prefix(directory))?;
    let option = match name {
        "enable-units" => "enable",
        "disable-units" => "disable",
        _ => return None,
    };
    let (root, units) = rest.split_first()?;
    let plain = |unit: &String| {
        unit.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.@:".contains(&byte))
    };
    (root == "$1" && !units.is_empty() && units.iter().all(plain)).then(|| (option, units.to_vec()))
}
