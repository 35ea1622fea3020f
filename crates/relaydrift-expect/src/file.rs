//! A file by its content: which form it has, what it is of, and what it says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::property::Properties;
use crate::value::Object;
use crate::{
    AcceptedDomain, BlockedConnector, Certificate, Error, InboundConnector, Kind,
    OrganizationConfig, PlannedChange, Problem, SendConnector, TransportService, clixml, csv, der,
    json, list, text, x509,
};

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// `ConvertTo-Json`
    Json,
    /// `Export-Clixml`
    Clixml,
    /// `Export-Csv`
    Csv,
    /// `Format-List`
    List,
    /// Certificates in text.
    Pem,
    /// A certificate in bytes.
    Der,
    /// A bundle of certificates.
    Pkcs7,
}

impl Form {
    /// As people call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Form::Json => "JSON",
            Form::Clixml => "CLIXML",
            Form::Csv => "CSV",
            Form::List => "Format-List",
            Form::Pem => "PEM",
            Form::Der => "DER",
            Form::Pkcs7 => "PKCS#7",
        }
    }
}

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "a variant per kind, each named like it")]
pub enum Rows {
    InboundConnectors(Vec<InboundConnector>),
    SendConnectors(Vec<SendConnector>),
    AcceptedDomains(Vec<AcceptedDomain>),
    Certificates(Vec<Certificate>),
    TransportServices(Vec<TransportService>),
    OrganizationConfig(Vec<OrganizationConfig>),
    BlockedConnectors(Vec<BlockedConnector>),
    PlannedChanges(Vec<PlannedChange>),
}

impl Rows {
    /// No rows of a kind: its cmdlet had nothing to export, which is a fact like any other.
    fn none_of(kind: Kind) -> Rows {
        match kind {
            Kind::InboundConnectors => Rows::InboundConnectors(Vec::new()),
            Kind::SendConnectors => Rows::SendConnectors(Vec::new()),
            Kind::AcceptedDomains => Rows::AcceptedDomains(Vec::new()),
            Kind::Certificates => Rows::Certificates(Vec::new()),
            Kind::TransportServices => Rows::TransportServices(Vec::new()),
            Kind::OrganizationConfig => Rows::OrganizationConfig(Vec::new()),
            Kind::BlockedConnectors => Rows::BlockedConnectors(Vec::new()),
            Kind::PlannedChanges => Rows::PlannedChanges(Vec::new()),
        }
    }

    /// What they are of.
    pub fn kind(&self) -> Kind {
        match self {
            Rows::InboundConnectors(_) => Kind::InboundConnectors,
            Rows::SendConnectors(_) => Kind::SendConnectors,
            Rows::AcceptedDomains(_) => Kind::AcceptedDomains,
            Rows::Certificates(_) => Kind::Certificates,
            Rows::TransportServices(_) => Kind::TransportServices,
            Rows::OrganizationConfig(_) => Kind::OrganizationConfig,
            Rows::BlockedConnectors(_) => Kind::BlockedConnectors,
            Rows::PlannedChanges(_) => Kind::PlannedChanges,
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Rows::InboundConnectors(rows) => rows.len(),
            Rows::SendConnectors(rows) => rows.len(),
            Rows::AcceptedDomains(rows) => rows.len(),
            Rows::Certificates(rows) => rows.len(),
            Rows::TransportServices(rows) => rows.len(),
            Rows::OrganizationConfig(rows) => rows.len(),
            Rows::BlockedConnectors(rows) => rows.len(),
            Rows::PlannedChanges(rows) => rows.len(),
        }
    }

