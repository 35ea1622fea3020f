//! Reports made by hand, with text from strangers in every field.

use super::model::*;
use super::time::{DAY, HOUR};
use super::*;

/// 2026-10-05T00:00:00Z
pub const START: i64 = 1_791_158_400_000_000;
pub const A: &str = "A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1";
pub const B: &str = "B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2";

/// Markup, quotes, a terminal sequence, a bidi control.
const HOSTILE: &str =
    "</title></svg><script>alert(1)</script>\"'><img src=//x onerror=y>&\u{1b}[2J\u{202e}";

fn span(value: &str, from: i64, to: i64) -> Span {
    Span {
        value: value.into(),
        from: START + from * HOUR,
        to: START + to * HOUR,
    }
}

fn certificate(thumbprint: &str, days: i64) -> Certificate {
    Certificate {
        thumbprint: thumbprint.into(),
        subject: "CN=mail.contoso.com".into(),
        not_before: Some(START - 300 * DAY),
        not_after: Some(START + days * DAY),
        names: vec!["mail.contoso.com".into()],
        servers: vec!["EX01".into()],
        band: if days < 30 { Band::Last } else { Band::Far },
        ..Certificate::default()
    }
}

/// Two servers over ten days: one renews and is refused for half a day.
pub fn small() -> Report {
    let steady = Lane {
        server: "EX01".into(),
        certificates: vec![span(A, 0, 238)],
        addresses: vec![span("203.0.113.10", 0, 238)],
        ..Lane::default()
    };
    let renewed = Lane {
        server: "EX02".into(),
        certificates: vec![span(A, 0, 100), span(B, 101, 238)],
        addresses: vec![span("203.0.113.11", 0, 60), span("198.51.100.7", 60, 238)],
        gaps: vec![
            Gap {
                from: START + 20 * HOUR,
                to: START + 50 * HOUR,
                logged: false,
            },
            Gap {
                from: START + 150 * HOUR,
                to: START + 170 * HOUR,
                logged: true,
            },
        ],
        refused: (101..113)
            .map(|hour| Refused {
                hour: START + hour * HOUR,
                recipients: hour - 95,
            })
            .collect(),
    };
    let change = Change {
        server: "EX02".into(),
        at: START + 101 * HOUR,
        kind: "certificate".into(),
        class: "renamed".into(),
        severity: "high".into(),
        breaking: true,
        open: true,
        before: A.into(),
        after: B.into(),
        detail: "names gone: mail.contoso.com".into(),
        effect: "138 recipients refused".into(),
        refused: 138,
        place: "EX02/SEND2026100905-1.LOG:7".into(),
    };
    let moved = Change {
        at: START + 60 * HOUR,
        kind: "egress".into(),
        class: "moved".into(),
        severity: "info".into(),
        before: "203.0.113.11".into(),
        after: "198.51.100.7".into(),
        breaking: false,
        open: false,
        refused: 0,
        effect: Text::default(),
        ..change.clone()
    };
    Report {
        title: "Relay".into(),
        verdict: Verdict {
            tone: Tone::Bad,
            text: "BREAKING: mail is refused.".into(),
        },
        from: START,
        to: START + 10 * DAY,
        extent: "1,000 log rows of 2 servers.".into(),
        connectors: vec![Connector {
            name: "Outbound to Office 365".into(),
            role: "cloud_relay".into(),
            lanes: vec![steady, renewed],
            changes: vec![moved, change],
            steps: vec![Step {
                text: "Look at it".into(),
                command: "Get-InboundConnector | fl Name".into(),
            }],
            ..Connector::default()
        }],
        certificates: vec![certificate(A, 12), certificate(B, 400)],
        coverage: vec![Coverage {
            server: "EX02".into(),
            service: "hub".into(),
            runs: vec![
                Run {
                    from: START,
                    to: START + 20 * HOUR,
                    state: Logged::Rows,
                },
                Run {
                    from: START + 20 * HOUR,
                    to: START + 50 * HOUR,
                    state: Logged::Nothing,
                },
                Run {
                    from: START + 50 * HOUR,
                    to: START + 240 * HOUR,
                    state: Logged::Quiet,
                },
            ],
        }],
        ..Report::default()
    }
}

/// A hundred servers, each with a certificate of its own, and among them the one that is refused.
pub fn crowd() -> Report {
    let mut report = small();
    report.connectors[0]
        .lanes
        .extend((3..=100).map(|number| Lane {
            server: format!("EX{number:03}").into(),
            certificates: vec![span(&format!("{number:040X}"), 0, 238)],
            ..Lane::default()
        }));
    report
}

