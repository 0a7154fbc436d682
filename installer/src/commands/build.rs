//! `build`: installations of a recipe, one after the other.

use super::error::Error;
use super::{install, multi};
use crate::settings::Settings;
use std::sync::Arc;
use task_progress::{Cancel, Reporter, Summary};

/// What one installation makes.
#[derive(Debug)]
pub struct Build {
    /// What tells it from others; empty where it is the only one.
    pub name: String,
    /// Its settings; several for one image of several architectures.
    pub all: Vec<Settings>,
}

/// Makes all of them, and returns the figures of all together. What is complete stays where a later one fails.
///
/// # Errors
/// Those of an installation, with its name where there are several.
pub fn run(builds: &[Build], reporter: &Arc<dyn Reporter>, cancel: &Cancel) -> Result<Summary, Error> {
    let mut total = Summary::default();
    for (number, build) in builds.iter().enumerate() {
        if builds.len() > 1 {
            reporter.note(&format!("{}: {} of {}", build.name, number + 1, builds.len()));
        }
        let made = match build.all.as_slice() {
            [alone] => install::run(alone, Arc::clone(reporter), cancel),
            all => multi::run(all, reporter, cancel),
        };
        let summary = made.map_err(|error| match error {
            Error::Cancelled(cancelled) => Error::Cancelled(cancelled),
            error if builds.len() > 1 => Error::OfBuild {
                name: build.name.clone(),
                source: Box::new(error),
            },
            error => error,
        })?;
        if builds.len() == 1 {
            return Ok(summary);
        }
        total.output.clone_from(&summary.output);
        total.output_bytes = summary.output_bytes;
        multi::add(&mut total, summary, &build.name);
    }
    Ok(total)
}
