//! The stages before anything is installed: indexes are loaded, packages are chosen and ordered.

use super::error::Error;
use super::missing;
use crate::archives::Archives;
use crate::local_packages::{LocalPackage, LocalSource};
use crate::merge_usr;
use crate::package_lock::{LockedRequest, PackageLock};
use crate::preferences::Preferences;
use crate::settings::{NativeTools, Settings};
use apt_solve::{
    Expected, IndexInput, Mmdebstrap, Pin, Plan, Request, Selection, Solver, Universe, choose,
    choose_available,
};
use deb_arch::Architecture;
use deb_archive::{Index, Source, SourceList};
use rootless_install_fs::Target;
use script_host::ScriptRootKind;
use std::panic::resume_unwind;
use std::thread::{self, ScopedJoinHandle};
use task_progress::{Cancel, Reporter, Stage};

/// Archives of a run and their indexes.
pub(super) struct Prepared {
    pub(super) archives: Archives,
    /// The target's sources of apt.
    pub(super) lists: Vec<SourceList>,
    /// Whether the target has them already.
    pub(super) has_sources: bool,
    /// All indexes.
    pub(super) indexes: Vec<Index>,
    /// Indexes of the target's architectures, after those of the user's own packages.
    pub(super) target: Vec<Index>,
    /// Indexes of this machine's architecture.
    pub(super) native: Vec<Index>,
    /// Priorities that are not those of indexes.
    preferences: Preferences,
    /// The way in which scripts run.
    pub(super) scripts_run: ScriptRootKind,
}

/// Packages to choose from.
pub(super) struct Universes<'p> {
    /// Packages for the target.
    pub(super) target: Universe<'p>,
    /// Packages for this machine; none where they are not needed.
    pub(super) native: Option<Universe<'p>>,
}

/// The packages that are installed, and their order.
pub(super) struct Chosen {
    /// The packages.
    pub(super) selection: Selection,
    /// Their order, as calls of dpkg.
    pub(super) plan: Plan,
}

impl Prepared {
    /// Loads the indexes for the target and, where native tools are packages, for this machine. `local` are
    /// packages of the user's own, `written` the target whose own sources and preferences are what counts.
    ///
    /// # Errors
    /// Those of sources and indexes.
    pub(super) fn load(
        settings: &Settings,
        scripts_run: ScriptRootKind,
        local: &[LocalPackage],
        written: Option<&Target>,
        mut archives: Archives,
        reporter: &dyn Reporter,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        let own: Vec<&str> = settings.system.architectures().map(|arch| arch.name).collect();
        let native = Architecture::native().name;
        let own_natives = Archives::native_sources(&settings.archives)?;
        let needs_native = settings.native_tools == NativeTools::Packages
            && scripts_run.needs_native(settings.system.is_redirected())
            && !settings.runs_nothing();
        let mut natives = None;
        let (lists, mut indexes) = if settings.wants_no_packages() && !needs_native {
            (Vec::new(), Vec::new())
        } else {
            let _stage = reporter.stage(Stage::Indexes);
            let (lists, keyring) = match written {
                Some(target) => archives.sources_written(target, &settings.archives)?,
                None => archives.sources(&settings.archives)?,
            };
            let sources: Vec<Source> = lists
                .iter()
                .flat_map(|list| list.sources.iter().cloned())
                .collect();
            let mut architectures = own.clone();
            if settings.locked.is_some() {
                // Only native tools come from the sources as they are.
                architectures.clear();
            }
            match &own_natives {
                Some(sources) if needs_native => {
                    natives = Some(archives.indexes(sources, &keyring, &[native])?);
                }
                None if needs_native && !architectures.contains(&native) => architectures.push(native),
                _ => {}
            }
            let mut indexes = match architectures.as_slice() {
                [] => Vec::new(),
                _ if settings.locked.is_some() => {
                    let instead = Archives::instead(&settings.archives)?;
                    let read = archives.tool_indexes(&sources, &keyring, &instead, reporter)?;
                    read.indexes
                }
                some => archives.indexes(&sources, &keyring, some)?,
            };
            indexes.extend(match LocalSource::indexes(&settings.archives.mirrors) {
                // Packages come from the lock; of what has gone since no native tools can come.
                Err(error) if settings.locked.is_some() => {
                    tracing::debug!("passing over package files: {error}");
                    Vec::new()
                }
                found => found?,
            });
            (lists, indexes)
        };
        cancel.check()?;
        let mut target: Vec<Index> = local.iter().map(|package| package.index.clone()).collect();
        let mut preferences = settings.additions.preferences.clone();
        if let Some(written) = written {
            preferences.read_root(written.root_path())?;
        }
        match &settings.locked {
            Some(lock) => target = lock.indexes()?,
            None => {
                let mut found = for_architectures(&indexes, &own);
                preferences.apply(&mut found)?;
                target.extend(found);
            }
        }
        let native = match natives {
            None => for_architectures(&indexes, &[native]),
            Some(natives) => {
                indexes.extend(natives.iter().cloned());
                natives
            }
        };
        Ok(Self {
            archives,
            lists,
            has_sources: written.is_some(),
            indexes,
            target,
            native,
            preferences,
            scripts_run,
        })
    }

    /// Reads the packages of the indexes, those for this machine only where they are needed and `installs`; chooses
    /// from them, and orders what was chosen.
    ///
    /// # Errors
    /// The request cannot be met.
    pub(super) fn choose(
        &self,
        settings: &Settings,
        installs: bool,
        reporter: &dyn Reporter,
    ) -> Result<(Universes<'_>, Chosen), Error> {
        let _stage = reporter.stage(Stage::Choose);
        let mut universes = self.universes(settings, installs);
        let chosen = match settings.additions.ignores_missing {
            false => Chosen::of(&universes.target, settings)?,
            true => self.choose_available(&mut universes, settings, reporter)?,
        };
        if let Some(lock) = &settings.locked {
            lock.check_plan(&universes.target, &chosen.plan)?;
        }
        Ok((universes, chosen))
    }

