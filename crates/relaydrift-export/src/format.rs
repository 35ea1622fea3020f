//! Formats: one pure renderer per file, an event in, one record out.
//!
//! A record has no line end of its own and holds none: whatever a stranger wrote into a log cannot
//! begin a second record.

mod cef;
mod csv;
mod ecs;
mod leef;
mod ndjson;
mod ocsf;
mod sentinel;
mod splunk;
#[cfg(test)]
mod tests;

use crate::event::Event;
use crate::syslog;

pub use self::csv::header as csv_header;
pub use self::ocsf::class as ocsf_class;

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OCSF 1.3.0 as JSON: what Amazon Security Lake and Google SecOps take.
    Ocsf13,
    /// OCSF 1.9.0 as JSON.
    Ocsf19,
    /// Elastic Common Schema 9.
    Ecs,
    /// Rows for the custom tables in `siem/sentinel`.
    Sentinel,
    /// Splunk HTTP Event Collector, with CIM names.
    Splunk,
    /// CEF 1 inside RFC 5424 syslog.
    Cef,
    /// LEEF 2.0 inside RFC 5424 syslog.
    Leef,
    /// Everything, under our own names.
    Ndjson,
    /// The same, flat. Texts that a spreadsheet would run get a `'` in front.
    Csv,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 9] = [
        Format::Ocsf13,
        Format::Ocsf19,
        Format::Ecs,
        Format::Sentinel,
        Format::Splunk,
        Format::Cef,
        Format::Leef,
        Format::Ndjson,
        Format::Csv,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Ocsf13 => "ocsf-1.3",
            Format::Ocsf19 => "ocsf-1.9",
            Format::Ecs => "ecs",
            Format::Sentinel => "sentinel",
            Format::Splunk => "splunk",
            Format::Cef => "cef",
            Format::Leef => "leef",
            Format::Ndjson => "ndjson",
            Format::Csv => "csv",
        }
    }

    /// The ending of files in this format.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Cef | Format::Leef => "log",
            Format::Csv => "csv",
            _ => "ndjson",
        }
    }

    /// Whether a record is a syslog message, which a syslog receiver takes.
    pub fn is_syslog(self) -> bool {
        matches!(self, Format::Cef | Format::Leef)
    }

    /// Appends the event as one record, without a line end.
    pub fn render(self, event: &Event, out: &mut Vec<u8>) {
        match self {
            Format::Ocsf13 => ocsf::render(event, ocsf::Version::V1_3, out),
            Format::Ocsf19 => ocsf::render(event, ocsf::Version::V1_9, out),
            Format::Ecs => ecs::render(event, out),
            Format::Sentinel => sentinel::render(event, out),
            Format::Splunk => splunk::render(event, out),
            Format::Cef => {
                syslog::header(event, out);
                cef::render(event, out);
            }
            Format::Leef => {
                syslog::header(event, out);
                leef::render(event, out);
            }
            Format::Ndjson => ndjson::render(event, out),
            Format::Csv => csv::render(event, out),
        }
    }
}
