//! Every format over every kind of event: what goes in comes out, and nothing a stranger wrote
//! begins a second record or acts on a display.

#[path = "../../tests/samples/mod.rs"]
mod samples;

use proptest::prelude::*;
use serde_json::Value;

use self::samples::events;
use super::*;
use crate::escape::acts;
use crate::event::*;

fn rendered(format: Format, event: &Event) -> String {
    let mut out = Vec::new();
    format.render(event, &mut out);
    String::from_utf8(out).unwrap()
}

/// The first value under a path of names.
fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, name| &value[name])
}

const JSON: [(Format, &str); 6] = [
    (Format::Ndjson, ""),
    (Format::Ocsf13, "unmapped"),
    (Format::Ocsf19, "unmapped"),
    (Format::Ecs, "relaydrift"),
    (Format::Sentinel, "AdditionalFields"),
    (Format::Splunk, "event.relaydrift"),
];

/// An obvious reader of CEF's extension: names begin after an unescaped space and end at `=`.
fn cef_extension(line: &str) -> Vec<(String, String)> {
    let mut parts: Vec<String> = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let last = parts.last_mut().unwrap();
        match c {
            '\\' => last.push(match chars.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                other => other.unwrap(),
            }),
            '=' => parts.push(String::new()),
            c => last.push(c),
        }
    }
    let mut pairs = Vec::new();
    let mut name = parts[0].clone();
    for (at, part) in parts.iter().enumerate().skip(1) {
        if at + 1 == parts.len() {
            pairs.push((name.clone(), part.clone()));
        } else {
            let (value, next) = part.rsplit_once(' ').unwrap();
            pairs.push((name.clone(), value.to_owned()));
            name = next.to_owned();
        }
    }
    pairs
}

/// What CEF makes of a text: control characters other than line ends spelled out, no outer spaces.
fn as_cef(text: &str) -> String {
    let mut shown = String::new();
    for c in text.trim().chars() {
        match c {
            '\n' | '\r' => shown.push(c),
            c if acts(c) => shown.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => shown.push(c),
        }
    }
    shown
}

fn as_leef(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\\' => "\\u{5c}".to_owned(),
            c if acts(c) => format!("\\u{{{:x}}}", u32::from(c)),
            c => c.to_string(),
        })
        .collect()
}

/// The message behind the syslog header, whose structured data ends at the first unescaped `]`.
fn message(line: &str) -> &str {
    let start = line.find(" [relaydrift@32473").unwrap();
    let mut escaped = false;
    for (at, c) in line[start..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ']' => return &line[start + at + 2..],
            _ => {}
        }
    }
    panic!("no end of structured data: {line}")
}

/// The value of a parameter of the structured data.
fn parameter(line: &str, name: &str) -> String {
    let start = line.find(&format!(" {name}=\"")).unwrap() + name.len() + 3;
    let mut value = String::new();
    let mut chars = line[start..].chars();
    loop {
        match chars.next().unwrap() {
            '\\' => value.push(chars.next().unwrap()),
            '"' => return value,
            c => value.push(c),
        }
    }
}

fn check(text: &str) {
    for event in events(text) {
        for format in Format::ALL {
            let line = rendered(format, &event);
            if format != Format::Csv {
                // LEEF's tab between pairs is the only character that acts.
                let raw = line
                    .chars()
                    .find(|c| acts(*c) && !(format == Format::Leef && *c == '\t'));
                assert_eq!(raw, None, "{}: {line}", format.name());
            }
        }
        for (format, path) in JSON {
            let line = rendered(format, &event);
            let value: Value = serde_json::from_str(&line).unwrap();
            let own = if path.is_empty() {
                &value
            } else {
                at(&value, path)
            };
            if text.is_empty() {
                assert!(own["connector"].is_null());
            } else {
                assert_eq!(own["connector"], text, "{}", format.name());
                assert_eq!(own["organization"], text);
            }
        }
        cef(&event, text);
        leef(&event, text);
        csv(&event, text);
    }
}

