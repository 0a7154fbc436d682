//! The module tree of a library or program: which file holds which module, and what it imports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use syn::{Attribute, Expr, Item, Lit, Meta};

use super::imports::{self, for_tests};
use crate::error::At as _;
use crate::{Error, Result};

/// A module that has a file of its own.
#[derive(Debug)]
pub(super) struct Module {
    /// Its path below the crate's root; empty for the root.
    pub(super) path: Vec<String>,
    /// Its file.
    pub(super) file: PathBuf,
    /// Paths below the crate's root that it imports.
    pub(super) imports: BTreeSet<Vec<String>>,
    /// Paths below the crate's root that its documentation links.
    pub(super) links: BTreeSet<Vec<String>>,
    // Names it has by an import, with the path below the crate's root where each comes from.
    names: BTreeMap<String, Vec<String>>,
}

/// The modules of a library or program.
#[derive(Debug)]
pub(super) struct Crate {
    /// The directory of its root file.
    pub(super) source_dir: PathBuf,
    /// All of its modules that have files, those for tests left out.
    pub(super) modules: Vec<Module>,
    /// Places where a file outside of the package is taken in.
    pub(super) strays: Vec<String>,
}

impl Crate {
    /// The module with the longest path that is a beginning of this one.
    pub(super) fn named(&self, path: &[String]) -> Option<&Module> {
        let around = self
            .modules
            .iter()
            .filter(|module| path.starts_with(&module.path));
        around.max_by_key(|module| module.path.len())
    }

    /// The module that has the item with this path below the crate's root: the named one, or where
    /// that has it from.
    pub(super) fn origin(&self, path: &[String]) -> Option<&Module> {
        let mut path = path.to_vec();
        // Re-exports of re-exports end; a circle of them would not compile.
        for _ in 0..16 {
            let module = self.named(&path)?;
            let rest = path.get(module.path.len()..).unwrap_or_default();
            let Some(origin) = rest.first().and_then(|name| module.names.get(name)) else {
                return Some(module);
            };
            let origin = [origin, rest.get(1..).unwrap_or_default()].concat();
            if origin == path {
                return Some(module);
            }
            path = origin;
        }
        None
    }

    /// Whether the child `name` of the module `parent` has modules with files of their own.
    pub(super) fn has_directory(&self, parent: &[String], name: &str) -> bool {
        self.modules.iter().any(|module| {
            module.path.len() > parent.len() + 1
                && module.path.starts_with(parent)
                && module.path.get(parent.len()).is_some_and(|child| child == name)
        })
    }
}

/// Reads the modules that the file `root` declares, of the package in `package`.
pub(super) fn read(package: &Path, root: &Path) -> Result<Crate> {
    let source_dir = root.parent().unwrap_or(package).to_path_buf();
    let mut reader = Reader {
        package,
        read: Crate {
            source_dir: source_dir.clone(),
            modules: Vec::new(),
            strays: Vec::new(),
        },
    };
    reader.file(root, Vec::new(), &source_dir)?;
    Ok(reader.read)
}

struct Reader<'a> {
    package: &'a Path,
    read: Crate,
}

impl Reader<'_> {
    // Reads the file of the module `path`, whose children's files are in `dir`.
    fn file(&mut self, file: &Path, path: Vec<String>, dir: &Path) -> Result<()> {
        let text = std::fs::read_to_string(file).at(file)?;
        let parsed =
            syn::parse_file(&text).map_err(|error| Error::Machine(format!("{}: {error}", file.display())))?;
        let found = imports::of(&parsed, &path);
        for included in &found.included {
            let beside = file.parent().unwrap_or(dir);
            self.check(
                file,
                &format!("include of \"{included}\""),
                &beside.join(included),
            );
        }
        self.read.modules.push(Module {
            path: path.clone(),
            file: file.to_path_buf(),
            imports: found.imports,
            links: found.links,
            names: found.names,
        });
        self.children(file, &parsed.items, &path, dir, true)
    }

    // Follows `mod` items; those in a block are modules without files, whose children's files are
    // in a directory of their name.
    fn children(
        &mut self,
        file: &Path,
        items: &[Item],
        path: &[String],
        dir: &Path,
        of_file: bool,
    ) -> Result<()> {
        for item in items {
            let Item::Mod(module) = item else { continue };
            if for_tests(&module.attrs) {
                continue;
            }
            let name = module.ident.to_string();
            let name = name.trim_start_matches("r#");
            let path = [path, &[name.to_owned()]].concat();
            if let Some((_, items)) = &module.content {
                self.children(file, items, &path, &dir.join(name), false)?;
                continue;
            }
            // Beside the file, unless a block is around it.
            let own = if of_file {
                file.parent().unwrap_or(dir)
            } else {
                dir
            };
            if let Some(named) = named_path(&module.attrs) {
                let target = own.join(&named);
                if self.check(file, &format!("#[path = \"{named}\"]"), &target) {
                    let dir = target.parent().unwrap_or(dir).to_path_buf();
                    self.file(&target, path, &dir)?;
                }
                continue;
            }
            let plain = dir.join(format!("{name}.rs"));
            let target = if plain.is_file() {
                plain
            } else {
                dir.join(name).join("mod.rs")
            };
            self.file(&target, path, &dir.join(name))?;
        }
        Ok(())
    }

    // Whether `target` lies in the package; it is noted if it does not.
    fn check(&mut self, file: &Path, what: &str, target: &Path) -> bool {
        let inside = normal(target).starts_with(normal(self.package));
        if !inside {
            let file = file.strip_prefix(self.package).unwrap_or(file);
            let stray = format!("{}: {what} leaves the package", file.display());
            self.read.strays.push(stray);
        }
        inside
    }
}

// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

fn named_path(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    })
}
