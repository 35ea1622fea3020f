//! Reports made by hand, read as an administrator would.

use super::ask::Time;
use super::page::Page;
use super::report::*;
use super::verdict::verdict;
use super::{advice, facts, mark_replaced, text};
use crate::escape::acts;

const MINUTE: i64 = 60_000_000;
/// 2026-10-05T10:00:00Z
const TEN: i64 = 1_791_194_400_000_000;
const OLD: &str = "A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1";
const NEW: &str = "B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2";

fn at(minutes: i64) -> Time {
    Time(TEN + minutes * MINUTE)
}

fn connector(role: &str) -> Connector {
    Connector {
        organization: "default".into(),
        connector_id: "Outbound to Office 365".into(),
        role: role.into(),
        evidence: "sessions by peer: Exchange Online 1204".into(),
        first_seen: Some(at(-3000)),
        last_seen: Some(at(120)),
        servers: 2,
        sessions: 1204,
    }
}

fn presented(server: &str, kind: &str, value: &str, refused: i64) -> Presented {
    let of_certificate = |text: &str| (kind == "certificate").then(|| text.to_string());
    Presented {
        kind: kind.into(),
        organization: "default".into(),
        connector_id: "Outbound to Office 365".into(),
        server: server.into(),
        value: value.into(),
        subject: of_certificate("CN=mail.contoso.com"),
        issuer: of_certificate("CN=Contoso CA"),
        issued_by: of_certificate("Contoso CA"),
        serial: None,
        not_before: None,
        not_after: (kind == "certificate").then_some(at(20 * 24 * 60)),
        names: (kind == "certificate").then(|| vec!["mail.contoso.com".into()]),
        first_seen: if refused > 0 { at(2) } else { at(-3000) },
        last_seen: at(120),
        from_start: refused == 0,
        sessions: 600,
        accepted: Some(10),
        refused,
        last_refused: (refused > 0).then_some(at(119)),
        path: Some(format!("/logs/{server}/SEND2026100510-1.LOG")),
        line: Some(7),
    }
}

fn change(server: &str) -> Change {
    Change {
        key: "k".into(),
        found_at: at(2),
        kind: "certificate".into(),
        class: "renamed".into(),
        severity: "high".into(),
        breaking: true,
        organization: "default".into(),
        connector_id: "Outbound to Office 365".into(),
        role: "cloud_relay".into(),
        server: server.into(),
        before: Some(OLD.into()),
        before_subject: Some("CN=mail.contoso.com".into()),
        before_names: Some(vec!["mail.contoso.com".into()]),
        after: NEW.into(),
        after_subject: Some("CN=mail.fabrikam.com".into()),
        after_names: Some(vec!["mail.fabrikam.com".into()]),
        first_seen: at(2),
        last_seen: Some(at(120)),
        last_good: Some(at(-1)),
        refused_after: 412,
        first_refused: Some(at(2)),
        last_refused: Some(at(119)),
        session_id: Some("08D52BBF6AB0E1C3".into()),
        detail: "the certificate has another name".into(),
        planned_change_id: None,
        path: Some("/logs/EX03/SEND2026100510-1.LOG".into()),
        line: Some(259),
        relayed_again: None,
        replaced: false,
    }
}

fn refused(server: &str) -> Refused {
    Refused {
        organization: "default".into(),
        connector_id: "Outbound to Office 365".into(),
        server: server.into(),
        code: Some(550),
        enhanced: Some("5.7.64".into()),
        attr: None,
        text: Some("TenantAttribution; Relay Access Denied".into()),
        refused: 412,
        transactions: 200,
        sessions: 150,
        first_refused: at(2),
        last_refused: at(119),
        first_path: Some("/logs/EX03/SEND2026100510-1.LOG".into()),
        first_line: Some(278),
        last_path: Some("/logs/EX03/SEND2026100511-1.LOG".into()),
        last_line: Some(99),
        family: "attribution".into(),
        title: None,
        relayed_again: None,
    }
}

fn broken() -> Cloud {
    let mut cloud = Cloud {
        connector: connector("cloud_relay"),
        presented: vec![
            presented("EX01", "certificate", OLD, 0),
            presented("EX01", "egress", "203.0.113.10", 0),
            presented("EX03", "certificate", NEW, 412),
            presented("EX03", "egress", "203.0.113.12", 412),
        ],
        changes: vec![change("EX03")],
        refused: vec![refused("EX03")],
        next_steps: Vec::new(),
    };
    cloud.next_steps = advice::next_steps(&cloud);
    cloud
}

