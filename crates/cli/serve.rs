//! `relaydrift serve`: the tables and views of a lake for whoever has the token, over Arrow Flight SQL.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Error, Result, ensure};
use relaydrift_serve::{Asked, Limits, Outcome, Tls, Token};
use tokio::net::TcpListener;

use crate::args::{Global, ServeArgs};
use crate::ask::Time;
use crate::escape::visible;
use crate::output::count;
use crate::{Exit, follow, source, when};

/// More characters of a question are not told.
const TOLD: usize = 200;

/// Answers until somebody ends it.
pub async fn run(args: ServeArgs, global: &Global) -> Result<Exit> {
    let timeout = args.timeout.duration();
    ensure!(!timeout.is_zero(), "--timeout 0: write 10s, 1m or 1h");
    let secret = || args.tls_cert.is_some() || args.plaintext || args.listen.ip().is_loopback();
    ensure!(
        secret(),
        "--listen {}: other machines would send the token and get the rows in plain text\n  \
         with TLS: --tls-cert FILE --tls-key FILE\n  \
         where something in front of it has TLS: --plaintext",
        args.listen
    );
    let token = token(&args.token_file)?;
    let tls = tls(&args)?;
    let scheme = if tls.is_some() { "grpc+tls" } else { "grpc" };
    let naming = source::naming(&args.naming, None)?;
    let open = source::served(&args.lake, &args.expected, &naming, global).await?;
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", args.listen))?;
    if !global.quiet {
        tell!(
            "questions to {} are answered at {scheme}://{}",
            visible(&args.lake),
            listener.local_addr()?
        );
    }
    let limits = Limits {
        connections: args.connections as usize,
        questions: args.questions as usize,
        time: timeout,
        memory: args.memory_mb as usize * 1_000_000,
    };
    let quiet = global.quiet;
    let told = move |asked: &Asked| {
        if !quiet {
            tell!("{}", line(asked));
        }
    };
    let stop = follow::stopped();
    relaydrift_serve::serve(listener, token, tls, limits, open, Box::new(told), stop).await?;
    Ok(Exit::Clean)
}

fn token(file: &Path) -> Result<Token> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let file = file.display();
        let make = match error.kind() {
            ErrorKind::NotFound => format!("; make one: openssl rand -hex 32 > {file}"),
            _ => String::new(),
        };
        Error::new(error).context(format!("--token-file {file}: cannot be read{make}"))
    })?;
    if relaydrift_export::is_open_to_others(file) {
        tell!(
            "relaydrift: others than you can read {}: chmod 600",
            visible(&file.display().to_string())
        );
    }
    Token::new(&text).with_context(|| format!("--token-file {}", file.display()))
}

fn tls(args: &ServeArgs) -> Result<Option<Tls>> {
    let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) else {
        return Ok(None);
    };
    let read = |name: &str, file: &Path| {
        std::fs::read(file).with_context(|| format!("{name} {}", file.display()))
    };
    Ok(Some(Tls {
        certificate: read("--tls-cert", certificate)?,
        key: read("--tls-key", key)?,
    }))
}

/// A question in the words of its asker, and how it ended.
fn line(asked: &Asked) -> String {
    let peer = asked.peer.map_or("?".to_owned(), |peer| peer.to_string());
    let rows = count(i64::try_from(asked.rows).unwrap_or(i64::MAX), "row");
    let end = match &asked.outcome {
        Outcome::Answered => rows,
        Outcome::Left => format!("{rows}, then the client left"),
        Outcome::Failed(error) => format!("{rows}, then: {}", visible(error)),
        Outcome::NoToken => "refused: the token was not shown".to_owned(),
    };
    let mut query: String = asked.query.chars().take(TOLD).collect();
    if query.len() < asked.query.len() {
        query += " …";
    }
    format!(
        "{} {peer} {:.2} s, {end}: {}",
        Time(when::clock()).second(),
        asked.seconds,
        visible(&query)
    )
}
