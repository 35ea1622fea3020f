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
    /// XPROXYTO sent: this is the hub's half of a delivery through a front end, which alone has
    /// the certificate, the TLS and the address that the other end saw.
    pub hub_half: bool,
    /// A front end's session for a client that submitted mail.
    pub client_proxy: bool,
    /// A whole reply to EHLO was seen.
    pub ehlo_answered: bool,
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
    /// Error of a failed negotiation or authentication: Windows' name for it, or `TlsRequired`,
    /// `TlsTooWeak` and `DirectTrustFailed` where Exchange itself was not content.
    pub tls_error: &'a [u8],
    /// Error of AUTH or X-EXPS: Windows' name for it, else the reply.
    pub auth_error: Text<'a>,
    /// Why a message to a domain under mutual TLS failed.
    pub secure_domain_error: Text<'a>,
    /// From `Chain validation status`.
    pub chain_status: &'a [u8],
    /// Id of the session that this one, at a front end, speaks for: see [`Note::Connecting`].
    pub proxied_session: &'a [u8],
    /// Id of the inbound session that this one proxies.
    pub inbound_session: &'a [u8],
    /// Context of the `-` row.
    pub disconnect: Option<&'a [u8]>,
    /// Sequence numbers that are missing.
    pub gaps: u64,
    /// The server's clock minus Exchange Online's, microseconds: see [`Session::clock_skew_ms`].
    clock_skew: Option<i64>,
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

