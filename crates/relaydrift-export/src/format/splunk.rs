//! Splunk HTTP Event Collector: an envelope around an event whose fields have their CIM names
//! (Alerts for an incident, Email for a refusal, Certificates for a session), so that the add-on in
//! `siem/splunk` needs no more than tags.

use crate::event::dn_attribute;
use crate::event::{Certificate, Event, Fact, Incident, Refusal, Session, Severity};
use crate::format::ndjson;
use crate::json::{self, Object};
use crate::text::domain;

/// Appends the event.
pub fn render(event: &Event, out: &mut Vec<u8>) {
    let sourcetype = match &event.fact {
        Fact::Incident(_) => "relaydrift:finding",
        Fact::Refusal(_) => "relaydrift:refusal",
        Fact::Session(_) => "relaydrift:session",
    };
    json::object(out, |o| {
        o.seconds("time", event.time);
        o.text("host", &event.server);
        o.text("source", "relaydrift");
        o.text("sourcetype", sourcetype);
        o.object("event", |o| {
            o.text("vendor_product", "relaydrift");
            o.text("id", &event.key);
            match &event.fact {
                Fact::Incident(incident) => alert(event, incident, o),
                Fact::Refusal(refusal) => email(event, refusal, o),
                Fact::Session(session) => session_members(event, session, o),
            }
            o.object("relaydrift", |o| ndjson::members(event, o));
        });
    });
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "informational",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

fn alert(event: &Event, incident: &Incident, o: &mut Object<'_>) {
    o.text("app", "relaydrift");
    o.text("type", if event.alerts() { "alert" } else { "event" });
    o.text("severity", severity(event.severity()));
    o.text("signature", &event.title());
    o.text("signature_id", &event.name());
    o.text("description", &incident.detail);
    o.text("body", incident.fix.as_deref().unwrap_or(&incident.detail));
    o.text("src", &event.server);
    o.text("dest", &event.connector);
    o.text("user", "unknown");
    o.maybe(
        "mitre_technique_id",
        incident.attack().map(|attack| attack.technique),
    );
    if let Some(after) = &incident.after {
        certificate(after, o);
    }
}

fn email(event: &Event, refusal: &Refusal, o: &mut Object<'_>) {
    o.text("action", "blocked");
    o.text("protocol", "smtp");
    o.text("src", refusal.local.ip.as_deref().unwrap_or(&event.server));
    o.text("src_host", &event.server);
    let dest = refusal
        .remote
        .host
        .as_deref()
        .or(refusal.remote.ip.as_deref());
    o.text("dest", dest.unwrap_or("unknown"));
    o.text("internal_message_id", &refusal.session);
    o.text(
        "message_id",
        refusal.message_id.as_deref().unwrap_or("unknown"),
    );
    // CIM: the enhanced code, which is what an analyst searches for.
    let plain = refusal.code.map(|code| code.to_string());
    let status = refusal.enhanced.as_deref().or(plain.as_deref());
    o.text("status_code", status.unwrap_or("unknown"));
    o.maybe("message_info", refusal.text.as_deref());
    let from = match refusal.sender.as_deref() {
        Some("") => "<>",
        sender => sender.unwrap_or("unknown"),
    };
    o.text("src_user", from);
    o.text("return_addr", from);
    let sender = refusal.sender_domain.as_deref();
    let sender = sender.or(refusal.sender.as_deref().map(domain));
    let sender = sender.filter(|domain| !domain.is_empty());
    o.text("src_user_domain", sender.unwrap_or("unknown"));
    if refusal.recipients.is_empty() {
        o.texts("recipient", ["unknown"]);
        o.int("recipient_count", 1);
    } else {
        o.texts("recipient", refusal.recipients.iter().map(String::as_str));
        let count = refusal
            .recipients
            .iter()
            .filter(|one| !one.is_empty())
            .count();
        o.int("recipient_count", i64::try_from(count).unwrap_or(i64::MAX));
    }
    let domains = refusal.recipient_domains.iter().map(String::as_str);
    o.texts("recipient_domain", domains);
}

fn session_members(event: &Event, session: &Session, o: &mut Object<'_>) {
    o.text("src", session.local.ip.as_deref().unwrap_or(&event.server));
    o.maybe_int("src_port", session.local.port);
    o.text("src_host", &event.server);
    let dest = session
        .remote
        .host
        .as_deref()
        .or(session.remote.ip.as_deref());
    o.maybe("dest", dest);
    o.maybe_int("dest_port", session.remote.port);
    o.text("transport", "tcp");
    o.text("app", "smtp");
    o.text("session_id", &session.session);
    o.seconds("duration", session.end - event.time);
    o.maybe("ssl_version", session.tls_version());
    if let Some(sent) = &session.sent {
        certificate(sent, o);
    }
}

fn certificate(sent: &Certificate, o: &mut Object<'_>) {
    let attribute = |dn: &Option<String>, kind: &str| dn_attribute(dn.as_deref(), kind);
    let known = |o: &mut Object<'_>, name: &str, value: Option<&str>| {
        o.text(
            name,
            value.filter(|value| !value.is_empty()).unwrap_or("unknown"),
        );
    };
    o.text("ssl_hash", &sent.thumbprint);
    o.maybe("ssl_hash_sha256", sent.sha256.as_deref());
    known(o, "ssl_subject", sent.subject.as_deref());
    known(
        o,
        "ssl_subject_common_name",
        attribute(&sent.subject, "CN").as_deref(),
    );
    known(
        o,
        "ssl_subject_organization",
        attribute(&sent.subject, "O").as_deref(),
    );
    known(o, "ssl_issuer", sent.issuer.as_deref());
    known(
        o,
        "ssl_issuer_common_name",
        attribute(&sent.issuer, "CN").as_deref(),
    );
    known(o, "ssl_serial", sent.serial.as_deref());
    match (sent.not_before, sent.not_after) {
        (Some(start), Some(end)) => {
            o.seconds("ssl_start_time", start);
            o.seconds("ssl_end_time", end);
            o.int("ssl_validity_window", (end - start).div_euclid(1_000_000));
        }
        _ => {
            for name in ["ssl_start_time", "ssl_end_time", "ssl_validity_window"] {
                known(o, name, None);
            }
        }
    }
    o.texts("ssl_name", sent.names.iter().map(String::as_str));
}
