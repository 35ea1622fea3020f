//! The rows of one session, in order, folded into what the session showed and carried.
//!
//! A session starts with a row of sequence 0, connects (`+`), is greeted, says EHLO, usually starts
//! TLS, and then carries any number of messages until `-`. Certificate and TLS rows stand there once,
//! however many messages follow: a message on a cached connection inherits the session's last
//! handshake. The sequence may start again at 0 under the same id when a cached connection is used
//! for another connector: that is the same session, a new [`Segment`].

use crate::{
    Row, Text,
    certificate::{self, Attribute, Heading},
    command::{self, Command},
    note::{self, Note, Tls},
    peer::{self, Cloud},
    reply::{self, Reply},
    transaction::{Mail, Pending},
};

/// A certificate as its rows spelled it out; turned into facts by
/// [`certificate`] when it is needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CertificateText<'a> {
    /// Forms B and C: context and data of the one row.
    pub whole: Option<(Heading, Text<'a>, Text<'a>)>,
    /// Form A: a value per attribute row, in the order of [`ATTRIBUTES`].
    pub rows: [Option<Text<'a>>; ATTRIBUTES.len()],
}

/// The attribute rows of form A.
pub const ATTRIBUTES: [Attribute; 5] = [
    Attribute::Subject,
    Attribute::Issuer,
    Attribute::Serial,
    Attribute::Thumbprint,
    Attribute::Names,
];

/// What a session showed under one connector.
#[derive(Debug, Clone, Default)]
pub struct Segment<'a> {
    /// Name of the connector.
    pub connector: Text<'a>,
    /// The certificate offered (`Sending certificate`).
    pub sent: Option<CertificateText<'a>>,
    /// The peer's certificate (`Remote certificate`, else `Received certificate`).
    pub received: Option<CertificateText<'a>>,
    /// Host and address of the last `Hello [address]`.
    pub hello: Option<(&'a [u8], &'a [u8])>,
    /// The last TLS success row.
    pub tls: Option<Tls<'a>>,
}

/// Facts of a session that are yes or no.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// A `+` row.
    pub connected: bool,
    /// A `Failed to connect` row.
    pub connect_failed: bool,
    /// STARTTLS in a reply to EHLO.
    pub starttls_offered: bool,
    /// STARTTLS sent.
    pub starttls_sent: bool,
    /// X-ANONYMOUSTLS or X-EXPS sent: the peer belongs to the organization.
    pub exchange_commands: bool,
    /// The greeting of an Exchange server, anybody's.
    pub exchange_banner: bool,
    /// XPROXYTO or XPROXY sent: toward a front end.
    pub proxying: bool,
    /// A DirectTrust certificate: an Edge subscription.
    pub direct_trust: bool,
    /// Banner or EHLO reply overwritten by a middle box.
    pub masked: bool,
    /// TLS failed, or did not satisfy the connector.
    pub tls_failed: bool,
    /// Another connector took the session over.
    pub connector_changed: bool,
    /// Sequence numbers that were seen before.
    pub sequence_repeated: bool,
    /// The first row at hand is not the session's first.
    pub cut_head: bool,
    /// An event character that is not one of five.
    pub unknown_event: bool,
    /// An id that is not sixteen hexadecimal digits.
    pub odd_session: bool,
    /// A certificate row whose label is not known.
    pub unknown_certificate_label: bool,
}

