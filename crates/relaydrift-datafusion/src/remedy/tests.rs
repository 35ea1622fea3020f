use proptest::prelude::*;

use super::*;

const PARTS: [&str; 6] = ["title", "explanation", "fix", "verify", "rollback", "link"];

/// Every command that is ever shown, with hostile facts in every gap.
fn everything(fact: &str) -> String {
    let names = [
        "server",
        "servers",
        "connector",
        "thumbprint",
        "before",
        "egress_ip",
        "before_ip",
        "inbound",
        "inbound_guid",
        "send_guid",
        "names",
        "certificate_name",
        "addresses",
        "all_addresses",
        "sender_domains",
        "recipient_domains",
        "tls_failure",
        "hit",
        "spared",
        "newer",
        "newer_subject",
        "codes",
        "first",
        "change_at",
        "move_at",
        "subject",
        "not_after",
        "intercepted_by",
        "siblings_certificate",
        "changed_there",
        "missing",
    ];
    let facts: Vec<String> = names.iter().map(|name| format!("{name}={fact}")).collect();
    let mut text = String::new();
    for remedy in REMEDIES {
        for part in PARTS {
            text.push_str(&told(remedy.cause, part, &facts).expect("a part"));
            text.push('\n');
        }
    }
    text
}

#[test]
fn what_is_never_advised_is_never_shown() {
    let text = everything("EX01");
    for never in [
        "RejectDirectSend",
        "RestrictDomains",
        "-ConnectorType Partner",
        "New-AcceptedDomain",
        "Remove-BlockedConnector",
        "TlsCertificateName $null",
        "-Force",
        "Remove-InboundConnector -",
        "Remove-ExchangeCertificate",
    ] {
        assert!(!text.contains(never), "{never}");
    }
    // No connector is turned from Partner into OnPremises.
    assert!(
        !text.contains("Set-InboundConnector")
            || !text.contains("Set-InboundConnector -Identity '<guid>' -ConnectorType")
    );
}

#[test]
fn every_change_is_tried_with_what_if_first() {
    for remedy in REMEDIES {
        let changes = [
            "Set-InboundConnector",
            "New-InboundConnector",
            "Set-SendConnector",
            "Enable-ExchangeCertificate",
        ];
        for line in remedy
            .fix
            .lines()
            .filter(|line| changes.iter().any(|change| line.starts_with(change)))
        {
            let tried = format!("{} -WhatIf", line.trim_end_matches(" -WhatIf"));
            assert!(
                remedy.fix.lines().any(|other| other == tried),
                "{}: {line}",
                remedy.cause
            );
        }
    }
}

#[test]
fn every_gap_is_filled() {
    let text = everything("EX01");
    let gap = text.match_indices('{').map(|(at, _)| &text[at + 1..]);
    for rest in gap {
        let inside = rest.split('}').next().unwrap_or("");
        assert!(gap_of(inside).is_none(), "{{{inside}}}");
    }
    assert!(!text.contains("(not known)"));
}

#[test]
fn unknown_has_texts_and_every_cause_is_told_once() {
    assert_eq!(remedy("no such cause").cause, "unknown");
    let mut causes: Vec<&str> = REMEDIES.iter().map(|remedy| remedy.cause).collect();
    causes.sort_unstable();
    let all = causes.len();
    causes.dedup();
    assert_eq!(causes.len(), all);
}

#[test]
fn facts_stand_where_they_may() {
    let facts = [
        "server=EX01".to_string(),
        format!("servers=EX01{BETWEEN}It's"),
        "thumbprint=0123456789abcdefABCDEF012345678901234567".to_string(),
        format!("addresses=203.0.113.7{BETWEEN}198.51.100.0/24"),
        "inbound_guid=11111111-2222-3333-4444-555555555555".to_string(),
        "connector=a\nb".to_string(),
    ];
    let text = fill(
        "{server} {servers:ps} {thumbprint:hex} {addresses:ip} {inbound_guid:guid} {connector:ps} {before:hex}; % { $_ }",
        &facts,
    );
    assert_eq!(
        text,
        "EX01 'EX01','It''s' 0123456789abcdefABCDEF012345678901234567 '203.0.113.7','198.51.100.0/24' \
         '11111111-2222-3333-4444-555555555555' '<connector>' <thumbprint>; % { $_ }"
    );
}

proptest! {
    /// Whatever a log says, a gap of a command holds nothing that PowerShell would run.
    #[test]
    fn nothing_gets_out_of_a_gap(fact in ".*") {
        let facts = [format!("x={fact}")];
        let hex = fill("{x:hex}", &facts);
        prop_assert!(hex == "<thumbprint>" || hex.len() == 40 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
        for kind in ["ip", "guid", "ps"] {
            let text = fill(&format!("{{x:{kind}}}"), &facts);
            let ends = |c: char| matches!(c, '\'' | '\u{2018}'..='\u{201b}');
            // Inside of the outer quotes every quote is doubled.
            for part in text.split("','") {
                let inner = part.trim_start_matches('\'').trim_end_matches('\'');
                let mut quotes = 0;
                for c in inner.chars() {
                    if ends(c) { quotes += 1 } else { prop_assert!(quotes % 2 == 0, "{text}"); quotes = 0; }
                }
            }
        }
    }
}
