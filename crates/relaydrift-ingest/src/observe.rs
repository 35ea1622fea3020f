//! Observations: what a connector showed on a server, hour by hour.
//!
//! They are sums, so that any number of rows for the same hour mean the same as one: however the
//! input was cut, adding them up gives the same table.

use std::hash::BuildHasher;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::columns::{Int64, Time, Utf8, append, columns};
use crate::{Place, Table};

/// Microseconds in an hour.
pub(crate) const HOUR: i64 = 3_600_000_000;

/// What kind of value an observation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Thumbprint of the certificate sent; `none` where it is proved that Exchange Online got none.
    Certificate,
    /// Public address that an Exchange Online peer greeted.
    Egress,
    /// TLS protocol; `none` where it is proved that mail went to Exchange Online in the clear.
    Tls,
    /// Name of the error by which TLS failed.
    TlsFailure,
    /// `offered`, `absent` or `stripped`, by Exchange Online or a peer behind a masking device.
    StartTls,
    /// Whole seconds by which the server's clock is ahead of Exchange Online's.
    Skew,
    /// Thumbprint of the peer's certificate.
    Peer,
    /// Recipient domain, toward Exchange Online.
    Relay,
    /// Who was reached: `eop/worldwide`, `proxy`, `exchange`, `other/private`, …
    Route,
    /// Log rows, whatever they say; the value is empty.
    Rows,
}

impl Kind {
    /// As stored in `observations.kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Certificate => "certificate",
            Kind::Egress => "egress",
            Kind::Tls => "tls",
            Kind::TlsFailure => "tls_failure",
            Kind::StartTls => "starttls",
            Kind::Skew => "skew",
            Kind::Peer => "peer",
            Kind::Relay => "relay",
            Kind::Route => "route",
            Kind::Rows => "rows",
        }
    }
}

columns! {
    /// Builders of `observations`.
    ObservationColumns for Table::Observations, {
        organization: Utf8, server: Utf8, service: Utf8, connector_id: Utf8, kind: Utf8,
        value: Utf8, hour: Time, first_seen: Time, last_seen: Time, sessions: Int64, rows: Int64,
        accepted: Int64, refused: Int64, first_accepted: Time, last_accepted: Time,
        first_refused: Time, last_refused: Time, first_session_id: Utf8, first_source_id: Utf8,
        first_line: Int64,
    }
}

/// Recipients accepted and refused, and when.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Answers {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) first_accepted: Option<i64>,
    pub(crate) last_accepted: Option<i64>,
    pub(crate) first_refused: Option<i64>,
    pub(crate) last_refused: Option<i64>,
}

impl Answers {
    pub(crate) fn accept(&mut self, time: i64) {
        self.accepted += 1;
        self.first_accepted = earlier(self.first_accepted, Some(time));
        self.last_accepted = self.last_accepted.max(Some(time));
    }

    pub(crate) fn refuse(&mut self, time: i64) {
        self.refused += 1;
        self.first_refused = earlier(self.first_refused, Some(time));
        self.last_refused = self.last_refused.max(Some(time));
    }

    pub(crate) fn is_any(&self) -> bool {
        self.accepted + self.refused > 0
    }

    pub(crate) fn add(&mut self, other: &Answers) {
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.first_accepted = earlier(self.first_accepted, other.first_accepted);
        self.last_accepted = self.last_accepted.max(other.last_accepted);
        self.first_refused = earlier(self.first_refused, other.first_refused);
        self.last_refused = self.last_refused.max(other.last_refused);
    }
}

fn earlier(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        _ => a.or(b),
    }
}

/// The session that showed a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Showing<'a> {
    pub(crate) start: i64,
    pub(crate) rows: u64,
    pub(crate) session_id: &'a [u8],
    pub(crate) source: u32,
    pub(crate) line: u64,
}

#[derive(Debug)]
struct Key {
    place: u32,
    kind: Kind,
    hour: i64,
    connector: Box<[u8]>,
    value: Box<[u8]>,
}

/// [`Key`] while it is looked for: borrowed.
struct KeyRef<'a> {
    place: u32,
    kind: Kind,
    hour: i64,
    connector: &'a [u8],
    value: &'a [u8],
}

impl KeyRef<'_> {
    fn hash(&self, state: &RandomState) -> u64 {
        let KeyRef {
            place,
            kind,
            hour,
            connector,
            value,
        } = *self;
        state.hash_one((place, kind, hour, connector, value))
    }

    fn is(&self, key: &Key) -> bool {
        self.place == key.place
            && self.kind == key.kind
            && self.hour == key.hour
            && *self.connector == *key.connector
            && *self.value == *key.value
    }

    fn to_key(&self) -> Key {
        let KeyRef {
            place,
            kind,
            hour,
            connector,
            value,
        } = *self;
        Key {
            place,
            kind,
            hour,
            connector: connector.into(),
            value: value.into(),
        }
    }
}

