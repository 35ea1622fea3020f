//! What is wrong with the logs, what is missed for it, and the step that mends it.

use std::collections::{BTreeMap, BTreeSet};

use relaydrift_ingest::Skipped;

use super::examined::{Examined, Place};
use crate::ask::Time;
use crate::output::{count, thousands};
use crate::powershell::quoted;
use crate::transcript::{lasting, place_name};

/// Size in bytes that a folder of logs is kept to unless it was changed (SendProtocolLogMaxDirectorySize).
pub const FOLDER: i64 = 262_144_000;

/// Hours without logs, while others wrote some, that are worth a line: quiet nights are shorter.
const LONG_HOLE: i64 = 12;

/// History in hours that an analysis of a renewal needs at least.
const SHORT_HISTORY: i64 = 14 * 24;

/// Microseconds after which rows are not current.
const STALE: i64 = 24 * HOUR;
const HOUR: i64 = 3_600_000_000;

/// Seconds that a clock may be off.
const CLOCK: i64 = 300;

/// How much a problem weighs; the heaviest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Something cannot be seen at all.
    Error,
    /// Something will be missed.
    Warning,
    /// Worth knowing.
    Note,
}

impl Weight {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Weight::Error => "error",
            Weight::Warning => "warning",
            Weight::Note => "note",
        }
    }
}

/// One problem.
#[derive(Debug, Clone)]
pub struct Problem {
    pub weight: Weight,
    /// Its class, for machines.
    pub kind: &'static str,
    pub organization: Option<String>,
    pub server: Option<String>,
    pub service: Option<String>,
    /// What is so, and what is missed for it.
    pub text: String,
    /// What to do, a line each: commands, or what to bring.
    pub steps: Vec<String>,
}

impl Problem {
    fn new(weight: Weight, kind: &'static str, text: String) -> Self {
        Problem {
            weight,
            kind,
            organization: None,
            server: None,
            service: None,
            text,
            steps: Vec::new(),
        }
    }

    fn of(mut self, organization: &str, server: &str, service: &str) -> Self {
        self.organization = Some(organization.to_owned());
        self.server = Some(server.to_owned());
        self.service = Some(service.to_owned()).filter(|service| !service.is_empty());
        self
    }

    fn step(mut self, step: impl Into<Option<String>>) -> Self {
        self.steps.extend(step.into());
        self
    }
}

/// The noun of the cmdlets that configure a service: `Get-`, `Set-`.
fn cmdlet(service: &str) -> &'static str {
    match service {
        "FrontEnd" => "FrontendTransportService",
        "Mailbox" | "Submission" | "Delivery" => "MailboxTransportService",
        _ => "TransportService",
    }
}

/// Files that were left out, and last lines without an end.
pub fn files(skipped: &[Skipped], pending: u64) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in skipped.iter().filter(|file| file.error) {
        let text = format!("{} cannot be read: {}", file.path.display(), file.reason);
        problems.push(Problem::new(Weight::Error, "unreadable", text).step(
            "run it as an account that may read the folder (list and read are enough); a damaged archive has to be copied again".to_owned(),
        ));
    }
    let mut foreign: BTreeMap<&str, (i64, &Skipped)> = BTreeMap::new();
    for file in skipped.iter().filter(|file| !file.error) {
        foreign.entry(&file.reason).or_insert((0, file)).0 += 1;
    }
    for (reason, (files, first)) in foreign {
        let text = format!(
            "{} left out: {reason} (first {})",
            count(files, "file"),
            first.path.display()
        );
        problems.push(Problem::new(Weight::Note, "foreign", text));
    }
    if pending > 0 {
        let bytes = thousands(i64::try_from(pending).unwrap_or(i64::MAX));
        let text = format!(
            "{bytes} bytes of last lines have no line end yet: a server is writing them, or a copy was cut"
        );
        problems.push(Problem::new(Weight::Note, "pending", text));
    }
    problems
}

/// Logs that a lake does not hold.
pub fn not_ingested(fresh: usize, all: usize, command: Option<String>) -> Problem {
    let text = format!(
        "{fresh} of {} have rows that the lake does not hold",
        count(all as i64, "file")
    );
    Problem::new(Weight::Warning, "not_ingested", text).step(command)
}

/// Everything that the logs themselves show.
pub fn all(examined: &Examined, now: Time) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(empty(&examined.places));
    problems.extend(holes(examined));
    problems.extend(current(&examined.places, now));
    problems.extend(examined.places.iter().filter_map(history));
    problems.extend(services(examined));
    problems.extend(silent_connectors(examined));
    problems.extend(certificates(examined));
    problems.extend(sessions(examined));
    problems.extend(rejects(examined));
    problems.extend(clocks(examined));
    problems
}

