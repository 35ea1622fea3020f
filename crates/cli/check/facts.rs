//! The report as rows, one fact each, for NDJSON and CSV.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};

use super::ask::Time;
use super::report::Report;

/// One fact; what does not apply to its kind stays empty.
#[derive(Debug, Default, Clone)]
struct Fact {
    fact: &'static str,
    organization: Option<String>,
    connector_id: Option<String>,
    role: Option<String>,
    server: Option<String>,
    kind: Option<String>,
    class: Option<String>,
    severity: Option<String>,
    breaking: Option<bool>,
    before: Option<String>,
    value: Option<String>,
    subject: Option<String>,
    not_after: Option<Time>,
    first_seen: Option<Time>,
    last_seen: Option<Time>,
    last_good: Option<Time>,
    refused: Option<i64>,
    count: Option<i64>,
    text: Option<String>,
    planned_change_id: Option<String>,
    path: Option<String>,
    line: Option<i64>,
}

/// The verdict first, then connectors with what they present, what changed, what was refused and
/// what to do, then the diagnosis (`kind` is the cause, `value` the commands), gaps, rejects and files left out.
/// `count` counts sessions, transactions, messages, hours or lines.
pub fn rows(report: &Report) -> Result<RecordBatch> {
    let mut facts = vec![Fact {
        fact: "verdict",
        class: serde_json::to_value(report.verdict.state)?
            .as_str()
            .map(str::to_string),
        breaking: Some(report.verdict.breaking > 0),
        first_seen: report.extent.first_row,
        last_seen: report.extent.last_row,
        count: report.extent.rows,
        text: Some(report.verdict.text.clone()),
        ..Fact::default()
    }];
    let clouds = report
        .connectors
        .iter()
        .map(|cloud| (&cloud.connector, Some(cloud)));
    for (connector, cloud) in clouds.chain(report.other_connectors.iter().map(|c| (c, None))) {
        let base = Fact {
            organization: Some(connector.organization.clone()),
            connector_id: Some(connector.connector_id.clone()),
            role: Some(connector.role.clone()),
            ..Fact::default()
        };
        facts.push(Fact {
            fact: "connector",
            first_seen: connector.first_seen,
            last_seen: connector.last_seen,
            count: Some(connector.sessions),
            text: Some(connector.evidence.clone()),
            ..base.clone()
        });
        let Some(cloud) = cloud else { continue };
        facts.extend(cloud.presented.iter().map(|shown| Fact {
            fact: "presented",
            server: Some(shown.server.clone()),
            kind: Some(shown.kind.clone()),
            value: Some(shown.value.clone()),
            subject: shown.subject.clone(),
            not_after: shown.not_after,
            first_seen: Some(shown.first_seen),
            last_seen: Some(shown.last_seen),
            refused: Some(shown.refused),
            count: Some(shown.sessions),
            path: shown.path.clone(),
            line: shown.line,
            ..base.clone()
        }));
        facts.extend(cloud.changes.iter().map(|change| Fact {
            fact: "change",
            server: Some(change.server.clone()),
            kind: Some(change.kind.clone()),
            class: Some(change.class.clone()),
            severity: Some(change.severity.clone()),
            breaking: Some(change.breaking),
            before: change.before.clone(),
            value: Some(change.after.clone()),
            subject: change.after_subject.clone(),
            first_seen: Some(change.first_seen),
            last_seen: change.last_seen,
            last_good: change.last_good,
            refused: Some(change.refused_after),
            text: Some(change.detail.clone()),
            planned_change_id: change.planned_change_id.clone(),
            path: change.path.clone(),
            line: change.line,
            ..base.clone()
        }));
        facts.extend(cloud.refused.iter().map(|answer| Fact {
            fact: "refused",
            server: Some(answer.server.clone()),
            kind: answer.enhanced.clone(),
            class: answer.attr.clone(),
            first_seen: Some(answer.first_refused),
            last_seen: Some(answer.last_refused),
            refused: Some(answer.refused),
            count: Some(answer.transactions),
            text: answer.text.clone(),
            path: answer.first_path.clone(),
            line: answer.first_line,
            ..base.clone()
        }));
        facts.extend(cloud.next_steps.iter().map(|step| Fact {
            fact: "next_step",
            value: step.command.clone(),
            text: Some(step.text.clone()),
            ..base.clone()
        }));
    }
    facts.extend(report.diagnosis.iter().flatten().map(|row| Fact {
        fact: "diagnosis",
        organization: Some(row.organization.clone()),
        connector_id: Some(row.connector_id.clone()),
        role: row.role.clone(),
        server: Some(row.server.clone()),
        kind: Some(row.cause.clone()),
        class: Some(row.state.as_str().to_owned()),
        severity: Some(row.severity.clone()),
        value: Some(row.fix.clone()),
        first_seen: Some(row.first_refused),
        last_seen: Some(row.last_refused),
        last_good: row.last_good,
        refused: Some(row.refused),
        count: Some(row.messages),
        text: Some(row.explanation.clone()),
        planned_change_id: row.planned_change_id.clone(),
        path: row.path.clone(),
        line: row.line,
        ..Fact::default()
    }));
    facts.extend(report.gaps.iter().map(|gap| Fact {
        fact: "no_logs",
        organization: Some(gap.organization.clone()),
        server: Some(gap.server.clone()),
        kind: Some(gap.service.clone()),
        first_seen: Some(gap.first_hour),
        last_seen: Some(gap.last_hour),
        count: Some(gap.hours),
        ..Fact::default()
    }));
    facts.extend(report.rejects.iter().map(|rejects| Fact {
        fact: "unreadable",
        class: Some(rejects.reason.clone()),
        count: Some(rejects.lines),
        path: rejects.path.clone(),
        line: rejects.line,
        ..Fact::default()
    }));
    facts.extend(report.skipped.iter().map(|file| Fact {
        fact: if file.error {
            "cannot_read"
        } else {
            "left_out"
        },
        text: Some(file.reason.clone()),
        path: Some(file.path.clone()),
        ..Fact::default()
    }));
    batch(&facts)
}

