//! Bad input, a case per line of the catalogue: nothing fails, nothing vanishes, every byte is counted.

use super::*;

/// What became of one file in a folder `EX1`.
struct Outcome {
    events: Vec<TextRow>,
    rejects: Vec<TextRow>,
    sessions: Vec<TextRow>,
    certificates: Vec<TextRow>,
    summary: Summary,
}

fn outcome(name: &str, bytes: &[u8]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let server = folder.path().join("EX1");
    std::fs::create_dir_all(&server).unwrap();
    std::fs::write(server.join(name), bytes).unwrap();
    let (batches, summary) = read_once(folder.path(), Cut::default(), 1);
    assert_eq!(
        summary.bytes(),
        bytes.len() as u64,
        "every byte has a class"
    );
    Outcome {
        events: rows(&batches, Table::Events),
        rejects: rows(&batches, Table::Rejects),
        sessions: rows(&batches, Table::Sessions),
        certificates: rows(&batches, Table::CertificatesSeen),
        summary,
    }
}

fn log(bytes: &[u8]) -> Outcome {
    outcome("SEND2026100510-1.LOG", bytes)
}

const HEAD: &str = "\u{feff}#Software: Microsoft Exchange Server\r\n#Version: 15.0.0.0\r\n#Log-type: SMTP Send Protocol Log\r\n#Date: 2026-10-05T10:00:00.000Z\r\n#Fields: date-time,connector-id,session-id,sequence-number,local-endpoint,remote-endpoint,event,data,context\r\n";

/// A row with some of its nine fields replaced.
fn row(changes: &[(usize, &str)]) -> String {
    let mut fields = [
        "2026-10-05T10:00:00.000Z",
        "To cloud",
        "08DF1F4EEFBDC000",
        "0",
        "10.0.0.1:99",
        "192.0.2.1:25",
        "*",
        "",
        "attempting to connect",
    ];
    changes.iter().for_each(|(at, value)| fields[*at] = value);
    fields.join(",")
}

fn one(line: &[u8]) -> Outcome {
    log(&[line, b"\r\n"].concat())
}

#[track_caller]
fn is_event(line: &[u8], flag: Option<&str>) -> TextRow {
    let found = one(line);
    assert_eq!(
        (found.events.len(), found.rejects.len()),
        (1, 0),
        "{:?}",
        found.rejects
    );
    let event = found.events[0].clone();
    match flag {
        Some(flag) => assert!(event["flags"].contains(flag), "{}", event["flags"]),
        None => assert_eq!(event["flags"], "∅"),
    }
    event
}

#[track_caller]
fn is_reject(line: &[u8], reason: &str) {
    let good = row(&[]);
    let found = log(&[
        good.as_bytes(),
        b"\r\n",
        line,
        b"\r\n",
        good.as_bytes(),
        b"\r\n",
    ]
    .concat());
    let reasons: Vec<_> = found
        .rejects
        .iter()
        .map(|row| row["reason"].as_str())
        .collect();
    assert!(
        reasons.iter().any(|found| found.contains(reason)),
        "{reason}: {reasons:?}"
    );
    assert_eq!(found.events.len(), 2, "the rows around it are read");
}

#[test]
fn b01_to_b03_empty_files_and_marks() {
    for (bytes, rows) in [("", 0), ("\u{feff}", 0), (HEAD, 0)] {
        let found = log(bytes.as_bytes());
        assert_eq!((found.summary.files, found.summary.rows), (1, rows));
        assert!(found.summary.failed.is_empty());
    }
    assert_eq!(log("\u{feff}".as_bytes()).summary.pending_bytes, 3);
    let found = log(format!("{HEAD}{}\r\n", row(&[])).as_bytes());
    assert_eq!(
        (found.events.len(), found.summary.header_bytes),
        (1, HEAD.len() as u64)
    );
}

#[test]
fn b06_b07_b09_bytes_that_are_no_utf8_are_kept_and_flagged() {
    for bad in [
        &b"\xFF"[..],
        b"\xC0\xAF",
        b"\xED\xA0\x80",
        b"\xF5\x80\x80\x80",
        b"\xC8\xED\xF2",
    ] {
        let line = [
            b"2026-10-05T10:00:00.000Z,To ",
            bad,
            b",08DF1F4EEFBDC000,0,,,*,,",
        ]
        .concat();
        let event = is_event(&line, Some("invalid_utf8"));
        let shown: String = bad.iter().map(|byte| format!("\\x{byte:02X}")).collect();
        assert_eq!(event["connector_id"], format!("To {shown}"));
        assert!(!event["connector_id"].contains('/'));
        assert_ne!(event["raw"], "∅");
    }
}