fn empty(places: &[Place]) -> Vec<Problem> {
    let empty = places.iter().filter(|place| place.rows == 0);
    empty
        .map(|place| {
            let text = format!(
                "{}: logs without a row",
                place_name(&place.server, &place.service)
            );
            Problem::new(Weight::Warning, "empty", text)
                .of(&place.organization, &place.server, &place.service)
                .step("Get-SendConnector | fl Name,ProtocolLoggingLevel".to_owned())
        })
        .collect()
}

/// The longest hole of each server, and how many hours there are in all.
fn holes(examined: &Examined) -> Vec<Problem> {
    let mut by: BTreeMap<(&str, &str, &str), Vec<&super::examined::Hole>> = BTreeMap::new();
    for hole in examined.holes.iter().filter(|hole| hole.hours >= LONG_HOLE) {
        by.entry((&hole.organization, &hole.server, &hole.service))
            .or_default()
            .push(hole);
    }
    let problem = |((organization, server, service), holes): (
        (&str, &str, &str),
        Vec<&super::examined::Hole>,
    )| {
        let longest = holes.iter().max_by_key(|hole| hole.hours)?;
        let hours = holes.iter().map(|hole| hole.hours).sum();
        let text = format!(
            "{}: no log for {} while other servers wrote some, the longest time {} to {} UTC; changes in it are seen late or not at all",
            place_name(server, service),
            count(hours, "hour"),
            longest.first_hour.minute(),
            longest.last_hour.minute(),
        );
        let noun = cmdlet(service);
        let command = quoted(server).map(|server| {
            format!("Get-{noun} {server} | fl Name,SendProtocolLogPath,SendProtocolLogMaxAge,SendProtocolLogMaxDirectorySize")
        });
        Some(
            Problem::new(Weight::Warning, "hole", text)
                .of(organization, server, service)
                .step("bring the files of that time, if the server still has them; no mail in it is an answer too".to_owned())
                .step(command),
        )
    };
    by.into_iter().filter_map(problem).collect()
}

/// Rows that are old, or from the future.
fn current(places: &[Place], now: Time) -> Vec<Problem> {
    let newest = places.iter().filter_map(|place| place.last_row).max();
    let Some(newest) = newest else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    if now.0 - newest.0 > STALE {
        let text = format!(
            "the newest row of all is {} old ({} UTC): these are copies, or logging ended; what happened since is not seen",
            lasting(now.0 - newest.0),
            newest.minute()
        );
        problems.push(
            Problem::new(Weight::Note, "old", text)
                .step("Get-TransportService | fl Name,SendProtocolLogPath".to_owned()),
        );
    }
    for place in places {
        let Some(last) = place.last_row else { continue };
        let name = place_name(&place.server, &place.service);
        let behind = newest.0 - last.0;
        if behind > STALE {
            let text = format!(
                "{name}: its newest row is {} older than that of the others ({} UTC): its logs were not brought, it logs no more, or it sends nothing",
                lasting(behind),
                last.minute()
            );
            let noun = cmdlet(&place.service);
            problems.push(
                Problem::new(Weight::Warning, "behind", text)
                    .of(&place.organization, &place.server, &place.service)
                    .step(quoted(&place.server).map(|server| {
                        format!("Get-{noun} {server} | fl Name,SendProtocolLogPath")
                    })),
            );
        }
        if last.0 - now.0 > CLOCK * 1_000_000 {
            let text = format!(
                "{name}: its newest row is {} in the future ({} UTC): its clock or this one is off",
                lasting(last.0 - now.0),
                last.minute()
            );
            problems.push(
                Problem::new(Weight::Warning, "future", text)
                    .of(&place.organization, &place.server, &place.service)
                    .step("w32tm /query /status".to_owned()),
            );
        }
    }
    problems
}

/// How long circular logging keeps what was written.
fn history(place: &Place) -> Option<Problem> {
    let kept = place.kept_hours()?;
    let full = place.bytes >= FOLDER / 10 * 9;
    if kept >= SHORT_HISTORY || place.span_hours()? < 6 {
        return None;
    }
    let name = place_name(&place.server, &place.service);
    let text = format!(
        "{name}: 250 MB (the default size of a folder) hold about {} of its logs{}; what is older is deleted before anybody looks",
        lasting(kept.saturating_mul(HOUR)),
        if full {
            ", and as much is there: the oldest are being deleted"
        } else {
            ""
        },
    );
    let noun = cmdlet(&place.service);
    let command = quoted(&place.server).map(|server| {
        format!("Set-{noun} {server} -SendProtocolLogMaxDirectorySize 5GB -SendProtocolLogMaxAge 90.00:00:00")
    });
    Some(
        Problem::new(Weight::Warning, "history", text)
            .of(&place.organization, &place.server, &place.service)
            .step(command)
            .step("or take them in every day: relaydrift ingest ... --lake ...".to_owned()),
    )
}

