//! CSV after RFC 4180, one fixed set of columns for every event. Lists are joined with `;`.
//!
//! A text that a spreadsheet would take for a formula (it starts with `=`, `+`, `-`, `@`, a tab, a
//! carriage return or NUL) gets a `'` in front.

use relaydrift_parse::time;

use crate::event::{Certificate, Event, Fact};

/// A column: its name and its cell.
type Column = (&'static str, fn(&Event) -> String);

fn text(value: &Option<String>) -> String {
    value.clone().unwrap_or_default()
}

fn at(value: Option<i64>) -> String {
    value.map(time::format).unwrap_or_default()
}

macro_rules! of {
    ($kind:ident, |$fact:ident| $cell:expr) => {
        |event| match &event.fact {
            Fact::$kind($fact) => $cell,
            _ => String::new(),
        }
    };
}

/// A member that refusals and sessions have alike.
macro_rules! of_telemetry {
    (|$fact:ident| $cell:expr) => {
        |event| match &event.fact {
            Fact::Refusal($fact) => $cell,
            Fact::Session($fact) => $cell,
            Fact::Incident(_) => String::new(),
        }
    };
}

const COLUMNS: &[Column] = &[
    ("event", Event::name),
    ("key", |e| e.key.clone()),
    ("time", |e| time::format(e.time)),
    ("reported", |e| time::format(e.reported)),
    ("historic", |e| e.historic.to_string()),
    ("organization", |e| e.organization.clone()),
    ("connector", |e| e.connector.clone()),
    ("role", |e| text(&e.role)),
    ("server", |e| e.server.clone()),
    ("severity", |e| e.severity().name().to_owned()),
    ("incident_uid", of!(Incident, |i| i.uid.clone())),
    ("state", of!(Incident, |i| i.state.name().to_owned())),
    ("revision", of!(Incident, |i| i.revision.to_string())),
    ("stream", of!(Incident, |i| i.stream.name().to_owned())),
    ("kind", of!(Incident, |i| i.kind.clone())),
    ("class", of!(Incident, |i| i.class.clone())),
    ("breaking", of!(Incident, |i| i.breaking.to_string())),
    ("detail", of!(Incident, |i| i.detail.clone())),
    ("cause", of!(Incident, |i| text(&i.cause))),
    ("confidence", of!(Incident, |i| text(&i.confidence))),
    ("fix", of!(Incident, |i| text(&i.fix))),
    (
        "planned_change_id",
        of!(Incident, |i| text(&i.planned_change)),
    ),
    ("occurred", of!(Incident, |i| time::format(i.opened))),
    ("detected", of!(Incident, |i| time::format(i.updated))),
    ("closed", of!(Incident, |i| at(i.closed))),
    ("last_good", of!(Incident, |i| at(i.last_good))),
    ("servers", of!(Incident, |i| i.server_names().join(";"))),
    (
        "before",
        of!(Incident, |i| i.change().0.unwrap_or_default().to_owned()),
    ),
    (
        "after",
        of!(Incident, |i| i.change().1.unwrap_or_default().to_owned()),
    ),
    ("runbook", of!(Incident, |i| i.runbook().to_owned())),
    ("coverage", of!(Incident, |i| text(&i.coverage))),
    ("tenant", of!(Incident, |i| text(&i.tenant))),
    ("connector_guid", of!(Incident, |i| text(&i.connector_guid))),
    ("egress_ips", of!(Incident, |i| i.addresses().join(";"))),
    (
        "sender_domains",
        of!(Incident, |i| i.sender_domains.join(";")),
    ),
    (
        "attack_technique",
        of!(Incident, |i| i
            .attack()
            .map_or("", |a| a.technique)
            .to_owned()),
    ),
    ("service", of_telemetry!(|t| text(&t.service))),
    ("session_id", of_telemetry!(|t| t.session.clone())),
    ("source_id", of_telemetry!(|t| text(&t.origin.source))),
    ("line", of_telemetry!(|t| number(t.origin.line))),
    ("end", of!(Session, |s| time::format(s.end))),
    ("local_ip", of_telemetry!(|t| text(&t.local.ip))),
    ("local_port", of_telemetry!(|t| number(t.local.port))),
    ("remote_ip", of_telemetry!(|t| text(&t.remote.ip))),
    ("remote_port", of_telemetry!(|t| number(t.remote.port))),
    ("remote_host", of_telemetry!(|t| text(&t.remote.host))),
    ("egress_ip", of_telemetry!(|t| text(&t.egress_ip))),
    ("thumbprint", thumbprint),
    ("sha256", |e| sent(e, |c| text(&c.sha256))),
    ("subject", |e| sent(e, |c| text(&c.subject))),
    ("issuer", |e| sent(e, |c| text(&c.issuer))),
    ("serial", |e| sent(e, |c| text(&c.serial))),
    ("not_after", |e| sent(e, |c| at(c.not_after))),
    ("names", |e| sent(e, |c| c.names.join(";"))),
    ("tls_protocol", of!(Session, |s| text(&s.tls_protocol))),
    ("tls_cipher", of!(Session, |s| text(&s.tls_cipher))),
    ("tls_error", of!(Session, |s| text(&s.tls_error))),
    ("messages", of!(Session, |s| s.messages.to_string())),
    ("accepted", of!(Session, |s| s.accepted.to_string())),
    ("refused", refused),
    ("outcome", of!(Session, |s| text(&s.outcome))),
    (
        "disconnect_reason",
        of!(Session, |s| text(&s.disconnect_reason)),
    ),
    ("reply_code", of!(Refusal, |r| number(r.code))),
    ("enhanced_code", of!(Refusal, |r| text(&r.enhanced))),
    ("attr_code", of!(Refusal, |r| text(&r.attr))),
    ("reply_text", of!(Refusal, |r| text(&r.text))),
    ("sender_domain", of!(Refusal, |r| text(&r.sender_domain))),
    (
        "recipient_domains",
        of!(Refusal, |r| r.recipient_domains.join(";")),
    ),
    ("sender", of!(Refusal, |r| text(&r.sender))),
    ("recipients", of!(Refusal, |r| r.recipients.join(";"))),
    ("message_id", of!(Refusal, |r| text(&r.message_id))),
];

fn number(value: Option<i64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// A fact of the certificate that is sent now.
fn sent(event: &Event, cell: fn(&Certificate) -> String) -> String {
    let sent = match &event.fact {
        Fact::Incident(incident) => incident.after.as_ref(),
        Fact::Session(session) => session.sent.as_ref(),
        Fact::Refusal(_) => None,
    };
    sent.map(cell).unwrap_or_default()
}

fn thumbprint(event: &Event) -> String {
    match &event.fact {
        Fact::Refusal(refusal) => text(&refusal.thumbprint),
        _ => sent(event, |certificate| certificate.thumbprint.clone()),
    }
}

fn refused(event: &Event) -> String {
    let refused = match &event.fact {
        Fact::Incident(incident) => incident.refused,
        Fact::Refusal(refusal) => refusal.refused,
        Fact::Session(session) => session.refused,
    };
    refused.to_string()
}

/// The line of names, without its line end.
pub fn header() -> Vec<u8> {
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    names.join(",").into_bytes()
}

/// Appends the cells.
pub fn render(event: &Event, out: &mut Vec<u8>) {
    for (at, (_, cell)) in COLUMNS.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push(out, &cell(event));
    }
}

fn push(out: &mut Vec<u8>, cell: &str) {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\0']);
    if !formula && !cell.contains([',', '"', '\n', '\r']) {
        return out.extend_from_slice(cell.as_bytes());
    }
    out.push(b'"');
    if formula {
        out.push(b'\'');
    }
    for byte in cell.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}
