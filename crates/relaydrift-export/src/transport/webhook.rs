//! A webhook: one JSON document per request, taken where the answer is 2xx.

use std::time::Duration;

use url::Url;

use crate::Error;
use crate::secret::Secret;
use crate::transport::http::Client;
use crate::transport::{Failure, Trust};

/// An address that is told of something. Its path and query may be what lets one in: they are never shown.
pub struct Webhook {
    client: Client,
    url: String,
    authorization: Option<String>,
}

impl Webhook {
    /// A webhook that has so long to answer. The secret travels as a bearer token.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn new(
        url: &Url,
        trust: &Trust,
        secret: Option<&Secret>,
        limit: Duration,
    ) -> Result<Webhook, Error> {
        let target = url.origin().ascii_serialization();
        Ok(Webhook {
            client: Client::named(url, target, trust, limit)?,
            url: url.as_str().to_owned(),
            authorization: secret.map(|secret| format!("Bearer {}", secret.reveal())),
        })
    }

    /// Scheme, host and port.
    pub fn target(&self) -> &str {
        &self.client.target
    }

    /// Makes one attempt with one document.
    ///
    /// # Errors
    /// [`Failure`]; a redirect is not followed.
    pub fn post(&self, json: &[u8]) -> Result<(), Failure> {
        let mut headers = vec![("content-type", "application/json")];
        if let Some(authorization) = &self.authorization {
            headers.push(("authorization", authorization));
        }
        let answer = self.client.post(&self.url, &headers, json)?;
        match answer.status {
            200..=299 => Ok(()),
            _ => Err(self.client.judge(&answer)),
        }
    }
}
