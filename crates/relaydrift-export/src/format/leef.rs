//! LEEF 2.0: `LEEF:2.0|vendor|product|version|event|x09|name=value<TAB>name=value`.
//!
//! The format has no escapes, so what would break it, and what acts on a display, is spelled
//! `\u{9}`; in the header `|` as well.

use std::fmt::Write as _;

use crate::escape::acts;
use crate::event::{Event, Fact, Severity};
use crate::text::escaped;

/// Appends the event.
pub fn render(event: &Event, out: &mut Vec<u8>) {
    let mut text = String::with_capacity(1024);
    // Writing into a String cannot fail.
    let _ = write!(
        text,
        "LEEF:2.0|relaydrift|relaydrift|{}|{}|x09|",
        env!("CARGO_PKG_VERSION"),
        spelled(&event.name()).replace('|', "_"),
    );
    let mut pairs = Pairs { text, first: true };
    members(event, &mut pairs);
    out.extend_from_slice(pairs.text.as_bytes());
}

/// A value is cut to so many bytes, so that a message stays below the 8 kB that receivers take.
const LIMIT: usize = 240;

fn spelled(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    escaped(&mut text, value, LIMIT, |out, c| match c {
        // So that what is spelled out can be told from what was there.
        '\\' => out.push_str("\\u{5c}"),
        c if acts(c) => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
        c => out.push(c),
    });
    text
}

struct Pairs {
    text: String,
    first: bool,
}

impl Pairs {
    fn pair(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        if !std::mem::take(&mut self.first) {
            self.text.push('\t');
        }
        let _ = write!(self.text, "{name}={}", spelled(value));
    }

    fn maybe(&mut self, name: &str, value: Option<&str>) {
        self.pair(name, value.unwrap_or_default());
    }

    fn time(&mut self, name: &str, micros: Option<i64>) {
        self.int(name, micros.map(|micros| micros.div_euclid(1000)));
    }

    fn int(&mut self, name: &str, value: Option<i64>) {
        if let Some(value) = value {
            self.pair(name, &value.to_string());
        }
    }
}

fn members(event: &Event, p: &mut Pairs) {
    let severity = match event.severity() {
        Severity::Info => 1,
        Severity::Low => 3,
        Severity::Medium => 5,
        Severity::High => 8,
        Severity::Critical => 10,
    };
    p.pair("devTime", &(event.time.div_euclid(1000)).to_string());
    p.pair("sev", &severity.to_string());
    p.pair("resource", &event.server);
    p.pair("policy", &event.connector);
    p.pair("key", &event.key);
    p.pair("organization", &event.organization);
    if event.historic {
        p.pair("historic", "true");
    }
    match &event.fact {
        Fact::Incident(incident) => {
            p.pair("cat", incident.stream.name());
            p.pair("incidentUid", &incident.uid);
            p.pair("state", incident.state.name());
            p.int("revision", Some(incident.revision));
            p.pair("servers", &incident.server_names().join(","));
            let (before, after) = incident.change();
            p.maybe("before", before);
            p.maybe("after", after);
            p.int("refused", Some(incident.refused));
            p.maybe("cause", incident.cause.as_deref());
            p.pair("detail", &incident.detail);
            p.maybe("confidence", incident.confidence.as_deref());
            p.maybe("coverage", incident.coverage.as_deref());
            p.maybe("plannedChangeId", incident.planned_change.as_deref());
            p.maybe("tenant", incident.tenant.as_deref());
            p.maybe("connectorGuid", incident.connector_guid.as_deref());
            if let Some(after) = &incident.after {
                p.pair("thumbprint", &after.thumbprint);
                p.maybe("sha256", after.sha256.as_deref());
                p.maybe("subject", after.subject.as_deref());
                p.maybe("issuer", after.issuer.as_deref());
                p.maybe("serial", after.serial.as_deref());
            }
            p.pair("egressIp", &incident.addresses().join(","));
            p.pair("senderDomains", &incident.sender_domains.join(","));
            p.time("occurred", Some(incident.opened));
            p.time("detected", Some(incident.updated));
            p.time("reported", Some(event.reported));
            p.time("closed", incident.closed);
            p.pair("runbook", incident.runbook());
            p.maybe("attack", incident.attack().map(|attack| attack.technique));
        }
        Fact::Refusal(refusal) => {
            p.pair("cat", "telemetry");
            p.pair("proto", "TCP");
            p.maybe("src", refusal.local.ip.as_deref());
            p.int("srcPort", refusal.local.port);
            p.maybe("dst", refusal.remote.ip.as_deref());
            p.int("dstPort", refusal.remote.port);
            p.maybe("usrName", refusal.sender.as_deref());
            p.pair("sessionId", &refusal.session);
            p.pair("status", &refusal.status());
            p.maybe("reply", refusal.text.as_deref());
            p.int("refused", Some(refusal.refused));
            p.maybe("senderDomain", refusal.sender_domain.as_deref());
            p.pair("recipientDomains", &refusal.recipient_domains.join(","));
            p.maybe("thumbprint", refusal.thumbprint.as_deref());
            p.maybe("egressIp", refusal.egress_ip.as_deref());
        }
        Fact::Session(session) => {
            p.pair("cat", "telemetry");
            p.pair("proto", "TCP");
            p.maybe("src", session.local.ip.as_deref());
            p.int("srcPort", session.local.port);
            p.maybe("dst", session.remote.ip.as_deref());
            p.int("dstPort", session.remote.port);
            p.pair("sessionId", &session.session);
            p.maybe("tls", session.tls_version());
            p.maybe("tlsError", session.tls_error.as_deref());
            if let Some(sent) = &session.sent {
                p.pair("thumbprint", &sent.thumbprint);
                p.maybe("subject", sent.subject.as_deref());
                p.maybe("issuer", sent.issuer.as_deref());
            }
            p.int("accepted", Some(session.accepted));
            p.int("refused", Some(session.refused));
            p.maybe("outcome", session.outcome.as_deref());
            p.maybe("egressIp", session.egress_ip.as_deref());
        }
    }
}
