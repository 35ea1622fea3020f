//! Questions and ingests on a cluster: a scheduler and executors, each a process of its own, give what one process gives.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::SessionContext;
use relaydrift_cluster::Address;
use relaydrift_datafusion::{Source, functions, register_all, session_context, views};
use relaydrift_ingest::Table;
use relaydrift_lake::Lake;
use serde_json::Value;

use crate::util::{CONTENT, Fleet, empty, program, query_sorted, run, run_for, text};
use crate::{readme, stores};

/// A part of a cluster that ends with its test.
struct Part(Child);

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Part {
    /// Starts a part and waits for its first line.
    fn start(args: &[&str], environment: &[(&'static str, String)]) -> (Part, String) {
        let mut child = program()
            .args(args)
            .envs(environment.iter().map(|(name, value)| (*name, value)))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
        let first = lines.next().expect("a line").expect("text");
        // What nobody reads would block it.
        std::thread::spawn(move || lines.for_each(drop));
        (Part(child), first)
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.0.id().to_string()])
            .status();
        assert!(sent.expect("kill runs").success());
    }
}

/// A scheduler and its executors.
struct Cluster {
    scheduler: Option<Part>,
    executors: Vec<Part>,
    address: String,
    environment: Vec<(&'static str, String)>,
}

impl Cluster {
    fn new(executors: usize) -> Cluster {
        Cluster::with(executors, Vec::new())
    }

    fn with(executors: usize, environment: Vec<(&'static str, String)>) -> Cluster {
        let mut cluster = Cluster {
            scheduler: None,
            executors: Vec::new(),
            address: "127.0.0.1:0".to_owned(),
            environment,
        };
        cluster.schedule();
        (0..executors).for_each(|_| cluster.join());
        cluster
    }

    /// Starts the scheduler, where it was before if it ran before.
    fn schedule(&mut self) {
        let (part, said) = Part::start(&["scheduler", "--listen", &self.address], &[]);
        let address = said.strip_prefix("scheduler at ").expect("an address");
        self.address = address.to_owned();
        self.scheduler = Some(part);
    }

    /// One more executor.
    fn join(&mut self) {
        let args = ["executor", "--scheduler", &self.address, "--threads", "1"];
        let (part, said) = Part::start(&args, &self.environment);
        assert!(said.starts_with("executor at 127.0.0.1:"), "{said}");
        self.executors.push(part);
    }

    /// However small it is.
    fn source<'a>(&'a self, lake: &'a str) -> [&'a str; 6] {
        [
            "--lake",
            lake,
            "--cluster",
            &self.address,
            "--cluster-from-mb",
            "0",
        ]
    }

    fn begin(&self, lake: &str, sql: &str) -> Child {
        program()
            .args(
                [
                    &["sql"],
                    &self.source(lake)[..],
                    &["--format", "ndjson", sql],
                ]
                .concat(),
            )
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts")
    }

    /// A context whose plans run here.
    async fn context(&self, lake: &str) -> SessionContext {
        let address: Address = self.address.parse().expect("an address");
        let state = relaydrift_cluster::session_state(&address, 3, 0).await;
        filled(
            SessionContext::new_with_state(state.expect("a state")),
            lake,
        )
        .await
    }
}

async fn filled(ctx: SessionContext, lake: &str) -> SessionContext {
    let lake = Lake::open(lake).await.expect("a lake");
    let source = Source::Lake(Arc::new(lake));
    register_all(&ctx, source).await.expect("registered");
    ctx
}

/// The rows of an answer as texts, sorted unless the question says how; or what went wrong.
async fn rows(ctx: &SessionContext, sql: &str) -> Result<Vec<String>, String> {
    let answer = ctx.sql(sql).await.map_err(|error| error.to_string())?;
    let batches = answer.collect().await.map_err(|error| error.to_string())?;
    let options = FormatOptions::default().with_null("∅");
    let mut rows = Vec::new();
    for batch in &batches {
        let columns = batch.columns().iter();
        let columns: Vec<_> = columns
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).expect("texts"))
            .collect();
        for row in 0..batch.num_rows() {
            let texts: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
            rows.push(texts.join("|"));
        }
    }
    let end = sql.rsplit(')').next();
    if !end.is_some_and(|end| end.contains(" order by ")) {
        rows.sort();
    }
    Ok(rows)
}

fn lake(name: &str, fleet: &Fleet) -> String {
    let lake = empty(name).to_str().expect("UTF-8").to_owned();
    run_for(0, &["ingest", fleet.path(), "--lake", &lake, "--quiet"]);
    lake
}

