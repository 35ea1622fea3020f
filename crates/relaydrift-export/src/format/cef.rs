//! CEF 1: `CEF:1|vendor|product|version|class|name|severity|extension`.
//!
//! In the header `\` and `|` are escaped, in the extension `\` and `=`, line ends as `\n` and `\r`.
//! Other characters that act on a display are spelled `\\u{1b}`. Lengths are those of the standard or less: a message stays
//! below the 8 kB that syslog receivers take.

use std::fmt::Write as _;

use crate::escape::acts;
use crate::event::{Certificate, Event, Fact, Incident, Refusal, Session, Severity};
use crate::text::escaped;

/// Appends the event.
pub fn render(event: &Event, out: &mut Vec<u8>) {
    let severity = match event.severity() {
        Severity::Info => 1,
        Severity::Low => 3,
        Severity::Medium => 5,
        Severity::High => 8,
        Severity::Critical => 10,
    };
    let mut text = String::with_capacity(1024);
    // Writing into a String cannot fail.
    let _ = write!(
        text,
        "CEF:1|relaydrift|relaydrift|{}|{}|{}|{severity}|",
        header(env!("CARGO_PKG_VERSION"), 31),
        header(&event.name(), 255),
        header(&event.title(), 512),
    );
    let mut extension = Extension { text, first: true };
    members(event, &mut extension);
    out.extend_from_slice(extension.text.as_bytes());
}

fn header(text: &str, limit: usize) -> String {
    let mut field = String::with_capacity(text.len());
    escaped(&mut field, text, limit, |out, c| match c {
        '\\' | '|' => out.extend(['\\', c]),
        c if acts(c) => out.push(' '),
        c => out.push(c),
    });
    field
}

/// Bytes of a value.
const TEXT: usize = 400;

struct Extension {
    text: String,
    first: bool,
}

