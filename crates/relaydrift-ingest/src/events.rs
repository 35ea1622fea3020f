//! Rows of `events`, and the lines that are none: `rejects`.

use std::borrow::Cow;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use relaydrift_parse::{Columns, Reject, Row, Text, endpoint, record, reply, text::lossless};

use crate::columns::{Bytes, Int32, Int64, Prose, Texts, Time, Utf8, Words, append_list, columns};
use crate::{Place, Source, Table};

/// Bytes of a reject that are kept; its hash and length are of the whole.
pub(crate) const KEPT: usize = 64 * 1024;

columns! {
    /// Builders of `events`.
    EventColumns for Table::Events, {
        event_time: Time, organization: Words, server: Words, service: Words, connector_id: Words,
        session_id: Words, sequence: Int64, local_ip: Words, local_port: Int32, remote_ip: Words,
        remote_port: Int32, event: Words, data: Prose, context: Prose, reply_code: Int32,
        enhanced_code: Words, flags: Texts, extra: Utf8, raw: Bytes, source_id: Words,
        line: Int64, byte_offset: Int64,
    }
}

columns! {
    /// Builders of `rejects`.
    RejectColumns for Table::Rejects, {
        organization: Utf8, server: Utf8, service: Utf8, source_id: Utf8, line: Int64,
        byte_offset: Int64, bytes: Int64, reason: Utf8, raw: Bytes, hash: Utf8,
    }
}

/// What a look over all bytes of a piece tells about each of its rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytewise {
    utf8: bool,
    nul: bool,
    odd_breaks: bool,
}

impl Bytewise {
    pub(crate) fn of(bytes: &[u8]) -> Bytewise {
        Bytewise {
            utf8: simdutf8::basic::from_utf8(bytes).is_ok(),
            nul: memchr::memchr(0, bytes).is_some(),
            odd_breaks: has_odd_break(bytes),
        }
    }
}

/// VT, FF, U+0085, U+2028 or U+2029: line ends to some programs, none here.
fn has_odd_break(bytes: &[u8]) -> bool {
    memchr::memchr2(0x0B, 0x0C, bytes).is_some()
        || memchr::memmem::find(bytes, b"\xC2\x85").is_some()
        || memchr::memmem::find(bytes, b"\xE2\x80\xA8").is_some()
        || memchr::memmem::find(bytes, b"\xE2\x80\xA9").is_some()
}

/// One end of the connection in the row before; most rows have the same.
#[derive(Default)]
struct End {
    field: Vec<u8>,
    port: Option<i32>,
    odd: bool,
}

impl End {
    fn push(&mut self, field: &[u8], ips: &mut Words, ports: &mut Int32, utf8: bool) {
        if field == self.field && ips.len() > 0 {
            ips.repeat();
        } else {
            let endpoint = endpoint::parse(field);
            ips.push(&text(endpoint.map_or(b"", |endpoint| endpoint.ip), utf8));
            self.port = endpoint.and_then(|endpoint| endpoint.port).map(i32::from);
            self.odd = endpoint.is_some_and(|endpoint| endpoint.odd);
            self.field.clear();
            self.field.extend_from_slice(field);
        }
        ports.append_option(self.port);
    }
}

/// `bytes` if they are UTF-8, else what [`lossless`] makes of them.
fn text(bytes: &[u8], utf8: bool) -> Cow<'_, [u8]> {
    if utf8 {
        return Cow::Borrowed(bytes);
    }
    match lossless(bytes) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// A field's value as [`text`].