/// Hubs without front ends and the reverse; services that no folder names.
fn services(examined: &Examined) -> Vec<Problem> {
    let mut problems = Vec::new();
    let organizations: BTreeSet<&str> = examined
        .places
        .iter()
        .map(|place| place.organization.as_str())
        .collect();
    for organization in organizations {
        let own = || {
            examined
                .places
                .iter()
                .filter(|place| place.organization == organization)
        };
        let with = |service: &str| -> Vec<&str> {
            let places = own().filter(|place| place.service == service);
            places.map(|place| place.server.as_str()).collect()
        };
        let (hubs, fronts, unknown) = (with("Hub"), with("FrontEnd"), with("unknown"));
        let connectors = examined.connectors.iter();
        let proxied: Vec<_> = connectors
            .filter(|one| one.organization == organization && one.proxied > 0)
            .collect();
        if !proxied.is_empty() && fronts.is_empty() {
            let sessions = proxied.iter().map(|one| one.proxied).sum();
            let first = proxied[0];
            let text = format!(
                "{} went out through front end servers ('{}' on {}), and there is no front end log: the certificate and the address that Exchange Online saw stand there",
                count(sessions, "session"),
                first.connector_id,
                first.server
            );
            problems.push(
                Problem::new(Weight::Error, "no_front_end", text)
                    .of(organization, &first.server, "FrontEnd")
                    .step(
                        r"bring TransportRoles\Logs\FrontEnd\ProtocolLog\SmtpSend of all servers"
                            .to_owned(),
                    )
                    .step("Get-FrontendTransportService | fl Name,SendProtocolLogPath".to_owned()),
            );
        }
        if !fronts.is_empty() && hubs.is_empty() && unknown.is_empty() {
            let text = format!(
                "front end logs of {} and no Hub log: what was refused stands in the Hub's",
                fronts.join(", ")
            );
            problems.push(
                Problem::new(Weight::Error, "no_hub", text)
                    .of(organization, fronts[0], "Hub")
                    .step(
                        r"bring TransportRoles\Logs\Hub\ProtocolLog\SmtpSend of all servers"
                            .to_owned(),
                    )
                    .step("Get-TransportService | fl Name,SendProtocolLogPath".to_owned()),
            );
        }
        if !unknown.is_empty() {
            let text = format!(
                "{}: no folder above these logs says Hub or FrontEnd, so that halves of proxied sessions are found by their ids alone",
                unknown.join(", ")
            );
            problems.push(
                Problem::new(Weight::Note, "unknown_service", text)
                    .of(organization, unknown[0], "unknown")
                    .step("keep Exchange's folders (Hub, FrontEnd), or name them: --server-from '/(?<server>[^/]+)/(?<service>[^/]+)/'".to_owned()),
            );
        }
        if own().any(|place| place.server == "unknown") {
            let text = "no folder names the server of some logs: all of them count as one server"
                .to_owned();
            problems.push(
                Problem::new(Weight::Warning, "unknown_server", text)
                    .of(organization, "unknown", "")
                    .step("put them into a folder per server, or say --server NAME".to_owned()),
            );
        }
    }
    problems
}

/// Connectors that some servers have rows of and others do not, as far as one can tell.
fn silent_connectors(examined: &Examined) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut by: BTreeMap<(&str, &str), Vec<&super::examined::Connector>> = BTreeMap::new();
    for one in &examined.connectors {
        by.entry((&one.organization, &one.connector_id))
            .or_default()
            .push(one);
    }
    for ((organization, connector), seen) in by {
        let servers: BTreeSet<&str> = examined
            .places
            .iter()
            .filter(|place| place.organization == organization && place.rows > 0)
            .map(|place| place.server.as_str())
            .collect();
        let with: BTreeSet<&str> = seen.iter().map(|one| one.server.as_str()).collect();
        let without: Vec<&str> = servers.difference(&with).copied().collect();
        // Most servers have it: the others should, or are no source servers of it.
        if without.is_empty() || with.len() * 2 < servers.len() {
            continue;
        }
        let inside = seen
            .iter()
            .any(|one| one.role.as_deref() == Some("intra_org"));
        let text = match inside {
            true => format!(
                "'{connector}' (between servers) has no row on {}: its logging is set per server",
                without.join(", ")
            ),
            false => format!(
                "'{connector}' has rows on most servers and none on {}: no source server of it, or nothing to send",
                without.join(", ")
            ),
        };
        let mut problem = Problem::new(
            if inside {
                Weight::Warning
            } else {
                Weight::Note
            },
            "silent_connector",
            text,
        )
        .of(organization, without[0], "");
        for server in without.iter().filter(|_| inside) {
            problem = problem.step(quoted(server).map(|server| {
                format!(
                    "Set-TransportService {server} -IntraOrgConnectorProtocolLoggingLevel Verbose"
                )
            }));
        }
        if !inside {
            problem = problem.step(quoted(connector).map(|name| {
                format!(
                    "Get-SendConnector {name} | fl Name,ProtocolLoggingLevel,SourceTransportServers"
                )
            }));
        }
        problems.push(problem);
    }
    if !examined.connectors.is_empty() {
        let text = "a connector that does not log has no row anywhere and cannot be seen from here"
            .to_owned();
        problems.push(
            Problem::new(Weight::Note, "verbose", text)
                .step("Get-SendConnector | ? ProtocolLoggingLevel -ne Verbose | fl Name,ProtocolLoggingLevel".to_owned())
                .step("Set-SendConnector 'NAME' -ProtocolLoggingLevel Verbose".to_owned()),
        );
    }
    problems
}

