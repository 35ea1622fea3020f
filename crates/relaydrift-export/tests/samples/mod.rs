//! Events for tests and benches.

use relaydrift_export::{
    Affected, Certificate, Endpoint, Event, Fact, Incident, Origin, Refusal, Session, Severity,
    State, Stream,
};

/// An event of each kind in which every text is this one.
pub fn events(text: &str) -> [Event; 3] {
    let some = || Some(text.to_owned());
    let certificate = Certificate {
        thumbprint: "98EDA6C3519AB9377E15D610609CB4D81B06D5FC".to_owned(),
        sha256: some(),
        subject: some(),
        issuer: some(),
        serial: some(),
        not_before: Some(1_790_812_800_000_000),
        not_after: Some(1_822_348_800_000_000),
        names: vec![text.to_owned()],
    };
    let end = |ip: &str| Endpoint {
        ip: Some(ip.to_owned()),
        port: Some(25),
        host: some(),
    };
    let affected = Affected {
        server: text.to_owned(),
        key: "k1".to_owned(),
        before: some(),
        after: some(),
        occurred: 1_790_812_800_000_000,
        detected: 1_790_812_800_000_000,
        session: some(),
        refused: 7,
    };
    let incident = Incident {
        uid: "u1".to_owned(),
        state: State::New,
        revision: 1,
        stream: Stream::Security,
        severity: Severity::High,
        kind: "certificate".to_owned(),
        class: "renamed".to_owned(),
        breaking: true,
        detail: text.to_owned(),
        cause: some(),
        confidence: some(),
        fix: some(),
        link: None,
        coverage: some(),
        planned_change: some(),
        tenant: some(),
        connector_guid: some(),
        opened: 1_790_812_800_000_000,
        updated: 1_790_812_800_000_000,
        closed: None,
        last_good: None,
        refused: 7,
        servers: vec![affected],
        before: Some(certificate.clone()),
        after: Some(certificate.clone()),
        sender_domains: vec![text.to_owned()],
    };
    let origin = Origin {
        source: some(),
        line: Some(4),
    };
    let refusal = Refusal {
        service: some(),
        session: text.to_owned(),
        origin: origin.clone(),
        local: end("10.0.0.5"),
        remote: end("2001:db8::19"),
        code: Some(550),
        enhanced: Some("5.7.64".to_owned()),
        attr: some(),
        text: some(),
        refused: 2,
        sender_domain: some(),
        recipient_domains: vec![text.to_owned()],
        sender: some(),
        recipients: vec![text.to_owned()],
        message_id: some(),
        thumbprint: Some(certificate.thumbprint.clone()),
        egress_ip: Some("203.0.113.10".to_owned()),
    };
    let session = Session {
        service: some(),
        session: text.to_owned(),
        origin,
        end: 1_790_812_801_500_000,
        local: end("10.0.0.5"),
        remote: end("192.0.2.1"),
        peer_kind: some(),
        ehlo_name: some(),
        egress_ip: Some("203.0.113.10".to_owned()),
        tls_protocol: Some("SP_PROT_TLS1_2_CLIENT".to_owned()),
        tls_cipher: some(),
        tls_error: some(),
        sent: Some(certificate),
        messages: 1,
        accepted: 1,
        refused: 2,
        outcome: some(),
        disconnect_reason: some(),
    };
    [
        Fact::Incident(Box::new(incident)),
        Fact::Refusal(Box::new(refusal)),
        Fact::Session(Box::new(session)),
    ]
    .map(|fact| Event {
        key: "0f".to_owned(),
        time: 1_790_812_800_000_000,
        reported: 1_790_812_860_000_000,
        historic: false,
        organization: text.to_owned(),
        connector: text.to_owned(),
        role: some(),
        server: text.to_owned(),
        fact,
    })
}

