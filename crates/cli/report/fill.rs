//! The records of the report, from the answer of `check` and what a picture needs beyond it.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use anyhow::Result;
use datafusion::prelude::SessionContext;
use relaydrift_export::report::Text;
use relaydrift_export::report::model::{
    Answer, Band, Cause, Certificate, Change, Connector, Coverage, Gap, Lane, Logged, Other,
    Refused, Report, Run, Span, Step, Tone, Verdict,
};

use super::ask::{self, Covered, Diagnosed, Facts, Hour, Seen, Sent, Shown, Unlogged};
use crate::check::report as found;
use crate::check::{changed, text};
use crate::output::{count, thousands};

/// A server without mail for that long is shown as a gap: nights are shorter.
const NIGHT: i64 = 12 * HOUR;
const HOUR: i64 = 3_600_000_000;

/// Organization, connector, server.
type Place = (String, String, String);

/// Everything asked, by place.
struct Asked {
    shown: HashMap<Place, Vec<Shown>>,
    hours: HashMap<Place, Vec<Hour>>,
    seen: HashMap<Place, Vec<Seen>>,
    unlogged: HashMap<(String, String), Vec<Unlogged>>,
    covered: Vec<Covered>,
    diagnosed: Vec<Diagnosed>,
    facts: Vec<Facts>,
    sent: HashMap<String, Vec<Sent>>,
}

/// The time that the report shows.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub from: i64,
    pub to: i64,
}

impl Window {
    fn holds(self, time: i64) -> bool {
        self.from <= time && time <= self.to
    }
}

/// Asks the rest and fills the report.
pub async fn fill(
    ctx: &SessionContext,
    found: &found::Report,
    window: Window,
    wanted: &super::Asked<'_>,
) -> Result<Report> {
    let place = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    let asked = Asked {
        shown: by(
            ask::SHOWN.ask(ctx).await?,
            |one: &Shown| place(&one.organization, &one.connector_id, &one.server),
            |one| (one.first_seen.0, one.value.clone()),
        ),
        hours: by(
            ask::HOURS.ask(ctx).await?,
            |one: &Hour| place(&one.organization, &one.connector_id, &one.server),
            |one| one.hour.0,
        ),
        seen: by(
            ask::SEEN.ask(ctx).await?,
            |one: &Seen| place(&one.organization, &one.connector_id, &one.server),
            |one| one.first_hour.0,
        ),
        unlogged: by(
            ask::UNLOGGED.ask(ctx).await?,
            |one: &Unlogged| (one.organization.clone(), one.server.clone()),
            |one| one.first_hour.0,
        ),
        covered: ask::COVERED.ask(ctx).await?,
        diagnosed: match wanted.causes {
            true => ask::DIAGNOSED.ask(ctx).await?,
            false => Vec::new(),
        },
        facts: ask::CERTIFICATES.ask(ctx).await?,
        sent: by(
            ask::EXPIRY.ask(ctx).await?,
            |one: &Sent| one.thumbprint.clone(),
            |one| one.server.clone(),
        ),
    };
    let several = found.extent.organizations > 1;
    Ok(Report {
        title: wanted.title.into(),
        verdict: verdict(&found.verdict),
        from: window.from,
        to: window.to,
        extent: extent(found).into(),
        connectors: found
            .connectors
            .iter()
            .map(|cloud| connector(&asked, cloud, window, several))
            .collect(),
        certificates: asked
            .facts
            .iter()
            .map(|one| certificate(one, &asked))
            .collect(),
        others: found.other_connectors.iter().map(other).collect(),
        coverage: coverage(&asked.covered),
        unread: unread(found),
    })
}

/// The rows of each place in order. (The engine loses an `order by` on an aggregate of an hour.)
fn by<K: Hash + Eq, T, O: Ord>(
    mut rows: Vec<T>,
    key: impl Fn(&T) -> K,
    order: impl Fn(&T) -> O,
) -> HashMap<K, Vec<T>> {
    rows.sort_by_cached_key(order);
    let mut groups: HashMap<K, Vec<T>> = HashMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups
}

fn verdict(verdict: &found::Verdict) -> Verdict {
    use found::State;
    Verdict {
        tone: match verdict.state {
            State::Breaking | State::Refused => Tone::Bad,
            State::Repaired | State::Changed | State::NoCloudConnector => Tone::Warn,
            State::NoDrift => Tone::Good,
        },
        text: verdict.text.as_str().into(),
    }
}

fn extent(found: &found::Report) -> String {
    let extent = &found.extent;
    let files = match extent.files {
        0 => String::new(),
        files => format!(" in {}", count(files as i64, "file")),
    };
    format!(
        "{} of {}{files}.",
        count(extent.rows.unwrap_or(0), "log row"),
        count(extent.servers, "server"),
    )
}

