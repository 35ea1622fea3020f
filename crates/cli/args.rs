//! What can be typed: commands, options, and the help with examples to paste.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{
    ArgGroup, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, value_parser,
};
use relaydrift_cluster::Address;
use relaydrift_datafusion::{SenderName, SenderNetwork};

use crate::config::Config;
use crate::output::{Format, Output};
use crate::settings::{self, Choice};
use crate::when::{Span, When};

/// Finds certificate and address drift of Exchange send connectors in SMTP send-protocol logs.
#[derive(Debug, Parser)]
#[command(
    name = "relaydrift",
    version,
    about,
    long_about = "Finds certificate and address drift of Exchange send connectors in SMTP send-protocol logs.\n\n\
        Exchange Online relays mail of on-premises servers only while the certificate they present or the \
        address they come from matches an inbound connector. relaydrift reads the send logs of the whole \
        fleet and says what every connector on every server presents, when that changed, and what was \
        refused because of it.",
    after_help = "\
Mail is bouncing now (550 5.7.64 TenantAttribution)?
  relaydrift check \\\\ex01\\logs$\\SmtpSend \\\\ex02\\logs$\\SmtpSend
  relaydrift check /logs        # a folder per server in it

Years of logs, and questions:
  relaydrift ingest /logs --lake /lake
  relaydrift drift --lake /lake --breaking
  relaydrift sql --lake /lake \"select * from certificate_spans\"

Exit code: 0 done; 1 a breaking change or an incident inside --since (check,
drift, diagnose), or sessions that would be refused (rehearse); 2 an error.",
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what is wrong, from raw logs, with nothing stored
    Check(CheckArgs),
    /// Read logs into a lake, each line exactly once
    Ingest(IngestArgs),
    /// Keep a lake current from the folders in which servers write their logs
    Follow(FollowArgs),
    /// Say whether a lake still holds what was written into it
    Verify(VerifyArgs),
    /// Merge the small files of a lake into few, while others read and write it
    Compact(CompactArgs),
    /// Remove files of a lake that nobody needs any more: replaced, or never committed
    Vacuum(VacuumArgs),
    /// List holes and repeats in the rows of sessions, and what explains them
    Audit(AuditArgs),
    /// List the changes of certificates and addresses
    Drift(DriftArgs),
    /// Write one page with pictures: what changed, what it did to mail, what to do
    Report(ReportArgs),
    /// Say why mail is refused, who is hit, and what to do
    Diagnose(DiagnoseArgs),
    /// Try other settings of the inbound connector on the sessions there were
    Rehearse(RehearseArgs),
    /// Ask in SQL
    Sql(SqlArgs),
    /// Answer questions of Python, notebooks and BI tools over the network (Arrow Flight SQL)
    Serve(ServeArgs),
    /// Deal out questions to executors on many machines (Ballista)
    Scheduler(SchedulerArgs),
    /// Work on questions for a scheduler
    Executor(ExecutorArgs),
    /// Send findings, refusals and sessions to a SIEM
    Export(Box<crate::export::ExportArgs>),
    /// Show what is configured, and where each value comes from
    Config(ConfigArgs),
    /// Write what a shell needs to complete the command line
    Completions(CompletionsArgs),
    /// Write the help as manual pages
    Man(ManArgs),
    /// Write the format of send logs for the log viewer lnav
    #[command(after_help = "\
Examples:
  relaydrift lnav -o exchange_smtp_send.json
  lnav -i exchange_smtp_send.json
  lnav /logs/EX01                               # then, in lnav:
  ;select log_time, connector, session from exchange_smtp_send
   where enhanced_code = '5.7.64'")]
    Lnav,
    /// Show one session as a transcript, replies beside their commands
    Show(ShowArgs),
    /// Follow one message across servers, services and sessions
    Trace(TraceArgs),
    /// Read what should be presented: exported connectors, domains, certificates
    Expect(ExpectArgs),
    /// Print the PowerShell that gathers logs and exports from the servers
    Collect(crate::collect::CollectArgs),
    /// Say how each connector fares: unused sessions, silences, slow replies, retries, failures
    Review(ReviewArgs),
    /// Say whether logs are complete, current, verbose and readable, and what would be missed
    Doctor(DoctorArgs),
    /// Write a realistic fleet of logs with planted drift, and the truth about it
    #[command(after_help = "\
Examples:
  relaydrift generate /tmp/fleet --servers 9 --days 14 --seed 7
  relaydrift check /tmp/fleet
  relaydrift generate /tmp/fleet2 --match address --seed 8")]
    Generate(crate::generate::GenerateArgs),
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct GlobalArgs {
    /// Worker threads, 1 to 512 [default: one per processor]
    #[arg(long, global = true, value_name = "N", value_parser = value_parser!(u16).range(1..=512))]
    pub threads: Option<u16>,
    /// No progress and no summary on stderr; errors only
    #[arg(
        long,
        short,
        global = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_name = "true|false"
    )]
    pub quiet: Option<bool>,
    /// How data is written: times in UTC (RFC 3339), bytes as hex, lists of a table or CSV with ;
    ///
    /// Unless it is given, the name of the --output file decides, else it is a table.
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Write data to a file (.parquet .md .csv .json .ndjson .jsonl .txt) instead of stdout
    ///
    /// The file appears when it is whole: an error leaves no half of it, and an earlier file as it was.
    #[arg(long, short, global = true, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Change one of relaydrift's settings for this run; may be repeated
    ///
    /// `relaydrift config` lists them all.
    #[arg(long, global = true, value_name = "NAME=VALUE")]
    pub set: Vec<Choice>,
    /// Configuration file [default: the user's own, see `relaydrift config`]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What the options of every command come to.
