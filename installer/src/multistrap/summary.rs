//! The settings of a configuration as text, for `--simulate`.

use super::{Configuration, MultistrapError};
use deb_arch::Architecture;
use std::fmt::Write as _;
use std::path::Path;

/// Returns a line for each setting, and some for each section that is used.
///
/// # Errors
/// A list names a section that is not there, or a section lacks something.
pub fn summary(configuration: &Configuration) -> Result<String, MultistrapError> {
    let bootstrap = configuration.listed("bootstrap", &configuration.bootstrap)?;
    let apt_sources = configuration.listed("aptsources", &configuration.apt_sources)?;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name}: {value}");
    };
    let paths = |paths: &[std::path::PathBuf]| {
        let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        shown.join(" ")
    };
    let truth = |is: bool| if is { "true" } else { "false" };
    let values = |list: &[super::ini::Value]| {
        let words: Vec<&str> = list.iter().flat_map(|value| value.words()).collect();
        words.join(" ")
    };
    line("files", &paths(&configuration.files));
    let mut sections = bootstrap.clone();
    sections.extend(
        apt_sources
            .iter()
            .filter(|one| !bootstrap.iter().any(|known| known.name == one.name)),
    );
    for section in sections {
        let source = section.line()?;
        line(&format!("[{}] source", section.name), &source.rest);
        if !source.options.is_empty() {
            line(&format!("[{}] options", section.name), &source.options);
        }
        if let Some(keyring) = &section.keyring {
            line(&format!("[{}] keyring", section.name), &keyring.text);
        }
        line(
            &format!("[{}] omitdebsrc", section.name),
            truth(section.no_sources),
        );
        if bootstrap.iter().any(|known| known.name == section.name) {
            let mut packages = section.packages.clone();
            packages.extend(section.others.iter().cloned());
            packages.sort();
            packages.dedup();
            line(&format!("[{}] packages", section.name), &packages.join(" "));
        }
    }
    let names = |list: &[&super::repository::Repository]| {
        let names: Vec<&str> = list.iter().map(|known| known.name.as_str()).collect();
        names.join(" ")
    };
    line("bootstrap", &names(&bootstrap));
    line("aptsources", &names(&apt_sources));
    let arch = configuration.arch.as_deref().filter(|arch| !arch.is_empty());
    line("arch", arch.unwrap_or(Architecture::native().name));
    line("multiarch", &values(&configuration.multiarch));
    line(
        "directory",
        configuration.directory.as_deref().unwrap_or_default(),
    );
    for (name, value) in [
        ("tarballname", &configuration.tarball),
        ("setupscript", &configuration.setup_script),
        ("configscript", &configuration.config_script),
        ("aptpreferences", &configuration.preferences),
    ] {
        line(name, value.as_ref().map_or("", |value| value.text.as_str()));
    }
    line("hookdir", &values(&configuration.hook_dirs));
    line("debconfseed", &values(&configuration.seeds));
    line(
        "aptdefaultrelease",
        configuration.default_release.as_deref().unwrap_or("*"),
    );
    let kept = configuration.sources_dir.as_deref().map(Path::display);
    line(
        "retainsources",
        &kept.map(|path| path.to_string()).unwrap_or_default(),
    );
    for (name, value) in [
        ("unpack", configuration.unpack),
        ("cleanup", configuration.cleanup),
        ("noauth", configuration.no_auth),
        ("omitrequired", configuration.omit_required),
        ("addimportant", configuration.add_important),
        ("allowrecommends", configuration.allow_recommends),
        ("explicitsuite", configuration.explicit_suite),
        ("markauto", configuration.mark_auto),
        ("ignorenativearch", configuration.ignore_native),
    ] {
        line(name, truth(value));
    }
    Ok(text)
}
