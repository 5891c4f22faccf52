//! Dates as formats write them, as seconds since the Unix epoch, and back as ISO text.

/// Days since the Unix epoch of a day of the Gregorian calendar (Howard Hinnant's `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The moment, `offset` being minutes east of UTC. `None` for what is no date.
pub(super) fn moment(date: [i64; 3], time: [i64; 3], offset: i64) -> Option<i64> {
    let [year, month, day] = date;
    let [hour, minute, second] = time;
    let valid = (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let valid = valid && (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    valid.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset * 60)
}

/// Reads `2026-11-22`, with `T09:30:00` and `Z` or `+01:00` where they are given.
pub(super) fn iso(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let date = [parts.next()??, parts.next()??, parts.next()??];
    let mut clock = [0; 3];
    let mut offset = 0;
    if let Some(time) = rest.strip_prefix(['T', ' ']) {
        let end = time.find(['Z', '+', '-']).unwrap_or(time.len());
        for (position, part) in time[..end].split(':').take(3).enumerate() {
            clock[position] = part.split('.').next()?.parse().ok()?;
        }
        if let Some((hours, minutes)) = time.get(end + 1..).and_then(|zone| zone.split_once(':')) {
            let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            offset = if time[end..].starts_with('-') { -minutes } else { minutes };
        }
    }
    moment(date, clock, offset)
}

/// A moment in hundreds of nanoseconds since 1601, as Windows writes it.
pub(super) fn windows(ticks: u64) -> Option<i64> {
    let seconds = i64::try_from(ticks / 10_000_000).ok()? - 11_644_473_600;
    (seconds > 0).then_some(seconds)
}

/// A span of days as `27:30:00`.
pub(super) fn duration(days: f64) -> String {
    let seconds = (days * 86_400.0).round() as i64;
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.abs();
    format!("{sign}{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `2026-11-22 09:30 UTC`.
pub(super) fn text(moment: i64) -> String {
    let (day, second) = (moment.div_euclid(86_400), moment.rem_euclid(86_400));
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let years = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = years + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", second / 3600, second / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_written() {
        assert_eq!(iso("1970-01-02"), Some(86_400));
        assert_eq!(iso("2026-11-22T09:30:00+01:00"), iso("2026-11-22T08:30:00Z"));
        assert_eq!(iso("2026-13-01"), None);
        assert_eq!(text(iso("2024-02-29T23:59:00Z").expect("a date")), "2024-02-29 23:59 UTC");
        assert_eq!(windows(116_444_736_010_000_000), Some(1));
        assert_eq!(duration(1.25), "30:00:00");
    }
}
