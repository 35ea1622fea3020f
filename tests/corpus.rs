//! Real excerpts, read where they lie.

use std::path::PathBuf;

use crate::util::{query, run, skip, text};

fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("RELAYDRIFT_CORPUS").map(PathBuf::from);
    if folder.is_none() {
        skip(
            "corpus",
            "RELAYDRIFT_CORPUS names no folder of real excerpts",
        );
    }
    folder
}

#[test]
fn real_rows_are_read_and_other_logs_are_named() {
    let Some(folder) = corpus() else { return };
    let send = folder.join("send");
    let send = send.to_str().expect("a path in UTF-8");
    let rows = query(
        &["--logs", send],
        "select server, session_id, event from events",
    );
    assert!(rows.len() >= 33, "{} rows", rows.len());
    let thumbprints = query(
        &["--logs", send],
        "select session_id, tls_error from sessions where tls_error is not null",
    );
    assert!(
        thumbprints
            .iter()
            .any(|row| row["tls_error"] == "UnknownCredentials"),
        "{thumbprints:?}"
    );

    let foreign = folder.join("not-send");
    let output = run(&["check", foreign.to_str().expect("a path in UTF-8")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("SMTP Receive Protocol Log"),
        "{}",
        text(&output.stderr)
    );
}
