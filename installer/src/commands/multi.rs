//! One container image of several architectures: an image for each, made as alone, and the index of all.

use super::error::Error;
use super::install;
use crate::output::{self, Attachment, Format, Layout, Sink, write_index};
use crate::settings::Settings;
use crate::staging::Staging;
use crate::target_spec::TargetSpec;
use std::sync::Arc;
use task_progress::{Cancel, Reporter, Summary};

/// Makes the image. `all` are the settings of each architecture, with the same container image as target. Nothing is left
/// behind where one fails, unless the settings keep the work directory.
///
/// # Errors
/// [`Error::OfArchitecture`] with those of an installation; those of writing the image.
pub fn run(all: &[Settings], reporter: &Arc<dyn Reporter>, cancel: &Cancel) -> Result<Summary, Error> {
    let mut total = Summary::default();
    let Some(first) = all.first() else {
        return Ok(total);
    };
    let failed = |settings: &Settings, error| match error {
        Error::Cancelled(cancelled) => Error::Cancelled(cancelled),
        error => Error::OfArchitecture {
            architecture: settings.system.arch.name,
            source: Box::new(error),
        },
    };
    if first.dry_run {
        for settings in all {
            reporter.note(&format!("{}:", settings.system.arch.name));
            install::run(settings, Arc::clone(reporter), cancel).map_err(|error| failed(settings, error))?;
        }
        return Ok(total);
    }
    install::begin();
    let mut staging = Staging::for_output(&first.target, &first.temporary)?;
    if first.keep_failed {
        staging.keep();
    }
    let mut layouts = Vec::new();
    for (number, settings) in all.iter().enumerate() {
        let architecture = settings.system.arch.name;
        reporter.note(&format!("{architecture}: image {} of {}", number + 1, all.len()));
        let layout = staging.directory().join(architecture);
        let alone = Settings {
            target: TargetSpec::File {
                path: layout.clone(),
                format: Format::Container(Layout::OciDirectory),
            },
            ..settings.clone()
        };
        let summary =
            install::run(&alone, Arc::clone(reporter), cancel).map_err(|error| failed(settings, error))?;
        add(&mut total, summary, architecture);
        layouts.push(layout);
    }
    let form = match first.target.format() {
        Some(Format::Container(form)) => form,
        _ => Layout::OciDirectory,
    };
    let name = first.image.container.name.as_deref();
    let mut sink = Sink::Path(staging.output());
    let scratch = staging.directory().join("layout");
    let attached = first.image.container.attached();
    let has_provenance = attached.contains(&Attachment::Provenance);
    let bytes =
        write_index(&layouts, form, name, has_provenance, &scratch, &mut sink).map_err(
            |error| match error {
                output::Error::Cancelled(cancelled) => Error::Cancelled(cancelled),
                source => Error::Archived {
                    target: first.target.clone(),
                    source,
                },
            },
        )?;
    cancel.check()?;
    total.output = staging.commit()?;
    total.output_bytes = Some(bytes);
    Ok(total)
}

/// Adds the figures of one architecture to those of all.
pub(super) fn add(total: &mut Summary, one: Summary, architecture: &str) {
    total.packages += one.packages;
    total.downloaded += one.downloaded;
    total.from_cache += one.from_cache;
    total.unpacked += one.unpacked;
    total.scripts += one.scripts;
    total.elapsed += one.elapsed;
    total.peak_memory = total.peak_memory.max(one.peak_memory);
    total.peak_memory_children = total.peak_memory_children.max(one.peak_memory_children);
    total.warnings += one.warnings;
    for (stage, elapsed) in one.stages {
        match total.stages.iter_mut().find(|(known, _)| *known == stage) {
            Some((_, all)) => *all += elapsed,
            None => total.stages.push((stage, elapsed)),
        }
    }
    let named = |name: String| format!("{name} ({architecture})");
    let deferred = one.deferred.into_iter();
    total
        .deferred
        .extend(deferred.map(|(package, why)| (named(package), why)));
    let processor = one.processor.into_iter();
    total
        .processor
        .extend(processor.map(|(extension, has)| (named(extension), has)));
    total.lost.extend(one.lost.into_iter().map(named));
}
