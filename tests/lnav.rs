//! The log viewer lnav takes our format, and reads in a log what relaydrift reads in it.

use std::process::Command;

use serde_json::Value;

use crate::util::{empty, query, run_for, skip, text};

const LOG: &str = "tests/fleet/EX01/Hub/ProtocolLog/SmtpSend/SEND2026100208-1.LOG";

#[test]
fn lnav_reads_the_rows_that_relaydrift_reads() {
    if Command::new("lnav").arg("-V").output().is_err() {
        return skip("lnav_reads_the_rows", "no lnav (apt-get install lnav)");
    }
    let home = empty("lnav-home");
    let format = home.join("exchange_smtp_send.json");
    let format = format.to_str().expect("UTF-8");
    run_for(0, &["lnav", "-o", format]);
    let lnav = |args: &[&str]| {
        let mut lnav = Command::new("lnav");
        lnav.current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("HOME", &home)
            .env_remove("XDG_CONFIG_HOME")
            .stdin(std::process::Stdio::null())
            .args(args);
        let output = lnav.output().expect("lnav runs");
        assert!(output.status.success(), "{}", text(&output.stderr));
        output.stdout
    };
    lnav(&["-i", format]);
    let columns = "connector as connector_id, session as session_id, sequence";
    let select = format!(
        ";select {columns}, event, enhanced_code from exchange_smtp_send where session is not null \
         order by session, sequence"
    );
    let written = lnav(&["-n", "-c", &select, "-c", ":write-json-to -", LOG]);
    let theirs: Vec<Value> = serde_json::from_slice(&written).expect("JSON from lnav");
    let ours = query(
        &["--logs", LOG],
        "select connector_id, session_id, sequence, event, enhanced_code from events \
         order by session_id, sequence",
    );
    assert!(ours.len() > 300);
    assert_eq!(theirs.len(), ours.len());
    for (their, our) in theirs.iter().zip(&ours) {
        for column in ["connector_id", "session_id", "sequence", "event"] {
            assert_eq!(their[column], our[column], "{their} {our}");
        }
    }
    let refused = |rows: &[Value]| {
        let mut rows: Vec<&Value> = rows
            .iter()
            .filter(|row| row["enhanced_code"] == "5.7.64")
            .collect();
        rows.dedup();
        rows.len()
    };
    assert_eq!(refused(&theirs), refused(&ours));
    assert!(refused(&ours) > 10);
}
