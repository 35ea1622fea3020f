//! How one SMTP session of each kind is written, row by row.

use std::io::Write;

use super::calendar::{HOUR, MINUTE, banner_date};
use super::fleet::{
    DOMAINS, Fleet, FrontDoor, HOSTED, MOVED_AWAY, Match, Peer, RELAY, Role, Server, TENANT,
};
use super::mail::{Hop, Mail, Recipient, Stage, Verdict, transact};
use super::rng::Rng;
use super::rows::{Fact, Rows};
use super::tls;

/// Sessions that begin this close before a change wait until after it, so that nothing sent the
/// old way is still under way when the new value shows.
pub const LULL_BEFORE: i64 = 20_000;
/// See [`LULL_BEFORE`].
pub const LULL_AFTER: i64 = 30_000;

/// A session about to begin.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// Index of the connector.
    pub connector: usize,
    /// Session id.
    pub id: u64,
    /// Time of the first row.
    pub at: i64,
    /// Nothing may go wrong in it but attribution.
    pub appointed: bool,
    /// A second try without STARTTLS.
    pub plain: bool,
}

/// What comes of a session that failed before any mail: a second try.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// When.
    pub at: i64,
    /// Without STARTTLS.
    pub plain: bool,
}

/// Writes the sessions of one server.
pub struct Speaker<'a> {
    fleet: &'a Fleet,
    server: &'a Server,
    pub(super) rng: Rng,
    /// Number of the last message.
    pub(super) record: u64,
    pub(super) text: Vec<u8>,
    recipients: Vec<Recipient>,
    shown: Vec<usize>,
}

/// Why and since when the tenant takes mail of a session for its own.
#[derive(Clone, Copy)]
struct Attribution {
    accepted_from: i64,
    /// Since when the session's certificate and address are in use.
    since: i64,
}

const SETUP: &[u8] = b"SendRoutingHeaders";
const ORGANIZATION_SETUP: &[u8] = b"SendRoutingHeaders SendForestHeaders SendOrganizationHeaders";
const OUTLOOK_KEYWORDS: [&str; 9] = [
    "SIZE 157286400",
    "PIPELINING",
    "DSN",
    "ENHANCEDSTATUSCODES",
    "STARTTLS",
    "8BITMIME",
    "BINARYMIME",
    "CHUNKING",
    "SMTPUTF8",
];
const EXCHANGE_KEYWORDS: [&str; 12] = [
    "SIZE 37748736",
    "PIPELINING",
    "DSN",
    "ENHANCEDSTATUSCODES",
    "STARTTLS",
    "X-ANONYMOUSTLS",
    "AUTH NTLM",
    "X-EXPS GSSAPI NTLM",
    "8BITMIME",
    "BINARYMIME",
    "CHUNKING",
    "XRDST",
];
const POSTFIX_KEYWORDS: [&str; 7] = [
    "PIPELINING",
    "SIZE 52428800",
    "STARTTLS",
    "ENHANCEDSTATUSCODES",
    "8BITMIME",
    "DSN",
    "SMTPUTF8",
];

impl<'a> Speaker<'a> {
    /// Speaks for a server.
    pub fn new(fleet: &'a Fleet, server: &'a Server, rng: Rng) -> Self {
        Speaker {
            fleet,
            server,
            rng,
            record: 41_000_000,
            text: Vec::new(),
            recipients: Vec::new(),
            shown: vec![0; fleet.connectors.len()],
        }
    }

    /// Writes a session of any connector but a proxied one.
    pub fn speak(&mut self, rows: &mut Rows, start: &Start) -> Option<Retry> {
        match self.fleet.connectors[start.connector].role {
            Role::CloudRelay | Role::CloudHybrid => self.cloud(rows, start),
            Role::SmartHost => self.other(rows, start, &self.fleet.smart_host),
            Role::IntraOrg => self.intra_org(rows, start),
            Role::Internet => self.internet(rows, start),
        }
    }

