//! Thresholds and severities: options of the session with the prefix `relaydrift`.
//!
//! A session has them all with their defaults; `set relaydrift.silence_hours = 6` changes one for
//! it, `set relaydrift.silence_hours = 'default'` takes that back, `show all verbose` lists them
//! with what they mean. Views read them through the function `setting`, so that an answer always
//! follows the settings of its session.

use std::any::Any;

use datafusion::arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit};
use datafusion::common::config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions};
use datafusion::common::{Result, ScalarValue, config_err};
use datafusion::prelude::SessionContext;

/// The severities that a finding can have, worst first.
pub const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "info"];

/// One thing that can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its name, with the prefix `relaydrift.`; its unit stands at the end.
    pub name: &'static str,
    /// The value that it has unless it is set.
    pub default: &'static str,
    /// What it decides.
    pub description: &'static str,
    kind: Kind,
}

/// What a value is and how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A number of days, whole or not.
    Days,
    /// A number of hours, whole or not.
    Hours,
    /// A number of minutes, whole or not.
    Minutes,
    /// A whole number from one on.
    Count,
    /// From 0 to 100.
    Percent,
    /// From 0 to 1, as a fraction (`1/3`) or a decimal number.
    Share,
    /// One of [`SEVERITIES`].
    Severity,
}

/// Longer times have no meaning here and would leave the range of time stamps.
const LONGEST_DAYS: f64 = 36_500.0;

impl Kind {
    /// The type of the value in SQL: times are intervals.
    fn data_type(self) -> DataType {
        match self {
            Kind::Days | Kind::Hours | Kind::Minutes => {
                DataType::Interval(IntervalUnit::MonthDayNano)
            }
            Kind::Count => DataType::Int64,
            Kind::Percent | Kind::Share => DataType::Float64,
            Kind::Severity => DataType::Utf8,
        }
    }

    /// What may be written, for messages.
    fn expects(self) -> &'static str {
        match self {
            Kind::Days => "a number of days up to 36500",
            Kind::Hours => "a number of hours up to 876000",
            Kind::Minutes => "a number of minutes up to 52560000",
            Kind::Count => "a whole number from 1 on",
            Kind::Percent => "a number from 0 to 100",
            Kind::Share => "a fraction such as 1/3, or a number from 0 to 1",
            Kind::Severity => "critical, high, medium, low or info",
        }
    }

    /// The value that a text stands for; `None` where it is not what the kind expects.
    fn value(self, text: &str) -> Option<ScalarValue> {
        let number = || text.parse::<f64>().ok().filter(|number| number.is_finite());
        let time = |hours: f64| {
            let hours = number()? * hours;
            let days = 0.0..=LONGEST_DAYS;
            // Times go by the microsecond, as those of the logs.
            let nanoseconds = (hours * 3_600_000_000.0).round() as i64 * 1_000;
            days.contains(&(hours / 24.0))
                .then(|| IntervalMonthDayNano::new(0, 0, nanoseconds))
                .map(|interval| ScalarValue::IntervalMonthDayNano(Some(interval)))
        };
        let share = || match text.split_once('/') {
            Some((part, whole)) => {
                let (part, whole) = (part.trim().parse::<u32>(), whole.trim().parse::<u32>());
                Some(f64::from(part.ok()?) / f64::from(whole.ok()?))
            }
            None => number(),
        };
        let within = |number: f64, most: f64| {
            let fits = (0.0..=most).contains(&number);
            fits.then_some(ScalarValue::Float64(Some(number)))
        };
        match self {
            Kind::Days => time(24.0),
            Kind::Hours => time(1.0),
            Kind::Minutes => time(1.0 / 60.0),
            Kind::Count => {
                let count = text.parse::<i64>().ok().filter(|count| *count > 0)?;
                Some(ScalarValue::Int64(Some(count)))
            }
            Kind::Percent => within(number()?, 100.0),
            Kind::Share => within(share()?, 1.0),
            Kind::Severity => SEVERITIES.contains(&text).then(|| ScalarValue::from(text)),
        }
    }
}

macro_rules! list {
    ($($kind:ident $name:ident = $default:literal: $description:literal,)*) => {
        &[$(Setting {
            name: concat!("relaydrift.", stringify!($name)),
            default: $default,
            description: $description,
            kind: Kind::$kind,
        }),*]
    };
}