#[derive(Debug)]
pub struct Global {
    /// Worker threads.
    pub threads: usize,
    /// Errors only on stderr.
    pub quiet: bool,
    /// Where data goes, and how it is written.
    pub output: Output,
    /// Settings that somebody chose; a later choice beats an earlier one.
    pub settings: Vec<Choice>,
    /// The options as they were typed.
    pub typed: GlobalArgs,
}

impl Cli {
    /// Reads the configuration, and the command line with what is configured as its defaults.
    pub fn read() -> Result<(Cli, Config)> {
        Cli::parsed(std::env::args_os()).map_err(|error| match error.downcast::<clap::Error>() {
            Ok(error) => error.exit(),
            Err(error) => error,
        })
    }

    /// As [`Cli::read`], from words that begin with the name of the program.
    ///
    /// # Errors
    /// A [`clap::Error`] where the words are no command line; what is wrong with the configuration.
    pub fn parsed(words: impl IntoIterator<Item = OsString>) -> Result<(Cli, Config)> {
        let words: Vec<OsString> = words.into_iter().collect();
        // Which file it is stands on the command line that it gives defaults to.
        let first = Cli::command().ignore_errors(true);
        let named = first
            .try_get_matches_from(&words)
            .ok()
            .and_then(|found| found.get_one::<PathBuf>("config").cloned());
        let config = Config::load(named.as_deref());
        // Help is there even where the configuration is wrong.
        let defaults = config.as_ref().ok().cloned().unwrap_or_default();
        let found = defaults
            .apply(Cli::command())
            .try_get_matches_from(&words)?;
        Ok((Cli::from_arg_matches(&found)?, config?))
    }
}

/// Gives the pool that reads logs this many threads; before it is used, and once.
pub fn reading_threads(threads: usize) -> Result<()> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .context("cannot start the threads that read logs")
}

/// Parts of the work of a cluster, unless `--threads` says how many.
const PARTS: NonZeroUsize = NonZeroUsize::new(8).unwrap();

impl Global {
    /// Into how many parts the work of a cluster is cut.
    pub fn parts(&self) -> NonZeroUsize {
        let typed = self.typed.threads.and_then(NonZeroU16::new);
        typed.map_or(PARTS, NonZeroUsize::from)
    }

    /// Judges the options over what is configured.
    pub fn new(typed: GlobalArgs, config: &Config) -> Result<Self> {
        let threads = match (typed.threads, config.get("threads")) {
            (Some(threads), _) => threads.into(),
            (None, Some(threads)) => threads.parse()?,
            (None, None) => std::thread::available_parallelism().map_or(1, |threads| threads.get()),
        };
        let output = typed
            .output
            .clone()
            .or(config.get("output").map(PathBuf::from));
        let configured = config
            .get("format")
            .map(|name| Format::from_str(name, true));
        let usual = configured.and_then(Result::ok).unwrap_or(Format::Table);
        settings::check(&typed.set)?;
        Ok(Global {
            threads,
            quiet: typed.quiet.unwrap_or(config.get("quiet") == Some("true")),
            output: Output::new(typed.format, usual, output)?,
            settings: [config.choices(), typed.set.clone()].concat(),
            typed,
        })
    }
}

/// How log files are named: organization, server, service.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Whose logs they are")]
pub struct NamingArgs {
    /// Organization (forest) that the logs come from
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub organization: String,
    /// Pattern with a group `server` (and `service`), matched against each path
    ///
    /// Otherwise the server is the host of a UNC path, else the nearest folder above the file that
    /// is none of Exchange's own (SmtpSend, ProtocolLog, Hub, FrontEnd, Logs, ...).
    #[arg(long, value_name = "REGEX")]
    pub server_from: Option<String>,
}

/// What should be presented, for one question.
#[derive(Debug, Clone, Default, Args)]
pub struct ExpectedArgs {
    /// Exports and certificates, a file or folder, that count for this question; may be repeated
    ///
    /// Over a lake they count in place of what is stored for the same organization. What is read, and
    /// what writes it: relaydrift expect --help, relaydrift collect.
    #[arg(long, value_name = "PATH", num_args = 1)]
    pub expect: Vec<PathBuf>,
    /// Planned changes, which are told as planned; a CSV or JSON file, may be repeated
    ///
    /// Columns: connector, thumbprint or address (or a network), from, until, id. A change of certificate or
    /// address is planned where all of them fit; its severity is info unless it breaks mail. Over a lake they
    /// count beside those that relaydrift expect stored, in place of those with the same id.
    #[arg(long, value_name = "FILE", num_args = 1)]
    pub authorize: Vec<PathBuf>,
}

/// A place to read from.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false, id = "place")]
pub struct PlaceArgs {
    /// A lake that `relaydrift ingest` wrote: a folder, or its URL in an object store (s3, az, abfss, gs)
    #[arg(long, value_name = "DIR")]
    pub lake: Option<String>,
    /// Raw logs: a file, folder, glob or archive (gz, zst, zip); may be repeated
    #[arg(long, value_name = "PATH", num_args = 1)]
    pub logs: Vec<PathBuf>,
}

