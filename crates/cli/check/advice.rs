//! What to do next: commands that only read, and what to compare.
//!
//! Nothing here changes a connector, a certificate or a service: the cause must be seen first. The
//! order is that of a transport engineer: what does Exchange Online expect, what does the server
//! send, who still gets through, what must be sent again.

use std::collections::BTreeSet;

use super::ask::Time;
use super::powershell::{quoted, thumbprint};
use super::report::{Change, Cloud, Presented, Refused, Step};
use crate::escape::visible;
use crate::output::{count, listed};

/// The steps for one connector; none where nothing was refused and nothing is at risk.
pub fn next_steps(cloud: &Cloud) -> Vec<Step> {
    let open: Vec<&Change> = cloud
        .changes
        .iter()
        .filter(|change| change.is_open())
        .collect();
    let broke: Vec<&Change> = cloud
        .changes
        .iter()
        .filter(|change| change.breaking)
        .collect();
    let certificate = open
        .iter()
        .find(|change| change.kind == "certificate" && change.class != "missing")
        .copied();
    let egress = open.iter().find(|change| change.kind == "egress").copied();
    let mut steps = Vec::new();
    if let Some(change) = certificate {
        steps.extend(certificate_steps(cloud, change));
    }
    if let Some(change) = egress {
        steps.extend(egress_steps(change));
    }
    let refused = |attribution: bool| {
        let of_kind = |one: &&Refused| one.is_attribution() == attribution;
        cloud.refused.iter().filter(of_kind).collect::<Vec<_>>()
    };
    if open.is_empty() && broke.is_empty() && !refused(true).is_empty() {
        steps.extend(unexplained_steps());
    }
    if let Some(other) = refused(false).first() {
        steps.push(diagnose_step(other));
    }
    if let Some(risk) = cloud.changes.iter().rfind(|change| {
        let quiet = change.breaking || change.replaced || change.severity == "info";
        !quiet && change.is_change() && open.is_empty()
    }) {
        steps.push(risk_step(risk));
    }
    steps.extend(state_steps(&cloud.changes));
    let bounced: Vec<&Change> = broke
        .iter()
        .copied()
        .filter(|change| !change.is_foretold())
        .collect();
    let unexplained: Vec<&Refused> = match broke.is_empty() {
        true => cloud
            .refused
            .iter()
            .filter(|one| one.is_bounced())
            .collect(),
        false => Vec::new(),
    };
    if !bounced.is_empty() {
        steps.push(resend_step(bounced.iter().map(|change| Bounced {
            server: &change.server,
            recipients: change.refused_after,
            first: change.first_refused,
            last: change.last_refused,
        })));
    } else if !unexplained.is_empty() {
        steps.push(resend_step(unexplained.iter().map(|one| Bounced {
            server: &one.server,
            recipients: one.refused,
            first: Some(one.first_refused),
            last: Some(one.last_refused),
        })));
    }
    if !open.is_empty() || broke.is_empty() && !refused(true).is_empty() {
        steps.push(Step {
            text: "After the repair: one message to an address outside the organization per server, then run this check \
                   again on the new logs. Exchange Online can take up to an hour to apply a connector change."
                .into(),
            command: None,
        });
    }
    steps
}

fn certificate_steps(cloud: &Cloud, change: &Change) -> Vec<Step> {
    let mut steps = Vec::new();
    let lost = lost(change);
    let expects = match lost.is_empty() {
        true => "TlsSenderCertificateName must match a name of the certificate that is sent now"
            .to_string(),
        false => format!(
            "does TlsSenderCertificateName ask for a name that the new certificate lacks ({})?",
            listed(&lost, 3)
        ),
    };
    steps.push(Step {
        text: format!("Exchange Online PowerShell - what does the tenant expect: {expects}"),
        command: Some(
            "Get-InboundConnector | fl Name,Enabled,ConnectorType,TlsSenderCertificateName,SenderIPAddresses,WhenChangedUTC"
                .into(),
        ),
    });
    if let (Some(server), Some(thumbprint)) = (quoted(&change.server), thumbprint(&change.after)) {
        steps.push(Step {
            text: format!("{} - is this the certificate you meant to send?", visible(&change.server)),
            command: Some(format!(
                "Get-ExchangeCertificate -Server {server} -Thumbprint {thumbprint} | fl Subject,Issuer,CertificateDomains,NotAfter,Services,Status"
            )),
        });
    }
    if let Some(connector) = quoted(&change.connector_id) {
        steps.push(Step {
            text: "Exchange Management Shell - which certificate is the send connector told to use: TlsCertificateName must \
                   be <I>issuer<S>subject of it, and every source server must have it"
                .into(),
            command: Some(format!(
                "Get-SendConnector | ? Name -eq {connector} | fl Name,TlsCertificateName,Fqdn,SourceTransportServers"
            )),
        });
    }
    let control = unaffected(cloud, change);
    if let (false, Some(before)) = (control.is_empty(), &change.before) {
        let short: String = visible(before).chars().take(8).collect();
        steps.push(Step {
            text: format!(
                "Compare with {}, which still {} {short} and {} not refused.",
                listed(&control, 4),
                if control.len() == 1 { "sends" } else { "send" },
                if control.len() == 1 { "is" } else { "are" },
            ),
            command: None,
        });
    }
    steps
}

