//! What an archive lacks of a request, told to the user and written down.

use super::error::Error;
use crate::settings::Settings;
use apt_solve::{Missing, MissingItem};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use task_progress::Reporter;

/// Tells what is missing, and writes it to the file that the settings name.
///
/// # Errors
/// The file cannot be written.
pub(super) fn report(settings: &Settings, missing: &Missing, reporter: &dyn Reporter) -> Result<(), Error> {
    if let Some(path) = &settings.additions.missing {
        let mut text = serde_json::to_string_pretty(&as_json(missing)).unwrap_or_default();
        text.push('\n');
        fs::write(path, text).map_err(|source| Error::Missing {
            path: path.clone(),
            source,
        })?;
    }
    if !missing.items.is_empty() {
        reporter.warn(&format!(
            "{} of what was asked for, or is needed by it, cannot be installed:",
            missing.items.len()
        ));
    }
    for line in as_text(missing).lines() {
        reporter.note(line);
    }
    Ok(())
}

/// Returns a line for each, under its level.
fn as_text(missing: &Missing) -> String {
    let mut text = String::new();
    let mut level = None;
    let mut items: Vec<&MissingItem> = missing.items.iter().collect();
    items.sort_by_key(|item| item.level);
    for item in items {
        if level != Some(item.level) {
            level = Some(item.level);
            let _ = writeln!(text, "  level {}", item.level);
        }
        let _ = write!(text, "    {}", item.name);
        match &item.version {
            Some(version) => drop(write!(text, " {version}")),
            None => text.push_str(": not in the archive"),
        }
        if !item.reason.is_empty() {
            let _ = write!(text, "; {}", item.reason);
        }
        if !item.needed_by.is_empty() {
            let _ = write!(text, "; needed by {}", item.needed_by.join(", "));
        }
        text.push('\n');
    }
    text
}

fn as_json(missing: &Missing) -> Value {
    let each = missing.items.iter().map(|item| {
        json!({
            "level": item.level,
            "name": item.name,
            "version": item.version,
            "in_archive": item.version.is_some(),
            "reason": item.reason,
            "needed_by": item.needed_by,
        })
    });
    json!({ "missing": each.collect::<Vec<Value>>() })
}
