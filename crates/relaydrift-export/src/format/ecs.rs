//! Elastic Common Schema 9. We are the TLS client: `tls.client.*`. What ECS has no field for stands
//! in the object `relaydrift`.

use crate::event::{Certificate, Endpoint, Event, Fact, Incident, Refusal, Session, Severity};
use crate::format::ndjson;
use crate::json::{self, Object};
use crate::text::domain;

/// The schema's version.
const VERSION: &str = "9.4.0";

/// Appends the event.
pub fn render(event: &Event, out: &mut Vec<u8>) {
    json::object(out, |o| {
        o.time("@timestamp", Some(event.time));
        o.object("ecs", |o| o.text("version", VERSION));
        o.object("observer", |o| {
            o.text("vendor", "relaydrift");
            o.text("product", "relaydrift");
            o.text("type", "log-analyser");
            o.text("version", env!("CARGO_PKG_VERSION"));
        });
        o.object("host", |o| o.text("name", &event.server));
        o.object("organization", |o| o.text("name", &event.organization));
        match &event.fact {
            Fact::Incident(incident) => finding(event, incident, o),
            Fact::Refusal(refusal) => refused(event, refusal, o),
            Fact::Session(session) => traffic(event, session, o),
        }
        o.object("relaydrift", |o| ndjson::members(event, o));
    });
}

/// `event.*` as far as every event has it.
fn event_members(
    event: &Event,
    o: &mut Object<'_>,
    kind: &str,
    category: &[&str],
    of_type: &[&str],
) {
    o.text("id", &event.key);
    o.text("kind", kind);
    o.texts("category", category.iter().copied());
    o.texts("type", of_type.iter().copied());
    o.text("action", &event.name().replace('_', "-"));
    o.text("module", "relaydrift");
    o.text("dataset", "relaydrift.smtp_send");
    o.time("created", Some(event.reported));
}

/// The scale of Elastic's own rules.
fn risk(severity: Severity) -> i64 {
    match severity {
        Severity::Info => 0,
        Severity::Low => 21,
        Severity::Medium => 47,
        Severity::High => 73,
        Severity::Critical => 99,
    }
}

fn finding(event: &Event, incident: &Incident, o: &mut Object<'_>) {
    o.text("message", &incident.detail);
    o.object("event", |o| {
        let kind = if event.alerts() { "alert" } else { "event" };
        event_members(event, o, kind, &["configuration"], &["change"]);
        o.int("severity", risk(event.severity()));
        o.int("risk_score", risk(event.severity()));
        o.time("start", Some(incident.opened));
        o.time("end", incident.closed);
        o.maybe("reason", incident.cause.as_deref());
        o.text("reference", incident.runbook());
    });
    o.object("rule", |o| {
        o.text("id", &event.name());
        o.text("name", &event.title());
        o.text("version", env!("CARGO_PKG_VERSION"));
        o.text("reference", incident.runbook());
    });
    if let Some(attack) = incident.attack() {
        o.object("threat", |o| {
            o.text("framework", "MITRE ATT&CK");
            o.object("tactic", |o| {
                o.texts("id", [attack.tactic]);
                o.texts("name", [attack.tactic_name]);
            });
            o.object("technique", |o| {
                o.texts("id", [attack.technique]);
                o.texts("name", [attack.technique_name]);
            });
        });
    }
    if let Some(after) = &incident.after {
        o.object("tls", |o| o.object("client", |o| certificate(after, o)));
    }
    let addresses = incident.addresses();
    let addresses = addresses.into_iter().filter(|ip| is_address(ip));
    let hosts = incident.server_names().into_iter();
    let hosts = hosts.chain(incident.sender_domains.iter().map(String::as_str));
    related(o, addresses, incident.hashes(), hosts);
}

fn related<'a>(
    o: &mut Object<'_>,
    addresses: impl IntoIterator<Item = &'a str>,
    hashes: impl IntoIterator<Item = &'a str>,
    hosts: impl IntoIterator<Item = &'a str>,
) {
    o.object("related", |o| {
        o.texts("ip", addresses);
        o.texts("hash", hashes);
        o.texts("hosts", hosts);
    });
}

fn is_address(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}

/// Fields of type `ip` take nothing else.
fn ip(endpoint: &Endpoint) -> Option<&str> {
    endpoint.ip.as_deref().filter(|ip| is_address(ip))
}

