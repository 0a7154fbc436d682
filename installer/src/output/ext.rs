//! Images of ext2, ext3 and ext4, made by mke2fs(8), which makes an empty filesystem, and debugfs(8), which puts
//! everything into it: neither needs a mount, nor rights, and every version of them that is in use does the same.
//!
//! (mke2fs's own `-d` takes owners from a directory on the disk; a tar, since version 1.47.1, where it was compiled with
//! libarchive.) What mke2fs would read of the machine's configuration and clock is given.

mod commands;
mod need;

use super::maker::Maker;
use super::{Error, ImageOptions, Output, Sink, Source, Written};
use commands::Commands;
use need::Need;
use rootless_install_fs::FileType;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Generation of the filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// ext2: no journal.
    Ext2,
    /// ext3: with a journal.
    Ext3,
    /// ext4: with a journal, extents and checksums.
    Ext4,
}

const MKE2FS: Maker = Maker {
    program: "mke2fs",
    package: "e2fsprogs",
    makes: "images of ext2, ext3 and ext4",
};
const DEBUGFS: Maker = Maker {
    program: "debugfs",
    ..MKE2FS
};
const DUMPE2FS: Maker = Maker {
    program: "dumpe2fs",
    ..MKE2FS
};

/// What e2fsprogs 1.47.0 has by default, in the place of the machine's /etc/mke2fs.conf: the result is to be the same
/// everywhere, and newer features are not known to older kernels and boot loaders.
const CONFIGURATION: &str = "\
[defaults]
	base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
	default_mntopts = acl,user_xattr
	enable_periodic_fsck = 0
	blocksize = 4096
	inode_size = 256
	inode_ratio = 16384
	reserved_ratio = 0
[fs_types]
	ext3 = {
		features = has_journal
	}
	ext4 = {
		features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
	}
";

/// Size of a block in bytes.
const BLOCK: u64 = 4096;
/// Images have a whole number of these bytes.
const STEP: u64 = 1 << 20;
/// Bytes that each inode stands for in the space that is left free (mke2fs(8), `-i`).
const RATIO: u64 = 16_384;
/// Times that a size is tried: the parts that mke2fs takes for itself grow with it.
const TRIES: u32 = 6;

/// Writer of images.
pub(super) struct Ext(pub(super) Generation);

impl Output for Ext {
    fn check(&self, options: &ImageOptions) -> Result<(), Error> {
        for maker in [MKE2FS, DEBUGFS, DUMPE2FS] {
            maker.find()?;
        }
        match options.size {
            Some(size) if size < STEP => Err(Error::TooSmall { size, needed: STEP }),
            _ => Ok(()),
        }
    }

    fn write(&self, source: &Source<'_>, sink: &mut Sink<'_>) -> Result<Written, Error> {
        let files = source.files()?;
        let need = Need::of(self.0, source, &files)?;
        let making = Making {
            generation: self.0,
            source,
            need,
            uuid: source.uuid()?,
            time: commands::time(source.time()),
            image: source.scratch.join("image.ext"),
            configuration: source.scratch.join("mke2fs.conf"),
        };
        std::fs::write(&making.configuration, CONFIGURATION).map_err(Error::Write)?;
        making.empty()?;
        let mut commands = Commands::new(source, making.time)?;
        for (path, stat) in &files.found {
            source.cancel.check()?;
            commands.add(path, stat, &files)?;
        }
        let script = commands.finish()?;
        making.fill(&script)?;
        let sockets = files.found.iter();
        let sockets = sockets
            .filter(|(_, stat)| stat.meta.kind == FileType::Socket)
            .count() as u64;
        let other_time = |time| commands::time(time) != time;
        let times = files.found.iter();
        let times = times.filter(|(path, stat)| {
            let time = source.time_of(stat.meta.mtime);
            other_time(time) && stat.meta.kind != FileType::Socket && files.is_first(path, stat)
        });
        Ok(Written {
            entries: files.found.len() as u64 - sockets,
            times: times.count() as u64,
            uncompressed: 0,
            bytes: sink.bring(&making.image)?,
            sockets,
            ..Written::default()
        })
    }
}

