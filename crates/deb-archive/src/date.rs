//! Dates as Release files write them: `Sat, 09 Aug 2025 10:25:00 UTC`.

use std::time::{Duration, SystemTime};

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// Parses a date of a Release file (RFC 5322, the zone UTC, GMT, Z or numeric);
/// `None` for anything else and for times before 1970.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut words = text.split_whitespace();
    let day: i64 = words.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    let name = words.next()?.to_ascii_lowercase();
    let month = 1 + i64::try_from(MONTHS.iter().position(|month| *month == name)?).ok()?;
    let year: i64 = words
        .next()?
        .parse()
        .ok()
        .filter(|year| (1970..=9999).contains(year))?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute) = (clock.next()??, clock.next()??);
    let second = clock.next().unwrap_or(Some(0))?;
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..=60).contains(&second) {
        return None;
    }
    let zone = match words.next() {
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
