//! Certificates as they lie in a server's store or in a file.

use crate::property::Properties;
use crate::send_connector::server;
use crate::{Problem, Wrong, x509};

/// One certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The server whose store it is in, where the export says.
    pub server: Option<String>,
    /// SHA-1 in upper-case hex.
    pub thumbprint: String,
    /// SHA-256 in upper-case hex.
    pub sha256: Option<String>,
    /// As logs spell it.
    pub subject: Option<String>,
    /// As logs spell it.
    pub issuer: Option<String>,
    /// Upper-case hex.
    pub serial: Option<String>,
    /// Microseconds since 1970.
    pub not_before: Option<i64>,
    /// Microseconds since 1970.
    pub not_after: Option<i64>,
    /// The common name where it is a DNS name, then the DNS names.
    pub names: Vec<String>,
    /// `RSA`, `EC`, …
    pub key_algorithm: Option<String>,
    /// Bits of the key.
    pub key_bits: Option<i32>,
    /// Whether it may be used as a client.
    pub client_auth: Option<bool>,
    /// Whether subject and issuer are the same.
    pub self_signed: Option<bool>,
    /// Whether the server has its private key, as the export says.
    pub has_private_key: Option<bool>,
    /// `SMTP`, `IIS`, … that it is enabled for.
    pub services: Vec<String>,
    /// `Valid`, `Untrusted`, `DateInvalid`, … as Exchange found it.
    pub status: Option<String>,
    /// `leaf`, `intermediate` or `root`.
    pub chain_role: Option<String>,
}

/// What a certificate can be enabled for, by bit.
const SERVICES: [(i64, &str); 7] = [
    (1, "IMAP"),
    (2, "POP"),
    (4, "UM"),
    (8, "IIS"),
    (16, "SMTP"),
    (32, "Federation"),
    (64, "UMCallRouter"),
];

const STATUS: [(i64, &str); 8] = [
    (0, "Unknown"),
    (1, "Valid"),
    (2, "Revoked"),
    (3, "DateInvalid"),
    (4, "Untrusted"),
    (5, "Invalid"),
    (6, "RevocationCheckFailure"),
    (7, "PendingRequest"),
];

impl Certificate {
    /// Everything that the certificate itself says.
    pub(crate) fn of(parsed: &x509::Certificate<'_>) -> Certificate {
        let key = parsed.key();
        Certificate {
            thumbprint: parsed.thumbprint(),
            sha256: Some(parsed.sha256()),
            subject: Some(parsed.subject()),
            issuer: Some(parsed.issuer()),
            serial: Some(parsed.serial()),
            not_before: Some(parsed.not_before()),
            not_after: Some(parsed.not_after()),
            names: parsed.names(),
            key_algorithm: Some(key.algorithm),
            key_bits: key.bits.and_then(|bits| i32::try_from(bits).ok()),
            client_auth: Some(parsed.client_auth()),
            self_signed: Some(parsed.self_signed()),
            chain_role: Some(parsed.chain_role().as_str().to_owned()),
            ..Certificate::default()
        }
    }

    /// What the certificate says where the export holds it, else what the export says of it; and what
    /// only the export can say.
    pub(crate) fn read(from: &mut Properties<'_>) -> Result<Self, Problem> {
        let certificate = match from.bytes("RawData")? {
            Some(der) => {
                let parsed = x509::Certificate::parse(&der);
                let number = from.number;
                Certificate::of(&parsed.ok_or(Problem::Certificate { number })?)
            }
            None => Certificate::displayed(from)?,
        };
        // `EX01.contoso.com\THUMBPRINT`; the computer of a remote session may be another one.
        let identity = from.text("Identity")?;
        let identity = identity.as_deref().and_then(|text| text.split_once('\\'));
        let named = from
            .text("Server")?
            .or(identity.map(|(server, _)| server.to_owned()));
        Ok(Certificate {
            server: named
                .map(|name| server(&name))
                .filter(|name| !name.is_empty()),
            has_private_key: from.boolean("HasPrivateKey")?,
            services: services(from)?,
            status: from.enumeration("Status", &STATUS)?,
            ..certificate
        })
    }

    /// A certificate of which the export only has what is displayed.
    fn displayed(from: &mut Properties<'_>) -> Result<Self, Problem> {
        let text = from.some_text("Thumbprint")?;
        let thumbprint = text.to_ascii_uppercase();
        if thumbprint.len() != 40 || !thumbprint.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let wanted = "a thumbprint of 40 hex digits";
            return Err(from.wrong(
                "Thumbprint",
                Wrong::Value {
                    value: text,
                    wanted,
                },
            ));
        }
        let number = from.text("PublicKeySize")?;
        Ok(Certificate {
            thumbprint,
            subject: from.text("Subject")?,
            issuer: from.text("Issuer")?,
            serial: from.text("SerialNumber")?,
            not_before: from.time("NotBefore")?,
            not_after: from.time("NotAfter")?,
            names: from.domains("CertificateDomains")?.unwrap_or_default(),
            key_bits: number.and_then(|bits| bits.parse().ok()),
            self_signed: from.boolean("IsSelfSigned")?,
            ..Certificate::default()
        })
    }
}

/// `IMAP, POP, SMTP` or the sum of their bits.
fn services(from: &Properties<'_>) -> Result<Vec<String>, Problem> {
    let names = from.texts("Services")?.unwrap_or_default();
    let sum = match from.text("Services") {
        Ok(Some(text)) => text.parse::<i64>().ok(),
        _ => None,
    };
    Ok(match sum {
        Some(sum) => SERVICES
            .iter()
            .filter(|(bit, _)| sum & bit != 0)
            .map(|(_, name)| (*name).to_owned())
            .collect(),
        None => names.into_iter().filter(|name| name != "None").collect(),
    })
}