/// Who works on a question.
#[derive(Debug, Clone, Default, Args)]
pub struct ClusterArgs {
    /// Have the executors of this scheduler do the work; --threads is then into how many parts it is cut [default: 8]
    #[arg(long, value_name = "HOST:PORT")]
    pub cluster: Option<Address>,
    /// Questions that read files of fewer millions of bytes are answered here all the same
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub cluster_from_mb: u32,
}

/// `relaydrift check`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift check /logs                        # one folder per server in it
  relaydrift check \\\\ex01\\logs$\\SmtpSend \\\\ex02\\logs$\\SmtpSend
  relaydrift check SEND2026100510-1.LOG --server EX03
  relaydrift check /logs --server-from '/(?<server>[^/]+)/send/'
  relaydrift check /logs --since 24h --quiet    # exit code 1: it breaks mail
  relaydrift check /logs --expect inbound_connectors.json
  relaydrift check /logs --authorize planned.csv
  relaydrift check /logs --output report.json

Only connectors toward Exchange Online are judged; the others get a line each. Times are UTC.")]
pub struct CheckArgs {
    /// Send logs: files, folders, globs, archives (gz, zst, zip), URLs of object stores
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Changes before this are history: shown, but no cause for exit code 1 (2026-10-05, 7d, 24h)
    #[arg(long, value_name = "TIME")]
    pub since: Option<When>,
    /// What "now" is [default: time of the latest row in the logs]
    #[arg(long, value_name = "now|TIME")]
    pub as_of: Option<When>,
    /// See [`ExpectedArgs`].
    #[command(flatten)]
    pub expected: ExpectedArgs,
    /// See [`NamingArgs`].
    #[command(flatten)]
    pub naming: NamingArgs,
    /// Server of every file given
    #[arg(
        long,
        value_name = "NAME",
        value_parser = clap::builder::NonEmptyStringValueParser::new(),
        conflicts_with = "server_from",
        help_heading = "Whose logs they are"
    )]
    pub server: Option<String>,
}

/// `relaydrift ingest`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift ingest /logs --lake /lake          # again later: only what is new
  relaydrift ingest '/archive/2025-*/**/*.LOG.gz' --lake /lake
  relaydrift ingest /logs/forest2 --lake /lake --organization forest2
  relaydrift ingest /logs --lake s3://bucket/lake  # AWS_ACCESS_KEY_ID, ...
  relaydrift ingest /logs --lake /lake --format json | jq .rows
  relaydrift ingest /logs --lake /lake --cluster 10.0.0.5:50050

The lake is a folder of Delta tables; DuckDB, Spark, Polars and Power BI read them without relaydrift.")]
pub struct IngestArgs {
    /// Send logs: files, folders, globs, archives (gz, zst, zip), URLs of object stores
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// The lake: a folder, or a URL in an object store (s3, az, abfss, gs); created where there is none
    #[arg(long, value_name = "DIR")]
    pub lake: String,
    /// Have the executors of this scheduler read the logs; --threads is then into how many parts they are dealt [default: 8]
    #[arg(long, value_name = "HOST:PORT")]
    pub cluster: Option<Address>,
    /// See [`NamingArgs`].
    #[command(flatten)]
    pub naming: NamingArgs,
    /// Server of every file given
    #[arg(
        long,
        value_name = "NAME",
        value_parser = clap::builder::NonEmptyStringValueParser::new(),
        conflicts_with = "server_from",
        help_heading = "Whose logs they are"
    )]
    pub server: Option<String>,
}

/// `relaydrift follow`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift follow \\\\ex01\\logs$\\SmtpSend \\\\ex02\\logs$\\SmtpSend --lake /lake
  relaydrift follow /logs --lake /lake --interval 1m --vacuum 1d
  relaydrift follow /logs --lake /lake --format ndjson | tee findings.ndjson
  relaydrift follow /logs --lake /lake --on-drift /usr/local/bin/page
  relaydrift follow /logs --lake /lake --webhook @/etc/relaydrift/webhook

Looks every interval, takes in what is new, and prints each change that begins to
break mail. Only whole lines are taken; nothing is written or held open in the
folders. A log that was deleted before it was read, also while nobody looked, leaves
a row in sources, flagged gap, with the offset from which on it is missing. A folder
that is gone is waited for. Ctrl-C or SIGTERM ends it at any time; it goes on where
it was.

--on-drift and --webhook tell of each change that begins to break mail after they
are first used with a lake, at least once each: what is still to be told stands in
the lake, and is tried again until the command ends with 0 or the answer is 2xx.
The command gets a row of drift as JSON on stdin, RELAYDRIFT_SERVER, _CONNECTOR,
_SEVERITY, _KIND, _CLASS, _BEFORE, _AFTER, _FOUND_AT, _KEY and _LAKE; the webhook
gets the JSON as body. No shell is involved.")]
pub struct FollowArgs {
    /// Folders and globs of send logs
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// The lake: a folder, or a URL in an object store (s3, az, abfss, gs); created where there is none
    #[arg(long, value_name = "DIR")]
    pub lake: String,
    /// How often to look (10s, 1m, 1h)
    #[arg(long, value_name = "SPAN", default_value = "10s")]
    pub interval: Span,
    /// Once an hour, remove from the lake what nobody has needed for so long (6h at the least), as relaydrift vacuum
    #[arg(long, value_name = "SPAN")]
    pub vacuum: Option<Span>,
    /// See [`AlarmArgs`].
    #[command(flatten)]
    pub alarms: AlarmArgs,
    /// See [`NamingArgs`].
    #[command(flatten)]
    pub naming: NamingArgs,
    /// Server of every file given
    #[arg(
        long,
        value_name = "NAME",
        value_parser = clap::builder::NonEmptyStringValueParser::new(),
        conflicts_with = "server_from",
        help_heading = "Whose logs they are"
    )]
    pub server: Option<String>,
}

