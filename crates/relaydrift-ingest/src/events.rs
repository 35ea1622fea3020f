//! Rows of `events`, and the lines that are none: `rejects`.

use relaydrift_parse::{Columns, Reject, Row, endpoint, record, reply, text::lossless};

use crate::columns::{
    Bytes, Int32, Int64, Texts, Time, Utf8, append, append_list, append_text, columns,
};
use crate::sessions::append_endpoint;
use crate::{Place, Source, Table};

/// Bytes of a reject that are kept; its hash and length are of the whole.
pub(crate) const KEPT: usize = 64 * 1024;

columns! {
    /// Builders of `events`.
    EventColumns for Table::Events, {
        event_time: Time, organization: Utf8, server: Utf8, service: Utf8, connector_id: Utf8,
        session_id: Utf8, sequence: Int64, local_ip: Utf8, local_port: Int32, remote_ip: Utf8,
        remote_port: Int32, event: Utf8, data: Utf8, context: Utf8, reply_code: Int32,
        enhanced_code: Utf8, flags: Texts, extra: Utf8, raw: Bytes, source_id: Utf8,
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

impl EventColumns {
    pub(crate) fn push(
        &mut self,
        row: &Row<'_>,
        place: &Place,
        source_id: &str,
        bytewise: Bytewise,
        extra: Option<&str>,
    ) {
        let record = &row.record;
        self.event_time.append_value(record.time);
        self.organization.append_value(&place.organization);
        self.server.append_value(&place.server);
        self.service.append_value(&place.service);
        append_text(&mut self.connector_id, record.connector());
        append(&mut self.session_id, record.session_id());
        self.sequence.append_value(record.sequence);
        append_endpoint(&mut self.local_ip, &mut self.local_port, record.local());
        append_endpoint(&mut self.remote_ip, &mut self.remote_port, record.remote());
        append(&mut self.event, record.event());
        append_text(&mut self.data, record.data());
        append_text(&mut self.context, record.context());
        let reply = if record.event() == b"<" {
            reply::parse(record.data().bytes)
        } else {
            None
        };
        self.reply_code
            .append_option(reply.map(|reply| i32::from(reply.code)));
        append(
            &mut self.enhanced_code,
            reply.and_then(|reply| reply.enhanced).unwrap_or_default(),
        );
        let utf8 = bytewise.utf8 || simdutf8::basic::from_utf8(record.line).is_ok();
        self.push_flags(row, bytewise, utf8);
        self.extra.append_option(extra);
        self.raw.append_option((!utf8).then_some(record.line));
        self.source_id.append_value(source_id);
        self.line
            .append_value(i64::try_from(row.number).unwrap_or(i64::MAX));
        self.byte_offset
            .append_value(i64::try_from(row.offset).unwrap_or(i64::MAX));
        self.end_row();
    }

    fn push_flags(&mut self, row: &Row<'_>, bytewise: Bytewise, utf8: bool) {
        let record = &row.record;
        let known = matches!(record.event(), b"+" | b"-" | b">" | b"<" | b"*");
        let odd = |text| endpoint::parse(text).is_some_and(|endpoint| endpoint.odd);
        let flags = [
            ("invalid_utf8", !utf8),
            ("nul", bytewise.nul && record.line.contains(&0)),
            (
                "odd_line_break",
                bytewise.odd_breaks && has_odd_break(record.line),
            ),
            ("odd_session", record.has_odd_session_id()),
            ("unknown_event", !known),
            ("odd_endpoint", odd(record.local()) || odd(record.remote())),
        ];
        if flags.iter().all(|(_, set)| !set) {
            self.flags.append_null();
            return;
        }
        let set: Vec<&str> = flags
            .iter()
            .filter_map(|(name, set)| set.then_some(*name))
            .collect();
        append_list(&mut self.flags, &set);
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
        let batch = EventColumns::new().finish(1).unwrap();
        assert_eq!(batch.schema(), Table::Events.schema());
        let batch = RejectColumns::new().finish(1).unwrap();
        assert_eq!(batch.schema(), Table::Rejects.schema());
    }
}