    fn cloud(&mut self, rows: &mut Rows, start: &Start) -> Option<Retry> {
        let fleet = self.fleet;
        let door = self.rng.pick(&fleet.front_doors);
        self.attempt(rows, start, &door.address, SETUP, b"attempting to connect");
        if let Some(retry) = self.connect(rows, start, &door.address) {
            return Some(retry);
        }
        let Some(attribution) = self.greet_outlook(rows, start, door) else {
            return Some(Retry { at: rows.now + self.rng.between(2_000, 8_000), plain: false });
        };
        let hop = Hop::outlook(&door.inner, self.bdat(), 0);
        self.mails(rows, start, &hop, |speaker, rows, first| {
            speaker.cloud_mail(rows, start, attribution, first)
        });
        None
    }

    /// A session through this server's own front end: the hub's half in `hub`, the half that
    /// Exchange Online sees in `front`.
    pub fn proxied(&mut self, hub: &mut Rows, front: &mut Rows, start: &Start, front_id: u64) {
        let fleet = self.fleet;
        let server = self.server;
        let door = self.rng.pick(&fleet.front_doors);
        let inside = format!("{}:717", server.address);
        self.attempt(hub, start, &inside, ORGANIZATION_SETUP, b"attempting to connect");
        let local = self.local();
        hub.wait(1);
        hub.connected(&local, &inside);
        self.greet_exchange(hub, start, &server.host, true, server);
        self.text.clear();
        let _ = write!(
            self.text,
            "XPROXYTO DESTINATIONS={} PORT=25 SESSIONID={:016X} FORCEHELO=False",
            door.host, start.id
        );
        hub.sent(&self.text);

        let context = format!(
            "attempting to connect. Outbound proxy from {} with session id {:016X}. Proxied session id {:016X}",
            server.host, start.id, start.id
        );
        let front_start = Start { id: front_id, at: hub.now + self.rng.between(1, 4), ..*start };
        self.attempt(front, &front_start, &door.address, b"None", context.as_bytes());
        let reached = self.connect(front, &front_start, &door.address).is_none();
        let attribution =
            if reached { self.greet_outlook(front, &front_start, door) } else { None };
        hub.now = hub.now.max(front.now) + 2;
        let Some(attribution) = attribution else {
            hub.received(b"451 4.7.0 Temporary server error. Please try again later. PRX5");
            self.quit(hub);
            return;
        };
        let context = format!(
            "Proxy session successfully set up for {}. Inbound session will now be blindly proxied",
            server.host
        );
        front.note(context.as_bytes());
        hub.received(b"250 2.0.0 XPROXYTO accepted");
        hub.note(b"This session is now being proxied through the next hop. The actual connector being used is: Outbound to Office 365");
        let hop = Hop::outlook(&door.inner, self.bdat(), 2);
        self.mails(hub, start, &hop, |speaker, rows, first| {
            speaker.cloud_mail(rows, start, attribution, first)
        });
        front.now = front.now.max(hub.now);
        self.quit(front);
    }

    fn internet(&mut self, rows: &mut Rows, start: &Start) -> Option<Retry> {
        let fleet = self.fleet;
        if self.rng.permille(700) {
            let peer = self.rng.pick(&fleet.peers);
            return self.other(rows, start, peer);
        }
        let door = self.rng.pick(&fleet.front_doors);
        let domain = *self.rng.pick(&DOMAINS[..HOSTED]);
        let gone = self.rng.permille(40);
        self.attempt(rows, start, &door.address, SETUP, b"attempting to connect");
        if let Some(retry) = self.connect(rows, start, &door.address) {
            return Some(retry);
        }
        let Some(_) = self.greet_outlook(rows, start, door) else {
            return Some(Retry { at: rows.now + self.rng.between(2_000, 8_000), plain: false });
        };
        let hop = Hop::outlook(&door.inner, self.bdat(), 0);
        self.mails(rows, start, &hop, |speaker, _, _| {
            for _ in 0..speaker.crowd() {
                let (domain, verdict) = if gone {
                    (MOVED_AWAY, Verdict::NotAttributed)
                } else if speaker.rng.permille(30) {
                    (domain, Verdict::Unknown)
                } else {
                    (domain, Verdict::Accepted)
                };
                speaker.recipients.push(Recipient { domain, verdict });
            }
            Stage::Recipient
        });
        None
    }