impl Key {
    fn borrow(&self) -> KeyRef<'_> {
        let Key {
            place,
            kind,
            hour,
            connector,
            value,
        } = self;
        KeyRef {
            place: *place,
            kind: *kind,
            hour: *hour,
            connector,
            value,
        }
    }
}

#[derive(Debug)]
struct Sum {
    first_seen: i64,
    last_seen: i64,
    sessions: u64,
    rows: u64,
    answers: Answers,
    session_id: Box<[u8]>,
    source: u32,
    line: u64,
}

/// The observations of one task.
#[derive(Default)]
pub(crate) struct Observations {
    sums: HashTable<(Key, Sum)>,
    state: RandomState,
}

impl Observations {
    fn sum(&mut self, key: &KeyRef<'_>) -> &mut Sum {
        let state = &self.state;
        let hash = key.hash(state);
        let rehash = |(key, _): &(Key, Sum)| key.borrow().hash(state);
        let entry = self.sums.entry(hash, |(known, _)| key.is(known), rehash);
        let new = || Sum {
            first_seen: i64::MAX,
            last_seen: i64::MIN,
            sessions: 0,
            rows: 0,
            answers: Answers::default(),
            session_id: Box::default(),
            source: 0,
            line: 0,
        };
        &mut entry.or_insert_with(|| (key.to_key(), new())).into_mut().1
    }

    /// A session showed a value under a connector.
    pub(crate) fn session(
        &mut self,
        (place, connector): (u32, &[u8]),
        kind: Kind,
        value: &[u8],
        showing: &Showing<'_>,
        answers: &Answers,
    ) {
        let hour = showing.start.div_euclid(HOUR) * HOUR;
        let key = KeyRef {
            place,
            kind,
            hour,
            connector,
            value,
        };
        let sum = self.sum(&key);
        // Of two sessions that started together, the one with the smaller id counts as the first.
        let first = (showing.start, showing.session_id) < (sum.first_seen, &*sum.session_id);
        if first || sum.sessions == 0 {
            sum.session_id = showing.session_id.into();
            sum.source = showing.source;
            sum.line = showing.line;
        }
        sum.first_seen = sum.first_seen.min(showing.start);
        sum.last_seen = sum.last_seen.max(showing.start);
        sum.sessions += 1;
        sum.rows += showing.rows;
        sum.answers.add(answers);
    }

    /// Rows were logged in an hour.
    pub(crate) fn rows(&mut self, place: u32, connector: &[u8], hour: i64, seen: &HourRows) {
        let key = KeyRef {
            place,
            kind: Kind::Rows,
            hour,
            connector,
            value: b"",
        };
        let sum = self.sum(&key);
        sum.first_seen = sum.first_seen.min(seen.first);
        sum.last_seen = sum.last_seen.max(seen.last);
        sum.rows += seen.rows;
    }

    /// The sums as rows, nothing left behind.
    pub(crate) fn finish(
        &mut self,
        places: &[Place],
        source_id: &dyn Fn(u32) -> String,
        batch: i64,
    ) -> Result<Option<RecordBatch>, ArrowError> {
        let mut columns = ObservationColumns::new();
        for (key, sum) in self.sums.drain() {
            columns.push(&places[key.place as usize], &key, &sum, source_id);
        }
        if columns.len() == 0 {
            Ok(None)
        } else {
            columns.finish(batch).map(Some)
        }
    }
}

/// Rows of one connector in one hour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HourRows {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) rows: u64,
}

impl ObservationColumns {
    fn push(&mut self, place: &Place, key: &Key, sum: &Sum, source_id: &dyn Fn(u32) -> String) {
        let int = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.organization.append_value(&place.organization);
        self.server.append_value(&place.server);
        self.service.append_value(&place.service);
        append(&mut self.connector_id, &key.connector);
        self.kind.append_value(key.kind.as_str());
        self.value
            .append_value(relaydrift_parse::text::lossless(&key.value));
        self.hour.append_value(key.hour);
        self.first_seen.append_value(sum.first_seen);
        self.last_seen.append_value(sum.last_seen);
        self.sessions.append_value(int(sum.sessions));
        self.rows.append_value(int(sum.rows));
        self.accepted.append_value(int(sum.answers.accepted));
        self.refused.append_value(int(sum.answers.refused));
        self.first_accepted
            .append_option(sum.answers.first_accepted);
        self.last_accepted.append_option(sum.answers.last_accepted);
        self.first_refused.append_option(sum.answers.first_refused);
        self.last_refused.append_option(sum.answers.last_refused);
        append(&mut self.first_session_id, &sum.session_id);
        if sum.session_id.is_empty() {
            self.first_source_id.append_null();
            self.first_line.append_null();
        } else {
            self.first_source_id.append_value(source_id(sum.source));
            self.first_line.append_value(int(sum.line));
        }
        self.end_row();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builders_fit_the_schema() {
        let batch = ObservationColumns::new().finish(1).unwrap();
        assert_eq!(batch.schema(), Table::Observations.schema());
    }
}
