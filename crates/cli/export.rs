//! `relaydrift export`: rows become canonical events, and those go to a SIEM.

mod args;
mod diagnosis;
mod expiry;
mod incidents;
mod memory;
mod security_lake;
mod surroundings;
mod target;
mod telemetry;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail, ensure};
use datafusion::prelude::SessionContext;
use relaydrift_datafusion::Need;
use relaydrift_export::{Effort, Event, Format, Incident, Queue, Record, Sent, Trouble};
use relaydrift_lake::Lake;

pub use args::ExportArgs;
use args::{As, What};
use incidents::{Clock, Finding};
use memory::{Memory, Position};
use security_lake::SecurityLake;
pub use target::secret;
use telemetry::{Choice, RefusalRow, Row, SessionRow};

use crate::args::{Global, PlaceArgs};
use crate::escape::visible;
use crate::source::Opened;
use crate::{Exit, ask, drift, source, when};

ask::questions!(
    "export": DRIFT "drift", REFUSALS "refusals", SESSIONS "sessions", MAILBOXES "mailboxes", CONNECTORS "connectors",
    TENANTS "tenants", STORED "stored", STORES "stores", COVERED "covered", EXPIRY "expiry",
);

/// Sends what is chosen and says how much it was.
pub async fn run(args: ExportArgs, global: &Global) -> Result<Exit> {
    if let Some(folder) = &args.files {
        return files(folder, args.force);
    }
    // The command line asks for all three unless files are wanted.
    let (Some(what), Some(form), Some(to)) = (args.what, args.form, args.to.clone()) else {
        bail!("say --what, --as and --to");
    };
    let place = PlaceArgs {
        lake: args.lake.clone(),
        logs: args.logs.clone(),
    };
    let naming = source::naming(&args.naming, None)?;
    let need = if what == What::Drift {
        Need::Drift
    } else {
        Need::Full
    };
    let opened = source::open_expecting(&place, naming, &args.expected, need, global).await?;
    view(&opened.ctx, what)?;
    let keeper = Keeper::open(&args, what, form, &to).await?;
    let mut line = if form == As::OcsfParquet {
        let receiver = &args.receiver;
        Line::Parquet(
            Box::new(SecurityLake::new(&to, &receiver.account, &receiver.region)?),
            Vec::new(),
        )
    } else {
        let transport = target::open(&to, form.format(), &args)?;
        let effort = Effort {
            patience: args.patience,
            rejected: rejected(args.rejected.as_deref())?,
            tell: if global.quiet { |_| () } else { waits },
        };
        let (safe, runtime) = (keeper.clone(), tokio::runtime::Handle::current());
        let keep = move |marks: &[Mark]| {
            let paper = safe.note(marks)?;
            Ok(runtime.block_on(safe.keep(paper))?)
        };
        Line::Queue(
            form.format(),
            Queue::start(transport, effort, Box::new(keep)),
        )
    };
    opened.read(global.quiet).await?;
    let told = tell(&opened, &args, what, &keeper, &mut line).await;
    let sent = line.finish(&keeper, told).await?;
    if !global.quiet {
        tell!("{}", summary(what, sent));
    }
    Ok(if opened.warn() || sent.rejected > 0 {
        Exit::Unreadable
    } else {
        Exit::Clean
    })
}

/// Says why nothing seems to happen.
fn waits(trouble: &Trouble<'_>) {
    let (target, answer) = (visible(trouble.target), visible(trouble.answer));
    let seconds = trouble.left.as_secs();
    tell!("relaydrift: {target}: {answer}; trying again for {seconds} s at the most");
}

/// Writes what a SIEM needs to understand us.
fn files(folder: &Path, force: bool) -> Result<Exit> {
    for (name, text) in relaydrift_export::files() {
        let path = folder.join(name);
        let context = || format!("cannot write {}", path.display());
        ensure!(
            force || !path.exists(),
            "{} is there already: --force writes it anew",
            path.display()
        );
        if let Some(above) = path.parent() {
            std::fs::create_dir_all(above).with_context(context)?;
        }
        std::fs::write(&path, &*text).with_context(context)?;
        writeln!(std::io::stdout(), "{}", path.display())?;
    }
    Ok(Exit::Clean)
}

