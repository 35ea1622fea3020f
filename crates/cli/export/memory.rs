//! What `--resume NAME` remembers in the lake: how far the receiver acknowledged.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use relaydrift_export::{Event, Fact, State};
use serde::{Deserialize, Serialize};

/// The paper that a name stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// What is exported, as what, and where to: a name is for one stream.
    stream: [String; 3],
    /// Telemetry: the last row that is safe.
    position: Option<Position>,
    /// Incidents that were told.
    incidents: BTreeMap<String, Told>,
}

/// A place in the order in which telemetry travels: batch by batch, in each by time.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The batch.
    pub batch: i64,
    /// The time.
    pub time: i64,
    /// The source, among rows of one time.
    pub source: String,
    /// The line in it.
    pub line: i64,
}

/// What was told of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    key: String,
    revision: i64,
    /// The last word on one that is still open: what it takes to close it once no view speaks of it.
    #[serde(default)]
    open: Option<Box<Event>>,
}

impl Memory {
    /// Reads the paper, or begins one.
    pub fn read(paper: Option<&[u8]>, name: &str, stream: [String; 3]) -> Result<Memory> {
        let Some(paper) = paper else {
            return Ok(Memory {
                stream,
                ..Memory::default()
            });
        };
        let memory: Memory = serde_json::from_slice(paper).with_context(|| {
            format!("--resume {name}: what the lake keeps under this name cannot be read")
        })?;
        ensure!(
            memory.stream == stream,
            "--resume {name}: this name keeps the position of {} as {} to {}\n  choose another name for {} as {} to {}",
            memory.stream[0],
            memory.stream[1],
            memory.stream[2],
            stream[0],
            stream[1],
            stream[2]
        );
        Ok(memory)
    }

    /// The paper.
    pub fn write(&self) -> Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }

    /// The last row of telemetry that is safe.
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// All rows up to here are safe.
    pub fn advance(&mut self, position: &Position) {
        if self.position.as_ref() < Some(position) {
            self.position = Some(position.clone());
        }
    }

    /// Whether an incident was told exactly as this key says it.
    pub fn knows(&self, uid: &str, key: &str) -> bool {
        self.incidents.get(uid).is_some_and(|told| told.key == key)
    }

    /// Whether an incident was told at all.
    pub fn told(&self, uid: &str) -> bool {
        self.incidents.contains_key(uid)
    }

    /// The last revision that was told.
    pub fn revision(&self, uid: &str) -> Option<i64> {
        Some(self.incidents.get(uid)?.revision)
    }

    /// Incidents that were told and not closed, as they were told last.
    pub fn open(&self) -> impl Iterator<Item = &Event> {
        self.incidents
            .values()
            .filter_map(|told| told.open.as_deref())
    }

    /// An incident is safe.
    pub fn tell(&mut self, event: &Event) {
        if let Fact::Incident(incident) = &event.fact {
            let told = Told {
                key: event.key.clone(),
                revision: incident.revision,
                open: (incident.state != State::Closed).then(|| Box::new(event.clone())),
            };
            self.incidents.insert(incident.uid.clone(), told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_for_one_stream_and_never_goes_back() {
        let stream = ["refusals", "ndjson", "out"].map(str::to_owned);
        let mut memory = Memory::read(None, "siem", stream.clone()).unwrap();
        let at = |batch, line| Position {
            batch,
            line,
            ..Position::default()
        };
        memory.advance(&at(2, 1));
        memory.advance(&at(1, 9));
        assert_eq!(memory.position(), Some(&at(2, 1)));
        let paper = memory.write().unwrap();
        assert_eq!(
            Memory::read(Some(&paper), "siem", stream.clone()).unwrap(),
            memory
        );
        let other = ["drift", "ndjson", "out"].map(str::to_owned);
        let error = Memory::read(Some(&paper), "siem", other).unwrap_err();
        assert!(error.to_string().contains("another name"), "{error}");
        assert!(Memory::read(Some(b"{"), "siem", stream).is_err());
    }
}