fn report(connectors: Vec<Cloud>) -> Report {
    let extent = Extent {
        first_row: Some(at(-3000)),
        last_row: Some(at(120)),
        rows: Some(1_234_567),
        servers: 2,
        organizations: 1,
        files: 12,
        bytes: 1,
    };
    Report {
        verdict: verdict(&connectors, &extent, None),
        extent,
        connectors,
        other_connectors: vec![connector("internet")],
        gaps: vec![Gap {
            organization: "default".into(),
            server: "EX01".into(),
            service: "Hub".into(),
            first_hour: at(-600),
            last_hour: at(240),
            hours: 14,
        }],
        rejects: vec![Rejects {
            reason: "glued".into(),
            lines: 3,
            path: Some("/logs/EX01/a.LOG".into()),
            line: Some(12),
        }],
        pending_bytes: 17,
        skipped: vec![
            Left {
                path: "/logs/RECV1.LOG".into(),
                reason: "a receive log".into(),
                error: false,
            },
            Left {
                path: "/logs/x.LOG".into(),
                reason: "permission denied".into(),
                error: true,
            },
        ],
        diagnosis: None,
        notices: Vec::new(),
    }
}

fn shown(report: &Report) -> String {
    let mut page = Page::new(100, false);
    text::write(&mut page, report);
    page.finish()
}

fn sentence(connectors: &[Cloud], since: Option<Time>) -> (State, String) {
    let extent = Extent {
        last_row: Some(at(120)),
        ..Extent::default()
    };
    let verdict = verdict(connectors, &extent, since);
    (verdict.state, verdict.text)
}

