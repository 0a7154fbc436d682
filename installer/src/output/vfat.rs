//! Images of FAT32, for what has no owners: a target as data. Owners, modes, links and devices are lost, and that is told.

use super::fat::{self, Entry, Fat};
use super::{Error, ImageOptions, Output, Sink, Source, Written};
use rootless_install_fs::FileType;
use std::path::Path;

/// Writer of images.
pub(super) struct Vfat;

impl Output for Vfat {
    fn check(&self, options: &ImageOptions) -> Result<(), Error> {
        fat::check(options)
    }

    fn write(&self, source: &Source<'_>, sink: &mut Sink<'_>) -> Result<Written, Error> {
        let mut written = Written::default();
        let mut entries = Vec::new();
        for (path, stat) in source.files()?.found {
            if path == Path::new("/") {
                continue;
            }
            let (true, Some(name)) = (
                matches!(stat.meta.kind, FileType::Regular | FileType::Directory),
                path.to_str(),
            ) else {
                if path.to_str().is_none() {
                    return Err(Error::NoName {
                        path,
                        format: "vfat",
                        what: "names are Unicode".to_owned(),
                    });
                }
                written.others += 1;
                continue;
            };
            let wanted = source.time_of(stat.meta.mtime);
            let time = fat::time(wanted);
            written.times += u64::from(time != wanted);
            let root = stat.meta.uid == 0 && stat.meta.gid == 0;
            let usual = matches!(stat.meta.mode, 0o755 | 0o644);
            written.owners +=
                u64::from(!root || !usual || stat.meta.kind == FileType::Regular && stat.nlink > 1);
            written.xattrs += u64::from(!source.target.xattrs(&path)?.is_empty());
            entries.push(Entry {
                path: name.trim_start_matches('/').to_owned(),
                content: (stat.meta.kind == FileType::Regular).then(|| {
                    let disk = source.target.root_path().join(name.trim_start_matches('/'));
                    (disk, stat.size)
                }),
                time,
            });
        }
        let fat = Fat {
            entries: &entries,
            label: source.options.label.as_deref(),
            uuid: &source.uuid()?,
        };
        let size = match source.options.size {
            Some(size) => size,
            None => fat.need(source.options.free.unwrap_or_default()),
        };
        let image = source.scratch.join("image.vfat");
        fat.make(source, &image, size)?;
        written.entries = entries.len() as u64;
        written.bytes = sink.bring(&image)?;
        Ok(written)
    }
}