fn cef(event: &Event, text: &str) {
    let line = rendered(Format::Cef, event);
    assert_eq!(parameter(&line, "key"), "0f");
    let cef = message(&line);
    assert!(cef.starts_with("CEF:1|relaydrift|relaydrift|"), "{cef}");
    // Seven bars end the header: nothing in ours holds one.
    let extension = cef.splitn(8, '|').nth(7).unwrap();
    let pairs = cef_extension(extension);
    let connector = pairs.iter().find(|(name, _)| name == "cs1");
    let want = as_cef(text);
    if want.is_empty() {
        assert!(connector.is_none_or(|(_, value)| value.is_empty()));
    } else if !connector.unwrap().1.ends_with('…') {
        assert_eq!(connector.unwrap().1, want);
    }
    assert!(
        pairs
            .iter()
            .any(|(name, value)| name == "flexString2" && value == "0f")
    );
}

fn leef(event: &Event, text: &str) {
    let line = rendered(Format::Leef, event);
    let leef = message(&line);
    assert!(
        leef.starts_with("LEEF:2.0|relaydrift|relaydrift|"),
        "{leef}"
    );
    let attributes = leef.splitn(7, '|').nth(6).unwrap();
    let mut names = Vec::new();
    for pair in attributes.split('\t') {
        let (name, value) = pair.split_once('=').unwrap();
        assert!(!names.contains(&name), "{name} twice");
        names.push(name);
        if name == "policy" && !value.ends_with('…') {
            assert_eq!(value, as_leef(text));
        }
    }
    assert!(names.contains(&"key"));
}

fn csv(event: &Event, text: &str) {
    let mut file = csv_header();
    file.extend_from_slice(b"\r\n");
    Format::Csv.render(event, &mut file);
    file.extend_from_slice(b"\r\n");
    let mut reader = ::csv::Reader::from_reader(file.as_slice());
    let names = reader.headers().unwrap().clone();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].len(), names.len());
    let at = names.iter().position(|name| name == "connector").unwrap();
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\0']);
    let want = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    assert_eq!(&rows[0][at], want);
}

#[test]
fn hostile_texts_stay_texts() {
    for text in [
        "",
        " ",
        "=cmd|' /C calc'!A0",
        "@SUM(1)",
        "+1",
        "-1",
        "\t",
        "\0",
        "a|b\\c=d\ne\rf",
        "\n<34>1 2024-01-01T00:00:00Z h a - - - forged",
        "a]b\"c\\d",
        "\u{2028}\u{202e}\u{feff}\u{1b}[2J",
        "{\"a\":1}\n{\"b\":2}",
        "\u{10ffff}\u{fffd}",
        "Büro, отдел; \"x\"",
        "\\",
        "=",
    ] {
        check(text);
    }
    check(&"=".repeat(5000));
    check(&"\n".repeat(5000));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_go_in_and_come_out(bytes in prop::collection::vec(any::<u8>(), 0..120), text: String) {
        check(&String::from_utf8_lossy(&bytes));
        check(&text);
    }

    #[test]
    fn the_characters_that_formats_care_for(chars in prop::collection::vec(prop::sample::select(
        "|\\= \n\r\t\"]'[,;%#{}\u{1b}\u{2028}\u{0}aé€".chars().collect::<Vec<_>>()), 0..40)) {
        check(&chars.into_iter().collect::<String>());
    }
}

#[test]
fn a_message_stays_below_what_syslog_receivers_take() {
    for text in ["\n=\\", "\u{202e}", "x", "]", "\u{20ac}"] {
        for event in events(&text.repeat(3000)) {
            for format in [Format::Cef, Format::Leef] {
                let length = rendered(format, &event).len();
                assert!(length < 8_192, "{} {length}", format.name());
            }
        }
    }
}