/// Whom `relaydrift follow` tells
#[derive(Debug, Args)]
#[command(next_help_heading = "Alarms")]
pub struct AlarmArgs {
    /// Run this for each change that begins to break mail: a program and its arguments
    #[arg(long, value_name = "COMMAND")]
    pub on_drift: Option<String>,
    /// Post each such change here: https, or http on this machine; @FILE holds the address
    #[arg(long, value_name = "URL|@FILE")]
    pub webhook: Option<String>,
    /// Bearer token for the webhook: a file with one line
    #[arg(long, value_name = "FILE", requires = "webhook")]
    pub secret_file: Option<PathBuf>,
    /// Certificate authorities to trust instead of the system's: a PEM file
    #[arg(long, value_name = "FILE", requires = "webhook")]
    pub ca_file: Option<PathBuf>,
    /// No alarm for changes that did no harm since (90m, 24h, 7d)
    #[arg(long, value_name = "SPAN", default_value = "7d")]
    pub alarm_since: Span,
    /// Time for one run of the command, or one post
    #[arg(long, value_name = "SPAN", default_value = "30s")]
    pub alarm_timeout: Span,
}

/// `relaydrift verify`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift verify --lake /lake
  relaydrift verify --lake /lake --format ndjson | jq .file

Every data file is read and held against the size, rows and BLAKE3 that its batch
committed; the ledger (sources) against the rows that are there. A line per
difference, with what to do. Nothing is changed. Exit code: 0 none; 2 some.")]
pub struct VerifyArgs {
    /// The lake: a folder, or its URL in an object store (s3, az, abfss, gs)
    #[arg(long, value_name = "DIR")]
    pub lake: String,
}

/// `relaydrift compact`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift compact --lake /lake
  relaydrift compact --lake /lake --target-mb 64

Every batch brings files of its own; many small batches make questions slow. Rows
and their order stay as they are, and files that are not what was written are left
alone and named (exit code 2). Replaced files stay in the folder for whoever reads
them, until relaydrift vacuum.")]
pub struct CompactArgs {
    /// The lake: a folder, or its URL in an object store (s3, az, abfss, gs)
    #[arg(long, value_name = "DIR")]
    pub lake: String,
    /// Merge files below this size, into files about as large (millions of bytes)
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub target_mb: u64,
}

/// `relaydrift vacuum`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift vacuum --lake /lake --dry-run
  relaydrift vacuum --lake /lake
  relaydrift vacuum --lake /lake --older-than 30d --format ndjson

Removes data files that a merged one replaced, those of runs that died or came
second, and what a checkpoint in a Delta log stands for, once nobody has needed them
for so long. Whoever began to read or write within that time loses nothing. What the
tables name, files of other programs and the lake's papers stay; older versions of
the tables (time travel) can no longer be read. Prints what was removed.")]
pub struct VacuumArgs {
    /// The lake: a folder, or its URL in an object store (s3, az, abfss, gs)
    #[arg(long, value_name = "DIR")]
    pub lake: String,
    /// Not needed for so long; 6h at the least
    #[arg(long, value_name = "SPAN", default_value = "7d")]
    pub older_than: Span,
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
}

/// `relaydrift serve`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  openssl rand -hex 32 > token && chmod 600 token
  relaydrift serve --lake /lake --token-file token
  relaydrift serve --lake s3://mail/lake --token-file token \\
    --listen 0.0.0.0:32010 --tls-cert server.pem --tls-key server.key

Clients (any driver of Arrow Flight SQL: ADBC, JDBC, ODBC) connect to
grpc://127.0.0.1:32010, with TLS to grpc+tls://HOST:32010, and show the token as
a bearer token, or as the password of any user. Tables, views and functions are
those of `relaydrift sql`; nothing can be written, and no file but those of the
lake is read. New rows are seen after 10 s at the latest. A line on stderr tells
of each question. Ctrl-C or SIGTERM ends it once the answers under way are out,
after 10 s at the latest. Texts that a question builds (repeat, replace) do not
count as its memory: give the process a limit too (MemoryMax= of systemd).")]
pub struct ServeArgs {
    /// The lake: a folder, or its URL in an object store (s3, az, abfss, gs)
    #[arg(long, value_name = "DIR")]
    pub lake: String,
    /// File with the token that clients have to show
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,
    /// Address and port to listen on; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:32010",
        value_parser = socket
    )]
    pub listen: SocketAddr,
    /// Certificate with its chain, for TLS (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Answer other machines without TLS, where something in front of it has TLS
    #[arg(long, conflicts_with = "tls_cert")]
    pub plaintext: bool,
    /// Connections at once; one more is closed as soon as it is made
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = value_parser!(u32).range(1..=65_536))]
    pub connections: u32,
    /// Questions worked on at once; others wait for their turn
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = value_parser!(u32).range(1..=4096))]
    pub questions: u32,
    /// Longest time from a question to the last row of its answer
    #[arg(long, value_name = "SPAN", default_value = "60s")]
    pub timeout: Span,
    /// Memory for sorts, joins and groups of all questions (millions of bytes)
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = value_parser!(u32).range(64..))]
    pub memory_mb: u32,
    /// See [`NamingArgs`].
    #[command(flatten)]
    pub naming: NamingArgs,
    /// See [`ExpectedArgs`].
    #[command(flatten)]
    pub expected: ExpectedArgs,
}

