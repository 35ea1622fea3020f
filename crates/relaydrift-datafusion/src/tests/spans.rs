//! Spans and changes against their slow, obvious twins, over random observations.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use datafusion::arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use datafusion::prelude::SessionContext;
use proptest::prelude::*;
use relaydrift_ingest::Table;

use crate::{Source, register_all, session_context};

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// One observation: server and value by number, times in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    server: u8,
    value: u8,
    first: i64,
    last: i64,
}

/// Several observations of a value in one hour of a server are one.
fn observations() -> impl Strategy<Value = Vec<Seen>> {
    let seen =
        (0..40u8, 0..4u8, 0..60i64, 0..60i64, 0..60i64).prop_map(|(server, value, hour, a, b)| {
            let minute = HOUR / 60;
            let first = hour * HOUR + a.min(b) * minute;
            Seen {
                server,
                value,
                first,
                last: hour * HOUR + a.max(b) * minute,
            }
        });
    proptest::collection::vec(seen, 400..800)
}

fn merged(seen: &[Seen]) -> Vec<Seen> {
    let mut hours: BTreeMap<(u8, u8, i64), Seen> = BTreeMap::new();
    for one in seen {
        let hour = hours
            .entry((one.server, one.value, one.first / HOUR))
            .or_insert(*one);
        hour.first = hour.first.min(one.first);
        hour.last = hour.last.max(one.last);
    }
    hours.into_values().collect()
}

fn batch(seen: &[Seen]) -> RecordBatch {
    let text = |of: &dyn Fn(&Seen) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(seen.iter().map(of)))
    };
    let time = |of: &dyn Fn(&Seen) -> i64| -> ArrayRef {
        let times = TimestampMicrosecondArray::from_iter_values(seen.iter().map(of));
        Arc::new(times.with_timezone("UTC"))
    };
    let schema = Table::Observations.schema();
    let columns = schema
        .fields()
        .iter()
        .map(|field| match field.name().as_str() {
            "organization" => text(&|_| "o".into()),
            "connector_id" => text(&|_| "c".into()),
            "server" => text(&|seen| format!("EX{:02}", seen.server)),
            "service" => text(&|_| "Hub".into()),
            "kind" => text(&|_| "certificate".into()),
            "value" => text(&|seen| seen.value.to_string()),
            "hour" => time(&|seen| seen.first / HOUR * HOUR),
            "first_seen" => time(&|seen| seen.first),
            "last_seen" => time(&|seen| seen.last),
            "sessions" => Arc::new(Int64Array::from(vec![1; seen.len()])),
            "refused" => Arc::new(Int64Array::from(vec![0; seen.len()])),
            _ => new_null_array(field.data_type(), seen.len()),
        });
    RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()
}

/// The definition, word by word: server, value, first and last time, sessions.
fn spans(seen: &[Seen]) -> Vec<(u8, u8, i64, i64, i64)> {
    let merged = merged(seen);
    let mut spans: Vec<(u8, u8, i64, i64, i64)> = Vec::new();
    for one in &merged {
        let sessions = seen
            .iter()
            .filter(|s| {
                (s.server, s.value, s.first / HOUR) == (one.server, one.value, one.first / HOUR)
            })
            .count() as i64;
        if let Some(span) = spans.last_mut()
            && (span.0, span.1) == (one.server, one.value)
        {
            let between = |at| span.3 < at && at < one.first;
            let other = merged.iter().any(|o| {
                o.server == one.server
                    && o.value != one.value
                    && (between(o.first) || between(o.last))
            });
            if !(other && one.first - span.3 > HOUR) {
                span.3 = one.last;
                span.4 += sessions;
                continue;
            }
        }
        spans.push((one.server, one.value, one.first, one.last, sessions));
    }
    spans.sort();
    spans
}

/// Server, before, after, first time, returned.
type Change = (u8, u8, u8, i64, bool);

