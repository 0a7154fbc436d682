//! The libraries of a program in the loader's order.

use super::known_libraries::KnownLibraries;
use super::object::{Object, Problem};
use super::options::Options;
use super::{LddError, search};
use crate::abi::Abi;
use crate::output::strerror;
use crate::root::Root;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Most libraries of one program; large ones have some hundred.
const MOST_MAPS: usize = 10_000;
/// Most bytes read of /etc/ld.so.preload.
const LARGEST_LIST: u64 = 1 << 20;

mod list;

/// Entry of the loader's list: an object that was loaded, or a library that was not found.
pub(super) struct Map {
    /// Path by which the file was found; empty for a missing one.
    pub(super) path: Vec<u8>,
    /// Names by which others need it, the first use first.
    names: Vec<Vec<u8>>,
    /// Value of `$ORIGIN`; none for the loader and for a missing library.
    origin: Option<Vec<u8>>,
    /// Inode number; none for a missing library.
    ino: Option<u64>,
    pub(super) object: Object,
    /// Index of the object that needed it first; none for the program and the loader.
    parent: Option<usize>,
    /// Whether it was not found.
    missing: bool,
}

/// Index of the program in [`Maps::maps`].
const MAIN: usize = 0;

/// All objects that are loaded for a program.
pub(super) struct Maps<'a> {
    root: &'a Root<'a>,
    abi: &'a Abi,
    options: &'a Options,
    cache: KnownLibraries,
    loader: Vec<u8>,
    maps: Vec<Map>,
    /// Index of the loader in `maps`.
    loader_map: Option<usize>,
    /// Indices into `maps` in breadth-first order, the program first.
    order: Vec<usize>,
}

/// Index of a loaded object, or the name or path that cannot be loaded, and why.
type Loaded = Result<usize, (Vec<u8>, Problem)>;

impl<'a> Maps<'a> {
    /// Begins with nothing loaded; `loader` is the loader's path, as it was executed or as the program names it.
    pub(super) fn new(root: &'a Root<'a>, abi: &'a Abi, options: &'a Options, loader: &[u8]) -> Self {
        let cache = if options.without_cache {
            KnownLibraries::default()
        } else {
            KnownLibraries::read(root)
        };
        Self {
            root,
            abi,
            options,
            cache,
            loader: loader.to_vec(),
            maps: Vec::new(),
            loader_map: None,
            order: Vec::new(),
        }
    }

    /// Loads the program that the loader was given.
    pub(super) fn main(&mut self, name: &[u8]) -> Result<Result<&Object, Problem>, LddError> {
        Ok(match self.load(name, None)? {
            Ok(index) => {
                let interpreter = self
                    .maps
                    .get(index)
                    .and_then(|map| map.object.interpreter.clone());
                self.add_loader(interpreter);
                match self.maps.get(index) {
                    Some(map) => Ok(&map.object),
                    None => Err(Problem::Other),
                }
            }
            Err((_, problem)) => Err(problem),
        })
    }

    /// Adds a program that was executed; `found` is its path after all links.
    pub(super) fn executed(&mut self, program: &[u8], found: &[u8], object: Object) {
        let interpreter = object.interpreter.clone();
        self.maps.push(Map {
            path: program.to_vec(),
            names: vec![Vec::new()],
            origin: Some(search::origin(found, self.root.directory())),
            ino: self.root.stat(program).ok().map(|stat| stat.ino),
            object,
            parent: None,
            missing: false,
        });
        self.add_loader(interpreter);
    }

    /// Adds the loader, which is there before any library, under the name that the program has for it.
    fn add_loader(&mut self, interpreter: Option<Vec<u8>>) {
        let object = self
            .root
            .open_file(&self.loader)
            .ok()
            .and_then(|file| Object::read(&file, self.abi).ok());
        let base = |path: &str| path.rsplit('/').next().unwrap_or_default().as_bytes().to_vec();
        let mut object = object.unwrap_or_default();
        object.soname.get_or_insert_with(|| base(self.abi.loader));
        // The list has nothing that the loader itself needs.
        object.needed.clear();
        self.loader_map = Some(self.maps.len());
        self.maps.push(Map {
            path: self.loader.clone(),
            names: vec![interpreter.unwrap_or_else(|| self.loader.clone())],
            origin: None,
            ino: self.root.stat(&self.loader).ok().map(|stat| stat.ino),
            object,
            parent: None,
            missing: false,
        });
    }