/// An address and a port to listen on.
fn socket(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(
        |_| "an IP address and a port are meant, such as 127.0.0.1:0, [::1]:0 or 0.0.0.0:50050",
    )
}

/// `relaydrift scheduler`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift scheduler
  relaydrift executor --scheduler 127.0.0.1:50050   # as many as you like
  relaydrift drift --cluster 127.0.0.1:50050 --lake /lake
  relaydrift scheduler --listen 10.0.0.5:50050 --plaintext

The scheduler holds no rows and reads no file; executors come and go. An executor
that says nothing for 25 s is gone, and what it worked on is done again by others.
A question fails where no executor is left for 20 s. All parts have to be of the
same version. RELAYDRIFT_LOG=warn or info tells what they do. They speak without TLS and ask nobody who he is: whoever reaches a
port can have any file read or written that its user can. The network has to be
one of their own.")]
pub struct SchedulerArgs {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:50050", value_parser = socket)]
    pub listen: SocketAddr,
    /// See [`ReachArgs`].
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// `relaydrift executor`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift executor --scheduler 127.0.0.1:50050
  relaydrift executor --scheduler 127.0.0.1:50050 --threads 4 --memory-mb 8000
  relaydrift executor --scheduler ex:50050 --listen 10.0.0.7:50051 --plaintext

An executor reads the files of a lake itself: the folder has to be mounted there
under the same path, or the credentials of its object store be in its environment,
as for `relaydrift sql`. --threads is how many tasks it works on at once. Ctrl-C or
SIGTERM ends it once its tasks are done. Rows on their way lie in a folder below
TMPDIR. See `relaydrift scheduler --help` for whom the network has to be closed to.")]
pub struct ExecutorArgs {
    /// The scheduler that deals out the work
    #[arg(long, value_name = "HOST:PORT")]
    pub scheduler: Address,
    /// Address and port where rows are fetched; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0", value_parser = socket)]
    pub listen: SocketAddr,
    /// Memory for sorts, joins and groups of questions (millions of bytes) [default: 70 % of the machine's]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(64..))]
    pub memory_mb: Option<u32>,
    /// See [`ReachArgs`].
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// How the other parts of a cluster reach this one.
#[derive(Debug, Args)]
pub struct ReachArgs {
    /// Name or address under which the others reach it [default: that of --listen]
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Let other machines reach it: the network is closed to everybody else
    #[arg(long)]
    pub plaintext: bool,
}

/// `relaydrift audit`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift audit --lake /lake
  relaydrift audit --logs /logs --unexplained
  relaydrift audit --lake /lake -o holes.csv
  relaydrift sql --lake /lake \"select * from audit where explanation is null\"

Exchange numbers the rows of a session from 0: what is missing or there twice shows.
A log that was deleted or not brought, a line that cannot be read, a service that
began anew and a session that goes on explain a hole. Exit code: 0; 2 an error.")]
pub struct AuditArgs {
    /// See [`PlaceArgs`].
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Only what nothing explains
    #[arg(long)]
    pub unexplained: bool,
    /// See [`NamingArgs`].
    #[command(flatten)]
    pub naming: NamingArgs,
}

/// `relaydrift drift`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift drift --lake /lake --since 7d
  relaydrift drift --logs /logs --breaking
  relaydrift drift --lake /lake --connector 'Outbound to Office 365'
  relaydrift drift --lake /lake --server EX03 --since 24h
  relaydrift drift --lake /lake --authorize planned.csv
  relaydrift drift --lake /lake --chart
  relaydrift drift --lake /lake --since 30d --until 7d --output month.csv
  relaydrift drift --lake /lake --since 7d --format markdown

All of the input is read; the options choose among the findings. One finding per line, oldest first.
severity: critical (no server of the connector gets through), high (refused), medium (at risk), info.")]
pub struct DriftArgs {
    /// See [`PlaceArgs`].
    #[command(flatten)]
    pub place: PlaceArgs,
    /// See [`ClusterArgs`].
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Findings from this time on (2026-10-05, 2026-10-05T10:00:00Z, 7d, 24h)
    #[arg(long, value_name = "TIME")]
    pub since: Option<When>,
    /// Findings before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<When>,
    /// What "now" is for 7d and 24h [default: time of the latest row in the data]
    #[arg(long, value_name = "now|TIME")]
    pub as_of: Option<When>,
    /// Findings of this connector (case does not matter)
    #[arg(long, value_name = "NAME")]
    pub connector: Option<String>,
    /// Findings of this server (case does not matter)
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
    /// Only findings that broke mail
    #[arg(long)]
    pub breaking: bool,
    /// See [`ExpectedArgs`].
    #[command(flatten)]
    pub expected: ExpectedArgs,
    /// Draw what each server presented over time, with numbered findings, instead of listing rows
    #[arg(long)]
    pub chart: bool,
    /// Draw with nothing but ASCII
    #[arg(long, requires = "chart")]
    pub ascii: bool,
    /// See [`NamingArgs`].
    #[command(flatten)]
    pub naming: NamingArgs,
}

/// `relaydrift report`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift report --lake /lake -o report.html
  relaydrift report --logs /logs -o report.html --since 7d
  relaydrift report --lake /lake > report.html
  relaydrift report --lake /lake --png lanes.png
  relaydrift report --lake /lake --email report.eml \\
    --from relay@contoso.com --mail-to board@contoso.com

The page is one file: no script, no image, no other reference. It opens in any browser,
prints, and can be attached to a ticket or a mail. The message is a file that any mail
system sends; choose a way out that is not the connector in trouble. Times are UTC.")]
pub struct ReportArgs {
    /// See [`PlaceArgs`].
    #[command(flatten)]
    pub place: PlaceArgs,
    /// See [`ClusterArgs`].
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// See [`ExpectedArgs`].
    #[command(flatten)]
    pub expected: ExpectedArgs,
    /// Where the pictures begin; findings before it are history (2026-10-05, 7d, 24h)
    #[arg(long, value_name = "TIME")]
    pub since: Option<When>,
    /// Where the pictures end
    #[arg(long, value_name = "TIME")]
    pub until: Option<When>,
    /// What "now" is [default: time of the latest row in the data]
    #[arg(long, value_name = "now|TIME")]
    pub as_of: Option<When>,
    /// Draw verdict and lanes into a picture as well
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    /// Write a message with the picture in it and the page attached (RFC 5322)
    #[arg(long, value_name = "FILE", requires = "from", requires = "mail_to")]
    pub email: Option<PathBuf>,
    /// Whom the message is from
    #[arg(long, value_name = "ADDRESS", requires = "email")]
    pub from: Option<String>,
    /// Whom it goes to; may be repeated
    #[arg(long, value_name = "ADDRESS", requires = "email")]
    pub mail_to: Vec<String>,
    /// What stands above the page
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "Relay to Exchange Online: certificates and addresses"
    )]
    pub title: String,
    /// See [`NamingArgs`].
    #[command(flatten)]
    pub naming: NamingArgs,
}

