//! The scan of the directories: the library chosen for each name, and the link from the name to its file.

use super::LdconfigError;
use super::directories::{Directories, Directory};
use super::library::{self, ELF, LIBC5};
use super::new_cache::{NewCache, Properties, compare_names};
use super::options::Options;
use super::rules::{Era, Rules};
use crate::abi::LIBC6;
use crate::output::{Output, strerror};
use crate::root::{Root, below};
use rootless_install_fs::{FileType, Meta};
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The library chosen for a name.
struct Chosen {
    /// Name of its file in the directory.
    file: Vec<u8>,
    /// Name for the loader.
    soname: Vec<u8>,
    flags: u32,
    isa_level: u32,
    os_version: u32,
    /// Whether the file is the link that a library's name has.
    is_link: bool,
}

/// Scans every directory, makes links and adds libraries to the cache.
///
/// Where glibc goes by the order of names on the disk, this goes by the order of their bytes.
pub(super) fn scan(
    directories: &mut Directories<'_>,
    options: &Options,
    cache: &mut NewCache,
    output: &mut Output,
) -> Result<(), LdconfigError> {
    cache.set_hwcaps(&directories.hwcaps);
    let mut index = 0;
    while let Some(directory) = directories.get(index) {
        index += 1;
        if options.verbose {
            announce(directories, &directory, output);
        }
        let Some(chosen) = look_into(directories, &directory, options, output)? else {
            continue;
        };
        let rules = directories.rules;
        // glibc's list grows at its head.
        for library in chosen.into_iter().rev() {
            let file = if directory.hwcaps.is_none() {
                if !library.is_link {
                    link(directories.root(), &directory, &library, options, output)?;
                }
                &library.soname
            } else {
                if options.verbose {
                    output.print(&[b"\t", &library.soname, b" -> ", &library.file, b"\n"]);
                }
                &library.file
            };
            if options.build_cache {
                let capabilities = if directory.hwcaps.is_none() {
                    rules.capabilities(&directory.path)
                } else {
                    0
                };
                let Chosen {
                    flags,
                    isa_level,
                    os_version,
                    ..
                } = library;
                let properties = Properties {
                    flags,
                    isa_level,
                    os_version,
                    capabilities,
                    hwcaps: directory.hwcaps,
                };
                cache.add(rules, &library.soname, &below(&directory.path, file), properties);
            }
        }
    }
    Ok(())
}

/// Prints a directory, as `-v` does.
fn announce(directories: &Directories<'_>, directory: &Directory, output: &mut Output) {
    output.print(&[&directory.path, b":"]);
    let capabilities = directories.rules.capabilities(&directory.path);
    if let Some(name) = directory.hwcaps.and_then(|number| directories.hwcaps.get(number)) {
        output.print(&[b" (hwcap: \"", name, b"\")"]);
    } else if capabilities != 0 {
        output.print(&[format!(" (hwcap: {capabilities:#018x})").as_bytes()]);
    }
    if directories.rules.era == Era::Unshared {
        output.print(&[b"\n"]);
        return;
    }
    let (file, line) = &directory.from;
    output.print(&[b" (from ", file, b":", line.to_string().as_bytes(), b")\n"]);
}

