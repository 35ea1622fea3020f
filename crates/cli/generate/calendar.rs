//! Times as the logs write them: milliseconds since 1970 in UTC, to text and back.

/// Milliseconds of a second.
pub const SECOND: i64 = 1_000;
/// Milliseconds of a minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Milliseconds of an hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Milliseconds of a day.
pub const DAY: i64 = 24 * HOUR;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Year, month and day of a time (proleptic Gregorian; Hinnant's `civil_from_days`).
pub fn civil(time: i64) -> (i64, i64, i64) {
    let shifted = time.div_euclid(DAY) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day = shifted.rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let in_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let in_month = in_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, in_month)
}

/// Midnight of a date written `2026-10-01`.
///
/// # Errors
/// A sentence for the person who wrote it.
pub fn parse_date(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no date: write it as 2026-10-01");
    let mut parts = text.split('-').map(|part| part.parse::<i64>().ok());
    let (Some(Some(year)), Some(Some(month)), Some(Some(day)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong());
    };
    if !(2000..=2100).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return Err(wrong());
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let in_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + in_year - 719_468;
    if civil(days * DAY) != (year, month, day) {
        return Err(wrong());
    }
    Ok(days * DAY)
}

/// 0 for Monday to 6 for Sunday.
pub fn weekday(time: i64) -> usize {
    (time.div_euclid(DAY) + 3).rem_euclid(7) as usize
}

/// Appends `2026-10-01T08:00:00.123Z`, the 24 bytes that open every row.
pub fn append_time(out: &mut Vec<u8>, time: i64) {
    let (year, month, day) = civil(time);
    let millis = time.rem_euclid(DAY);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    put(&mut text, 0, 4, year);
    put(&mut text, 5, 2, month);
    put(&mut text, 8, 2, day);
    put(&mut text, 11, 2, millis / HOUR);
    put(&mut text, 14, 2, millis / MINUTE % 60);
    put(&mut text, 17, 2, millis / SECOND % 60);
    put(&mut text, 20, 3, millis % SECOND);
    out.extend_from_slice(&text);
}

fn put(text: &mut [u8; 24], at: usize, digits: usize, mut value: i64) {
    let mut place = at + digits;
    while place > at {
        place -= 1;
        text[place] = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// RFC 3339 in UTC with milliseconds.
pub fn rfc3339(time: i64) -> String {
    let mut text = Vec::with_capacity(24);
    append_time(&mut text, time);
    String::from_utf8_lossy(&text).into_owned()
}

/// `Thu, 1 Oct 2026 08:00:00 +0000`, as a banner says it.
pub fn banner_date(time: i64) -> String {
    let (year, month, day) = civil(time);
    let seconds = time.rem_euclid(DAY) / SECOND;
    format!(
        "{}, {day} {} {year} {:02}:{:02}:{:02} +0000",
        WEEKDAYS[weekday(time)],
        MONTHS[(month - 1) as usize],
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// .NET ticks (100 ns since the year 1): what a session id counts from.
pub fn ticks(time: i64) -> u64 {
    (621_355_968_000_000_000 + time * 10_000) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_ticks_agree_with_known_ones() {
        let start = parse_date("2026-10-01").expect("a date");
        assert_eq!(rfc3339(start + 8 * HOUR + 123), "2026-10-01T08:00:00.123Z");
        assert_eq!(banner_date(start), "Thu, 1 Oct 2026 00:00:00 +0000");
        assert_eq!(format!("{:016X}", ticks(start)), "08DF1F4EEFBDC000");
        assert_eq!(
            rfc3339(parse_date("2024-02-29").expect("a date")),
            "2024-02-29T00:00:00.000Z"
        );
        for wrong in [
            "2026-02-30",
            "2026-13-01",
            "2026-10",
            "today",
            "2026-10-01-1",
        ] {
            assert!(parse_date(wrong).is_err(), "{wrong}");
        }
    }
}
