//! Elasticsearch and OpenSearch: `_bulk`, each record created under its key, so that a repeat is
//! answered with 409 and changes nothing.

use base64::Engine;
use serde::Deserialize;
use url::Url;

use crate::Error;
use crate::json;
use crate::secret::Secret;
use crate::transport::http::Client;
use crate::transport::{Failure, Fate, Limits, Record, Transport};

/// An index or data stream.
pub struct Elastic {
    client: Client,
    url: String,
    authorization: String,
}

#[derive(Deserialize)]
struct Bulk {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    create: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    status: u16,
    error: Option<Cause>,
}

#[derive(Deserialize)]
struct Cause {
    #[serde(default, rename = "type")]
    kind: String,
    reason: Option<String>,
}

impl Elastic {
    /// An index, data stream or alias: `https://host:9200/NAME` (`/_bulk` may follow). The secret is
    /// an API key, or `user:password`.
    ///
    /// # Errors
    /// [`Error::Target`] where the address names no index.
    pub fn new(client: Client, url: &Url, secret: &Secret) -> Result<Elastic, Error> {
        let path = url.path().trim_end_matches('/');
        let index = path.strip_suffix("/_bulk").unwrap_or(path);
        if index.is_empty() {
            let problem = "names no index: https://host:9200/logs-relaydrift-default";
            return Err(Error::Target {
                target: client.target,
                problem,
            });
        }
        let mut url = url.clone();
        url.set_path(&format!("{index}/_bulk"));
        let secret = secret.reveal();
        let authorization = match secret.contains(':') {
            true => format!(
                "Basic {}",
                base64::engine::general_purpose::STANDARD.encode(secret)
            ),
            false => format!("ApiKey {secret}"),
        };
        Ok(Elastic {
            client,
            url: url.into(),
            authorization,
        })
    }
}

impl Outcome {
    fn fate(&self) -> Fate {
        let text = || match &self.error {
            Some(cause) => {
                let reason = cause.reason.as_deref().unwrap_or_default();
                format!("{} {}: {reason}", self.status, cause.kind)
            }
            None => self.status.to_string(),
        };
        match self.status {
            // 409: it is there already.
            200..=299 | 409 => Fate::Taken,
            429 | 500 | 502..=504 => Fate::Again(text()),
            _ => Fate::Refused(text()),
        }
    }
}

impl Transport for Elastic {
    fn target(&self) -> &str {
        &self.client.target
    }

    fn limits(&self) -> Limits {
        Limits {
            records: 1_000,
            bytes: 4 << 20,
        }
    }

    fn send(&mut self, batch: &[Record]) -> Result<Vec<Fate>, Failure> {
        let mut body = Vec::new();
        for record in batch {
            json::object(&mut body, |o| {
                o.object("create", |o| o.text("_id", &record.key))
            });
            body.push(b'\n');
            body.extend_from_slice(&record.bytes);
            body.push(b'\n');
        }
        let headers = [
            ("authorization", self.authorization.as_str()),
            ("content-type", "application/x-ndjson"),
        ];
        let answer = self.client.post(&self.url, &headers, &body)?;
        if answer.status != 200 {
            return Err(self.client.judge(&answer));
        }
        let bulk: Option<Bulk> = serde_json::from_str(&answer.body).ok();
        match bulk.filter(|bulk| bulk.items.len() == batch.len()) {
            Some(bulk) => Ok(bulk.items.iter().map(|item| item.create.fate()).collect()),
            None => Err(self
                .client
                .stop(format!("{} (not an answer to _bulk)", answer.text()))),
        }
    }
}