#[test]
fn a_broken_connector_is_the_first_thing_said() {
    let text = shown(&report(vec![broken()]));
    let first = text.split("\n\n").next().unwrap().replace('\n', " ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        first,
        "BREAKING: 'Outbound to Office 365' on EX03 presents a certificate that Exchange Online refuses since \
         2026-10-05 10:02 UTC: 412 recipients refused so far. 1 file could not be read (see the end): this is what the \
         others tell."
    );
    for part in [
        NEW,
        OLD,
        "names gone: mail.contoso.com; names new: mail.fabrikam.com",
        "412 recipients refused, first 2026-10-05 10:02:00",
        "last good 2026-10-05 09:59:00",
        "/logs/EX03/SEND2026100510-1.LOG:259",
        "550 5.7.64 TenantAttribution; Relay Access Denied",
        "/logs/EX03/SEND2026100511-1.LOG:99",
        "Get-ExchangeCertificate -Server 'EX03' -Thumbprint B2B2",
        "Compare with EX01, which still sends A1A1A1A1 and is not refused.",
        "Get-MessageTrackingLog",
        "19 days left",
        "3 lines unreadable: glued (first /logs/EX01/a.LOG:12)",
        "17 bytes of last lines",
        "no logs of EX01 (Hub) for 14 hours",
        "left out /logs/RECV1.LOG: a receive log",
        "CANNOT READ /logs/x.LOG: permission denied",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn a_healthy_fleet_fits_a_screen() {
    let servers = (1..=30).map(|n| format!("EX{n:02}"));
    let shows = servers.flat_map(|server| {
        let certificate = presented(&server, "certificate", OLD, 0);
        [certificate, presented(&server, "egress", "203.0.113.10", 0)]
    });
    let cloud = Cloud {
        connector: connector("cloud_relay"),
        presented: shows.collect(),
        changes: Vec::new(),
        refused: Vec::new(),
        next_steps: Vec::new(),
    };
    let text = shown(&report(vec![cloud]));
    assert!(
        text.starts_with("No drift: 1 connector toward Exchange Online on 30 servers"),
        "{text}"
    );
    assert!(text.contains("EX01 ... EX30 (30)"), "{text}");
    assert!(text.lines().count() <= 30, "{text}");
}

#[test]
fn a_pool_is_shown_whole_and_an_old_refusal_is_not_held_against_a_new_certificate() {
    let mut cloud = broken();
    for address in ["203.0.113.13", "203.0.113.14"] {
        cloud
            .presented
            .push(presented("EX01", "egress", address, 0));
    }
    cloud.presented[2] = presented("EX03", "certificate", OLD, 0);
    let text = shown(&report(vec![cloud]));
    let pool = "EX01 by turns: 203.0.113.10, 203.0.113.13 and 203.0.113.14";
    assert!(text.contains(pool), "{text}");
    let row = text
        .lines()
        .find(|line| line.starts_with("    EX03    A1A1A1A1"));
    assert!(row.is_some_and(|row| row.ends_with("none")), "{text}");
}

#[test]
fn the_sentence_follows_the_state() {
    assert_eq!(sentence(&[], None).0, State::NoCloudConnector);
    let mut cloud = broken();
    assert_eq!(sentence(&[cloud.clone()], None).0, State::Breaking);
    let (state, text) = sentence(&[cloud.clone()], Some(at(60)));
    assert_eq!(state, State::Breaking);
    assert!(text.ends_with("It began before --since."), "{text}");

    cloud.changes[0].relayed_again = Some(at(121));
    let (state, text) = sentence(&[cloud.clone()], None);
    assert_eq!(state, State::Repaired);
    assert!(
        text.contains("relayed again since 2026-10-05 12:01 UTC"),
        "{text}"
    );

    cloud.changes[0].breaking = false;
    assert_eq!(sentence(&[cloud.clone()], None).0, State::Refused);
    cloud.refused.clear();
    assert_eq!(sentence(&[cloud.clone()], None).0, State::Changed);
    assert_eq!(sentence(&[cloud], Some(at(60))).0, State::NoDrift);
}

#[test]
fn refusals_that_no_change_explains_are_told_as_long_as_they_last() {
    let mut cloud = broken();
    cloud.changes[0].relayed_again = Some(at(121));
    let state = |cloud: &Cloud, last_row| {
        let extent = Extent {
            last_row: Some(last_row),
            ..Extent::default()
        };
        let verdict = verdict(std::slice::from_ref(cloud), &extent, None);
        (verdict.state, verdict.text)
    };
    assert_eq!(state(&cloud, at(130)).0, State::Repaired);
    // A change that is mended explains neither what another server is answered nor what came later.
    let mut elsewhere = cloud.clone();
    elsewhere.refused.push(refused("EX07"));
    let mut later = cloud.clone();
    later.refused[0].last_refused = at(500);
    for (cloud, servers) in [(elsewhere, "EX07."), (later, "EX03.")] {
        let (state, text) = state(&cloud, at(510));
        assert_eq!(state, State::Refused);
        assert!(
            text.ends_with(servers) && !text.contains("stayed"),
            "{text}"
        );
    }
    cloud.changes.clear();
    let (before, text) = state(&cloud, at(130));
    assert_eq!(before, State::Refused);
    assert!(text.contains("stayed as they were"), "{text}");
    // Relayed again for less than an hour, then for longer.
    cloud.refused[0].relayed_again = Some(at(121));
    assert_eq!(state(&cloud, at(130)).0, State::Refused);
    let (after, text) = state(&cloud, at(180));
    assert_eq!(after, State::Repaired);
    assert!(text.contains("again since 2026-10-05 12:01 UTC"), "{text}");
}

#[test]
fn what_no_inbound_connector_matches_breaks_before_anything_is_refused() {
    let mut cloud = broken();
    cloud.refused.clear();
    let foretold = &mut cloud.changes[0];
    foretold.refused_after = 0;
    (foretold.first_refused, foretold.last_refused) = (None, None);
    let (state, text) = sentence(&[cloud.clone()], None);
    assert_eq!(state, State::Breaking);
    assert!(text.contains("matches no inbound connector"), "{text}");
    let steps = advice::next_steps(&cloud);
    let resend = |step: &Step| step.text.contains("sent again");
    assert!(!steps.is_empty() && !steps.iter().any(resend), "{steps:?}");

    cloud.changes[0].replaced = true;
    let (state, text) = sentence(&[cloud], None);
    assert_eq!(state, State::Repaired);
    assert!(text.contains("nothing was refused"), "{text}");
}

#[test]
fn exit_code_1_is_for_what_broke_inside_since() {
    let extent = Extent::default();
    assert_eq!(verdict(&[broken()], &extent, None).breaking, 1);
    assert_eq!(verdict(&[broken()], &extent, Some(at(60))).breaking, 0);
}

#[test]
fn a_later_change_ends_an_earlier_one() {
    let mut later = change("EX03");
    later.first_seen = at(60);
    let mut changes = vec![change("EX03"), later, change("EX04")];
    mark_replaced(&mut changes);
    assert_eq!(
        changes.iter().map(|c| c.replaced).collect::<Vec<_>>(),
        [true, false, false]
    );
}

/// A finding that is no change of a value, as `drift` words it.
fn state(kind: &str, class: &str, before: Option<&str>, after: &str) -> Change {
    Change {
        kind: kind.into(),
        class: class.into(),
        breaking: false,
        before: before.map(str::to_owned),
        before_subject: None,
        after: after.into(),
        after_subject: None,
        refused_after: 0,
        detail: format!("what is said of {class}"),
        planned_change_id: None,
        path: None,
        ..change("EX03")
    }
}

fn states() -> Vec<Change> {
    vec![
        state("certificate", "missing", Some(OLD), "none"),
        state("certificate", "expiring", None, NEW),
        state("certificate", "expired", None, NEW),
        state("certificate", "diverged", Some(OLD), NEW),
        state("tls", "lost", Some("SP_PROT_TLS1_2_CLIENT"), "none"),
        state("tls", "intercepted", None, NEW),
        state(
            "peer",
            "family_changed",
            Some("outlook.com"),
            "mx.microsoft",
        ),
        state("silence", "silence", Some("sending"), "silent"),
    ]
}

#[test]
fn states_are_told_and_end_no_change() {
    let mut cloud = broken();
    cloud.changes.extend(states());
    for later in &mut cloud.changes[1..] {
        later.first_seen = at(60);
    }
    mark_replaced(&mut cloud.changes);
    assert!(cloud.changes[0].is_open());
    let open = sentence(&[cloud.clone()], None);
    assert_eq!(open.0, State::Breaking);
    let text = shown(&report(vec![cloud.clone()]));
    for part in [
        "certificate missing",
        "certificate expiring",
        "TLS lost",
        "Exchange Online's certificate family_changed",
        "EX03  silence",
        "what is said of diverged",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(
        !text.contains("unknown") && !text.contains("silent"),
        "{text}"
    );
    cloud.changes.remove(0);
    cloud.refused.clear();
    let (state, text) = sentence(&[cloud], None);
    assert_eq!(state, State::Changed);
    assert!(text.contains("8 findings"), "{text}");
}

#[test]
fn commands_only_read() {
    let mut moved = change("EX03");
    moved.kind = "egress".into();
    moved.after = "2001:db8::/64".into();
    for changes in [vec![change("EX03")], vec![moved], states(), Vec::new()] {
        let mut cloud = broken();
        cloud.changes = changes;
        let steps = advice::next_steps(&cloud);
        assert!(!steps.is_empty());
        for command in steps.iter().filter_map(|step| step.command.as_deref()) {
            for verb in [
                "Set-", "New-", "Remove-", "Enable-", "Import-", "Restart-", "-Force", ";",
            ] {
                assert!(!command.contains(verb), "{command}");
            }
            assert!(command.contains("Get-"), "{command}");
        }
    }
}

#[test]
fn names_from_a_log_do_nothing_anywhere() {
    let hostile = "x\x1b]0;y\x07\u{202e}'; Remove-Item C:\\ #\u{9b}2J\n";
    let mut cloud = broken();
    cloud.connector.connector_id = hostile.into();
    for shown in &mut cloud.presented {
        shown.server = hostile.into();
        shown.value = hostile.into();
        shown.names = Some(vec![hostile.into()]);
    }
    let change = &mut cloud.changes[0];
    change.server = hostile.into();
    change.connector_id = hostile.into();
    change.after = hostile.into();
    change.detail = hostile.into();
    change.after_names = Some(vec![hostile.into()]);
    cloud.refused[0].text = Some(hostile.into());
    cloud.refused[0].last_path = Some(hostile.into());
    cloud.next_steps = advice::next_steps(&cloud);
    for command in cloud
        .next_steps
        .iter()
        .filter_map(|step| step.command.as_deref())
    {
        assert!(!command.contains("Remove-Item"), "{command}");
    }
    let mut report = report(vec![cloud]);
    report.skipped[0].reason = hostile.into();
    report.notices.push(hostile.into());
    assert!(!shown(&report).chars().any(|c| acts(c) && c != '\n'));
    let mut json = Vec::new();
    crate::escape::json(&mut json, &report).unwrap();
    let json = String::from_utf8(json).unwrap();
    assert!(!json.chars().any(acts));
    let read: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(read["connectors"][0]["connector_id"], hostile);
}

#[test]
fn facts_say_what_the_report_says() {
    let rows = facts::rows(&report(vec![broken()])).unwrap();
    let rows = crate::output::objects(&rows).unwrap();
    let rows: Vec<serde_json::Value> = rows
        .iter()
        .map(|row| serde_json::from_slice(row).unwrap())
        .collect();
    let of = |fact: &str| {
        rows.iter()
            .filter(|row| row["fact"] == fact)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("verdict")[0]["class"], "breaking");
    assert_eq!(of("verdict")[0]["breaking"], true);
    assert_eq!(of("presented").len(), 4);
    assert_eq!(of("change")[0]["refused"], 412);
    assert_eq!(of("change")[0]["line"], 259);
    assert_eq!(of("refused")[0]["first_seen"], "2026-10-05T10:02:00.000Z");
    for fact in [
        "connector",
        "next_step",
        "no_logs",
        "unreadable",
        "left_out",
        "cannot_read",
    ] {
        assert!(!of(fact).is_empty(), "{fact}");
    }
}