    /// A mail server that is neither Exchange Online nor ours.
    fn other(&mut self, rows: &mut Rows, start: &Start, peer: &'a Peer) -> Option<Retry> {
        self.attempt(rows, start, &peer.address, SETUP, b"attempting to connect");
        if let Some(retry) = self.connect(rows, start, &peer.address) {
            return Some(retry);
        }
        let received = peer.certificate.as_ref().filter(|_| !start.plain);
        rows.wait(self.rng.between(8, 60));
        rows.received(format!("220 {} ESMTP Postfix", peer.host).as_bytes());
        self.ehlo(rows, start, &peer.host, None, &POSTFIX_KEYWORDS, received.is_some());
        if let Some(received) = received {
            let server = self.server;
            let sent = *server.sending[start.connector].at(start.at).1;
            let fails = !start.appointed && self.rng.permille(8);
            let received = *received.at(rows.now).1;
            if !tls::start(rows, self.fleet, server.form, sent, received, fails, &mut self.rng) {
                let at = rows.now + self.rng.between(500, 3_000);
                return Some(Retry { at, plain: true });
            }
            self.ehlo(rows, start, &peer.host, None, &POSTFIX_KEYWORDS, false);
        }
        let hop = Hop::postfix(&peer.host, peer.latin1);
        self.mails(rows, start, &hop, |speaker, _, _| {
            for _ in 0..speaker.crowd() {
                let verdict = match speaker.rng.below(1000) {
                    0..25 => Verdict::Unknown,
                    25..40 => Verdict::Busy,
                    _ => Verdict::Accepted,
                };
                speaker.recipients.push(Recipient { domain: peer.domain, verdict });
            }
            Stage::Recipient
        });
        None
    }

    /// To another Exchange server of the organization, or to one that keeps no logs.
    fn intra_org(&mut self, rows: &mut Rows, start: &Start) -> Option<Retry> {
        let fleet = self.fleet;
        let target = self.rng.pick(&fleet.servers);
        let itself = target.name == self.server.name;
        let (host, address) = match itself {
            true => ("EX90.corp.contoso.com", "10.1.0.9"),
            false => (target.host.as_str(), target.address.as_str()),
        };
        let remote = format!("{address}:2525");
        self.attempt(rows, start, &remote, ORGANIZATION_SETUP, b"attempting to connect");
        if let Some(retry) = self.connect(rows, start, &remote) {
            return Some(retry);
        }
        let anonymous = self.rng.permille(750);
        self.greet_exchange(rows, start, host, anonymous, target);
        let hop = Hop::exchange(host);
        self.mails(rows, start, &hop, |speaker, _, _| {
            for _ in 0..speaker.crowd() {
                let unknown = speaker.rng.permille(5);
                let verdict = if unknown { Verdict::Unknown } else { Verdict::Accepted };
                speaker.recipients.push(Recipient { domain: "contoso.com", verdict });
            }
            Stage::Recipient
        });
        None
    }

    /// Recipients of one mail to the tenant, with what the tenant says to them.
    fn cloud_mail(&mut self, rows: &Rows, start: &Start, by: Attribution, first: bool) -> Stage {
        let relay = start.connector == RELAY;
        let attributed = by.accepted_from <= rows.now;
        let mut external = true;
        for index in 0..self.crowd() {
            let appointed = first && index == 0 && start.appointed;
            let tenant = !relay || (!appointed && self.rng.permille(300));
            external &= !tenant;
            let busy = !start.appointed && self.rng.permille(4);
            self.recipients.push(if tenant {
                let unknown = self.rng.permille(8);
                let verdict = if unknown { Verdict::Unknown } else { Verdict::Accepted };
                Recipient { domain: TENANT, verdict }
            } else {
                let choices = DOMAINS.len() as u64;
                let pick = self.rng.below(choices).min(self.rng.below(choices)) as usize;
                let verdict = match (attributed, busy) {
                    (false, _) => Verdict::NotAttributed,
                    (true, true) => Verdict::Busy,
                    (true, false) => Verdict::Accepted,
                };
                Recipient { domain: if appointed { DOMAINS[0] } else { DOMAINS[pick] }, verdict }
            });
        }
        if attributed || !external || start.at - by.since < HOUR {
            return Stage::Recipient;
        }
        match self.rng.below(100) {
            0..4 => Stage::Sender,
            4..12 => Stage::Content,
            _ => Stage::Recipient,
        }
    }