fn connector(asked: &Asked, cloud: &found::Cloud, window: Window, several: bool) -> Connector {
    let connector = &cloud.connector;
    let mut servers: Vec<&str> = asked
        .shown
        .keys()
        .chain(asked.hours.keys())
        .chain(asked.seen.keys())
        .filter(|place| place.0 == connector.organization && place.1 == connector.connector_id)
        .map(|place| place.2.as_str())
        .collect();
    servers.sort_unstable();
    servers.dedup();
    Connector {
        organization: match several {
            true => connector.organization.as_str().into(),
            false => Text::default(),
        },
        name: connector.connector_id.as_str().into(),
        role: format!("{}; {}", text::role(&connector.role), connector.evidence).into(),
        lanes: servers
            .into_iter()
            .map(|server| lane(asked, connector, server, window))
            .collect(),
        changes: cloud
            .changes
            .iter()
            .filter(|one| window.holds(one.found_at.0) || one.is_open())
            .map(change)
            .collect(),
        causes: asked
            .diagnosed
            .iter()
            .filter(|one| {
                one.organization == connector.organization
                    && one.connector_id == connector.connector_id
                    && one.first_refused.is_none_or(|at| window.holds(at.0))
            })
            .map(cause)
            .collect(),
        answers: cloud.refused.iter().map(answer).collect(),
        steps: cloud.next_steps.iter().map(step).collect(),
    }
}

fn lane(asked: &Asked, connector: &found::Connector, server: &str, window: Window) -> Lane {
    let organization = &connector.organization;
    let place = (
        organization.clone(),
        connector.connector_id.clone(),
        server.to_owned(),
    );
    let shown = asked
        .shown
        .get(&place)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let spans = |kind: &str| {
        let of_kind = shown.iter().filter(|one| one.kind == kind);
        let spans = of_kind.map(|one| Span {
            value: one.value.as_str().into(),
            from: one.first_seen.0,
            to: one.last_seen.0,
        });
        spans.collect()
    };
    let hours = asked
        .hours
        .get(&place)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let refused = hours.iter().map(|one| Refused {
        hour: one.hour.0,
        recipients: one.refused,
    });
    let seen = asked
        .seen
        .get(&place)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let seen: Vec<(i64, i64)> = seen
        .iter()
        .map(|one| (one.first_hour.0, one.last_hour.0))
        .collect();
    let unlogged = asked
        .unlogged
        .get(&(organization.clone(), server.to_owned()));
    let unlogged: Vec<(i64, i64)> = unlogged
        .into_iter()
        .flatten()
        .map(|one| (one.first_hour.0, one.last_hour.0))
        .collect();
    Lane {
        server: server.into(),
        certificates: spans("certificate"),
        addresses: spans("egress"),
        gaps: gaps(&seen, &unlogged, window),
        refused: refused.collect(),
    }
}

/// What lies between the times in which a connector was in use: parts without logs, and parts with.
fn gaps(seen: &[(i64, i64)], unlogged: &[(i64, i64)], window: Window) -> Vec<Gap> {
    let night = NIGHT.min((window.to - window.from) / 12);
    let mut gaps = Vec::new();
    let mut from = window.from;
    let end = (window.to, window.to);
    for &(start, next) in seen.iter().chain([&end]) {
        let to = start.min(window.to);
        if to - from > night {
            let mut at = from;
            for &(bare, until) in unlogged {
                let (bare, until) = (bare.clamp(at, to), until.clamp(at, to));
                if until - bare > night {
                    gaps.push((at, bare, true));
                    gaps.push((bare, until, false));
                    at = until;
                }
            }
            gaps.push((at, to, true));
        }
        from = from.max(next);
    }
    let gap = |(from, to, logged)| Gap { from, to, logged };
    gaps.into_iter()
        .filter(|(a, b, _)| a < b)
        .map(gap)
        .collect()
}

fn change(change: &found::Change) -> Change {
    Change {
        server: change.server.as_str().into(),
        at: change.first_seen.0,
        kind: change.kind.as_str().into(),
        class: change.class.as_str().into(),
        severity: change.severity.as_str().into(),
        breaking: change.breaking,
        open: change.is_open(),
        before: change.before.as_deref().unwrap_or_default().into(),
        after: change.after.as_str().into(),
        detail: match changed::planned(change) {
            Some(planned) => format!("{planned}; {}", changed::difference(change)).into(),
            None => changed::difference(change).into(),
        },
        effect: changed::effect(change).unwrap_or_default().into(),
        refused: change.refused_after,
        place: text::place(change.path.as_deref(), change.line)
            .unwrap_or_default()
            .into(),
    }
}

fn cause(one: &Diagnosed) -> Cause {
    let text = |value: &Option<String>| Text::from(value.as_deref().unwrap_or_default());
    Cause {
        server: one.server.as_str().into(),
        cause: text(&one.title),
        confidence: text(&one.confidence),
        state: text(&one.state),
        explanation: text(&one.explanation),
        fix: one
            .fix
            .iter()
            .flat_map(|fix| fix.lines())
            .map(Text::from)
            .collect(),
    }
}

