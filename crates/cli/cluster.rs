//! `relaydrift scheduler` and `relaydrift executor`: the parts of a cluster that answers questions.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use relaydrift_cluster::Work;
use tokio::net::TcpListener;

use crate::args::{ExecutorArgs, Global, ReachArgs, SchedulerArgs};
use crate::ask::Time;
use crate::escape::visible;
use crate::output::count;
use crate::{Exit, follow, when};

/// Deals out work until somebody ends it.
pub async fn scheduler(args: SchedulerArgs, global: &Global) -> Result<Exit> {
    listen_to_ballista();
    let host = host(args.listen, args.reach)?;
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", args.listen))?;
    if !global.quiet {
        let port = listener.local_addr()?.port();
        tell!(
            "scheduler at {host}:{port}\n  workers: relaydrift executor --scheduler {host}:{port}\n  \
             questions: relaydrift sql --cluster {host}:{port} --lake DIR \"select * from drift\""
        );
    }
    relaydrift_cluster::scheduler(listener, host, follow::stopped()).await?;
    Ok(Exit::Clean)
}

/// Works for a scheduler until somebody ends it.
pub async fn executor(args: ExecutorArgs, global: &Global) -> Result<Exit> {
    listen_to_ballista();
    let host = host(args.listen, args.reach)?;
    let work = Work {
        scheduler: args.scheduler.clone(),
        listen: args.listen,
        host: host.clone(),
        cores: global.threads,
        memory: args.memory_mb.map(|mb| u64::from(mb) * 1_000_000),
    };
    let quiet = global.quiet;
    relaydrift_cluster::executor(work, |listen| {
        if !quiet {
            let (port, cores) = (listen.port(), count(global.threads as i64, "task"));
            tell!(
                "executor at {host}:{port}, {cores} at once for {}",
                args.scheduler
            );
        }
    })
    .await?;
    Ok(Exit::Clean)
}

/// What Ballista has to say of what goes wrong, a line each.
struct Said;

impl log::Log for Said {
    fn enabled(&self, of: &log::Metadata<'_>) -> bool {
        of.level() <= log::max_level()
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let (now, what) = (Time(when::clock()).second(), record.args().to_string());
            tell!("{now} {}", visible(&what));
        }
    }

    fn flush(&self) {}
}

/// Where RELAYDRIFT_LOG (error, warn, info) asks for it: most of it is of no use to whoever runs it, and askers are told why
/// their questions failed.
fn listen_to_ballista() {
    let level = std::env::var("RELAYDRIFT_LOG").ok();
    let level = level.and_then(|level| level.parse().ok());
    // Nobody else sets one.
    if log::set_logger(&Said).is_ok() {
        log::set_max_level(level.unwrap_or(log::LevelFilter::Off));
    }
}

/// What the others call this part.
fn host(listen: SocketAddr, reach: ReachArgs) -> Result<String> {
    ensure!(
        reach.plaintext || listen.ip().is_loopback(),
        "--listen {listen}: whoever reaches it could have files of this machine read and written, without TLS or a token\n  \
         where the network is closed to everybody else: --plaintext"
    );
    match reach.host {
        Some(host) => Ok(host),
        None => {
            ensure!(
                !listen.ip().is_unspecified(),
                "--listen {listen}: how do the others reach it?\n  with its name or address: --host NAME"
            );
            Ok(match listen {
                SocketAddr::V4(listen) => listen.ip().to_string(),
                SocketAddr::V6(listen) => format!("[{}]", listen.ip()),
            })
        }
    }
}
