//! Raw logs as tables.

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::Result;
use datafusion::prelude::SessionContext;
use relaydrift_ingest::{Naming, find};

use crate::{LogTables, Need, Source, register_all, session_context};

const HEADER: &str = "#Software: Microsoft Exchange Server\r\n#Version: 15.0.0.0\r\n\
    #Log-type: SMTP Send Protocol Log\r\n#Date: 2026-01-01T08:00:00.000Z\r\n\
    #Fields: date-time,connector-id,session-id,sequence-number,local-endpoint,remote-endpoint,event,data,context\r\n";

/// One session toward Exchange Online on `server`, its recipient refused or not.
fn session(hour: u32, id: u32, thumbprint: char, refused: bool) -> String {
    let thumbprint = thumbprint.to_string().repeat(40);
    let sent = format!(
        " CN=mail.contoso.com CN=R3 00AA {thumbprint} 2025-12-01T00:00:00.000Z 2026-12-01T00:00:00.000Z mail.contoso.com"
    );
    let label = "Sending certificate Subject Issuer name Serial number Thumbprint Not before Not after Subject alternate names";
    let answer = if refused {
        "550 5.7.64 TenantAttribution; Relay Access Denied [SMTP]"
    } else {
        "250 2.1.5 Recipient OK"
    };
    let hello = "250-AM1.mail.protection.outlook.com Hello [203.0.113.1]";
    let tls = "\"TLS protocol SP_PROT_TLS1_2_CLIENT negotiation succeeded using bulk encryption algorithm CALG_AES_256 with strength 256 bits, MAC hash algorithm CALG_SHA_384 with strength 0 bits and key exchange algorithm CALG_ECDH_EPHEM with strength 384 bits\"";
    let banner = "220 AM1.mail.protection.outlook.com Microsoft ESMTP MAIL Service ready";
    let rows = [
        ("+", "", ""),
        ("<", banner, ""),
        (">", "EHLO mail.contoso.com", ""),
        ("<", hello, ""),
        ("<", "250 STARTTLS", ""),
        (">", "STARTTLS", ""),
        ("<", "220 2.0.0 SMTP server ready", ""),
        ("*", &sent, label),
        ("*", "", tls),
        (">", "EHLO mail.contoso.com", ""),
        ("<", hello, ""),
        ("<", "250 OK", ""),
        (
            "*",
            "8;2026-01-01T08:00:00.000Z;1",
            "sending message with RecordId 1 and InternetMessageId <1@contoso.com>",
        ),
        (">", "MAIL FROM:<a@contoso.com> SIZE=10", ""),
        (">", "RCPT TO:<b@far.example>", ""),
        ("<", "250 2.1.0 Sender OK", ""),
        ("<", answer, ""),
        (">", "QUIT", ""),
        ("<", "221 2.0.0 bye", ""),
        ("-", "", "Local"),
    ];
    let row = |(sequence, (event, data, context)): (usize, &(&str, &str, &str))| {
        format!(
            "2026-01-01T{hour:02}:00:{sequence:02}.000Z,Outbound to Office 365,08DE{id:012X},{sequence},10.0.0.5:1234,52.101.1.1:25,{event},{data},{context}\r\n"
        )
    };
    rows.iter().enumerate().map(row).collect()
}

fn logs(folder: &tempfile::TempDir) -> PathBuf {
    for (server, second) in [("EX1", 'B'), ("EX2", 'A')] {
        let path = folder.path().join(server).join("SmtpSend");
        std::fs::create_dir_all(&path).unwrap();
        let early = session(8, 1, 'A', false) + &session(9, 2, 'A', false);
        let late = session(11, 3, second, second == 'B') + &session(12, 4, second, second == 'B');
        std::fs::write(
            path.join("SEND2026010108-1.LOG"),
            HEADER.to_string() + &early,
        )
        .unwrap();
        std::fs::write(
            path.join("SEND2026010111-1.LOG"),
            HEADER.to_string() + &late,
        )
        .unwrap();
    }
    folder.path().to_path_buf()
}