/// One session. All slices borrow from its rows.
#[derive(Debug, Clone, Default)]
pub struct Session<'a> {
    /// Sixteen hexadecimal digits.
    pub id: &'a [u8],
    /// Time of the first row, microseconds since 1970 UTC.
    pub start: i64,
    /// Time of the last row.
    pub end: i64,
    /// Number of rows.
    pub rows: u64,
    /// The first row's source and line.
    pub origin: Origin,
    /// First local endpoint that is not empty.
    pub local: &'a [u8],
    /// First remote endpoint that is not empty.
    pub remote: &'a [u8],
    /// The greeting.
    pub banner: Text<'a>,
    /// The name given in EHLO.
    pub ehlo_name: &'a [u8],
    /// Exchange Online's cloud, from banner or EHLO reply.
    pub cloud: Option<Cloud>,
    /// Reply code to STARTTLS.
    pub starttls_code: Option<u16>,
    /// Error of a failed negotiation or authentication.
    pub tls_error: &'a [u8],
    /// From `Chain validation status`.
    pub chain_status: &'a [u8],
    /// Id of the session at the front end or hub that this one is proxied for.
    pub proxied_session: &'a [u8],
    /// Id of the inbound session that this one proxies.
    pub inbound_session: &'a [u8],
    /// Context of the `-` row.
    pub disconnect: Option<&'a [u8]>,
    /// Sequence numbers that are missing.
    pub gaps: u64,
    /// Yes or no.
    pub marks: Marks,
    /// One for each connector the session ran under; at least one.
    pub segments: Vec<Segment<'a>>,
    /// Messages, recipients, and the replies that answered them.
    pub mail: Mail<'a>,
    expected: i64,
    heading: Option<Heading>,
    refusing: Option<Text<'a>>,
}

/// Where a row stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Origin {
    /// Number of the source, given by the caller.
    pub source: u32,
    /// Line, from 1.
    pub line: u64,
}

impl<'a> Session<'a> {
    /// Starts over for another session, keeping the memory at hand.
    pub fn reset(&mut self) {
        let mut segments = std::mem::take(&mut self.segments);
        let mut mail = std::mem::take(&mut self.mail);
        segments.clear();
        mail.clear();
        *self = Session {
            segments,
            mail,
            ..Session::default()
        };
    }

    /// True if nothing is missing so far: sequence numbers from 0 without a gap or repeat.
    pub fn is_whole(&self) -> bool {
        self.gaps == 0 && !self.marks.cut_head && !self.marks.sequence_repeated
    }

    /// True if the session is complete: whole, connected, and ended by its `-` row.
    pub fn is_final(&self) -> bool {
        self.is_whole() && self.marks.connected && self.disconnect.is_some()
    }

    /// The peer is Exchange Online.
    pub fn is_cloud(&self) -> bool {
        self.cloud.is_some()
    }

