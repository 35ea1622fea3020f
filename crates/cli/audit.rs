//! `relaydrift audit`: holes and repeats in the numbers of sessions' rows, and what explains them.

use anyhow::Result;
use datafusion::prelude::{DataFrame, col};
use relaydrift_datafusion::Need;
use serde::Deserialize;

use crate::args::{AuditArgs, Global};
use crate::ask::{Time, questions, records};
use crate::escape::visible;
use crate::output::{count, thousands};
use crate::page::{Page, Tone};
use crate::{Exit, source};

questions!("audit": SESSIONS "sessions", SUMMARY "summary");

/// Holes that a page lists; the other formats list all.
const LISTED: usize = 200;

/// Holes of one kind and explanation.
#[derive(Deserialize)]
struct Sum {
    kind: String,
    explanation: Option<String>,
    holes: i64,
    rows: Option<i64>,
    sessions: i64,
    servers: i64,
}

#[derive(Deserialize)]
struct Sessions {
    sessions: i64,
    rows: i64,
}

/// A row of the view `audit`.
#[derive(Deserialize)]
struct Hole {
    server: String,
    session_id: String,
    kind: String,
    first_sequence: i64,
    last_sequence: Option<i64>,
    explanation: Option<String>,
    before_path: Option<String>,
    before_line: Option<i64>,
    before_time: Option<Time>,
    after_path: Option<String>,
    after_line: Option<i64>,
    after_time: Option<Time>,
}

/// Sums first, then what nothing explains, then the rest.
pub async fn run(args: AuditArgs, global: &Global) -> Result<Exit> {
    let naming = source::naming(&args.naming, None)?;
    let opened = source::open(&args.place, naming, Need::Full, global).await?;
    opened.read(global.quiet).await?;
    let mut holes = opened.ctx.table("audit").await?;
    if args.unexplained {
        holes = holes.filter(col("explanation").is_null())?;
    }
    let unexplained_first = col("explanation").is_not_null().sort(true, true);
    let by_place = [
        "organization",
        "server",
        "service",
        "session_id",
        "first_sequence",
        "kind",
    ];
    let order = by_place.map(|name| col(name).sort(true, false));
    let holes = holes.sort([vec![unexplained_first], order.into()].concat())?;
    if global.output.format.is_page() {
        let sums = SUMMARY.ask(&opened.ctx).await?;
        let all = SESSIONS.ask(&opened.ctx).await?.pop();
        let mut page = Page::of(&global.output);
        verdict(&mut page, &sums, all);
        list(&mut page, holes).await?;
        page.write(&global.output)?;
    } else {
        global.output.stream(holes.execute_stream().await?).await?;
    }
    Ok(match opened.warn() {
        true => Exit::Unreadable,
        false => Exit::Clean,
    })
}

/// How many there are of what, and what explains them.
fn verdict(page: &mut Page, sums: &[Sum], all: Option<Sessions>) {
    let holes = |known: bool| {
        let sums = sums.iter().filter(|sum| sum.explanation.is_some() == known);
        sums.map(|sum| sum.holes).sum::<i64>()
    };
    let looked_at = all.map_or_else(String::new, |all| {
        format!(
            " in {} of {}",
            count(all.rows, "row"),
            count(all.sessions, "session")
        )
    });
    let (word, tone, text) = match (holes(false), holes(true)) {
        (0, 0) => (
            "WHOLE",
            Tone::Good,
            "no row is missing or there twice".to_owned(),
        ),
        (0, known) => {
            let text = format!("holes and repeats: {}, each explained", thousands(known));
            ("EXPLAINED", Tone::Good, text)
        }
        (unknown, known) => (
            "UNEXPLAINED",
            Tone::Warn,
            format!(
                "{} of {} holes and repeats that nothing explains",
                thousands(unknown),
                thousands(unknown + known)
            ),
        ),
    };
    let word = page.tone(tone, &format!("{word}:"));
    page.wrapped(0, 0, &format!("{word} {text}{looked_at}"));
    if sums.is_empty() {
        return;
    }
    page.gap();
    let head = [
        "KIND",
        "EXPLANATION",
        "HOLES",
        "ROWS",
        "SESSIONS",
        "SERVERS",
        "MEANING",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for sum in sums {
        rows.push(vec![
            sum.kind.clone(),
            sum.explanation.clone().unwrap_or_else(|| "none".to_owned()),
            thousands(sum.holes),
            sum.rows.map_or("?".to_owned(), thousands),
            thousands(sum.sessions),
            thousands(sum.servers),
            meaning(sum.explanation.as_deref()).to_owned(),
        ]);
    }
    page.columns(2, &rows);
}

/// An explanation in words for a person, or what to do where there is none.
fn meaning(explanation: Option<&str>) -> &'static str {
    match explanation {
        Some("open") => "the session may go on: take in what comes",
        Some("unreadable_line") => "a line there cannot be read: see the table rejects",
        Some("restart") => "the service began anew: what it had not written is lost",
        Some("logs_begin") => "older logs were deleted or not brought",
        Some("logs_end") => "later logs were not brought",
        Some("log_missing") => "a log between was deleted or not brought",
        Some("log_deleted") => "the log was deleted before it was read to its end: look more often",
        Some("read_again") => "the log was written anew from its start",
        Some("copy") => "two logs hold the same rows",
        _ => "look at the event log of the server: full disk, log folder locked?",
    }
}

async fn list(page: &mut Page, holes: DataFrame) -> Result<()> {
    let all = holes.clone().count().await?;
    let shown: Vec<Hole> = records(holes.limit(0, Some(LISTED))?).await?;
    if shown.is_empty() {
        return Ok(());
    }
    page.gap();
    let head = [
        "SERVER",
        "SESSION",
        "KIND",
        "NUMBERS",
        "EXPLANATION",
        "BETWEEN",
        "AND",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for hole in shown {
        let numbers = match hole.last_sequence {
            Some(last) if last == hole.first_sequence => last.to_string(),
            Some(last) => format!("{} to {last}", hole.first_sequence),
            None => format!("from {}", hole.first_sequence),
        };
        rows.push(vec![
            visible(&hole.server).into_owned(),
            visible(&hole.session_id).into_owned(),
            hole.kind,
            numbers,
            hole.explanation.unwrap_or_else(|| "none".to_owned()),
            place(hole.before_time, hole.before_path, hole.before_line),
            place(hole.after_time, hole.after_path, hole.after_line),
        ]);
    }
    page.columns(2, &rows);
    if all > LISTED {
        let left_out = thousands((all - LISTED) as i64);
        page.line(2, &format!("{left_out} more: --format csv lists all"));
    }
    Ok(())
}

/// `2026-10-05 10:02:11.123 /logs/EX01/SEND2026100510-1.LOG:12`
fn place(time: Option<Time>, path: Option<String>, line: Option<i64>) -> String {
    match (time, path, line) {
        (Some(time), Some(path), Some(line)) => {
            format!("{} {}:{line}", time.milli(), visible(&path))
        }
        _ => "-".to_owned(),
    }
}