fn value(field: Text<'_>, utf8: bool) -> Cow<'_, [u8]> {
    match field.value() {
        Cow::Borrowed(bytes) => text(bytes, utf8),
        Cow::Owned(bytes) => Cow::Owned(text(&bytes, utf8).into_owned()),
    }
}

/// Rows of `events`, which go into its columns beside the row before.
pub(crate) struct Events {
    columns: EventColumns,
    log: Option<usize>,
    /// The last id, and whether it is odd; none is.
    session: (Vec<u8>, bool),
    local: End,
    remote: End,
}

impl Events {
    pub(crate) fn with_room(rows: usize) -> Events {
        Events {
            columns: EventColumns::with_room(rows),
            log: None,
            session: (Vec::new(), true),
            local: End::default(),
            remote: End::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.columns.len()
    }

    /// The rows so far, texts that repeat as dictionaries.
    pub(crate) fn finish(&mut self, batch: i64) -> Result<RecordBatch, ArrowError> {
        self.log = None;
        self.columns.finish(batch)
    }

    /// `log` is the number of the source among those that are read together.
    pub(crate) fn push(
        &mut self,
        row: &Row<'_>,
        (log, source): (usize, &Source),
        bytewise: Bytewise,
        extra: Option<&str>,
    ) {
        let Source {
            place, source_id, ..
        } = source;
        let record = &row.record;
        let utf8 = bytewise.utf8 || simdutf8::basic::from_utf8(record.line).is_ok();
        let columns = &mut self.columns;
        columns.event_time.append_value(record.time);
        // The last row's log, most of the time.
        let of_log = [
            (&mut columns.organization, &place.organization),
            (&mut columns.server, &place.server),
            (&mut columns.service, &place.service),
            (&mut columns.source_id, source_id),
        ];
        let same_log = self.log.replace(log) == Some(log);
        for (column, text) in of_log {
            match same_log {
                true => column.repeat(),
                false => column.push(text.as_bytes()),
            }
        }
        columns.connector_id.push(&value(record.connector(), utf8));
        if record.session_id() != self.session.0 {
            self.session.0.clear();
            self.session.0.extend_from_slice(record.session_id());
            self.session.1 = record.has_odd_session_id();
        }
        columns.session_id.push(&text(record.session_id(), utf8));
        columns.sequence.append_value(record.sequence);
        let (ips, ports) = (&mut columns.local_ip, &mut columns.local_port);
        self.local.push(record.local(), ips, ports, utf8);
        let (ips, ports) = (&mut columns.remote_ip, &mut columns.remote_port);
        self.remote.push(record.remote(), ips, ports, utf8);
        columns.event.push(&text(record.event(), utf8));
        columns.data.push(&value(record.data(), utf8));
        columns.context.push(&value(record.context(), utf8));
        let reply = if record.event() == b"<" {
            reply::parse(record.data().bytes)
        } else {
            None
        };
        let code = reply.map(|reply| i32::from(reply.code));
        columns.reply_code.append_option(code);
        let enhanced = reply.and_then(|reply| reply.enhanced).unwrap_or_default();
        columns.enhanced_code.push(&text(enhanced, utf8));
        columns.extra.append_option(extra);
        columns.raw.append_option((!utf8).then_some(record.line));
        let int = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        columns.line.append_value(int(row.number));
        columns.byte_offset.append_value(int(row.offset));
        self.push_flags(row, bytewise, utf8);
        self.columns.end_row();
    }

    fn push_flags(&mut self, row: &Row<'_>, bytewise: Bytewise, utf8: bool) {
        let record = &row.record;
        let known = matches!(record.event(), b"+" | b"-" | b">" | b"<" | b"*");
        let flags = [
            ("invalid_utf8", !utf8),
            ("nul", bytewise.nul && record.line.contains(&0)),
            (
                "odd_line_break",
                bytewise.odd_breaks && has_odd_break(record.line),
            ),
            ("odd_session", self.session.1),
            ("unknown_event", !known),
            ("odd_endpoint", self.local.odd || self.remote.odd),
        ];
        if flags.iter().all(|(_, set)| !set) {
            self.columns.flags.append_null();
            return;
        }
        let set = flags.iter().filter(|(_, set)| *set);
        let set: Vec<&str> = set.map(|(name, _)| *name).collect();
        append_list(&mut self.columns.flags, &set);
    }
}

/// The values of columns that the format does not have, as `name=value` joined by `;`.
pub(crate) fn extra(row: &Row<'_>, columns: &Columns) -> Option<String> {
    if columns.extra.is_empty() {
        return None;
    }
    let fields = record::split_all(row.record.line).ok()?;
    let values = columns
        .extra
        .iter()
        .filter_map(|(at, name)| Some(format!("{name}={}", lossless(&fields.get(*at)?.value()))));
    Some(values.collect::<Vec<_>>().join(";"))
}

impl RejectColumns {
    /// One row for the rejects of a file that are counted and not kept.
    pub(crate) fn push_left_out(&mut self, count: u64, source: &Source) {
        self.organization.append_value(&source.place.organization);
        self.server.append_value(&source.place.server);
        self.service.append_value(&source.place.service);
        self.source_id.append_value(&source.source_id);
        self.line.append_null();
        self.byte_offset.append_null();
        self.bytes.append_null();
        self.reason
            .append_value(format!("and {count} more lines that could not be read"));
        self.raw.append_null();
        self.hash.append_null();
        self.end_row();
    }

    /// A reject whose bytes are all at hand.
    pub(crate) fn push(&mut self, reject: &Reject<'_>, place: &Place, source_id: &str) {
        let hash = blake3::hash(reject.bytes);
        self.push_kept(reject, reject.bytes.len(), hash, place, source_id);
    }

    /// A reject of which the first bytes are at hand: its length and hash are of the whole.
    pub(crate) fn push_kept(
        &mut self,
        reject: &Reject<'_>,
        bytes: usize,
        hash: blake3::Hash,
        place: &Place,
        source_id: &str,
    ) {
        let int = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.organization.append_value(&place.organization);
        self.server.append_value(&place.server);
        self.service.append_value(&place.service);
        self.source_id.append_value(source_id);
        self.line.append_value(int(reject.number));
        self.byte_offset.append_value(int(reject.offset));
        self.bytes.append_value(int(bytes as u64));
        self.reason.append_value(reject.reason.to_string());
        let kept = reject.bytes.len().min(KEPT);
        self.raw.append_value(&reject.bytes[..kept]);
        self.hash.append_value(hash.to_hex().as_str());
        self.end_row();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builders_fit_the_schema() {
        let batch = Events::with_room(0).finish(1).unwrap();
        let batch = crate::columns::spelled_out(&batch, Table::Events).unwrap();
        assert_eq!(batch.schema(), Table::Events.schema());
        let batch = RejectColumns::new().finish(1).unwrap();
        assert_eq!(batch.schema(), Table::Rejects.schema());
    }
}
