//! Dates as Release files write them: `Sat, 09 Aug 2025 10:25:00 UTC`.

use std::time::{Duration, SystemTime};

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// Parses a date of a Release file (RFC 5322, the zone UTC, GMT, Z or numeric), or in the two older forms that apt
/// reads as well: `Saturday, 09-Aug-25 10:25:00 GMT` (RFC 850) and `Sat Aug  9 10:25:00 2025` (asctime(3)).
/// `None` for anything else and for times before 1970.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let words: Vec<&str> = text
        .split_once(',')
        .map_or(text, |(_, rest)| rest)
        .split_whitespace()
        .collect();
    match *words.as_slice() {
        [weekday, month, day, clock, year] if weekday.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            moment(day, month, year, clock, None)
        }
        [date, clock, ref zone @ ..] if date.contains('-') => {
            let mut parts = date.splitn(3, '-');
            let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
            // apt counts these years from 1900, which is right in no year since 2000.
            let year = if year.len() == 2 {
                format!("20{year}")
            } else {
                year.to_owned()
            };
            moment(day, month, &year, clock, zone.first().copied())
        }
        [day, month, year, clock, ref zone @ ..] => moment(day, month, year, clock, zone.first().copied()),
        _ => None,
    }
}

fn moment(day: &str, month: &str, year: &str, clock: &str, zone: Option<&str>) -> Option<SystemTime> {
    let day: i64 = day.parse().ok().filter(|day| (1..=31).contains(day))?;
    let name = month.to_ascii_lowercase();
    let month = 1 + i64::try_from(MONTHS.iter().position(|month| *month == name)?).ok()?;
    let year: i64 = year.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let mut clock = clock.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute) = (clock.next()??, clock.next()??);
    let second = clock.next().unwrap_or(Some(0))?;
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..=60).contains(&second) {
        return None;
    }
    let zone = match zone {
        None | Some("UTC" | "GMT" | "Z" | "UT") => 0,
        Some(zone) => numeric_zone(zone)?,
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - zone;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// Seconds east of UTC of `+0100`.
fn numeric_zone(zone: &str) -> Option<i64> {
    let (sign, digits) = match zone.strip_prefix('+') {
        Some(digits) => (1, digits),
        None => (-1, zone.strip_prefix('-')?),
    };
    let number: i64 = digits
        .parse()
        .ok()
        .filter(|_| digits.len() == 4 && digits.is_ascii())?;
    Some(sign * (number / 100 * 3600 + number % 100 * 60))
}

/// Days from 1970-01-01 in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years are counted from March, so that the leap day is the last one.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_release_files() {
        for (text, seconds) in [
            ("Sat, 09 Aug 2025 10:25:00 UTC", 1_754_735_100),
            ("Thu, 29 Feb 2024 23:59:59 +0000", 1_709_251_199),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("1 Mar 2000 01:00:00 +0100", 951_868_800),
            ("Saturday, 09-Aug-25 10:25:00 GMT", 1_754_735_100),
            ("Sat Aug  9 10:25:00 2025", 1_754_735_100),
        ] {
            assert_eq!(
                parse(text),
                Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)),
                "{text}"
            );
        }
        for text in [
            "",
            "x",
            "2025-08-09T10:25:00Z",
            "2025-08-09 10:25:00 UTC",
            "Sat Aug  9 10:25:00 20",
            "a b c d e",
            "Sat, 09 Aug",
            "09 Foo 2025 1:2:3 UTC",
            "32 Jan 2025 0:0:0",
            "1 Jan 2025 25:0:0",
            "1 Jan 2025 0:0:0 PST",
            "1 Jan 99999999999 0:0:0",
            "1 Jan 1970 0:0:0 +0100",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