const FLEET: &str = "--servers 3 --days 2 --seed 21 --sessions-per-hour 4";

/// What runs where its rows are: functions of columns, joins of every kind, windows, limits, sets, subqueries.
const QUESTIONS: [&str; 35] = [
    "select session_id, smtp_code(refusal_text), smtp_enhanced(refusal_text), smtp_reply_text(refusal_text), attr_code(refusal_text) from sessions",
    "select endpoint_ip(concat(remote_ip, ':25')), endpoint_port(concat(remote_ip, ':25')), ip_scope(remote_ip), ip_in(remote_ip, '10.0.0.0/8'), egress_network(egress_ip) from sessions",
    "select dn_attribute(sent_subject, 'CN'), dn_equal(sent_subject, sent_issuer), certificate_family(sent_subject, sent_names), public_authority(sent_issuer), tls_certificate_issuer(concat('<I>', sent_issuer, '<S>', sent_subject)), tls_certificate_subject(concat('<I>', sent_issuer, '<S>', sent_subject)), tls_sender_name_matches(ehlo_name, sent_names) from sessions",
    "select server, min_row(start_time, session_id)['c1'], around(start_time, case when accepted > 0 then end_time end) from sessions group by server",
    "select server, value, hour, span_number(value, first_seen, last_seen) over (partition by server, connector_id, kind) from observations",
    "select remedy(case when refused > 0 then 'certificate_expired' else outcome end, 'title', [concat('servers=', server)]) from sessions",
    "select setting('relaydrift.silence_hours'), server from sources",
    "select event, count(*), sum(sequence), avg(sequence) from events group by event",
    "select server, count(distinct session_id), approx_distinct(session_id) > 0 from events group by server having count(*) > (select count(*) / 10 from events)",
    "select e.event, s.outcome, count(*) from events e join sessions s on e.session_id = s.session_id and e.server = s.server group by 1, 2",
    "select s.session_id, t.ordinal from sessions s left join transactions t on s.session_id = t.session_id and t.refused > 0",
    "select s.session_id, t.ordinal from sessions s full join transactions t on s.session_id = t.session_id and t.accepted > s.accepted",
    "select count(*) from sessions a left join sessions b on a.start_time < b.start_time and a.server > b.server",
    "select a.session_id from sessions a where not exists (select 1 from sessions b where b.start_time < a.start_time and b.server > a.server)",
    "select a.session_id from sessions a where exists (select 1 from sessions b where b.start_time < a.start_time and b.rows > a.rows)",
    "select session_id from sessions where session_id not in (select session_id from transactions where refused > 0)",
    "select count(*) from sources a cross join sources b",
    "select server from sources union select server from sessions",
    "select server from sources union all select server from sessions union all select 'x'",
    "select server from sessions intersect select server from transactions",
    "select session_id, row_number() over (partition by server order by start_time, session_id), sum(rows) over (partition by server order by start_time, session_id rows 3 preceding) from sessions",
    "select e.server, e.session_id, e.sequence from events e join (select distinct server from spans limit 100) x on e.server = x.server order by e.event_time, e.server, e.session_id, e.sequence limit 7",
    "select x.first_seen, count(*) from (select * from spans order by first_seen, connector_id, server, kind, value limit 3) x join events e on e.server = x.server group by 1",
    // Of one file each: planned for one partition, and cut into several.
    "select a.path, count(*) from sources a left join sources b on a.source_id = b.source_id group by a.path",
    "select count(*) from sources a left join sources b on a.source_id = b.source_id",
    "select a.path, b.rows from sources a full join sources b on a.source_id = b.source_id order by 1, 2 limit 20",
    "select x.path, c.path from (select a.path, a.rows from sources a left join sources b on a.source_id = b.source_id) c left join sources x on x.rows < c.rows",
    "select path, row_number() over (order by path) from (select a.path from sources a left join sources b on a.source_id = b.source_id)",
    "select server, count(*) from (select server, count(*) from sessions group by server union all select server, count(*) from transactions group by server) group by server",
    "select count(*) from sessions where coalesce(refusal_code, 0) not in (select coalesce(reply_code, 0) from transactions)",
    "select server, count(*) from sessions where coalesce(messages, 0) not in (select coalesce(recipients, 0) from transactions) group by server",
    "select server, session_id, sum(messages) filter (where refused > 0) over (partition by server) from sessions",
    "select server, first_value(refusal_code) ignore nulls over (order by start_time, session_id) from sessions",
    "select session_id from sessions order by (select max(messages) from sessions) - messages, session_id limit 50",
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 5) select i, (select count(*) from events) from n",
];

