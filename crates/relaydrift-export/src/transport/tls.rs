//! Whom to trust: the system's certificate authorities, or one's own instead.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::Error;

/// Certificate authorities. Verification cannot be switched off.
#[derive(Debug, Clone)]
pub struct Trust {
    authorities: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// The system's authorities, or those of a PEM file.
    ///
    /// # Errors
    /// [`Error::Secret`] where there are none.
    pub fn new(file: Option<&Path>) -> Result<Trust, Error> {
        let (place, authorities) = match file {
            None => {
                let place = "the system's certificate authorities".to_owned();
                (place, rustls_native_certs::load_native_certs().certs)
            }
            Some(file) => {
                let place = file.display().to_string();
                let problem = |error: rustls::pki_types::pem::Error| Error::Secret {
                    place: place.clone(),
                    problem: error.to_string(),
                };
                let certificates = CertificateDer::pem_file_iter(file).map_err(problem)?;
                let all = certificates
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(problem)?;
                (place, all)
            }
        };
        if authorities.is_empty() {
            let problem = "no certificate there; name a PEM file with --ca-file".to_owned();
            return Err(Error::Secret { place, problem });
        }
        Ok(Trust { authorities })
    }

    /// The authorities' certificates in DER.
    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.authorities
    }

    /// A client's configuration: TLS 1.2 and 1.3, the receiver verified.
    pub(crate) fn client(&self, target: &str) -> Result<Arc<ClientConfig>, Error> {
        let mut roots = RootCertStore::empty();
        // The system's store may hold certificates that rustls does not read.
        roots.add_parsable_certificates(self.authorities.iter().cloned());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|source| Error::Tls {
                target: target.to_owned(),
                source,
            })?;
        Ok(Arc::new(
            builder.with_root_certificates(roots).with_no_client_auth(),
        ))
    }
}