    /// Returns whether the program needs no library.
    pub(super) fn is_alone(&self) -> bool {
        self.maps
            .get(MAIN)
            .is_none_or(|main| main.object.needed.is_empty())
    }

    /// Loads all libraries; returns the name and reason of one at which the loader gives up, if there is one.
    pub(super) fn load_all(
        &mut self,
        messages: &mut Vec<u8>,
    ) -> Result<Option<(Vec<u8>, Problem)>, LddError> {
        self.order = vec![MAIN];
        let listed = self.preload_file();
        let preloads = self
            .options
            .preload
            .iter()
            .map(|name| (name.clone(), "LD_PRELOAD"));
        let files = listed.into_iter().map(|name| (name, "/etc/ld.so.preload"));
        for (name, source) in preloads.chain(files).collect::<Vec<_>>() {
            match self.load(&name, Some(MAIN))? {
                Ok(index) => self.enqueue(index),
                Err((_, problem)) => {
                    let text = [
                        b"ERROR: ld.so: object '",
                        &name[..],
                        b"' from ",
                        source.as_bytes(),
                        b" cannot be preloaded (",
                        problem.text(),
                        b"): ignored.\n",
                    ];
                    messages.extend(text.concat());
                }
            }
        }
        let mut next = 0;
        while let Some(&parent) = self.order.get(next) {
            next += 1;
            let Some(map) = self.maps.get(parent) else { break };
            let origin = map.origin.clone();
            for name in map.object.needed.clone() {
                let Some(name) = search::expand(&name, origin.as_deref(), self.abi) else {
                    return Ok(Some((
                        name,
                        Problem::Damaged("empty dynamic string token substitution"),
                    )));
                };
                match self.load(&name, Some(parent))? {
                    Ok(index) => self.enqueue(index),
                    Err((path, problem @ Problem::Damaged(_))) => return Ok(Some((path, problem))),
                    Err(_) => {
                        self.maps.push(Map {
                            path: Vec::new(),
                            names: vec![name],
                            origin: None,
                            ino: None,
                            object: Object::default(),
                            parent: Some(parent),
                            missing: true,
                        });
                        self.enqueue(self.maps.len() - 1);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Adds an object to the order, unless it is there.
    fn enqueue(&mut self, index: usize) {
        if !self.order.contains(&index) {
            self.order.push(index);
        }
    }

    /// Returns the libraries that /etc/ld.so.preload names.
    fn preload_file(&self) -> Vec<Vec<u8>> {
        let mut text = Vec::new();
        let read = self.root.open_file(b"/etc/ld.so.preload");
        let read = read.is_ok_and(|file| file.take(LARGEST_LIST).read_to_end(&mut text).is_ok());
        if !read {
            return Vec::new();
        }
        // Comments begin with a number sign.
        let lines = text
            .split(|&b| b == b'\n')
            .filter_map(|line| line.split(|&b| b == b'#').next());
        lines
            .flat_map(|line| line.split(|b| b": \t".contains(b)))
            .filter(|name| !name.is_empty())
            .map(<[u8]>::to_vec)
            .collect()
    }

    /// Returns the library `name` that `parent` needs, and loads it if it is not loaded yet.
    fn load(&mut self, name: &[u8], parent: Option<usize>) -> Result<Loaded, LddError> {
        if self.maps.len() > MOST_MAPS {
            let path = self
                .maps
                .get(MAIN)
                .map(|main| main.path.clone())
                .unwrap_or_default();
            return Err(LddError::TooMany {
                path: PathBuf::from(OsStr::from_bytes(&path)),
            });
        }
        if let Some(known) = self.named(name) {
            return Ok(Ok(known));
        }
        if name.contains(&b'/') {
            return Ok(self.open(name, name, parent));
        }
        let mut candidates: VecDeque<Vec<u8>> = VecDeque::new();
        let mut add = |directories: Vec<Vec<u8>>| {
            candidates.extend(directories.iter().map(|directory| [directory, name].concat()));
        };
        add(self.rpaths(parent));
        if let Some(list) = &self.options.library_path {
            let origin = self.maps.get(MAIN).and_then(|main| main.origin.as_deref());
            add(search::directories(list, b":;", origin, self.abi));
        }
        let by = parent.and_then(|parent| self.maps.get(parent));
        let runpath = by.and_then(|map| Some((map, map.object.runpath.as_ref()?)));
        if let Some((map, runpath)) = runpath.filter(|(map, _)| !self.options.is_inhibited(&map.path)) {
            let origin = map.origin.as_deref();
            add(search::directories(runpath, b":", origin, self.abi));
        }
        let system = search::system(self.abi);
        let no_default = by.is_some_and(|map| map.object.no_default);
        if let Some(path) = self.cache.find(name, self.abi) {
            let usual = system.iter().any(|directory| {
                path.strip_prefix(directory.as_slice())
                    .is_some_and(|rest| !rest.contains(&b'/'))
            });
            if !(no_default && usual) {
                candidates.push_back(path.to_vec());
            }
        }
        if !no_default {
            candidates.extend(
                system
                    .iter()
                    .map(|directory| [directory.as_slice(), name].concat()),
            );
        }
        for path in candidates {
            match self.open(&path, name, parent) {
                Err((_, Problem::Missing(_) | Problem::Other)) => {}
                found => return Ok(found),
            }
        }
        let missing = b"cannot open shared object file: No such file or directory".to_vec();
        Ok(Err((name.to_vec(), Problem::Missing(missing))))
    }

    /// Returns the directories of RPATH, which counts from the object up to the program, unless the object has RUNPATH.
    fn rpaths(&self, parent: Option<usize>) -> Vec<Vec<u8>> {
        let mut directories = Vec::new();
        let mut add = |map: &Map| {
            if let Some(rpath) = &map.object.rpath
                && !self.options.is_inhibited(&map.path)
            {
                directories.extend(search::directories(rpath, b":", map.origin.as_deref(), self.abi));
            }
        };
        let mut above = parent.and_then(|parent| self.maps.get(parent));
        if above.is_none_or(|map| map.object.runpath.is_some()) {
            return directories;
        }
        let mut seen_main = false;
        while let Some(map) = above {
            add(map);
            seen_main |= self.maps.get(MAIN).is_some_and(|main| std::ptr::eq(main, map));
            above = map.parent.and_then(|parent| self.maps.get(parent));
        }
        match self.maps.get(MAIN) {
            Some(main) if !seen_main => add(main),
            _ => {}
        }
        directories
    }

    /// Returns the object that is loaded under a name.
    fn named(&self, name: &[u8]) -> Option<usize> {
        let same = |map: &Map| {
            let named = map.names.iter().any(|known| known == name) || !map.missing && map.path == name;
            named || map.object.soname.as_deref() == Some(name)
        };
        self.maps.iter().position(same)
    }

    /// Loads the file `path` as the library `name`.
    fn open(&mut self, path: &[u8], name: &[u8], parent: Option<usize>) -> Loaded {
        let failed = |problem| Err((path.to_vec(), problem));
        let missing = |error: &rootless_install_fs::Error| {
            Problem::Missing([b"cannot open shared object file: ", strerror(error).as_slice()].concat())
        };
        let ino = match self.root.stat(path) {
            Ok(stat) => stat.ino,
            Err(error) => return failed(missing(&error)),
        };
        if let Some(known) = self.maps.iter_mut().position(|map| map.ino == Some(ino)) {
            if let Some(map) = self.maps.get_mut(known) {
                map.names.push(name.to_vec());
            }
            return Ok(known);
        }
        let file = match self.root.open_file(path) {
            Ok(file) => file,
            Err(error) => return failed(missing(&error)),
        };
        let object = match Object::read(&file, self.abi) {
            Ok(object) => object,
            Err(problem) => return failed(problem),
        };
        if parent.is_some() && object.program {
            return failed(Problem::Damaged("cannot dynamically load executable"));
        }
        self.maps.push(Map {
            path: path.to_vec(),
            names: vec![name.to_vec()],
            origin: Some(search::origin(path, self.root.directory())),
            ino: Some(ino),
            object,
            parent,
            missing: false,
        });
        Ok(self.maps.len() - 1)
    }
}
