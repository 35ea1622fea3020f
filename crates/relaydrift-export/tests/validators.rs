//! Every format before validators and receivers that nobody here wrote. `.ci/siem` installs them; a
//! test whose tool is not there says so and is skipped.

mod samples;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use relaydrift_export::transport::{Syslog, Transport, Trust};
use relaydrift_export::{Event, Fact, Format, Record, files};

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

/// Where `.ci/siem` puts tools.
fn siem() -> PathBuf {
    Path::new(CRATE).join("../../target/siem")
}

/// Says past the test harness that a test did not run.
fn skip(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped {test}: {reason}");
}

/// A program that `.ci/siem` installed whole, or a word that it is not there.
fn tool(test: &str, folder: &str, program: &str) -> Option<PathBuf> {
    let folder = siem().join(folder);
    let found = folder.join("whole").exists().then(|| folder.join(program));
    let found = found.filter(|program| program.exists());
    if found.is_none() {
        skip(
            test,
            &format!("no {program} in target/siem (.ci/siem installs it)"),
        );
    }
    found
}

fn lines(format: Format, events: &[Event]) -> Vec<u8> {
    let mut out = Vec::new();
    for event in events {
        format.render(event, &mut out);
        out.push(b'\n');
    }
    out
}

/// Runs a program over input; it must succeed.
#[track_caller]
fn run(command: &mut Command, input: &[u8]) -> String {
    attempt(command, input).unwrap_or_else(|said| panic!("{command:?}\n{said}"))
}

