//! One server: when its sessions begin, and where their rows go.

use std::io;
use std::path::PathBuf;

use super::calendar::{HOUR, ticks, weekday};
use super::fleet::{Fleet, Layout, RELAY, Restart, Server};
use super::log::{Log, Store};
use super::rng::Rng;
use super::rows::{Fact, Rows};
use super::session::{LULL_AFTER, LULL_BEFORE, Speaker, Start};
use super::truth::{ServerTruth, Shown};

/// Traffic of each hour of a working day, in per cent of the mean of such a day.
const HOURS: [u64; 24] = [
    8, 5, 4, 4, 6, 20, 70, 150, 230, 245, 235, 220, 180, 210, 225, 200, 160, 110, 70, 45, 35, 25,
    18, 12,
];
/// Traffic of each weekday from Monday, in per cent.
const WEEKDAYS: [u64; 7] = [112, 110, 108, 106, 96, 14, 9];

/// Rows of the last two seconds never reached the disk.
const IN_MEMORY: i64 = 2_000;

/// Writes all logs of one server. `rate` is sessions per hour, in thousandths, on the mean of a
/// working day.
pub fn run(
    fleet: &Fleet,
    index: usize,
    seed: u64,
    rate: u64,
    store: Store<'_>,
) -> io::Result<ServerTruth> {
    let server = &fleet.servers[index];
    let mut rng = Rng::new(seed, 1 + index as u64);
    let hub = match server.layout {
        Layout::Hourly => "Hub/ProtocolLog/SmtpSend",
        Layout::Daily => "SmtpSend",
    };
    let mut run = Run {
        fleet,
        server,
        truth: ServerTruth::default(),
        speaker: Speaker::new(fleet, server, Rng::new(rng.next(), 1)),
        hub: Service::new(server, hub, fleet.end, rng.next(), store),
        front: Service::new(
            server,
            "FrontEnd/ProtocolLog/SmtpSend",
            fleet.end,
            rng.next(),
            store,
        ),
        rows: Rows::default(),
        front_rows: Rows::default(),
        crash: server.restart,
    };
    let mut appointments = server.appointments.iter().copied().peekable();
    let mut starts: Vec<(i64, usize, bool)> = Vec::new();
    for hour in 0..(fleet.end - fleet.start) / HOUR {
        let begin = fleet.start + hour * HOUR;
        let expected = rate * HOURS[hour as usize % 24] * WEEKDAYS[weekday(begin)] / 10_000;
        let expected = expected * (80 + rng.below(41)) * server.load(begin) / 10_000;
        let sessions = expected / 1000 + u64::from(rng.below(1000) < expected % 1000);
        for _ in 0..sessions {
            let at = begin + rng.below(HOUR as u64) as i64;
            starts.push((at, connector(server, &mut rng), false));
        }
        while let Some((at, connector)) = appointments.next_if(|(at, _)| *at < begin + HOUR) {
            starts.push((at, connector, true));
        }
        for start in &mut starts {
            start.0 = clear_of_lulls(server, start.0, &mut rng);
        }
        starts.retain(|(at, connector, _)| !server.rests(*connector, *at));
        starts.sort_unstable();
        let due = starts.partition_point(|(at, ..)| *at < begin + HOUR);
        for (at, connector, appointed) in starts.drain(..due) {
            run.begin(connector, at, appointed)?;
        }
    }
    run.finish()
}

/// Moves a start out of the lull around a change and out of a crash.
fn clear_of_lulls(server: &Server, at: i64, rng: &mut Rng) -> i64 {
    let ahead = at + LULL_BEFORE;
    let timelines = server.sending.iter().map(|sending| sending.at(ahead).0);
    let change = timelines
        .chain([server.egress.at(ahead).0])
        .max()
        .unwrap_or(i64::MIN);
    let mut at = at;
    if change > i64::MIN && at < change + LULL_AFTER {
        at = change + LULL_AFTER + rng.between(0, 15_000);
    }
    match server.restart {
        Some(Restart { down, up, .. }) if (down..up).contains(&at) => up + rng.between(0, 9_000),
        _ => at,
    }
}

fn connector(server: &Server, rng: &mut Rng) -> usize {
    let total = server.shares.iter().map(|(_, share)| share).sum();
    let mut draw = rng.below(total);
    for (connector, share) in &server.shares {
        if draw < *share {
            return *connector;
        }
        draw -= share;
    }
    RELAY
}

/// A process with its own session ids and log directory.
struct Service<'a> {
    log: Log<'a>,
    next_id: u64,
}