fn summary(what: What, sent: Sent) -> String {
    let mut text = format!("{} records of {} sent", sent.taken, what.name());
    if sent.retried > 0 {
        text += &format!(", {} attempts repeated", sent.retried);
    }
    if sent.rejected > 0 {
        text += &format!(", {} refused by the receiver and kept", sent.rejected);
    }
    text
}

/// Says plainly where this program or this lake has no such view.
fn view(ctx: &SessionContext, what: What) -> Result<()> {
    let name = match what {
        What::Expiry => "certificate_expiry",
        other => other.name(),
    };
    ensure!(
        ctx.table_exist(name)?,
        "--what {}: there is no view called {name} here",
        what.name()
    );
    Ok(())
}

fn rejected(path: Option<&Path>) -> Result<Option<std::fs::File>> {
    let Some(path) = path else {
        return Ok(None);
    };
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path);
    Ok(Some(file.with_context(|| {
        format!("cannot write {}", path.display())
    })?))
}

/// What a record is remembered by once it is safe.
enum Mark {
    Row(Position),
    Incident(Box<Event>),
}

/// Where events go.
enum Line {
    /// Rendered, through a queue, to a transport.
    Queue(Format, Queue<Mark>),
    /// Into Parquet files, remembered once all are written.
    Parquet(Box<SecurityLake>, Vec<Mark>),
}

impl Line {
    fn push(&mut self, event: Event, mark: Mark) -> Result<()> {
        match self {
            Line::Queue(format, queue) => {
                let mut bytes = Vec::with_capacity(2048);
                format.render(&event, &mut bytes);
                Ok(queue.push(
                    Record {
                        key: event.key,
                        bytes,
                    },
                    mark,
                )?)
            }
            Line::Parquet(files, marks) => {
                // Of rows the last one says it all.
                if let (Mark::Row(_), Some(Mark::Row(_))) = (&mark, marks.last()) {
                    marks.pop();
                }
                marks.push(mark);
                files.push(&event)
            }
        }
    }

    /// Waits until all is safe.
    async fn finish(self, keeper: &Keeper, told: Result<()>) -> Result<Sent> {
        match self {
            Line::Queue(_, queue) => {
                // Whatever stopped the sending is the better answer than that it stopped.
                let sent = queue.finish()?;
                told.map(|()| sent)
            }
            Line::Parquet(files, marks) => {
                told?;
                let taken = files.finish().await?;
                keeper.keep(keeper.note(&marks)?).await?;
                Ok(Sent {
                    taken,
                    ..Sent::default()
                })
            }
        }
    }
}