fn answer(refused: &found::Refused) -> Answer {
    Answer {
        server: refused.server.as_str().into(),
        reply: text::reply(refused).into(),
        recipients: refused.refused,
        messages: refused.transactions,
        first: refused.first_refused.0,
        last: refused.last_refused.0,
        place: text::place(refused.first_path.as_deref(), refused.first_line)
            .unwrap_or_default()
            .into(),
    }
}

fn step(step: &found::Step) -> Step {
    Step {
        text: step.text.as_str().into(),
        command: step.command.as_deref().unwrap_or_default().into(),
    }
}

fn certificate(facts: &Facts, asked: &Asked) -> Certificate {
    let text = |value: &Option<String>| Text::from(value.as_deref().unwrap_or_default());
    let sent = asked.sent.get(&facts.thumbprint).map(Vec::as_slice);
    let sent = sent.unwrap_or_default();
    let mut servers: Vec<Text> = sent.iter().map(|one| one.server.as_str().into()).collect();
    servers.dedup();
    let bands = sent.iter().map(|one| match one.band.as_deref() {
        Some("expired") => Band::Expired,
        Some("last") => Band::Last,
        Some("second") => Band::Second,
        Some("first") => Band::First,
        _ => Band::Far,
    });
    let names = facts.names.iter().flatten();
    Certificate {
        thumbprint: facts.thumbprint.as_str().into(),
        subject: text(&facts.subject),
        issuer: text(&facts.issuer),
        serial: text(&facts.serial),
        not_before: facts.not_before.map(|time| time.0),
        not_after: facts.not_after.map(|time| time.0),
        names: names.map(|name| name.as_str().into()).collect(),
        servers,
        band: bands.max().unwrap_or_default(),
    }
}

fn other(connector: &found::Connector) -> Other {
    Other {
        name: connector.connector_id.as_str().into(),
        role: connector.role.as_str().into(),
        evidence: connector.evidence.as_str().into(),
        servers: connector.servers,
    }
}

fn coverage(covered: &[Covered]) -> Vec<Coverage> {
    let mut places: BTreeMap<(&str, &str, &str), Vec<Run>> = BTreeMap::new();
    for one in covered {
        let place = (
            one.organization.as_str(),
            one.server.as_str(),
            one.service.as_str(),
        );
        places.entry(place).or_default().push(Run {
            from: one.first_hour.0,
            to: one.last_hour.0,
            state: match one.state.as_str() {
                "logs" => Logged::Rows,
                "quiet" => Logged::Quiet,
                _ => Logged::Nothing,
            },
        });
    }
    let coverage = places.into_iter().map(|((_, server, service), mut runs)| {
        runs.sort_by_key(|run| run.from);
        Coverage {
            server: server.into(),
            service: service.into(),
            runs,
        }
    });
    coverage.collect()
}

fn unread(found: &found::Report) -> Vec<Text> {
    let rejects = found.rejects.iter().map(|one| {
        let first = text::place(one.path.as_deref(), one.line).unwrap_or_default();
        let lines = count(one.lines, "line");
        format!("{lines} unreadable: {} (first {first})", one.reason)
    });
    let skipped = found.skipped.iter().map(|one| {
        let what = if one.error { "cannot read" } else { "left out" };
        format!("{what} {}: {}", one.path, one.reason)
    });
    let pending = (found.pending_bytes > 0).then(|| {
        let bytes = thousands(found.pending_bytes as i64);
        format!("{bytes} bytes of last lines without a line end")
    });
    rejects
        .chain(skipped)
        .chain(pending)
        .chain(found.notices.iter().cloned())
        .map(Text::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window {
        from: 0,
        to: 240 * HOUR,
    };

    fn shown(seen: &[(i64, i64)], unlogged: &[(i64, i64)]) -> Vec<(i64, i64, bool)> {
        let hours = |times: &[(i64, i64)]| -> Vec<(i64, i64)> {
            times.iter().map(|(a, b)| (a * HOUR, b * HOUR)).collect()
        };
        let gaps = gaps(&hours(seen), &hours(unlogged), WINDOW);
        let gaps = gaps
            .iter()
            .map(|gap| (gap.from / HOUR, gap.to / HOUR, gap.logged));
        gaps.collect()
    }

    #[test]
    fn nights_are_no_gaps_and_days_are() {
        assert_eq!(shown(&[(0, 20), (30, 240)], &[(20, 30)]), []);
        assert_eq!(shown(&[(0, 20), (60, 240)], &[]), [(20, 60, true)]);
        assert_eq!(
            shown(&[(0, 20), (60, 240)], &[(30, 60)]),
            [(20, 30, true), (30, 60, false)]
        );
        assert_eq!(shown(&[], &[(0, 240)]), [(0, 240, false)]);
        // The last hour ends after the last row; logs go on after what is asked for.
        assert_eq!(shown(&[(0, 241), (300, 400)], &[(235, 260)]), []);
        assert_eq!(shown(&[(40, 100)], &[]), [(0, 40, true), (100, 240, true)]);
    }
}
