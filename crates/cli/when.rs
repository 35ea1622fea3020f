//! Times as a person types them.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Result, bail};

const HOUR: i64 = 3_600_000_000;

/// A time: fixed, or so long before "now".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Microseconds since 1970, UTC.
    At(i64),
    /// Microseconds before "now".
    Ago(i64),
    /// The time of the clock on the wall.
    Now,
}

impl When {
    /// Microseconds since 1970, where `now` is the time that "ago" counts back from.
    pub fn micros(self, now: i64) -> i64 {
        match self {
            When::At(micros) => micros,
            When::Ago(micros) => now.saturating_sub(micros),
            When::Now => clock(),
        }
    }
}

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(i64);

impl Span {
    /// In microseconds.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// The same for a clock.
    pub fn duration(self) -> Duration {
        Duration::from_micros(u64::try_from(self.0).unwrap_or(0))
    }
}

impl FromStr for Span {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Span> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[digits.len()..] {
            "ms" => 1000,
            "s" => 1_000_000,
            "m" => HOUR / 60,
            "h" => HOUR,
            "d" => 24 * HOUR,
            _ => 0,
        };
        match digits.parse::<u32>() {
            Ok(count) if unit > 0 => Ok(Span(i64::from(count).saturating_mul(unit))),
            _ => bail!("write 500ms, 10s, 5m, 2h or 1d"),
        }
    }
}

/// The clock on the wall: microseconds since 1970.
pub fn clock() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}

impl FromStr for When {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<When> {
        if text == "now" {
            return Ok(When::Now);
        }
        if let Some(micros) = relaydrift_parse::time::parse(text.as_bytes()) {
            return Ok(When::At(micros));
        }
        // A date, and a time of day without a zone, are UTC like everything else here.
        let zoned = match text.len() {
            10 => format!("{text}T00:00:00Z"),
            16 => format!("{}:00Z", text.replace(' ', "T")),
            _ => format!("{}Z", text.replace(' ', "T")),
        };
        if let Some(micros) = relaydrift_parse::time::parse(zoned.as_bytes()) {
            return Ok(When::At(micros));
        }
        let unit = match text.chars().last() {
            Some('m') => HOUR / 60,
            Some('h') => HOUR,
            Some('d') => 24 * HOUR,
            Some('w') => 7 * 24 * HOUR,
            _ => 0,
        };
        let count = text
            .get(..text.len().saturating_sub(1))
            .and_then(|n| n.parse::<u32>().ok());
        match count {
            Some(count) if unit > 0 => Ok(When::Ago(i64::from(count).saturating_mul(unit))),
            _ => bail!("write 2026-10-05, 2026-10-05T10:00:00Z, or 90m, 24h, 7d, 2w back from now"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, micros) in [("500ms", 500_000), ("10s", 10_000_000), ("2h", 2 * HOUR)] {
            assert_eq!(text.parse::<Span>().unwrap().micros(), micros, "{text}");
        }
        for wrong in ["", "10", "s", "-5s", "5 s", "5w", "5\u{e9}"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn dates_times_and_spans() {
        let day = 1_790_812_800_000_000;
        assert_eq!("2026-10-01".parse::<When>().unwrap(), When::At(day));
        assert_eq!(
            "2026-10-01T01:00:00Z".parse::<When>().unwrap(),
            When::At(day + HOUR)
        );
        assert_eq!(
            "2026-10-01T02:00:00+01:00".parse::<When>().unwrap(),
            When::At(day + HOUR)
        );
        assert_eq!(
            "2026-10-01 01:00".parse::<When>().unwrap(),
            When::At(day + HOUR)
        );
        assert_eq!(
            "2026-10-01 01:00:00.5".parse::<When>().unwrap(),
            When::At(day + HOUR + 500_000)
        );
        assert_eq!(
            "7d".parse::<When>().unwrap().micros(day),
            day - 7 * 24 * HOUR
        );
        assert_eq!("90m".parse::<When>().unwrap(), When::Ago(90 * HOUR / 60));
        assert_eq!("now".parse::<When>().unwrap(), When::Now);
        for wrong in [
            "",
            "d",
            "-1d",
            "7 days",
            "2026-13-01",
            "yesterday",
            "\u{65e5}",
        ] {
            assert!(wrong.parse::<When>().is_err(), "{wrong}");
        }
    }
}
