//! Certificates made by the program `openssl`, read here and there.

use std::path::Path;
use std::process::Command;

use relaydrift_parse::{dn, time};

use crate::{Certificate, Form, Rows, read_bytes};

/// Key options, subject, and extensions of each certificate.
const CASES: [(&str, &str, &str); 24] = [
    ("rsa:1024", "/CN=mail.contoso.com", ""),
    (
        "rsa:2048",
        "/C=US/ST=Washington/O=Contoso/CN=mail.contoso.com",
        "subjectAltName=DNS:mail.contoso.com,DNS:smtp.contoso.com",
    ),
    (
        "rsa:3072",
        "/CN=*.contoso.com",
        "subjectAltName=DNS:*.contoso.com,DNS:contoso.com",
    ),
    (
        "ec:prime256v1",
        "/CN=ec.contoso.com",
        "extendedKeyUsage=serverAuth",
    ),
    (
        "ec:secp384r1",
        "/CN=ec.contoso.com",
        "extendedKeyUsage=serverAuth,clientAuth",
    ),
    (
        "ec:secp521r1",
        "/CN=ec.contoso.com",
        "extendedKeyUsage=clientAuth",
    ),
    ("ed25519", "/CN=ed.contoso.com", ""),
    ("ec:prime256v1", "/O=Contoso, Ltd./CN=comma.contoso.com", ""),
    (
        "ec:prime256v1",
        "/O=The \"Quoted\" Company/CN=quote.contoso.com",
        "",
    ),
    (
        "ec:prime256v1",
        "/O=A+B=C;D<E>F#G/CN=special.contoso.com",
        "",
    ),
    (
        "ec:prime256v1",
        "/O= leading and trailing /CN=space.contoso.com",
        "",
    ),
    (
        "ec:prime256v1",
        "/C=DE/L=München/O=Bäckerei Groß & Söhne/CN=umlaut.contoso.com",
        "",
    ),
    (
        "ec:prime256v1",
        "/O=Компания/OU=Отдел/CN=почта.пример.рф",
        "",
    ),
    ("ec:prime256v1", "/O=株式会社/CN=mail.example.jp", ""),
    (
        "ec:prime256v1",
        "/DC=local/DC=contoso/CN=EX01",
        "subjectAltName=DNS:EX01,DNS:EX01.contoso.local",
    ),
    (
        "ec:prime256v1",
        "/CN=mail.contoso.com/emailAddress=postmaster@contoso.com",
        "",
    ),
    (
        "ec:prime256v1",
        "/CN=first.contoso.com/CN=second.contoso.com",
        "",
    ),
    (
        "ec:prime256v1",
        "/C=US/O=Contoso+OU=Multi/CN=multi.contoso.com",
        "",
    ),
    (
        "ec:prime256v1",
        "/businessCategory=Private Organization/serialNumber=5157550/CN=ev.contoso.com",
        "",
    ),
    (
        "ec:prime256v1",
        "/postalCode=01067/street=Straße 1/title=Dr/GN=Ann/SN=Lee/CN=all.contoso.com",
        "",
    ),
    (
        "ec:prime256v1",
        "/CN=Contoso Root CA",
        "basicConstraints=critical,CA:TRUE",
    ),
    (
        "ec:prime256v1",
        "/CN=ip.contoso.com",
        "subjectAltName=IP:192.0.2.1,email:a@b.c,URI:http://x,DNS:ip.contoso.com",
    ),
    ("ec:prime256v1", "/CN=many.contoso.com", "MANY"),
    (
        "rsa:2048",
        "/CN=long.contoso.com/OU=0123456789012345678901234567890123456789012345678901234567890123",
        "",
    ),
];

