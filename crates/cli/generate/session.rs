//! How one SMTP session of each kind is written, row by row.

use std::io::Write;

use super::calendar::{HOUR, MINUTE};
use super::effect::{Handshake, Whom};
use super::fleet::{
    DOMAINS, Fleet, FrontDoor, HOSTED, HYBRID, MOVED_AWAY, Match, Peer, Role, Server, TENANT,
};
use super::greeting::{Attribution, OUTSIDE_NAME, POSTFIX_KEYWORDS};
use super::mail::{Mail, Recipient, Stage, Verdict, transact};
use super::reply::{Hop, Refusal};
use super::rng::Rng;
use super::rows::Rows;
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
    /// Draws the far end; the same at a second try.
    pub target: u64,
}

/// What comes of a session that failed before any mail: a second try.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// When.
    pub at: i64,
    /// Without STARTTLS.
    pub plain: bool,
}

/// Who sends a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    /// The organization, or nobody.
    Usual,
    /// The organization.
    Own,
    /// A domain that is not the tenant's: a forwarded mail, a newsletter.
    Foreign,
    /// Nobody: a report.
    Null,
}

/// The domain of foreign senders.
const FOREIGN: &str = "contoso-newsletter.example";

/// Writes the sessions of one server.
pub struct Speaker<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) server: &'a Server,
    pub(super) rng: Rng,
    /// Number of the last message.
    pub(super) record: u64,
    pub(super) text: Vec<u8>,
    recipients: Vec<Recipient>,
    /// The next mail's sender and the reason for which it may be refused.
    sender: Sender,
    refusal: Refusal,
    /// Per connector how often Exchange Online greeted.
    pub(super) shown: Vec<usize>,
    to_world: u64,
}