fn egress_steps(change: &Change) -> Vec<Step> {
    let before = change.before.as_deref().unwrap_or("another address");
    let mut text = format!(
        "Exchange Online PowerShell - does SenderIPAddresses of the inbound connector hold {}? (It came from {} before.)",
        visible(&change.after),
        visible(before)
    );
    if change.after.contains(':') {
        text += " SenderIPAddresses takes IPv4 only: over IPv6 only a certificate can match.";
    }
    vec![
        Step {
            text,
            command: Some(
                "Get-InboundConnector | fl Name,Enabled,ConnectorType,SenderIPAddresses,TlsSenderCertificateName,WhenChangedUTC"
                    .into(),
            ),
        },
        Step {
            text: format!(
                "Ask the network team what changed on the way out of {} at {} UTC (NAT, firewall, provider). If the new \
                 address stays, it also belongs into SPF and needs a PTR record.",
                visible(&change.server),
                change.found_at.minute()
            ),
            command: None,
        },
    ]
}

fn unexplained_steps() -> Vec<Step> {
    vec![
        Step {
            text: "Exchange Online PowerShell - certificate and address did not change here: was a connector changed, disabled \
                   or removed there (WhenChangedUTC)?"
                .into(),
            command: Some(
                "Get-InboundConnector | fl Name,Enabled,ConnectorType,TlsSenderCertificateName,SenderIPAddresses,SenderDomains,WhenChangedUTC"
                    .into(),
            ),
        },
        Step {
            text: "Exchange Online PowerShell - is the domain of the refused senders (or of the certificate) an accepted domain? \
                   An empty sender (<>, out-of-office replies) is attributed by certificate alone."
                .into(),
            command: Some("Get-AcceptedDomain | ft Name,DomainName,DomainType".into()),
        },
    ]
}

fn risk_step(change: &Change) -> Step {
    let (compare, with) = match change.kind.as_str() {
        "certificate" => (
            "TlsSenderCertificateName",
            names(&change.after_names, &change.after_subject),
        ),
        _ => ("SenderIPAddresses", visible(&change.after).into_owned()),
    };
    Step {
        text: format!(
            "Exchange Online PowerShell - not refused so far, but check that {compare} matches {with} ({}, {})",
            visible(&change.server),
            change.class
        ),
        command: Some(
            "Get-InboundConnector | fl Name,Enabled,TlsSenderCertificateName,SenderIPAddresses"
                .into(),
        ),
    }
}

/// One step for each class of findings that are no change, told from the newest, with all servers of the class.
fn state_steps(changes: &[Change]) -> Vec<Step> {
    let counts =
        |change: &&Change| change.severity != "info" && (!change.breaking || change.is_open());
    let mut told = Vec::new();
    let mut steps = Vec::new();
    for change in changes.iter().rev().filter(counts) {
        if told.contains(&change.class.as_str()) {
            continue;
        }
        let same = changes
            .iter()
            .filter(counts)
            .filter(|other| other.class == change.class);
        let servers: BTreeSet<&str> = same.map(|other| other.server.as_str()).collect();
        if let Some(step) = state_step(change, &servers.into_iter().collect::<Vec<_>>()) {
            told.push(&change.class);
            steps.push(step);
        }
    }
    steps
}

/// `Get-Queue -Server 'EX01' …`, or the same in turn for several servers.
fn on_each(servers: &[&str], command: &str) -> Option<String> {
    let names = servers
        .iter()
        .map(|server| quoted(server))
        .collect::<Option<Vec<_>>>()?;
    Some(match &names[..] {
        [one] => command.replace("$_", one),
        several => format!("{} | % {{ {command} }}", several.join(",")),
    })
}

