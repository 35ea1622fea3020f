//! OCSF: Detection Finding (2004) for an incident, Network Activity (4001) for a session, Email
//! Activity (4009) for a refusal.
//!
//! Two versions: 1.3.0, the newest that Amazon Security Lake takes from custom sources, and 1.9.0.
//! They differ in where TLS facts and mailboxes go. Email Activity needs mailboxes: a refusal for
//! which none were asked for is a Network Activity "Refuse".
//! Left out on purpose, because a public validator or an old version trips over them:
//! `endpoint.type_id`, observables.

use crate::event::{
    Certificate, Endpoint, Event, Fact, Incident, Refusal, Session, Severity, State,
};
use crate::format::ndjson;
use crate::json::{self, Object};

/// A version of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 1.3.0
    V1_3,
    /// 1.9.0
    V1_9,
}

impl Version {
    fn name(self) -> &'static str {
        match self {
            Version::V1_3 => "1.3.0",
            Version::V1_9 => "1.9.0",
        }
    }
}

const DETECTION_FINDING: i64 = 2004;
const NETWORK_ACTIVITY: i64 = 4001;
const EMAIL_ACTIVITY: i64 = 4009;

/// The class that an event gets, with the part that names it in Security Lake's folders.
pub fn class(event: &Event, version_1_3: bool) -> (i64, &'static str) {
    let version = if version_1_3 {
        Version::V1_3
    } else {
        Version::V1_9
    };
    match &event.fact {
        Fact::Incident(_) => (DETECTION_FINDING, "finding"),
        Fact::Refusal(refusal) if mailboxes(refusal, version).is_some() => {
            (EMAIL_ACTIVITY, "email")
        }
        Fact::Refusal(_) | Fact::Session(_) => (NETWORK_ACTIVITY, "network"),
    }
}

/// Sender and recipients, where they are known well enough for the class: 1.3 wants both.
fn mailboxes(refusal: &Refusal, version: Version) -> Option<(Option<&str>, Vec<&str>)> {
    // The null sender `<>` is no address.
    let from = refusal
        .sender
        .as_deref()
        .filter(|sender| is_address(sender));
    let to = refusal.recipients.iter().map(String::as_str);
    let to: Vec<&str> = to.filter(|recipient| is_address(recipient)).collect();
    let enough = match version {
        Version::V1_3 => from.is_some() && !to.is_empty(),
        Version::V1_9 => from.is_some() || !to.is_empty(),
    };
    enough.then_some((from, to))
}