/// `relaydrift diagnose`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift diagnose --logs /logs
  relaydrift diagnose --logs /logs --expect inbound_connectors.json
  relaydrift diagnose --lake /lake --since 7d --all
  relaydrift diagnose --lake /lake --incident be35fc1c
  relaydrift diagnose --logs /logs --format markdown -o change.md
  relaydrift diagnose --lake /lake --format ndjson | jq .cause

The newest incident in full: what happened, since when, who is hit, why, with the line of the log that
decides, and the commands to copy. Nothing is ever changed from here. RED mail is refused, YELLOW it is
relayed again for less than an hour, GREEN it is over. Exit code 1: an incident is open, or was in --since.")]
pub struct DiagnoseArgs {
    /// See [`PlaceArgs`].
    #[command(flatten)]
    pub place: PlaceArgs,
    /// See [`ClusterArgs`].
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Incidents that refused mail from this time on (2026-10-05, 7d, 24h)
    #[arg(long, value_name = "TIME")]
    pub since: Option<When>,
    /// Incidents that began before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<When>,
    /// Incidents of this connector (case does not matter)
    #[arg(long, value_name = "NAME")]
    pub connector: Option<String>,
    /// Incidents of this server (case does not matter)
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
    /// The incident whose id begins so
    #[arg(long, value_name = "ID")]
    pub incident: Option<String>,
    /// Every incident in full, not only the newest
    #[arg(long)]
    pub all: bool,
    /// See [`ExpectedArgs`].
    #[command(flatten)]
    pub expected: ExpectedArgs,
    /// See [`NamingArgs`].
    #[command(flatten)]
    pub naming: NamingArgs,
}

/// `relaydrift rehearse`
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("connector").required(true).multiple(true),
    after_help = "\
Examples:
  relaydrift rehearse --lake /lake --days 14 \\
    --tls-sender-certificate-name '*.contoso.com'
  relaydrift rehearse --logs /logs --sender-ip 203.0.113.10 --since 2026-10-01
  relaydrift rehearse --logs /logs --expect exports/ \\
    --tls-sender-certificate-name '*.contoso.com' --sender-ip 203.0.113.16/28
  relaydrift rehearse --lake /lake --sender-ip 203.0.113.0/24 -o sessions.csv

Had the inbound connector been set like this, which sessions would Exchange Online have attributed? Ask it
before a cut-over, for instance from addresses to a certificate: nothing is changed. A certificate or an
address suffices. Exports (--expect, or stored in the lake) add the names of certificates that the logs do
not spell out, and the accepted domains, without which nobody looks at senders.

Exit code: 0 all of them; 1 some not, or not to be told; 2 an error, or no session to judge. Sessions that hide
what is asked for do not count, unless a server has no others."
)]
pub struct RehearseArgs {
    /// See [`PlaceArgs`].
    #[command(flatten)]
    pub place: PlaceArgs,
    /// The certificate's name that the connector would ask for: a domain, or *. and a domain
    #[arg(long, value_name = "NAME", group = "connector")]
    pub tls_sender_certificate_name: Option<SenderName>,
    /// An address or network (/24 to /32) that it would list; may be repeated
    #[arg(long, value_name = "CIDR", group = "connector")]
    pub sender_ip: Vec<SenderNetwork>,
    /// Sessions of the last N days [default: all there are]
    #[arg(long, value_name = "N", conflicts_with = "since", value_parser = value_parser!(u16).range(1..))]
    pub days: Option<u16>,
    /// Sessions from this time on (2026-10-05, 2026-10-05T10:00:00Z, 7d, 24h)
    #[arg(long, value_name = "TIME")]
    pub since: Option<When>,
    /// What "now" is [default: time of the latest row in the data]
    #[arg(long, value_name = "now|TIME")]
    pub as_of: Option<When>,
    /// Exports and certificates, a file or folder, that count for this question; may be repeated
    ///
    /// Over a lake they count in place of what is stored for the same organization.
    #[arg(long, value_name = "PATH", num_args = 1)]
    pub expect: Vec<PathBuf>,
    /// See [`NamingArgs`].
    #[command(flatten)]
    pub naming: NamingArgs,
}