/// Every table, view and question, asked of both; times at which something was done are no part of an answer.
async fn compare(cluster: &Cluster, lake: &str) -> usize {
    let (here, there) = (
        filled(session_context(2), lake).await,
        cluster.context(lake).await,
    );
    let names = Table::ALL.iter().map(|table| table.name());
    let names = names.chain(views().iter().map(|view| view.name));
    let tables = names.map(|name| format!("select * from {name}"));
    let questions = QUESTIONS.map(str::to_owned);
    let (mut asked, mut differ) = (0, Vec::new());
    for sql in tables.chain(questions) {
        let (wanted, found) = (rows(&here, &sql).await, rows(&there, &sql).await);
        assert!(wanted.is_ok(), "{sql}: {wanted:?}");
        asked += 1;
        if wanted != found {
            let count = |rows: &Result<Vec<String>, String>| match rows {
                Ok(rows) => format!("{} rows", rows.len()),
                Err(error) => error.clone(),
            };
            differ.push(format!("{sql}\n  {} and {}", count(&wanted), count(&found)));
        }
    }
    assert_eq!(differ, Vec::<String>::new(), "{}", differ.join("\n"));
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_view_and_function_is_that_of_one_process() {
    let lake = lake("cluster-same", &Fleet::new(FLEET));
    let scalar = functions::scalar_functions().into_iter();
    let aggregate = functions::aggregate_functions().into_iter();
    let window = functions::window_functions().into_iter();
    let known = scalar
        .map(|function| function.name().to_owned())
        .chain(aggregate.map(|function| function.name().to_owned()))
        .chain(window.map(|function| function.name().to_owned()));
    let known: Vec<String> = known.collect();
    let all = QUESTIONS.concat();
    let left: Vec<String> = known
        .into_iter()
        .filter(|name| !all.contains(&format!("{name}(")))
        .collect();
    // They take the bytes of a certificate, which stand in no table.
    assert!(
        left.iter().all(|name| name.starts_with("x509_")),
        "{left:?}"
    );
    for executors in [1, 3] {
        let begun = Instant::now();
        let asked = compare(&Cluster::new(executors), &lake).await;
        println!(
            "{executors} executors: {asked} answers alike in {:?}",
            begun.elapsed()
        );
    }
}

#[test]
fn the_readme_starts_a_cluster_and_asks_it() {
    let lake = lake("cluster-readme", &Fleet::new(FLEET));
    let commands = readme::commands()
        .into_iter()
        .filter(|line| line.starts_with("relaydrift "));
    let [scheduler, executor, question] = commands
        .map(|line| readme::words(&line)[1..].to_vec())
        .filter(|words| words[0] == "scheduler" || words.contains(&"127.0.0.1:50050".to_owned()))
        .collect::<Vec<_>>()
        .try_into()
        .expect("three commands");
    assert_eq!(scheduler, ["scheduler"]);
    let cluster = Cluster::new(0);
    // Where others may listen on the port of the README.
    let here = |word: String| match word.as_str() {
        "127.0.0.1:50050" => cluster.address.clone(),
        "lake" => lake.clone(),
        _ => word,
    };
    let [executor, question] =
        [executor, question].map(|words| words.into_iter().map(here).collect::<Vec<_>>());
    let executor: Vec<&str> = executor.iter().map(String::as_str).collect();
    let (_executor, said) = Part::start(&executor, &[]);
    assert!(said.contains("at once for"), "{said}");
    let question: Vec<&str> = question.iter().map(String::as_str).collect();
    let output = run_for(0, &question);
    assert!(
        text(&output.stdout).lines().count() > 3,
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn what_cannot_be_reached_is_told() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let taken = listener.local_addr().expect("an address").to_string();
    let nobody = {
        let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        gone.local_addr().expect("an address").to_string()
    };
    let lake = lake("cluster-told", &Fleet::new(FLEET));
    for (args, said) in [
        (
            &["sql", "--lake", &lake, "--cluster", &nobody, "select 1"][..],
            "no scheduler at",
        ),
        (
            &["executor", "--scheduler", &nobody],
            "start one: relaydrift scheduler",
        ),
        (&["scheduler", "--listen", &taken], "cannot listen on"),
        (
            &["scheduler", "--listen", "0.0.0.0:0"],
            "without TLS or a token",
        ),
        (
            &["scheduler", "--listen", "0.0.0.0:0", "--plaintext"],
            "--host NAME",
        ),
        (
            &["sql", "--lake", &lake, "--cluster", "nowhere", "select 1"],
            "write it as HOST:PORT",
        ),
        (
            &["sql", "--logs", &lake, "--cluster", &nobody, "select 1"],
            "--cluster reads a lake",
        ),
    ] {
        let output = run_for(2, args);
        assert!(
            text(&output.stderr).contains(said),
            "{args:?}: {}",
            text(&output.stderr)
        );
    }
    let cluster = Cluster::new(0);
    let args = [&[
        "executor",
        "--scheduler",
        &cluster.address,
        "--listen",
        &taken,
    ][..]]
    .concat();
    assert!(text(&run_for(2, &args).stderr).contains("cannot listen on"));
    let alone = run(&[
        &["sql"],
        &cluster.source(&lake)[..],
        &["select count(*) from events where sequence > 3"],
    ]
    .concat());
    assert_eq!(alone.status.code(), Some(2));
    assert!(
        text(&alone.stderr).contains("no executor works for"),
        "{}",
        text(&alone.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subquery_that_must_have_one_row_has_one_or_is_an_error() {
    let lake = lake("cluster-scalar", &Fleet::new(FLEET));
    let cluster = Cluster::new(1);
    let there = cluster.context(&lake).await;
    let sql = "select count(*) from sessions where messages > (select messages from sessions)";
    let error = rows(&there, sql).await.expect_err("more rows than one");
    assert!(error.contains("more than one row"), "{error}");
}

#[test]
fn commands_say_the_same_of_a_cluster() {
    let lake = lake("cluster-commands", &Fleet::new(FLEET));
    let cluster = Cluster::new(2);
    for command in ["drift", "diagnose", "report"] {
        let of = |source: &[&str]| {
            let output = run(&[&[command, "--quiet", "--threads", "2"], source].concat());
            let said = text(&output.stderr).to_owned();
            (output.status.code(), text(&output.stdout).to_owned(), said)
        };
        let here = of(&["--lake", &lake]);
        assert!(here.0 != Some(2) && !here.1.is_empty(), "{here:?}");
        assert_eq!(of(&cluster.source(&lake)), here, "{command}");
    }
}

/// As much work as an executor is sure to be in the middle of.
const LONG: &str = "select e.event, count(*) as n, sum(length(regexp_replace(e.data, '[a-z]+', f.event, 'g'))) as l from events e join events f on e.server = f.server and e.session_id = f.session_id where e.sequence % 3 = 0 group by 1";

fn wait(child: Child) -> Output {
    child.wait_with_output().expect("an end")
}

#[test]
fn an_executor_that_is_killed_in_mid_query_is_survived_and_the_last_one_is_told() {
    let lake = lake(
        "cluster-killed",
        &Fleet::new("--servers 3 --days 2 --seed 21 --sessions-per-hour 4"),
    );
    let wanted = query_sorted(&["--lake", &lake], LONG);
    let mut cluster = Cluster::new(2);
    let begun = Instant::now();
    let whole = wait(cluster.begin(&lake, LONG));
    let undisturbed = begun.elapsed();
    let sorted = |output: &Output| {
        let rows = text(&output.stdout)
            .lines()
            .map(serde_json::from_str::<Value>);
        let mut rows: Vec<String> = rows.map(|row| row.expect("JSON").to_string()).collect();
        rows.sort();
        rows
    };
    assert_eq!(whole.status.code(), Some(0), "{}", text(&whole.stderr));
    assert_eq!(sorted(&whole), wanted);
    let child = cluster.begin(&lake, LONG);
    std::thread::sleep(undisturbed / 2);
    cluster.executors.remove(0).signal("-KILL");
    let survived = wait(child);
    assert_eq!(
        survived.status.code(),
        Some(0),
        "{}",
        text(&survived.stderr)
    );
    assert_eq!(sorted(&survived), wanted);
    println!(
        "{undisturbed:?} undisturbed, {:?} in all with a death",
        begun.elapsed()
    );
    let child = cluster.begin(&lake, LONG);
    std::thread::sleep(undisturbed / 2);
    cluster.executors.remove(0).signal("-KILL");
    let begun = Instant::now();
    let failed = wait(child);
    assert_eq!(failed.status.code(), Some(2));
    assert!(
        text(&failed.stderr).contains("executor"),
        "{}",
        text(&failed.stderr)
    );
    println!(
        "told after {:?}: {}",
        begun.elapsed(),
        text(&failed.stderr).trim()
    );
    // And the cluster goes on as soon as there is one again.
    cluster.join();
    assert_eq!(sorted(&wait(cluster.begin(&lake, LONG))), wanted);
}

#[test]
fn a_cluster_is_renewed_part_by_part() {
    let lake = lake("cluster-renewed", &Fleet::new(FLEET));
    let sql = "select event, count(*) as n from events where sequence >= 0 group by 1";
    let wanted = query_sorted(&["--lake", &lake], sql);
    let mut cluster = Cluster::new(2);
    for old in [0, 0] {
        cluster.join();
        let mut part = cluster.executors.remove(old);
        part.signal("-TERM");
        assert_eq!(query_sorted(&cluster.source(&lake), sql), wanted);
        assert_eq!(part.0.wait().expect("an end").code(), Some(0));
        assert_eq!(query_sorted(&cluster.source(&lake), sql), wanted);
    }
    let scheduler = cluster.scheduler.take().expect("a scheduler");
    scheduler.signal("-TERM");
    drop(scheduler);
    let down = run(&[&["sql"], &cluster.source(&lake)[..], &[sql]].concat());
    assert!(
        text(&down.stderr).contains("no scheduler at"),
        "{}",
        text(&down.stderr)
    );
    cluster.schedule();
    assert_eq!(
        query_sorted(&cluster.source(&lake), sql),
        wanted,
        "executors find it again"
    );
}

#[test]
fn a_cluster_takes_in_each_line_once() {
    let fleet = Fleet::new("--servers 5 --days 2 --seed 33 --sessions-per-hour 8");
    let wanted = query_sorted(&["--lake", &lake("cluster-ingest-local", &fleet)], CONTENT);
    let mut cluster = Cluster::new(3);
    let ingest = |cluster: &Cluster, lake: &str| {
        let args = [
            "ingest",
            fleet.path(),
            "--lake",
            lake,
            "--cluster",
            &cluster.address,
        ];
        let mut command = program();
        command
            .args(args)
            .args(["--format", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().expect("the program starts")
    };
    let whole = empty("cluster-ingest").to_str().expect("UTF-8").to_owned();
    let output = wait(ingest(&cluster, &whole));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(query_sorted(&["--lake", &whole], CONTENT), wanted);
    run_for(0, &["verify", "--lake", &whole, "--quiet"]);
    let again = wait(ingest(&cluster, &whole));
    assert!(
        text(&again.stderr).contains("nothing new"),
        "{}",
        text(&again.stderr)
    );

    // Two at once: one of them finds that the other was first.
    let both = empty("cluster-ingest-two")
        .to_str()
        .expect("UTF-8")
        .to_owned();
    let two = [ingest(&cluster, &both), ingest(&cluster, &both)].map(wait);
    assert!(two.iter().all(|one| one.status.success()), "{two:?}");
    assert_eq!(query_sorted(&["--lake", &both], CONTENT), wanted);

    // An executor dies while it reads.
    let hurt = empty("cluster-ingest-hurt")
        .to_str()
        .expect("UTF-8")
        .to_owned();
    let child = ingest(&cluster, &hurt);
    let begun = Instant::now();
    while !Path::new(&hurt).join("events").is_dir() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    cluster.executors.remove(1).signal("-KILL");
    let output = wait(child);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(query_sorted(&["--lake", &hurt], CONTENT), wanted);
    run_for(0, &["verify", "--lake", &hurt, "--quiet"]);
}

#[test]
fn executors_open_object_stores_themselves() {
    let fleet = Fleet::new(stores::FLEET);
    let local = lake("cluster-store-local", &fleet);
    let wanted = query_sorted(&["--lake", &local], CONTENT);
    for store in stores::servers("cluster") {
        let lake = format!("{}/cluster", store.bucket);
        let cluster = Cluster::with(2, store.environment.clone());
        let to = ["--lake", &lake, "--cluster", &cluster.address];
        store.run(0, &[&["ingest", fleet.path()][..], &to].concat());
        let asked = [
            &["sql"],
            &cluster.source(&lake)[..],
            &["--format", "ndjson", CONTENT],
        ]
        .concat();
        let output = store.run(0, &asked);
        let mut found: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
        found.sort();
        assert_eq!(found, wanted, "{}", store.bucket);
    }
}
