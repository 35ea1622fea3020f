//! The review for eyes: a block per connector, what stands out first.

use super::Chosen;
use super::counted::{Connector, Counted, Example, Gap, Group};
use super::judged::Silence;
use crate::ask::Time;
use crate::escape::visible;
use crate::output::{count, shorten, thousands};
use crate::page::{Page, Tone};
use crate::show::show_command;
use crate::transcript::{lasting, place_name};

/// Rows of each list.
const LISTED: usize = 8;

/// A reply that 5 of 100 wait longer for is marked, in milliseconds.
const SLOW: u64 = 5_000;

/// Writes it.
pub fn write(page: &mut Page, counted: &Counted, chosen: &Chosen, again: Option<&str>) {
    if counted.connectors.is_empty() {
        page.line(0, "no session in that time");
        return;
    }
    for (number, connector) in counted.connectors.values().enumerate() {
        if number > 0 {
            page.gap();
        }
        block(page, connector, chosen, again);
    }
    if counted.forgotten() > 0 {
        page.gap();
        let forgotten = thousands(i64::try_from(counted.forgotten()).unwrap_or(i64::MAX));
        page.wrapped(0, 2, &format!("{forgotten} failures more than could be followed: their retries are not counted; ask for a shorter time"));
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn block(page: &mut Page, connector: &Connector, chosen: &Chosen, again: Option<&str>) {
    let organization = match connector.organization.as_str() {
        "default" => String::new(),
        name => format!(" of {}", visible(name)),
    };
    page.heading(0, &format!("'{}'{organization}", visible(&connector.name)));
    let servers: Vec<&str> = connector.servers.iter().map(String::as_str).collect();
    let mut text = format!(
        "{} on {}, {} to {} UTC; {}, {} of {} taken",
        count(number(connector.sessions), "session"),
        visible(&servers.join(", ")),
        Time(connector.first).minute(),
        Time(connector.last).minute(),
        count(number(connector.messages), "message"),
        thousands(number(connector.delivered)),
        count(number(connector.recipients), "recipient"),
    );
    for (sessions, what) in [
        (connector.not_connected, "got no connection"),
        (connector.cut, "are not complete in these logs"),
        (
            connector.proxied,
            "are a front end's half (their mail stands in the hub's)",
        ),
    ] {
        if sessions > 0 {
            text += &format!("; {} {what}", thousands(number(sessions)));
        }
    }
    page.wrapped(2, 2, &text);
    unused(page, connector, again);
    silences(page, connector, chosen, again);
    slow(page, connector, again);
    retried(page, connector, again);
    failures(page, connector, again);
}

/// How an example is shown again.
fn command(page: &mut Page, indent: usize, example: &Example, again: Option<&str>) {
    let id = &example.session_id;
    if let Some(command) = show_command(id, &example.server, &example.service, again) {
        page.line(indent, &visible(&command));
    }
}

fn at(example: &Example) -> String {
    let path = example.path.as_deref().unwrap_or("?");
    format!(
        "{} UTC  {}  {}:{}",
        Time(example.time).second(),
        visible(&place_name(&example.server, &example.service)),
        visible(path),
        example.line
    )
}

/// Groups, the most frequent first.
fn most<K>(groups: &std::collections::BTreeMap<K, Group>) -> Vec<(&K, &Group)> {
    let mut groups: Vec<(&K, &Group)> = groups.iter().collect();
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.count));
    groups
}

fn more(page: &mut Page, all: usize, what: &str) {
    if all > LISTED {
        page.line(
            4,
            &format!("... and {}", count((all - LISTED) as i64, what)),
        );
    }
}

fn unused(page: &mut Page, connector: &Connector, again: Option<&str>) {
    let all: u64 = connector.unused.values().map(|group| group.count).sum();
    if all == 0 {
        return;
    }
    page.heading(
        2,
        &format!("Opened and never used: {}", count(number(all), "session")),
    );
    let groups = most(&connector.unused);
    for (why, group) in groups.iter().take(LISTED) {
        page.wrapped(
            4,
            2,
            &format!("{} x {}", thousands(number(group.count)), visible(why)),
        );
        span(page, group);
        command(page, 6, &group.last, again);
    }
    more(page, groups.len(), "other reason");
}

fn span(page: &mut Page, group: &Group) {
    if group.count > 1 {
        page.line(6, &format!("first {}", at(&group.first)));
    }
    page.line(6, &format!("last  {}", at(&group.last)));
}