#[test]
fn b08_b11_a_cut_end_is_pending() {
    let tail = log(&[row(&[]).as_bytes(), b"\r\n2026-10-05T10:00:00.000Z,\xC3"].concat());
    assert_eq!((tail.events.len(), tail.summary.pending_bytes), (1, 26));
    let nuls = log(&[row(&[]).as_bytes(), b"\r\n", &vec![0; 1 << 20]].concat());
    assert_eq!(
        (nuls.events.len(), nuls.summary.pending_bytes),
        (1, 1 << 20)
    );
}

#[test]
fn b10_b12_nul_bytes() {
    is_event(row(&[(7, "a\0b")]).as_bytes(), Some("nul"));
    let good = row(&[]);
    let found = log(format!("{good}\r\n{}{good}\r\n", "\0".repeat(4096)).as_bytes());
    assert_eq!(found.events.len(), 2);
    assert_eq!(found.rejects[0]["reason"], "NUL run, 4096 bytes");
}

#[test]
fn b13_b14_line_ends() {
    let good = row(&[]);
    assert_eq!(
        log(format!("{good}\n{good}\r\n{good}\n").as_bytes())
            .events
            .len(),
        3
    );
    is_reject(
        row(&[(7, "a\rb")]).as_bytes(),
        "carriage return inside a row (1)",
    );
    for odd in ["\u{2028}", "\u{85}", "\u{0B}", "\u{0C}"] {
        is_event(row(&[(7, odd)]).as_bytes(), Some("odd_line_break"));
    }
}

#[test]
fn b13_a_log_whose_lines_end_with_cr_alone_is_named() {
    let good = row(&[]);
    for text in [
        format!("{HEAD}{good}\r\n{good}\r\n"),
        format!("{good}\r\n").repeat(200),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("SEND2026100510-1.LOG");
        let found = |text: &str| {
            std::fs::write(&path, text).unwrap();
            find(std::slice::from_ref(&path), &Naming::default()).unwrap()
        };
        let bare = found(&text.replace("\r\n", "\r"));
        assert_eq!((bare.sources.len(), bare.skipped[0].error), (0, true));
        let reason = &bare.skipped[0].reason;
        assert!(
            reason.starts_with("lines end with a carriage return alone"),
            "{reason}"
        );
        // However little of a sound log is written yet.
        for end in 0..text.len().min(400) {
            let cut = text.get(..end).unwrap_or_default();
            assert_eq!(found(cut).sources.len(), 1, "{end} bytes");
        }
    }
}

#[test]
fn b15_b16_b17_b18_limits() {
    is_reject(
        &vec![b'x'; 3 << 20],
        "line longer than limit: 3145728 bytes",
    );
    let fixed = row(&[]).len();
    for (length, events) in [(1 << 20, 1), ((1 << 20) + 1, 0)] {
        let found = one(row(&[(7, &"x".repeat(length - fixed))]).as_bytes());
        assert_eq!(found.events.len(), events, "{length}");
    }
    is_reject(&vec![b','; 300_000], "300001 fields, expected 9");
    let many = log(&b"x\n".repeat(30_000));
    assert_eq!((many.summary.rejects, many.rejects.len()), (30_000, 10_001));
    assert!(
        many.summary.notices[0].contains("20000 more rejects"),
        "{:?}",
        many.summary.notices
    );
}

#[test]
fn b15_a_line_that_is_too_long_is_the_same_reject_however_it_is_read() {
    let good = format!("{}\r\n", row(&[]));
    let length = 3 << 20;
    for (mark, inside, end) in [
        ("", "x", "\r\n"),
        ("\u{feff}", "\r", "\n"),
        ("", " ", "\n"),
        ("#", "\0", "\r\n"),
    ] {
        let long = format!("{mark}{}{end}", inside.repeat(length));
        let folder = tempfile::tempdir().unwrap();
        let text = [&good, &long, &good, &long, &good, &long[..length]].concat();
        std::fs::write(folder.path().join("SEND1.LOG"), &text).unwrap();
        let read = |window: usize| {
            let cut = Cut {
                window,
                ..Cut::default()
            };
            let (batches, summary) = read_once(folder.path(), cut, 1);
            assert_eq!((summary.rows, summary.bytes()), (3, text.len() as u64));
            assert_eq!(summary.pending_bytes, length as u64);
            let notice = &summary.notices[0];
            assert!(notice.contains("no end yet"), "{notice}");
            let mut places = Vec::new();
            for (_, batch) in batches.iter().filter(|(of, _)| *of == Table::Rejects) {
                let column = |name: &str| batch.column_by_name(name).unwrap().clone();
                for name in ["line", "byte_offset", "bytes"] {
                    let column = column(name);
                    places.extend(column.as_primitive::<Int64Type>().values().iter().copied());
                }
            }
            let counts = (summary.rejects, summary.header_bytes, summary.reject_bytes);
            (rows(&batches, Table::Rejects), places, counts)
        };
        let whole = read(1 << 26);
        assert_eq!(whole.0.len(), 2);
        let reason = &whole.0[0]["reason"];
        assert!(
            reason.starts_with("line longer than limit: 31457"),
            "{reason}"
        );
        for window in [1 << 12, 1 << 16, 1 << 20, 5 << 20] {
            assert!(read(window) == whole, "{inside:?} in windows of {window}");
        }
    }
}

