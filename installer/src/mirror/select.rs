//! What a mirror has: Release files, indexes, and the packages that are chosen from these for each architecture.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::state::{MirrorFile, MirrorState};
use super::translations::translations;
use super::{MirrorError, MirrorSettings, Result};
use crate::archives::Archives;
use crate::local_packages::LocalSource;
use crate::merge_usr;
use apt_solve::{
    IndexInput, Mmdebstrap, PackageId, Plan, Request, Universe, best_native_version, choose, closure,
};
use deb_arch::Architecture;
use deb_archive::{ArchiveError, ArchiveFile, Index, PackageFile, SourceList};
use deb_types::{FileHash, hex};
use script_host::sysroot::package_file;
use sha2::{Digest, Sha256};
use task_progress::Cancel;

/// Indexes, and the names of their archives in the mirror.
pub(super) struct Selected {
    lists: Vec<SourceList>,
    indexes: Vec<Index>,
    /// Directories of archives by their URLs.
    names: BTreeMap<String, String>,
}

impl Selected {
    /// Loads the indexes of the sources for all architectures, and this machine's where it has to have native tools.
    pub(super) fn load(mirror: &MirrorSettings, archives: &Archives, cancel: &Cancel) -> Result<Self> {
        let settings = &mirror.settings;
        if let Some(file) = settings.include.iter().find(|item| item.starts_with('/')) {
            return Err(MirrorError::File(file.into()));
        }
        if let Some(mirror) = settings
            .archives
            .mirrors
            .iter()
            .find(|mirror| matches!(LocalSource::of(mirror), Some(LocalSource::Packages(_))))
        {
            return Err(MirrorError::Packages(mirror.into()));
        }
        let (lists, keyring) = archives.sources(&settings.archives)?;
        let sources: Vec<_> = lists
            .iter()
            .flat_map(|list| list.sources.iter().cloned())
            .collect();
        let indexes = archives.indexes(&sources, &keyring, &architectures(mirror))?;
        cancel.check()?;
        if let Some(index) = indexes
            .iter()
            .find(|index| index.release.is_none() || !index.authenticated)
        {
            return Err(ArchiveError::Unauthenticated {
                package: format!("suite {}", index.suite),
                base: deb_archive::without_passwords(index.base.as_str()),
            }
            .into());
        }
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        for index in &indexes {
            let mut segments = index.base.path_segments().into_iter().flatten();
            let last = segments
                .rfind(|part| !part.is_empty() && !part.starts_with('.'))
                .unwrap_or("archive");
            let base = index.base.to_string();
            if names.contains_key(&base) {
                continue;
            }
            let taken: BTreeSet<&String> = names.values().collect();
            let numbered = (2..).map(|number| format!("{last}-{number}"));
            let name = std::iter::once(last.to_owned())
                .chain(numbered)
                .find(|name| !taken.contains(name));
            names.insert(base, name.unwrap_or_default());
        }
        Ok(Self {
            lists,
            indexes,
            names,
        })
    }

    /// Returns the checksums of the Release files.
    pub(super) fn releases(&self) -> BTreeMap<String, String> {
        let each = self.indexes.iter().filter_map(|index| index.release.as_ref());
        each.map(|release| (release.url.clone(), release.sha256.clone()))
            .collect()
    }

