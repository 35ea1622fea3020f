//! Sessions into rows: `sessions`, `transactions`, `observations`, `proxied_halves`,
//! `certificates_seen`.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use hashbrown::HashMap;
use relaydrift_parse::certificate::Certificate;
use relaydrift_parse::transaction::{Fate, Transaction};
use relaydrift_parse::{Session, command, endpoint, peer};

use crate::certificates::Certificates;
use crate::halves::{Half, HalfColumns};
use crate::observe::{Answers, Kind, Observations, Showing};
use crate::sessions::SessionColumns;
use crate::transactions::TransactionColumns;
use crate::{Keep, Place, Table};

/// Rows after which a builder is emptied into the sink.
const BATCH_ROWS: usize = 4 * 1024;

/// Times from which anything follows, microseconds since 1970: until 2200. A clock that says 1601 or 9999 is wrong, and
/// engines that count in nanoseconds stop at such a time; its rows are kept as events and sessions, and say nothing
/// of an hour.
pub(crate) const DATED: std::ops::Range<i64> = 0..7_258_118_400_000_000;

/// What one segment of a session showed, in the form in which it is stored.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown {
    pub(crate) sent: Option<Arc<Certificate>>,
    pub(crate) received: Option<Arc<Certificate>>,
    pub(crate) egress: Option<String>,
    pub(crate) answers: Answers,
}

impl Shown {
    pub(crate) fn sent_thumbprint(&self) -> Option<&str> {
        self.sent.as_ref()?.thumbprint.as_deref()
    }
}

/// What a session showed under one connector, as observations have it.
pub(crate) struct Showed<'a> {
    /// See [`Kind::Certificate`].
    pub(crate) certificate: Option<&'a str>,
    /// See [`Kind::Egress`].
    pub(crate) egress: Option<&'a str>,
    /// See [`Kind::Tls`].
    pub(crate) tls: Option<&'a [u8]>,
    /// See [`Kind::Peer`].
    pub(crate) peer: Option<&'a str>,
    /// See [`Kind::Route`].
    pub(crate) route: &'a str,
}

/// The value of a certificate or of TLS of which it is proved that there was none.
const NONE: &str = "none";

impl<'a> Showed<'a> {
    /// `at` is the connector's last segment.
    fn new(session: &Session<'a>, at: usize, shown: &'a [Shown], route: &'a str) -> Showed<'a> {
        let (segment, shown) = (&session.segments[at], &shown[at]);
        if session.marks.hub_half {
            // What it shows, it shows to the front end.
            return Showed {
                certificate: None,
                egress: None,
                tls: None,
                peer: None,
                route,
            };
        }
        let proof = session.is_cloud() && session.is_whole();
        let bare = proof
            && session.starttls_code == Some(220)
            && segment.tls.is_some()
            && segment.sent.is_none();
        let of_connector = |transaction: &Transaction<'_>| {
            session.segments[transaction.segment].connector == segment.connector
        };
        let clear =
            proof && segment.tls.is_none() && session.mail.transactions.iter().any(of_connector);
        let peer = shown.received.as_ref();
        Showed {
            certificate: shown.sent_thumbprint().or(bare.then_some(NONE)),
            egress: shown.egress.as_deref(),
            tls: segment
                .tls
                .map(|tls| tls.protocol)
                .or(clear.then_some(NONE.as_bytes())),
            peer: peer.and_then(|certificate| certificate.thumbprint.as_deref()),
            route,
        }
    }
}

/// Takes sessions one by one; its batches go to the sink whenever `full` says so and at the end.
pub(crate) struct Emit<'s> {
    keep: Keep,
    batch: i64,
    places: &'s [Place],
    source_ids: &'s [String],
    certificates: Certificates,
    pub(crate) observations: Observations,
    sessions: SessionColumns,
    transactions: TransactionColumns,
    halves: HalfColumns,
    shown: Vec<Shown>,
    domains: HashMap<Vec<u8>, Answers>,
    number: Vec<u8>,
    /// Sessions taken in.
    pub(crate) count: u64,
    /// One of them is not of a time in [`DATED`].
    undated: bool,
}

/// What is said where a session is not of a time in [`DATED`].
const UNDATED: &str = "sessions before 1970 or after 2199 are kept as they are, and not judged";