    /// The segment that the latest row belongs to.
    pub fn segment(&self) -> &Segment<'a> {
        // `push` makes the first segment before anything else.
        &self.segments[self.segments.len() - 1]
    }

    /// Takes in the next row of this session; `source` is the caller's number for its file.
    pub fn push(&mut self, row: &Row<'a>, source: u32) {
        let record = &row.record;
        if self.rows == 0 {
            self.begin(row, source);
        }
        self.follow(row);
        self.rows += 1;
        self.start = self.start.min(record.time);
        self.end = self.end.max(record.time);
        if self.local.is_empty() {
            self.local = record.local();
        }
        if self.remote.is_empty() {
            self.remote = record.remote();
        }
        let origin = Origin {
            source,
            line: row.number,
        };
        match record.event() {
            b"*" => self.note(record.context(), record.data(), origin, record.time),
            b"<" => self.reply(record.data(), origin, record.time),
            b">" => self.command(record.data().bytes, origin, record.time),
            b"+" => self.marks.connected = true,
            b"-" => self.disconnect = Some(record.context().bytes),
            _ => self.marks.unknown_event = true,
        }
    }

    fn begin(&mut self, row: &Row<'a>, source: u32) {
        let record = &row.record;
        self.id = record.session_id();
        self.start = record.time;
        self.end = record.time;
        self.origin = Origin {
            source,
            line: row.number,
        };
        self.marks.odd_session = record.has_odd_session_id();
        self.segments.push(Segment {
            connector: record.connector(),
            ..Segment::default()
        });
        if record.sequence != 0 {
            self.marks.cut_head = true;
            self.expected = record.sequence;
        }
    }

    /// Holds the sequence number and the connector against those of the row before.
    fn follow(&mut self, row: &Row<'a>) {
        let sequence = row.record.sequence;
        let restarted = sequence == 0 && self.rows > 0;
        if restarted || row.record.connector() != self.segment().connector {
            self.marks.connector_changed |= row.record.connector() != self.segment().connector;
            let before = self.segment().clone();
            self.segments.push(Segment {
                connector: row.record.connector(),
                ..before
            });
        }
        if restarted {
            self.expected = 0;
        } else if sequence > self.expected {
            self.gaps = self.gaps.saturating_add(sequence.abs_diff(self.expected));
        } else if sequence < self.expected {
            self.marks.sequence_repeated = true;
        }
        self.expected = self.expected.max(sequence).saturating_add(1);
    }

    fn last_segment(&mut self) -> &mut Segment<'a> {
        let last = self.segments.len() - 1; // `begin` has pushed one.
        &mut self.segments[last]
    }

    fn note(&mut self, context: Text<'a>, data: Text<'a>, origin: Origin, time: i64) {
        match note::parse(context.bytes, data.bytes) {
            Note::Certificate | Note::CrlSoftFail { .. } => self.certificate(context, data),
            Note::TlsSucceeded(tls) => {
                self.last_segment().tls = Some(tls);
                self.heading = None;
            }
            Note::TlsFailed { error } | Note::TlsAuthFailed { error, .. } => {
                self.tls_error = error;
                self.marks.tls_failed = true;
            }
            Note::TlsRequired | Note::TlsTooWeak => {
                self.tls_error = context.bytes;
                self.marks.tls_failed = true;
            }
            Note::ChainStatus { status } => self.chain_status = status,
            Note::Message {
                record_id,
                message_id,
            } => {
                self.mail.announce(record_id, message_id, origin, time);
            }
            Note::Connecting {
                proxied_session, ..
            } => {
                self.proxied_session = proxied_session.unwrap_or(self.proxied_session);
            }
            Note::ProxyingInbound { session } => self.inbound_session = session,
            Note::ConnectFailed { .. } => self.marks.connect_failed = true,
            Note::Other => {
                self.marks.unknown_certificate_label |=
                    certificate::is_unknown_label(context.bytes, data.bytes);
            }
            _ => {}
        }
    }

    fn certificate(&mut self, context: Text<'a>, data: Text<'a>) {
        match certificate::classify(context.bytes, data.bytes) {
            Some(certificate::Row::Heading(heading)) => {
                self.heading = Some(heading);
                self.marks.direct_trust |= heading == Heading::DirectTrust;
                // An unknown thumbprint must not stand beside the facts of an earlier certificate.
                if let Some(slot) = self.slot(heading)
                    && heading != Heading::Received
                {
                    *slot = Some(CertificateText::default());
                }
            }
            Some(certificate::Row::Attribute(attribute, _)) => self.attribute(attribute, data),
            Some(certificate::Row::Whole(heading, _)) => {
                self.heading = None;
                self.marks.direct_trust |= heading == Heading::DirectTrust;
                if let Some(slot) = self.slot(heading) {
                    let whole = Some((heading, context, data));
                    *slot = Some(CertificateText {
                        whole,
                        ..CertificateText::default()
                    });
                }
            }
            None => self.marks.unknown_certificate_label = true,
        }
    }

    /// An attribute row belongs to the last heading of its session.
    fn attribute(&mut self, attribute: Attribute, value: Text<'a>) {
        let Some(heading) = self.heading else { return };
        let Some(at) = ATTRIBUTES.iter().position(|known| *known == attribute) else {
            return;
        };
        if let Some(slot) = self.slot(heading) {
            let text = slot.get_or_insert_default();
            if heading != Heading::Received || text.rows[at].is_none() && text.whole.is_none() {
                text.rows[at] = Some(value);
            }
        }
    }

    /// Where the certificate under a heading is kept. `Received` (often a thumbprint alone) follows
    /// `Remote` (the full set) and describes the same certificate.
    fn slot(&mut self, heading: Heading) -> Option<&mut Option<CertificateText<'a>>> {
        match heading {
            Heading::Sending => Some(&mut self.last_segment().sent),
            Heading::Remote | Heading::Received => Some(&mut self.last_segment().received),
            _ => None,
        }
    }

    fn command(&mut self, data: &'a [u8], origin: Origin, time: i64) {
        let command = command::parse(data);
        match command {
            Command::Ehlo(name) => self.ehlo_name = name,
            Command::StartTls => self.marks.starttls_sent = true,
            Command::AnonymousTls => self.marks.exchange_commands = true,
            Command::Auth if data.starts_with(b"X-EXPS") => self.marks.exchange_commands = true,
            Command::Xproxy | Command::XproxyTo => self.marks.proxying = true,
            _ => {}
        }
        let segment = self.segments.len() - 1;
        self.mail.command(command, segment, origin, time);
    }

    fn reply(&mut self, data: Text<'a>, origin: Origin, time: i64) {
        let Some(parsed) = reply::parse(data.bytes) else {
            return;
        };
        if parsed.code == 220 && self.banner.is_empty() && self.mail.is_idle() {
            self.greet(data);
        }
        if parsed.code == 250 && self.mail.awaits_ehlo() {
            self.capabilities(data.bytes);
        }
        if parsed.more {
            // Of several lines the first that refuses tells why; the last may be a bare code.
            if self.refusing.is_none() && reply::is_attribution_refusal(&parsed) {
                self.refusing = Some(data);
            }
            return;
        }
        let told = self.refusing.take().filter(|_| parsed.code >= 400);
        let data = told.unwrap_or(data);
        let parsed = reply::parse(data.bytes).unwrap_or(parsed);
        if self.mail.reply(&parsed, data, origin, time) == Some(Pending::StartTls) {
            self.starttls_code = Some(parsed.code);
        }
    }

    fn greet(&mut self, data: Text<'a>) {
        self.banner = data;
        self.marks.masked |= reply::is_masked(data.bytes);
        self.marks.exchange_banner |= peer::is_exchange_banner(data.bytes);
        if let Some(host) = peer::banner_host(data.bytes) {
            self.cloud = peer::cloud_of_host(host).or(self.cloud);
        }
    }

    fn capabilities(&mut self, line: &'a [u8]) {
        if let Some((host, address)) = reply::hello(line) {
            self.last_segment().hello = Some((host, address));
            self.cloud = peer::cloud_of_host(host).or(self.cloud);
        }
        self.marks.starttls_offered |= reply::offers_starttls(line);
        self.marks.masked |= reply::is_masked(line);
    }
}

