//! Parsing of dpkg-query(1)'s command line.

use super::options::{Action, Call, Options};
use super::parse::Defaults;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Options that are actions: letter, name, action.
const ACTIONS: [(&str, &str, Action); 9] = [
    ("-s", "--status", Action::Status),
    ("-p", "--print-avail", Action::PrintAvail),
    ("-L", "--listfiles", Action::ListFiles),
    ("-l", "--list", Action::List),
    ("-W", "--show", Action::Show),
    ("-S", "--search", Action::Search),
    ("", "--control-list", Action::ControlList),
    ("", "--control-show", Action::ControlShow),
    ("-c", "--control-path", Action::ControlPath),
];

/// Parses the words after the program's name.
///
/// # Errors
/// The problem, in dpkg's words.
pub(super) fn parse(words: impl IntoIterator<Item = OsString>, defaults: &Defaults) -> Result<Call, String> {
    let mut options = Options {
        admindir: defaults.admindir.clone(),
        ..Options::default()
    };
    if let Some(root) = &defaults.root {
        options.root.clone_from(root);
    }
    let mut action: Option<Action> = None;
    let mut words = words.into_iter().peekable();
    let is_option = |word: &OsString| word.as_bytes().starts_with(b"-") && word.len() > 1;
    while let Some(word) = words.next_if(is_option) {
        if word == "--" {
            break;
        }
        let found = ACTIONS
            .iter()
            .find(|(short, long, _)| word == *long || word == *short);
        if let Some((_, long, new)) = found {
            match &action {
                Some(old) if old != new => {
                    return Err(format!("conflicting actions {long} and --{}", old.name()));
                }
                _ => action = Some(new.clone()),
            }
            continue;
        }
        let bytes = word.as_bytes();
        let valued = [("--showformat", "-f"), ("--admindir", ""), ("--root", "")];
        let with_value = valued.iter().find_map(|(long, short)| {
            let rest = match bytes.strip_prefix(long.as_bytes()) {
                Some(rest) if rest.is_empty() || rest.starts_with(b"=") => rest,
                _ if !short.is_empty() => bytes.strip_prefix(short.as_bytes())?,
                _ => return None,
            };
            Some((
                *long,
                OsStr::from_bytes(rest.strip_prefix(b"=").unwrap_or(rest)).to_owned(),
                rest.is_empty(),
            ))
        });
        match with_value {
            Some((name, value, next)) => {
                let value = match next {
                    true => words
                        .next()
                        .ok_or_else(|| format!("{name} option takes a value"))?,
                    false => value,
                };
                match name {
                    "--showformat" => options.format = value.to_string_lossy().into_owned(),
                    "--admindir" => options.admindir = Some(value.into()),
                    _ => options.root = value.into(),
                }
            }
            None if word == "--no-pager" || word == "--load-avail" => {}
            None if word == "--version" => action = Some(Action::Version),
            None => return Err(format!("unknown option {}", word.display())),
        }
    }
    let action = action.ok_or("need an action option")?;
    Ok(Call {
        action,
        arguments: words.collect(),
        options,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_scripts_call_it() {
        let call = |line: &str| parse(line.split(' ').map(OsString::from), &Defaults::default());
        for line in [
            "-W -f=${Status} bash",
            "-f ${Status} --show bash",
            "--showformat=${Status} -W bash",
            "-W -f${Status} bash",
        ] {
            let call = call(line).unwrap();
            assert_eq!(
                (call.action, call.options.format.as_str()),
                (Action::Show, "${Status}"),
                "{line}"
            );
            assert_eq!(call.arguments, ["bash"]);
        }
        assert_eq!(call("--control-path bash md5sums").unwrap().arguments.len(), 2);
        assert!(call("bash").is_err() && call("-W -s a").is_err() && call("--nonsense").is_err());
    }
}