/// Microseconds from the start of a second to its middle.
const HALF_A_SECOND: i64 = 500_000;

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

    /// The peer is Exchange Online, and no front end stands between.
    pub fn is_cloud(&self) -> bool {
        self.cloud.is_some() && !self.marks.hub_half
    }

    /// True if this is a front end's half of a delivery whose other half a hub logged.
    pub fn is_front_end_half(&self) -> bool {
        !self.proxied_session.is_empty() && !self.marks.client_proxy
    }

    /// Milliseconds by which the server's clock is ahead of Exchange Online's stamps.
    ///
    /// The least of the differences that the session shows: what a difference has above it is time
    /// on the way. A greeting is stamped to the second and counts as written in the middle of it.
    pub fn clock_skew_ms(&self) -> Option<i64> {
        let told = self.cloud.is_some() || self.marks.hub_half;
        self.clock_skew
            .filter(|_| told)
            .map(|skew| skew.div_euclid(1000))
    }

    /// What became of STARTTLS: `offered`, `absent`, or `stripped` by a device in between; `None`
    /// where the rows do not tell.
    pub fn starttls(&self) -> Option<&'static str> {
        let marks = &self.marks;
        if marks.starttls_offered || marks.starttls_sent {
            Some("offered")
        } else if !marks.ehlo_answered {
            None
        } else if marks.masked {
            Some("stripped")
        } else if self.is_whole() {
            Some("absent")
        } else {
            None
        }
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
                self.tls_failed(error);
            }
            Note::TlsRequired => self.tls_failed(b"TlsRequired"),
            Note::TlsTooWeak => self.tls_failed(b"TlsTooWeak"),
            Note::DirectTrustFailed => self.tls_failed(b"DirectTrustFailed"),
            Note::AuthFailed { error } => self.auth_failed(part(error)),
            Note::SecureDomainFailed { reason } => {
                self.secure_domain_error = part(reason);
            }
            Note::ChainStatus { status } => self.chain_status = status,
            Note::Message {
                record_id,
                message_id,
            } => {
                self.mail.announce(record_id, message_id, origin, time);
            }
            Note::Connecting {
                proxied_session,
                client_proxy,
            } => {
                self.proxied_session = proxied_session.unwrap_or(self.proxied_session);
                self.marks.client_proxy |= client_proxy;
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

    fn tls_failed(&mut self, error: &'a [u8]) {
        self.tls_error = error;
        self.marks.tls_failed = true;
    }

    /// The first error counts: what follows mostly repeats it in other words.
    fn auth_failed(&mut self, error: Text<'a>) {
        if self.auth_error.is_empty() {
            self.auth_error = error;
        }
    }

    fn certificate(&mut self, context: Text<'a>, data: Text<'a>) {
        match certificate::classify(context.bytes, data.bytes) {
            Some(certificate::Row::Heading(heading)) => {
                self.heading = Some(heading);
                self.marks.direct_trust |= heading == Heading::DirectTrust;
                // An unknown thumbprint must not stand beside the facts of an earlier certificate.
                if let Some(slot) = self.slot(heading)
                    && !repeats(heading)
                {
                    *slot = Some(CertificateText::default());
                }
            }
            Some(certificate::Row::Attribute(attribute, _)) => self.attribute(attribute, data),
            Some(certificate::Row::Whole(heading, _)) => {
                self.heading = None;
                self.marks.direct_trust |= heading == Heading::DirectTrust;
                if let Some(slot) = self.slot(heading)
                    && !(repeats(heading) && slot.is_some())
                {
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
            if !repeats(heading) || text.rows[at].is_none() && text.whole.is_none() {
                text.rows[at] = Some(value);
            }
        }
    }

    /// Where the certificate under a heading is kept.
    fn slot(&mut self, heading: Heading) -> Option<&mut Option<CertificateText<'a>>> {
        match heading {
            Heading::Sending => Some(&mut self.last_segment().sent),
            Heading::Remote => Some(&mut self.last_segment().received),
            _ if repeats(heading) => Some(&mut self.last_segment().received),
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
            Command::Xproxy => self.marks.proxying = true,
            Command::XproxyTo => {
                self.marks.proxying = true;
                self.marks.hub_half = true;
            }
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
            self.greet(data, time);
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
        let (data, parsed) = match told {
            Some(told) => (told, reply::parse(told.bytes).unwrap_or(parsed)),
            None => (data, parsed),
        };
        if let Some(stamp) = reply::stamp(&parsed) {
            self.compare_clocks(time, stamp);
        }
        match self.mail.reply(&parsed, data, origin, time) {
            Some(Pending::StartTls) => self.starttls_code = Some(parsed.code),
            Some(Pending::Ehlo) => self.marks.ehlo_answered |= parsed.code == 250,
            Some(Pending::Auth) if parsed.code >= 400 => self.auth_failed(data),
            _ => {}
        }
    }

    fn compare_clocks(&mut self, here: i64, there: i64) {
        let skew = here.saturating_sub(there);
        self.clock_skew = Some(self.clock_skew.map_or(skew, |least| least.min(skew)));
    }

    fn greet(&mut self, data: Text<'a>, time: i64) {
        self.banner = data;
        self.marks.masked |= reply::is_masked(data.bytes);
        self.marks.exchange_banner |= peer::is_exchange_banner(data.bytes);
        if let Some(host) = peer::banner_host(data.bytes) {
            self.cloud = peer::cloud_of_host(host).or(self.cloud);
        }
        if self.cloud.is_some()
            && let Some(second) = reply::greeting_time(data.bytes)
        {
            self.compare_clocks(time, second + HALF_A_SECOND);
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

/// Headings under which the certificate of the other end stands again: `Received` after `Remote`
/// (often its thumbprint alone), the others where a rule accepted it.
fn repeats(heading: Heading) -> bool {
    matches!(
        heading,
        Heading::Received
            | Heading::SmartHost
            | Heading::DirectTrust
            | Heading::SecureDomain
            | Heading::ProxyTarget
    )
}

/// A part of a field: quotes that the field's quoting doubled are single ones.
fn part(bytes: &[u8]) -> Text<'_> {
    Text {
        bytes,
        escaped: true,
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
    fn credentials_belong_to_their_command_or_answer_a_challenge() {
        let mail = [
            ">,MAIL FROM:<a@example.com>,",
            "<,250 2.1.0 Sender OK,",
            ">,RCPT TO:<b@example.org>,",
            "<,550 5.7.64 TenantAttribution; Relay Access Denied,",
        ];
        let at_once = [
            ">,X-EXPS EXCHANGEAUTH SHA256 ,",
            ">,<Binary Data>,",
            "<,235 <authentication information>,",
        ];
        let challenged = [
            ">,AUTH LOGIN,",
            "<,334 <authentication information>,",
            ">,<Binary Data>,",
            "<,334 <authentication information>,",
            ">,<Binary Data>,",
            "<,235 2.7.0 Authentication successful,",
        ];
        for rows in [&at_once[..], &challenged] {
            let session = after_ehlo(&[rows, &mail].concat());
            assert_eq!(fates(&session), [Fate::Refused], "{rows:?}");
            assert_eq!(session.mail.waiting(), 0);
        }
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

    #[test]
    fn a_certificate_that_stands_again_tells_what_was_not_told() {
        let session = fold(&["*,,SmartHost certificate", "*,DD,Certificate thumbprint"]);
        let received = session.segment().received.unwrap();
        assert_eq!(received.rows[3].unwrap().bytes, b"DD");
    }

    #[test]
    fn starttls_is_offered_absent_or_stripped_where_the_rows_tell() {
        let plain = ["+,,", "<,220 mx,", ">,EHLO a,", "<,250-mx,", "<,250 DSN,"];
        let masked = ["+,,", "<,220 ********,", ">,EHLO a,", "<,250 XXXA,"];
        for (rows, wanted) in [
            (&EOP[..], Some("offered")),
            (&plain[..], Some("absent")),
            (&masked[..], Some("stripped")),
            // Not asked, or not answered to the end.
            (&plain[..2], None),
            (&plain[..4], None),
            (&masked[..2], None),
        ] {
            assert_eq!(fold(rows).starttls(), wanted, "{rows:?}");
        }
        let mut cut = fold(&plain);
        cut.marks.cut_head = true;
        assert_eq!(cut.starttls(), None, "the first EHLO may be missing");
    }

    #[test]
    fn the_clock_is_compared_with_exchange_onlines() {
        let banner = |host: &str, second: u32| {
            format!(
                "<,\"220 {host} Microsoft ESMTP MAIL Service ready at Mon, 5 Oct 2026 09:59:{second} +0000 [08DD]\","
            )
        };
        let cloud = banner("x.mail.protection.outlook.com", 58);
        // Read at 10:00:00 what was written between 09:59:58 and 09:59:59.
        assert_eq!(fold(&[&cloud]).clock_skew_ms(), Some(1500));
        assert_eq!(fold(&[&banner("mx.example", 58)]).clock_skew_ms(), None);
        let refusal = |host: &str, time: &str| format!("<,550 5.7.64 Denied [{host} {time} 08DD],");
        let rows = |reply: &str| {
            let reply = reply.to_owned();
            let mut rows = vec![cloud.clone(), ">,EHLO a,".into(), "<,250 DSN,".into()];
            rows.extend([">,MAIL FROM:<a@b.example>,".to_owned(), reply]);
            let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
            fold(&rows).clock_skew_ms()
        };
        let host = "X.namprd21.prod.outlook.com";
        // At 10:00:04: the smaller difference had less time on the way.
        assert_eq!(rows(&refusal(host, "2026-10-05T10:00:03.250Z")), Some(750));
        assert_eq!(
            rows(&refusal(host, "2026-10-05T10:09:04.000Z")),
            Some(-540_000)
        );
        assert_eq!(
            rows(&refusal("mx.example", "2026-10-05T10:00:03.250Z")),
            Some(1500)
        );
        assert_eq!(rows(&refusal(host, "yesterday")), Some(1500));
    }

    #[test]
    fn what_failed_and_why() {
        let session = after_ehlo(&[
            ">,X-EXPS EXCHANGEAUTH SHA256 ,",
            ">,<Binary Data>,",
            "<,334 <authentication information>,",
            "<,535 5.7.3 Authentication unsuccessful,",
            "*,,Outbound Exchange Authentication failed with LogonDenied",
        ]);
        assert_eq!(
            session.auth_error.bytes,
            b"535 5.7.3 Authentication unsuccessful"
        );
        assert!(session.mail.transactions.is_empty());
        let note = "*,,Outbound Authentication failed to initialize with NoCredentials";
        assert_eq!(after_ehlo(&[note]).auth_error.bytes, b"NoCredentials");
        let note = "*,,Message to secure domain 'a.example' on send connector 'c' failed because TLS was not offered";
        assert_eq!(
            after_ehlo(&[note]).secure_domain_error.bytes,
            b"TLS was not offered"
        );
        for (note, error) in [
            (
                "TLS negotiation failed with error UntrustedRoot",
                "UntrustedRoot",
            ),
            ("Tls cipher strength is too weak", "TlsTooWeak"),
            (
                "DirectTrust certificate failed to authenticate",
                "DirectTrustFailed",
            ),
            (
                "Connector is configured to send mail only over TLS connections and remote doesn't support TLS",
                "TlsRequired",
            ),
        ] {
            let session = after_ehlo(&[&format!("*,,{note}")]);
            assert!(session.marks.tls_failed);
            assert_eq!(session.tls_error, error.as_bytes());
        }
    }

    #[test]
    fn the_two_halves_of_a_delivery_know_each_other() {
        let hub = fold(&[
            "+,,",
            ">,XPROXYTO DESTINATIONS=x PORT=25 SESSIONID=08DF1F4EEFBDC000,",
        ]);
        assert!(hub.marks.hub_half && !hub.is_front_end_half());
        let front = fold(&[
            "*,,attempting to connect. Outbound proxy from hub.example with session id 08DF1F4EEFBDC000. Proxied session id 08DF1F4EEFBDD000",
        ]);
        assert!(front.is_front_end_half());
        assert_eq!(front.proxied_session, hub.id);
        let client = fold(&[
            "*,,attempting to connect. Client proxy session for x. Proxied session id 08DF1F4EEFBDC000",
        ]);
        assert!(!client.is_front_end_half());
    }
}
