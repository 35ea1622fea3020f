//! Times: microseconds since 1970-01-01T00:00:00Z.
//!
//! Every row begins with a time of 24 bytes, `2017-10-07T04:42:56.804Z`: UTC, three decimals,
//! whatever the server's language (Microsoft Learn, `exchange/mail-flow/connectors/protocol-logging`).
//! The same form stands in the certificate rows and in the stamps of Exchange Online's replies.
//! Other valid RFC 3339 times, as other tools rewrite them, are read too.

const DAY: i64 = 86_400 * 1_000_000;

/// Reads a time: microseconds since 1970 in UTC.
///
/// Takes any RFC 3339 date-time with at most nine decimals; digits beyond the microsecond are cut
/// off. `None` for a time without an offset, a leap second, 24:00:00 and days no calendar has.
pub fn parse(text: &[u8]) -> Option<i64> {
    match <&[u8; 24]>::try_from(text) {
        Ok(text) => parse_fixed(text).or_else(|| parse_any(text)),
        Err(_) => parse_any(text),
    }
}

/// Reads the date that a greeting closes with, as mail writes it (RFC 5322):
/// `21 Mar 2019 13:00:44 +0000`, to the whole second. Whatever follows it is passed over.
pub fn parse_mail(text: &[u8]) -> Option<i64> {
    let mut words = text.split(|byte| *byte == b' ');
    let day = words.next().filter(|day| matches!(day.len(), 1 | 2))?;
    let month = words.next()?;
    let month = MONTHS
        .iter()
        .position(|name| name.eq_ignore_ascii_case(month))?;
    let year = words.next().filter(|year| year.len() == 4)?;
    let [h1, h2, b':', m1, m2, b':', s1, s2] = words.next()? else {
        return None;
    };
    let [sign @ (b'+' | b'-'), zone @ ..] = words.next()? else {
        return None;
    };
    let zone = digits(zone.get(..4).filter(|_| zone.len() == 4)?)?;
    let (hours, minutes) = (zone / 100, zone % 100);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let clock = [
        digits(&[*h1, *h2])?,
        digits(&[*m1, *m2])?,
        digits(&[*s1, *s2])?,
    ];
    let month = month as i64 + 1;
    let time = assemble([digits(year)?, month, digits(day)?], clock, 0)?;
    let offset = (hours * 60 + minutes) * 60_000_000;
    Some(if *sign == b'+' {
        time - offset
    } else {
        time + offset
    })
}

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Writes a time as RFC 3339 in UTC, with three decimals or, where they are needed, six.
///
/// Years outside 0 to 9999, which no log holds, come out signed (ISO 8601, expanded form).
pub fn format(micros: i64) -> String {
    let mut text = Vec::with_capacity(32);
    write(micros, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Appends a time as [`format()`] writes it.
pub fn write(micros: i64, out: &mut Vec<u8>) {
    let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    if (0..=9999).contains(&year) {
        digits_to(out, year, 4);
    } else {
        out.extend_from_slice(format!("{year:+05}").as_bytes());
    }
    for (before, value) in [
        (b'-', month),
        (b'-', day),
        (b'T', seconds / 3600),
        (b':', seconds / 60 % 60),
        (b':', seconds % 60),
    ] {
        out.push(before);
        digits_to(out, value, 2);
    }
    out.push(b'.');
    match fraction % 1000 {
        0 => digits_to(out, fraction / 1000, 3),
        _ => digits_to(out, fraction, 6),
    }
    out.push(b'Z');
}

/// Appends the last `count` digits of a number that is not negative.
fn digits_to(out: &mut Vec<u8>, value: i64, count: u32) {
    for place in (0..count).rev() {
        // A digit fits a byte.
        out.push(b'0' + (value / 10_i64.pow(place) % 10) as u8);
    }
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ`, eight bytes at a time: after the exclusive-or with the template a
/// digit is its value and a separator is zero; the addition carries every other byte into bit 7.
fn parse_fixed(text: &[u8; 24]) -> Option<i64> {
    const TEMPLATE: [[u8; 8]; 3] = [*b"0000-00-", *b"00T00:00", *b":00.000Z"];
    const LIMIT: [[u8; 8]; 3] = [
        [0x76, 0x76, 0x76, 0x76, 0x7f, 0x76, 0x76, 0x7f],
        [0x76, 0x76, 0x7f, 0x76, 0x76, 0x7f, 0x76, 0x76],
        [0x7f, 0x76, 0x76, 0x7f, 0x76, 0x76, 0x76, 0x7f],
    ];
    let mut d = [[0u8; 8]; 3];
    let mut wrong = 0;
    for (at, word) in text.as_chunks::<8>().0.iter().enumerate() {
        let word = u64::from_ne_bytes(*word) ^ u64::from_ne_bytes(TEMPLATE[at]);
        wrong |= word | word.wrapping_add(u64::from_ne_bytes(LIMIT[at]));
        d[at] = word.to_ne_bytes();
    }
    if wrong & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let two = |word: usize, at: usize| i64::from(d[word][at] * 10 + d[word][at + 1]);
    let millis = i64::from(d[2][4]) * 100 + two(2, 5);
    assemble(
        [two(0, 0) * 100 + two(0, 2), two(0, 5), two(1, 0)],
        [two(1, 3), two(1, 6), two(2, 1)],
        millis * 1000,
    )
}

/// Any RFC 3339 form.
fn parse_any(text: &[u8]) -> Option<i64> {
    let number = |at: usize, len: usize| digits(text.get(at..at + len)?);
    let is = |at: usize, wanted: u8| {
        text.get(at)
            .is_some_and(|b| b.eq_ignore_ascii_case(&wanted))
    };
    if !(is(4, b'-') && is(7, b'-') && is(10, b'T') && is(13, b':') && is(16, b':')) {
        return None;
    }
    let date = [number(0, 4)?, number(5, 2)?, number(8, 2)?];
    let clock = [number(11, 2)?, number(14, 2)?, number(17, 2)?];
    let mut rest = text.get(19..)?;
    let mut micros = 0;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let len = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if !(1..=9).contains(&len) {
            return None;
        }
        let kept = len.min(6);
        micros = digits(&fraction[..kept])? * 10_i64.pow(6 - kept as u32);
        rest = &fraction[len..];
    }
    let time = assemble(date, clock, micros)?;
    match rest {
        b"Z" | b"z" => Some(time),
        [sign @ (b'+' | b'-'), offset @ ..] if offset.len() == 5 && offset[2] == b':' => {
            let (hours, minutes) = (digits(&offset[..2])?, digits(&offset[3..])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = (hours * 60 + minutes) * 60_000_000;
            Some(if *sign == b'+' {
                time - offset
            } else {
                time + offset
            })
        }
        _ => None,
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit()
            .then(|| value * 10 + i64::from(byte - b'0'))
    })
}

/// Year, month, day; hour, minute, second; microseconds: checked, then put together.
fn assemble(date: [i64; 3], clock: [i64; 3], micros: i64) -> Option<i64> {
    let [year, month, day] = date;
    let [hour, minute, second] = clock;
    if hour > 23 || minute > 59 || second > 59 || day < 1 || day > month_length(year, month)? {
        return None;
    }
    let seconds = (hour * 60 + minute) * 60 + second;
    Some(days(year, month, day) * DAY + seconds * 1_000_000 + micros)
}

fn month_length(year: i64, month: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    Some(match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    })
}

/// Days since 1970-01-01. Years begin in March here, so that the leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year * 365 + year / 4 - year / 100 + day - 719_468
}

/// The inverse of [`days`].
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Counts the days one year and one month at a time.
    fn slow_days(year: i64, month: i64, day: i64) -> i64 {
        let leap = |y: i64| (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
        let length = |y: i64| if leap(y) { 366 } else { 365 };
        let years: i64 = match year {
            1970.. => (1970..year).map(length).sum(),
            _ => -(year..1970).map(length).sum::<i64>(),
        };
        let months: i64 = (1..month).map(|m| month_length(year, m).unwrap()).sum();
        years + months + day - 1
    }

    #[test]
    fn reads_the_form_of_the_log() {
        assert_eq!(parse(b"1970-01-01T00:00:00.000Z"), Some(0));
        assert_eq!(
            parse(b"2017-10-07T04:42:56.804Z"),
            Some(1_507_351_376_804_000)
        );
        assert_eq!(
            parse(b"2000-02-29T23:59:59.999Z"),
            Some(951_868_799_999_000)
        );
        assert_eq!(
            parse(b"1601-01-01T00:00:00.000Z"),
            Some(-11_644_473_600_000_000)
        );
        assert_eq!(
            parse(b"9999-12-31T23:59:59.999Z"),
            Some(253_402_300_799_999_000)
        );
        assert_eq!(
            parse(b"0000-01-01T00:00:00.000Z"),
            Some(-62_167_219_200_000_000)
        );
    }

    #[test]
    fn reads_the_date_of_a_greeting() {
        let time = parse(b"2019-03-21T13:00:44.000Z");
        for text in [
            "21 Mar 2019 13:00:44 +0000",
            "21 mar 2019 15:00:44 +0200 [08DD59CA63652EED]",
            "21 Mar 2019 07:30:44 -0530 x",
        ] {
            assert_eq!(parse_mail(text.as_bytes()), time, "{text}");
        }
        for none in [
            "",
            "21 Mar 2019",
            "21 Mar 2019 13:00:44",
            "21 Mrz 2019 13:00:44 +0000",
            "31 Feb 2019 13:00:44 +0000",
            "21 Mar 19 13:00:44 +0000",
            "21 Mar 2019 1:00:44 +0000",
            "21 Mar 2019 13:00:44 +00:00",
            "21 Mar 2019 13:00:44 +2500",
            "x1 Mar 2019 13:00:44 +0000",
        ] {
            assert_eq!(parse_mail(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn reads_other_forms_of_the_standard() {
        let noon = parse(b"2024-02-29T12:00:00.000Z");
        assert!(noon.is_some());
        for text in [
            "2024-02-29T12:00:00Z",
            "2024-02-29t12:00:00z",
            "2024-02-29T12:00:00.0Z",
            "2024-02-29T12:00:00.000000999Z",
            "2024-02-29T14:00:00+02:00",
            "2024-02-29T06:30:00.000-05:30",
            "2024-02-29T12:00:00-00:00",
        ] {
            assert_eq!(parse(text.as_bytes()), noon, "{text}");
        }
        assert_eq!(
            parse(b"2024-02-29T12:00:00.1234567Z"),
            noon.map(|t| t + 123_456)
        );
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "2024-02-29",
            "2024-02-29T12:00:00",
            "2024-02-29T12:00:00.000",
            "2024-02-29 12:00:00.000Z",
            "2024-02-29T24:00:00.000Z",
            "2024-02-29T23:60:00.000Z",
            "2024-12-31T23:59:60.000Z",
            "2023-02-29T12:00:00.000Z",
            "2024-02-30T12:00:00.000Z",
            "2024-13-01T12:00:00.000Z",
            "2024-00-01T12:00:00.000Z",
            "2024-01-00T12:00:00.000Z",
            "2024-02-29T12:00:00.Z",
            "2024-02-29T12:00:00.0000000000Z",
            "2024-02-29T12:00:00+24:00",
            "2024-02-29T12:00:00+0200",
            "2024-02-29T12:00:00.000ZZ",
            "+024-02-29T12:00:00.000Z",
            "2024-02-29T12:00:0:.000Z",
            "2024-02-29T12:00:00.00/Z",
            "Date/Time.ConnectorId",
            "\u{661}024-02-29T12:00:00.00Z",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn writes_three_decimals_or_six() {
        assert_eq!(format(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(format(-1), "1969-12-31T23:59:59.999999Z");
        assert_eq!(format(1_507_351_376_804_000), "2017-10-07T04:42:56.804Z");
        assert_eq!(
            format(253_402_300_800_000_000),
            "+10000-01-01T00:00:00.000Z"
        );
        assert!(format(i64::MIN).starts_with('-') && format(i64::MAX).starts_with('+'));
    }

    proptest! {
        #[test]
        fn comes_back(micros in -62_167_219_200_000_000_i64..253_402_300_800_000_000) {
            prop_assert_eq!(parse(format(micros).as_bytes()), Some(micros));
            let millis = micros.div_euclid(1000) * 1000;
            let text = format(millis);
            prop_assert_eq!(text.len(), 24);
            prop_assert_eq!(parse(text.as_bytes()), Some(millis));
        }

        #[test]
        fn days_agree_with_counting(year in 0_i64..10_000, month in 1_i64..13, day in 1_i64..29) {
            prop_assert_eq!(days(year, month, day), slow_days(year, month, day));
            prop_assert_eq!(civil(days(year, month, day)), (year, month, day));
        }

        /// The eight-bytes-at-a-time path takes exactly what the byte-by-byte path takes.
        #[test]
        fn fast_agrees_with_slow(
            text in "[0-3][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9][.][0-9]{3}Z",
            at in 0_usize..24,
            byte: u8,
        ) {
            let mut text: [u8; 24] = text.into_bytes().try_into().unwrap();
            prop_assert_eq!(parse_fixed(&text), parse_any(&text));
            text[at] = byte;
            if let Some(time) = parse_fixed(&text) {
                prop_assert_eq!(parse_any(&text), Some(time));
            }
            let template = b"0000-00-00T00:00:00.000Z";
            let shaped = text.iter().zip(template).all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                _ => byte == wanted,
            });
            if shaped {
                prop_assert_eq!(parse_fixed(&text), parse_any(&text));
            } else {
                prop_assert_eq!(parse_fixed(&text), None);
            }
        }

        #[test]
        fn takes_any_bytes(text: Vec<u8>) {
            let _ = parse(&text);
        }
    }
}