#[test]
fn a_back_fill_raises_nothing() {
    for mut event in events("x") {
        event.historic = true;
        let ecs: Value = serde_json::from_str(&rendered(Format::Ecs, &event)).unwrap();
        assert_eq!(at(&ecs, "event.kind"), "event");
        let splunk: Value = serde_json::from_str(&rendered(Format::Splunk, &event)).unwrap();
        assert_ne!(at(&splunk, "event.type"), "alert");
        let ocsf: Value = serde_json::from_str(&rendered(Format::Ocsf19, &event)).unwrap();
        assert_eq!(ocsf["severity_id"], 1);
        assert_ne!(ocsf["is_alert"], true);
        let sentinel: Value = serde_json::from_str(&rendered(Format::Sentinel, &event)).unwrap();
        assert_eq!(sentinel["EventSeverity"], "Informational");
        assert_eq!(sentinel["IsHistoric"], true);
        assert!(rendered(Format::Cef, &event).contains("|1|rt="));
    }
}

#[test]
fn attack_techniques_stand_on_the_security_stream_alone() {
    let [mut event, ..] = events("x");
    let with = |event: &Event| rendered(Format::Ocsf19, event).contains("T1649");
    assert!(with(&event));
    if let Fact::Incident(incident) = &mut event.fact {
        incident.stream = Stream::Operations;
    }
    assert!(!with(&event));
    assert_eq!(stream("tls", "intercepted"), Stream::Security);
    assert_eq!(stream("certificate", "renewed"), Stream::Operations);
}

#[test]
fn columns_of_log_analytics_keep_to_its_rules() {
    let reserved = [
        "Type",
        "TenantId",
        "resource",
        "resourceid",
        "resourcename",
        "resourcetype",
        "subscriptionid",
        "tenanted",
    ];
    for event in events("x") {
        let row: Value = serde_json::from_str(&rendered(Format::Sentinel, &event)).unwrap();
        for name in row.as_object().unwrap().keys() {
            assert!(
                name.len() <= 45 && name.starts_with(|c: char| c.is_ascii_alphabetic()),
                "{name}"
            );
            assert!(
                name.chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'),
                "{name}"
            );
            assert!(!reserved.contains(&name.as_str()), "{name}");
        }
    }
}

/// The columns of a table in `siem/sentinel`, by name.
fn columns(table: &str) -> std::collections::BTreeMap<String, String> {
    let (_, text) = crate::files::FILES
        .iter()
        .find(|(name, _)| *name == "sentinel/tables.json")
        .unwrap();
    let tables: Value = serde_json::from_str(text).unwrap();
    let table = tables
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == table);
    let columns = table.unwrap()["columns"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    columns
        .iter()
        .map(|one| (text(&one["name"]), text(&one["type"])))
        .collect()
}

#[test]
fn rows_have_the_columns_of_the_tables_that_ship() {
    let tables = [
        "RelaydriftFindings_CL",
        "RelaydriftRefusals_CL",
        "RelaydriftSessions_CL",
    ];
    for (event, table) in events("x").into_iter().zip(tables) {
        let columns = columns(table);
        let row: Value = serde_json::from_str(&rendered(Format::Sentinel, &event)).unwrap();
        for (name, value) in row.as_object().unwrap() {
            let want = match value {
                Value::String(text) if relaydrift_parse::time::parse(text.as_bytes()).is_some() => {
                    "datetime"
                }
                Value::String(_) => "string",
                Value::Bool(_) => "boolean",
                Value::Number(_) => "int long",
                _ => "dynamic",
            };
            let declared = columns
                .get(name)
                .unwrap_or_else(|| panic!("{table} lacks {name}"));
            assert!(
                want.contains(declared.as_str()),
                "{table}.{name}: {declared}"
            );
        }
        let unused: Vec<&String> = columns
            .keys()
            .filter(|name| row.get(name.as_str()).is_none())
            .collect();
        // What a change of certificates does not have.
        assert!(
            unused.is_empty() || unused == ["EgressIpAddrs"],
            "{table}: {unused:?}"
        );
    }
}