/// Returns the libraries in a directory, one for each name, in the order found; `None` if it cannot be read.
fn look_into(
    directories: &mut Directories<'_>,
    directory: &Directory,
    options: &Options,
    output: &mut Output,
) -> Result<Option<Vec<Chosen>>, LdconfigError> {
    let (root, rules) = (directories.root(), directories.rules);
    let names = match root.list(&directory.path) {
        Ok(names) => names,
        Err(error) => {
            if options.verbose {
                output.complain(&[
                    b"Can't open directory ",
                    &directory.path,
                    b": ",
                    &strerror(&error),
                ]);
            }
            return Ok(None);
        }
    };
    let found_directory = root.find(&directory.path)?;
    let mut chosen: Vec<Chosen> = Vec::new();
    let mut by_soname: HashMap<Vec<u8>, usize> = HashMap::new();
    for name in names {
        let path = found_directory.join(&name);
        let name = name.into_vec();
        let looks_like_library = is_library_name(&name);
        let is_capability = directory.hwcaps.is_none() && rules.is_capability(&name);
        if !looks_like_library && !is_capability && directory.hwcaps.is_none()
            || is_temporary(&name, rules.era)
        {
            continue;
        }
        let kind = root.target().stat(&path)?.meta.kind;
        if !looks_like_library && kind == FileType::Regular {
            continue;
        }
        let shown = below(&directory.path, &name);
        let found = match kind {
            FileType::Regular => path.clone(),
            FileType::Directory if is_capability => {
                directories.add_capability(directory, shown);
                continue;
            }
            FileType::Symlink => match root.find(&shown) {
                Ok(found) => found,
                Err(error) => {
                    if options.verbose {
                        output.complain(&[b"Cannot stat ", &shown, b": ", &strerror(&error)]);
                    }
                    // The library is gone, and so is its name.
                    if options.link
                        && error.io_kind().is_some()
                        && name.windows(4).any(|window| window == b".so.")
                    {
                        root.target().remove(&path)?;
                    }
                    continue;
                }
            },
            _ => continue,
        };
        let found_kind = root.target().stat(&found)?.meta.kind;
        if found_kind == FileType::Directory && is_capability {
            directories.add_capability(directory, shown);
            continue;
        }
        if found_kind != FileType::Regular {
            if found_kind == FileType::Directory {
                output.complain(&[b"Cannot mmap file ", &shown, b".\n"]);
            }
            continue;
        }
        let file = root.target().open_file(&found)?;
        let Some(library) = library::read(&file, rules, &shown, options.verbose, output) else {
            continue;
        };

        let mut soname = library.soname.unwrap_or_else(|| name.clone());
        // A link counts as one if it is the name, or the one for ld(1); another
        // one is a file like any other.
        let is_link = kind == FileType::Symlink
            && (name == soname || name.ends_with(b".so") && soname.starts_with(&name));
        if is_link {
            soname.clone_from(&name);
        }
        let flags = settle(library.flags, directory, rules, options, &shown, output);
        let new = Chosen {
            file: name,
            soname,
            flags,
            isa_level: library.isa_level,
            os_version: library.os_version,
            is_link,
        };
        match by_soname
            .get(&new.soname)
            .and_then(|number| chosen.get_mut(*number))
        {
            Some(old) => prefer(old, new, directory, rules, output),
            None => {
                by_soname.insert(new.soname.clone(), chosen.len());
                chosen.push(new);
            }
        }
    }
    Ok(Some(chosen))
}

/// Returns the flags of a library in a directory to which the configuration gives some type.
fn settle(
    flags: u32,
    directory: &Directory,
    rules: &Rules,
    options: &Options,
    shown: &[u8],
    output: &mut Output,
) -> u32 {
    let flags = match directory.holds {
        Some(holds) if flags == ELF && (holds == LIBC5 || holds == LIBC6) => holds,
        _ => flags,
    };
    if options.verbose && rules.era <= Era::Legacy && directory.holds.is_some_and(|holds| holds != flags) {
        let kind: &[u8] = match flags {
            0 => b"libc4 library ",
            LIBC5 => b"libc5 library ",
            LIBC6 => b"libc6 library ",
            _ => return flags,
        };
        output.complain(&[kind, shown, b" in wrong directory"]);
    }
    flags
}

/// Replaces the library chosen before if the new one is better: a file rather than a link, then the newer one.
fn prefer(old: &mut Chosen, new: Chosen, directory: &Directory, rules: &Rules, output: &mut Output) {
    let newer = compare_names(&old.file, &new.file, rules.abi.signed_char).is_lt();
    if !(!new.is_link && old.is_link || new.is_link == old.is_link && newer) {
        return;
    }
    let mut flags = old.flags;
    if old.flags != new.flags {
        let one_says_less = |a: u32, b: u32| a == ELF && (b == LIBC5 || b == LIBC6);
        if rules.era <= Era::Legacy
            && (one_says_less(old.flags, new.flags) || one_says_less(new.flags, old.flags))
        {
            flags = new.flags;
        } else {
            let end: &[u8] = b" have same soname but different type.";
            output.complain(&[
                b"libraries ",
                &old.file,
                b" and ",
                &new.file,
                b" in directory ",
                &directory.path,
                end,
            ]);
        }
    }
    *old = Chosen { flags, ..new };
}

