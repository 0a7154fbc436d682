//! Translations of descriptions. apt reads those of its languages, English where nothing is said, and takes it for an error
//! where a Release file names one that is not there.

use deb_archive::Index;

use super::state::MirrorFile;
use crate::source_packages::named;

/// Compressions, in the order in which apt prefers them (`Acquire::CompressionTypes::Order`).
const ENDS: [&str; 6] = [".zst", ".xz", ".bz2", ".lzma", ".gz", ""];

/// Returns the translations beside an index, in some languages: of each what apt takes, with its path in the archive.
pub(super) fn translations(index: &Index, languages: &[String]) -> Vec<(String, MirrorFile)> {
    let Some(release) = &index.release else {
        return Vec::new();
    };
    let directory = match index.component.as_str() {
        // A flat archive has them beside its index.
        "" => String::new(),
        component => format!("{component}/i18n/"),
    };
    let of_language = |language: &String| {
        let mut paths = ENDS
            .iter()
            .map(|end| format!("{directory}Translation-{language}{end}"));
        paths.find_map(|path| {
            let (size, hash) = named(release, &path)?;
            Some((
                format!("{}{path}", release.directory),
                MirrorFile::new(size, hash),
            ))
        })
    };
    languages.iter().filter_map(of_language).collect()
}