/// The schema's `email_t`: `^[a-zA-Z0-9!#$%&'*+-/=?^_`{|}~.]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+$`.
fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let is_local = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+,-./=?^_`{|}~".contains(c);
    let is_domain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let Some((host, rest)) = domain.split_once('.') else {
        return false;
    };
    !local.is_empty()
        && local.chars().all(is_local)
        && !host.is_empty()
        && !rest.is_empty()
        && domain.chars().all(is_domain)
}

/// Appends the event.
pub fn render(event: &Event, version: Version, out: &mut Vec<u8>) {
    json::object(out, |o| match &event.fact {
        Fact::Incident(incident) => finding(event, incident, version, o),
        Fact::Session(session) => traffic(event, session, version, o),
        Fact::Refusal(refusal) => match mailboxes(refusal, version) {
            Some((from, to)) => mail(event, refusal, (from, &to), version, o),
            None => refuse(event, refusal, version, o),
        },
    });
}

/// What every class has. `activity` is its number and its caption.
fn base(
    event: &Event,
    version: Version,
    class: (i64, &str),
    activity: (i64, &str),
    o: &mut Object<'_>,
) {
    let (uid, name) = class;
    let findings = uid == DETECTION_FINDING;
    o.int("class_uid", uid);
    o.text("class_name", name);
    o.int("category_uid", if findings { 2 } else { 4 });
    let category = if findings {
        "Findings"
    } else {
        "Network Activity"
    };
    o.text("category_name", category);
    o.int("activity_id", activity.0);
    o.text("activity_name", activity.1);
    o.int("type_uid", uid * 100 + activity.0);
    o.text("type_name", &format!("{name}: {}", activity.1));
    let (severity, caption) = match event.severity() {
        Severity::Info => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    };
    o.int("severity_id", severity);
    o.text("severity", caption);
    o.millis("time", Some(event.time));
    o.object("metadata", |o| {
        o.text("version", version.name());
        o.object("product", |o| {
            o.text("name", "relaydrift");
            o.text("vendor_name", "relaydrift");
            o.text("version", env!("CARGO_PKG_VERSION"));
        });
        o.text("uid", &event.key);
        o.text("log_name", "SmtpSend");
        o.text("log_provider", "Microsoft Exchange");
        o.millis("logged_time", Some(event.reported));
        match &event.fact {
            Fact::Incident(incident) => {
                o.text("correlation_uid", &incident.uid);
                o.maybe("tenant_uid", incident.tenant.as_deref());
            }
            Fact::Refusal(refusal) => o.text("correlation_uid", &refusal.session),
            Fact::Session(session) => o.text("correlation_uid", &session.session),
        }
    });
    o.object("unmapped", |o| ndjson::members(event, o));
}

fn finding(event: &Event, incident: &Incident, version: Version, o: &mut Object<'_>) {
    let activity = match incident.state {
        State::New => (1, "Create"),
        State::Updated => (2, "Update"),
        State::Closed => (3, "Close"),
    };
    base(
        event,
        version,
        (DETECTION_FINDING, "Detection Finding"),
        activity,
        o,
    );
    let (status, caption) = match incident.state {
        _ if event.historic => (3, "Suppressed"),
        State::New => (1, "New"),
        State::Updated => (2, "In Progress"),
        State::Closed => (4, "Resolved"),
    };
    o.int("status_id", status);
    o.text("status", caption);
    o.text("message", &incident.detail);
    o.millis("start_time", Some(incident.opened));
    o.millis("end_time", incident.closed);
    if version == Version::V1_9 {
        o.flag("is_alert", event.alerts());
    }
    let confidence = match incident.confidence.as_deref() {
        Some("low") => Some((1, "Low")),
        Some("medium") => Some((2, "Medium")),
        Some("high" | "proved") => Some((3, "High")),
        _ => None,
    };
    if let Some((id, caption)) = confidence {
        o.int("confidence_id", id);
        o.text("confidence", caption);
    }
    o.object("finding_info", |o| {
        o.text("uid", &incident.uid);
        o.text("title", &event.title());
        o.text("desc", &incident.detail);
        o.texts("types", [event.name().as_str(), incident.stream.name()]);
        o.millis("created_time", Some(event.reported));
        o.millis("first_seen_time", Some(incident.opened));
        o.millis("last_seen_time", Some(incident.updated));
        o.texts("data_sources", ["SmtpSend"]);
        o.text("src_url", incident.runbook());
        o.object("analytic", |o| {
            o.int("type_id", 1);
            o.text("type", "Rule");
            o.text("uid", &event.name());
            o.text("name", &event.title());
            o.text("version", env!("CARGO_PKG_VERSION"));
        });
        o.objects("attacks", incident.attack(), |o, attack| {
            o.object("tactic", |o| {
                o.text("uid", attack.tactic);
                o.text("name", attack.tactic_name);
            });
            o.object("technique", |o| {
                o.text("uid", attack.technique);
                o.text("name", attack.technique_name);
            });
        });
    });
    evidences(incident, version, o);
    o.objects("resources", [event], |o, event| {
        let guid = incident.connector_guid.as_deref();
        o.text("uid", guid.unwrap_or(&event.connector));
        o.text("name", &event.connector);
        o.text("type", "Exchange Send connector");
    });
    if let Some(fix) = incident.fix.as_deref() {
        o.object("remediation", |o| {
            o.text("desc", fix);
            o.texts("references", [incident.runbook()]);
        });
    }
}

fn evidences(incident: &Incident, version: Version, o: &mut Object<'_>) {
    o.objects("evidences", &incident.servers, |o, affected| {
        o.object("src_endpoint", |o| {
            o.text("hostname", &affected.server);
            if incident.kind == "egress" {
                o.maybe("ip", one_address(affected.after.as_deref()));
            }
        });
        o.object("data", |o| {
            o.maybe("before", affected.before.as_deref());
            o.maybe("after", affected.after.as_deref());
            o.text("key", &affected.key);
            o.maybe("session_id", affected.session.as_deref());
            o.int("refused", affected.refused);
        });
        let after = incident.after.as_ref();
        let sent = after.filter(|after| Some(&after.thumbprint) == affected.after.as_ref());
        // Before 1.4 evidence has no `tls`; before and after are in `data` in any case.
        if version == Version::V1_9
            && let Some(sent) = sent
        {
            o.object("tls", |o| {
                o.text("version", "unknown");
                certificate(sent, version, o);
            });
        }
    });
}

/// An address, where a value is one and not a set of several.
fn one_address(value: Option<&str>) -> Option<&str> {
    value.filter(|value| value.parse::<std::net::IpAddr>().is_ok())
}

fn certificate(sent: &Certificate, version: Version, o: &mut Object<'_>) {
    // Issuer and serial number are required: a thumbprint alone stays in `unmapped`.
    let (Some(issuer), Some(serial)) = (&sent.issuer, &sent.serial) else {
        return;
    };
    o.object("certificate", |o| {
        o.text("issuer", issuer);
        o.text("serial_number", serial);
        o.maybe("subject", sent.subject.as_deref());
        let sha256 = sent.sha256.as_ref().map(|value| (3, "SHA-256", value));
        let fingerprints = [(2, "SHA-1", &sent.thumbprint)].into_iter().chain(sha256);
        o.objects("fingerprints", fingerprints, |o, (id, algorithm, value)| {
            o.int("algorithm_id", id);
            o.text("algorithm", algorithm);
            o.text("value", value);
        });
        o.millis("created_time", sent.not_before);
        o.millis("expiration_time", sent.not_after);
        if let Some(own) = sent.is_self_signed() {
            o.flag("is_self_signed", own);
        }
        if version == Version::V1_9 {
            o.objects(
                "sans",
                sent.names.iter().filter(|name| !name.is_empty()),
                |o, name| {
                    o.text("type", "DNS");
                    o.text("name", name);
                },
            );
        }
    });
    if version == Version::V1_3 {
        o.objects(
            "sans",
            sent.names.iter().filter(|name| !name.is_empty()),
            |o, name| {
                o.text("type", "DNS");
                o.text("name", name);
            },
        );
    }
}

fn endpoint(name: &str, endpoint: &Endpoint, smtp: bool, host: Option<&str>, o: &mut Object<'_>) {
    o.object(name, |o| {
        o.maybe("ip", endpoint.ip.as_deref());
        o.maybe_int("port", endpoint.port);
        o.maybe("hostname", host.or(endpoint.host.as_deref()));
        if smtp {
            o.text("svc_name", "smtp");
        }
    });
}

/// Both ends and what connects them.
fn connection(event: &Event, ends: (&Endpoint, &Endpoint), session: &str, o: &mut Object<'_>) {
    endpoint("src_endpoint", ends.0, false, Some(&event.server), o);
    endpoint("dst_endpoint", ends.1, true, None, o);
    o.object("connection_info", |o| {
        o.text("uid", session);
        o.int("direction_id", 2);
        o.text("direction", "Outbound");
        o.int("protocol_num", 6);
        o.text("protocol_name", "tcp");
    });
}

fn traffic(event: &Event, session: &Session, version: Version, o: &mut Object<'_>) {
    base(
        event,
        version,
        (NETWORK_ACTIVITY, "Network Activity"),
        (6, "Traffic"),
        o,
    );
    o.millis("start_time", Some(event.time));
    o.millis("end_time", Some(session.end));
    o.int("duration", (session.end - event.time).div_euclid(1000));
    let failed = session.refused > 0 || session.tls_error.is_some();
    o.int("status_id", if failed { 2 } else { 1 });
    o.text("status", if failed { "Failure" } else { "Success" });
    o.maybe("status_detail", session.outcome.as_deref());
    connection(
        event,
        (&session.local, &session.remote),
        &session.session,
        o,
    );
    if let Some(protocol) = session.tls_protocol.as_deref() {
        o.object("tls", |o| {
            o.text("version", session.tls_version().unwrap_or(protocol));
            o.maybe("cipher", session.tls_cipher.as_deref());
            if let Some(sent) = &session.sent {
                certificate(sent, version, o);
            }
        });
    }
}

fn refused_status(refusal: &Refusal, o: &mut Object<'_>) {
    o.int("status_id", 2);
    o.text("status", "Failure");
    o.text("status_code", &refusal.status());
    o.maybe("status_detail", refusal.text.as_deref());
}

fn refuse(event: &Event, refusal: &Refusal, version: Version, o: &mut Object<'_>) {
    base(
        event,
        version,
        (NETWORK_ACTIVITY, "Network Activity"),
        (5, "Refuse"),
        o,
    );
    refused_status(refusal, o);
    connection(
        event,
        (&refusal.local, &refusal.remote),
        &refusal.session,
        o,
    );
}

fn mail(
    event: &Event,
    refusal: &Refusal,
    (from, to): (Option<&str>, &[&str]),
    version: Version,
    o: &mut Object<'_>,
) {
    base(
        event,
        version,
        (EMAIL_ACTIVITY, "Email Activity"),
        (1, "Send"),
        o,
    );
    refused_status(refusal, o);
    o.int("direction_id", 2);
    o.text("direction", "Outbound");
    endpoint(
        "src_endpoint",
        &refusal.local,
        false,
        Some(&event.server),
        o,
    );
    endpoint("dst_endpoint", &refusal.remote, true, None, o);
    if version == Version::V1_9 {
        o.text("protocol_name", "SMTP");
        o.maybe("from", from);
        o.texts("to", to.iter().copied());
    }
    o.object("email", |o| {
        o.maybe("from", from);
        o.texts("to", to.iter().copied());
        o.maybe("message_uid", refusal.message_id.as_deref());
        if version == Version::V1_3 {
            o.maybe("smtp_from", from);
            o.texts("smtp_to", to.iter().copied());
        }
    });
}