impl<'a> Service<'a> {
    fn new(server: &Server, folder: &str, end: i64, salt: u64, store: Store<'a>) -> Self {
        let folder = PathBuf::from(server.parent).join(&server.name).join(folder);
        let log = Log::new(
            folder,
            server.layout,
            server.max_file_bytes,
            end,
            salt,
            store,
        );
        // The front end's process started a little later than the hub's.
        Service {
            log,
            next_id: server.service_start + salt % 40_000_000,
        }
    }

    /// Receive sessions take ids from the same counter.
    fn id(&mut self, rng: &mut Rng) -> u64 {
        self.next_id += 1 + rng.below(30);
        self.next_id
    }

    fn restart(&mut self, crash: Restart, salt: u64) -> io::Result<()> {
        self.log.advance(crash.up)?;
        self.log.restart(crash.up, crash.header_inside);
        self.next_id = ticks(crash.up) - salt % 80_000_000;
        Ok(())
    }
}

struct Run<'a> {
    fleet: &'a Fleet,
    server: &'a Server,
    truth: ServerTruth,
    speaker: Speaker<'a>,
    hub: Service<'a>,
    front: Service<'a>,
    rows: Rows,
    front_rows: Rows,
    crash: Option<Restart>,
}

impl Run<'_> {
    fn begin(&mut self, connector: usize, at: i64, appointed: bool) -> io::Result<()> {
        if let Some(crash) = self.crash.filter(|crash| crash.up <= at) {
            self.hub.restart(crash, self.server.service_start)?;
            self.front.restart(crash, self.server.service_start / 3)?;
            self.crash = None;
        }
        self.hub.log.advance(at)?;
        self.front.log.advance(at)?;
        let id = self.hub.id(&mut self.speaker.rng);
        let target = self.speaker.rng.next() >> 1;
        let mut start = Start {
            connector,
            id,
            at,
            appointed,
            plain: false,
            target,
        };
        if self.server.proxied && connector == RELAY {
            let front_id = self.front.id(&mut self.speaker.rng);
            self.speaker
                .proxied(&mut self.rows, &mut self.front_rows, &start, front_id);
            let refused = self.keep(false, 0);
            self.keep(true, refused);
            return Ok(());
        }
        while let Some(retry) = self.speaker.speak(&mut self.rows, &start) {
            self.keep(false, 0);
            let at = clear_of_lulls(self.server, retry.at, &mut self.speaker.rng);
            if self.crash.is_some_and(|crash| crash.down <= at) {
                return Ok(());
            }
            let id = self.hub.id(&mut self.speaker.rng);
            start = Start {
                id,
                at,
                plain: retry.plain,
                ..start
            };
        }
        self.keep(false, 0);
        Ok(())
    }

    /// Hands a session to its log as far as it was written, notes what it shows that far, and gives
    /// the recipients refused in it.
    fn keep(&mut self, front: bool, refused_at_hub: u32) -> u32 {
        let rows = if front {
            &mut self.front_rows
        } else {
            &mut self.rows
        };
        let Some((start, _)) = rows.ends.first().copied() else {
            return 0;
        };
        let lost = self.fleet.end - IN_MEMORY;
        let cut = match self.crash {
            Some(crash) if start < crash.up => crash.down.min(lost),
            _ => lost,
        };
        let visible = rows.before(cut);
        if visible == 0 {
            return 0;
        }
        let mut shown = Shown {
            connector: rows.connector,
            id: rows.id,
            start,
            refused_at_hub,
            ..Shown::default()
        };
        for (row, fact) in rows.facts.iter().filter(|(row, _)| *row < visible) {
            match fact {
                Fact::Certificate(certificate) => shown.certificate = Some(*certificate),
                Fact::Egress(egress) => shown.egress = Some(*egress),
                Fact::Refused(recipients) => {
                    shown.refused += recipients;
                    shown.first_refused.get_or_insert(rows.ends[*row].0);
                }
                Fact::Denied(recipients) => {
                    shown.denied += recipients;
                    shown.first_refused.get_or_insert(rows.ends[*row].0);
                }
                Fact::Transaction => shown.transactions += 1,
                Fact::Recipient => shown.recipients += 1,
            }
        }
        self.truth.sessions.push(shown);
        let log = if front {
            &mut self.front.log
        } else {
            &mut self.hub.log
        };
        log.push(rows, visible);
        shown.refused
    }

    fn finish(mut self) -> io::Result<ServerTruth> {
        // A crash after which nothing began leaves its file as it was.
        self.truth.written = vec![self.hub.log.finish()?, self.front.log.finish()?];
        Ok(self.truth)
    }
}