fn silences(page: &mut Page, connector: &Connector, chosen: &Chosen, again: Option<&str>) {
    if connector.gaps.is_empty() {
        return;
    }
    let all: u64 = connector.gaps.values().map(|(count, _)| count).sum();
    page.heading(
        2,
        &format!(
            "Silence of {} and more inside sessions: {}",
            lasting(chosen.pause),
            thousands(number(all))
        ),
    );
    for (kind, (count, gaps)) in &connector.gaps {
        let what = match kind {
            Silence::NoReply => page.tone(Tone::Bad, "a command that was never answered"),
            Silence::SlowReply => page.tone(Tone::Warn, "a reply that came late"),
            Silence::Idle => "nothing to send (a connection kept for the next message)".to_owned(),
        };
        page.line(4, &format!("{} x {what}", thousands(number(*count))));
        // What is idle is not worth a line each.
        let listed = if *kind == Silence::Idle { 1 } else { LISTED };
        for gap in gaps.iter().take(listed) {
            silence(page, gap);
        }
        if *kind != Silence::Idle
            && let Some(gap) = gaps.first()
        {
            command(page, 6, &gap.example, again);
        }
    }
}

fn silence(page: &mut Page, gap: &Gap) {
    page.line(6, &format!("{}  {}", lasting(gap.micros), at(&gap.example)));
    page.line(
        8,
        &format!(
            "between {} and {}",
            visible(&gap.before),
            visible(&gap.after)
        ),
    );
}

fn slow(page: &mut Page, connector: &Connector, again: Option<&str>) {
    let mut waits: Vec<_> = connector.waits.iter().collect();
    waits.sort_by_key(|(what, waits)| (std::cmp::Reverse(waits.durations.percentile(95)), **what));
    if waits.is_empty() {
        return;
    }
    page.heading(2, "How long replies take");
    let head = ["REPLY TO", "REPLIES", "P50", "P95", "LONGEST", "AT"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let millis = |millis: u64| lasting(number(millis).saturating_mul(1000));
    for (what, waits) in &waits {
        let durations = &waits.durations;
        rows.push(vec![
            (**what).to_owned(),
            thousands(number(durations.count)),
            millis(durations.percentile(50)),
            millis(durations.percentile(95)),
            millis(durations.max),
            format!(
                "{} UTC  {}",
                Time(waits.longest.time).second(),
                visible(&place_name(&waits.longest.server, &waits.longest.service))
            ),
        ]);
    }
    page.columns(4, &rows);
    if let Some((what, waits)) = waits
        .first()
        .filter(|(_, waits)| waits.durations.percentile(95) >= SLOW)
    {
        let text = page.tone(Tone::Warn, &format!("slow: {what}"));
        page.line(4, &text);
        command(page, 6, &waits.longest, again);
    }
}

fn retried(page: &mut Page, connector: &Connector, again: Option<&str>) {
    let retried = &connector.retried;
    let good = &retried.good;
    if good.count + retried.again + retried.once + retried.bounced == 0 {
        return;
    }
    page.heading(
        2,
        "Tried again after a failure (a message and a recipient each)",
    );
    let millis = |millis: u64| lasting(number(millis).saturating_mul(1000));
    if good.count > 0 {
        let text = format!(
            "{} taken at last, half of them within {}, 95 of 100 within {}, the longest after {}, the most tried {} times",
            thousands(number(good.count)),
            millis(good.percentile(50)),
            millis(good.percentile(95)),
            millis(good.max),
            retried.most_attempts
        );
        page.wrapped(4, 2, &page.tone(Tone::Good, &text));
    }
    for (recipients, what, tone) in [
        (retried.again, "tried again and still not taken", Tone::Bad),
        (
            retried.once,
            "put off and not tried again in these logs",
            Tone::Warn,
        ),
        (
            retried.bounced,
            "refused for good (5xx): nothing tries these again",
            Tone::Warn,
        ),
    ] {
        if recipients > 0 {
            let text = page.tone(tone, &format!("{} {what}", thousands(number(recipients))));
            page.line(4, &text);
        }
    }
    for failed in retried.open.iter().take(3) {
        page.wrapped(
            6,
            2,
            &format!(
                "<{}> to {}: {} since {} UTC, last {}",
                visible(&failed.message_id),
                visible(&failed.recipient),
                count(number(failed.attempts), "attempt"),
                Time(failed.first).second(),
                visible(&failed.reply)
            ),
        );
    }
    let id = retried
        .open
        .first()
        .map(|failed| failed.message_id.as_str());
    if let (Some(id), Some(again)) = (id.and_then(crate::transcript::word), again) {
        page.line(6, &visible(&format!("relaydrift trace {id}{again}")));
    }
}

fn failures(page: &mut Page, connector: &Connector, again: Option<&str>) {
    let groups = most(&connector.failures);
    if groups.is_empty() {
        return;
    }
    page.heading(2, "Failures: same reply, same next hop");
    for ((reply, hop), group) in groups.iter().take(LISTED) {
        let text = format!("{} x {}", thousands(number(group.count)), visible(reply));
        let text = if group.count > 1 {
            page.tone(Tone::Bad, &text)
        } else {
            text
        };
        page.wrapped(4, 2, &text);
        page.line(6, &format!("from  {}", shorten(&visible(hop), 80)));
        span(page, group);
        command(page, 6, &group.last, again);
    }
    more(page, groups.len(), "other answer");
}
