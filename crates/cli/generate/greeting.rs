//! How a session begins and ends: connection, greeting, EHLO, QUIT.

use std::io::Write;

use super::calendar::{HOUR, banner_date, ticks};
use super::effect::Handshake;
use super::fleet::{FrontDoor, Match, Server};
use super::rows::{Fact, Rows};
use super::session::{Retry, Speaker, Start};
use super::tls;

/// Why and since when the tenant takes mail of a session for its own.
#[derive(Debug, Clone, Copy)]
pub struct Attribution {
    /// See [`Certificate::accepted_from`](super::certificate::Certificate::accepted_from).
    pub accepted_from: i64,
    /// Since when the session's certificate and address are in use.
    pub since: i64,
}

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
/// What a mail server that is not Exchange offers.
pub const POSTFIX_KEYWORDS: [&str; 7] = [
    "PIPELINING",
    "SIZE 52428800",
    "STARTTLS",
    "ENHANCEDSTATUSCODES",
    "8BITMIME",
    "DSN",
    "SMTPUTF8",
];

/// The name that this organization says in EHLO to the world.
pub const OUTSIDE_NAME: &str = "mail.contoso.com";

impl Speaker<'_> {
    /// QUIT and the disconnection.
    pub(super) fn quit(&mut self, rows: &mut Rows) {
        rows.wait(1);
        rows.sent(b"QUIT");
        rows.wait(self.rng.between(8, 40));
        rows.received(b"221 2.0.0 Service closing transmission channel");
        rows.disconnected(b"Local");
    }

    /// The rows before the connection.
    pub(super) fn attempt(
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
    pub(super) fn connect(
        &mut self,
        rows: &mut Rows,
        start: &Start,
        remote: &str,
    ) -> Option<Retry> {
        if !start.appointed && self.rng.permille(9) {
            rows.wait(21_000 + self.rng.between(0, 90));
            let context = format!(
                "Failed to connect. Winsock error code: 10060, Win32 error code: 10060, Error Message: A connection attempt failed because the connected party did not properly respond after a period of time, or established connection failed because connected host has failed to respond {remote}"
            );
            rows.note(context.as_bytes());
            return Some(Retry {
                at: rows.now + self.rng.between(50, 2_000),
                plain: start.plain,
            });
        }
        rows.wait(self.rng.between(1, 30));
        let local = match remote.starts_with('[') {
            true => self.local_of_six(start),
            false => self.local(),
        };
        rows.connected(&local, remote);
        None
    }

    /// A local endpoint.
    pub(super) fn local(&mut self) -> String {
        let port = 49_152 + self.rng.below(16_000);
        format!("{}:{port}", self.server.address)
    }

    /// How TLS goes in a session toward Exchange Online.
    pub(super) fn handshake(&self, start: &Start) -> Handshake {
        match start.plain {
            true => Handshake::Skipped,
            false => self.server.handshake(start.connector, start.at),
        }
    }

    /// A local endpoint of IPv6, where the public address is the server's own.
    fn local_of_six(&mut self, start: &Start) -> String {
        let port = 49_152 + self.rng.below(16_000);
        let own = self.server.egress.at(start.at).1[0];
        format!("[{}]:{port}", self.fleet.addresses[own as usize].text)
    }

    /// Exchange Online's greeting through the second EHLO; none if TLS fails.
    pub(super) fn greet_outlook(
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
        let turn = if *shown > 8 {
            self.rng.next() as usize
        } else {
            *shown
        };
        let egress = pool[turn % pool.len()];
        let address = &self.fleet.addresses[egress as usize];
        rows.wait(self.rng.between(20, 120));
        let session = ticks(rows.now - HOUR) + self.rng.below(1 << 30);
        let said = banner_date(rows.now - server.skew_ms);
        let handshake = self.handshake(start);
        self.text.clear();
        let _ = match handshake {
            Handshake::Stripped => write!(self.text, "220 {}", "*".repeat(92)),
            _ => write!(
                self.text,
                "220 {} Microsoft ESMTP MAIL Service ready at {said} [{session:016X}]",
                door.host
            ),
        };
        rows.received(&self.text);
        let mut keywords = OUTLOOK_KEYWORDS;
        if handshake == Handshake::Stripped {
            for word in keywords.iter_mut().filter(|word| **word == "STARTTLS") {
                *word = "XXXXXXXA";
            }
        }
        let clear = handshake != Handshake::NotOffered;
        let hello = Some(address.text.as_str());
        self.ehlo(rows, OUTSIDE_NAME, &door.host, hello, &keywords, clear);
        rows.tells(Fact::Egress(egress));
        let breaks = !start.appointed && self.rng.permille(7);
        let received = match handshake {
            Handshake::Intercepted(box_between) => box_between,
            _ => *door.certificate.at(rows.now).1,
        };
        let end = match handshake {
            Handshake::Fails(error) => tls::End::Error(error),
            _ if breaks => tls::End::Break,
            Handshake::Speaks(ways) => tls::End::Row(ways[door.number % ways.len()]),
            _ => tls::End::Success,
        };
        use Handshake::{NotOffered, NothingSent, Skipped, Stripped};
        if !matches!(handshake, NotOffered | Skipped | Stripped) {
            let sent = (handshake != NothingSent).then_some(*certificate);
            let (fleet, form) = (self.fleet, server.form);
            if !tls::start(rows, fleet, form, sent, received, end, &mut self.rng) {
                return None;
            }
            self.ehlo(rows, OUTSIDE_NAME, &door.host, hello, &keywords, false);
        }
        let by_name = match self.fleet.matched_by {
            Match::Certificate if handshake.presents() => {
                self.fleet.certificates[*certificate as usize].accepted_from
            }
            _ => i64::MAX,
        };
        let accepted_from = by_name.min(address.accepted_from);
        Some(Attribution {
            accepted_from,
            since: since.max(moved),
        })
    }

    /// Another Exchange server's greeting, through authentication.
    pub(super) fn greet_exchange(
        &mut self,
        rows: &mut Rows,
        host: &str,
        anonymous: bool,
        target: &Server,
        start: i64,
    ) {
        let server = self.server;
        rows.wait(self.rng.between(1, 4));
        let said = banner_date(rows.now);
        self.text.clear();
        let _ = write!(
            self.text,
            "220 {host} Microsoft ESMTP MAIL Service ready at {said}"
        );
        rows.received(&self.text);
        self.ehlo(
            rows,
            &server.host,
            host,
            Some(&server.address),
            &EXCHANGE_KEYWORDS,
            true,
        );
        let received = *target.own.at(rows.now).1;
        if anonymous {
            tls::anonymous(rows, self.fleet, received, &mut self.rng);
        } else {
            let sent = *server.own.at(start).1;
            tls::start(
                rows,
                self.fleet,
                server.form,
                Some(sent),
                received,
                tls::End::Success,
                &mut self.rng,
            );
        }
        self.ehlo(
            rows,
            &server.host,
            host,
            Some(&server.address),
            &EXCHANGE_KEYWORDS,
            false,
        );
        rows.sent(b"X-EXPS EXCHANGEAUTH SHA256 ");
        rows.sent(b"<Binary Data>");
        rows.wait(self.rng.between(1, 9));
        rows.received(b"235 <authentication information>");
    }

    /// EHLO and its reply, split or joined as this server's build writes it; TLS is offered in the
    /// `clear` alone.
    pub(super) fn ehlo(
        &mut self,
        rows: &mut Rows,
        name: &str,
        host: &str,
        hello: Option<&str>,
        keywords: &[&str],
        clear: bool,
    ) {
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
        let offered = |word: &&&str| clear || !matches!(**word, "STARTTLS" | "X-ANONYMOUSTLS");
        let mut left = keywords.iter().filter(offered).count();
        for word in keywords.iter().filter(offered) {
            left -= 1;
            if joined {
                self.text.push(b' ');
            } else {
                rows.received(&self.text);
                self.text.clear();
                self.text
                    .extend_from_slice(if left == 0 { b"250 " } else { b"250-" });
            }
            self.text.extend_from_slice(word.as_bytes());
        }
        rows.received(&self.text);
    }
}
