//! Single sessions and messages, the review of a connector, the state of the logs.

use std::path::Path;

use serde_json::Value;

use crate::util::{empty, query, run_for, text};

const HEADER: &str = "#Software: Microsoft Exchange Server\r\n#Version: 15.0.0.0\r\n#Log-type: SMTP Send Protocol Log\r\n#Date: 2026-10-05T10:00:00.000Z\r\n#Fields: date-time,connector-id,session-id,sequence-number,local-endpoint,remote-endpoint,event,data,context\r\n";
const EOP: &str =
    "220 AM5EUR03FT012.mail.protection.outlook.com Microsoft ESMTP MAIL Service ready,";
const HELLO: &str = "250-AM5EUR03FT012.mail.protection.outlook.com Hello [203.0.113.7],";
const PRINT: &str = "7D4FAF5D11F41A32CCCB70C6FF8E07683EF9A839";

/// A session: its rows as `second sequence event,data,context`.
struct Spoken<'a> {
    id: &'a str,
    connector: &'a str,
    remote: &'a str,
    rows: &'a [&'a str],
}

/// Writes one log of a server; lines count from 6.
fn log(folder: &Path, place: &str, name: &str, sessions: &[Spoken<'_>]) {
    let mut text = HEADER.to_owned();
    for session in sessions {
        for row in session.rows {
            let mut parts = row.splitn(3, ' ');
            let mut part = || parts.next().expect("second, sequence, row");
            let (second, sequence, row): (u32, _, _) =
                (part().parse().expect("seconds"), part(), part());
            let time = format!(
                "2026-10-05T{:02}:{:02}:{:02}.000Z",
                10 + second / 3600,
                second / 60 % 60,
                second % 60
            );
            let Spoken {
                id,
                connector,
                remote,
                ..
            } = session;
            text += &format!("{time},{connector},{id},{sequence},10.0.0.1:4711,{remote},{row}\r\n");
        }
    }
    let folder = folder.join(place);
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join(name), text).expect("a log");
}

const HUB: &str = "Hub/ProtocolLog/SmtpSend";
const FRONT: &str = "FrontEnd/ProtocolLog/SmtpSend";

