//! Recipes: files in TOML that say what a command line would, and what it could only say at length.
//!
//! A key is an option by its name, of one table: the command line's own. Beside these there are tables: files, users,
//! outputs, a matrix. A recipe is read into `Node`s that know their places, its files are laid over one another
//! (`layers`), and of the layers come installations (`matrix`), each the words of a command line and a
//! [`Customization`](crate::customization::Customization). What the words mean is the command line's matter.

pub mod error;
mod installation;
mod layers;
mod matrix;
mod node;
mod options;
mod paths;
mod schema;
mod tables;
mod words;

pub use error::{Place, RecipeError};
pub use installation::Installation;
pub use options::{Options, TABLES};
pub use schema::schema;
pub use words::Word;

use layers::Layer;
use std::path::{Path, PathBuf};

/// A recipe, with all that it includes.
#[derive(Debug)]
pub struct Recipe {
    layers: Vec<Layer>,
    /// Directory of the file.
    directory: PathBuf,
    path: PathBuf,
}

impl Recipe {
    /// Reads a recipe and what it includes. Each key of them is one of `options` or of [`TABLES`].
    ///
    /// # Errors
    /// [`RecipeError`] with the place of what is wrong.
    pub fn read(path: &Path, options: &Options) -> Result<Self, RecipeError> {
        let (layers, directory) = layers::read(path, options)?;
        Ok(Self {
            layers,
            directory,
            path: path.to_owned(),
        })
    }

    /// Returns the directory of the file, which hooks start in.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}