fn state_step(change: &Change, servers: &[&str]) -> Option<Step> {
    let server = listed(servers, 4);
    let connector = quoted(&change.connector_id).map(|connector| {
        format!(
            "Get-SendConnector | ? Name -eq {connector} | fl Name,TlsCertificateName,RequireTLS,TlsAuthLevel,IgnoreSTARTTLS"
        )
    });
    let (text, command) = match change.class.as_str() {
        "expiring" | "expired" => (
            format!(
                "{server} - is a successor there that the send connector will choose, with the same names? ({})",
                visible(&change.detail)
            ),
            on_each(
                servers,
                "Get-ExchangeCertificate -Server $_ | fl Subject,CertificateDomains,NotAfter,Services,Thumbprint",
            ),
        ),
        "missing" => (
            format!(
                "{server} - no certificate is sent: does TlsCertificateName name one that lies in its store with a private key?"
            ),
            connector,
        ),
        "lost" | "downgraded" | "intercepted" => (
            format!(
                "Ask the network team what inspects or rewrites SMTP on the way out of {server} (TLS inspection, ESMTP \
                 inspection, a proxy), and compare with what the connector demands"
            ),
            connector,
        ),
        "silence" => (
            format!("{server} - what waits in its queues, and with which last error?"),
            on_each(
                servers,
                "Get-Queue -Server $_ | fl Identity,DeliveryType,Status,MessageCount,LastError",
            ),
        ),
        _ => return None,
    };
    Some(Step { text, command })
}

fn diagnose_step(refused: &Refused) -> Step {
    let title = refused
        .title
        .as_deref()
        .unwrap_or("not for want of attribution");
    Step {
        text: format!(
            "{}: certificate and address do not decide this. relaydrift diagnose on the same logs tells who is hit, the \
             evidence and the commands.",
            visible(title)
        ),
        command: None,
    }
}

/// Mail of one server that bounced.
struct Bounced<'a> {
    server: &'a str,
    recipients: i64,
    first: Option<Time>,
    last: Option<Time>,
}

fn resend_step<'a>(bounced: impl Iterator<Item = Bounced<'a>>) -> Step {
    let (mut first, mut last, mut refused) = (None, None, 0);
    let mut servers = BTreeSet::new();
    for one in bounced {
        first = first.into_iter().chain(one.first).min();
        last = last.into_iter().chain(one.last).max();
        refused += one.recipients;
        servers.insert(one.server);
    }
    let servers: Vec<&str> = servers.into_iter().collect();
    let names: Option<Vec<String>> = servers.iter().map(|server| quoted(server)).collect();
    let command = match (first, last, names) {
        (Some(first), Some(last), Some(names)) => Some(format!(
            "{} | % {{ Get-MessageTrackingLog -Server $_ -EventId FAIL -Start ([datetime]'{}Z') -End ([datetime]'{}Z').AddMinutes(5) \
             -ResultSize Unlimited }} | ? {{ \"$($_.RecipientStatus)\" -match '5\\.7\\.' }} | select Timestamp,Sender,Recipients,MessageSubject",
            names.join(","),
            first.second(),
            last.second()
        )),
        _ => None,
    };
    Step {
        text: format!(
            "Exchange Management Shell - {} refused on {}: these messages bounced and must be sent again",
            count(refused, "recipient"),
            listed(&servers, 4)
        ),
        command,
    }
}

/// Servers that present the certificate from before and are not refused.
fn unaffected(cloud: &Cloud, change: &Change) -> Vec<String> {
    let still = |presented: &&Presented| {
        presented.kind == "certificate"
            && Some(&presented.value) == change.before.as_ref()
            && presented.server != change.server
            && presented.refused == 0
    };
    let mut servers: Vec<String> = cloud
        .presented
        .iter()
        .filter(still)
        .map(|presented| presented.server.clone())
        .collect();
    servers.dedup();
    servers
}

fn lost(change: &Change) -> Vec<String> {
    let before = change.before_names.as_deref().unwrap_or_default();
    let after = change.after_names.as_deref().unwrap_or_default();
    before
        .iter()
        .filter(|name| !after.iter().any(|other| other.eq_ignore_ascii_case(name)))
        .cloned()
        .collect()
}

fn names(names: &Option<Vec<String>>, subject: &Option<String>) -> String {
    match (names.as_deref(), subject) {
        (Some(names), _) if !names.is_empty() => format!("one of {}", listed(names, 4)),
        (_, Some(subject)) => visible(subject).into_owned(),
        _ => "a name of the new certificate".into(),
    }
}