/// Every field of a record that an index template maps is one of the record.
#[test]
fn the_index_template_maps_every_field_of_ecs() {
    let (_, text) = crate::files::FILES
        .iter()
        .find(|(name, _)| name.starts_with("elastic/"))
        .unwrap();
    let template: Value = serde_json::from_str(text).unwrap();
    fn unmapped(record: &Value, mapping: &Value, path: &str, missing: &mut Vec<String>) {
        for (name, value) in record.as_object().unwrap() {
            let path = format!("{path}.{name}");
            let field = &mapping["properties"][name];
            if field.is_null() {
                missing.push(path);
            } else if value.is_object() {
                unmapped(value, field, &path, missing);
            }
        }
    }
    for event in events("x") {
        let mut record: Value = serde_json::from_str(&rendered(Format::Ecs, &event)).unwrap();
        record.as_object_mut().unwrap().remove("relaydrift");
        let mut missing = Vec::new();
        unmapped(&record, &template["template"]["mappings"], "", &mut missing);
        assert!(missing.is_empty(), "{missing:?}");
    }
}

#[test]
fn a_refusal_without_mailboxes_is_network_activity() {
    let [_, event, _] = events("user@contoso.com");
    assert_eq!(ocsf_class(&event, true).0, 4009);
    let [_, event, _] = events("contoso.com");
    assert_eq!(ocsf_class(&event, false).0, 4001);
    let value: Value = serde_json::from_str(&rendered(Format::Ocsf13, &event)).unwrap();
    assert_eq!(value["type_uid"], 400_105);
    assert_eq!(value["status_code"], "550 5.7.64");
}

/// What a SOC needs of an incident, under values that occur nowhere else, is in every format that people
/// read incidents in. Only the text of the fix is too long for syslog.
#[test]
fn every_field_of_an_incident_is_in_every_format() {
    let [mut event, ..] = events("v-text");
    let Fact::Incident(incident) = &mut event.fact else {
        panic!("an incident");
    };
    let some = |value: &str| Some(value.to_owned());
    incident.uid = "v-uid".to_owned();
    incident.cause = some("v-cause");
    incident.confidence = some("v-confidence");
    incident.fix = some("v-fix");
    incident.coverage = some("v-coverage");
    incident.planned_change = some("v-planned");
    incident.tenant = some("v-tenant");
    incident.connector_guid = some("v-guid");
    incident.link = some("https://v-link");
    incident.sender_domains = vec!["v-domain".to_owned()];
    incident.stream = Stream::Security;
    (incident.opened, incident.updated) = (1_790_812_801_000_000, 1_790_812_802_000_000);
    event.reported = 1_790_812_803_000_000;
    if let Some(after) = &mut incident.after {
        after.sha256 = some("v-sha256");
        after.issuer = some("v-issuer");
        after.serial = some("v-serial");
    }
    let historic = |event: &Event| {
        let mut event = event.clone();
        event.historic = true;
        event
    };
    for format in Format::ALL {
        let line = rendered(format, &event);
        let syslog = format.is_syslog();
        for value in [
            "v-uid",
            "v-cause",
            "v-confidence",
            "v-fix",
            "v-coverage",
            "v-planned",
            "v-tenant",
            "v-guid",
            "v-link",
            "v-domain",
            "v-sha256",
            "v-issuer",
            "v-serial",
            "security",
            "T1649",
            "98EDA6C3519AB9377E15D610609CB4D81B06D5FC",
        ] {
            let there = line.contains(value) || (syslog && value == "v-fix");
            assert!(there, "{value} as {}: {line}", format.name());
        }
        for second in 1..=3 {
            let millis = format!("179081280{second}000");
            let text = format!("2026-10-01T00:00:0{second}");
            let there = line.contains(if syslog { &millis } else { &text });
            assert!(there, "{text} as {}: {line}", format.name());
        }
        assert_ne!(
            line,
            rendered(format, &historic(&event)),
            "{}",
            format.name()
        );
    }
}