/// `relaydrift sql`
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  relaydrift sql --lake /lake                   # a shell: .help, Tab completes
  relaydrift sql --lake /lake \"select * from certificate_spans\"
  relaydrift sql --logs /logs -o r.parquet \"select * from refusals\"
  relaydrift sql --lake /lake \"select server, count(*) from rejects group by 1\"
  relaydrift sql --lake /lake < question.sql
  relaydrift sql --lake /lake --example refused_by_server
  relaydrift sql --examples                     # ready questions
  relaydrift sql --lake /lake \"show tables\"
  relaydrift sql --lake /lake \"describe drift\"

Tables: events, sessions, open_sessions, transactions, observations,
proxied_halves, certificates_seen, rejects, sources. What should be: inbound_connectors,
send_connectors, accepted_domains, certificates, transport_services,
organization_config, blocked_connectors, planned_changes; imports lists the files.
Views: connectors, certificate_spans, egress_spans, certificate_drift,
egress_drift, drift, refusals, coverage and those below them.
Read only: nothing can be written or created. A shell may set relaydrift.NAME;
a single query takes --set NAME=VALUE."
)]
pub struct SqlArgs {
    /// See [`PlaceArgs`].
    #[command(flatten)]
    pub place: PlaceArgs,
    /// See [`ClusterArgs`].
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// List ready questions
    #[arg(long, group = "place")]
    pub examples: bool,
    /// One SQL query; without it stdin, or a shell on a terminal
    pub query: Option<String>,
    /// See [`ExpectedArgs`].
    #[command(flatten)]
    pub expected: ExpectedArgs,
    /// Ask a ready question
    #[arg(long, value_name = "NAME", conflicts_with = "query")]
    pub example: Option<String>,
    /// See [`NamingArgs`].
    #[command(flatten)]
    pub naming: NamingArgs,
    /// Server of every log given
    #[arg(
        long,
        value_name = "NAME",
        value_parser = clap::builder::NonEmptyStringValueParser::new(),
        conflicts_with = "server_from",
        help_heading = "Whose logs they are"
    )]
    pub server: Option<String>,
}

/// `relaydrift config`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift config                             # a file that gives the same
  relaydrift config --origin                    # and where each value is from
  relaydrift config --origin --format json
  relaydrift config > ~/.config/relaydrift/config.toml