/// Hands every event that is to be told to the queue.
async fn tell(
    opened: &Opened,
    args: &ExportArgs,
    what: What,
    keeper: &Keeper,
    line: &mut Line,
) -> Result<()> {
    let ctx = &opened.ctx;
    let latest = drift::latest_row(ctx).await?;
    let as_of = args.as_of.map(|when| when.micros(when::clock()));
    let report = as_of.unwrap_or_else(when::clock);
    let now = as_of.unwrap_or(latest);
    let since = args.since.map(|when| when.micros(now));
    let until = args.until.map(|when| when.micros(now));
    if let (Some(since), Some(until)) = (since, until) {
        ensure!(
            since < until,
            "--since is not before --until: nothing can lie between them"
        );
    }
    let memory = keeper.memory();
    let choice = Choice {
        since,
        until,
        mailboxes: args.mailboxes,
        after: args
            .resume
            .is_some()
            .then(|| memory.position().cloned().unwrap_or_default()),
    };
    match what {
        What::Refusals => {
            telemetry::each(ctx, what, &choice, |row: RefusalRow| {
                rows(line, row, report)
            })
            .await
        }
        What::Sessions => {
            telemetry::each(ctx, what, &choice, |row: SessionRow| {
                rows(line, row, report)
            })
            .await
        }
        What::Drift | What::Diagnosis | What::Expiry => {
            let clock = Clock { latest, report };
            let within = |at: i64| {
                since.is_none_or(|since| at >= since) && until.is_none_or(|until| at < until)
            };
            let mut found = match what {
                What::Diagnosis => diagnosis::events(ctx, within, clock, &memory).await?,
                What::Expiry => expiry::events(&expiry::in_use(ctx).await?, clock, &memory),
                _ => {
                    let mut findings: Vec<Finding> = DRIFT.ask(ctx).await?;
                    findings.retain(|finding| within(finding.found_at()));
                    incidents::incidents(findings, clock, &memory)
                }
            };
            // What lies outside the chosen time is not gone.
            let last = match since.or(until) {
                Some(_) => Vec::new(),
                None => closings(ctx, &found, clock, &memory).await?,
            };
            surroundings::add(ctx, &mut found).await?;
            for event in incidents::untold(found, &memory).into_iter().chain(last) {
                line.push(event.clone(), Mark::Incident(Box::new(event)))?;
            }
            Ok(())
        }
    }
}

/// The last word on incidents that were told and are no longer found.
async fn closings(
    ctx: &SessionContext,
    found: &[Event],
    clock: Clock,
    memory: &Memory,
) -> Result<Vec<Event>> {
    if memory.open().next().is_none() {
        return Ok(Vec::new());
    }
    let in_use = expiry::in_use(ctx).await?;
    let why = |event: &Event, incident: &Incident| match incident.class.as_str() {
        "expiring" | "expired" => expiry::became(event, incident, &in_use),
        _ => format!(
            "no longer found: later logs or exports tell it otherwise (was: {})",
            incident.detail
        ),
    };
    Ok(incidents::closings(found, clock, memory, why))
}

fn rows<R: Row>(line: &mut Line, row: R, report: i64) -> Result<()> {
    let position = row.position();
    line.push(row.event(report), Mark::Row(position))
}

/// Keeps in the lake how far the receiver acknowledged.
#[derive(Clone)]
struct Keeper {
    memory: Arc<Mutex<Memory>>,
    paper: Option<(Lake, String)>,
}

impl Keeper {
    async fn open(args: &ExportArgs, what: What, form: As, to: &str) -> Result<Keeper> {
        let (Some(name), Some(lake)) = (&args.resume, &args.lake) else {
            return Ok(Keeper {
                memory: Arc::default(),
                paper: None,
            });
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        ensure!(
            !name.is_empty() && name.len() <= 64 && name.chars().all(fits),
            "--resume {name}: a name of letters, digits, - and _"
        );
        let lake = Lake::open(lake).await?;
        let stream = [what.name(), form.name(), to].map(str::to_owned);
        let paper = lake.position(name).await?;
        let memory = Memory::read(paper.as_deref(), name, stream)?;
        Ok(Keeper {
            memory: Arc::new(Mutex::new(memory)),
            paper: Some((lake, name.clone())),
        })
    }

    fn memory(&self) -> Memory {
        self.memory
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clone()
    }

    /// Notes that the receiver has these; gives back the paper to keep.
    fn note(&self, marks: &[Mark]) -> Result<Vec<u8>> {
        let mut memory = self
            .memory
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        for mark in marks {
            match mark {
                Mark::Row(position) => memory.advance(position),
                Mark::Incident(event) => memory.tell(event),
            }
        }
        memory.write()
    }

    /// Keeps the paper, where a name was given.
    async fn keep(&self, paper: Vec<u8>) -> Result<()> {
        if let Some((lake, name)) = &self.paper {
            lake.keep_position(name, paper).await?;
        }
        Ok(())
    }
}