/// EX1 sends a message to EX2 (pipelined, one of two recipients fails at first), EX2 through its front
/// end to Exchange Online. The same session id is used on both.
fn fleet(name: &str) -> String {
    let folder = empty(name);
    let announced = "sending message with RecordId 7 and InternetMessageId <Ab.1@EX1.contoso.com>";
    let hidden = format!("*,{PRINT},Certificate thumbprint");
    let form_c = format!(
        "8 7 *,\" CN=mx.contoso.com, O=Contoso CN=R3, C=US 0A {PRINT} 2026-01-01T00:00:00.000Z 2026-10-01T00:00:00.000Z mx.contoso.com;contoso.com\",Sending certificate Subject Issuer name Serial number Thumbprint Not before Not after Subject alternate names"
    );
    log(
        &folder.join("EX1"),
        HUB,
        "SEND2026100510-1.LOG",
        &[Spoken {
            id: "08DF1F4EEFBDC001",
            connector: "Intra",
            remote: "10.0.0.2:2525",
            rows: &[
                "0 0 *,,attempting to connect",
                "0 1 +,,",
                "0 2 <,220 EX2.contoso.com Microsoft ESMTP MAIL Service ready,",
                "0 3 >,EHLO EX1.contoso.com,",
                "0 4 <,250-EX2.contoso.com Hello [10.0.0.1],",
                "0 5 <,250 X-ANONYMOUSTLS,",
                "0 6 >,X-ANONYMOUSTLS,",
                "0 7 <,220 2.0.0 SMTP server ready,",
                "0 8 *,,Sending certificate",
                "0 9 *,\"CN=EX1, O=Contoso\",Certificate subject",
                &format!("0 10 {hidden}"),
                &format!("1 11 *,,{announced}"),
                "1 12 >,MAIL FROM:<a@contoso.com> SIZE=700,",
                "1 13 >,RCPT TO:<b@fabrikam.com>,",
                "1 14 >,RCPT TO:<c@fabrikam.com>,",
                "2 15 <,250 2.1.0 Sender OK,",
                "2 16 <,250 2.1.5 Recipient OK,",
                "3 17 <,450 4.2.0 not now \u{1b}[2J,",
                "3 18 >,BDAT 700 LAST,",
                "40 19 <,250 2.6.0 <Ab.1@EX1.contoso.com> Queued mail for delivery,",
                "40 22 >,QUIT,",
                "40 23 <,221 2.0.0 bye,",
                "40 24 -,,Local",
            ],
        }],
    );
    log(
        &folder.join("EX2"),
        HUB,
        "SEND2026100510-1.LOG",
        &[
            Spoken {
                id: "08DF1F4EEFBDC001",
                connector: "To cloud",
                remote: "10.0.0.2:717",
                rows: &[
                    "50 0 *,,attempting to connect",
                    "50 1 +,,",
                    "50 2 <,220 EX2.contoso.com Microsoft ESMTP MAIL Service ready,",
                    "50 3 >,EHLO EX2.contoso.com,",
                    "50 4 <,250 EX2.contoso.com Hello [10.0.0.2],",
                    "50 5 >,XPROXYTO DESTINATIONS=contoso-com.mail.protection.outlook.com,",
                    "51 6 <,250 2.0.0 accepted,",
                    &format!("51 7 *,,{}", announced.replace("EX1", "ex1")),
                    "51 8 >,MAIL FROM:<a@contoso.com> SIZE=700,",
                    "51 9 <,250 2.1.0 Sender OK,",
                    "51 10 >,RCPT TO:<b@fabrikam.com>,",
                    "51 11 <,250 2.1.5 Recipient OK,",
                    "51 12 >,BDAT 700 LAST,",
                    "52 13 <,250 2.6.0 Queued mail for delivery,",
                    "52 14 >,QUIT,",
                    "52 15 <,221 2.0.0 bye,",
                    "52 16 -,,Local",
                ],
            },
            // The recipient that was put off, from EX1's queue; its end is not logged.
            Spoken {
                id: "08DF1F4EEFBDC099",
                connector: "Never used",
                remote: "192.0.2.9:25",
                rows: &[
                    "60 0 *,,attempting to connect",
                    "60 1 +,,",
                    "60 2 <,220 mx.example ready,",
                    "61 3 >,QUIT,",
                    "61 4 -,,Local",
                ],
            },
        ],
    );
    log(
        &folder.join("EX2"),
        FRONT,
        "SEND2026100510-1.LOG",
        &[Spoken {
            id: "08DF1F4EEFBDD001",
            connector: "To cloud",
            remote: "104.47.0.1:25",
            rows: &[
                "50 0 *,,attempting to connect. Outbound proxy from EX2 with session id 08DF1F4EEFBDC001. Proxied session id 08DF1F4EEFBDC001",
                "50 1 +,,",
                &format!("50 2 <,{EOP}"),
                "50 3 >,EHLO mx.contoso.com,",
                &format!("50 4 <,{HELLO}"),
                "50 5 <,250 STARTTLS,",
                "50 6 >,STARTTLS,",
                &form_c,
                "51 8 *,,\"TLS protocol SP_PROT_TLS1_2_CLIENT negotiation succeeded using bulk encryption algorithm CALG_AES_256 with strength 256 bits, MAC hash algorithm CALG_SHA_384 with strength 0 bits and key exchange algorithm CALG_ECDHE with strength 384 bits\"",
                "52 9 -,,Local",
            ],
        }],
    );
    folder.to_str().expect("a path in UTF-8").to_owned()
}

/// The place as raw logs and as a lake.
fn places(logs: &str) -> [[String; 2]; 2] {
    let lake = empty(&format!(
        "{}-lake",
        Path::new(logs).file_name().unwrap().to_str().unwrap()
    ));
    let lake = lake
        .join("lake")
        .to_str()
        .expect("a path in UTF-8")
        .to_owned();
    run_for(0, &["ingest", logs, "--lake", &lake, "--quiet"]);
    [["--logs".into(), logs.to_owned()], ["--lake".into(), lake]]
}