/// Both ends, under both pairs of names, and the network between them.
fn connection(event: &Event, local: &Endpoint, remote: &Endpoint, o: &mut Object<'_>) {
    for name in ["source", "client"] {
        o.object(name, |o| end(local, Some(&event.server), o));
    }
    for name in ["destination", "server"] {
        o.object(name, |o| end(remote, None, o));
    }
    o.object("network", |o| {
        o.text("transport", "tcp");
        o.text("protocol", "smtp");
        o.text("direction", "outbound");
        if ip(remote).is_some() {
            o.text("type", if remote.is_v6() { "ipv6" } else { "ipv4" });
        }
    });
}

fn end(endpoint: &Endpoint, host: Option<&str>, o: &mut Object<'_>) {
    let host = host.or(endpoint.host.as_deref());
    o.maybe("address", ip(endpoint).or(host));
    o.maybe("ip", ip(endpoint));
    o.maybe_int("port", endpoint.port);
    o.maybe("domain", host);
}

fn certificate(sent: &Certificate, o: &mut Object<'_>) {
    o.maybe("subject", sent.subject.as_deref());
    o.maybe("issuer", sent.issuer.as_deref());
    o.time("not_before", sent.not_before);
    o.time("not_after", sent.not_after);
    o.object("hash", |o| {
        o.text("sha1", &sent.thumbprint);
        o.maybe("sha256", sent.sha256.as_deref());
    });
    o.object("x509", |o| {
        o.maybe("serial_number", sent.serial.as_deref());
        o.object("subject", |o| {
            o.maybe("distinguished_name", sent.subject.as_deref());
            o.texts("common_name", sent.common_name().as_deref());
        });
        o.object("issuer", |o| {
            o.maybe("distinguished_name", sent.issuer.as_deref())
        });
        o.texts("alternative_names", sent.names.iter().map(String::as_str));
        o.time("not_before", sent.not_before);
        o.time("not_after", sent.not_after);
    });
}

fn traffic(event: &Event, session: &Session, o: &mut Object<'_>) {
    let failed = session.refused > 0 || session.tls_error.is_some();
    o.object("event", |o| {
        event_members(
            event,
            o,
            "event",
            &["email", "network"],
            &["connection", "end"],
        );
        o.text("outcome", if failed { "failure" } else { "success" });
        o.time("start", Some(event.time));
        o.time("end", Some(session.end));
        o.int("duration", (session.end - event.time).saturating_mul(1000));
    });
    connection(event, &session.local, &session.remote, o);
    o.object("tls", |o| {
        if let Some(version) = session.tls_version() {
            o.text("version", version);
            o.text("version_protocol", "tls");
        }
        o.maybe("cipher", session.tls_cipher.as_deref());
        o.flag("established", session.tls_protocol.is_some());
        if let Some(sent) = &session.sent {
            o.object("client", |o| certificate(sent, o));
        }
    });
    if let Some(error) = session.tls_error.as_deref() {
        o.object("error", |o| o.text("message", error));
    }
    let egress = session.egress_ip.as_deref().filter(|ip| is_address(ip));
    let addresses = [ip(&session.local), ip(&session.remote), egress];
    let hash = session.sent.as_ref().map(|sent| sent.thumbprint.as_str());
    related(
        o,
        addresses.into_iter().flatten(),
        hash,
        [event.server.as_str()],
    );
}

fn refused(event: &Event, refusal: &Refusal, o: &mut Object<'_>) {
    let status = refusal.status();
    o.maybe("message", refusal.text.as_deref());
    o.object("event", |o| {
        event_members(event, o, "event", &["email", "network"], &["denied"]);
        o.text("outcome", "failure");
        o.text("code", &status);
        o.maybe("reason", refusal.text.as_deref());
    });
    o.object("error", |o| {
        o.text("code", &status);
        o.maybe("message", refusal.text.as_deref());
    });
    o.object("email", |o| {
        o.text("direction", "outbound");
        o.maybe("message_id", refusal.message_id.as_deref());
        let sender = refusal.sender.as_deref();
        o.object("from", |o| o.texts("address", sender));
        let recipients = refusal.recipients.iter().map(String::as_str);
        o.object("to", |o| o.texts("address", recipients));
    });
    connection(event, &refusal.local, &refusal.remote, o);
    let egress = refusal.egress_ip.as_deref().filter(|ip| is_address(ip));
    let addresses = [ip(&refusal.local), ip(&refusal.remote), egress];
    let domains = refusal.recipient_domains.iter().map(String::as_str);
    let sender = refusal.sender_domain.as_deref();
    let sender = sender.or(refusal.sender.as_deref().map(domain));
    let hosts = [event.server.as_str()]
        .into_iter()
        .chain(sender)
        .chain(domains);
    related(
        o,
        addresses.into_iter().flatten(),
        refusal.thumbprint.as_deref(),
        hosts,
    );
}
