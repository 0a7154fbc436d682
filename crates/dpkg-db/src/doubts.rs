//! What dpkg warns about in a stanza that it accepts: fields that are missing or obsolete, relations in old forms
//! (`pkg_parse_verify` and `f_dependency` in its source). The texts are dpkg's.

use deb_types::MultiArch;

use super::fields::{FIELDS, FieldKind, fields};
use super::package::Package;
use super::states::Status;

/// Returns dpkg's warnings about the control file of an archive, which dpkg calls `file`, on a system of architecture
/// `native`.
pub fn control_doubts(text: &str, file: &str, native: &str) -> Vec<String> {
    let mut doubts = Doubts::new(file, native, true);
    doubts.read(text);
    doubts.found
}

/// Returns dpkg's warnings about a status file, which dpkg calls `file`.
pub fn status_doubts(text: &str, file: &str, native: &str) -> Vec<String> {
    let mut doubts = Doubts::new(file, native, false);
    doubts.read(text);
    doubts.found
}

struct Doubts<'d> {
    file: &'d str,
    native: &'d str,
    archive: bool,
    found: Vec<String>,
}

/// What is known of the package of a stanza at one of its lines.
struct Known {
    package: Package,
    architecture: Option<String>,
    has_maintainer: bool,
    has_description: bool,
}

impl<'d> Doubts<'d> {
    fn new(file: &'d str, native: &'d str, archive: bool) -> Self {
        Self {
            file,
            native,
            archive,
            found: Vec::new(),
        }
    }

    fn read(&mut self, text: &str) {
        let mut rest = text;
        let mut before = 0;
        loop {
            let stanza = rest.trim_start_matches('\n');
            if stanza.is_empty() {
                return;
            }
            before += rest.len() - stanza.len();
            let end = stanza.find("\n\n").map_or(stanza.len(), |end| end + 1);
            let (stanza, after) = stanza.split_at(end);
            self.stanza(stanza, before);
            before += stanza.matches('\n').count();
            rest = after;
        }
    }

    /// Reads a stanza; `before` is the number of the lines before it.
    fn stanza(&mut self, stanza: &str, before: usize) {
        let Ok(package) = Package::parse("Package: x\n") else {
            return;
        };
        let mut known = Known {
            package,
            architecture: None,
            has_maintainer: false,
            has_description: false,
        };
        known.package.name.clear();
        for (name, value) in fields(stanza).map_while(Result::ok) {
            // Both are parts of the same text.
            let end = value.as_ptr() as usize + value.len() - stanza.as_ptr() as usize;
            let read = stanza.get(..end).unwrap_or(stanza);
            let line = before + read.matches('\n').count() + 1;
            let kind = FIELDS.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
            let Some((name, kind)) = kind else { continue };
            match (*name, kind) {
                ("Package", _) => known.package.name = value.to_ascii_lowercase(),
                ("Architecture", _) => {
                    known.architecture = Some(value.to_owned());
                    value.clone_into(&mut known.package.architecture);
                }
                ("Multi-Arch", _) if value.eq_ignore_ascii_case("same") => {
                    known.package.multi_arch = MultiArch::Same;
                }
                ("Status", _) => {
                    let status = value.split_ascii_whitespace().nth(2);
                    known.package.status = status
                        .and_then(|status| status.parse().ok())
                        .unwrap_or(Status::NotInstalled);
                }
                ("Maintainer", _) => known.has_maintainer = !value.is_empty(),
                ("Description", _) => known.has_description = !value.is_empty(),
                (_, FieldKind::Obsolete(modern)) => {
                    self.doubt(&known, line, &format!("obsolete '{name}' field used"));
                    if matches!(*modern, "Recommends" | "Suggests") {
                        self.relations(&known, line, name, value);
                    }
                }
                (_, FieldKind::Relation) => self.relations(&known, line, name, value),
                _ => {}
            }
        }
        let end = before + stanza.matches('\n').count() + 1;
        let status = known.package.status;
        if self.archive || !matches!(status, Status::NotInstalled | Status::HalfInstalled) {
            if !known.has_description {
                self.doubt(&known, end, "missing 'Description' field");
            }
            if !known.has_maintainer {
                self.doubt(&known, end, "missing 'Maintainer' field");
            }
        }
        if self.archive || status > Status::HalfInstalled {
            match known.architecture.as_deref() {
                None => self.doubt(&known, end, "missing 'Architecture' field"),
                Some("") => self.doubt(&known, end, "empty value for 'Architecture' field"),
                Some(_) => {}
            }
        }
    }