/// An image that is being made.
struct Making<'a> {
    generation: Generation,
    source: &'a Source<'a>,
    need: Need,
    uuid: String,
    time: i64,
    image: PathBuf,
    configuration: PathBuf,
}

impl Making<'_> {
    /// Makes the empty filesystem, of the size that is given or in which everything fits.
    fn empty(&self) -> Result<(), Error> {
        let options = self.source.options;
        let free = options.free.unwrap_or_default().div_ceil(BLOCK);
        let wanted = self.need.blocks + free;
        let mut size = match options.size {
            Some(size) => size,
            None => ((wanted + self.need.inodes.div_ceil(BLOCK / 256)) * BLOCK).next_multiple_of(STEP),
        };
        for _ in 0..TRIES {
            self.source.cancel.check()?;
            let (blocks, inodes) = self.format(size)?;
            if blocks >= wanted && inodes >= self.need.inodes {
                return Ok(());
            }
            let missing =
                wanted.saturating_sub(blocks) * BLOCK + self.need.inodes.saturating_sub(inodes) * 256;
            // What mke2fs takes of each further block is less than a sixteenth.
            let needed = (size + missing + missing / 16).next_multiple_of(STEP);
            if options.size.is_some() {
                return Err(Error::TooSmall { size, needed });
            }
            size = needed;
        }
        Err(Error::TooSmall {
            size,
            needed: size.saturating_mul(2),
        })
    }

    /// Makes an empty filesystem of a size. Returns the numbers of its free blocks and inodes.
    fn format(&self, size: u64) -> Result<(u64, u64), Error> {
        let file = File::create(&self.image).map_err(Error::Write)?;
        file.set_len(size).map_err(Error::Write)?;
        drop(file);
        let generation = match self.generation {
            Generation::Ext2 => "ext2",
            Generation::Ext3 => "ext3",
            Generation::Ext4 => "ext4",
        };
        let spare = size.saturating_sub(self.need.blocks * BLOCK) / RATIO;
        let inodes = self.need.inodes + spare;
        let mut call = MKE2FS.call(self.time, &self.log("mke2fs"))?;
        call.env("MKE2FS_CONFIG", &self.configuration)
            .env("MKE2FS_SYNC", "0")
            .args(["-q", "-F", "-b", "4096", "-m", "0", "-t", generation])
            .args(["-N", &inodes.to_string(), "-U", &self.uuid])
            .args([
                "-E",
                &format!("hash_seed={},lazy_itable_init=0,root_owner=0:0", self.uuid),
            ]);
        if let Some(label) = &self.source.options.label {
            call.args(["-L", label]);
        }
        call.args([&self.image]);
        call.output()?;
        let mut call = DUMPE2FS.call(self.time, &self.log("dumpe2fs"))?;
        call.args(["-h"]).args([&self.image]);
        let told = String::from_utf8_lossy(&call.output()?).into_owned();
        let number = |name: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().parse().ok()).unwrap_or_default()
        };
        Ok((number("Free blocks:"), number("Free inodes:")))
    }

    /// Puts everything into the filesystem.
    fn fill(&self, script: &Path) -> Result<(), Error> {
        let mut call = DEBUGFS.call(self.time, &self.log("debugfs"))?;
        call.args(["-w", "-f"]).args([script, &self.image]);
        // It goes on after an error, and ends well all the same. Its first line is its version.
        let said = call.messages()?;
        let mut lines = said
            .lines()
            .filter(|line| !line.starts_with("debugfs 1."))
            .peekable();
        if lines.peek().is_none() {
            return Ok(());
        }
        let few: Vec<&str> = lines.take(5).collect();
        Err(Error::MakerFailed {
            program: DEBUGFS.program,
            status: "it could not do everything".to_owned(),
            said: few.join("\n"),
        })
    }

    fn log(&self, program: &str) -> PathBuf {
        self.source.scratch.join(format!("{program}.log"))
    }
}