/// What a command says as NDJSON.
fn facts(code: i32, args: &[&str]) -> Vec<Value> {
    let output = run_for(code, &[args, &["--format", "ndjson"]].concat());
    let lines = text(&output.stdout).lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn of<'a>(facts: &'a [Value], fact: &str) -> Vec<&'a Value> {
    facts.iter().filter(|one| one["fact"] == fact).collect()
}

#[test]
fn a_session_is_shown_row_by_row_with_replies_beside_their_commands() {
    let logs = fleet("show");
    let mut answers = Vec::new();
    for place in places(&logs) {
        let [option, path] = &place;
        let args = ["show", "08df1f4eefbdc001", option, path, "--server", "ex1"];
        let facts = facts(0, &args);
        let rows = of(&facts, "row");
        assert_eq!(rows.len(), 23);
        let row = |sequence: i64| {
            let found = rows.iter().find(|row| row["sequence"] == sequence);
            found.unwrap_or_else(|| panic!("row {sequence}"))
        };
        // Pipelined: 450 answers the second RCPT, though it comes after three commands.
        assert_eq!(
            (&row(17)["answers"], &row(17)["wait_ms"]),
            (&14.into(), &2000.into())
        );
        assert_eq!(row(15)["answers"], 12);
        assert_eq!(
            (&row(19)["answers"], &row(19)["pause_ms"]),
            (&18.into(), &37_000.into())
        );
        assert_eq!(row(22)["missing_before"], 2);
        assert_eq!(row(0)["line"], 6);
        assert!(row(0)["path"].as_str().is_some_and(|path| {
            path.ends_with("EX1/Hub/ProtocolLog/SmtpSend/SEND2026100510-1.LOG")
        }));
        // Form A has no dates; the front end of EX2 logged them in form C.
        let certificates = of(&facts, "certificate");
        assert_eq!(certificates[0]["thumbprint"], PRINT);
        assert_eq!(certificates[0]["subject"], "CN=EX1, O=Contoso");
        assert_eq!(certificates[0]["not_after"], "2026-10-01T00:00:00.000Z");

        let shown = run_for(0, &args);
        let shown = text(&shown.stdout).to_owned();
        for part in [
            "rows 20 to 21 are missing",
            "37.0 s without a row",
            "450 4.2.0 not now \\x1b[2J",
            "from another row of the same thumbprint",
            "23 rows, 2 rows missing inside",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
        let at = |part: &str| {
            shown
                .find(part)
                .unwrap_or_else(|| panic!("{part}\n{shown}"))
        };
        assert!(at("RCPT TO:<c@") < at("450 4.2.0") && at("450 4.2.0") < at("BDAT 700"));
        // Only a hub's session that went through a front end has another half.
        assert_eq!(of(&facts, "other_half").len(), 0);
        answers.push(facts);
    }
    assert!(answers[0] == answers[1], "logs and lake");
}

#[test]
fn an_id_on_several_servers_has_to_be_chosen() {
    let logs = fleet("show-several");
    let output = run_for(2, &["show", "08DF1F4EEFBDC001", "--logs", &logs]);
    let message = text(&output.stderr);
    for part in [
        "2 servers or services",
        "--server EX1 --service Hub",
        "--server EX2 --service Hub",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let output = run_for(
        2,
        &[
            "show",
            "08DF1F4EEFBDC001",
            "--logs",
            &logs,
            "--server",
            "EX9",
        ],
    );
    assert!(text(&output.stderr).contains("but not there"));
    // The command that it names is one that works.
    let line = message
        .lines()
        .find(|line| line.contains("--server EX2"))
        .expect("a command");
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    run_for(0, &words);
}

#[test]
fn halves_of_a_proxied_session_name_each_other() {
    let logs = fleet("show-halves");
    for [option, path] in places(&logs) {
        let hub = facts(
            0,
            &[
                "show",
                "08DF1F4EEFBDC001",
                &option,
                &path,
                "--server",
                "EX2",
            ],
        );
        let half = of(&hub, "other_half");
        assert_eq!(
            (half.len(), &half[0]["session_id"]),
            (1, &"08DF1F4EEFBDD001".into())
        );
        let front = facts(0, &["show", "08DF1F4EEFBDD001", &option, &path]);
        let half = of(&front, "other_half");
        // The id is used on EX1 too: both are named, the reader knows.
        assert!(
            half.iter()
                .any(|half| half["server"] == "EX2" && half["service"] == "Hub")
        );
        assert!(half.iter().all(|half| {
            half["text"]
                .as_str()
                .is_some_and(|text| text.starts_with("relaydrift show"))
        }));
        let shown = run_for(0, &["show", "08DF1F4EEFBDD001", &option, &path]);
        assert!(
            text(&shown.stdout).contains("expired"),
            "{}",
            text(&shown.stdout)
        );
    }
}

#[test]
fn an_unknown_session_is_answered_with_what_there_is() {
    let output = run_for(2, &["show", "08DF1568", "--logs", "tests/fleet"]);
    let message = text(&output.stderr);
    for part in [
        "no session 08DF1568",
        "EX01 (Hub), 2026-10-01",
        "08DF1568755BCDAF on EX01",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_message_is_followed_over_servers_and_front_ends() {
    let logs = fleet("trace");
    let mut answers = Vec::new();
    for [option, path] in places(&logs) {
        let facts = facts(0, &["trace", "<Ab.1@ex1.CONTOSO.com>", &option, &path]);
        let attempts = of(&facts, "attempt");
        let servers: Vec<&Value> = attempts.iter().map(|attempt| &attempt["server"]).collect();
        assert_eq!(servers, ["EX1", "EX2"]);
        let front = of(&facts, "front_end");
        assert_eq!(
            (front.len(), &front[0]["egress_ip"]),
            (1, &"203.0.113.7".into())
        );
        assert_eq!(front[0]["thumbprint"], PRINT);
        let recipients: Vec<(&str, &str)> = of(&facts, "recipient")
            .iter()
            .map(|to| {
                (
                    to["recipient"].as_str().unwrap(),
                    to["outcome"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            recipients,
            [
                ("b@fabrikam.com", "delivered"),
                ("c@fabrikam.com", "deferred")
            ]
        );
        let gaps = of(&facts, "gap");
        assert_eq!((gaps.len(), &gaps[0]["duration_ms"]), (1, &37_000.into()));
        let missing = of(&facts, "missing");
        assert!(
            missing
                .iter()
                .any(|one| one["text"].as_str().unwrap().contains("2 rows missing")),
            "{missing:?}"
        );
        let shown = run_for(0, &["trace", "Ab.1@EX1.contoso.com", &option, &path]);
        let shown = text(&shown.stdout);
        assert!(shown.starts_with("DEFERRED: "), "{shown}");
        assert!(
            shown.contains("through") && shown.contains("not now \\x1b[2J"),
            "{shown}"
        );
        answers.push(facts);
    }
    assert!(answers[0] == answers[1], "logs and lake");
}

#[test]
fn logs_that_are_missing_for_the_full_picture_are_named() {
    let logs = fleet("trace-missing");
    std::fs::remove_dir_all(Path::new(&logs).join("EX2/FrontEnd")).expect("front end logs go");
    let facts = facts(0, &["trace", "Ab.1@EX1.contoso.com", "--logs", &logs]);
    let missing = of(&facts, "missing");
    let named = |part: &str| {
        missing
            .iter()
            .any(|one| one["text"].as_str().unwrap().contains(part))
    };
    assert!(named("front end logs of EX2.contoso.com"), "{missing:?}");
    std::fs::remove_dir_all(Path::new(&logs).join("EX2")).expect("the server goes");
    let facts = self::facts(0, &["trace", "Ab.1@EX1.contoso.com", "--logs", &logs]);
    let to_b = of(&facts, "recipient")[0];
    assert_eq!(
        (&to_b["recipient"], &to_b["outcome"]),
        (&"b@fabrikam.com".into(), &"handed_on".into())
    );
    let missing = of(&facts, "missing");
    assert!(
        missing.iter().any(|one| one["text"]
            .as_str()
            .unwrap()
            .starts_with("logs of EX2.contoso.com")),
        "{missing:?}"
    );
}

#[test]
fn a_message_that_went_through_is_found_and_delivered_whole() {
    let sql = "select message_id, recipients from transactions where outcome = 'delivered' and peer_kind = 'eop' order by start_time limit 1";
    let rows = query(&["--logs", "tests/fleet"], sql);
    let id = rows[0]["message_id"].as_str().expect("an id");
    let output = run_for(0, &["trace", id, "--logs", "tests/fleet"]);
    let shown = text(&output.stdout);
    assert!(shown.starts_with("DELIVERED: "), "{shown}");
    assert!(shown.contains("nothing that send logs can show"), "{shown}");
    let facts = facts(0, &["trace", id, "--logs", "tests/fleet"]);
    assert_eq!(facts[0]["outcome"], "delivered_whole");
    assert_eq!(
        of(&facts, "recipient").len() as i64,
        rows[0]["recipients"].as_i64().unwrap()
    );
}

#[test]
fn a_message_that_is_not_there_says_what_was_searched() {
    let logs = fleet("trace-none");
    let output = run_for(2, &["trace", "ab.1@EX1.contoso.com", "--logs", &logs]);
    let message = text(&output.stderr);
    for part in [
        "no message <ab.1@EX1.contoso.com>",
        "EX1 (Hub), 2026-10-05 10:00",
        "differs in case before the @: <Ab.1@EX1.contoso.com>",
        "Get-MessageTrackingLog -MessageId '<ab.1@EX1.contoso.com>'",
    ] {
        assert!(message.contains(part), "{part}\n{message}");
    }
}

/// A connector with all that a review finds: an unused session, a silence before the end, one while
/// idle, a slow reply, a failure that repeats, a retry.
fn trouble(name: &str) -> String {
    let folder = empty(name);
    let message = |number: u32| {
        format!(
            "*,,sending message with RecordId {number} and InternetMessageId <{number}@EX1.contoso.com>"
        )
    };
    let begin = [
        "0 0 *,,attempting to connect",
        "0 1 +,,",
        "1 2 <,220 mx.fabrikam.com ESMTP,",
        "1 3 >,EHLO EX1,",
        "1 4 <,250 mx.fabrikam.com,",
    ];
    let later = |second: u32, rows: &[&str]| -> Vec<String> {
        let shifted = |row: &str| {
            let (at, rest) = row.split_once(' ').expect("a second");
            format!("{} {rest}", second + at.parse::<u32>().expect("a second"))
        };
        begin.iter().chain(rows).map(|row| shifted(row)).collect()
    };
    let (first, second) = (message(1), message(2));
    let sent = [
        format!("1 5 {first}"),
        "1 6 >,MAIL FROM:<a@contoso.com>,".into(),
        "1 7 <,250 2.1.0 ok,".into(),
        "1 8 >,RCPT TO:<b@fabrikam.com>,".into(),
        "21 9 <,450 4.2.0 <b@fabrikam.com> not now,".into(),
        "22 10 >,QUIT,".into(),
        "22 11 -,,Local".into(),
    ];
    let again = [
        &sent[..4],
        &[
            "2 9 <,250 2.1.5 ok,".to_owned(),
            "2 10 >,BDAT 700 LAST,".into(),
            "3 11 <,250 2.6.0 queued,".into(),
            "93 12 *,,successfully added connection to cache. Current cache size is 1".into(),
            "93 13 >,QUIT,".into(),
            "93 14 -,,Local".into(),
        ],
    ]
    .concat();
    let lost = [
        format!("1 5 {second}"),
        "1 6 >,MAIL FROM:<a@contoso.com>,".into(),
        "1 7 <,250 2.1.0 ok,".into(),
        "1 8 >,RCPT TO:<c@fabrikam.com>,".into(),
        "1 9 <,250 2.1.5 ok,".into(),
        "1 10 >,BDAT 700 LAST,".into(),
        "301 11 -,,Remote(TimedOut)".into(),
    ];
    let rows = |rows: &[String]| -> Vec<String> { rows.to_vec() };
    let texts = |rows: &[String]| -> Vec<&'static str> {
        rows.iter().map(|row| &*row.clone().leak()).collect()
    };
    let sessions = [
        ("08DF1F4EEFBDC001", later(0, &texts(&rows(&sent)))),
        ("08DF1F4EEFBDC002", later(600, &texts(&rows(&sent)))),
        ("08DF1F4EEFBDC003", later(1200, &texts(&rows(&again)))),
        ("08DF1F4EEFBDC004", later(1800, &texts(&rows(&lost)))),
        (
            "08DF1F4EEFBDC005",
            later(2400, &["1 5 >,QUIT,", "2 6 <,221 bye,", "2 7 -,,Local"]),
        ),
    ];
    let texts: Vec<(&str, Vec<&str>)> = sessions
        .iter()
        .map(|(id, rows)| (*id, rows.iter().map(String::as_str).collect()))
        .collect();
    let spoken: Vec<Spoken<'_>> = texts
        .iter()
        .map(|(id, rows)| Spoken {
            id,
            connector: "To fabrikam",
            remote: "192.0.2.9:25",
            rows,
        })
        .collect();
    log(&folder.join("EX1"), HUB, "SEND2026100510-1.LOG", &spoken);
    folder.to_str().expect("a path in UTF-8").to_owned()
}

#[test]
fn a_review_finds_what_a_connector_suffers_from() {
    let logs = trouble("review");
    let mut answers = Vec::new();
    for [option, path] in places(&logs) {
        let facts = facts(0, &["review", &option, &path]);
        let counted = |fact: &str, kind: &str| {
            let found = facts
                .iter()
                .find(|one| one["fact"] == fact && one["kind"] == kind);
            found.unwrap_or_else(|| panic!("{fact} {kind}"))["count"].clone()
        };
        assert_eq!(counted("connector", "sessions"), 5);
        assert_eq!(counted("connector", "cut"), 0);
        let unused = of(&facts, "unused");
        assert_eq!(
            (unused.len(), &unused[0]["session_id"]),
            (1, &"08DF1F4EEFBDC005".into())
        );
        assert_eq!(unused[0]["text"], "last word 221; ended by Local");
        // BDAT, and five minutes later the end; 90 seconds of nothing to send.
        let silences = of(&facts, "silence");
        let told: Vec<(&str, i64)> = silences
            .iter()
            .map(|gap| {
                (
                    gap["kind"].as_str().unwrap(),
                    gap["max_ms"].as_i64().unwrap(),
                )
            })
            .collect();
        assert_eq!(told, [("no_reply", 300_000), ("idle", 90_000)]);
        assert_eq!(
            silences[0]["text"],
            "between > BDAT 700 LAST and - disconnected: Remote(TimedOut)"
        );
        let wait = facts
            .iter()
            .find(|one| one["fact"] == "wait" && one["kind"] == "RCPT")
            .expect("RCPT");
        assert_eq!(
            (&wait["count"], &wait["max_ms"]),
            (&4.into(), &20_000.into())
        );
        let failures = of(&facts, "failure");
        let failure = |text: &str| {
            failures
                .iter()
                .find(|one| one["text"] == text)
                .unwrap_or_else(|| panic!("{failures:?}"))
        };
        let later = failure("450 4.2.0 <...> not now");
        assert_eq!(
            (&later["count"], &later["next_hop"]),
            (&2.into(), &"mx.fabrikam.com".into())
        );
        assert_eq!(failure("no reply")["count"], 1);
        assert_eq!(counted("retries", "taken_at_last"), 1);
        let good = facts
            .iter()
            .find(|one| one["fact"] == "retries" && one["kind"] == "taken_at_last")
            .expect("retries");
        // From 10:00:21 to 10:20:03.
        assert_eq!(good["max_ms"], 1_182_000);
        assert_eq!(counted("retries", "put_off"), 1);
        answers.push(facts);
    }
    assert!(answers[0] == answers[1], "logs and lake");
    let shown = run_for(0, &["review", "--logs", &logs]);
    let shown = text(&shown.stdout);
    for part in [
        "Opened and never used: 1 session",
        "a command that was never answered",
        "1 taken at last",
        "2 x 450 4.2.0 <...> not now",
        "relaydrift show 08DF1F4EEFBDC004 --server EX1 --service Hub --logs",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
}

#[test]
fn a_review_can_be_narrowed() {
    let logs = trouble("review-narrow");
    let args = [
        "review",
        "--logs",
        &logs,
        "--since",
        "2026-10-05 10:10",
        "--until",
        "2026-10-05 10:30",
    ];
    let facts = facts(0, &args);
    let sessions = facts
        .iter()
        .find(|one| one["kind"] == "sessions")
        .expect("sessions");
    assert_eq!(sessions["count"], 2);
    for option in ["--connector", "--server"] {
        let output = run_for(2, &["review", "--logs", &logs, option, "nope"]);
        assert!(
            text(&output.stderr).contains("there are: "),
            "{}",
            text(&output.stderr)
        );
    }
    let one = self::facts(
        0,
        &["review", "--logs", "tests/fleet", "--connector", "интернет"],
    );
    assert!(one.iter().all(|fact| fact["connector_id"] == "Интернет"));
}

/// The problems of a kind, as `doctor` says them.
fn problems<'a>(facts: &'a [Value], kind: &str) -> Vec<&'a Value> {
    facts
        .iter()
        .filter(|one| one["fact"] == "problem" && one["kind"] == kind)
        .collect()
}

fn steps(problem: &Value) -> String {
    let steps = problem["steps"].as_array().expect("a list");
    steps
        .iter()
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn doctor_names_what_would_be_missed_and_the_step_that_mends_it() {
    let logs = fleet("doctor");
    let now = ["--as-of", "2026-10-05 10:05"];
    for [option, path] in places(&logs) {
        let args: Vec<&str> = match option.as_str() {
            "--logs" => vec!["doctor", &path],
            _ => vec!["doctor", "--lake", &path],
        };
        let facts = facts(0, &[&args[..], &now].concat());
        let places = of(&facts, "place");
        let names: Vec<String> = places
            .iter()
            .map(|place| format!("{} {}", place["server"], place["service"]))
            .collect();
        assert_eq!(
            names,
            ["\"EX1\" \"Hub\"", "\"EX2\" \"FrontEnd\"", "\"EX2\" \"Hub\""]
        );
        assert_eq!(
            (&places[0]["rows"], &places[0]["age_hours"]),
            (&23.into(), &0.into())
        );
        // Everything is fresh and there: no word about age, holes or halves.
        for kind in [
            "old",
            "behind",
            "future",
            "hole",
            "no_front_end",
            "no_hub",
            "unreadable",
            "history",
        ] {
            assert!(problems(&facts, kind).is_empty(), "{kind}");
        }
        let cut = problems(&facts, "cut");
        assert!(
            cut[0]["text"]
                .as_str()
                .unwrap()
                .contains("1 miss 2 rows inside"),
            "{cut:?}"
        );
        assert!(steps(problems(&facts, "verbose")[0]).contains("Set-SendConnector"));
    }

    // Later: the same logs are old. Without the front end: what it saw is not there.
    std::fs::remove_dir_all(Path::new(&logs).join("EX2/FrontEnd")).expect("front end logs go");
    let found = facts(0, &["doctor", &logs, "--as-of", "2026-10-09"]);
    assert!(
        problems(&found, "old")[0]["text"]
            .as_str()
            .unwrap()
            .contains("3 d 13 h old")
    );
    let missing = problems(&found, "no_front_end");
    assert_eq!(missing[0]["weight"], "error");
    assert!(steps(missing[0]).contains("Get-FrontendTransportService"));
    let dateless = problems(&found, "certificate_without_facts");
    assert!(steps(dateless[0]).contains(PRINT), "{dateless:?}");

    // The reverse, beside a file that cannot be read to its end, and one of another kind.
    let logs = fleet("doctor-fronts");
    for hub in ["EX1", "EX2/Hub"] {
        std::fs::remove_dir_all(Path::new(&logs).join(hub)).expect("hub logs go");
    }
    std::fs::write(Path::new(&logs).join("notes.txt"), "hello").expect("a file");
    std::fs::write(
        Path::new(&logs).join("SEND2026100511-1.LOG.gz"),
        [0x1f, 0x8b, 8, 0, 1, 2, 3],
    )
    .expect("a file");
    let found = facts(2, &["doctor", &logs]);
    assert_eq!(problems(&found, "no_hub").len(), 1);
    assert_eq!(problems(&found, "unreadable").len(), 1);
    assert!(
        problems(&found, "foreign")
            .iter()
            .any(|one| one["text"].as_str().unwrap().contains("notes.txt"))
    );
}

#[test]
fn doctor_tells_holes_small_folders_and_what_a_lake_lacks() {
    let facts = facts(0, &["doctor", "tests/fleet", "--as-of", "2026-10-03 16:00"]);
    let holes = problems(&facts, "hole");
    assert!(
        holes
            .iter()
            .all(|hole| steps(hole).contains("Get-TransportService"))
    );
    let unknown = problems(&facts, "unknown_service");
    assert!(unknown[0]["text"].as_str().unwrap().starts_with("EX03"));

    // A server that writes much in little time: 250 MB are gone soon.
    let folder = empty("doctor-busy");
    let row = |second: u32, id: u32| {
        let time = format!(
            "2026-10-05T{:02}:{:02}:{:02}.000Z",
            second / 3600,
            second / 60 % 60,
            second % 60
        );
        let text = "x".repeat(20_000);
        format!(
            "{time},To cloud,08DF1F4EEFB{id:05X},0,,192.0.2.1:25,*,{text},attempting to connect\r\n"
        )
    };
    let rows: String = (0..1000).map(|at| row(at * 80, at)).collect();
    let place = folder.join("EX1").join(HUB);
    std::fs::create_dir_all(&place).expect("a folder");
    std::fs::write(place.join("SEND20261005-1.LOG"), format!("{HEADER}{rows}")).expect("a log");
    let logs = folder.to_str().expect("a path in UTF-8");
    let lake = empty("doctor-busy-lake").join("lake");
    let lake = lake.to_str().expect("a path in UTF-8");
    run_for(0, &["ingest", logs, "--lake", lake, "--quiet"]);
    let now = ["--as-of", "2026-10-05 23:00"];
    let found = self::facts(0, &[&["doctor", logs, "--lake", lake][..], &now].concat());
    assert!(problems(&found, "not_ingested").is_empty());
    let history = problems(&found, "history");
    assert!(
        history[0]["text"]
            .as_str()
            .unwrap()
            .contains("hold about 11 d"),
        "{history:?}"
    );
    assert!(
        steps(history[0]).contains("Set-TransportService 'EX1' -SendProtocolLogMaxDirectorySize")
    );
    std::fs::write(
        place.join("SEND20261006-1.LOG"),
        format!("{HEADER}{}", row(86_390, 2000)),
    )
    .expect("a log");
    let found = self::facts(0, &[&["doctor", logs, "--lake", lake][..], &now].concat());
    let fresh = problems(&found, "not_ingested");
    assert!(
        fresh[0]["text"]
            .as_str()
            .unwrap()
            .starts_with("1 of 2 files"),
        "{fresh:?}"
    );
    assert!(steps(fresh[0]).starts_with("relaydrift ingest "));
    assert_eq!(problems(&found, "future").len(), 1);

    let output = run_for(2, &["doctor"]);
    assert!(text(&output.stderr).contains("relaydrift doctor /logs"));
    let shown = run_for(0, &["doctor", "tests/fleet"]);
    let shown = text(&shown.stdout);
    for part in [
        "COMPLETE: ",
        "What is there",
        "250 MB HOLD",
        "Set-SendConnector",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
}
