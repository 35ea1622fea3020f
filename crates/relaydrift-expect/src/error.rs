//! What is wrong with a file, where, and what to export instead.

use std::num::NonZeroU32;
use std::path::PathBuf;

use crate::Kind;

/// A file that was not imported; nothing of it was.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub problem: Problem,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[source] std::io::Error),
    /// No export and no certificate is so large.
    #[error("{bytes} bytes are too many for an export: name the exported file itself")]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// Bytes that are no text in UTF-8.
    #[error(
        "byte {offset} is not UTF-8, which an old code page may have written: export again with -Encoding UTF8"
    )]
    Utf8 {
        /// Where the first wrong byte stands, from 0.
        offset: usize,
    },
    /// Bytes that are no text in UTF-16.
    #[error("not the UTF-16 that it begins as: export again with -Encoding UTF8")]
    Utf16,
    /// It holds a private key, which relaydrift never takes in.
    #[error(
        "holds {what}: private keys are not read, stored or copied here. Keep the file where it is safe, and \
         export the certificate alone: Export-Certificate -Cert Cert:\\LocalMachine\\My\\<thumbprint> -FilePath mail.cer"
    )]
    PrivateKey {
        /// What kind of key.
        what: &'static str,
    },
    /// JSON that cannot be one.
    #[error("not JSON: {0}")]
    Json(#[source] serde_json::Error),
    /// XML that cannot be one.
    #[error("line {line}: not XML: {source}")]
    Xml {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        source: quick_xml::Error,
    },
    /// XML that PowerShell did not write.
    #[error("line {line}: not CLIXML: {what}")]
    Clixml {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// A row of CSV that is not like the first.
    #[error("line {line}: not CSV: {source}")]
    Csv {
        /// The line, from 1.
        line: u64,
        /// What is wrong there.
        source: csv::Error,
    },
    /// A line of a formatted list that is none.
    #[error(
        "line {line}: not 'Name : value' as Format-List writes it: export JSON instead (… | ConvertTo-Json -Depth 4)"
    )]
    Line {
        /// The line, from 1.
        line: usize,
    },
    /// Values that are not objects.
    #[error(
        "texts or numbers where objects were expected: pipe the cmdlet itself into ConvertTo-Json"
    )]
    NoObject,
    /// Nothing that is known.
    #[error(
        "neither an export (JSON, CLIXML, CSV, Format-List text of {}) nor a certificate (PEM, DER, PKCS#7)",
        Kind::cmdlets()
    )]
    Unrecognised,
    /// An export of another cmdlet.
    #[error(
        "object {object} has the properties {found}, which is none of {}",
        Kind::cmdlets()
    )]
    Foreign {
        /// Which object, from 1.
        object: usize,
        /// Some of its properties.
        found: String,
    },
    /// Objects of two kinds in one file.
    #[error(
        "object {object} is of {}, the ones before are of {}: export each to a file of its own",
        other.cmdlet(), first.cmdlet()
    )]
    Mixed {
        /// Which object, from 1.
        object: usize,
        /// The kind of the first.
        first: Kind,
        /// The kind of this one.
        other: Kind,
    },
    /// A property that does not say what is needed.
    #[error("object {object}{}{}, property {property}: {wrong}: {}", named(name), at(line), kind.advice())]
    Property {
        /// Which object, from 1.
        object: usize,
        /// Its line, where it has one to itself.
        line: Option<NonZeroU32>,
        /// Its name, where it has one.
        name: Option<String>,
        /// The property.
        property: &'static str,
        /// What is wrong with it.
        wrong: Wrong,
        /// What the object is.
        kind: Kind,
    },
    /// A certificate that cannot be read.
    #[error("certificate {number}: not X.509 DER: export it again as .cer")]
    Certificate {
        /// Which of the file, from 1.
        number: usize,
    },
    /// A request for a certificate.
    #[error(
        "a certificate request, not a certificate: export the certificate that was issued for it"
    )]
    Request,
    /// A file that was named as one of planned changes and says none.
    #[error(
        "no planned change in it: write a CSV file with the columns connector, thumbprint, address, from, until, id, or JSON"
    )]
    NoPlan,
    /// PEM without a certificate, or a bundle without one.
    #[error("no certificate in it")]
    NoCertificate,
}

/// What is wrong with a property.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Wrong {
    /// The export left it out.
    #[error("not in the export")]
    Missing,
    /// A type name where a list or an object was.
    #[error("'{value}' stands where its values were, a flat format cannot hold them")]
    Flattened {
        /// As it stands there.
        value: String,
    },
    /// A formatted list that was cut.
    #[error(
        "only the first values are shown ({value}, ...): run $FormatEnumerationLimit = -1 and format again, or"
    )]
    Truncated {
        /// The last value shown.
        value: String,
    },
    /// A formatted value that was broken over lines.
    #[error(
        "broken over lines from line {line} on, where a space may be lost: format again with Out-File -Width 4096, or"
    )]
    Wrapped {
        /// The line, from 1.
        line: usize,
    },
    /// One of two is needed.
    #[error("neither this nor {other} is there")]
    Neither {
        /// The other one.
        other: &'static str,
    },
    /// A value of another kind.
    #[error("'{value}' is not {wanted}")]
    Value {
        /// As it stands there.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
}

fn at(line: &Option<NonZeroU32>) -> String {
    line.map(|line| format!(" in line {line}"))
        .unwrap_or_default()
}

fn named(name: &Option<String>) -> String {
    name.as_ref()
        .map(|name| format!(" ('{name}')"))
        .unwrap_or_default()
}
