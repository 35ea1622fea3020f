//! Certificate texts into facts, each distinct text once: the same row repeats in every session.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use hashbrown::HashMap;
use relaydrift_parse::certificate::{self, Certificate, Form};
use relaydrift_parse::session::{ATTRIBUTES, CertificateText};

use crate::Table;
use crate::columns::{Texts, Time, Utf8, append_list, columns};

columns! {
    /// Builders of `certificates_seen`.
    CertificateColumns for Table::CertificatesSeen, {
        thumbprint: Utf8, subject: Utf8, issuer: Utf8, serial: Utf8, not_before: Time,
        not_after: Time, names: Texts, form: Utf8, unsplit: Utf8, flags: Texts,
    }
}

/// Every certificate text met so far.
#[derive(Default)]
pub(crate) struct Certificates {
    known: HashMap<Box<[u8]>, Arc<Certificate>>,
    key: Vec<u8>,
}

impl Certificates {
    /// The facts behind a text.
    pub(crate) fn resolve(&mut self, text: &CertificateText<'_>) -> Arc<Certificate> {
        self.key.clear();
        match &text.whole {
            Some((_, context, data)) => {
                self.key.extend_from_slice(context.bytes);
                self.key.push(0);
                self.key.extend_from_slice(data.bytes);
            }
            None => {
                for value in &text.rows {
                    self.key.push(1);
                    self.key
                        .extend_from_slice(value.map_or(b"\x02", |value| value.bytes));
                }
            }
        }
        if let Some(found) = self.known.get(self.key.as_slice()) {
            return found.clone();
        }
        let certificate = Arc::new(read(text));
        self.known
            .insert(self.key.as_slice().into(), certificate.clone());
        certificate
    }

    /// The certificates met, as rows.
    pub(crate) fn finish(&self, batch: i64) -> Result<Option<RecordBatch>, ArrowError> {
        let mut columns = CertificateColumns::new();
        for certificate in self.known.values() {
            columns.push_seen(certificate);
        }
        if columns.len() == 0 {
            return Ok(None);
        }
        columns.finish(batch).map(Some)
    }
}

impl CertificateColumns {
    fn push_seen(&mut self, certificate: &Certificate) {
        self.thumbprint
            .append_option(certificate.thumbprint.as_ref());
        self.subject.append_option(certificate.subject.as_ref());
        self.issuer.append_option(certificate.issuer.as_ref());
        self.serial.append_option(certificate.serial.as_ref());
        self.not_before.append_option(certificate.not_before);
        self.not_after.append_option(certificate.not_after);
        append_list(&mut self.names, &certificate.names);
        self.form.append_value(certificate.form.as_str());
        self.unsplit.append_option(certificate.unsplit.as_ref());
        append_list(&mut self.flags, &certificate.flags);
        self.end_row();
    }
}

fn read(text: &CertificateText<'_>) -> Certificate {
    if let Some((_, context, data)) = &text.whole {
        return certificate::parse_whole(&context.value(), &data.value());
    }
    let mut certificate = Certificate::new(Form::A);
    for (attribute, value) in ATTRIBUTES.iter().zip(&text.rows) {
        if let Some(value) = value {
            certificate::apply(&mut certificate, *attribute, &value.value());
        }
    }
    certificate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builders_fit_the_schema() {
        let batch = CertificateColumns::new().finish(1).unwrap();
        assert_eq!(batch.schema(), Table::CertificatesSeen.schema());
    }
}