const SETUP: &[u8] = b"SendRoutingHeaders";
const ORGANIZATION_SETUP: &[u8] = b"SendRoutingHeaders SendForestHeaders SendOrganizationHeaders";

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
            sender: Sender::Usual,
            refusal: Refusal::Attribution,
            shown: vec![0; fleet.connectors.len()],
            to_world: 0,
        }
    }

    /// Writes a session of any connector but a proxied one.
    pub fn speak(&mut self, rows: &mut Rows, start: &Start) -> Option<Retry> {
        match self.fleet.connectors[start.connector].role {
            Role::CloudRelay | Role::CloudHybrid => self.cloud(rows, start),
            Role::SmartHost => self.other(rows, start, &self.fleet.smart_host),
            Role::IntraOrg => self.intra_org(rows, start),
            Role::Edge => self.edge(rows, start),
            Role::Internet => self.internet(rows, start),
        }
    }

    fn cloud(&mut self, rows: &mut Rows, start: &Start) -> Option<Retry> {
        let fleet = self.fleet;
        let door = self.rng.pick(&fleet.front_doors);
        let remote = self.endpoint(door, start);
        self.attempt(rows, start, remote, SETUP, b"attempting to connect");
        if let Some(retry) = self.connect(rows, start, remote) {
            return Some(retry);
        }
        let Some(attribution) = self.greet_outlook(rows, start, door) else {
            return Some(Retry {
                at: rows.now + self.rng.between(2_000, 8_000),
                plain: matches!(self.handshake(start), Handshake::Fails(_)),
            });
        };
        let hop = Hop::outlook(&door.inner, self.bdat(), self.server.skew_ms);
        self.mails(rows, start, &hop, |speaker, rows, first| {
            speaker.cloud_mail(rows, start, attribution, first)
        });
        None
    }

    /// Where a session to a front door goes: to its address of the family that ours has.
    fn endpoint(&self, door: &'a FrontDoor, start: &Start) -> &'a str {
        let own = self.server.egress.at(start.at).1[0];
        door.endpoint(&self.fleet.addresses[own as usize])
    }

    /// A session through this server's own front end: the hub's half in `hub`, the half that
    /// Exchange Online sees in `front`.
    pub fn proxied(&mut self, hub: &mut Rows, front: &mut Rows, start: &Start, front_id: u64) {
        let fleet = self.fleet;
        let server = self.server;
        let door = self.rng.pick(&fleet.front_doors);
        let inside = format!("{}:717", server.address);
        self.attempt(
            hub,
            start,
            &inside,
            ORGANIZATION_SETUP,
            b"attempting to connect",
        );
        let local = self.local();
        hub.wait(1);
        hub.connected(&local, &inside);
        self.greet_exchange(hub, &server.host, true, server, start.at);
        self.text.clear();
        let _ = write!(
            self.text,
            "XPROXYTO DESTINATIONS={} PORT=25 SESSIONID={:016X} FORCEHELO=False",
            door.host, start.id
        );
        hub.sent(&self.text);

        let context = format!(
            "attempting to connect. Outbound proxy from {} with session id {:016X}. Proxied session id {:016X}",
            server.host,
            start.id,
            front_id - 1
        );
        let front_start = Start {
            id: front_id,
            at: hub.now + self.rng.between(1, 4),
            ..*start
        };
        let remote = self.endpoint(door, &front_start);
        self.attempt(front, &front_start, remote, b"None", context.as_bytes());
        let reached = self.connect(front, &front_start, remote).is_none();
        let attribution = if reached {
            self.greet_outlook(front, &front_start, door)
        } else {
            None
        };
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
        let hop = Hop::outlook(&door.inner, self.bdat(), server.skew_ms);
        self.mails(hub, start, &hop, |speaker, rows, first| {
            speaker.cloud_mail(rows, start, attribution, first)
        });
        front.now = front.now.max(hub.now);
        self.quit(front);
    }

    fn internet(&mut self, rows: &mut Rows, start: &Start) -> Option<Retry> {
        let fleet = self.fleet;
        self.to_world += 1;
        // However little traffic there is, it goes to peers of both kinds.
        if self.to_world <= 2 || start.plain || self.rng.permille(700) {
            let peer = &fleet.peers[start.target as usize % fleet.peers.len()];
            return self.other(rows, start, peer);
        }
        let door = self.rng.pick(&fleet.front_doors);
        let domain = *self.rng.pick(&DOMAINS[..HOSTED]);
        let gone =
            self.rng.permille(40) || self.server.refusal(start.connector, start.at).is_some();
        self.attempt(rows, start, &door.address, SETUP, b"attempting to connect");
        if let Some(retry) = self.connect(rows, start, &door.address) {
            return Some(retry);
        }
        let Some(_) = self.greet_outlook(rows, start, door) else {
            return Some(Retry {
                at: rows.now + self.rng.between(2_000, 8_000),
                plain: false,
            });
        };
        let hop = Hop::outlook(&door.inner, self.bdat(), self.server.skew_ms);
        self.mails(rows, start, &hop, |speaker, _, _| {
            for _ in 0..speaker.crowd() {
                let (domain, verdict) = if gone {
                    (MOVED_AWAY, Verdict::Refused)
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
        self.ehlo(
            rows,
            OUTSIDE_NAME,
            &peer.host,
            None,
            &POSTFIX_KEYWORDS,
            received.is_some(),
        );
        if let Some(received) = received {
            let server = self.server;
            let sent = *server.sending[start.connector].at(start.at).1;
            let fails = !start.appointed && self.rng.permille(8);
            let received = *received.at(rows.now).1;
            let end = match fails {
                true => tls::End::Break,
                false => tls::End::Success,
            };
            let (fleet, form) = (self.fleet, server.form);
            if !tls::start(rows, fleet, form, Some(sent), received, end, &mut self.rng) {
                let at = rows.now + self.rng.between(500, 3_000);
                return Some(Retry { at, plain: true });
            }
            self.ehlo(
                rows,
                OUTSIDE_NAME,
                &peer.host,
                None,
                &POSTFIX_KEYWORDS,
                false,
            );
        }
        let hop = Hop::postfix(&peer.host, peer.latin1);
        self.mails(rows, start, &hop, |speaker, _, _| {
            for _ in 0..speaker.crowd() {
                let verdict = match speaker.rng.below(1000) {
                    0..25 => Verdict::Unknown,
                    25..40 => Verdict::Busy,
                    _ => Verdict::Accepted,
                };
                speaker.recipients.push(Recipient {
                    domain: peer.domain,
                    verdict,
                });
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
        self.attempt(
            rows,
            start,
            &remote,
            ORGANIZATION_SETUP,
            b"attempting to connect",
        );
        if let Some(retry) = self.connect(rows, start, &remote) {
            return Some(retry);
        }
        let anonymous = self.rng.permille(750);
        self.greet_exchange(rows, host, anonymous, target, start.at);
        let hop = Hop::exchange(host);
        self.mails(rows, start, &hop, |speaker, _, _| {
            for _ in 0..speaker.crowd() {
                let unknown = speaker.rng.permille(5);
                let verdict = if unknown {
                    Verdict::Unknown
                } else {
                    Verdict::Accepted
                };
                speaker.recipients.push(Recipient {
                    domain: "contoso.com",
                    verdict,
                });
            }
            Stage::Recipient
        });
        None
    }

    /// To the subscribed Edge server, whose certificate is known from the subscription.
    fn edge(&mut self, rows: &mut Rows, start: &Start) -> Option<Retry> {
        let (server, remote) = (self.server, "10.9.0.7:25");
        self.attempt(
            rows,
            start,
            remote,
            ORGANIZATION_SETUP,
            b"attempting to connect",
        );
        if let Some(retry) = self.connect(rows, start, remote) {
            return Some(retry);
        }
        self.greet_exchange(rows, "edge1.contoso.com", false, server, start.at);
        let received = *server.own.at(rows.now).1;
        tls::direct_trust(rows, self.fleet, server.form, received);
        let hop = Hop::exchange("edge1.contoso.com");
        self.mails(rows, start, &hop, |speaker, _, _| {
            for _ in 0..speaker.crowd() {
                let domain = *speaker.rng.pick(&DOMAINS);
                let verdict = Verdict::Accepted;
                speaker.recipients.push(Recipient { domain, verdict });
            }
            Stage::Recipient
        });
        None
    }

    /// Recipients of one mail to the tenant, with what the tenant says to them.
    fn cloud_mail(&mut self, rows: &Rows, start: &Start, by: Attribution, first: bool) -> Stage {
        let relay = start.connector != HYBRID;
        let told = self.server.refusal(start.connector, rows.now);
        let attributed = by.accepted_from <= rows.now;
        let refused = match told {
            Some((refusal, Whom::Strangers)) => {
                self.refusal = refusal;
                self.stranger(first && start.appointed) || !attributed
            }
            Some((refusal, Whom::Outside | Whom::Everyone)) => {
                self.refusal = refusal;
                true
            }
            Some((_, Whom::In(_))) | None => !attributed,
        };
        let mut external = true;
        for index in 0..self.crowd() {
            let appointed = first && index == 0 && start.appointed;
            let tenant = !relay || (!appointed && self.rng.permille(300));
            external &= !tenant;
            let busy = !start.appointed && self.rng.permille(4);
            self.recipients.push(if tenant {
                let unknown = self.rng.permille(8);
                let verdict = match told {
                    Some((_, Whom::Everyone)) => Verdict::Refused,
                    _ if unknown => Verdict::Unknown,
                    _ => Verdict::Accepted,
                };
                Recipient {
                    domain: TENANT,
                    verdict,
                }
            } else {
                let choices = DOMAINS.len() as u64;
                let pick = self.rng.below(choices).min(self.rng.below(choices)) as usize;
                let domain = if appointed { DOMAINS[0] } else { DOMAINS[pick] };
                let verdict = match (refused, busy, told) {
                    (_, _, Some((refusal, Whom::In(one)))) if one == domain => {
                        self.refusal = refusal;
                        Verdict::Refused
                    }
                    (true, ..) => Verdict::Refused,
                    (false, true, _) => Verdict::Busy,
                    (false, false, _) => Verdict::Accepted,
                };
                Recipient { domain, verdict }
            });
        }
        if told.is_some() || attributed || !external || start.at.saturating_sub(by.since) < HOUR {
            return Stage::Recipient;
        }
        match self.rng.below(100) {
            0..4 => Stage::Sender,
            4..12 => Stage::Content,
            _ => Stage::Recipient,
        }
    }

    /// Draws a sender; true if it is a stranger. An appointed mail is always one's.
    fn stranger(&mut self, appointed: bool) -> bool {
        self.sender = match self.rng.below(100) {
            _ if appointed => Sender::Foreign,
            0..45 => Sender::Own,
            45..80 => Sender::Foreign,
            _ => Sender::Null,
        };
        self.sender != Sender::Own
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
        let lingers = server.lingers(start.connector, start.at);
        let mails = if self.rng.permille(450) || lingers {
            2 + self.rng.below(7)
        } else {
            1
        };
        for number in 0..mails {
            if number > 0 {
                let size = 1 + self.rng.below(6);
                self.text.clear();
                let _ = write!(
                    self.text,
                    "successfully added connection to cache. Current cache size is {size}"
                );
                rows.note(&self.text);
                let pause = self.rng.between(300, 25_000);
                rows.wait(if lingers { pause * 20 } else { pause });
                if rows.now >= last {
                    break;
                }
            }
            self.recipients.clear();
            self.sender = Sender::Usual;
            self.refusal = Refusal::Attribution;
            let stage = address(self, rows, number == 0);
            let recipients = std::mem::take(&mut self.recipients);
            let breaks = !start.appointed && self.rng.permille(6);
            let local_sender = hop.is_outlook() && self.fleet.matched_by == Match::Address;
            let bounce = !local_sender && self.rng.permille(30);
            let sender = match self.sender {
                Sender::Usual if bounce => None,
                Sender::Usual | Sender::Own => Some("contoso.com"),
                Sender::Foreign => Some(FOREIGN),
                Sender::Null => None,
            };
            let mail = Mail {
                recipients: &recipients,
                stage,
                sender,
                refusal: self.refusal,
                breaks,
            };
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
}
