//! Mail that a hub sends through a front end: two logs of two servers, one delivery.

use std::path::Path;

use crate::util::{empty, query, run_for};

const HUB: &str = "08DF1F4EEFBDC000";
const FRONT: &str = "08DF1F4EEFBDD001";
const PRINT: &str = "00112233445566778899AABBCCDDEEFF00112233";

/// Writes a log: rows of one session as `event,data,context`, ten seconds after another.
fn write(folder: &Path, minute: u32, id: &str, remote: &str, rows: &[&str]) {
    let mut text = String::from("#Log-type: SMTP Send Protocol Log\r\n");
    text += &format!("#Date: 2026-10-05T10:{minute:02}:00.000Z\r\n");
    for (sequence, row) in rows.iter().enumerate() {
        text += &format!(
            "2026-10-05T10:{minute:02}:{sequence:02}.000Z,To cloud,{id},{sequence},10.0.0.1:99,{remote},{row}\r\n"
        );
    }
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join("SEND2026100510-1.LOG"), text).expect("a log");
}

fn write_halves(folder: &Path) -> [String; 2] {
    let hub = folder.join("EX01/Hub/ProtocolLog/SmtpSend");
    let front = folder.join("EX02/FrontEnd/ProtocolLog/SmtpSend");
    write(
        &hub,
        0,
        HUB,
        "10.0.0.2:717",
        &[
            "*,,attempting to connect",
            "+,,",
            "<,220 ex02.example Microsoft ESMTP MAIL Service ready,",
            ">,EHLO ex01.example,",
            "<,250 XPROXYTO,",
            ">,XPROXYTO DESTINATIONS=x PORT=25 SESSIONID=08DF1F4EEFBDC000,",
            "<,250 XPROXYTO accepted,",
            ">,MAIL FROM:<a@example.com>,",
            "<,250 2.1.0 Sender OK,",
            ">,RCPT TO:<b@far.example>,",
            "<,250 2.1.5 Recipient OK,",
            ">,DATA,",
            "<,354 Start mail input,",
            "<,250 2.6.0 Queued mail for delivery,",
            ">,MAIL FROM:<a@example.com>,",
            "<,250 2.1.0 Sender OK,",
            ">,RCPT TO:<b@far.example>,",
            "<,550 5.7.64 TenantAttribution; Relay Access Denied,",
            ">,QUIT,",
            "<,221 2.0.0 Bye,",
            "-,,Local",
        ],
    );
    let connecting = format!(
        "*,,attempting to connect. Outbound proxy from ex01.example with session id {HUB}. Proxied session id 08DF1F4EEFBDD000"
    );
    let print = format!("*,{PRINT},Certificate thumbprint");
    write(
        &front,
        1,
        FRONT,
        "192.0.2.1:25",
        &[
            &connecting,
            "+,,",
            "<,220 x.mail.protection.outlook.com Microsoft ESMTP MAIL Service ready,",
            ">,EHLO mail.example.com,",
            "<,250-x.mail.protection.outlook.com Hello [203.0.113.7],",
            "<,250 STARTTLS,",
            ">,STARTTLS,",
            "<,220 2.0.0 SMTP server ready,",
            "*,,Sending certificate",
            &print,
            "*,,Proxy session successfully set up for ex01.example. Inbound session will now be blindly proxied",
            "-,,Local",
        ],
    );
    [hub, front].map(|path| path.to_str().expect("a path in UTF-8").to_owned())
}

fn one(source: &[&str], sql: &str) -> serde_json::Value {
    let rows = query(source, sql);
    assert_eq!(rows.len(), 1, "{source:?}: {rows:?}");
    rows[0].clone()
}

#[track_caller]
fn holds(source: &[&str]) {
    let of = |sql| one(source, sql);
    let refusal = of("select server, session_id, thumbprint, egress_ip, role from refusals");
    assert_eq!(refusal["server"], "EX01", "the hub has the reply");
    assert_eq!(refusal["session_id"], HUB);
    assert_eq!(
        refusal["thumbprint"], PRINT,
        "the front end has the certificate"
    );
    assert_eq!(refusal["egress_ip"], "203.0.113.7");
    assert_eq!(refusal["role"], "cloud_relay");
    for (view, value) in [
        ("certificate_spans", "thumbprint"),
        ("egress_spans", "egress_ip"),
    ] {
        let sql = format!("select server, {value}, sessions, refused from {view}");
        let span = one(source, &sql);
        assert_eq!(span["server"], "EX02", "{view}");
        assert_eq!(
            (&span["sessions"], &span["refused"]),
            (&1.into(), &1.into()),
            "{view}"
        );
    }
    let relay = of("select server, domain, accepted, refused from relay_hours");
    assert_eq!(
        (&relay["server"], &relay["domain"]),
        (&"EX02".into(), &"far.example".into())
    );
    assert_eq!(
        (&relay["accepted"], &relay["refused"]),
        (&1.into(), &1.into())
    );
    let proved = of("select server from proved_relays");
    assert_eq!(proved["server"], "EX02");
    let session = of("select flags, proxied_session_id from sessions where server = 'EX02'");
    assert_eq!(session["proxied_session_id"], HUB);
    assert_eq!(session["flags"], serde_json::json!(["front_end_half"]));
}

#[test]
fn the_halves_of_a_delivery_are_put_together_in_whichever_order_they_come() {
    let folder = empty("front-ends");
    let [hub, front] = write_halves(&folder.join("logs"));
    let logs = folder.join("logs");
    holds(&["--logs", logs.to_str().expect("a path in UTF-8")]);
    for (name, order) in [
        ("hub-first", [&hub, &front]),
        ("front-first", [&front, &hub]),
    ] {
        let lake = folder.join(name);
        let lake = lake.to_str().expect("a path in UTF-8");
        for logs in order {
            run_for(0, &["ingest", logs, "--lake", lake, "--quiet"]);
        }
        holds(&["--lake", lake]);
    }
}
