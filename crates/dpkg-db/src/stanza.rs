//! Stanzas as text: splitting one into fields, writing one as dpkg does.

use super::error::DpkgError;
use super::package::{Conffile, FIELDS, Kind, Package, PackageKey};
use super::states::Status;
use deb_types::MultiArch;

impl Package {
    /// Appends the stanza as dpkg writes it to the status file, without the empty line after it;
    /// `display` gives the names in `Triggers-Awaited`.
    pub fn write_stanza(&self, display: impl Fn(&PackageKey) -> String, out: &mut String) {
        for (name, kind) in FIELDS {
            if *kind != Kind::Own {
                if let Some((_, value)) = self.known.iter().find(|(known, _)| known == name) {
                    push(out, name, value);
                }
                continue;
            }
            match *name {
                "Package" => push(out, name, &self.name),
                "Status" => {
                    push(out, name, &format!("{} {} {}", self.want, self.flag, self.status));
                }
                "Architecture" if !self.architecture.is_empty() => push(out, name, &self.architecture),
                "Multi-Arch" if self.multi_arch != MultiArch::No => push(out, name, self.multi_arch.as_str()),
                "Version" if !self.version.is_empty() => push(out, name, &self.version),
                "Config-Version" => {
                    let current = [Status::Installed, Status::NotInstalled, Status::TriggersPending];
                    if let (Some(version), false) = (&self.config_version, current.contains(&self.status)) {
                        push(out, name, version);
                    }
                }
                "Conffiles" if !self.conffiles.is_empty() => self.write_conffiles(out),
                "Triggers-Pending" if !self.triggers_pending.is_empty() => {
                    push(out, name, &self.triggers_pending.join(" "));
                }
                "Triggers-Awaited" if !self.triggers_awaited.is_empty() => {
                    let names: Vec<String> = self.triggers_awaited.iter().map(&display).collect();
                    push(out, name, &names.join(" "));
                }
                _ => {}
            }
        }
        for (name, value) in &self.extra {
            push(out, name, value);
        }
    }

    fn write_conffiles(&self, out: &mut String) {
        out.push_str("Conffiles:\n");
        for conffile in &self.conffiles {
            out.push(' ');
            out.push_str(&conffile.path);
            out.push(' ');
            out.push_str(&conffile.hash);
            if conffile.obsolete {
                out.push_str(" obsolete");
            }
            if conffile.remove_on_upgrade {
                out.push_str(" remove-on-upgrade");
            }
            out.push('\n');
        }
    }
}

fn push(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str(": ");
    out.push_str(value);
    out.push('\n');
}

pub(super) fn parse_conffile(line: &str) -> Option<Conffile> {
    let mut rest = line.strip_prefix(' ')?;
    let mut conffile = Conffile {
        path: String::new(),
        hash: String::new(),
        obsolete: false,
        remove_on_upgrade: false,
    };
    if let Some(shorter) = rest.strip_suffix(" remove-on-upgrade") {
        (conffile.remove_on_upgrade, rest) = (true, shorter);
    }
    if let Some(shorter) = rest.strip_suffix(" obsolete") {
        (conffile.obsolete, rest) = (true, shorter);
    }
    let (path, hash) = rest.rsplit_once(' ')?;
    if path.trim_matches('/').is_empty() || hash.is_empty() {
        return None;
    }
    conffile.path = format!("/{}", path.trim_start_matches('/'));
    conffile.hash = hash.to_owned();
    Some(conffile)
}

/// The fields of one stanza: values keep their continuation lines, without white space at either end.
pub(super) fn fields(stanza: &str) -> impl Iterator<Item = Result<(&str, &str), DpkgError>> {
    let mut rest = stanza;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches('\n');
        if rest.is_empty() {
            return None;
        }
        let mut end = 0;
        loop {
            end += rest[end..].find('\n').map_or(rest.len() - end, |at| at + 1);
            if !rest[end..].starts_with([' ', '\t']) {
                break;
            }
        }
        let (field, after) = rest.split_at(end);
        rest = after;
        let Some((name, value)) = field.split_once(':') else {
            return Some(Err(bad_line(field)));
        };
        let name = name.trim_end_matches([' ', '\t']);
        if name.is_empty() || name.contains(|c: char| c.is_ascii_whitespace()) {
            return Some(Err(bad_line(field)));
        }
        // A value that begins on the next line keeps that line's leading space: `Conffiles` needs it.
        let value = value
            .trim_start_matches([' ', '\t'])
            .trim_end_matches(|c: char| c.is_ascii_whitespace());
        Some(Ok((name, value)))
    })
}

fn bad_line(field: &str) -> DpkgError {
    let line = field.lines().next().unwrap_or_default();
    DpkgError::Line {
        line: line.chars().take(80).collect(),
    }
}