    /// Returns what is asked for, to be compared with what was. Sources may have passwords, and a mirror is read by others.
    pub(super) fn request(&self, mirror: &MirrorSettings) -> Vec<String> {
        let settings = &mirror.settings;
        let sources: String = self.lists.iter().map(|list| list.text.as_str()).collect();
        let mut words = vec![
            // Another number where the same request has other files.
            "selection 3".to_owned(),
            format!("sources sha256:{}", hex(&Sha256::digest(sources.as_bytes()))),
            format!("suite {}", settings.archives.suite),
            format!("variant {}", settings.variant.as_str()),
            format!("recommends {}", settings.install_recommends),
            format!("suggests {}", settings.install_suggests),
            format!("solver {:?}", settings.solver),
            format!("merged /usr {}", settings.system.merged_usr.name()),
            format!("all {}", mirror.all),
            format!("native tools {}", mirror.native_tools),
            format!("languages {}", mirror.languages.join(" ")),
        ];
        words.extend(settings.imitate.map(|release| format!("mmdebstrap {release}")));
        let each = settings.system.architectures();
        words.extend(each.map(|arch| format!("architecture {}", arch.name)));
        words.extend(settings.include.iter().map(|item| format!("include {item}")));
        words
    }

    /// Returns the Release files, by their paths.
    fn documents(&self) -> BTreeMap<String, &[u8]> {
        let mut all = BTreeMap::new();
        for index in &self.indexes {
            for (name, bytes) in index.release.iter().flat_map(|release| &release.files) {
                let directory = index
                    .release
                    .as_ref()
                    .map_or("", |release| release.directory.as_str());
                all.insert(
                    format!("{}/{directory}{name}", self.name(index)),
                    bytes.as_slice(),
                );
            }
        }
        all
    }

    /// Returns the state: all files.
    pub(super) fn state(&self, mirror: &MirrorSettings) -> Result<MirrorState> {
        let mut state = MirrorState::new(self.request(mirror), self.releases());
        for (path, bytes) in self.documents() {
            let hash = FileHash::Sha256(Sha256::digest(bytes).into());
            state
                .files
                .insert(path, MirrorFile::new(bytes.len() as u64, hash));
        }
        for index in &self.indexes {
            let Some(ArchiveFile { path, file }) = index.files.first() else {
                continue;
            };
            self.add_index(&mut state, index, path, MirrorFile::new(file.size, file.hash))?;
            for (path, file) in translations(index, &mirror.languages) {
                self.add_index(&mut state, index, &path, file)?;
            }
        }
        for (index, filename, file) in self.packages(mirror)? {
            self.add(
                &mut state,
                index,
                &plain(&filename),
                MirrorFile::new(file.size, file.hash),
            )?;
        }
        state.sources = self.sources();
        Ok(state)
    }

    /// Adds an index by its name, and by its checksum where the archive has it so.
    fn add_index(&self, state: &mut MirrorState, index: &Index, path: &str, file: MirrorFile) -> Result<()> {
        if index.release.as_ref().is_some_and(|release| release.by_hash)
            && let Some(hash) = file.hash()
        {
            let directory = path
                .rsplit_once('/')
                .map_or(String::new(), |(directory, _)| format!("{directory}/"));
            let by_hash = format!("{directory}by-hash/{}/{}", hash.field(), hash.hex());
            self.add(state, index, &by_hash, file.clone())?;
        }
        self.add(state, index, path, file)
    }

    fn add(&self, state: &mut MirrorState, index: &Index, path: &str, file: MirrorFile) -> Result<()> {
        let path = format!("{}/{path}", self.name(index));
        match state.files.insert(path.clone(), file.clone()) {
            Some(other) if other != file => Err(MirrorError::Clash(path)),
            _ => Ok(()),
        }
    }

    fn name(&self, index: &Index) -> &str {
        self.names
            .get(index.base.as_str())
            .map_or("archive", String::as_str)
    }

    /// Returns the sources as apt takes them, without what is only of this machine.
    fn sources(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for index in &self.indexes {
            let head = format!("deb file:DIR/{} {}", self.name(index), index.suite);
            match lines
                .iter_mut()
                .find(|line| **line == head || line.starts_with(&format!("{head} ")))
            {
                Some(line) if line.split(' ').any(|word| word == index.component) => {}
                Some(line) => *line = format!("{line} {}", index.component),
                None => lines.push(format!("{head} {}", index.component).trim_end().to_owned()),
            }
        }
        lines
    }

