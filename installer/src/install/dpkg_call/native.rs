//! Where native tools come from while a target that exists is worked on.
//!
//! A directory given with `--native-sysroot` is taken as it is. Else packages of the sources given
//! with `--mirror`; else those of the target's own apt, so that the tools are of its suite; else
//! those of this machine's apt. Keys are those given with `--keyring`, else the target's and this
//! machine's.

use super::options::Options;
use crate::arch::Architecture;
use crate::archive::{
    self, ArchiveError, FetchOptions, Fetcher, Index, Keyring, SourceList, load_indexes, machine_sources,
    sources_of, target_sources,
};
use crate::install::InstallError;
use crate::report::Reporter;
use crate::staging::{Cancel, OnCancel};
use crate::sysroot::SysrootError;
use rootless_install_fs::Target;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Indexes of packages for this machine's architecture, and what fetches them.
pub(super) struct Archive {
    pub(super) indexes: Vec<Index>,
    pub(super) fetcher: Fetcher,
    _stop: OnCancel,
}

/// Tells warnings of downloads.
struct Told(Arc<dyn Reporter>);

impl archive::Progress for Told {
    fn warning(&self, message: &str) {
        self.0.warn(message);
    }
}

/// Loads them.
pub(super) fn load(
    options: &Options,
    cache: &Path,
    target: &Target,
    reporter: Arc<dyn Reporter>,
    cancel: &Cancel,
) -> Result<Archive, InstallError> {
    load_here(options, cache, target, reporter, cancel).map_err(|error| SysrootError::from(error).into())
}

fn load_here(
    options: &Options,
    cache: &Path,
    target: &Target,
    reporter: Arc<dyn Reporter>,
    cancel: &Cancel,
) -> Result<Archive, ArchiveError> {
    let machine = machine_sources()?;
    let mut fetch = FetchOptions::new(cache);
    fetch.http_proxy.clone_from(&machine.http_proxy);
    fetch.https_proxy.clone_from(&machine.https_proxy);
    let flag = Arc::clone(&fetch.cancel);
    let stop = cancel.on_cancel(move |_| flag.store(true, Ordering::Relaxed));
    let fetcher = Fetcher::new(fetch, Arc::new(Told(reporter)))?;
    let own = target_sources(target.root_path())?;
    let keyring = if options.keyrings.is_empty() {
        let mut both = machine.clone();
        both.keyrings.extend(own.keyrings.iter().cloned());
        both.inline_key = own.inline_key.clone().or(both.inline_key);
        Keyring::of_machine(&both)?
    } else {
        Keyring::load(&options.keyrings)?
    };
    let parse = |mirror: &String| archive::parse_mirror_argument(mirror, &options.suite, &options.components);
    let given: Vec<SourceList> = options.mirrors.iter().map(parse).collect::<Result<_, _>>()?;
    let mut sources: Vec<_> = given.into_iter().flat_map(|list| list.sources).collect();
    for root in [target.root_path(), Path::new("/")] {
        if sources.is_empty() {
            sources = sources_of(root)?;
        }
    }
    let indexes = load_indexes(&fetcher, &sources, &keyring, &[Architecture::native().name])?;
    Ok(Archive {
        indexes,
        fetcher,
        _stop: stop,
    })
}

/// A fetcher that is not asked for anything.
pub(super) fn idle(cache: &Path) -> Result<Fetcher, InstallError> {
    Fetcher::new(FetchOptions::new(cache), Arc::new(archive::Silent))
        .map_err(|error| SysrootError::from(error).into())
}