fn openssl(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output();
    let output = output.ok()?;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {error}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Makes the certificate of a case as `N.pem`.
fn make(folder: &Path, at: usize, (key, subject, extension): (&str, &str, &str)) {
    let (kind, size) = key.split_once(':').unwrap_or((key, ""));
    let curve = format!("ec_paramgen_curve:{size}");
    let many: Vec<String> = (0..100)
        .map(|n| format!("DNS:host{n}.contoso.com"))
        .collect();
    let many = format!("subjectAltName={}", many.join(","));
    let (pem, key_file) = (format!("{at}.pem"), format!("{at}.key"));
    let serial = format!("0x{:X}", (at as u64 + 1) * 0x0123_4567_89ab);
    let days = (30 + at * 100).to_string();
    let mut arguments = vec!["req", "-x509", "-nodes", "-utf8", "-newkey"];
    arguments.extend(match kind {
        "ec" => vec!["ec", "-pkeyopt", &curve],
        "rsa" => vec![key],
        _ => vec![kind],
    });
    arguments.extend(["-keyout", &key_file, "-out", &pem, "-subj", subject]);
    arguments.extend(["-set_serial", &serial, "-days", &days]);
    if subject.contains("+OU") && !subject.contains(';') {
        arguments.push("-multivalue-rdn");
    }
    if extension == "MANY" {
        arguments.extend(["-addext", &many]);
    } else if !extension.is_empty() {
        arguments.extend(["-addext", extension]);
    }
    openssl(folder, &arguments);
}

/// What `openssl x509` says of a file, by option.
fn says(folder: &Path, pem: &str, options: &[&str]) -> String {
    let mut arguments = vec!["x509", "-noout", "-in", pem];
    arguments.extend(options);
    openssl(folder, &arguments).unwrap_or_default()
}

/// `notBefore=Oct  5 10:00:00 2026 GMT`, as microseconds since 1970.
fn date(text: &str) -> i64 {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let (_, text) = text.trim().split_once('=').unwrap();
    let parts: Vec<&str> = text.split_whitespace().collect();
    let month = MONTHS.find(parts[0]).unwrap() / 3 + 1;
    let day: u8 = parts[1].parse().unwrap();
    let text = format!("{}-{month:02}-{day:02}T{}Z", parts[3], parts[2]);
    time::parse(text.as_bytes()).unwrap()
}

/// Values of a name as `openssl` encodes them, in its order, without quoting; one line per relative name,
/// of which the multi-valued one here goes on with an organization.
fn values(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.starts_with("    "));
    let value = |line: &str| line.trim_start().split_once('=').unwrap().1.to_owned();
    lines
        .flat_map(|line| match line.split_once(" + O=") {
            Some((first, second)) => vec![value(first), second.to_owned()],
            None => vec![value(line)],
        })
        .collect()
}

/// The same out of our text, which is in .NET's order.
fn our_values(text: &str) -> Vec<String> {
    let names = dn::parse(text).unwrap_or_else(|| panic!("no name: {text}"));
    let values = names.into_iter().rev().flatten();
    values
        .map(|attribute| attribute.value.into_owned())
        .collect()
}

fn compare(folder: &Path, pem: &str, ours: &Certificate) {
    let one = |option: &[&str]| {
        let text = says(folder, pem, option);
        text.trim().split_once('=').unwrap().1.replace(':', "")
    };
    assert_eq!(ours.thumbprint, one(&["-fingerprint", "-sha1"]));
    assert_eq!(
        ours.sha256.as_deref(),
        Some(one(&["-fingerprint", "-sha256"]).as_str())
    );
    assert_eq!(ours.serial.as_deref(), Some(one(&["-serial"]).as_str()));
    assert_eq!(
        ours.not_before,
        Some(date(&says(folder, pem, &["-startdate"])))
    );
    assert_eq!(
        ours.not_after,
        Some(date(&says(folder, pem, &["-enddate"])))
    );
    let name = ["-nameopt", "sep_multiline,utf8,sname"];
    let subject = values(&says(
        folder,
        pem,
        &[&["-subject"], name.as_slice()].concat(),
    ));
    assert_eq!(our_values(ours.subject.as_deref().unwrap()), subject);
    let issuer = values(&says(
        folder,
        pem,
        &[&["-issuer"], name.as_slice()].concat(),
    ));
    assert_eq!(our_values(ours.issuer.as_deref().unwrap()), issuer);
    let text = says(folder, pem, &["-text"]);
    let bits = text
        .split("Public-Key: (")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    assert_eq!(
        ours.key_bits.map(|bits| bits.to_string()).as_deref(),
        bits.or(Some("256")),
        "{pem}"
    );
    let usage = text.split("X509v3 Extended Key Usage:").nth(1);
    let usage = usage.and_then(|rest| rest.trim_start().lines().next());
    let client = usage.is_none_or(|usage| usage.contains("TLS Web Client Authentication"));
    assert_eq!(ours.client_auth, Some(client), "{pem}");
    let names = text.split("X509v3 Subject Alternative Name:").nth(1);
    let names = names
        .and_then(|rest| rest.trim_start().lines().next())
        .unwrap_or_default();
    for name in names
        .split(", ")
        .filter_map(|name| name.strip_prefix("DNS:"))
    {
        assert!(
            ours.names.iter().any(|ours| ours == name),
            "{name} of {pem}"
        );
    }
    let authority = text.contains("CA:TRUE");
    assert_eq!(
        ours.chain_role.as_deref(),
        Some(if authority { "root" } else { "leaf" }),
        "{pem}"
    );
}