    /// Returns the packages: index, path, and file of each.
    fn packages(&self, mirror: &MirrorSettings) -> Result<Vec<(&Index, String, PackageFile)>> {
        let settings = &mirror.settings;
        let native = Architecture::native().name;
        let mut versions: BTreeSet<(String, String)> = BTreeSet::new();
        let mut found = Vec::new();
        let foreign = settings.system.architectures().any(|arch| arch.name != native);
        // The order of architectures has this machine's behind the others, whose tools it has.
        for arch in architectures(mirror) {
            let readable = |index: &&Index| index.architecture == "all" || index.architecture == arch;
            let all: Vec<Index> = self.indexes.iter().filter(readable).cloned().collect();
            let asked = settings.system.architectures().any(|known| known.name == arch);
            let tools = arch == native && mirror.native_tools && foreign && !mirror.all;
            // debootstrap reads one suite alone, which has older versions than those of its updates.
            let first: Vec<Index> = all
                .iter()
                .filter(|index| self.is_of_first(index))
                .cloned()
                .collect();
            let alone = first.len() < all.len() && !mirror.all;
            for (own, all_suites) in [(all, true), (first, false)] {
                if !all_suites && !alone {
                    continue;
                }
                let inputs: Vec<IndexInput<'_>> = own.iter().map(IndexInput::from).collect();
                let universe = Universe::new(&inputs, arch, &[]);
                let ids: Vec<PackageId> = match (mirror.all, asked) {
                    (true, _) => universe.all().collect(),
                    (_, true) if all_suites => self.chosen(mirror, &universe, arch)?,
                    // What only other suites have is not missed.
                    (_, true) => self.chosen(mirror, &universe, arch).unwrap_or_default(),
                    (_, false) => Vec::new(),
                };
                let version = |id: &PackageId| {
                    let package = universe.package(*id);
                    (package.name.to_owned(), package.version.to_owned())
                };
                versions.extend(ids.iter().map(version));
                let mut ids: BTreeSet<PackageId> = ids.into_iter().collect();
                if tools {
                    ids.extend(tools_for(&universe, &versions));
                }
                for id in ids {
                    let package = universe.package(id);
                    let file = package_file(&universe, &own, id)?;
                    let same = |index: &&Index| {
                        own.get(package.index).is_some_and(|own| {
                            (&own.base, &own.suite, &own.component, &own.architecture)
                                == (&index.base, &index.suite, &index.component, &index.architecture)
                        })
                    };
                    if let Some(index) = self.indexes.iter().find(same) {
                        found.push((index, package.filename.to_owned(), file));
                    }
                }
            }
        }
        Ok(found)
    }

    /// Whether an index is of the first suite of the sources.
    fn is_of_first(&self, index: &Index) -> bool {
        let first = self.indexes.first();
        first.is_some_and(|first| first.base == index.base && first.suite == index.suite)
    }

    /// Returns the packages that an installation for an architecture would have.
    fn chosen(&self, mirror: &MirrorSettings, universe: &Universe<'_>, arch: &str) -> Result<Vec<PackageId>> {
        let settings = &mirror.settings;
        let request = Request {
            variant: settings.variant,
            lowest_priority: settings.additions.lowest_priority,
            include: settings.include.clone(),
            suite: settings.archives.suite.clone(),
            of_suite: HashSet::new(),
            install_recommends: settings.install_recommends,
            install_suggests: settings.install_suggests,
            solver: settings.solver(universe),
            present: Vec::new(),
            mmdebstrap: settings.imitate.unwrap_or_else(|| Mmdebstrap::of_suite(universe)),
            assumed: merge_usr::assumed(universe, settings.system.merged_usr)?,
        };
        let selection = choose(universe, &request).map_err(|source| MirrorError::Solve {
            architecture: arch.to_owned(),
            source,
        })?;
        Ok(Plan::new(universe, &selection).packages().collect())
    }

