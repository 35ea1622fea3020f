//! Azure Monitor's Logs Ingestion API: JSON arrays, gzip, at most 1 MB a call, a token of an
//! application from Entra ID.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;
use url::{Url, form_urlencoded};

use crate::Error;
use crate::secret::Secret;
use crate::transport::http::Client;
use crate::transport::{Failure, Fate, Limits, Record, Transport, all_taken};

/// The audience of tokens.
const SCOPE: &str = "https://monitor.azure.com//.default";
/// A token is renewed so long before it ends.
const MARGIN: Duration = Duration::from_secs(120);

/// The application that may send, and who vouches for it.
#[derive(Debug)]
pub struct Application {
    /// `https://login.microsoftonline.com/TENANT`
    pub authority: Url,
    /// Its client id.
    pub client_id: String,
    /// Its secret.
    pub secret: Secret,
    /// The audience of its tokens where it is another than the public cloud's.
    pub scope: Option<String>,
}

/// A stream of a data-collection rule.
pub struct LogsIngestion {
    client: Client,
    login: Client,
    url: String,
    application: Application,
    token: Option<(String, Instant)>,
    renewed: bool,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: u64,
}

impl LogsIngestion {
    /// A stream: `https://ENDPOINT/dataCollectionRules/dcr-…/streams/Custom-…`; the version of the API
    /// may be left out. `login` is a client for the authority.
    ///
    /// # Errors
    /// [`Error::Target`] where the address is no stream's.
    pub fn new(
        client: Client,
        login: Client,
        url: &Url,
        application: Application,
    ) -> Result<LogsIngestion, Error> {
        let mut url = url.clone();
        let parts: Vec<&str> = url.path_segments().into_iter().flatten().collect();
        let is_stream = matches!(parts.as_slice(), ["dataCollectionRules", rule, "streams", stream] if !rule.is_empty() && !stream.is_empty());
        if !is_stream {
            let problem = "no stream: https://ENDPOINT/dataCollectionRules/dcr-…/streams/Custom-…";
            return Err(Error::Target {
                target: client.target,
                problem,
            });
        }
        if url.query().is_none() {
            url.set_query(Some("api-version=2023-01-01"));
        }
        Ok(LogsIngestion {
            client,
            login,
            url: url.into(),
            application,
            token: None,
            renewed: false,
        })
    }

    /// A token that is still good for a while.
    fn token(&mut self) -> Result<String, Failure> {
        if let Some((token, until)) = &self.token
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let url = format!(
            "{}/oauth2/v2.0/token",
            self.application.authority.as_str().trim_end_matches('/')
        );
        let scope = self.application.scope.as_deref().unwrap_or(SCOPE);
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.application.client_id)
            .append_pair("client_secret", self.application.secret.reveal())
            .append_pair("scope", scope)
            .finish();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer = self.login.post(&url, &headers, body.as_bytes())?;
        if answer.status != 200 {
            return Err(self.login.judge(&answer));
        }
        // The answer holds a token: it is never part of a message.
        let Ok(token) = serde_json::from_str::<Token>(&answer.body) else {
            return Err(self.login.stop("an answer without a token".to_owned()));
        };
        let good_for = Duration::from_secs(token.expires_in).saturating_sub(MARGIN);
        self.token = Some((token.access_token.clone(), Instant::now() + good_for));
        Ok(token.access_token)
    }
}

impl Transport for LogsIngestion {
    fn target(&self) -> &str {
        &self.client.target
    }

    fn limits(&self) -> Limits {
        // 1 MB a call, before it is compressed; brackets and commas count.
        Limits {
            records: 1_000,
            bytes: 1_000_000 - 2_000,
        }
    }

    fn send(&mut self, batch: &[Record]) -> Result<Vec<Fate>, Failure> {
        let bearer = format!("Bearer {}", self.token()?);
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
        ];
        let body = gzip(batch).map_err(|source| {
            let target = self.client.target.clone();
            Failure::Stop(Error::Io { target, source })
        })?;
        let answer = self.client.post(&self.url, &headers, &body)?;
        match answer.status {
            200 | 204 => {
                self.renewed = false;
                Ok(all_taken(batch))
            }
            // The token may have been revoked: another one is asked for, once.
            401 if !self.renewed => {
                (self.renewed, self.token) = (true, None);
                let after = Some(Duration::ZERO);
                Err(Failure::Again {
                    answer: answer.text(),
                    after,
                })
            }
            _ => Err(self.client.judge(&answer)),
        }
    }
}

fn gzip(batch: &[Record]) -> std::io::Result<Vec<u8>> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    let mut next = b"[";
    for record in batch {
        out.write_all(next)?;
        out.write_all(&record.bytes)?;
        next = b",";
    }
    out.write_all(b"]")?;
    out.finish()
}