#[test]
fn b19_b20_hostile_text_is_stored_as_it_is() {
    for text in [
        "a\u{202e}b",
        "a\u{200b}b",
        "\u{430}dmin",
        "\u{1b}]0;x\u{7}",
        "\u{1b}[2J",
        "\u{9b}1m",
    ] {
        assert_eq!(
            is_event(row(&[(1, text)]).as_bytes(), None)["connector_id"],
            text
        );
    }
}

#[test]
fn b21_to_b23_headers_missing_in_the_middle_and_twice() {
    let good = row(&[]);
    assert_eq!(one(good.as_bytes()).events.len(), 1);
    let plain = HEAD.trim_start_matches('\u{feff}');
    for text in [
        format!("{HEAD}{good}\r\n{plain}{good}\r\n"),
        format!("{HEAD}{HEAD}{good}\r\n{good}\r\n"),
    ] {
        let found = log(text.as_bytes());
        assert_eq!((found.events.len(), found.rejects.len()), (2, 0));
    }
}

#[test]
fn b24_to_b27_fields_in_another_order() {
    let other = HEAD.replace("date-time,connector-id", "connector-id,date-time");
    let found = log(format!(
        "{other}\"A, b\",2026-10-05T10:00:00.000Z,08DF1F4EEFBDC000,0,,,*,,\r\n"
    )
    .as_bytes());
    assert_eq!(found.events[0]["connector_id"], "A, b");
    assert_eq!(
        found.sessions[0]["connector_id"], "A, b",
        "rows of open sessions are put in order"
    );
    let more = HEAD.replace(",context\r\n", ",context,site\r\n");
    let found = log(format!("{more}{},north\r\n", row(&[])).as_bytes());
    assert_eq!(found.events[0]["extra"], "site=north");
    assert!(found.summary.notices[0].contains("site"));
    let lacking = HEAD.replace(",session-id", "");
    let found = log(format!("{lacking}{}\r\n", row(&[])).as_bytes());
    assert_eq!(
        found.summary.failed[0].reason,
        "line 5: field session-id missing from #Fields"
    );
    let twice = HEAD.replace("event,data", "data,data");
    assert!(
        log(twice.as_bytes()).summary.failed[0]
            .reason
            .contains("stands twice")
    );
    let long = HEAD.replace(",context\r\n", &format!(",{}\r\n", "x".repeat(70_000)));
    assert!(
        log(long.as_bytes()).summary.failed[0]
            .reason
            .contains("limit")
    );
}

#[test]
fn b28_other_logs_are_named_and_left_out() {
    for kind in [
        "SMTP Receive Protocol Log",
        "Message Tracking Log",
        "Transport Connectivity Log",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let text = HEAD.replace("SMTP Send Protocol Log", kind);
        std::fs::write(folder.path().join("SEND2026100510-1.LOG"), text).unwrap();
        let plan = find(&[folder.path().to_owned()], &Naming::default()).unwrap();
        assert_eq!(plan.skipped[0].reason, format!("{kind}, not a send log"));
        assert!(plan.sources.is_empty() && !plan.skipped[0].error);
    }
}

#[test]
fn b29_to_b31_any_version_date_and_unknown_header_lines() {
    for (from, to) in [
        ("15.0.0.0", "15.02.1748.010"),
        ("15.0.0.0", "99.9"),
        ("15.0.0.0", ""),
        ("2026-10-05T10:00:00.000Z", "0001-01-01"),
        ("#Date: ", "#Daten: "),
        ("#Date", "#X: y\r\n#Date"),
    ] {
        let found = log(format!("{}{}\r\n", HEAD.replacen(from, to, 1), row(&[])).as_bytes());
        assert_eq!((found.events.len(), found.rejects.len()), (1, 0), "{to}");
    }
}