impl<'s> Emit<'s> {
    pub(crate) fn new(
        keep: Keep,
        batch: i64,
        places: &'s [Place],
        source_ids: &'s [String],
    ) -> Self {
        Emit {
            keep,
            batch,
            places,
            source_ids,
            certificates: Certificates::default(),
            observations: Observations::default(),
            sessions: SessionColumns::new(),
            transactions: TransactionColumns::new(),
            halves: HalfColumns::new(),
            shown: Vec::new(),
            domains: HashMap::new(),
            number: Vec::new(),
            count: 0,
            undated: false,
        }
    }

    /// Takes in one session of a place; `open` if it is not final.
    pub(crate) fn session(&mut self, session: &Session<'_>, place: u32, open: bool) {
        self.count += 1;
        self.show(session);
        let dated = DATED.contains(&session.start) && DATED.contains(&session.end);
        if dated {
            self.observe(session, place);
        } else {
            self.undated = true;
        }
        let at = &self.places[place as usize];
        let source_id = |source: u32| self.source_ids[source as usize].as_str();
        if self.keep.sessions {
            self.sessions
                .push(session, &self.shown, at, source_id, open);
        }
        for (ordinal, transaction) in session.mail.transactions.iter().enumerate() {
            if !dated {
                break;
            }
            if self.keep.all_transactions || is_turned_away(session, transaction) {
                let shown = &self.shown[transaction.segment];
                self.transactions
                    .push(session, (ordinal, transaction), shown, at, source_id, open);
            }
        }
    }

    fn show(&mut self, session: &Session<'_>) {
        self.shown.clear();
        for segment in &session.segments {
            let resolve = |certificates: &mut Certificates, text: &Option<_>| {
                text.as_ref().map(|text| certificates.resolve(text))
            };
            let sent = resolve(&mut self.certificates, &segment.sent);
            let received = resolve(&mut self.certificates, &segment.received);
            let egress = segment.hello.filter(|_| session.is_cloud());
            let egress = egress.and_then(|(_, address)| public_address(address));
            self.shown.push(Shown {
                sent,
                received,
                egress,
                answers: Answers::default(),
            });
        }
        for transaction in &session.mail.transactions {
            let answers = &mut self.shown[transaction.segment].answers;
            count(session, transaction, answers);
        }
    }

    fn observe(&mut self, session: &Session<'_>, place: u32) {
        let showing = Showing {
            start: session.start,
            rows: session.rows,
            session_id: session.id,
            source: session.origin.source,
            line: session.origin.line,
        };
        let route = route(session);
        for (at, segment) in session.segments.iter().enumerate() {
            let connector = segment.connector.value();
            // A connector that comes back in a later segment is counted with that one.
            if session.segments[at + 1..]
                .iter()
                .any(|later| later.connector == segment.connector)
            {
                continue;
            }
            let mut answers = Answers::default();
            for (other, shown) in session.segments.iter().zip(&self.shown) {
                if other.connector == segment.connector {
                    answers.add(&shown.answers);
                }
            }
            let shown = std::mem::take(&mut self.shown);
            let showed = Showed::new(session, at, &shown, &route);
            let who = (place, connector.as_ref());
            self.values(session, at, who, &showed, (&showing, &answers));
            if session.is_cloud() {
                self.answer(session, at);
                let domains = self.domains.iter().filter(|(domain, _)| !domain.is_empty());
                for (domain, answers) in domains {
                    self.observations
                        .session(who, Kind::Relay, domain, &showing, answers);
                }
            }
            self.half(session, at, who, &showed);
            self.shown = shown;
        }
    }