const SETTINGS: &[Setting] = list![
    Days egress_baseline_days = "14": "An egress address seen within this time belongs to the baseline: its return is no finding.",
    Count egress_moved_sessions = "20": "A new egress address is a finding after so many sessions.",
    Hours egress_moved_hours = "1": "A new egress address is a finding when it was used for so long.",
    Count flapping_returns = "3": "So many returns to an earlier value within flapping_hours are one flapping finding.",
    Hours flapping_hours = "24": "The time within which returns flap.",
    Hours fleet_grace_hours = "24": "A server may differ from its fleet for so long, as in a rolling renewal.",
    Count fleet_servers = "3": "Fewer servers with a result of their own are no fleet.",
    Hours silence_hours = "4": "A shorter silence is no finding.",
    Percent silence_percentile = "99": "A silence must be longer than this percentile of the gaps that began in that hour of the week.",
    Count silence_weeks = "4": "So many weeks before a silence it is compared with.",
    Count silence_sessions = "10": "A silence is a finding where so many sessions were to be expected.",
    Days expiry_first_days = "60": "The first band of an expiry: so long before the end, at most expiry_first_share of the life.",
    Share expiry_first_share = "1/3": "The share of its life that the first band of a certificate takes at most.",
    Days expiry_second_days = "30": "The second band of an expiry: so long before the end, at most expiry_second_share of the life.",
    Share expiry_second_share = "1/6": "The share of its life that the second band of a certificate takes at most.",
    Days expiry_last_days = "7": "The last band of an expiry: so long before the end.",
    Days expiry_short_life_days = "50": "A certificate with a shorter life has the last band expiry_last_short_days.",
    Days expiry_last_short_days = "3": "The last band of a certificate with a short life.",
    Minutes clock_warning_minutes = "5": "A server's clock that is off by more than this is warned of.",
    Minutes critical_minutes = "15": "A refusal on every server of a connector is critical when it lasted so long on each.",
    Count incident_transactions = "3": "An incident opens with so many refused transactions to recipients outside.",
    Count incident_sessions = "2": "An incident opens with refusals in so many sessions.",
    Percent incident_percent = "20": "An incident opens when so much of a server's mail to recipients outside is refused (all of it where there are fewer than incident_transactions).",
    Minutes incident_window_minutes = "15": "The time within which refusals open an incident.",
    Hours incident_merge_hours = "2": "Refusals with a shorter gap between them belong to one incident.",
    Minutes incident_close_minutes = "60": "An incident closes so long after its last refusal, with incident_close_relays proved relays.",
    Count incident_close_relays = "3": "The proved relays that close an incident.",
    Days incident_historic_days = "7": "A closed incident is historic so long after its repair.",
    Minutes incident_recovering_minutes = "60": "For so long after a repair an incident is recovering: Exchange Online takes time to apply a change.",
    Severity severity_refused_everywhere = "critical": "Severity of a breaking finding where every server of the connector is refused.",
    Severity severity_refused = "high": "Severity of a breaking finding otherwise.",
    Severity severity_recipient_side = "medium": "Severity of mail that the recipients' side refuses.",
    Severity severity_repaired = "info": "Severity of a return to an earlier value that ends refusals.",
    Severity severity_renewed = "info": "Severity of a renewed certificate.",
    Severity severity_reissued = "info": "Severity of a certificate from another issuer.",
    Severity severity_renamed = "medium": "Severity of a certificate with another name.",
    Severity severity_names_lost = "medium": "Severity of a certificate that lacks names of the one before.",
    Severity severity_reverted = "medium": "Severity of a certificate that came back.",
    Severity severity_flapping = "medium": "Severity of certificates or addresses that change to and fro.",
    Severity severity_missing = "high": "Severity of a certificate that is proved absent.",
    Severity severity_expired = "high": "Severity of a certificate in use after its end.",
    Severity severity_expiring_first = "info": "Severity of a certificate in the first band before its end.",
    Severity severity_expiring_second = "medium": "Severity of a certificate in the second band before its end.",
    Severity severity_expiring_last = "high": "Severity of a certificate in the last band before its end.",
    Severity severity_moved = "info": "Severity of a new egress address.",
    Severity severity_family_changed = "medium": "Severity of an egress address of another family (IPv4, IPv6).",
    Severity severity_outside_expected = "high": "Severity of an egress address outside the imported expectation.",
    Severity severity_lost = "high": "Severity of TLS that is no longer used.",
    Severity severity_downgraded = "medium": "Severity of TLS below version 1.2.",
    Severity severity_intercepted = "high": "Severity of a peer certificate that does not name Microsoft, or of a masked STARTTLS.",
    Severity severity_peer = "info": "Severity of a peer certificate for other names.",
    Severity severity_diverged = "medium": "Severity of a server whose result differs from its fleet's.",
    Severity severity_silence = "medium": "Severity of a server that no longer sends.",
];

/// Everything that can be set.
pub fn settings() -> &'static [Setting] {
    SETTINGS
}

fn position(name: &str) -> Option<usize> {
    SETTINGS.iter().position(|setting| setting.name == name)
}

fn unknown<T>(name: &str) -> Result<T> {
    config_err!(
        "there is no setting {name}: select name, value, description from \
         information_schema.df_settings where name like 'relaydrift.%' lists them"
    )
}

/// The type of a setting's value in SQL.
///
/// # Errors
/// Where there is no such setting.
pub(crate) fn data_type(name: &str) -> Result<DataType> {
    match position(name) {
        Some(at) => Ok(SETTINGS[at].kind.data_type()),
        None => unknown(name),
    }
}