#[test]
fn b32_to_b41_rows_of_another_shape() {
    is_reject(
        row(&[(7, "a"), (8, "b")])
            .replace(",a,b", ",a b")
            .as_bytes(),
        "8 fields, expected 9",
    );
    is_reject(row(&[(7, "a,b")]).as_bytes(), "10 fields, expected 9");
    is_reject(row(&[(7, "\"a,b")]).as_bytes(), "open quote without close");
    is_reject(
        row(&[(7, "\"abc\"def")]).as_bytes(),
        "text after closing quote",
    );
    assert_eq!(
        is_event(row(&[(7, "220 \"mx1 ready")]).as_bytes(), None)["data"],
        "220 \"mx1 ready"
    );
    assert_eq!(
        is_event(row(&[(7, "\"O=\"\"thawte, Inc.\"\"\"")]).as_bytes(), None)["data"],
        "O=\"thawte, Inc.\""
    );
    is_event(row(&[(7, "\u{201d}x\u{201d}")]).as_bytes(), None);
    is_reject(row(&[]).replace(',', "\t").as_bytes(), "re-formatted copy");
    is_reject(row(&[]).replace(',', ", ").as_bytes(), "re-formatted copy");
    let good = row(&[]);
    let blank = log(format!("{good}\r\n\r\n\r\n{good}\r\n").as_bytes());
    assert_eq!((blank.events.len(), blank.summary.blank_bytes), (2, 4));
    let glued = log(format!("{}{good}\r\n", &good[..50]).as_bytes());
    assert_eq!(
        glued.rejects[0]["reason"],
        "row contains a second timestamp at byte 50"
    );
    assert_eq!(glued.events.len(), 1);
}

