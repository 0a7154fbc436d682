//! Time against the number of packages and the number of files: synthetic archives of growing
//! size, and a plot of what this program takes for them.

use std::path::Path;
use std::time::Instant;

use plotters::prelude::*;

use crate::deb::Package;
use crate::synthetic::{Synthetic, package};
use crate::{Error, Result};

/// Files of each package while packages become more.
pub const FILES_EACH: usize = 20;
/// Packages while files become more.
pub const PACKAGES: usize = 100;
/// How many packages are there.
pub const BY_PACKAGES: [usize; 6] = [10, 100, 300, 700, 1300, 2000];
/// How many files are there, in [`PACKAGES`] packages.
pub const BY_FILES: [usize; 5] = [1_000, 30_000, 100_000, 200_000, 300_000];
/// Every so many packages one has a script, which is what the archive has.
const WITH_SCRIPT: usize = 5;
/// The median of so many runs.
const RUNS: usize = 3;

/// One archive's size and the seconds that it took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Packages besides the essential ones.
    pub packages: usize,
    /// Files in all of them together.
    pub files: usize,
    /// Median of the runs.
    pub seconds: f64,
}

/// Measures one size.
///
/// # Errors
/// When the archive cannot be made or the program fails.
pub fn measure(packages: usize, files: usize) -> Result<Point> {
    let names: Vec<String> = (0..packages).map(|number| format!("p{number}")).collect();
    let archive = Synthetic::with(&make(&names, files.div_ceil(packages.max(1)))?)?;
    let mut seconds = Vec::new();
    // The first run fills the caches.
    for run in 0..=RUNS {
        let started = Instant::now();
        let outcome = archive.install(&names.join(","), "target.tar").end()?;
        if run > 0 {
            seconds.push(started.elapsed().as_secs_f64());
        }
        if !outcome.status.success() {
            return Err(Error::Command {
                command: "rootless-install".to_owned(),
                what: outcome.stderr,
            });
        }
        let _ = std::fs::remove_file(archive.work.out("target.tar"));
    }
    seconds.sort_by(f64::total_cmp);
    Ok(Point {
        packages,
        files,
        seconds: seconds.get(RUNS / 2).copied().unwrap_or_default(),
    })
}

fn make(names: &[String], files: usize) -> Result<Vec<Package>> {
    let of = |(number, name): (usize, &String)| {
        let mut made = package(name)?;
        for file in 0..files {
            let content = format!("{name} has the file {file}\n").repeat(20);
            made = made.file(&format!("usr/share/{name}/{file}"), content.as_bytes(), 0o644);
        }
        if number % WITH_SCRIPT == 0 {
            made = made.script("postinst", "#!/bin/sh\nset -e\ntest -d /usr/share\n");
        }
        Ok(made)
    };
    names.iter().enumerate().map(of).collect()
}

/// Draws both series into an SVG file.
///
/// # Errors
/// When it cannot be written.
pub fn plot(path: &Path, by_packages: &[Point], by_files: &[Point]) -> Result<()> {
    let failed = |error: String| Error::Command {
        command: format!("plot {}", path.display()),
        what: error,
    };
    let area = SVGBackend::new(path, (900, 360)).into_drawing_area();
    area.fill(&WHITE).map_err(|error| failed(error.to_string()))?;
    let halves = area.split_evenly((1, 2));
    let seconds = |points: &[Point], of: fn(&Point) -> usize| -> Vec<(f64, f64)> {
        let points = points.iter();
        points.map(|point| (of(point) as f64, point.seconds)).collect()
    };
    let packages = seconds(by_packages, |point| point.packages);
    let files = seconds(by_files, |point| point.files);
    let series = [
        (
            format!("{FILES_EACH} files in each package"),
            "packages",
            packages,
        ),
        (format!("{PACKAGES} packages"), "files", files),
    ];
    for (half, (title, unit, points)) in halves.iter().zip(&series) {
        draw(half, title, unit, points).map_err(&failed)?;
    }
    area.present().map_err(|error| failed(error.to_string()))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw(area: &Area<'_>, title: &str, unit: &str, points: &[(f64, f64)]) -> std::result::Result<(), String> {
    let most = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).fold(1e-9, f64::max) * 1.05;
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(36)
        .y_label_area_size(44)
        .build_cartesian_2d(0.0..most(|point| point.0), 0.0..most(|point| point.1))
        .map_err(|error| error.to_string())?;
    chart
        .configure_mesh()
        .x_desc(unit)
        .y_desc("seconds")
        .x_labels(6)
        .x_label_formatter(&|value| format!("{value:.0}"))
        .draw()
        .map_err(|error| error.to_string())?;
    let line = LineSeries::new(points.iter().copied(), &BLUE);
    chart.draw_series(line).map_err(|error| error.to_string())?;
    let dots = points.iter().map(|point| Circle::new(*point, 3, BLUE.filled()));
    chart
        .draw_series(dots)
        .map(drop)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_drawn() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plot.svg");
        let point = |size: usize| Point {
            packages: size,
            files: 20 * size,
            seconds: size as f64 / 100.0,
        };
        let points = [point(10), point(2000)];
        plot(&path, &points, &points).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("<svg") && text.matches("<circle").count() == 4);
        assert!(text.contains("packages") && text.contains("files"));
    }
}