fn changes(seen: &[Seen]) -> Vec<Change> {
    let spans = spans(seen);
    let mut changes = Vec::new();
    for server in 0..40 {
        let mut here: Vec<_> = spans.iter().filter(|span| span.0 == server).collect();
        here.sort_by_key(|span| (span.2, span.1));
        let Some(start) = here.first().map(|span| span.2) else {
            continue;
        };
        // When each value was in use during the first day.
        let extent = |value: u8| {
            let first_day = || here.iter().filter(|s| s.1 == value && s.2 < start + DAY);
            let from = first_day().map(|s| s.2).min()?;
            Some((from, first_day().map(|s| s.3.min(start + DAY)).max()?))
        };
        let in_set = |value: u8| {
            let Some((from, to)) = extent(value) else {
                return false;
            };
            (0..4)
                .filter(|other| *other != value)
                .filter_map(|other| Some((other, extent(other)?)))
                .any(|(other, (other_from, other_to))| {
                    if (other_from, other) < (from, value) {
                        other_to > from
                    } else {
                        other_from < to
                    }
                })
        };
        for (at, span) in here.iter().enumerate() {
            let Some(before) = here[..at].iter().rev().find(|other| other.1 != span.1) else {
                continue;
            };
            if !(in_set(before.1) && in_set(span.1)) {
                let returned = here[..at].iter().any(|other| other.1 == span.1);
                changes.push((server, before.1, span.1, span.2, returned));
            }
        }
    }
    changes.sort();
    changes
}

async fn context(seen: &[Seen]) -> SessionContext {
    // Cut in two, so that an hour may lie in both halves.
    let (one, other) = seen.split_at(seen.len() / 2);
    let tables = HashMap::from([(Table::Observations, vec![batch(one), batch(other)])]);
    let ctx = session_context(2);
    register_all(&ctx, Source::Batches(Arc::new(tables)))
        .await
        .unwrap();
    ctx
}

async fn ask(seen: &[Seen], sql: &str) -> RecordBatch {
    let frame = context(seen).await.sql(sql).await.unwrap();
    let batches = frame.collect().await.unwrap();
    datafusion::arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn number(array: &ArrayRef, at: usize) -> u8 {
    array
        .as_string::<i32>()
        .value(at)
        .trim_start_matches("EX")
        .parse()
        .unwrap()
}

fn time(array: &ArrayRef, at: usize) -> i64 {
    array.as_primitive::<TimestampMicrosecondType>().value(at)
}

#[tokio::test]
async fn an_answer_does_not_outlive_the_settings_it_was_made_with() {
    let seen = |value, hour| Seen {
        server: 1,
        value,
        first: hour * HOUR,
        last: hour * HOUR,
    };
    let ctx = context(&[(1, 0), (2, 30), (1, 34), (2, 38), (1, 42)].map(|(v, h)| seen(v, h))).await;
    let flapping = async || {
        let frame = ctx.sql("select change from episodes where flapping");
        frame.await.unwrap().count().await.unwrap()
    };
    let set = async |value: &str| {
        let sql = format!("set relaydrift.flapping_hours = {value}");
        ctx.sql(&sql).await.unwrap().collect().await.unwrap();
    };
    assert_eq!(flapping().await, 4);
    set("7").await;
    assert_eq!(flapping().await, 0);
    set("24").await;
    assert_eq!(flapping().await, 4);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn spans_equal_their_definition(seen in observations()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let sql = "select server, value, first_seen, last_seen, sessions from spans";
        let rows = runtime.block_on(ask(&seen, sql));
        let mut found: Vec<_> = (0..rows.num_rows())
            .map(|at| {
                let sessions = rows.column(4).as_primitive::<Int64Type>().value(at);
                let column = |n: usize| rows.column(n);
                (number(column(0), at), number(column(1), at), time(column(2), at), time(column(3), at), sessions)
            })
            .collect();
        found.sort();
        prop_assert_eq!(found, spans(&seen));
    }

    #[test]
    fn changes_equal_their_definition(seen in observations()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let sql = "select server, before['value'], span['value'], first_seen, returned from changes";
        let rows = runtime.block_on(ask(&seen, sql));
        let mut found: Vec<_> = (0..rows.num_rows())
            .map(|at| {
                let column = |n: usize| rows.column(n);
                let returned = column(4).as_boolean().value(at);
                (number(column(0), at), number(column(1), at), number(column(2), at), time(column(3), at), returned)
            })
            .collect();
        found.sort();
        prop_assert_eq!(found, changes(&seen));
    }
}