/// The same with hostile text wherever a log or a person could put it.
pub fn hostile() -> Report {
    let text = || Text::from(HOSTILE);
    let mut report = small();
    report.title = text();
    report.verdict.text = text();
    report.extent = text();
    report.unread = vec![text()];
    report.others = vec![Other {
        name: text(),
        role: text(),
        evidence: text(),
        servers: 1,
    }];
    for one in &mut report.certificates {
        one.subject = text();
        one.issuer = text();
        one.names = vec![text(), text()];
        one.servers = vec![text()];
    }
    for one in &mut report.coverage {
        one.server = text();
        one.service = text();
    }
    let connector = &mut report.connectors[0];
    connector.name = text();
    connector.role = text();
    connector.organization = text();
    connector.steps[0] = Step {
        text: text(),
        command: text(),
    };
    connector.causes = vec![Cause {
        server: text(),
        cause: text(),
        confidence: text(),
        state: text(),
        explanation: text(),
        fix: vec![text(), text()],
    }];
    connector.answers = vec![Answer {
        server: text(),
        reply: text(),
        place: text(),
        ..Answer::default()
    }];
    for lane in &mut connector.lanes {
        lane.server = text();
        for span in lane.certificates.iter_mut().chain(&mut lane.addresses) {
            span.value = text();
        }
    }
    for change in &mut connector.changes {
        for field in [
            &mut change.server,
            &mut change.kind,
            &mut change.class,
            &mut change.severity,
            &mut change.before,
            &mut change.after,
            &mut change.detail,
            &mut change.effect,
            &mut change.place,
        ] {
            *field = text();
        }
    }
    report
}

/// Names of elements and attributes in a text of markup; panics where quotes or brackets are open.
fn markup(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('>'), "a bracket outside of tags");
        let mut inside = &rest[at + 1..];
        let end = inside.find([' ', '>', '\n']).expect("a name");
        names.push(inside[..end].trim_end_matches('/').to_owned());
        inside = &inside[end..];
        while let Some(stop) = inside.find(['"', '>']) {
            if inside.as_bytes()[stop] == b'>' {
                rest = &inside[stop + 1..];
                break;
            }
            let name = inside[..stop].trim().trim_end_matches('=');
            names.push(format!("@{name}"));
            let close = inside[stop + 1..].find('"').expect("a closing quote");
            inside = &inside[stop + close + 2..];
        }
    }
    names
}

#[test]
fn the_page_is_the_same_elements_whatever_a_stranger_wrote() {
    let allowed = |page: &str| {
        let body = page.split("</style>").nth(1).expect("a body");
        let mut names = markup(body);
        names.sort();
        names.dedup();
        names
    };
    let page = html(&hostile()).unwrap();
    let names = allowed(&page);
    let plain = allowed(&html(&small()).unwrap());
    // What only the hostile one has are sections that the small one leaves out.
    for name in &names {
        let known = ["q", "/q", "br"].contains(&name.as_str());
        assert!(known || plain.contains(name), "{name}");
    }
    for name in [
        "script", "img", "iframe", "object", "link", "@onerror", "@style", "@src",
    ] {
        assert!(!names.iter().any(|one| one == name), "{name}");
    }
    assert!(!page.chars().any(|c| crate::escape::acts(c) && c != '\n'));
    assert!(page.contains("\\x1b[2J\\u{202e}"));
}

#[test]
fn every_row_has_the_cells_of_its_table() {
    for report in [small(), hostile()] {
        let page = html(&report).unwrap();
        let mut tables = 0;
        for table in page.split("<table").skip(1) {
            let table = table.split("</table>").next().unwrap();
            let (head, body) = table.split_once("</thead>").unwrap();
            let columns = head.matches("<th ").count();
            for row in body.split("<tr ").skip(1) {
                let cells = row.matches("<td ").count() + row.matches("<th ").count();
                let closed = row.matches("</td>").count() + row.matches("</th>").count();
                assert_eq!((cells, closed), (columns, columns), "{row}");
            }
            tables += 1;
        }
        assert!(tables >= 4);
    }
}

#[test]
fn the_page_refers_to_nothing_outside() {
    let page = html(&small()).unwrap();
    for part in page.split("href=\"").skip(1) {
        assert!(part.starts_with('#'), "{}", &part[..40]);
    }
    for forbidden in [
        "http:",
        "https:",
        "<script",
        "url(h",
        "@import",
        "src=",
        "javascript:",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("default-src 'none'; style-src 'sha256-"));
    // Every place that is linked to exists.
    for part in page.split("href=\"#").skip(1) {
        let id = part.split('"').next().unwrap();
        assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
    }
}