    /// How many recipients a mail has.
    fn crowd(&mut self) -> u64 {
        match self.rng.below(100) {
            0..70 => 1,
            70..95 => 2 + self.rng.below(4),
            _ => 6 + self.rng.below(15),
        }
    }

    fn bdat(&mut self) -> bool {
        self.rng.permille(600)
    }

    /// One mail or several over a cached connection, then the end, mostly a quiet one. `address`
    /// fills in the recipients.
    fn mails(
        &mut self,
        rows: &mut Rows,
        start: &Start,
        hop: &Hop<'_>,
        mut address: impl FnMut(&mut Self, &Rows, bool) -> Stage,
    ) {
        let server = self.server;
        let change = server.sending[start.connector].next_change(start.at);
        let last = change.min(server.egress.next_change(start.at)) - LULL_BEFORE / 2;
        let mails = if self.rng.permille(450) { 2 + self.rng.below(7) } else { 1 };
        for number in 0..mails {
            if number > 0 {
                let size = 1 + self.rng.below(6);
                self.text.clear();
                let _ = write!(self.text, "successfully added connection to cache. Current cache size is {size}");
                rows.note(&self.text);
                rows.wait(self.rng.between(300, 25_000));
                if rows.now >= last {
                    break;
                }
            }
            self.recipients.clear();
            let stage = address(self, rows, number == 0);
            let recipients = std::mem::take(&mut self.recipients);
            let breaks = !start.appointed && self.rng.permille(6);
            let local_sender = hop.is_outlook() && self.fleet.matched_by == Match::Address;
            let bounce = !local_sender && self.rng.permille(30);
            let mail = Mail { recipients: &recipients, stage, bounce, breaks };
            transact(self, rows, hop, &server.host, &mail);
            self.recipients = recipients;
            if breaks {
                if self.rng.permille(500) {
                    rows.wait(10 * MINUTE);
                    rows.disconnected(b"Timeout");
                } else {
                    rows.wait(self.rng.between(1_000, 30_000));
                    rows.disconnected(b"Remote(ConnectionReset)");
                }
                return;
            }
        }
        if self.rng.permille(5) {
            rows.wait(self.rng.between(30_000, 120_000));
            rows.received(b"421 4.4.1 Connection timed out");
            rows.disconnected(b"Remote");
            return;
        }
        self.quit(rows);
    }

    fn quit(&mut self, rows: &mut Rows) {
        rows.wait(1);
        rows.sent(b"QUIT");
        rows.wait(self.rng.between(8, 40));
        rows.received(b"221 2.0.0 Service closing transmission channel");
        rows.disconnected(b"Local");
    }

    fn attempt(
        &mut self,
        rows: &mut Rows,
        start: &Start,
        remote: &str,
        permissions: &[u8],
        context: &[u8],
    ) {
        let field = &self.fleet.connectors[start.connector].field;
        rows.begin(start.connector, field, start.id, start.at, remote);
        rows.row(b'*', permissions, b"Set Session Permissions");
        rows.note(context);
    }

    /// The TCP connection, or the row that says why there is none.
    fn connect(&mut self, rows: &mut Rows, start: &Start, remote: &str) -> Option<Retry> {
        if !start.appointed && self.rng.permille(9) {
            rows.wait(21_000 + self.rng.between(0, 90));
            let address = remote;
            let context = format!(
                "Failed to connect. Winsock error code: 10060, Win32 error code: 10060, Error Message: A connection attempt failed because the connected party did not properly respond after a period of time, or established connection failed because connected host has failed to respond {address}"
            );
            rows.note(context.as_bytes());
            return Some(Retry { at: rows.now + self.rng.between(50, 2_000), plain: start.plain });
        }
        rows.wait(self.rng.between(1, 30));
        let local = self.local();
        rows.connected(&local, remote);
        None
    }

    fn local(&mut self) -> String {
        format!("{}:{}", self.server.address, 49_152 + self.rng.below(16_000))
    }