/// Events as logs make them: incidents of both streams and every state, refusals with and without mailboxes,
/// sessions over IPv4 and IPv6, with and without TLS, one of them back-filled.
#[allow(dead_code, reason = "not every user needs all samples")]
pub fn realistic() -> Vec<Event> {
    let mut all = Vec::new();
    for (n, state) in [State::New, State::Updated, State::Closed]
        .into_iter()
        .enumerate()
    {
        let [mut event, ..] = plain();
        if let Fact::Incident(incident) = &mut event.fact {
            incident.state = state;
            incident.closed = (state == State::Closed).then_some(1_790_900_000_000_000);
            incident.stream = Stream::Operations;
            if n == 1 {
                (incident.kind, incident.class) = ("egress".into(), "moved".into());
                incident.servers[0].before = Some("203.0.113.10".into());
                incident.servers[0].after = Some("2001:db8::7".into());
                (incident.before, incident.after) = (None, None);
            }
        }
        event.historic = n == 2;
        all.push(event);
    }
    let [security, refusal, session] = plain();
    let mut without = refusal.clone();
    if let Fact::Refusal(refusal) = &mut without.fact {
        (refusal.sender, refusal.recipients, refusal.message_id) = (None, Vec::new(), None);
    }
    let mut null_sender = refusal.clone();
    if let Fact::Refusal(refusal) = &mut null_sender.fact {
        (refusal.sender, refusal.sender_domain) = (Some(String::new()), None);
    }
    let mut bare = session.clone();
    if let Fact::Session(session) = &mut bare.fact {
        (session.tls_protocol, session.tls_cipher, session.sent) = (None, None, None);
        session.remote.ip = Some("2001:db8::19".into());
        session.local.ip = Some("2001:db8::5".into());
    }
    let mut thumbprint_only = session.clone();
    if let Fact::Session(session) = &mut thumbprint_only.fact {
        let thumbprint = "98EDA6C3519AB9377E15D610609CB4D81B06D5FC".to_owned();
        session.sent = Some(Certificate {
            thumbprint,
            ..Certificate::default()
        });
    }
    all.extend([
        security,
        refusal,
        without,
        null_sender,
        session,
        bare,
        thumbprint_only,
    ]);
    for (n, event) in all.iter_mut().enumerate() {
        event.key = format!("{n:032x}");
    }
    all
}

/// An event of each kind with the texts that it would have.
fn plain() -> [Event; 3] {
    let mut all = events("x");
    for event in &mut all {
        event.organization = "default".into();
        event.connector = "Ausgehend | zu \"Office 365\" = \\ [Büro]".into();
        event.role = Some("cloud_relay".into());
        event.server = "EX01".into();
        match &mut event.fact {
            Fact::Incident(incident) => {
                incident.detail =
                    "the certificate has another name: CN=mail.contoso-group.com".into();
                incident.confidence = Some("high".into());
                incident.servers[0].server = "EX01".into();
                incident
                    .before
                    .iter_mut()
                    .chain(&mut incident.after)
                    .for_each(certificate);
                let after = incident
                    .after
                    .as_ref()
                    .map(|after| after.thumbprint.clone());
                incident.servers[0].after = after;
                incident.sender_domains = vec!["contoso.com".into()];
            }
            Fact::Refusal(refusal) => {
                refusal.text = Some(
                    "550 5.7.64 TenantAttribution; Relay Access Denied [AM4PEPF0000.eurprd04]"
                        .into(),
                );
                refusal.attr = Some("ATTR36".into());
                refusal.session = "08DF1F4EEFBDC000".into();
                refusal.sender = Some("paula.novak@contoso.com".into());
                refusal.sender_domain = Some("contoso.com".into());
                refusal.recipients = vec!["a.b@adatum.com".into(), "c@litwareinc.com".into()];
                refusal.recipient_domains = vec!["adatum.com".into(), "litwareinc.com".into()];
                refusal.message_id = Some("eef5cf84@EX01.corp.contoso.com".into());
                refusal.remote.host = Some("AM4PEPF0000.mail.protection.outlook.com".into());
            }
            Fact::Session(session) => {
                session.session = "08DF1F4EEFBDC001".into();
                session.tls_cipher = Some("CALG_AES_256".into());
                session.tls_error = None;
                session.remote.host = Some("AM4PEPF0000.mail.protection.outlook.com".into());
                session.sent.iter_mut().for_each(certificate);
            }
        }
    }
    all
}

fn certificate(certificate: &mut Certificate) {
    certificate.subject = Some("CN=mail.contoso-group.com, O=\"Contoso, Ltd\", C=DE".into());
    certificate.issuer =
        Some("CN=DigiCert Global G2 TLS RSA SHA256 2020 CA1, O=DigiCert Inc, C=US".into());
    certificate.serial = Some("0A1B2C3D4E5F".into());
    certificate.sha256 = Some("5A".repeat(32));
    certificate.names = vec![
        "mail.contoso-group.com".into(),
        "autodiscover.contoso-group.com".into(),
    ];
}