/// Makes the link from a library's name to its file.
fn link(
    root: &Root<'_>,
    directory: &Directory,
    library: &Chosen,
    options: &Options,
    output: &mut Output,
) -> Result<(), LdconfigError> {
    let shown = below(&directory.path, &library.soname);
    let name = library.soname.rsplit(|&b| b == b'/').next().unwrap_or_default();
    if matches!(name, b"" | b"." | b"..") {
        output.complain(&[&shown, b" is not a symbolic link\n"]);
        return Ok(());
    }
    let path = match root.beside(&shown) {
        Err(error) if error.is_not_found() => return Ok(()),
        path => path?,
    };
    let (mut make, mut remove) = (true, true);
    let own = root.target().stat(&path).ok();
    let is_link = own.is_some_and(|stat| stat.meta.kind == FileType::Symlink);
    match root.stat(&shown) {
        Ok(named) => {
            let file = below(&directory.path, &library.file);
            let Ok(stat) = root.stat(&file) else {
                output.complain(&[b"Can't stat ", &file, b"\n"]);
                return Ok(());
            };
            if is_loader(&library.soname) {
                if options.verbose {
                    output.complain(&[&file, b" is the dynamic linker, ignoring\n"]);
                }
                make = false;
            }
            if stat.ino == named.ino {
                make = false;
            } else if !is_link {
                output.complain(&[&shown, b" is not a symbolic link\n"]);
                (make, remove) = (false, false);
            }
        }
        // Unless it leads nowhere there is nothing to remove.
        Err(_) => remove = is_link,
    }
    if options.verbose {
        output.print(&[b"\t", &library.soname, b" -> ", &library.file]);
    }
    if make && options.link {
        if remove {
            root.target().remove(&path)?;
        }
        let meta = Meta::of_root(FileType::Symlink, 0o777);
        let text = PathBuf::from(OsString::from_vec(library.file.clone()));
        root.target().make_symlink(&path, &text, &meta)?;
        if options.verbose {
            output.print(&[b" (changed)"]);
        }
    }
    if options.verbose {
        output.print(&[b"\n"]);
    }
    Ok(())
}

/// Returns whether a name is `lib*.so*`, `ld-*.so*`, `ld.so.*` or `ld64.so.*`.
fn is_library_name(name: &[u8]) -> bool {
    let plain = name.starts_with(b"lib") || name.starts_with(b"ld-");
    plain && name.windows(3).any(|window| window == b".so")
        || name.starts_with(b"ld.so.")
        || name.starts_with(b"ld64.so.")
}

/// Returns whether a name is that of a file being written: by prelink; since 2.39 by dpkg and rpm, too.
fn is_temporary(name: &[u8], era: Era) -> bool {
    let prelink = b".#prelink#";
    let tail = name
        .len()
        .checked_sub(b".#prelink#.XXXXXX".len())
        .and_then(|at| name.get(at..));
    name.ends_with(prelink)
        || tail.is_some_and(|tail| tail.starts_with(b".#prelink#."))
        || era == Era::SkipsDpkg
            && (name.contains(&b';') || name.ends_with(b".dpkg-new") || name.ends_with(b".dpkg-tmp"))
}

/// Returns whether a name is that of a dynamic loader whose link Debian's ldconfig leaves alone, since another
/// architecture's may be meant. Those of riscv64 and x32 are in glibc's list in a form that never matches.
fn is_loader(soname: &[u8]) -> bool {
    const LOADERS: [&str; 11] = [
        "ld-linux-aarch64.so.1",
        "ld-linux-aarch64_be.so.1",
        "ld-linux-armhf.so.3",
        "ld-linux-ia64.so.2",
        "ld-linux-mipsn8.so.1",
        "ld-linux-x86-64.so.2",
        "ld-linux.so.2",
        "ld-linux.so.3",
        "ld.so.1",
        "ld64.so.1",
        "ld64.so.2",
    ];
    LOADERS.iter().any(|loader| loader.as_bytes() == soname)
}