The file is $XDG_CONFIG_HOME/relaydrift/config.toml (~/.config without it; on
Windows %APPDATA%\\relaydrift\\config.toml), RELAYDRIFT_CONFIG or --config FILE:

  lake = \"/lake\"
  logs = [\"/logs\"]
  organization = \"contoso\"
  server_from = '/(?<server>[^/]+)/send/'
  format = \"table\"
  threads = 8
  quiet = false
  output = \"result.parquet\"
  [settings]
  silence_hours = 6

RELAYDRIFT_LAKE, RELAYDRIFT_LOGS, ..., RELAYDRIFT_SET_SILENCE_HOURS beat the file,
the command line beats both. --lake and --logs may be left out then.")]
pub struct ConfigArgs {
    /// Say of each value where it comes from: file and line, environment, command line, default
    #[arg(long)]
    pub origin: bool,
}

/// `relaydrift completions`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift completions bash >> ~/.bash_completion
  relaydrift completions zsh > ~/.zfunc/_relaydrift
  relaydrift completions fish -o ~/.config/fish/completions/relaydrift.fish
  relaydrift completions powershell >> $PROFILE
  relaydrift completions elvish >> ~/.config/elvish/rc.elv")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `relaydrift man`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift man | man -l -
  relaydrift man --dir ~/.local/share/man/man1  # a page per command")]
pub struct ManArgs {
    /// A folder for a page per command; without it, the page of the program goes to stdout
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `relaydrift show`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift show 08DF1568755BCDAF --logs /logs
  relaydrift show 08DF1568755BCDAF --lake /lake --server EX01 --service Hub
  relaydrift show 08DF1568755BCDAF --lake /lake --format json | jq .

Rows stand in the order of their commands, each reply below the command that it
answers, with its line in the log. Times are UTC.")]
pub struct ShowArgs {
    /// Id of the session: 16 hexadecimal digits
    #[arg(value_name = "SESSION")]
    pub session: String,
    /// See [`PlaceArgs`].
    #[command(flatten)]
    pub place: PlaceArgs,
    /// The one of this server, where several have the id (case does not matter)
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
    /// The one of this service: Hub, FrontEnd, Edge, ... (case does not matter)
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Silence between two rows that is marked (500ms, 10s, 5m, 1h)
    #[arg(long, value_name = "SPAN", default_value = "10s")]
    pub pause: Span,
    /// See [`NamingArgs`].
    #[command(flatten)]
    pub naming: NamingArgs,
}

/// `relaydrift trace`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift trace '<cc963164caac0c11@EX01.contoso.com>' --logs /logs
  relaydrift trace cc963164caac0c11@ex01.contoso.com --lake /lake
  relaydrift trace cc963164caac0c11@ex01.contoso.com --lake /lake --format json

The id stands in the message's headers (Message-ID), in message tracking and in
reports of non-delivery. Letters before its @ count as they are written. Times are UTC.")]
pub struct TraceArgs {
    /// Message-ID, with or without its angle brackets
    #[arg(value_name = "MESSAGE-ID")]
    pub message_id: String,
    /// See [`PlaceArgs`].
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Silence between two rows that is marked (500ms, 10s, 5m, 1h)
    #[arg(long, value_name = "SPAN", default_value = "10s")]
    pub pause: Span,
    /// See [`NamingArgs`].
    #[command(flatten)]
    pub naming: NamingArgs,
}

/// `relaydrift expect`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift expect exports/ --lake /lake       # a folder of exports
  relaydrift expect inbound_connectors.json mail.cer  # only look
  relaydrift expect exports/ --lake /lake --tenant contoso.onmicrosoft.com
  relaydrift expect old.xml --lake /lake --valid-from 2026-09-01
  relaydrift expect planned.csv --lake /lake    # changes that are planned
  relaydrift collect                            # the commands that export

Exports of Get-InboundConnector, Get-SendConnector, Get-AcceptedDomain, Get-ExchangeCertificate,
Get-TransportService, Get-FrontendTransportService, Get-OrganizationConfig and Get-BlockedConnector, as
JSON, CLIXML, CSV or Format-List text; certificates as PEM, DER or PKCS#7; planned changes as CSV or JSON
(connector, thumbprint or address, from, until, id). A file is known by what is in it, and taken whole or
not at all. Private keys are refused.")]
pub struct ExpectArgs {
    /// Exports and certificates: files, or folders of them
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// The lake to keep it in: a folder, created where there is none
    #[arg(long, value_name = "DIR")]
    pub lake: Option<String>,
    /// Organization (forest) that it belongs to
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub organization: String,
    /// Tenant that it belongs to
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// Since when it counts [default: now; the first of a kind: from the beginning]
    #[arg(long, value_name = "TIME")]
    pub valid_from: Option<When>,
}

/// `relaydrift review`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift review --logs /logs
  relaydrift review --lake /lake --connector 'Outbound to Office 365'
  relaydrift review --lake /lake --server EX03 --since 7d --until 1d
  relaydrift review --logs /logs --pause 5m --format json > review.json

Sessions count by the time of their first row. Times are UTC; half of the replies
came within P50, 95 of 100 within P95 (both up to 1.6 % too long).")]
pub struct ReviewArgs {
    /// See [`PlaceArgs`].
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Sessions of this connector (case does not matter)
    #[arg(long, value_name = "NAME")]
    pub connector: Option<String>,
    /// Sessions of this server (case does not matter)
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
    /// Sessions from this time on (2026-10-05, 2026-10-05T10:00:00Z, 7d, 24h)
    #[arg(long, value_name = "TIME")]
    pub since: Option<When>,
    /// Sessions before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<When>,
    /// What "now" is for 7d and 24h [default: time of the latest row in the data]
    #[arg(long, value_name = "now|TIME")]
    pub as_of: Option<When>,
    /// Silence inside a session that is told (500ms, 10s, 5m, 1h)
    #[arg(long, value_name = "SPAN", default_value = "30s")]
    pub pause: Span,
    /// See [`NamingArgs`].
    #[command(flatten)]
    pub naming: NamingArgs,
}

/// `relaydrift doctor`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift doctor /logs                       # one folder per server in it
  relaydrift doctor \\\\ex01\\logs$\\Hub \\\\ex01\\logs$\\FrontEnd
  relaydrift doctor /logs --lake /lake          # and what the lake lacks
  relaydrift doctor --lake /lake --format json

Each problem comes with the command or step that mends it. Times are UTC.")]
pub struct DoctorArgs {
    /// Send logs: files, folders, globs, .gz too
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// A lake: what it lacks of the logs, or, without logs, how complete it is
    #[arg(long, value_name = "DIR")]
    pub lake: Option<String>,
    /// What "now" is [default: the clock of this machine]
    #[arg(long, value_name = "now|TIME")]
    pub as_of: Option<When>,
    /// See [`NamingArgs`].
    #[command(flatten)]
    pub naming: NamingArgs,
    /// Server of every file given
    #[arg(
        long,
        value_name = "NAME",
        value_parser = clap::builder::NonEmptyStringValueParser::new(),
        conflicts_with = "server_from",
        help_heading = "Whose logs they are"
    )]
    pub server: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        for command in Cli::command().get_subcommands() {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                help.contains("relaydrift"),
                "{} has no example",
                command.get_name()
            );
        }
    }

    #[test]
    fn examples_are_pasted_whole() {
        let cli = Cli::command();
        for command in cli.get_subcommands().chain([&cli]) {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            for line in help
                .lines()
                .filter(|line| line.starts_with("  relaydrift "))
            {
                assert!(line.len() < 80, "wrapped on a small terminal: {line}");
            }
        }
    }

    #[test]
    fn the_help_of_sql_names_every_table_and_only_views_that_exist() {
        let cli = Cli::command();
        let sql = cli.find_subcommand("sql").expect("a command");
        let help = sql
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        for table in relaydrift_ingest::Table::ALL {
            assert!(help.contains(table.name()), "{}", table.name());
        }
        let views = help
            .split("Views: ")
            .nth(1)
            .and_then(|text| text.split(" and").next());
        for name in views.unwrap_or_default().split(',').map(str::trim) {
            let mut all = relaydrift_datafusion::views().iter();
            assert!(all.any(|view| view.name == name), "{name}");
        }
    }
}
