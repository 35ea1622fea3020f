//! Splunk's HTTP Event Collector, with indexer acknowledgement where the token has it.

use std::time::{Duration, Instant};

use serde::Deserialize;
use url::Url;

use crate::Error;
use crate::secret::Secret;
use crate::transport::http::{Answer, Client};
use crate::transport::{Failure, Fate, Limits, Record, Transport, all_taken};

/// How often and how long the indexer is asked whether it has a batch.
const ASK: Duration = Duration::from_millis(200);
const ASK_FOR: Duration = Duration::from_secs(120);

/// A collector.
pub struct Hec {
    client: Client,
    event_url: String,
    ack_url: String,
    authorization: String,
    channel: String,
    ask_for: Duration,
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    text: String,
    code: i64,
    #[serde(rename = "ackId")]
    ack_id: Option<u64>,
}

#[derive(Deserialize)]
struct Acks {
    acks: std::collections::HashMap<String, bool>,
}

impl Hec {
    /// A collector at this address, whose path may be left out.
    ///
    /// # Errors
    /// [`Error::Target`]
    pub fn new(client: Client, url: &Url, token: &Secret) -> Result<Hec, Error> {
        let mut event_url = url.clone();
        if url.path() == "/" {
            event_url.set_path("/services/collector/event");
        }
        let channel = channel();
        let mut ack_url = event_url.clone();
        ack_url.set_path("/services/collector/ack");
        ack_url.query_pairs_mut().append_pair("channel", &channel);
        Ok(Hec {
            client,
            event_url: event_url.into(),
            ack_url: ack_url.into(),
            authorization: format!("Splunk {}", token.reveal()),
            channel,
            ask_for: ASK_FOR,
        })
    }

    /// Asks for so long whether a batch is indexed.
    pub fn ask_for(mut self, time: Duration) -> Hec {
        self.ask_for = time;
        self
    }

    fn post(&self, url: &str, body: &[u8]) -> Result<Answer, Failure> {
        let headers = [
            ("authorization", self.authorization.as_str()),
            ("x-splunk-request-channel", &self.channel),
            ("content-type", "application/json"),
        ];
        self.client.post(url, &headers, body)
    }

    /// Waits until the indexer has it.
    fn indexed(&self, id: u64) -> Result<(), Failure> {
        let asked = Instant::now();
        let body = format!("{{\"acks\":[{id}]}}");
        loop {
            let answer = self.post(&self.ack_url, body.as_bytes())?;
            if answer.status != 200 {
                return Err(self.judge(&answer));
            }
            let acks: Option<Acks> = serde_json::from_str(&answer.body).ok();
            if acks.and_then(|acks| acks.acks.get(&id.to_string()).copied()) == Some(true) {
                return Ok(());
            }
            if asked.elapsed() > self.ask_for {
                let answer = format!("the indexer did not acknowledge within {:?}", self.ask_for);
                return Err(Failure::Again {
                    answer,
                    after: None,
                });
            }
            std::thread::sleep(ASK);
        }
    }

    /// What a collector's own codes mean: 8 and 9 pass, 5, 6, 12 and 13 are about a record, the rest
    /// is for its administrator.
    fn judge(&self, answer: &Answer) -> Failure {
        let reply: Option<Reply> = serde_json::from_str(&answer.body).ok();
        let Some(reply) = reply else {
            return self.client.judge(answer);
        };
        let text = format!("{} code {}: {}", answer.status, reply.code, reply.text);
        match reply.code {
            8 | 9 => Failure::Again {
                answer: text,
                after: answer.retry_after,
            },
            5 | 6 | 12 | 13 => Failure::Split(text),
            1..=4 | 7 | 10 | 11 | 14 => self.client.stop(text),
            _ => self.client.judge(answer),
        }
    }
}

/// A GUID of this run. Only other runs with the same token must not have it.
fn channel() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = format!("{:?} {}", now.unwrap_or_default(), std::process::id());
    let hash = blake3::hash(seed.as_bytes()).to_hex();
    let hash = hash.as_str();
    format!(
        "{}-{}-4{}-8{}-{}",
        &hash[..8],
        &hash[8..12],
        &hash[13..16],
        &hash[17..20],
        &hash[20..32]
    )
}

impl Transport for Hec {
    fn target(&self) -> &str {
        &self.client.target
    }

    fn limits(&self) -> Limits {
        Limits {
            records: 1_000,
            bytes: 1_000_000,
        }
    }

    fn send(&mut self, batch: &[Record]) -> Result<Vec<Fate>, Failure> {
        let mut body = Vec::new();
        for record in batch {
            body.extend_from_slice(&record.bytes);
            body.push(b'\n');
        }
        let answer = self.post(&self.event_url, &body)?;
        if answer.status != 200 {
            return Err(self.judge(&answer));
        }
        let reply: Option<Reply> = serde_json::from_str(&answer.body).ok();
        let Some(reply) = reply.filter(|reply| reply.code == 0) else {
            return Err(self
                .client
                .stop(format!("{} (not a collector's answer)", answer.text())));
        };
        // Without an id the token has no acknowledgement: accepted is all there is to know.
        if let Some(id) = reply.ack_id {
            self.indexed(id)?;
        }
        Ok(all_taken(batch))
    }
}