fn certificates(examined: &Examined) -> Option<Problem> {
    let first = examined.certificates.first()?;
    let nameless = examined
        .certificates
        .iter()
        .filter(|one| one.subject.is_none())
        .count();
    let text = format!(
        "{} sent of which these logs do not say enough ({} without a subject, the others without dates; the latest {} from {} until {} UTC): when it expires is not seen",
        count(examined.certificates.len() as i64, "certificate"),
        nameless,
        first.thumbprint,
        match first.servers {
            1 => first.server.clone(),
            servers => format!("{} and {} more", first.server, servers - 1),
        },
        first.last_seen.minute()
    );
    let command = quoted(&first.server)
        .zip(crate::powershell::thumbprint(&first.thumbprint))
        .map(|(server, print)| {
            format!("Get-ExchangeCertificate -Server {server} -Thumbprint {print} | fl Thumbprint,Subject,Issuer,NotBefore,NotAfter,CertificateDomains")
        });
    Some(
        Problem::new(Weight::Note, "certificate_without_facts", text)
            .of(&first.organization, &first.server, "")
            .step(command),
    )
}

fn sessions(examined: &Examined) -> Vec<Problem> {
    let incomplete = examined
        .sessions
        .iter()
        .filter(|one| one.heads + one.tails + one.holed > 0);
    incomplete
        .map(|one| {
            let text = format!(
                "{}: of {} {} begin before the logs do, {} have no end, {} miss {} inside; what they presented may not be known",
                place_name(&one.server, &one.service),
                count(one.sessions, "session"),
                thousands(one.heads),
                thousands(one.tails),
                thousands(one.holed),
                count(one.gaps, "row"),
            );
            // A few are cut at the edges of any set of logs.
            let many = (one.heads + one.tails + one.holed) * 20 > one.sessions;
            let weight = if many { Weight::Warning } else { Weight::Note };
            let problem = Problem::new(weight, "cut", text).of(&one.organization, &one.server, &one.service);
            match one.holed > 0 {
                true => problem.step("rows go missing when the disk is full or slow: Get-EventLog Application -Source MSExchangeTransport -EntryType Error,Warning -Newest 50".to_owned()),
                false => problem.step("bring the logs of the hours before and after".to_owned()),
            }
        })
        .collect()
}

fn rejects(examined: &Examined) -> Vec<Problem> {
    let lines = examined.rejects.iter().map(|rejects| {
        let place = match (&rejects.path, rejects.line) {
            (Some(path), Some(line)) => format!(" (first {path}:{line})"),
            _ => String::new(),
        };
        let text = format!(
            "{}: {} unreadable: {}{place}",
            place_name(&rejects.server, &rejects.service),
            count(rejects.lines, "line"),
            rejects.reason
        );
        Problem::new(Weight::Warning, "rejects", text)
            .of(&rejects.organization, &rejects.server, &rejects.service)
            .step(
                "copy the file again from the server; edited or pasted logs lose columns"
                    .to_owned(),
            )
    });
    lines.collect()
}

fn clocks(examined: &Examined) -> Vec<Problem> {
    let off = examined
        .clocks
        .iter()
        .filter(|clock| clock.seconds.abs() > CLOCK);
    off.map(|clock| {
        let text = format!(
            "{}: its clock is {} {} of Exchange Online's ({} UTC): what happened first on which server is not sure",
            clock.server,
            lasting(clock.seconds.abs().saturating_mul(1_000_000)),
            if clock.seconds > 0 { "ahead" } else { "behind" },
            clock.hour.minute()
        );
        Problem::new(Weight::Warning, "clock", text)
            .of(&clock.organization, &clock.server, "")
            .step(format!("on {}: w32tm /query /status; w32tm /resync", clock.server))
    })
    .collect()
}