/// The reply's parts that a transaction keeps.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answer<'a> {
    /// The whole reply as logged.
    pub text: Text<'a>,
    /// Three digits.
    pub code: u16,
    /// It is an attribution refusal.
    pub refusal: bool,
    /// Time of the row.
    pub time: i64,
    /// Its place.
    pub origin: Origin,
}

impl<'a> Answer<'a> {
    pub(crate) fn new(parsed: &Reply<'a>, text: Text<'a>, origin: Origin, time: i64) -> Self {
        let refusal = reply::is_attribution_refusal(parsed);
        Answer {
            text,
            code: parsed.code,
            refusal,
            time,
            origin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Columns, Record, transaction::Fate};

    /// Folds rows given as `event,data,context`, or with a sequence number of their own before it.
    fn fold(rows: &[&str]) -> Session<'static> {
        let mut session = Session::default();
        for (sequence, row) in rows.iter().enumerate() {
            let line = format!(
                "2026-10-05T10:00:{sequence:02}.000Z,To cloud,08DF1F4EEFBDC000,{sequence},10.0.0.1:99,192.0.2.1:25,{row}"
            );
            let record = Record::parse(line.leak().as_bytes(), &Columns::default()).unwrap();
            session.push(
                &Row {
                    record,
                    number: sequence as u64 + 1,
                    offset: 0,
                },
                0,
            );
        }
        session
    }