#[test]
fn the_picture_tells_what_happened() {
    let page = html(&small()).unwrap();
    for part in [
        "certificate A, mail.contoso.com, 2026-10-05 00:00",
        "from 203.0.113.11, 2026-10-05 00:00",
        "no logs, 2026-10-05 20:00 to 2026-10-07 02:00",
        "nothing sent to Exchange Online, 2026-10-11 06:00",
        "138 recipients refused",
        "certificate A expires 2026-10-17",
        "latest row of the logs",
        "href=\"#finding-2\"",
        "EX02: certificate A 2026-10-05 00:00",
        "BREAKING:",
        "Get-InboundConnector | fl Name",
        "EX02/SEND2026100905-1.LOG:7",
        "2 days left: now",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn many_servers_are_folded_and_stay_small() {
    let mut report = small();
    let connector = &mut report.connectors[0];
    let steady = connector.lanes[0].clone();
    connector.lanes.extend((3..=200).map(|number| Lane {
        server: format!("EX{number:03}").into(),
        ..steady.clone()
    }));
    let page = html(&report).unwrap();
    assert!(page.contains("199 servers, EX01 to EX200: certificate A, nothing refused"));
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
}

#[test]
fn a_cause_that_hit_many_servers_is_told_once_and_open_ones_first() {
    let cause = |server: usize, cause: &str, state: &str| Cause {
        server: format!("EX{server:02}").into(),
        cause: cause.into(),
        state: state.into(),
        fix: vec!["Get-InboundConnector".into()],
        ..Cause::default()
    };
    let mut report = small();
    let closed = (0..30).map(|server| cause(server, "TLS fails", "closed"));
    report.connectors[0].causes = closed.chain([cause(40, "Address moved", "open")]).collect();
    let page = html(&report).unwrap();
    assert_eq!(page.matches("<strong>TLS fails</strong>").count(), 1);
    assert!(page.contains("on EX00, EX01, EX02, EX03, EX04, EX05 and 24 more"));
    assert_eq!(page.matches("Commands to copy").count(), 31);
    let at = |text: &str| page.find(text).expect("told");
    assert!(at("Address moved</strong> on EX40") < at("TLS fails</strong>"));
}

#[test]
fn a_terminal_tells_the_letters_that_it_shows() {
    let report = crowd();
    let chart = chart(&report, STYLE);
    assert!(chart.contains("  B2B2B2B2  "), "{chart}");
}

#[test]
fn an_empty_report_is_a_page() {
    let page = html(&Report::default()).unwrap();
    assert!(page.ends_with("</html>") || page.ends_with("</html>\n"));
}

const STYLE: Style = Style {
    width: 90,
    ascii: false,
    colour: false,
};

#[test]
fn a_terminal_shows_the_same_lanes() {
    let shown = chart(&small(), STYLE);
    println!("{shown}");
    assert_eq!(shown.lines().next(), Some("Outbound to Office 365"));
    let lane = |server: &str| {
        shown
            .lines()
            .find(|line| line.trim_start().starts_with(server))
    };
    assert!(lane("EX01").unwrap().contains("AAAAAAAAAA"), "{shown}");
    let changed = lane("EX02").unwrap();
    for part in ["A", "B", "░", "·"] {
        assert!(changed.contains(part), "{part}\n{shown}");
    }
    for part in [
        "203.0.113.10──",
        "198.51.100.7─",
        "█",
        "138 recipients refused",
        "┊",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    assert!(shown.contains("  2   2026-10-09 05:00  EX02  certificate renamed  high, breaks mail"));
    assert!(!shown.contains('\x1b'));
}

#[test]
fn a_terminal_shows_what_is_shorter_than_a_column() {
    let bar = |spans: Vec<Span>| {
        let mut report = small();
        report.connectors[0].lanes[0].certificates = spans;
        let shown = chart(&report, STYLE);
        let lane = shown.lines().find(|line| line.starts_with("  EX01"));
        lane.and_then(|lane| lane.split_whitespace().nth(1))
            .map(String::from)
            .unwrap()
    };
    let whole = bar(vec![span(A, 0, 238)]);
    for hour in 4..234 {
        let short = span(B, hour, hour + 1);
        let bar = bar(vec![span(A, 0, hour), short, span(A, hour + 1, 238)]);
        assert!(bar.contains('B'), "{hour}: {bar}");
        assert_eq!(bar.replace('B', "A"), whole, "{hour}");
    }
}

#[test]
fn a_terminal_is_never_wider_than_asked_and_ascii_is_ascii() {
    for width in [40, 60, 90, 200] {
        for report in [small(), hostile()] {
            let ascii = chart(
                &report,
                Style {
                    width,
                    ascii: true,
                    colour: false,
                },
            );
            for line in ascii.lines().skip(1) {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
            assert!(!ascii.chars().any(|c| crate::escape::acts(c) && c != '\n'));
        }
        let style = Style {
            width,
            ascii: true,
            colour: false,
        };
        assert!(chart(&small(), style).is_ascii());
    }
    let coloured = chart(
        &small(),
        Style {
            colour: true,
            ..STYLE
        },
    );
    assert!(coloured.contains("\x1b[38;5;196m") && coloured.matches("\x1b[0m").count() > 5);
}
