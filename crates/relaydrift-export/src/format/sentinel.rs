//! Rows for the custom tables of Microsoft Sentinel in `siem/sentinel`, with ASIM's column names.
//!
//! `TimeGenerated` is set by the service to the time of arrival where it lies more than two days back,
//! so `EventStartTime` and `EventEndTime` carry our own times. Certificate facts have no columns in
//! ASIM's network schema and stand in `AdditionalFields`, with everything else that is known.

use crate::event::{Event, Fact, Incident, Refusal, Session, Severity, State};
use crate::format::ndjson;
use crate::json::{self, Object};

/// Appends the event.
pub fn render(event: &Event, out: &mut Vec<u8>) {
    json::object(out, |o| {
        o.time("TimeGenerated", Some(event.time));
        o.int("EventCount", 1);
        o.text("EventUid", &event.key);
        o.text("EventProduct", "relaydrift");
        o.text("EventProductVersion", env!("CARGO_PKG_VERSION"));
        o.text("EventVendor", "relaydrift");
        o.text("EventSeverity", severity(event.severity()));
        o.text("EventOriginalType", &event.name());
        o.text("Dvc", &event.server);
        o.text("DvcHostname", &event.server);
        o.text("Organization", &event.organization);
        o.text("Connector", &event.connector);
        o.flag("IsHistoric", event.historic);
        match &event.fact {
            Fact::Incident(incident) => finding(event, incident, o),
            Fact::Refusal(refusal) => refused(event, refusal, o),
            Fact::Session(session) => traffic(event, session, o),
        }
        o.object("AdditionalFields", |o| ndjson::members(event, o));
    });
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "Informational",
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High | Severity::Critical => "High",
    }
}

/// AlertEvent, and AuditEvent for what changed: one row, two parser functions.
fn finding(event: &Event, incident: &Incident, o: &mut Object<'_>) {
    o.time("EventStartTime", Some(incident.opened));
    o.time(
        "EventEndTime",
        Some(incident.closed.unwrap_or(incident.updated)),
    );
    o.text("EventOriginalUid", &incident.uid);
    o.text("AlertId", &incident.uid);
    o.text("AlertName", &event.title());
    o.text("AlertDescription", &incident.detail);
    let closed = incident.state == State::Closed || event.historic;
    o.text("AlertStatus", if closed { "Closed" } else { "Active" });
    o.text("AlertOriginalStatus", incident.state.name());
    o.int("AlertRevision", incident.revision);
    o.text("AlertStream", incident.stream.name());
    o.flag("AlertRaised", event.alerts());
    o.text("DetectionMethod", "Log analysis");
    o.text("RuleName", &event.title());
    o.text("Rule", &event.name());
    o.maybe("AttackRemediationSteps", incident.fix.as_deref());
    if let Some(attack) = incident.attack() {
        o.text("AttackTactics", attack.tactic_name);
        o.text("AttackTechniques", attack.technique);
    }
    o.text("Object", &event.connector);
    o.text("Operation", &event.title());
    let (before, after) = incident.change();
    o.maybe("OldValue", before);
    o.maybe("NewValue", after);
    o.texts("Servers", incident.server_names());
    o.texts("EgressIpAddrs", incident.addresses());
    let thumbprints = incident.certificates().map(|one| one.thumbprint.as_str());
    o.texts("CertificateThumbprints", thumbprints);
    let sha256 = incident
        .certificates()
        .filter_map(|one| one.sha256.as_deref());
    o.texts("CertificateSha256", sha256);
    let issuers = incident
        .certificates()
        .filter_map(|one| one.issuer.as_deref());
    o.texts("CertificateIssuers", issuers);
    let serials = incident
        .certificates()
        .filter_map(|one| one.serial.as_deref());
    o.texts("CertificateSerials", serials);
    let domains = incident.sender_domains.iter().map(String::as_str);
    o.texts("SenderDomains", domains);
    o.int("RefusedCount", incident.refused);
    o.flag("IsBreaking", incident.breaking);
    o.maybe("Cause", incident.cause.as_deref());
    o.maybe("Confidence", incident.confidence.as_deref());
    o.maybe("PlannedChangeId", incident.planned_change.as_deref());
    o.maybe("ConnectorGuid", incident.connector_guid.as_deref());
    o.maybe("Tenant", incident.tenant.as_deref());
    o.maybe("Coverage", incident.coverage.as_deref());
    o.time("DetectedTime", Some(incident.updated));
    o.time("ReportedTime", Some(event.reported));
    o.text("EventReportUrl", incident.runbook());
}

/// EmailEvent.
fn refused(event: &Event, refusal: &Refusal, o: &mut Object<'_>) {
    o.time("EventStartTime", Some(event.time));
    o.time("EventEndTime", Some(event.time));
    let status = refusal.status();
    let text = refusal.text.as_deref().unwrap_or_default();
    o.text(
        "EventOriginalResultDetails",
        format!("{status} {text}").trim(),
    );
    o.text("SrcIpAddr", refusal.local.ip.as_deref().unwrap_or_default());
    o.text("SrcHostname", &event.server);
    o.maybe("DstIpAddr", refusal.remote.ip.as_deref());
    o.maybe_int("DstPortNumber", refusal.remote.port);
    o.maybe("DstHostname", refusal.remote.host.as_deref());
    let dst = refusal
        .remote
        .host
        .as_deref()
        .or(refusal.remote.ip.as_deref());
    o.text("Dst", dst.unwrap_or("unknown"));
    o.text("NetworkSessionId", &refusal.session);
    o.maybe("EmailMailFromAddress", refusal.sender.as_deref());
    o.texts(
        "EmailToRecipients",
        refusal.recipients.iter().map(String::as_str),
    );
    o.maybe("EmailMessageId", refusal.message_id.as_deref());
    o.maybe("SenderDomain", refusal.sender_domain.as_deref());
    let domains = refusal.recipient_domains.iter().map(String::as_str);
    o.texts("RecipientDomains", domains);
    o.maybe("EnhancedStatusCode", refusal.enhanced.as_deref());
    o.int("RefusedCount", refusal.refused);
    o.maybe("CertificateThumbprint", refusal.thumbprint.as_deref());
    o.maybe("EgressIpAddr", refusal.egress_ip.as_deref());
}

/// NetworkSession.
fn traffic(event: &Event, session: &Session, o: &mut Object<'_>) {
    o.time("EventStartTime", Some(event.time));
    o.time("EventEndTime", Some(session.end));
    let failed = session.refused > 0 || session.tls_error.is_some();
    o.text("EventResult", if failed { "Failure" } else { "Success" });
    o.maybe("EventOriginalResultDetails", session.outcome.as_deref());
    o.maybe("SrcIpAddr", session.local.ip.as_deref());
    o.maybe_int("SrcPortNumber", session.local.port);
    o.text("SrcHostname", &event.server);
    o.maybe("DstIpAddr", session.remote.ip.as_deref());
    o.maybe_int("DstPortNumber", session.remote.port);
    o.maybe("DstHostname", session.remote.host.as_deref());
    o.text("NetworkSessionId", &session.session);
    o.int(
        "NetworkDuration",
        (session.end - event.time).div_euclid(1000),
    );
    o.int("RefusedCount", session.refused);
    o.int("AcceptedCount", session.accepted);
    let thumbprint = session.sent.as_ref().map(|sent| sent.thumbprint.as_str());
    o.maybe("CertificateThumbprint", thumbprint);
    o.maybe("EgressIpAddr", session.egress_ip.as_deref());
    o.maybe("TlsVersion", session.tls_version());
}