    /// The tenants that the rows tell, each once; `None` for a row that tells none.
    pub fn tenants(&self) -> Vec<Option<&str>> {
        let told: BTreeSet<Option<&str>> = match self {
            Rows::InboundConnectors(rows) => rows.iter().map(|row| row.tenant.as_deref()).collect(),
            Rows::AcceptedDomains(rows) => rows.iter().map(|row| row.tenant.as_deref()).collect(),
            Rows::BlockedConnectors(rows) => rows.iter().map(|row| row.tenant.as_deref()).collect(),
            _ => BTreeSet::from([None]),
        };
        told.into_iter().collect()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A file that was read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Where it lies.
    pub path: PathBuf,
    /// How it is written.
    pub form: Form,
    /// What it says; `None` where a cmdlet had nothing to export, and the file's name does not tell which.
    pub rows: Option<Rows>,
    /// What could not be used, for a person.
    pub notes: Vec<String>,
}

/// Reads the bytes of a file; `path` is for messages and the result.
///
/// # Errors
/// Anything that cannot be understood whole: nothing of it is imported then.
pub fn read_bytes(path: &Path, bytes: &[u8]) -> Result<Imported, Error> {
    let mut notes = Vec::new();
    match content(bytes, &mut notes) {
        Ok((form, rows)) => Ok(Imported {
            path: path.to_owned(),
            form,
            rows: rows.or_else(|| named(path, &mut notes).map(Rows::none_of)),
            notes,
        }),
        Err(problem) => Err(Error {
            path: path.to_owned(),
            problem,
        }),
    }
}

/// What an export without objects is of, by the file name that `relaydrift collect` gives it.
fn named(path: &Path, notes: &mut Vec<String>) -> Option<Kind> {
    let stem = path.file_stem()?.to_string_lossy().replace('-', "_");
    let kind = Kind::ALL
        .into_iter()
        .find(|kind| kind.name().eq_ignore_ascii_case(&stem));
    if kind.is_none() {
        let names = Kind::ALL.map(Kind::name).join(", ");
        notes.push(format!(
            "not used: only its name could tell what there is none of ({names})"
        ));
    }
    kind
}

/// Reads the bytes of a file that has to hold planned changes, as JSON or CSV.
///
/// # Errors
/// As [`read_bytes`]; what another file of ours says is one too.
pub fn read_planned(path: &Path, bytes: &[u8]) -> Result<Imported, Error> {
    let mut notes = Vec::new();
    let read = |notes: &mut Vec<String>| {
        let text = text::decode(bytes)?;
        refuse_keys(&text)?;
        let start = text.trim_start();
        let (form, objects) = match start.starts_with(['{', '[']) {
            true => (Form::Json, json::objects(start)?),
            false => (Form::Csv, csv::objects(start)?),
        };
        match objects.is_empty() {
            true => Err(Problem::NoPlan),
            false => Ok((form, rows_of(Kind::PlannedChanges, &objects, notes)?)),
        }
    };
    match read(&mut notes) {
        Ok((form, rows)) => Ok(Imported {
            path: path.to_owned(),
            form,
            rows: Some(rows),
            notes,
        }),
        Err(problem) => Err(Error {
            path: path.to_owned(),
            problem,
        }),
    }
}

fn content(bytes: &[u8], notes: &mut Vec<String>) -> Result<(Form, Option<Rows>), Problem> {
    const JAVA_KEY_STORES: [&[u8]; 2] = [&[0xfe, 0xed, 0xfe, 0xed], &[0xce, 0xce, 0xce, 0xce]];
    if JAVA_KEY_STORES.iter().any(|magic| bytes.starts_with(magic)) {
        let what = "a Java key store, which is made to hold private keys";
        return Err(Problem::PrivateKey { what });
    }
    if bytes.first() == Some(&der::SEQUENCE) && der::next(bytes).is_some() {
        return binary(bytes);
    }
    let text = text::decode(bytes)?;
    refuse_keys(&text)?;
    let start = text.trim_start();
    if start.is_empty() {
        notes.push("empty: the cmdlet had nothing to export".into());
        return Ok((Form::List, None));
    }
    let (form, objects) = if start.starts_with(['{', '[']) || start.trim_end() == "null" {
        (Form::Json, json::objects(start)?)
    } else if start.starts_with('<') {
        (Form::Clixml, clixml::objects(start)?)
    } else if start.contains("-----BEGIN ") {
        return pem(start);
    } else if is_csv(start) {
        (Form::Csv, csv::objects(start)?)
    } else if list::property(start.lines().next().unwrap_or_default()).is_some() {
        (Form::List, list::objects(start)?)
    } else {
        let digits: String = start.split_whitespace().collect();
        let bytes = STANDARD.decode(digits).map_err(|_| Problem::Unrecognised)?;
        return match der::next(&bytes) {
            Some(_) => binary(&bytes),
            None => Err(Problem::Unrecognised),
        };
    };
    if objects.is_empty() {
        notes.push("no objects: the cmdlet had nothing to export".into());
        return Ok((form, None));
    }
    Ok((form, Some(rows(&objects, notes)?)))
}

fn is_csv(text: &str) -> bool {
    let names = csv::header(text);
    text.starts_with("#TYPE") || names.len() > 1 && names.into_iter().any(Kind::is_telling)
}

/// Keys in text, in any form and wherever they stand in it.
fn refuse_keys(text: &str) -> Result<(), Problem> {
    let labels = text.split("-----BEGIN ").skip(1);
    let mut labels = labels.filter_map(|rest| rest.split("-----").next());
    let what = if labels.any(|label| label.ends_with("PRIVATE KEY")) {
        "a private key (PEM)"
    } else if text.contains("PuTTY-User-Key-File") {
        "a private key (PuTTY)"
    } else if text.contains("RSAKeyValue") && (text.contains("<D>") || text.contains("&lt;D&gt;")) {
        "a private key (RSAKeyValue)"
    } else {
        return Ok(());
    };
    Err(Problem::PrivateKey { what })
}

fn binary(bytes: &[u8]) -> Result<(Form, Option<Rows>), Problem> {
    if let Some(what) = der::private_key(bytes) {
        return Err(Problem::PrivateKey { what });
    }
    if let Some(bundle) = der::pkcs7_certificates(bytes) {
        return Ok((Form::Pkcs7, Some(certificates(&bundle)?)));
    }
    match x509::Certificate::parse(bytes) {
        Some(_) => Ok((Form::Der, Some(certificates(&[bytes])?))),
        None => Err(Problem::Unrecognised),
    }
}

fn pem(text: &str) -> Result<(Form, Option<Rows>), Problem> {
    let mut found = Vec::new();
    for (number, block) in text.split("-----BEGIN ").skip(1).enumerate() {
        let wrong = || Problem::Certificate { number: number + 1 };
        let (label, rest) = block.split_once("-----").ok_or_else(wrong)?;
        if label.ends_with("CERTIFICATE REQUEST") {
            return Err(Problem::Request);
        }
        let (body, _) = rest.split_once("-----END ").ok_or_else(wrong)?;
        let digits: String = body.split_whitespace().collect();
        let decoded = || STANDARD.decode(&digits).map_err(|_| wrong());
        match label {
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => found.push(decoded()?),
            "PKCS7" | "CMS" => {
                let bundle = decoded()?;
                let bundle = der::pkcs7_certificates(&bundle).ok_or_else(wrong)?;
                found.extend(bundle.into_iter().map(<[u8]>::to_vec));
            }
            _ => {}
        }
    }
    let found: Vec<&[u8]> = found.iter().map(Vec::as_slice).collect();
    Ok((Form::Pem, Some(certificates(&found)?)))
}

fn certificates(found: &[&[u8]]) -> Result<Rows, Problem> {
    if found.is_empty() {
        return Err(Problem::NoCertificate);
    }
    let read = found.iter().enumerate().map(|(at, bytes)| {
        let parsed = x509::Certificate::parse(bytes);
        let parsed = parsed.ok_or(Problem::Certificate { number: at + 1 })?;
        Ok(Certificate::of(&parsed))
    });
    Ok(Rows::Certificates(read.collect::<Result<_, Problem>>()?))
}

/// All objects, which must be of one kind.
fn rows(objects: &[Object], notes: &mut Vec<String>) -> Result<Rows, Problem> {
    rows_of(kind(objects)?, objects, notes)
}

fn rows_of(kind: Kind, objects: &[Object], notes: &mut Vec<String>) -> Result<Rows, Problem> {
    macro_rules! read {
        ($kind:ident, $row:ident) => {{
            let mut rows = Vec::new();
            for (at, object) in objects.iter().enumerate() {
                let number = at + 1;
                refuse_key_bytes(object)?;
                rows.push($row::read(&mut Properties {
                    object,
                    number,
                    kind,
                    notes,
                })?);
            }
            Rows::$kind(rows)
        }};
    }
    Ok(match kind {
        Kind::InboundConnectors => read!(InboundConnectors, InboundConnector),
        Kind::SendConnectors => read!(SendConnectors, SendConnector),
        Kind::AcceptedDomains => read!(AcceptedDomains, AcceptedDomain),
        Kind::Certificates => read!(Certificates, Certificate),
        Kind::TransportServices => read!(TransportServices, TransportService),
        Kind::OrganizationConfig => read!(OrganizationConfig, OrganizationConfig),
        Kind::BlockedConnectors => read!(BlockedConnectors, BlockedConnector),
        Kind::PlannedChanges => read!(PlannedChanges, PlannedChange),
    })
}

fn kind(objects: &[Object]) -> Result<Kind, Problem> {
    let mut first = None;
    for (at, object) in objects.iter().enumerate() {
        // What Export-ExchangeCertificate gives has a key and nothing by which to know it.
        refuse_key_bytes(object)?;
        let number = at + 1;
        let Some(kind) = Kind::of(object) else {
            let names = object.properties.iter().map(|(name, _)| name.as_str());
            let found: Vec<&str> = names.take(8).collect();
            return Err(Problem::Foreign {
                object: number,
                found: found.join(", "),
            });
        };
        let first = *first.get_or_insert(kind);
        if first != kind {
            return Err(Problem::Mixed {
                object: number,
                first,
                other: kind,
            });
        }
    }
    first.ok_or(Problem::Unrecognised)
}

/// Bytes of an object that are a private key, whatever they are called.
fn refuse_key_bytes(object: &Object) -> Result<(), Problem> {
    use crate::value::Value;
    for (_, value) in &object.properties {
        let decoded;
        let bytes = match value {
            Value::Bytes(bytes) => bytes.as_slice(),
            Value::Text(text) if text.starts_with("MI") => {
                let digits: String = text.split_whitespace().collect();
                decoded = STANDARD.decode(digits).unwrap_or_default();
                &decoded
            }
            Value::List(values) if values.len() > 64 => {
                let byte = |value: &Value| match value {
                    Value::Int(number) => u8::try_from(*number).ok(),
                    _ => None,
                };
                decoded = values.iter().map_while(byte).collect();
                &decoded
            }
            _ => continue,
        };
        if let Some(what) = der::private_key(bytes) {
            return Err(Problem::PrivateKey { what });
        }
    }
    Ok(())
}