    /// Exchange Online's greeting through the second EHLO; none if TLS fails.
    fn greet_outlook(
        &mut self,
        rows: &mut Rows,
        start: &Start,
        door: &FrontDoor,
    ) -> Option<Attribution> {
        let server = self.server;
        let (since, certificate) = server.sending[start.connector].at(start.at);
        let (moved, pool) = server.egress.at(start.at);
        let shown = &mut self.shown[start.connector];
        *shown += 1;
        // Every address of a pool shows in the first hours, then any of them.
        let turn = if *shown > 8 { self.rng.next() as usize } else { *shown };
        let egress = pool[turn % pool.len()];
        let address = &self.fleet.addresses[egress as usize];
        rows.wait(self.rng.between(20, 120));
        let session = super::calendar::ticks(rows.now - HOUR) + self.rng.below(1 << 30);
        let said = banner_date(rows.now - server.skew_ms);
        self.text.clear();
        let _ = write!(
            self.text,
            "220 {} Microsoft ESMTP MAIL Service ready at {said} [{session:016X}]",
            door.host
        );
        rows.received(&self.text);
        self.ehlo(rows, start, &door.host, Some(&address.text), &OUTLOOK_KEYWORDS, true);
        rows.tells(Fact::Egress(egress));
        let fails = !start.appointed && self.rng.permille(7);
        let received = *door.certificate.at(rows.now).1;
        if !tls::start(rows, self.fleet, server.form, *certificate, received, fails, &mut self.rng)
        {
            return None;
        }
        self.ehlo(rows, start, &door.host, Some(&address.text), &OUTLOOK_KEYWORDS, false);
        let accepted_from = match self.fleet.matched_by {
            Match::Certificate => self.fleet.certificates[*certificate as usize].accepted_from,
            Match::Address => address.accepted_from,
        };
        Some(Attribution { accepted_from, since: since.max(moved) })
    }

    /// Another Exchange server's greeting, through authentication.
    fn greet_exchange(
        &mut self,
        rows: &mut Rows,
        start: &Start,
        host: &str,
        anonymous: bool,
        target: &Server,
    ) {
        let server = self.server;
        rows.wait(self.rng.between(1, 4));
        let said = banner_date(rows.now);
        self.text.clear();
        let _ = write!(self.text, "220 {host} Microsoft ESMTP MAIL Service ready at {said}");
        rows.received(&self.text);
        self.ehlo(rows, start, host, Some(&server.address), &EXCHANGE_KEYWORDS, true);
        let received = *target.own.at(rows.now).1;
        if anonymous {
            tls::anonymous(rows, self.fleet, received, &mut self.rng);
        } else {
            let sent = *server.own.at(start.at).1;
            tls::start(rows, self.fleet, server.form, sent, received, false, &mut self.rng);
        }
        self.ehlo(rows, start, host, Some(&server.address), &EXCHANGE_KEYWORDS, false);
        rows.sent(b"X-EXPS EXCHANGEAUTH SHA256 ");
        rows.sent(b"<Binary Data>");
        rows.wait(self.rng.between(1, 9));
        rows.received(b"235 <authentication information>");
    }

    /// EHLO and its reply, split or joined as this server's build writes it.
    fn ehlo(
        &mut self,
        rows: &mut Rows,
        start: &Start,
        host: &str,
        hello: Option<&str>,
        keywords: &[&str],
        clear: bool,
    ) {
        let outside = !matches!(self.fleet.connectors[start.connector].role, Role::IntraOrg);
        let name = if outside { "mail.contoso.com" } else { self.server.host.as_str() };
        self.text.clear();
        let _ = write!(self.text, "EHLO {name}");
        rows.sent(&self.text);
        rows.wait(self.rng.between(1, 45));
        let joined = self.server.joined_replies && hello.is_some();
        self.text.clear();
        let lead = if joined { "250  " } else { "250-" };
        let _ = match hello {
            Some(address) => write!(self.text, "{lead}{host} Hello [{address}]"),
            None => write!(self.text, "{lead}{host}"),
        };
        let said = keywords
            .iter()
            .filter(|word| clear || !matches!(**word, "STARTTLS" | "X-ANONYMOUSTLS"))
            .count();
        let mut left = said;
        for word in keywords {
            if !clear && matches!(*word, "STARTTLS" | "X-ANONYMOUSTLS") {
                continue;
            }
            left -= 1;
            if joined {
                self.text.push(b' ');
            } else {
                rows.received(&self.text);
                self.text.clear();
                self.text.extend_from_slice(if left == 0 { b"250 " } else { b"250-" });
            }
            self.text.extend_from_slice(word.as_bytes());
        }
        rows.received(&self.text);
    }
}
