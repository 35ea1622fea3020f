//! Everything that is known of an event, under our own names, as one JSON object.

use crate::event::{Affected, Certificate, Endpoint, Event, Fact, Incident, Refusal, Session};
use crate::json::{self, Object};

/// Appends the event.
pub fn render(event: &Event, out: &mut Vec<u8>) {
    json::object(out, |o| members(event, o));
}

/// The members, which other formats carry in an object of their own.
pub fn members(event: &Event, o: &mut Object<'_>) {
    o.text("event", &event.name());
    o.text("key", &event.key);
    o.time("time", Some(event.time));
    o.time("reported", Some(event.reported));
    o.flag("historic", event.historic);
    o.text("organization", &event.organization);
    o.text("connector", &event.connector);
    o.maybe("role", event.role.as_deref());
    o.text("server", &event.server);
    match &event.fact {
        Fact::Incident(incident) => incident_members(incident, o),
        Fact::Refusal(refusal) => refusal_members(refusal, o),
        Fact::Session(session) => session_members(session, o),
    }
}

fn incident_members(incident: &Incident, o: &mut Object<'_>) {
    o.text("incident_uid", &incident.uid);
    o.text("state", incident.state.name());
    o.int("revision", incident.revision);
    o.text("stream", incident.stream.name());
    o.text("severity", incident.severity.name());
    o.text("kind", &incident.kind);
    o.text("class", &incident.class);
    o.flag("breaking", incident.breaking);
    o.text("detail", &incident.detail);
    o.maybe("cause", incident.cause.as_deref());
    o.maybe("confidence", incident.confidence.as_deref());
    o.maybe("fix", incident.fix.as_deref());
    o.maybe("coverage", incident.coverage.as_deref());
    o.maybe("planned_change_id", incident.planned_change.as_deref());
    o.maybe("tenant", incident.tenant.as_deref());
    o.maybe("connector_guid", incident.connector_guid.as_deref());
    o.time("occurred", Some(incident.opened));
    o.time("detected", Some(incident.updated));
    o.time("closed", incident.closed);
    o.time("last_good", incident.last_good);
    o.int("refused", incident.refused);
    o.objects("servers", &incident.servers, affected_members);
    o.texts("egress_ips", incident.addresses());
    if let Some(before) = &incident.before {
        o.object("certificate_before", |o| certificate_members(before, o));
    }
    if let Some(after) = &incident.after {
        o.object("certificate_after", |o| certificate_members(after, o));
    }
    o.texts(
        "sender_domains",
        incident.sender_domains.iter().map(String::as_str),
    );
    if let Some(attack) = incident.attack() {
        o.text("attack_technique", attack.technique);
        o.text("attack_tactic", attack.tactic);
    }
    o.text("runbook", incident.runbook());
}

fn affected_members(o: &mut Object<'_>, affected: &Affected) {
    o.text("server", &affected.server);
    o.text("key", &affected.key);
    o.maybe("before", affected.before.as_deref());
    o.maybe("after", affected.after.as_deref());
    o.time("occurred", Some(affected.occurred));
    o.time("detected", Some(affected.detected));
    o.maybe("session_id", affected.session.as_deref());
    o.int("refused", affected.refused);
}

fn refusal_members(refusal: &Refusal, o: &mut Object<'_>) {
    o.maybe("service", refusal.service.as_deref());
    o.text("session_id", &refusal.session);
    o.maybe("source_id", refusal.origin.source.as_deref());
    o.maybe_int("line", refusal.origin.line);
    endpoint_members("local", &refusal.local, o);
    endpoint_members("remote", &refusal.remote, o);
    o.maybe_int("reply_code", refusal.code);
    o.maybe("enhanced_code", refusal.enhanced.as_deref());
    o.maybe("attr_code", refusal.attr.as_deref());
    o.maybe("reply_text", refusal.text.as_deref());
    o.int("refused", refusal.refused);
    o.maybe("sender_domain", refusal.sender_domain.as_deref());
    o.texts(
        "recipient_domains",
        refusal.recipient_domains.iter().map(String::as_str),
    );
    o.maybe("sender", refusal.sender.as_deref());
    o.texts("recipients", refusal.recipients.iter().map(String::as_str));
    o.maybe("message_id", refusal.message_id.as_deref());
    o.maybe("thumbprint", refusal.thumbprint.as_deref());
    o.maybe("egress_ip", refusal.egress_ip.as_deref());
}

fn session_members(session: &Session, o: &mut Object<'_>) {
    o.maybe("service", session.service.as_deref());
    o.text("session_id", &session.session);
    o.maybe("source_id", session.origin.source.as_deref());
    o.maybe_int("line", session.origin.line);
    o.time("end", Some(session.end));
    endpoint_members("local", &session.local, o);
    endpoint_members("remote", &session.remote, o);
    o.maybe("peer_kind", session.peer_kind.as_deref());
    o.maybe("ehlo_name", session.ehlo_name.as_deref());
    o.maybe("egress_ip", session.egress_ip.as_deref());
    o.maybe("tls_protocol", session.tls_protocol.as_deref());
    o.maybe("tls_cipher", session.tls_cipher.as_deref());
    o.maybe("tls_error", session.tls_error.as_deref());
    if let Some(sent) = &session.sent {
        o.object("certificate", |o| certificate_members(sent, o));
    }
    o.int("messages", session.messages);
    o.int("accepted", session.accepted);
    o.int("refused", session.refused);
    o.maybe("outcome", session.outcome.as_deref());
    o.maybe("disconnect_reason", session.disconnect_reason.as_deref());
}

fn certificate_members(certificate: &Certificate, o: &mut Object<'_>) {
    o.text("thumbprint", &certificate.thumbprint);
    o.maybe("sha256", certificate.sha256.as_deref());
    o.maybe("subject", certificate.subject.as_deref());
    o.maybe("issuer", certificate.issuer.as_deref());
    o.maybe("serial", certificate.serial.as_deref());
    o.time("not_before", certificate.not_before);
    o.time("not_after", certificate.not_after);
    o.texts("names", certificate.names.iter().map(String::as_str));
}

fn endpoint_members(prefix: &str, endpoint: &Endpoint, o: &mut Object<'_>) {
    o.maybe(&format!("{prefix}_ip"), endpoint.ip.as_deref());
    o.maybe_int(&format!("{prefix}_port"), endpoint.port);
    o.maybe(&format!("{prefix}_host"), endpoint.host.as_deref());
}
