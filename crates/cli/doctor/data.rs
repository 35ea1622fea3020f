//! The state of the logs as rows, one fact each: places, then problems.

use anyhow::Result;

use super::Report;
use crate::ask::Time;
use crate::facts::Facts;
use crate::output::Output;

/// One fact; what does not apply to its kind stays empty.
#[derive(Default)]
struct Fact {
    fact: &'static str,
    weight: Option<&'static str>,
    kind: Option<&'static str>,
    organization: Option<String>,
    server: Option<String>,
    service: Option<String>,
    first_row: Option<Time>,
    last_row: Option<Time>,
    hours: Option<i64>,
    rows: Option<i64>,
    files: Option<i64>,
    bytes: Option<i64>,
    age_hours: Option<i64>,
    kept_hours: Option<i64>,
    path: Option<String>,
    text: Option<String>,
    steps: Vec<String>,
}

/// Writes every fact.
pub fn write(report: &Report, output: &Output) -> Result<()> {
    let places = report.examined.places.iter().map(|place| Fact {
        fact: "place",
        organization: Some(place.organization.clone()),
        server: Some(place.server.clone()),
        service: Some(place.service.clone()),
        first_row: place.first_row,
        last_row: place.last_row,
        hours: Some(place.hours),
        rows: Some(place.rows),
        files: Some(place.files),
        bytes: Some(place.bytes),
        age_hours: place
            .last_row
            .map(|last| (report.now.0 - last.0) / 3_600_000_000),
        kept_hours: place.kept_hours(),
        path: place.path.clone(),
        ..Fact::default()
    });
    let problems = report.problems.iter().map(|problem| Fact {
        fact: "problem",
        weight: Some(problem.weight.as_str()),
        kind: Some(problem.kind),
        organization: problem.organization.clone(),
        server: problem.server.clone(),
        service: problem.service.clone(),
        text: Some(problem.text.clone()),
        steps: problem.steps.clone(),
        ..Fact::default()
    });
    let facts: Vec<Fact> = places.chain(problems).collect();
    Facts::of(&facts)
        .text("fact", |fact| Some(fact.fact))
        .text("weight", |fact| fact.weight)
        .text("kind", |fact| fact.kind)
        .text("organization", |fact| fact.organization.as_ref())
        .text("server", |fact| fact.server.as_ref())
        .text("service", |fact| fact.service.as_ref())
        .time("first_row", |fact| fact.first_row)
        .time("last_row", |fact| fact.last_row)
        .int("hours", |fact| fact.hours)
        .int("rows", |fact| fact.rows)
        .int("files", |fact| fact.files)
        .int("bytes", |fact| fact.bytes)
        .int("age_hours", |fact| fact.age_hours)
        .int("kept_hours", |fact| fact.kept_hours)
        .text("path", |fact| fact.path.as_ref())
        .text("text", |fact| fact.text.as_ref())
        .texts("steps", |fact| &fact.steps)
        .write(output)
}