    fn fates(session: &Session<'_>) -> Vec<Fate> {
        session
            .mail
            .recipients
            .iter()
            .map(|recipient| recipient.fate)
            .collect()
    }

    const EOP: [&str; 5] = [
        "+,,",
        "<,220 x.mail.protection.outlook.com Microsoft ESMTP MAIL Service ready,",
        ">,EHLO mx.example.com,",
        "<,250-x.mail.protection.outlook.com Hello [203.0.113.7],",
        "<,250 STARTTLS,",
    ];

    fn after_ehlo(rows: &[&str]) -> Session<'static> {
        fold(&[&EOP[..], rows].concat())
    }

    #[test]
    fn replies_are_paired_first_in_first_out() {
        let session = after_ehlo(&[
            ">,MAIL FROM:<a@example.com>,",
            ">,RCPT TO:<b@example.org>,",
            ">,RCPT TO:<c@example.net>,",
            ">,DATA,",
            "<,250 2.1.0 Sender OK,",
            "<,550 5.7.64 TenantAttribution; Relay Access Denied [x],",
            "<,250 2.1.5 Recipient OK,",
            "<,354 Start mail input,",
            "<,250 2.6.0 Queued mail for delivery,",
        ]);
        assert_eq!(fates(&session), [Fate::Refused, Fate::Accepted]);
        assert_eq!(session.mail.transactions[0].delivered, Some(true));
        assert!(session.is_cloud());
    }

    #[test]
    fn later_503_replies_refuse_nobody() {
        let session = after_ehlo(&[
            ">,MAIL FROM:<a@example.com>,",
            ">,RCPT TO:<b@example.org>,",
            ">,DATA,",
            "<,550 5.7.64 TenantAttribution; Relay Access Denied,",
            "<,503 5.5.2 Need mail command,",
            "<,503 5.5.2 Need rcpt command,",
        ]);
        assert_eq!(fates(&session), [Fate::Rejected]);
        assert_eq!(session.mail.transactions[0].sender_refused, 1);
    }

    #[test]
    fn a_refusal_of_the_message_refuses_all_it_was_for() {
        let session = after_ehlo(&[
            ">,MAIL FROM:<a@example.com>,",
            "<,250 2.1.0 Sender OK,",
            ">,RCPT TO:<b@example.org>,",
            "<,250 2.1.5 Recipient OK,",
            ">,BDAT 100,",
            "<,250 2.6.0 CHUNK received OK,",
            ">,BDAT 50 LAST,",
            "<,550-5.7.64 TenantAttribution; Relay Access Denied,",
            "<,550 see the documentation,",
        ]);
        assert_eq!(fates(&session), [Fate::Refused]);
        assert_eq!(session.mail.transactions[0].chunked, Some(150));
    }

    #[test]
    fn a_cached_connection_inherits_the_handshake() {
        let mut rows = EOP.to_vec();
        rows.extend([
            "*,,Sending certificate",
            "*,AB,Certificate thumbprint",
            ">,MAIL FROM:<>,",
        ]);
        let session = fold(&rows);
        assert!(
            session.segments[session.mail.transactions[0].segment]
                .sent
                .is_some()
        );
    }

    #[test]
    fn attribute_rows_belong_to_the_last_heading() {
        let session = fold(&[
            "*,,Sending certificate",
            "*,AA,Certificate thumbprint",
            "*,,Remote certificate",
            "*,BB,Certificate thumbprint",
            "*,,Received certificate",
            "*,CC,Certificate thumbprint",
            "*,,SmartHost certificate",
            "*,DD,Certificate thumbprint",
        ]);
        let print = |text: Option<CertificateText<'static>>| text.unwrap().rows[3].unwrap().bytes;
        assert_eq!(print(session.segment().sent), b"AA");
        assert_eq!(print(session.segment().received), b"BB");
    }
}