    /// Fetches the files of a state that are `missing`, into the directory `next`.
    pub(super) fn fetch(
        &self,
        archives: &Archives,
        state: &MirrorState,
        missing: &[String],
        next: &Path,
    ) -> Result<()> {
        let mut urls: BTreeMap<String, PackageFile> = BTreeMap::new();
        for index in &self.indexes {
            for ArchiveFile { path, file } in index.files.iter().take(1) {
                urls.insert(format!("{}/{path}", self.name(index)), file.clone());
            }
        }
        let (mut paths, mut files) = (Vec::new(), Vec::new());
        for path in missing {
            let Some(wanted) = state.files.get(path) else {
                continue;
            };
            let Some(hash) = wanted.hash() else { continue };
            let known = urls.values().find(|file| file.hash == hash).cloned();
            let base = self
                .names
                .iter()
                .find_map(|(base, name)| Some((base, path.strip_prefix(name)?.strip_prefix('/')?)));
            let file = match (known, base) {
                (Some(file), _) => file,
                (None, Some((base, rest))) => PackageFile {
                    urls: vec![deb_archive::archive_path(&parse(base)?, rest, rest)?],
                    name: rest.rsplit('/').next().unwrap_or(rest).to_owned(),
                    size: wanted.size,
                    hash,
                },
                (None, None) => continue,
            };
            paths.push(path);
            files.push(file);
        }
        let failed = std::sync::Mutex::new(None);
        archives.fetcher.fetch_each(&files, |index, cached| {
            let Some(path) = paths.get(index) else { return };
            if let Err(error) = super::tree::place(&cached, &next.join(path)) {
                failed
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .get_or_insert(error);
            }
        })?;
        match failed
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
        {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Writes the Release files of those that are `missing`, and returns the others.
    pub(super) fn write_documents(&self, missing: Vec<String>, next: &Path) -> Result<Vec<String>> {
        let documents = self.documents();
        let mut others = Vec::new();
        for path in missing {
            let Some(bytes) = documents.get(&path) else {
                others.push(path);
                continue;
            };
            let to = next.join(&path);
            let parent = to.parent().unwrap_or(next);
            fs::create_dir_all(parent).map_err(MirrorError::io("create", parent))?;
            let written = File::create_new(&to).and_then(|mut file| file.write_all(bytes));
            written.map_err(MirrorError::io("write", &to))?;
        }
        Ok(others)
    }
}

/// Returns the native tools for packages of these names and versions, as the native sysroot takes them: each with what it
/// depends on, by itself.
fn tools_for(universe: &Universe<'_>, versions: &BTreeSet<(String, String)>) -> BTreeSet<PackageId> {
    let native = universe.native();
    let essential: Vec<PackageId> = universe.essential().collect();
    let mut all: BTreeSet<PackageId> = closure(universe, &essential).packages.into_iter().collect();
    for (name, version) in versions {
        let candidate = universe.candidate(name, native);
        for id in candidate
            .into_iter()
            .chain(best_native_version(universe, name, version))
        {
            all.extend(closure(universe, &[id]).packages);
        }
    }
    all
}

/// Returns the architectures of a mirror; this machine's is the last one where it is there for its tools.
fn architectures(mirror: &MirrorSettings) -> Vec<&'static str> {
    let native = Architecture::native().name;
    let mut names: Vec<&str> = mirror
        .settings
        .system
        .architectures()
        .map(|arch| arch.name)
        .collect();
    names.sort_by_key(|name| *name == native);
    if mirror.native_tools && !names.contains(&native) {
        names.push(native);
    }
    names
}

/// Returns a path without empty and `.` segments, and without `..`, which takes one back: no index is read that leads
/// out of the archive.
fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn parse(base: &str) -> Result<url::Url> {
    url::Url::parse(base).map_err(|_| MirrorError::Clash(base.to_owned()))
}
