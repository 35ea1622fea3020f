//! Alarms: whoever is to know of a change that begins to break mail is told at least once.
//!
//! What was told and what is still owed is a paper in the lake. A change is written there before anybody is
//! told of it, and crossed off after: whoever is killed in between tells it again, and never forgets it. Each
//! way is walked by a task of its own, so that one that hangs delays neither the other nor the next look.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use relaydrift_lake::Lake;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;

use super::Change;
use super::way::Way;
use crate::ask::Time;
use crate::escape::{visible, visible_lines};
use crate::output::count;
use crate::when::{self, Span};

/// The name of the paper among the lake's positions.
const PAPER: &str = "follow.told";

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// By the name of a way.
type Paper = BTreeMap<String, Told>;

/// What one way was told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Told {
    /// Keys of the changes that are told, owed, or were there before.
    known: BTreeSet<String>,
    /// The next one first.
    owed: VecDeque<Owed>,
}

/// A change that somebody has yet to be told of: as it was found, whatever later logs say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Owed {
    key: String,
    json: String,
}

/// The ways to tell, and what each was told.
pub struct Alarms {
    desk: Arc<Desk>,
    /// What lasted until so long ago at the least is worth an alarm, in microseconds.
    window: i64,
    tasks: Vec<JoinHandle<()>>,
}

struct Desk {
    lake: Lake,
    paper: Mutex<Paper>,
    news: BTreeMap<&'static str, Notify>,
}

impl Alarms {
    /// Goes on with what is owed from before; [`None`] where nobody is to be told. What did no harm since so
    /// long is no alarm.
    pub async fn open(ways: Vec<Way>, since: Span, lake: &Lake) -> Result<Option<Alarms>> {
        if ways.is_empty() {
            return Ok(None);
        }
        let paper = match lake.position(PAPER).await? {
            Some(json) => serde_json::from_slice(&json).with_context(|| {
                format!("_relaydrift/positions/{PAPER}.json in the lake cannot be read: put it back from a backup")
            })?,
            None => Paper::new(),
        };
        let desk = Arc::new(Desk {
            lake: lake.clone(),
            paper: Mutex::new(paper),
            news: ways.iter().map(|way| (way.name(), Notify::new())).collect(),
        });
        let tasks = ways
            .into_iter()
            .map(|way| tokio::spawn(desk.clone().serve(way)));
        Ok(Some(Alarms {
            tasks: tasks.collect(),
            desk,
            window: since.micros(),
        }))
    }

    /// Takes note of the breaking changes that there are, each with its JSON, and wakes whoever tells of the
    /// new ones. What is there when a way is first used is known, and no alarm.
    pub async fn note(&self, found: &[(Change, String)]) -> Result<()> {
        let mut paper = self.desk.paper.lock().await;
        let mut next = paper.clone();
        let oldest = when::clock().saturating_sub(self.window);
        let mut old = BTreeSet::new();
        for name in self.desk.news.keys() {
            let first = !next.contains_key(*name);
            let told = next.entry((*name).to_owned()).or_default();
            for (change, json) in found {
                if !told.known.insert(change.key.clone()) || first {
                    continue;
                }
                if change.last() < Time(oldest) {
                    old.insert(&change.key);
                    continue;
                }
                told.owed.push_back(Owed {
                    key: change.key.clone(),
                    json: json.clone(),
                });
            }
        }
        if next == *paper {
            return Ok(());
        }
        self.desk.keep(&next).await?;
        *paper = next;
        if !old.is_empty() {
            let old = count(old.len() as i64, "breaking change");
            eprintln!("{old} did the last harm before --alarm-since: no alarm");
        }
        self.desk.news.values().for_each(Notify::notify_one);
        Ok(())
    }

    /// Ends what is under way: it is done anew by the next run.
    pub async fn close(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        // A command ends with the task that waits for it.
        futures::future::join_all(self.tasks).await;
    }
}

impl Desk {
    /// Writes the paper: whole, or not at all.
    async fn keep(&self, paper: &Paper) -> Result<()> {
        let json = serde_json::to_vec(paper)?;
        Ok(self.lake.keep_position(PAPER, json).await?)
    }

    /// Tells all that is owed one way, for ever.
    async fn serve(self: Arc<Self>, way: Way) {
        let mut pause = FIRST_PAUSE;
        loop {
            let Some(owed) = self.next(way.name()).await else {
                if let Some(news) = self.news.get(way.name()) {
                    news.notified().await;
                }
                continue;
            };
            let told = match serde_json::from_str(&owed.json) {
                Ok(change) => way.tell(&change, &owed.json).await,
                // Not ours: it cannot be told in any other way either.
                Err(error) => {
                    eprintln!("relaydrift: error: an alarm that is no change is dropped: {error}");
                    Ok(())
                }
            };
            let Err((why, asked)) = told else {
                pause = FIRST_PAUSE;
                self.told(way.name(), &owed.key).await;
                continue;
            };
            let waiting = self.later(way.name()).await;
            let next = asked.map_or(pause, |asked| asked.clamp(pause, LONGEST_PAUSE));
            let (target, why) = (way.target(), visible_lines(&why));
            eprintln!(
                "relaydrift: error: {}: {why}; {} not told yet, trying again in {} s",
                visible(&target),
                count(waiting as i64, "breaking change"),
                next.as_secs(),
            );
            tokio::time::sleep(next).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn next(&self, way: &str) -> Option<Owed> {
        let paper = self.paper.lock().await;
        paper.get(way)?.owed.front().cloned()
    }

    /// Puts the next one behind the others, so that one that is never taken holds up none; how many wait.
    async fn later(&self, way: &str) -> usize {
        let mut paper = self.paper.lock().await;
        paper.get_mut(way).map_or(0, |told| {
            if !told.owed.is_empty() {
                told.owed.rotate_left(1);
            }
            told.owed.len()
        })
    }

    /// Crosses one off.
    async fn told(&self, way: &str, key: &str) {
        let mut paper = self.paper.lock().await;
        if let Some(told) = paper.get_mut(way) {
            told.owed.retain(|owed| owed.key != key);
        }
        if let Err(error) = self.keep(&paper).await {
            let error = crate::chain(&error);
            eprintln!(
                "relaydrift: error: {}; an alarm that was told is told again after a restart",
                visible_lines(&error)
            );
        }
    }
}
