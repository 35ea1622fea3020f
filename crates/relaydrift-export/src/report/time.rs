//! Times of the report: microseconds since 1970, shown in UTC, and the marks of a time axis.

/// Microseconds since 1970, UTC.
pub type Time = i64;

/// Microseconds of an hour.
pub const HOUR: i64 = 3_600_000_000;
/// Microseconds of a day.
pub const DAY: i64 = 24 * HOUR;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
/// Marks that a wide axis has room for.
const TICKS: i64 = 10;

/// `2026-10-05 10:02:11`
pub fn second(time: Time) -> String {
    let text = relaydrift_parse::time::format(time).replace('T', " ");
    text.split(['.', 'Z']).next().unwrap_or_default().into()
}

/// `2026-10-05 10:02`
pub fn minute(time: Time) -> String {
    cut(second(time), 3)
}

/// `2026-10-05`
pub fn day(time: Time) -> String {
    cut(second(time), 9)
}

fn cut(mut text: String, end: usize) -> String {
    text.truncate(text.len().saturating_sub(end));
    text
}

/// `2026-10-05 10:02 to 2026-10-06 11:00`, the second date only where it differs.
pub fn range(from: Time, to: Time) -> String {
    let (first, last) = (minute(from), minute(to));
    if first == last {
        first
    } else if day(from) == day(to) {
        format!("{first} to {}", &last[last.len() - 5..])
    } else {
        format!("{first} to {last}")
    }
}

/// The time that a picture shows, from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// The left end.
    pub from: Time,
    /// The right end, later than `from`.
    pub to: Time,
}

/// A mark on the axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// Where.
    pub at: Time,
    /// `5 Oct`, `06:00`
    pub label: String,
    /// One that a narrow picture leaves out.
    pub minor: bool,
}

impl Axis {
    /// An axis; one without length gets an hour.
    pub fn new(from: Time, to: Time) -> Axis {
        Axis {
            from,
            to: if to > from { to } else { from + HOUR },
        }
    }

    /// Where a time lies, from 0 to 1.
    pub fn part(&self, at: Time) -> f64 {
        let at = at.clamp(self.from, self.to);
        (at - self.from) as f64 / (self.to - self.from) as f64
    }

    /// Marks at round times, at most eleven.
    pub fn ticks(&self) -> Vec<Tick> {
        let length = self.to - self.from;
        let steps = [1, 2, 3, 6, 12, 24, 48, 24 * 7, 24 * 14].map(|hours| hours * HOUR);
        let times: Vec<Time> = match steps.iter().find(|step| length / **step <= TICKS) {
            Some(&step) => {
                // Weeks begin on Mondays: 1970-01-05 was one.
                let zero = if step > 2 * DAY { 4 * DAY } else { 0 };
                let first = (self.from - zero).div_euclid(step) * step + zero;
                let times = (0..).map(|number| first + number * step);
                times.take_while(|at| *at <= self.to).collect()
            }
            None => self.months(length),
        };
        let hours = times.windows(2).any(|pair| pair[1] - pair[0] < DAY);
        let months = times.windows(2).all(|pair| pair[1] - pair[0] > 27 * DAY);
        let times: Vec<Time> = times.into_iter().filter(|at| *at >= self.from).collect();
        // Where there is room for half of them, midnights stay: they carry the date.
        let midnight = times.iter().position(|at| at.rem_euclid(DAY) == 0);
        let kept = midnight.unwrap_or(0) % 2;
        let ticks = times.into_iter().enumerate().map(|(number, at)| Tick {
            at,
            label: label(at, hours, months),
            minor: number % 2 != kept,
        });
        ticks.collect()
    }

    /// The first days of every month, quarter, year, …
    fn months(&self, length: i64) -> Vec<Time> {
        let total = length / (30 * DAY) + 1;
        let steps = [1, 3, 6, 12, 24, 60, 120, 600, 1200];
        let step = steps.into_iter().find(|step| total / step <= TICKS);
        let step = step.unwrap_or(12_000);
        let start = second(self.from);
        let year: i64 = start
            .get(..4)
            .and_then(|year| year.parse().ok())
            .unwrap_or(1970);
        let first = (year * 12).div_euclid(step) * step;
        let months = (0..).map(|number| first + number * step);
        let times = months.map_while(|month| {
            let text = format!(
                "{:04}-{:02}-01T00:00:00Z",
                month.div_euclid(12),
                month.rem_euclid(12) + 1
            );
            relaydrift_parse::time::parse(text.as_bytes()).filter(|at| *at <= self.to)
        });
        times.collect()
    }
}

fn label(at: Time, hours: bool, months: bool) -> String {
    let text = minute(at);
    let (date, clock) = text.split_once(' ').unwrap_or((&text, ""));
    let mut parts = date.rsplit('-');
    let day = parts.next().unwrap_or_default().trim_start_matches('0');
    let month = parts.next().and_then(|month| month.parse::<usize>().ok());
    let month = month.and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    let month = month.copied().unwrap_or_default();
    match (hours && clock != "00:00", months) {
        (true, _) => clock.into(),
        (false, true) => format!("{month} {}", parts.next().unwrap_or_default()),
        (false, false) => format!("{day} {month}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        relaydrift_parse::time::parse(text.as_bytes()).unwrap()
    }

    fn labels(from: &str, to: &str) -> Vec<String> {
        let ticks = Axis::new(at(from), at(to)).ticks();
        ticks.into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn times_are_shown() {
        let time = at("2026-10-05T10:02:11.123456Z");
        assert_eq!(second(time), "2026-10-05 10:02:11");
        assert_eq!(minute(time), "2026-10-05 10:02");
        assert_eq!(day(time), "2026-10-05");
        assert_eq!(range(time, time + HOUR), "2026-10-05 10:02 to 11:02");
        assert_eq!(range(time, time), "2026-10-05 10:02");
    }

    #[test]
    fn an_axis_has_round_marks() {
        let hours = labels("2026-10-05T22:30:00Z", "2026-10-06T04:00:00Z");
        assert_eq!(
            hours,
            ["23:00", "6 Oct", "01:00", "02:00", "03:00", "04:00"]
        );
        let ticks = Axis::new(at("2026-10-05T22:30:00Z"), at("2026-10-06T04:00:00Z")).ticks();
        let kept: Vec<&str> = ticks
            .iter()
            .filter(|tick| !tick.minor)
            .map(|tick| tick.label.as_str())
            .collect();
        assert_eq!(kept, ["6 Oct", "02:00", "04:00"]);
        let week = labels("2026-10-01T00:00:00Z", "2026-10-08T00:00:00Z");
        assert_eq!(week.first().map(String::as_str), Some("1 Oct"));
        assert_eq!(week.len(), 8);
        let year = labels("2025-11-20T00:00:00Z", "2026-11-20T00:00:00Z");
        assert_eq!(year, ["Jan 2026", "Apr 2026", "Jul 2026", "Oct 2026"]);
        let weeks = Axis::new(at("2026-10-01T00:00:00Z"), at("2026-11-20T00:00:00Z")).ticks();
        assert_eq!(weeks[0].label, "5 Oct");
        let century = labels("1926-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
        assert!(century.len() <= 11 && century.len() > 3, "{century:?}");
    }

    #[test]
    fn an_axis_always_has_length() {
        let axis = Axis::new(0, 0);
        assert_eq!(axis.part(0), 0.0);
        assert_eq!(axis.part(i64::MAX), 1.0);
        assert_eq!(axis.part(i64::MIN), 0.0);
    }
}