    /// Warns about relations whose form is accepted for the sake of old packages.
    fn relations(&mut self, known: &Known, line: usize, field: &str, value: &str) {
        for relation in value.split([',', '|']) {
            let Some((name, restriction)) = relation.split_once('(') else {
                continue;
            };
            let name = name.trim_ascii().split(':').next().unwrap_or_default();
            let mut doubt = |problem: &str| {
                let problem = format!("'{field}' field, reference to '{name}':\n {problem}");
                self.doubt(known, line, &problem);
            };
            let restriction = restriction.trim_ascii_start();
            let after = match restriction.as_bytes() {
                [b'<', b'<' | b'=', ..] | [b'>', b'>' | b'=', ..] => restriction.get(2..),
                [sign @ (b'<' | b'>'), ..] => {
                    let sign = char::from(*sign);
                    doubt(&format!(
                        "'{sign}' is obsolete, use '{sign}=' or '{sign}{sign}' instead"
                    ));
                    restriction.get(1..)
                }
                [b'=', ..] => restriction.get(1..),
                _ => {
                    doubt("implicit exact match on version number, suggest using '=' instead");
                    Some(restriction)
                }
            };
            let plain = |b: &u8| b.is_ascii_whitespace() || b.is_ascii_alphanumeric();
            if !after.unwrap_or_default().as_bytes().first().is_some_and(plain) {
                doubt("version value starts with non-alphanumeric, suggest adding a space");
            }
        }
    }

    fn doubt(&mut self, known: &Known, line: usize, problem: &str) {
        let file = self.file;
        self.found.push(if known.package.name.is_empty() {
            format!("parsing file '{file}' near line {line}:\n {problem}")
        } else {
            let name = known.package.display_name(self.native);
            format!("parsing file '{file}' near line {line} package '{name}':\n {problem}")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Warnings without what is the same in all of them.
    fn found(doubts: Vec<String>) -> Vec<String> {
        let short = doubts
            .iter()
            .map(|doubt| doubt.strip_prefix("parsing file 'f' near line "));
        short.map(|doubt| doubt.unwrap().to_owned()).collect()
    }

    #[test]
    fn an_archives_old_fields() {
        let text = "Package: w\nVersion: 1\nRevision: 2\nArchitecture: all\nClass: extra\nDepends: a (< 1), b (1)\n  , d\n\
                    Optional: x (> 2)\nBreaks: y (>=~1), z (= 1), q (<< 1)\nMaintainer:\nX-Y: z\n";
        assert_eq!(
            found(control_doubts(text, "f", "amd64")),
            [
                "3 package 'w':\n obsolete 'Revision' field used",
                "5 package 'w':\n obsolete 'Class' field used",
                "7 package 'w':\n 'Depends' field, reference to 'a':\n '<' is obsolete, use '<=' or '<<' instead",
                "7 package 'w':\n 'Depends' field, reference to 'b':\n implicit exact match on version number, suggest \
                 using '=' instead",
                "8 package 'w':\n obsolete 'Optional' field used",
                "8 package 'w':\n 'Optional' field, reference to 'x':\n '>' is obsolete, use '>=' or '>>' instead",
                "9 package 'w':\n 'Breaks' field, reference to 'y':\n version value starts with non-alphanumeric, \
                 suggest adding a space",
                "12 package 'w':\n missing 'Description' field",
                "12 package 'w':\n missing 'Maintainer' field",
            ]
        );
    }

    #[test]
    fn architectures_that_are_missing() {
        let text = "Package: v\nVersion: 1\nMaintainer: x\nDescription: y\n";
        assert_eq!(
            found(control_doubts(text, "f", "amd64")),
            ["5 package 'v':\n missing 'Architecture' field"]
        );
        let text = "Package: v\nArchitecture:\nVersion: 1\nMaintainer: x\nDescription: y\n\n";
        assert_eq!(
            found(control_doubts(text, "f", "amd64")),
            ["6 package 'v':\n empty value for 'Architecture' field"]
        );
    }

    #[test]
    fn status_files() {
        let sound = "Maintainer: x\nDescription: y\n z\n";
        let text = format!(
            "Package: a\nStatus: install ok installed\nArchitecture: riscv64\nVersion: 1\n{sound}\n\
             Package: b\nStatus: purge ok not-installed\n\n\
             Package: c\nStatus: install ok unpacked\nArchitecture: riscv64\n\n\
             Package: d\nStatus: deinstall ok config-files\n{sound}\n\
             Package: e\nStatus: install ok installed\n{sound}"
        );
        assert_eq!(
            found(status_doubts(&text, "f", "amd64")),
            [
                "15 package 'c:riscv64':\n missing 'Description' field",
                "15 package 'c:riscv64':\n missing 'Maintainer' field",
                "27 package 'e':\n missing 'Architecture' field",
            ]
        );
        assert_eq!(status_doubts("", "f", "amd64"), [""; 0]);
    }
}