    /// Chooses what can be installed, and reports the rest.
    fn choose_available(
        &self,
        universes: &mut Universes<'_>,
        settings: &Settings,
        reporter: &dyn Reporter,
    ) -> Result<Chosen, Error> {
        let request = request(settings, &universes.target)?;
        let inputs: Vec<IndexInput<'_>> = self.native.iter().map(IndexInput::from).collect();
        let natives = Universe::new(&inputs, Architecture::native().name, &[]);
        let expected = (!natives.is_empty()).then_some(Expected { universe: &natives });
        let (rest, selection, missing) = choose_available(&universes.target, &request, expected)?;
        missing::report(settings, &missing, reporter)?;
        let plan = Plan::new(&rest, &selection);
        universes.target = rest;
        Ok(Chosen { selection, plan })
    }

    /// Returns the lock of what was chosen.
    pub(super) fn lock(
        &self,
        settings: &Settings,
        universes: &Universes<'_>,
        chosen: &Chosen,
    ) -> PackageLock {
        let architectures = settings.system.architectures();
        let request = LockedRequest {
            architectures: architectures.map(|arch| arch.name.to_owned()).collect(),
            suite: settings.archives.suite.clone(),
            variant: settings.variant.as_str().to_owned(),
            include: settings.include.clone(),
            package_files: LocalSource::paths(&settings.archives.mirrors),
            merged_usr: settings.system.merged_usr.name().to_owned(),
            recommends: settings.install_recommends,
            suggests: settings.install_suggests,
            solver: settings.solver(&universes.target).to_string(),
            mmdebstrap: chosen.selection.mmdebstrap.to_string(),
        };
        PackageLock::of(
            request,
            &self.lists,
            &self.target,
            &universes.target,
            &chosen.plan,
        )
    }

    fn universes(&self, settings: &Settings, installs: bool) -> Universes<'_> {
        let system = &settings.system;
        let native = Architecture::native().name;
        let foreign: Vec<&str> = system.foreign.iter().map(|arch| arch.name).collect();
        let target: Vec<IndexInput<'_>> = self.target.iter().map(IndexInput::from).collect();
        let natives: Vec<IndexInput<'_>> = self.native.iter().map(IndexInput::from).collect();
        let needs_native =
            installs && self.scripts_run.needs_native(system.is_redirected()) && !settings.runs_nothing();
        thread::scope(|scope| {
            let theirs = needs_native.then(|| scope.spawn(|| Universe::new(&natives, native, &[])));
            let preferences = &self.preferences;
            let pins = preferences
                .is_of_packages()
                .then(|| preferences.pins(&self.target, system.arch.name));
            let pins = pins.as_ref().map(|pins| pins as &Pin<'_>);
            let ours = Universe::with_pins(&target, system.arch.name, &foreign, pins);
            let join =
                |thread: ScopedJoinHandle<'_, _>| thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            Universes {
                target: ours,
                native: theirs.map(join),
            }
        })
    }
}

impl Chosen {
    fn of(universe: &Universe<'_>, settings: &Settings) -> Result<Self, Error> {
        let selection = choose(universe, &request(settings, universe)?)?;
        let plan = Plan::new(universe, &selection);
        Ok(Self { selection, plan })
    }

    /// Returns the names and versions of the packages.
    pub(super) fn versions(&self, universe: &Universe<'_>) -> Vec<(String, String)> {
        let packages = self.plan.packages().map(|id| universe.package(id));
        packages
            .map(|package| (package.name.to_owned(), package.version.to_owned()))
            .collect()
    }

    /// Returns the number of bytes that the unpacked packages will take, as their maintainers estimate.
    pub(super) fn installed_size(&self, universe: &Universe<'_>) -> u64 {
        self.plan
            .packages()
            .map(|id| universe.package(id).installed_size.saturating_mul(1024))
            .fold(0, u64::saturating_add)
    }
}

/// Returns the request that the settings make of the packages of `universe`.
///
/// # Errors
/// `--merged-usr=no`, where packages bring /usr merged.
pub(super) fn request(settings: &Settings, universe: &Universe<'_>) -> Result<Request, Error> {
    Ok(Request {
        variant: settings.variant,
        lowest_priority: settings.additions.lowest_priority,
        include: settings.include.clone(),
        suite: settings.archives.suite.clone(),
        of_suite: settings
            .locked
            .as_ref()
            .map(|lock| lock.of_suite())
            .unwrap_or_default(),
        install_recommends: settings.install_recommends,
        install_suggests: settings.install_suggests,
        solver: settings.solver(universe),
        mmdebstrap: settings.imitate.unwrap_or_else(|| Mmdebstrap::of_suite(universe)),
        present: settings.present.clone(),
        assumed: merge_usr::assumed(universe, settings.system.merged_usr)?,
    })
}

/// Returns the same request of the native packages, on which no other program is asked: the root of tools is not the result.
pub(super) fn native_request(settings: &Settings, universe: &Universe<'_>) -> Result<Request, Error> {
    let request = request(settings, universe)?;
    Ok(match request.solver {
        Solver::External(_) => Request {
            solver: Solver::of_suite(universe),
            ..request
        },
        _ => request,
    })
}

fn for_architectures(indexes: &[Index], names: &[&str]) -> Vec<Index> {
    indexes
        .iter()
        .filter(|index| index.architecture == "all" || names.contains(&index.architecture.as_str()))
        .cloned()
        .collect()
}