/// The settings of one session: a text for each of [`settings`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings(Vec<String>);

impl Default for Settings {
    fn default() -> Self {
        let defaults = SETTINGS.iter().map(|setting| setting.default.to_owned());
        Settings(defaults.collect())
    }
}

impl Settings {
    /// The settings of a session; the defaults where it has none.
    pub fn of(options: &ConfigOptions) -> Settings {
        let settings = options.extensions.get::<Settings>();
        settings.cloned().unwrap_or_default()
    }

    /// The value of one setting by its full name.
    ///
    /// # Errors
    /// Where there is no such setting.
    pub fn value(&self, name: &str) -> Result<ScalarValue> {
        let Some(at) = position(name) else {
            return unknown(name);
        };
        match SETTINGS[at].kind.value(&self.0[at]) {
            Some(value) => Ok(value),
            None => config_err!("{name} = {}: {}", self.0[at], SETTINGS[at].kind.expects()),
        }
    }
}

/// Gives a session the settings unless it has them already.
pub(crate) fn register(ctx: &SessionContext) {
    let state = ctx.state_ref();
    let mut state = state.write();
    let extensions = &mut state.config_mut().options_mut().extensions;
    if extensions.get::<Settings>().is_none() {
        extensions.insert(Settings::default());
    }
}

impl ConfigExtension for Settings {
    const PREFIX: &'static str = "relaydrift";
}

impl ExtensionOptions for Settings {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let name = format!("{}.{key}", Self::PREFIX);
        let Some(at) = position(&name) else {
            return unknown(&name);
        };
        let value = value.trim().to_lowercase();
        if value == "default" {
            SETTINGS[at].default.clone_into(&mut self.0[at]);
        } else if SETTINGS[at].kind.value(&value).is_some() {
            self.0[at] = value;
        } else {
            let expects = SETTINGS[at].kind.expects();
            return config_err!("{name} cannot be '{value}': it takes {expects}");
        }
        Ok(())
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        let entries = SETTINGS.iter().zip(&self.0);
        entries
            .map(|(setting, value)| ConfigEntry {
                key: setting.name.to_owned(),
                value: Some(value.clone()),
                description: setting.description,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_unit_and_defaults_are_valid() {
        for setting in SETTINGS {
            let (name, text) = (setting.name, setting.default);
            let fits = match setting.kind {
                Kind::Days => name.ends_with("_days"),
                Kind::Hours => name.ends_with("_hours"),
                Kind::Minutes => name.ends_with("_minutes"),
                Kind::Percent => name.ends_with("_percent") || name.ends_with("_percentile"),
                Kind::Share => name.ends_with("_share"),
                Kind::Severity => name.starts_with("relaydrift.severity_"),
                Kind::Count => !name.ends_with("_days"),
            };
            assert!(fits, "{name}");
            let value = setting.kind.value(text).unwrap();
            assert_eq!(value.data_type(), data_type(name).unwrap(), "{name}");
            assert!(setting.description.ends_with('.'), "{name}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let mut settings = Settings::default();
        for (key, value) in [
            ("silence_hours", "-1"),
            ("silence_hours", "long"),
            ("egress_baseline_days", "inf"),
            ("egress_baseline_days", "36501"),
            ("fleet_servers", "0"),
            ("fleet_servers", "2.5"),
            ("silence_percentile", "101"),
            ("expiry_first_share", "1/0"),
            ("expiry_first_share", "3/2"),
            ("severity_moved", "harmless"),
        ] {
            let error = settings.set(key, value).unwrap_err().to_string();
            assert!(error.contains(key) && error.contains(value), "{error}");
        }
        assert_eq!(settings, Settings::default());
        let error = settings.set("silence", "1").unwrap_err().to_string();
        assert!(error.contains("relaydrift.silence"), "{error}");
    }

    #[test]
    fn a_value_is_what_its_text_says_and_default_takes_it_back() {
        let mut settings = Settings::default();
        let micros = |settings: &Settings, name: &str| match settings.value(name).unwrap() {
            ScalarValue::IntervalMonthDayNano(Some(time)) => time.nanoseconds / 1_000,
            other => panic!("{other}"),
        };
        assert_eq!(
            micros(&settings, "relaydrift.silence_hours"),
            14_400_000_000
        );
        assert_eq!(
            micros(&settings, "relaydrift.clock_warning_minutes"),
            300_000_000
        );
        settings.set("silence_hours", " 4.5 ").unwrap();
        assert_eq!(
            micros(&settings, "relaydrift.silence_hours"),
            16_200_000_000
        );
        settings.set("silence_hours", "Default").unwrap();
        assert_eq!(settings, Settings::default());
        let third = settings.value("relaydrift.expiry_first_share").unwrap();
        assert_eq!(third, ScalarValue::Float64(Some(1.0 / 3.0)));
    }
}