/// Runs a program over input: what it prints, or all that it says where it fails.
fn attempt(command: &mut Command, input: &[u8]) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it ends");
    let _ = writer.join();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(out),
        false => Err(format!(
            "{out}\n{}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

fn script(name: &str) -> String {
    format!("{CRATE}/tests/validate/{name}")
}

#[test]
fn ocsf_is_what_pydantic_ocsf_models() {
    let Some(python) = tool("pydantic-ocsf", "ocsf", "bin/python") else {
        return;
    };
    let events = samples::realistic();
    for (format, models) in [(Format::Ocsf13, "v1_3_0"), (Format::Ocsf19, "v1_7_0")] {
        let out = run(
            Command::new(&python).args([&script("ocsf_models.py"), models]),
            &lines(format, &events),
        );
        assert_eq!(out.trim(), events.len().to_string());
    }
}

#[test]
fn ocsf_is_what_its_json_schemas_admit() {
    let Some(python) = tool("ocsf-json-schema", "ocsf-schema", "bin/python") else {
        return;
    };
    let events = samples::realistic();
    for (format, version) in [(Format::Ocsf13, "1.3.0"), (Format::Ocsf19, "1.9.0")] {
        let check = |input: &[u8]| {
            let mut python = Command::new(&python);
            attempt(python.args([&script("ocsf_schema.py"), version]), input)
        };
        let text = lines(format, &events);
        assert_eq!(check(&text).unwrap().trim(), events.len().to_string());
        // The schemas must see what is wrong before their silence counts.
        let text = String::from_utf8(text).unwrap();
        for (right, wrong) in [
            ("\"severity_id\":", "\"severty_id\":"),
            ("\"hostname\":", "\"hostnam\":"),
            ("\"time\":", "\"time\":\"now\",\"start_time\":"),
        ] {
            assert!(
                check(text.replace(right, wrong).as_bytes()).is_err(),
                "{wrong}"
            );
        }
    }
}

#[test]
fn the_arm_template_is_what_microsofts_clients_send() {
    let Some(python) = tool("azure-mgmt", "azure", "bin/python") else {
        return;
    };
    let files = files();
    let (_, template) = files
        .iter()
        .find(|(name, _)| *name == "sentinel/main.json")
        .unwrap();
    let check = |template: &str| {
        let mut python = Command::new(&python);
        attempt(python.arg(script("arm.py")), template.as_bytes())
    };
    let resources = check(template).unwrap();
    // Three tables, a rule that collects, eight parsers, three rules that alert, a workbook.
    assert_eq!(resources.lines().count(), 16, "{resources}");
    for (right, wrong) in [
        ("\"queryFrequency\"", "\"queryFrequenzy\""),
        ("\"triggerThreshold\": 0", "\"triggerThreshold\": \"0\""),
        ("\"outputStream\"", "\"outStream\""),
        ("\"type\": \"dynamic\"", "\"type\": \"json\""),
        ("\"functionAlias\"", "\"functionAliaz\""),
        ("\"serializedData\"", "\"serialisedData\""),
        (
            "variables('rules')[copyIndex()]",
            "variables('rulez')[copyIndex()]",
        ),
    ] {
        assert!(template.contains(right), "{right}");
        assert!(check(&template.replace(right, wrong)).is_err(), "{wrong}");
    }
}

#[test]
fn findings_are_what_py_ocsf_models_models() {
    let Some(python) = tool("py-ocsf-models", "prowler", "bin/python") else {
        return;
    };
    let events = samples::realistic();
    for format in [Format::Ocsf13, Format::Ocsf19] {
        let out = run(
            Command::new(&python).arg(script("prowler.py")),
            &lines(format, &events),
        );
        assert_eq!(out.trim(), "4");
    }
}

#[test]
fn ecs_is_what_elastic_publishes() {
    if tool(
        "@elastic/ecs",
        "node",
        "node_modules/@elastic/ecs/package.json",
    )
    .is_none()
    {
        return;
    }
    let events = samples::realistic();
    let mut node = Command::new("node");
    let out = run(
        node.arg(script("ecs.mjs"))
            .arg(siem().join("node").canonicalize().unwrap()),
        &lines(Format::Ecs, &events),
    );
    assert_eq!(out.trim(), events.len().to_string());
}

#[test]
fn kql_is_what_microsofts_parser_takes() {
    if tool(
        "@kusto/language-service-next",
        "node",
        "node_modules/@kusto/language-service-next/package.json",
    )
    .is_none()
    {
        return;
    }
    let mut node = Command::new("node");
    let node = node
        .arg(script("kql.mjs"))
        .arg(siem().join("node").canonicalize().unwrap())
        .arg(format!("{CRATE}/siem"));
    assert_eq!(run(node, b"").trim(), "14");
}

#[test]
fn splunk_events_have_the_fields_of_cim() {
    let Some(python) = tool("pytest-splunk-addon", "cim", "bin/python") else {
        return;
    };
    let events = samples::realistic();
    let out = run(
        Command::new(python)
            .arg(script("cim.py"))
            .arg(siem().join("cim")),
        &lines(Format::Splunk, &events),
    );
    // A session without a certificate belongs to no data model.
    assert_eq!(out.trim(), (events.len() - 1).to_string());
}

#[test]
fn the_add_on_passes_appinspect() {
    let Some(appinspect) = tool("splunk-appinspect", "appinspect", "bin/splunk-appinspect") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("TA-relaydrift.tgz");
    run(
        Command::new("tar").arg("-czf").arg(&package).args([
            "-C",
            &format!("{CRATE}/siem/splunk"),
            "--owner=0",
            "--group=0",
            "--mode=u=rwX,go=rX",
            "TA-relaydrift",
        ]),
        b"",
    );
    let report = folder.path().join("report.json");
    let mut inspect = Command::new(appinspect);
    inspect
        .arg("inspect")
        .arg(&package)
        .args(["--data-format", "json", "--output-file"])
        .arg(&report);
    run(&mut inspect, b"");
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let summary = &report["summary"];
    assert!(
        summary["failure"] == 0 && summary["error"] == 0,
        "{report:#}"
    );
}

#[test]
fn cef_is_what_jc_reads() {
    let Some(python) = tool("jc", "cef", "bin/python") else {
        return;
    };
    let events = samples::realistic();
    // jc takes CEF itself, without the syslog header.
    let mut input = Vec::new();
    for line in lines(Format::Cef, &events)
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let text = std::str::from_utf8(line).unwrap();
        let cef = text.find("CEF:1|").unwrap();
        input.extend_from_slice(&line[cef..]);
        input.push(b'\n');
    }
    let out = run(Command::new(python).arg(script("cef.py")), &input);
    let rows: Vec<serde_json::Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), events.len());
    for (row, event) in rows.iter().zip(&events) {
        assert_eq!(row[0], event.key.as_str());
        assert_eq!(row[1], event.connector.as_str());
        assert_eq!(row[2], event.name().as_str());
    }
}

#[test]
fn sigma_rules_are_checked_and_convert() {
    let Some(sigma) = tool("sigma", "sigma", "bin/sigma") else {
        return;
    };
    let rules = format!("{CRATE}/siem/sigma");
    run(
        Command::new(&sigma).args(["check", "--fail-on-error", "--fail-on-issues", &rules]),
        b"",
    );
    for (target, word) in [
        ("splunk", "5.7.64"),
        ("lucene", "5.7.64"),
        ("esql", "5.7.64"),
        ("kusto", "5.7.64"),
    ] {
        let out = run(
            Command::new(&sigma).args(["convert", "--without-pipeline", "-t", target, &rules]),
            b"",
        );
        assert!(
            out.contains(word) && out.contains("smtp_refusal"),
            "{target}: {out}"
        );
    }
}

