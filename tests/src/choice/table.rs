//! The tables of the document: agreement by class, and times.

use std::time::Duration;

use super::requests::CLASSES;
use super::small;

/// What came of the requests of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Both take the same packages.
    pub same: usize,
    /// Both refuse.
    pub refused: usize,
    /// They differ.
    pub different: usize,
}

impl Count {
    fn all(self) -> usize {
        self.same + self.refused + self.different
    }
}

/// The table of agreement: a row a class, in their order.
#[must_use]
pub fn agreement(counts: &dyn Fn(&str) -> Count) -> String {
    let mut out = String::from(
        "| class | seed | requests | the same packages | both refuse | differ |\n|---|--:|--:|--:|--:|--:|\n",
    );
    let mut sum = Count::default();
    let archives = counts(small::CLASS).all().div_ceil(small::REQUESTS).max(1);
    let small = (small::CLASS, format!("0 to {}", archives - 1));
    let classes = CLASSES.iter().map(|class| (class.name, class.seed.to_string()));
    for (name, seed) in classes.chain([small]) {
        let count = counts(name);
        if count.all() == 0 {
            continue;
        }
        sum.same += count.same;
        sum.refused += count.refused;
        sum.different += count.different;
        out += &row(name, &seed, count);
    }
    out + &row("all", "", sum)
}

fn row(name: &str, seed: &str, count: Count) -> String {
    let Count {
        same,
        refused,
        different,
    } = count;
    format!(
        "| {name} | {seed} | {} | {same} | {refused} | {different} |\n",
        count.all()
    )
}

/// The times of one request on both sides.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Packages that are installed.
    pub packages: usize,
    /// This program's whole run.
    pub own: Duration,
    /// apt's whole run.
    pub apt: Duration,
}

/// The table of times.
#[must_use]
pub fn times(all: &[Times]) -> String {
    let mut out = String::from("| packages | this program, s | apt, s | share |\n|--:|--:|--:|--:|\n");
    for one in all {
        let (own, apt) = (one.own.as_secs_f64(), one.apt.as_secs_f64());
        out += &format!("| {} | {own:.2} | {apt:.2} | {:.2} |\n", one.packages, own / apt);
    }
    out
}

/// Puts a table into a document, between the lines `<!-- begin table: NAME -->` and `<!-- end table: NAME -->`.
///
/// # Errors
/// The name of a table for which the document has no place.
pub fn put(document: &str, name: &str, table: &str) -> Result<String, String> {
    let (begin, end) = (
        format!("<!-- begin table: {name} -->\n"),
        format!("<!-- end table: {name} -->"),
    );
    let parts = document.split_once(&begin);
    let parts = parts.and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = parts.ok_or_else(|| format!("the document has no place for table {name}"))?;
    Ok(format!("{before}{begin}{table}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_its_sum_and_its_place() {
        let count = |name: &str| Count {
            same: usize::from(name == "sid"),
            refused: usize::from(name == "names"),
            different: 0,
        };
        let table = agreement(&count);
        assert!(
            table.contains("| sid |") && table.ends_with("| all |  | 2 | 1 | 1 | 0 |\n"),
            "{table}"
        );
        let document = "a\n<!-- begin table: x -->\nold\n<!-- end table: x -->\nb\n";
        let made = put(document, "x", "new\n").expect("a place");
        assert_eq!(made, document.replace("old", "new"));
        assert!(put(document, "y", "").is_err());
        let time = Times {
            packages: 3,
            own: Duration::from_millis(100),
            apt: Duration::from_secs(1),
        };
        assert!(times(&[time]).ends_with("| 3 | 0.10 | 1.00 | 0.10 |\n"));
    }
}