    /// What a session showed under one connector.
    fn values(
        &mut self,
        session: &Session<'_>,
        at: usize,
        who: (u32, &[u8]),
        showed: &Showed<'_>,
        (showing, answers): (&Showing<'_>, &Answers),
    ) {
        // What ends a session belongs to the connector that had it last.
        let last = at + 1 == session.segments.len();
        let failure = Some(session.tls_error).filter(|error| last && !error.is_empty());
        let starttls = session.starttls();
        let starttls = starttls.filter(|_| session.is_cloud() || session.marks.masked);
        let skew = session.clock_skew_ms().map(|skew| {
            self.number.clear();
            // Writing to memory does not fail.
            let _ = write!(self.number, "{}", (skew + 500).div_euclid(1000));
            self.number.as_slice()
        });
        let values = [
            (Kind::Certificate, showed.certificate.map(str::as_bytes)),
            (Kind::Egress, showed.egress.map(str::as_bytes)),
            (Kind::Tls, showed.tls),
            (Kind::Peer, showed.peer.map(str::as_bytes)),
            (Kind::Route, Some(showed.route.as_bytes())),
            (Kind::TlsFailure, failure),
            (Kind::StartTls, starttls.map(str::as_bytes)),
            (Kind::Skew, skew),
        ];
        for (kind, value) in values {
            if let Some(value) = value {
                self.observations
                    .session(who, kind, value, showing, answers);
            }
        }
    }

    /// What this session has of a delivery that two sessions logged.
    fn half(
        &mut self,
        session: &Session<'_>,
        at: usize,
        (place, connector): (u32, &[u8]),
        showed: &Showed<'_>,
    ) {
        let place = &self.places[place as usize];
        let source_id = &self.source_ids[session.origin.source as usize];
        if session.is_front_end_half() && session.is_cloud() {
            let half = Half::FrontEnd(showed);
            self.halves
                .push(session, connector, &half, place, source_id);
        } else if session.marks.hub_half {
            self.answer(session, at);
            let answered = |(_, answers): &(&Vec<u8>, &Answers)| answers.is_any();
            for (domain, answers) in self.domains.iter().filter(answered) {
                let half = Half::Hub(domain, answers);
                self.halves
                    .push(session, connector, &half, place, source_id);
            }
        }
    }

    /// Answers by recipient domain of one connector's transactions; a refused MAIL and addresses
    /// without a domain under the empty one.
    fn answer(&mut self, session: &Session<'_>, at: usize) {
        self.domains.clear();
        let connector = session.segments[at].connector;
        for transaction in &session.mail.transactions {
            if session.segments[transaction.segment].connector != connector {
                continue;
            }
            for recipient in session.mail.recipients_of(transaction) {
                let domain = command::domain(recipient.address).unwrap_or_default();
                let answers = self.domains.entry(domain.to_ascii_lowercase()).or_default();
                match recipient.fate {
                    Fate::Accepted => answers.accept(recipient.time),
                    Fate::Refused => answers.refuse(recipient.time),
                    Fate::Rejected | Fate::Unknown => {}
                }
            }
            if transaction.sender_refused > 0 {
                let answers = self.domains.entry(Vec::new()).or_default();
                refuse_sender(transaction, answers);
            }
        }
    }

    /// What a person should know of the sessions.
    pub(crate) fn notice(&self) -> Option<String> {
        self.undated.then(|| UNDATED.to_owned())
    }

    /// Sessions, transactions and halves so far, once they are enough for a batch.
    pub(crate) fn ready(&mut self) -> Result<Vec<(Table, RecordBatch)>, ArrowError> {
        let rows = [
            self.sessions.len(),
            self.transactions.len(),
            self.halves.len(),
        ];
        match rows.iter().any(|rows| *rows >= BATCH_ROWS) {
            true => self.take(),
            false => Ok(Vec::new()),
        }
    }

    fn take(&mut self) -> Result<Vec<(Table, RecordBatch)>, ArrowError> {
        let mut batches = Vec::new();
        if self.sessions.len() > 0 {
            batches.push((Table::Sessions, self.sessions.finish(self.batch)?));
        }
        if self.transactions.len() > 0 {
            batches.push((Table::Transactions, self.transactions.finish(self.batch)?));
        }
        if self.halves.len() > 0 {
            batches.push((Table::ProxiedHalves, self.halves.finish(self.batch)?));
        }
        Ok(batches)
    }

    /// Everything that is left, sums included.
    pub(crate) fn finish(mut self) -> Result<Vec<(Table, RecordBatch)>, ArrowError> {
        let mut batches = self.take()?;
        let source_id = |source: u32| self.source_ids[source as usize].clone();
        let sums = self
            .observations
            .finish(self.places, &source_id, self.batch)?;
        batches.extend(sums.map(|batch| (Table::Observations, batch)));
        let seen = self.certificates.finish(self.batch)?;
        batches.extend(seen.map(|batch| (Table::CertificatesSeen, batch)));
        Ok(batches)
    }
}

/// Recipients of a transaction accepted and refused; a refused MAIL counts as one.
pub(crate) fn count(session: &Session<'_>, transaction: &Transaction<'_>, answers: &mut Answers) {
    for recipient in session.mail.recipients_of(transaction) {
        match recipient.fate {
            Fate::Accepted => answers.accept(recipient.time),
            Fate::Refused => answers.refuse(recipient.time),
            Fate::Rejected | Fate::Unknown => {}
        }
    }
    refuse_sender(transaction, answers);
}

fn refuse_sender(transaction: &Transaction<'_>, answers: &mut Answers) {
    for _ in 0..transaction.sender_refused {
        answers.refuse(
            transaction
                .answer
                .map_or(transaction.end, |answer| answer.time),
        );
    }
}

/// Refused for want of attribution, or turned away by Exchange Online for another reason.
fn is_turned_away(session: &Session<'_>, transaction: &Transaction<'_>) -> bool {
    let refused = |fate: Fate| fate == Fate::Refused;
    let failed = transaction.answer.is_some_and(|answer| answer.code >= 400);
    transaction.sender_refused > 0
        || failed && session.is_cloud()
        || session
            .mail
            .recipients_of(transaction)
            .iter()
            .any(|to| refused(to.fate))
}

/// An address in its usual spelling, if it is one that the internet sees.
fn public_address(text: &[u8]) -> Option<String> {
    let address: IpAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
    peer::is_public(&address).then(|| address.to_canonical().to_string())
}

/// `eop`, `exchange_internal` or `other`; nothing for a peer that never said a word.
pub fn peer_kind(session: &Session<'_>) -> Option<&'static str> {
    let marks = &session.marks;
    if session.is_cloud() {
        Some("eop")
    } else if is_internal(session) {
        Some("exchange_internal")
    } else if !session.banner.is_empty() || marks.connected {
        Some("other")
    } else {
        None
    }
}

fn is_internal(session: &Session<'_>) -> bool {
    let marks = &session.marks;
    marks.exchange_commands
        || marks.proxying
        || marks.direct_trust
        || marks.exchange_banner && remote_address(session).is_some_and(|ip| !peer::is_public(&ip))
}

fn remote_address(session: &Session<'_>) -> Option<IpAddr> {
    let endpoint = endpoint::parse(session.remote)?;
    std::str::from_utf8(endpoint.ip).ok()?.parse().ok()
}

/// Networks of peers that are neither Exchange Online nor Exchange are told apart by this many
/// buckets: enough to see whether they are few, few enough to keep the table small.
const BUCKETS: u8 = 16;

/// Front-end servers take proxied sessions on this port.
const PROXY_PORT: u16 = 717;

/// Who was reached, see [`Kind::Route`].
fn route(session: &Session<'_>) -> String {
    let port = endpoint::parse(session.remote).and_then(|endpoint| endpoint.port);
    if !session.marks.connected && session.banner.is_empty() {
        return "unknown".to_owned();
    }
    if let Some(cloud) = session.cloud.filter(|_| session.is_cloud()) {
        return format!("eop/{}", cloud.as_str());
    }
    if session.marks.proxying || port == Some(PROXY_PORT) {
        return "proxy".to_owned();
    }
    if session.marks.direct_trust {
        return "edge".to_owned();
    }
    if is_internal(session) {
        return "exchange".to_owned();
    }
    match remote_address(session) {
        None => "other/unknown".to_owned(),
        Some(address) if !peer::is_public(&address) => "other/private".to_owned(),
        Some(address) => format!("other/public/{:02}", bucket(address)),
    }
}

/// The bucket of an address's /24 or /48 network.
fn bucket(address: IpAddr) -> u8 {
    let network: &[u8] = match &address {
        IpAddr::V4(v4) => &v4.octets()[..3],
        IpAddr::V6(v6) => &v6.octets()[..6],
    };
    blake3::hash(network).as_bytes()[0] % BUCKETS
}

/// Recipient domains with a fate, lower case, each once.
pub(crate) fn domains(session: &Session<'_>, of: &Transaction<'_>, fate: Fate) -> BTreeSet<String> {
    let recipients = session
        .mail
        .recipients_of(of)
        .iter()
        .filter(|to| to.fate == fate);
    let domains = recipients.filter_map(|to| command::domain(to.address));
    domains
        .map(|domain| relaydrift_parse::text::lossless(domain).to_lowercase())
        .collect()
}