async fn number(ctx: &SessionContext, sql: &str) -> Result<i64> {
    let batches = ctx.sql(sql).await?.collect().await?;
    let rows = batches.iter().find(|batch| batch.num_rows() > 0).unwrap();
    Ok(rows.column(0).as_primitive::<Int64Type>().value(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_to_raw_logs() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = logs(&folder);
    let plan = find(&[path], &Naming::default()).unwrap();
    assert_eq!(plan.sources.len(), 4);
    let tables = Arc::new(LogTables::new(plan, Naming::default(), Need::Full));
    let ctx = session_context(2);
    register_all(&ctx, Source::Logs(tables.clone())).await?;

    assert_eq!(number(&ctx, "select count(*) from events").await?, 160);
    assert!(tables.summary().is_none(), "events need no pass");
    assert_eq!(
        number(
            &ctx,
            "select count(distinct session_id) from events where event = '+'"
        )
        .await?,
        4
    );
    assert_eq!(
        number(&ctx, "select max(sequence) + 1 from events").await?,
        20
    );

    assert_eq!(
        number(&ctx, "select count(*) from certificate_spans").await?,
        3
    );
    assert_eq!(tables.summary().map(|summary| summary.rows), Some(160));
    assert_eq!(
        number(&ctx, "select sum(refused) from certificate_spans").await?,
        2
    );
    assert_eq!(
        number(
            &ctx,
            "select count(*) from refusals where enhanced = '5.7.64'"
        )
        .await?,
        2
    );
    assert_eq!(number(&ctx, "select count(*) from sessions").await?, 8);
    assert_eq!(number(&ctx, "select count(*) from transactions").await?, 8);
    assert_eq!(number(&ctx, "select count(*) from sources").await?, 4);
    assert_eq!(number(&ctx, "select count(*) from egress_spans").await?, 2);
    let drift = "select count(*) from drift where class = 'renewed' and breaking and server = 'EX1' \
        and severity = 'high' and last_good is not null";
    assert_eq!(number(&ctx, drift).await?, 1);
    assert_eq!(number(&ctx, "select count(*) from drift").await?, 1);
    assert_eq!(
        number(
            &ctx,
            "select count(*) from coverage where state = 'no logs'"
        )
        .await?,
        2
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_keeps_only_what_was_refused() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let plan = find(&[logs(&folder)], &Naming::default()).unwrap();
    let tables = Arc::new(LogTables::new(plan, Naming::default(), Need::Drift));
    assert_eq!(tables.read(&|_| ()).unwrap().sessions, 8);
    let ctx = session_context(2);
    register_all(&ctx, Source::Logs(tables)).await?;
    assert_eq!(number(&ctx, "select count(*) from transactions").await?, 2);
    assert_eq!(number(&ctx, "select count(*) from sessions").await?, 0);
    assert_eq!(number(&ctx, "select count(*) from drift").await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn send_log_reads_without_a_source() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = logs(&folder).display().to_string();
    let ctx = session_context(2);
    register_all(&ctx, Source::None).await?;
    let ask = |what: &str, tail: &str| format!("select {what} from send_log('{path}{tail}')");
    assert_eq!(number(&ctx, &ask("count(*)", "")).await?, 160);
    assert_eq!(
        number(&ctx, &ask("count(event)", "/EX1/SmtpSend/*11-1.LOG")).await?,
        40
    );
    let one = format!(
        "select sequence from send_log('{path}') where server = 'EX2' and event = '-' limit 1"
    );
    assert_eq!(number(&ctx, &one).await?, 19);
    for wrong in ["send_log()", "send_log(1)", "send_log('/nowhere/at/all')"] {
        assert!(
            ctx.sql(&format!("select line from {wrong}")).await.is_err(),
            "{wrong}"
        );
    }
    Ok(())
}
