//! Files that appear whole, or stay as they were: made beside their place, where it is known at once whether they can be.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A file that is not there yet.
#[derive(Debug)]
pub struct WholeFile {
    file: tempfile::NamedTempFile,
    path: PathBuf,
}

impl WholeFile {
    /// Begins the file at `path`.
    ///
    /// # Errors
    /// Those of making a file in its directory; a directory is at the path.
    pub fn begin(path: &Path) -> io::Result<Self> {
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let file = tempfile::Builder::new()
            .permissions(std::fs::Permissions::from_mode(0o644))
            .tempfile_in(parent.unwrap_or(Path::new(".")))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Returns the path that it will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its content and its name.
    ///
    /// # Errors
    /// Those of writing and renaming.
    pub fn finish(mut self, content: &[u8]) -> io::Result<()> {
        self.file.write_all(content)?;
        self.file
            .persist(&self.path)
            .map(drop)
            .map_err(|error| error.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_appears_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "before").unwrap();
        drop(WholeFile::begin(&path).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"before");
        WholeFile::begin(&path).unwrap().finish(b"after").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"after");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(WholeFile::begin(directory.path()).is_err());
        assert!(WholeFile::begin(&path.join("below")).is_err());
    }
}