/// A receiver from Debian's packages, unpacked side by side.
struct Daemon {
    child: std::process::Child,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn daemon(command: &mut Command, port: u16) -> Daemon {
    let root = siem().join("deb");
    let libraries = [
        "usr/lib/x86_64-linux-gnu",
        "lib/x86_64-linux-gnu",
        "usr/lib/syslog-ng",
    ];
    let libraries = libraries
        .map(|name| root.join(name).display().to_string())
        .join(":");
    let child = command
        .env("LD_LIBRARY_PATH", libraries)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the receiver starts");
    let daemon = Daemon { child };
    let started = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{command:?} does not listen"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    daemon
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// A certificate authority and a certificate for localhost, made by openssl.
fn certificates(folder: &Path) {
    let openssl = |args: &[&str]| {
        run(Command::new("openssl").current_dir(folder).args(args), b"");
    };
    let new = ["-newkey", "rsa:2048", "-nodes"];
    openssl(
        &[
            &["req", "-x509"][..],
            &new,
            &[
                "-keyout",
                "ca.key",
                "-out",
                "ca.pem",
                "-days",
                "2",
                "-subj",
                "/CN=test authority",
            ],
        ]
        .concat(),
    );
    openssl(
        &[
            &["req"][..],
            &new,
            &[
                "-keyout",
                "key.pem",
                "-out",
                "csr.pem",
                "-subj",
                "/CN=localhost",
            ],
        ]
        .concat(),
    );
    std::fs::write(
        folder.join("names"),
        "subjectAltName=DNS:localhost,IP:127.0.0.1\n",
    )
    .unwrap();
    openssl(&[
        "x509",
        "-req",
        "-in",
        "csr.pem",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "names",
        "-out",
        "cert.pem",
    ]);
}

/// Sends records in batches, again while the receiver is away, and says how many attempts failed.
fn send(syslog: &mut Syslog, records: &[Record]) -> u32 {
    let mut failed = 0;
    for batch in records.chunks(250) {
        let started = Instant::now();
        while let Err(failure) = syslog.send(batch) {
            assert!(started.elapsed() < Duration::from_secs(40), "{failure:?}");
            failed += 1;
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    failed
}

fn syslog_records(count: usize) -> Vec<Record> {
    let (events, mut records) = (samples::realistic(), Vec::new());
    for (n, event) in events.iter().cycle().take(count).enumerate() {
        let mut event = event.clone();
        event.key = format!("{n:032x}");
        if let Fact::Incident(incident) = &mut event.fact {
            incident.detail = "line\n<34>1 forged \u{1b}[2J = | \\ ] \" Büro".to_owned();
        }
        let format = if n % 2 == 0 {
            Format::Cef
        } else {
            Format::Leef
        };
        let mut bytes = Vec::new();
        format.render(&event, &mut bytes);
        records.push(Record {
            key: event.key,
            bytes,
        });
    }
    records
}

/// The keys in the structured data of what a receiver wrote, and the lines.
fn received(file: &Path) -> (std::collections::BTreeSet<String>, Vec<String>) {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let key = |line: &String| {
        let start = line.find("key=\"")? + 5;
        line.get(start..start + 32).map(str::to_owned)
    };
    (lines.iter().filter_map(key).collect(), lines)
}

/// Waits until a receiver has so many records in its file; nothing in it may be forged.
fn wait_for(test: &str, out: &Path, count: usize) {
    let started = Instant::now();
    loop {
        let (keys, lines) = received(out);
        if keys.len() == count {
            let is_ours = |line: &String| line.starts_with('<') && !line.starts_with("<34>");
            assert!(lines.iter().all(is_ours), "{test}: a forged line");
            return;
        }
        let got = keys.len();
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{test}: {got} of {count} records"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Sends to a receiver that is killed and started again on the way; nothing may be missing. It is
/// killed when it has written down what it was sent: what only waits in its memory, no sender of
/// syslog knows of.
fn survives(test: &str, start: impl Fn(u16) -> Daemon + Sync, folder: &Path, out: &Path) {
    let port = free_port();
    let trust = Trust::new(Some(&folder.join("ca.pem"))).unwrap();
    let mut syslog = Syslog::new("localhost", port, Some(&trust)).unwrap();
    let records = syslog_records(1_000);
    let mut daemon = start(port);
    assert_eq!(
        send(&mut syslog, &records[..500]),
        0,
        "{test}: a receiver that is there"
    );
    wait_for(test, out, 500);
    let kill = Instant::now();
    daemon.child.kill().unwrap();
    daemon.child.wait().unwrap();
    let failed = std::thread::scope(|scope| {
        let sender = scope.spawn(|| send(&mut syslog, &records[500..]));
        std::thread::sleep(Duration::from_millis(700));
        daemon = start(port);
        sender.join().unwrap()
    });
    assert!(
        failed > 0,
        "{test}: the receiver was away for {:?}",
        kill.elapsed()
    );
    wait_for(test, out, records.len());
    // Whoever is not who it says it is gets nothing.
    let strangers = Trust::new(Some(Path::new(&format!("{CRATE}/tests/authority.pem")))).unwrap();
    let refused = Syslog::new("localhost", port, Some(&strangers))
        .unwrap()
        .send(&records[..1]);
    assert!(
        format!("{refused:?}").contains("InvalidCertificate"),
        "{refused:?}"
    );
}

#[test]
fn rsyslog_over_tls_loses_nothing() {
    let Some(program) = tool("rsyslog", "deb", "usr/sbin/rsyslogd") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    certificates(folder.path());
    let start = |port: u16| {
        let config = format!(
            "global(workDirectory=\"{dir}\" maxMessageSize=\"64k\" defaultNetstreamDriver=\"gtls\" \
             defaultNetstreamDriverCAFile=\"{ca}\" defaultNetstreamDriverCertFile=\"{cert}\" defaultNetstreamDriverKeyFile=\"{key}\")\n\
             main_queue(queue.type=\"Direct\")\n\
             module(load=\"imtcp\" streamDriver.name=\"gtls\" streamDriver.mode=\"1\" streamDriver.authMode=\"anon\")\n\
             input(type=\"imtcp\" port=\"{port}\" address=\"127.0.0.1\")\n\
             template(name=\"raw\" type=\"string\" string=\"%rawmsg%\\n\")\n\
             action(type=\"omfile\" file=\"{out}\" template=\"raw\")\n",
            dir = at("."),
            ca = at("ca.pem"),
            cert = at("cert.pem"),
            key = at("key.pem"),
            out = at("out"),
        );
        std::fs::write(at("rsyslog.conf"), config).unwrap();
        let modules = siem().join("deb/usr/lib/x86_64-linux-gnu/rsyslog");
        daemon(
            Command::new(&program)
                .arg("-n")
                .args(["-f", &at("rsyslog.conf"), "-i", &at("pid")])
                .arg("-M")
                .arg(modules),
            port,
        )
    };
    survives("rsyslog", start, folder.path(), &folder.path().join("out"));
}

#[test]
fn syslog_ng_over_tls_loses_nothing() {
    let Some(program) = tool("syslog-ng", "deb", "usr/sbin/syslog-ng") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    certificates(folder.path());
    let start = |port: u16| {
        let config = format!(
            "@version: 3.38\noptions {{ log-msg-size(65536); }};\n\
             source s {{ syslog(ip(127.0.0.1) port({port}) transport(\"tls\") flags(store-raw-message) \
             tls(key-file(\"{key}\") cert-file(\"{cert}\") peer-verify(optional-untrusted))); }};\n\
             destination d {{ file(\"{out}\" template(\"${{RAWMSG}}\\n\")); }};\nlog {{ source(s); destination(d); flags(flow-control); }};\n",
            key = at("key.pem"),
            cert = at("cert.pem"),
            out = at("out"),
        );
        std::fs::write(at("syslog-ng.conf"), config).unwrap();
        let modules = siem()
            .join("deb/usr/lib/syslog-ng/3.38")
            .display()
            .to_string();
        daemon(
            Command::new(&program)
                .args([
                    "--foreground",
                    "--no-caps",
                    "--cfgfile",
                    &at("syslog-ng.conf"),
                    "--persist-file",
                    &at("persist"),
                ])
                .args([
                    "--pidfile",
                    &at("pid"),
                    "--control",
                    &at("ctl"),
                    "--module-path",
                    &modules,
                ]),
            port,
        )
    };
    survives(
        "syslog-ng",
        start,
        folder.path(),
        &folder.path().join("out"),
    );
}
