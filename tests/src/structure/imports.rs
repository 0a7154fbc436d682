//! The imports of one file, by its syntax.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{Attribute, File, ImplItem, Item, Meta, TraitItem, UseTree, Visibility};

/// What a file imports.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Paths below the crate's root.
    pub(super) imports: BTreeSet<Vec<String>>,
    /// Paths below the crate's root that documentation links.
    pub(super) links: BTreeSet<Vec<String>>,
    /// Names that the file's own module has by an import, private ones for its children, with the
    /// path below the crate's root of each.
    pub(super) names: BTreeMap<String, Vec<String>>,
    /// Files named by `include!`, `include_str!` and `include_bytes!`.
    pub(super) included: Vec<String>,
}

/// The imports of a file, which is that of the module `path`.
pub(super) fn of(file: &File, path: &[String]) -> Found {
    let mut visitor = Visitor {
        file: path,
        module: path.to_vec(),
        children: vec![declared(&file.items)],
        found: Found::default(),
    };
    visitor.visit_file(file);
    visitor.found
}

/// Whether something is there for tests only.
pub(super) fn for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        if attribute.path().is_ident("test") {
            return true;
        }
        match &attribute.meta {
            Meta::List(list) if list.path.is_ident("cfg") => requires_test(list.tokens.clone()),
            _ => false,
        }
    })
}

// Whether a condition of `cfg` holds in tests only: `test`, or `all(…)` with it.
fn requires_test(condition: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = condition.into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(name)] => name == "test",
        [TokenTree::Ident(name), TokenTree::Group(group)] if name == "all" => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            inner
                .split(|token| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ','))
                .any(|part| requires_test(part.iter().cloned().collect()))
        }
        _ => false,
    }
}

// The names of modules that items declare.
fn declared(items: &[Item]) -> BTreeSet<String> {
    let name = |item: &Item| match item {
        Item::Mod(module) => Some(module.ident.to_string()),
        _ => None,
    };
    items.iter().filter_map(name).collect()
}

struct Visitor<'a> {
    // The module that the file is of, and the one in it that is being visited.
    file: &'a [String],
    module: Vec<String>,
    // Modules declared in each block around.
    children: Vec<BTreeSet<String>>,
    found: Found,
}

impl Visitor<'_> {
    // The path below the crate's root, unless it leads to another crate.
    fn absolute(&self, segments: &[String]) -> Option<Vec<String>> {
        let first = segments.first()?;
        let child = self.children.last().is_some_and(|names| names.contains(first));
        let (mut base, mut rest) = match first.as_str() {
            "crate" => (Vec::new(), segments.get(1..)?),
            "self" => (self.module.clone(), segments.get(1..)?),
            "super" => (self.module.clone(), segments),
            _ if child => (self.module.clone(), segments),
            _ => return None,
        };
        while rest.first().is_some_and(|segment| segment == "super") {
            base.pop()?;
            rest = rest.get(1..)?;
        }
        Some([base.as_slice(), rest].concat())
    }

    fn path(&mut self, segments: &[String]) {
        // A path of one segment is a keyword or a name that an import has brought.
        if segments.len() > 1
            && let Some(path) = self.absolute(segments)
        {
            self.found.imports.insert(path);
        }
    }

    fn tree(&mut self, tree: &UseTree, before: &[String]) {
        match tree {
            UseTree::Path(path) => {
                let before = [before, &[path.ident.to_string()]].concat();
                self.tree(&path.tree, &before);
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                if name == "self" {
                    self.import(before, before.last());
                } else {
                    self.import(&[before, std::slice::from_ref(&name)].concat(), Some(&name));
                }
            }
            UseTree::Rename(renamed) => {
                let name = renamed.ident.to_string();
                let path = match name.as_str() {
                    "self" => before.to_vec(),
                    _ => [before, &[name]].concat(),
                };
                self.import(&path, Some(&renamed.rename.to_string()));
            }
            UseTree::Glob(_) => self.import(before, None),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, before);
                }
            }
        }
    }

    fn import(&mut self, segments: &[String], name: Option<&String>) {
        let Some(path) = self.absolute(segments) else {
            return;
        };
        self.found.imports.insert(path.clone());
        if let Some(name) = name
            && self.module == self.file
        {
            self.found.names.insert(name.clone(), path);
        }
    }

    fn tokens(&mut self, tokens: TokenStream) {
        let mut segments: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) if colons == 2 && !segments.is_empty() => {
                    segments.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Ident(name) => {
                    self.path(&std::mem::take(&mut segments));
                    segments.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                other => {
                    self.path(&std::mem::take(&mut segments));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.path(&segments);
    }
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !for_tests(attributes(item)) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes: &[Attribute] = match item {
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            _ => &[],
        };
        if !for_tests(attributes) {
            syn::visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        let attributes: &[Attribute] = match item {
            TraitItem::Fn(item) => &item.attrs,
            _ => &[],
        };
        if !for_tests(attributes) {
            syn::visit::visit_trait_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let Some((_, items)) = &module.content else {
            return;
        };
        for attribute in &module.attrs {
            self.visit_attribute(attribute);
        }
        self.module.push(module.ident.to_string());
        self.children.push(declared(items));
        for item in items {
            self.visit_item(item);
        }
        self.children.pop();
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        // With a leading `::` it is another crate's.
        if item.leading_colon.is_none() {
            self.tree(&item.tree, &[]);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string());
            self.path(&segments.collect::<Vec<_>>());
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.visit_path(&called.path);
        let name = called
            .path
            .segments
            .last()
            .map(|segment| segment.ident.to_string());
        if matches!(name.as_deref(), Some("include" | "include_str" | "include_bytes"))
            && let Ok(file) = called.parse_body::<syn::LitStr>()
        {
            self.found.included.push(file.value());
        }
        self.tokens(called.tokens.clone());
    }

    // `pub(in crate::a)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    // Of attributes the links of documentation count: rustdoc resolves them.
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::NameValue(pair) = &attribute.meta
            && pair.path.is_ident("doc")
            && let syn::Expr::Lit(literal) = &pair.value
            && let syn::Lit::Str(text) = &literal.lit
        {
            let links = links(&text.value());
            let links = links.iter().filter_map(|link| self.absolute(link));
            self.found.links.extend(links.collect::<Vec<_>>());
        }
    }
}

// The paths that a line of documentation links: [`crate::a::B`], [text](super::b).
fn links(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for mark in ["[`", "[", "]("] {
        for start in ["crate::", "super::"] {
            for (at, _) in text.match_indices(&format!("{mark}{start}")) {
                let path = text.get(at + mark.len()..).unwrap_or_default();
                let inside = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
                let path = path.split(|letter| !inside(letter)).next().unwrap_or_default();
                let segments = path.split("::").filter(|segment| !segment.is_empty());
                found.push(segments.map(str::to_owned).collect());
            }
        }
    }
    found
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