#[test]
fn b42_b43_times() {
    for (time, stored) in [
        ("2026-10-05T10:00:00Z", "2026-10-05T10:00:00"),
        (
            "2026-10-05T12:00:00.1234567+02:00",
            "2026-10-05T10:00:00.123456",
        ),
        ("1601-01-01T00:00:00.000Z", "1601-01-01T00:00:00"),
        ("2262-04-12T00:00:00.000Z", "2262-04-12T00:00:00"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999"),
    ] {
        assert_eq!(
            is_event(row(&[(0, time)]).as_bytes(), None)["event_time"],
            stored
        );
    }
    for time in [
        "2024-02-30T00:00:00.000Z",
        "2026-10-05T24:00:00.000Z",
        "2026-10-05T23:59:60.000Z",
        "2026-10-05T10:00:00.000",
        "1.5.2024",
        "",
    ] {
        is_reject(row(&[(0, time)]).as_bytes(), "bad date-time");
    }
}

#[test]
fn b44_to_b48_odd_ids_numbers_endpoints_and_events() {
    for id in [
        "",
        "08DF1F4EEFBDC00",
        "08DF1F4EEFBDC0000",
        "08df1f4eefbdc000",
        "0000000000000000",
        "b7f1c3a0-0000-4000-8000-000000000000",
    ] {
        is_event(row(&[(2, id)]).as_bytes(), Some("odd_session"));
    }
    for number in ["-1", "007", "2147483648"] {
        is_event(row(&[(3, number)]).as_bytes(), None);
    }
    for number in ["18446744073709551616", "1e3", ""] {
        is_reject(row(&[(3, number)]).as_bytes(), "bad sequence-number");
    }
    let repeats = log(format!(
        "{}\r\n{}\r\n{}\r\n",
        row(&[]),
        row(&[(8, "other")]),
        row(&[(3, "1000000000")])
    )
    .as_bytes());
    assert!(
        repeats.sessions[0]["flags"].contains("sequence_gap"),
        "{}",
        repeats.sessions[0]["flags"]
    );
    for (endpoint, ip, port) in [
        ("[2001:db8::1]:25", "2001:db8::1", "25"),
        ("[fe80::1%12]:25", "fe80::1", "25"),
        ("", "∅", "∅"),
    ] {
        let event = is_event(row(&[(5, endpoint)]).as_bytes(), None);
        assert_eq!(
            (event["remote_ip"].as_str(), event["remote_port"].as_str()),
            (ip, port)
        );
    }
    for endpoint in [
        "2001:db8::1:25",
        "10.0.0.1:99999",
        "10.**.**.31:25",
        "x.x.x.x:25",
    ] {
        assert_ne!(
            is_event(row(&[(5, endpoint)]).as_bytes(), Some("odd_endpoint"))["remote_ip"],
            "∅"
        );
    }
    for event in ["?", "", "++", "＋"] {
        is_event(row(&[(6, event)]).as_bytes(), Some("unknown_event"));
    }
}

#[test]
fn b49_b50_long_replies_and_empty_rows() {
    let long = format!("550 {}", "x".repeat(64 * 1024));
    assert_eq!(
        is_event(row(&[(6, "<"), (7, &long), (8, "")]).as_bytes(), None)["reply_code"],
        "550"
    );
    is_reject(b",,,,,,,,", "bad date-time");
}

const WHOLE_ROW: &str = "Sending certificate Subject Issuer name Serial number Thumbprint Not before Not after Subject alternate names";
const PRINT: &str = "00112233445566778899AABBCCDDEEFF00112233";

/// A session of one certificate row of form C.
fn certificate(names: &str, print: &str, dates: &str, sans: &str) -> Outcome {
    let data = format!(" {names} 0A1B {print} {dates} {sans}").replace('"', "\"\"");
    one(row(&[(7, &format!("\"{data}\"")), (8, WHOLE_ROW)]).as_bytes())
}

const DATES: &str = "2026-01-01T00:00:00.000Z 2027-01-01T00:00:00.000Z";

#[test]
fn b59_b60_names_are_split_only_where_they_can_be() {
    let found = certificate(
        "CN=mx, O=\"Example, Inc.\" O=CA, CN=Test",
        PRINT,
        DATES,
        "mx.example.com",
    );
    assert_eq!(
        found.certificates[0]["subject"],
        "CN=mx, O=\"Example, Inc.\""
    );
    assert_eq!(found.certificates[0]["issuer"], "O=CA, CN=Test");
    let found = certificate("CN=mx, OU=a CN=b CN=c", PRINT, DATES, "");
    assert_eq!(found.certificates[0]["subject"], "∅");
    assert_eq!(found.certificates[0]["unsplit"], "CN=mx, OU=a CN=b CN=c");
    assert!(found.certificates[0]["flags"].contains("ambiguous"));
    let long = format!("CN={} CN=Test", "x".repeat(64 * 1024));
    assert_eq!(
        certificate(&long, PRINT, DATES, "").sessions[0]["sent_thumbprint"],
        PRINT
    );
}

#[test]
fn b61_to_b64_thumbprints_dates_and_many_names() {
    for odd in ["0011", "***", &PRINT[..39]] {
        let lines = [
            row(&[(8, "Sending certificate")]),
            row(&[(3, "1"), (7, odd), (8, "Certificate thumbprint")]),
        ];
        let found = log(format!("{}\r\n{}\r\n", lines[0], lines[1]).as_bytes());
        assert_eq!(
            (
                found.events.len(),
                found.sessions[0]["sent_thumbprint"].as_str()
            ),
            (2, "∅"),
            "{odd}"
        );
    }
    let lower = PRINT.to_lowercase();
    assert_eq!(
        certificate("CN=a CN=b", &lower, DATES, "").sessions[0]["sent_thumbprint"],
        PRINT
    );
    let turned = certificate(
        "CN=a CN=b",
        PRINT,
        "2027-01-01T00:00:00.000Z 2026-01-01T00:00:00.000Z",
        "",
    );
    assert!(
        turned.certificates[0]["flags"].contains("validity_reversed"),
        "{:?}",
        turned.certificates
    );
    let names: Vec<String> = (0..10_000).map(|n| format!("n{n}.example.com")).collect();
    let many = certificate("CN=n0.example.com CN=b", PRINT, DATES, &names.join(";"));
    assert!(many.certificates[0]["names"].contains("n9999.example.com"));
    let nul = certificate("CN=a CN=b", PRINT, DATES, "a.com\0.evil");
    assert!(
        nul.certificates[0]["names"].contains("a.com\\x00.evil"),
        "{}",
        nul.certificates[0]["names"]
    );
}

#[test]
fn b65_b66_translated_labels_and_hostile_names() {
    let found = one(row(&[(7, PRINT), (8, "Kryptografický otisk certifikátu")]).as_bytes());
    assert!(found.sessions[0]["flags"].contains("unknown_certificate_label"));
    for name in ["=HYPERLINK(1)", "<script>", "a\u{1b}[2J", "a|b"] {
        let found = certificate(&format!("CN={name} CN=CA"), PRINT, DATES, "");
        assert_eq!(found.sessions[0]["sent_thumbprint"], PRINT, "{name}");
    }
}