impl Extension {
    fn pair(&mut self, name: &str, value: &str, limit: usize) {
        if value.is_empty() {
            return;
        }
        if !std::mem::take(&mut self.first) {
            self.text.push(' ');
        }
        self.text.push_str(name);
        self.text.push('=');
        // A reader cuts the spaces at both ends away.
        escaped(&mut self.text, value.trim(), limit, |out, c| match c {
            '\\' | '=' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c if acts(c) => {
                let _ = write!(out, "\\\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        });
    }

    fn maybe(&mut self, name: &str, value: Option<&str>, limit: usize) {
        self.pair(name, value.unwrap_or_default(), limit);
    }

    fn int(&mut self, name: &str, value: Option<i64>) {
        if let Some(value) = value {
            self.pair(name, &value.to_string(), 40);
        }
    }

    fn time(&mut self, name: &str, micros: Option<i64>) {
        self.int(name, micros.map(|micros| micros.div_euclid(1000)));
    }

    /// A custom field and its label, without which no receiver knows what it is.
    fn custom(&mut self, name: &str, label: &str, value: Option<&str>, limit: usize) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.pair(name, value, limit);
            self.pair(&format!("{name}Label"), label, TEXT);
        }
    }

    /// An address: `src` and `dst` are IPv4 only, IPv6 has custom fields.
    fn address(&mut self, v4: &str, v6: &str, label: &str, ip: Option<&str>) {
        match ip.map(str::parse::<std::net::IpAddr>) {
            Some(Ok(ip)) if ip.is_ipv4() => self.pair(v4, &ip.to_string(), 40),
            Some(Ok(ip)) => self.custom(v6, label, Some(&ip.to_string()), 64),
            _ => {}
        }
    }

    fn certificate(&mut self, certificate: &Certificate) {
        self.custom(
            "cs2",
            "CertificateSerial",
            certificate.serial.as_deref(),
            TEXT,
        );
        self.custom(
            "cs3",
            "CertificateSubject",
            certificate.subject.as_deref(),
            TEXT,
        );
        self.custom(
            "cs4",
            "CertificateIssuer",
            certificate.issuer.as_deref(),
            TEXT,
        );
        self.custom(
            "cs5",
            "CertificateThumbprint",
            Some(&certificate.thumbprint),
            TEXT,
        );
        if let Some(not_after) = certificate.not_after {
            self.time("deviceCustomDate1", Some(not_after));
            self.pair("deviceCustomDate1Label", "CertificateNotAfter", TEXT);
        }
    }
}

fn members(event: &Event, e: &mut Extension) {
    e.time("rt", Some(event.time));
    e.pair("dvchost", &event.server, 100);
    e.custom("cs1", "SendConnector", Some(&event.connector), TEXT);
    match &event.fact {
        Fact::Incident(incident) => finding(event, incident, e),
        Fact::Refusal(refusal) => refused(event, refusal, e),
        Fact::Session(session) => traffic(event, session, e),
    }
}

fn finding(event: &Event, incident: &Incident, e: &mut Extension) {
    e.pair("externalId", &incident.uid, 40);
    e.time("start", Some(incident.opened));
    e.time("end", incident.closed);
    e.pair("cat", incident.stream.name(), TEXT);
    e.pair("outcome", incident.state.name(), 63);
    e.maybe("reason", incident.cause.as_deref(), TEXT);
    e.pair("msg", &incident.detail, 1023);
    e.int("cnt", Some(incident.refused));
    e.int("cn1", Some(incident.revision));
    e.pair("cn1Label", "Revision", TEXT);
    let (before, after) = incident.change();
    e.maybe(
        "oldFileHash",
        before.filter(|_| incident.kind == "certificate"),
        255,
    );
    e.maybe(
        "fileHash",
        after.filter(|_| incident.kind == "certificate"),
        255,
    );
    if let Some(certificate) = &incident.after {
        e.certificate(certificate);
    }
    e.custom(
        "cs6",
        "Servers",
        Some(&incident.server_names().join(",")),
        TEXT,
    );
    let addresses = incident.addresses();
    let last = addresses.last().copied();
    e.address("src", "c6a2", "Source IPv6 Address", last);
    e.custom(
        "flexString1",
        "Historic",
        event.historic.then_some("true"),
        128,
    );
    e.custom("flexString2", "Key", Some(&event.key), 128);
    // Keys of our own, named as the standard asks: vendor first.
    e.maybe("RelaydriftConfidence", incident.confidence.as_deref(), 31);
    e.maybe("RelaydriftCoverage", incident.coverage.as_deref(), 255);
    let planned = incident.planned_change.as_deref();
    e.maybe("RelaydriftPlannedChangeId", planned, 255);
    e.maybe("RelaydriftTenant", incident.tenant.as_deref(), 255);
    let guid = incident.connector_guid.as_deref();
    e.maybe("RelaydriftConnectorGuid", guid, 64);
    let sha256 = incident
        .after
        .as_ref()
        .and_then(|one| one.sha256.as_deref());
    e.maybe("RelaydriftSha256", sha256, 64);
    e.pair(
        "RelaydriftSenderDomains",
        &incident.sender_domains.join(","),
        255,
    );
    e.time("RelaydriftDetected", Some(incident.updated));
    e.time("RelaydriftReported", Some(event.reported));
    e.pair("RelaydriftRunbook", incident.runbook(), 255);
    if let Some(attack) = incident.attack() {
        e.pair("RelaydriftAttackTechnique", attack.technique, 31);
    }
}

fn refused(event: &Event, refusal: &Refusal, e: &mut Extension) {
    connection(event, &refusal.local, &refusal.remote, e);
    e.pair("externalId", &refusal.session, 40);
    e.int("cnt", Some(refusal.refused));
    e.pair("cat", "telemetry", TEXT);
    e.pair("act", "blocked", 63);
    e.pair("outcome", "failure", 63);
    e.pair("reason", &refusal.status(), TEXT);
    e.maybe("msg", refusal.text.as_deref(), 1023);
    e.maybe("suser", refusal.sender.as_deref(), TEXT);
    e.pair("duser", &refusal.recipients.join(","), TEXT);
    e.custom(
        "cs5",
        "CertificateThumbprint",
        refusal.thumbprint.as_deref(),
        TEXT,
    );
    e.custom("cs6", "EnhancedStatus", refusal.enhanced.as_deref(), TEXT);
    e.address(
        "sourceTranslatedAddress",
        "c6a4",
        "Egress IPv6 Address",
        refusal.egress_ip.as_deref(),
    );
    e.custom("flexString2", "Key", Some(&event.key), 128);
}

fn traffic(event: &Event, session: &Session, e: &mut Extension) {
    connection(event, &session.local, &session.remote, e);
    e.pair("externalId", &session.session, 40);
    e.time("start", Some(event.time));
    e.time("end", Some(session.end));
    e.pair("cat", "telemetry", TEXT);
    let failed = session.refused > 0 || session.tls_error.is_some();
    e.pair("outcome", if failed { "failure" } else { "success" }, 63);
    e.maybe(
        "reason",
        session.tls_error.as_deref().or(session.outcome.as_deref()),
        TEXT,
    );
    e.int("cn1", Some(session.accepted));
    e.pair("cn1Label", "RecipientsAccepted", TEXT);
    e.int("cn2", Some(session.refused));
    e.pair("cn2Label", "RecipientsRefused", TEXT);
    if let Some(sent) = &session.sent {
        e.certificate(sent);
    }
    e.custom("cs6", "TlsVersion", session.tls_version(), TEXT);
    e.address(
        "sourceTranslatedAddress",
        "c6a4",
        "Egress IPv6 Address",
        session.egress_ip.as_deref(),
    );
    e.custom("flexString2", "Key", Some(&event.key), 128);
}

fn connection(
    event: &Event,
    local: &crate::event::Endpoint,
    remote: &crate::event::Endpoint,
    e: &mut Extension,
) {
    e.address("src", "c6a2", "Source IPv6 Address", local.ip.as_deref());
    e.int("spt", local.port);
    e.pair("shost", &event.server, TEXT);
    e.address(
        "dst",
        "c6a3",
        "Destination IPv6 Address",
        remote.ip.as_deref(),
    );
    e.int("dpt", remote.port);
    e.maybe("dhost", remote.host.as_deref(), TEXT);
    e.pair("proto", "TCP", 31);
    e.pair("app", "SMTP", 31);
    e.pair("deviceDirection", "1", 1);
}