fn certificates(folder: &Path, file: &str) -> (Form, Vec<Certificate>) {
    let bytes = std::fs::read(folder.join(file)).unwrap();
    let read = read_bytes(Path::new(file), &bytes).unwrap_or_else(|error| panic!("{error}"));
    match read.rows {
        Some(Rows::Certificates(rows)) => (read.form, rows),
        other => panic!("{other:?}"),
    }
}

#[test]
fn certificates_say_what_openssl_says() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    if openssl(folder, &["version"]).is_none() {
        eprintln!("not tested: certificates against openssl, which is not installed");
        return;
    }
    let mut bundle = vec![
        "crl2pkcs7".to_owned(),
        "-nocrl".into(),
        "-outform".into(),
        "DER".into(),
    ];
    bundle.extend(["-out".into(), "all.p7b".into()]);
    let mut all = Vec::new();
    for (at, case) in CASES.into_iter().enumerate() {
        make(folder, at, case);
        let pem = format!("{at}.pem");
        let (form, mut read) = certificates(folder, &pem);
        assert_eq!((form, read.len()), (Form::Pem, 1));
        let ours = read.remove(0);
        compare(folder, &pem, &ours);
        let der = format!("{at}.cer");
        openssl(
            folder,
            &["x509", "-in", &pem, "-outform", "DER", "-out", &der],
        );
        assert_eq!(certificates(folder, &der), (Form::Der, vec![ours.clone()]));
        bundle.extend(["-certfile".into(), pem]);
        all.push(ours);
    }
    let bundle: Vec<&str> = bundle.iter().map(String::as_str).collect();
    openssl(folder, &bundle);
    let (form, mut read) = certificates(folder, "all.p7b");
    assert_eq!(form, Form::Pkcs7);
    // A bundle is a set: its order is not that of the files.
    read.sort_by(|a, b| a.thumbprint.cmp(&b.thumbprint));
    all.sort_by(|a, b| a.thumbprint.cmp(&b.thumbprint));
    assert_eq!(read, all);
    openssl(
        folder,
        &[
            "pkcs7", "-inform", "DER", "-in", "all.p7b", "-out", "text.p7b",
        ],
    );
    assert_eq!(certificates(folder, "text.p7b").1.len(), CASES.len());
}

#[test]
fn private_keys_are_refused_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    if openssl(folder, &["version"]).is_none() {
        eprintln!("not tested: private keys of openssl, which is not installed");
        return;
    }
    make(folder, 0, ("rsa:2048", "/CN=a.contoso.com", ""));
    make(folder, 1, ("ec:prime256v1", "/CN=b.contoso.com", ""));
    let both = std::fs::read_to_string(folder.join("0.pem")).unwrap()
        + &std::fs::read_to_string(folder.join("0.key")).unwrap();
    std::fs::write(folder.join("both.pem"), both).unwrap();
    for arguments in [
        "pkcs12 -export -passout pass:x -in 0.pem -inkey 0.key -out 0.pfx",
        "pkcs8 -topk8 -nocrypt -in 0.key -outform DER -out plain.p8",
        "pkcs8 -topk8 -passout pass:x -in 0.key -outform DER -out encrypted.p8",
        "rsa -in 0.key -traditional -outform DER -out rsa.der",
        "rsa -in 0.key -traditional -out rsa.pem",
        "ec -in 1.key -outform DER -out ec.der",
        "base64 -in 0.pfx -out pfx.txt",
    ] {
        openssl(folder, &arguments.split(' ').collect::<Vec<_>>());
    }
    for file in [
        "0.key",
        "1.key",
        "both.pem",
        "0.pfx",
        "plain.p8",
        "encrypted.p8",
        "rsa.der",
        "rsa.pem",
        "ec.der",
        "pfx.txt",
    ] {
        let bytes = std::fs::read(folder.join(file)).unwrap();
        let error = read_bytes(Path::new(file), &bytes).unwrap_err().to_string();
        assert!(error.contains("private key"), "{file}: {error}");
    }
    // What Export-ExchangeCertificate gives, exported once more.
    let pfx = std::fs::read(folder.join("0.pfx")).unwrap();
    let numbers: Vec<String> = pfx.iter().map(u8::to_string).collect();
    let json = format!("{{\"FileData\": [{}]}}", numbers.join(","));
    let error = super::read(&json).unwrap_err().to_string();
    assert!(error.contains("PKCS#12"), "{error}");
}