fn batch(facts: &[Fact]) -> Result<RecordBatch> {
    let text = |of: fn(&Fact) -> Option<&String>| -> ArrayRef {
        Arc::new(facts.iter().map(of).collect::<StringArray>())
    };
    let time = |of: fn(&Fact) -> Option<Time>| -> ArrayRef {
        let times = facts.iter().map(|fact| of(fact).map(|time| time.0));
        Arc::new(
            times
                .collect::<TimestampMicrosecondArray>()
                .with_timezone("UTC"),
        )
    };
    let number = |of: fn(&Fact) -> Option<i64>| -> ArrayRef {
        Arc::new(facts.iter().map(of).collect::<Int64Array>())
    };
    let kinds: StringArray = facts.iter().map(|fact| Some(fact.fact)).collect();
    let breaking: BooleanArray = facts.iter().map(|fact| fact.breaking).collect();
    let columns: [(&str, ArrayRef); 22] = [
        ("fact", Arc::new(kinds)),
        ("organization", text(|fact| fact.organization.as_ref())),
        ("connector_id", text(|fact| fact.connector_id.as_ref())),
        ("role", text(|fact| fact.role.as_ref())),
        ("server", text(|fact| fact.server.as_ref())),
        ("kind", text(|fact| fact.kind.as_ref())),
        ("class", text(|fact| fact.class.as_ref())),
        ("severity", text(|fact| fact.severity.as_ref())),
        ("breaking", Arc::new(breaking)),
        ("before", text(|fact| fact.before.as_ref())),
        ("value", text(|fact| fact.value.as_ref())),
        ("subject", text(|fact| fact.subject.as_ref())),
        ("not_after", time(|fact| fact.not_after)),
        ("first_seen", time(|fact| fact.first_seen)),
        ("last_seen", time(|fact| fact.last_seen)),
        ("last_good", time(|fact| fact.last_good)),
        ("refused", number(|fact| fact.refused)),
        ("count", number(|fact| fact.count)),
        ("text", text(|fact| fact.text.as_ref())),
        ("path", text(|fact| fact.path.as_ref())),
        ("line", number(|fact| fact.line)),
        (
            "planned_change_id",
            text(|fact| fact.planned_change_id.as_ref()),
        ),
    ];
    Ok(RecordBatch::try_from_iter_with_nullable(
        columns.map(|(name, array)| (name, array, true)),
    )?)
}
