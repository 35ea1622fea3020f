//! Incidents as a block for the change board, in Markdown.

use std::fmt::Write;

use super::incident::{Incident, Row};
use super::text::SERVERS;
use crate::escape::visible;
use crate::output::{inert, listed};

/// The newest incident, or all of them.
pub fn write(incidents: &[Incident], whole: bool) -> String {
    let mut text = String::new();
    let shown = if whole { incidents.len() } else { 1 };
    for incident in incidents.iter().take(shown) {
        // Writing into a `String` cannot fail.
        let _ = block(&mut text, incident);
    }
    if incidents.is_empty() {
        text.push_str("No incident.\n");
    }
    text
}

fn block(text: &mut String, incident: &Incident) -> std::fmt::Result {
    let row = incident.first();
    writeln!(
        text,
        "## {} on {}\n",
        inert(&row.title),
        inert(&listed(&incident.servers(), SERVERS))
    )?;
    writeln!(text, "| | |\n|---|---|")?;
    let mut line = |name: &str, value: String| writeln!(text, "| {name} | {value} |");
    line(
        "Incident",
        format!("{}, {}", row.incident_uid, incident.state().as_str()),
    )?;
    line("Connector", inert(&row.connector_id))?;
    line("Impact", incident.impact())?;
    let planned = incident.planned();
    if !planned.is_empty() {
        line("Planned change", inert(&listed(&planned, SERVERS)))?;
    }
    line("First refused", row.first_refused.second() + " UTC")?;
    line("Last refused", incident.last_refused().second() + " UTC")?;
    line(
        "Last proved relay",
        row.last_good
            .map_or("not in these logs".into(), |time| time.second() + " UTC"),
    )?;
    line(
        "Cause",
        format!(
            "{} (confidence {})",
            inert(&row.explanation),
            row.confidence
        ),
    )?;
    for row in &incident.rows {
        evidence(&mut line, row)?;
    }
    line("Senders", inert(&incident.senders()))?;
    line(
        "Control group (not hit)",
        inert(&listed(&incident.spared(), SERVERS)),
    )?;
    line(
        "Ruled out",
        inert(row.ruled_out.as_deref().unwrap_or_default()),
    )?;
    line("Not visible in send logs", "what a gateway in between presented, mail queued and not tried, whether the chain was sent, what Exchange Online matched".into())?;
    line("Article", row.link.clone())?;
    for (name, commands) in [
        ("Change", &row.fix),
        ("Verify", &row.verify),
        ("Rollback", &row.rollback),
    ] {
        writeln!(text, "\n**{name}**")?;
        let lines: Vec<_> = commands.lines().collect();
        for part in lines.chunk_by(|a, b| is_command(a) == is_command(b)) {
            match is_command(part[0]) {
                true => fenced(text, part)?,
                false => writeln!(text, "\n{}", inert(&part.join(" ")))?,
            }
        }
    }
    writeln!(text)
}

/// A cmdlet, a variable or a comment; all else is said to people.
fn is_command(line: &str) -> bool {
    let word = line.split_whitespace().next().unwrap_or_default();
    let cmdlet = word.split_once('-').is_some_and(|(verb, noun)| {
        let begins = |part: &str| part.starts_with(|c: char| c.is_ascii_uppercase());
        begins(verb) && begins(noun) && verb.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    cmdlet || line.starts_with(['#', '$', '\'', '(', '[', '}', '|', ' '])
}

/// Lines to copy.
fn fenced(text: &mut String, lines: &[&str]) -> std::fmt::Result {
    writeln!(text, "\n```powershell")?;
    for line in lines {
        // A fence inside of a fact would end the block.
        writeln!(text, "{}", visible(line).replace("```", "` ` `"))?;
    }
    writeln!(text, "```")
}

fn evidence(
    line: &mut impl FnMut(&str, String) -> std::fmt::Result,
    row: &Row,
) -> std::fmt::Result {
    let server = inert(&row.server);
    let change = |before: &Option<String>, after: &Option<String>| match (before, after) {
        (Some(before), Some(after)) => format!("{} before, {} now", inert(before), inert(after)),
        (None, Some(after)) => format!("{} (no change seen)", inert(after)),
        _ => "not in these logs".into(),
    };
    if let (Some(reply), Some(session)) = (&row.reply, &row.session_id) {
        let place = match (&row.path, row.line) {
            (Some(path), Some(number)) => format!(", {}:{number}", inert(path)),
            _ => String::new(),
        };
        line(
            &format!("{server}: reply"),
            format!("{} (session {}{place})", inert(reply), inert(session)),
        )?;
    }
    line(
        &format!("{server}: certificate"),
        change(&row.before_thumbprint, &row.thumbprint),
    )?;
    line(
        &format!("{server}: address"),
        change(&row.before_egress_ip, &row.egress_ip),
    )
}
