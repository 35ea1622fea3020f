//! Alarms: whoever is to know of a change that begins to break mail is told at least once.
//!
//! What was told and what is still owed is a paper in the lake. A change is written there before anybody is
//! told of it, and crossed off after: whoever is killed in between tells it again, and never forgets it. Each
//! way is walked by a task of its own, so that one that hangs delays neither the other nor the next look.

use std::collections::{BTreeSet, VecDeque};
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

/// The names of the papers among the lake's positions begin so; a way has one of its own.
const PAPER: &str = "follow.told.";

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

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
    desks: Vec<Arc<Desk>>,
    /// Changes whose harm is too long ago, as far as that was said.
    old: Mutex<BTreeSet<String>>,
    /// What lasted until so long ago at the least is worth an alarm, in microseconds.
    window: i64,
    tasks: Vec<JoinHandle<()>>,
}

/// One way and its paper.
struct Desk {
    lake: Lake,
    name: &'static str,
    /// Nothing before the way is first used.
    paper: Mutex<Option<Told>>,
    news: Notify,
}

impl Alarms {
    /// Goes on with what is owed from before; [`None`] where nobody is to be told. What did no harm since so
    /// long is no alarm.
    pub async fn open(ways: Vec<Way>, since: Span, lake: &Lake) -> Result<Option<Alarms>> {
        if ways.is_empty() {
            return Ok(None);
        }
        let (mut desks, mut tasks) = (Vec::new(), Vec::new());
        for way in ways {
            let desk = Arc::new(Desk::open(lake, way.name()).await?);
            tasks.push(tokio::spawn(desk.clone().serve(way)));
            desks.push(desk);
        }
        Ok(Some(Alarms {
            desks,
            old: Mutex::default(),
            window: since.micros(),
            tasks,
        }))
    }

    /// Takes note of the breaking changes that there are, each with its JSON, and wakes whoever tells of the
    /// new ones. What is there when a way is first used is known, and no alarm.
    pub async fn note(&self, found: &[(Change, String)]) -> Result<()> {
        let oldest = Time(when::clock().saturating_sub(self.window));
        for desk in &self.desks {
            desk.note(found, oldest).await?;
        }
        let mut old = self.old.lock().await;
        let before = old.len();
        let over = found.iter().filter(|(change, _)| change.last() < oldest);
        let unknown = self.unknown(over).await;
        old.extend(unknown);
        if old.len() > before {
            let more = count((old.len() - before) as i64, "breaking change");
            tell!("{more} did the last harm before --alarm-since: no alarm");
        }
        Ok(())
    }

    /// The keys of changes that no paper knows.
    async fn unknown<'a>(
        &self,
        changes: impl Iterator<Item = &'a (Change, String)>,
    ) -> BTreeSet<String> {
        let mut keys: BTreeSet<String> = changes.map(|(change, _)| change.key.clone()).collect();
        for desk in &self.desks {
            let paper = desk.paper.lock().await;
            keys.retain(|key| paper.as_ref().is_some_and(|told| !told.known.contains(key)));
        }
        keys
    }

    /// Ends what is under way: it is done anew by the next run.
    pub async fn close(self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        // A command ends with the task that waits for it.
        futures::future::join_all(self.tasks).await;
    }
}

impl Desk {
    async fn open(lake: &Lake, name: &'static str) -> Result<Desk> {
        let paper = match lake.position(&format!("{PAPER}{name}")).await? {
            None => None,
            Some(json) => Some(serde_json::from_slice(&json).with_context(|| {
                format!(
                    "_relaydrift/positions/{PAPER}{name}.json in the lake cannot be read: put it back from a backup"
                )
            })?),
        };
        Ok(Desk {
            lake: lake.clone(),
            name,
            paper: Mutex::new(paper),
            news: Notify::new(),
        })
    }

    /// Owes what is new and did harm since `oldest`. What did none may do some again: it stays unknown.
    async fn note(&self, found: &[(Change, String)], oldest: Time) -> Result<()> {
        let mut paper = self.paper.lock().await;
        let first = paper.is_none();
        let mut next = paper.clone().unwrap_or_default();
        for (change, json) in found {
            let counts = first || change.last() >= oldest;
            let is_new = counts && next.known.insert(change.key.clone());
            if is_new && !first {
                next.owed.push_back(Owed {
                    key: change.key.clone(),
                    json: json.clone(),
                });
            }
        }
        if paper.as_ref() == Some(&next) {
            return Ok(());
        }
        self.keep(&next).await?;
        *paper = Some(next);
        self.news.notify_one();
        Ok(())
    }

    /// Writes the paper: whole, or not at all.
    async fn keep(&self, paper: &Told) -> Result<()> {
        let name = format!("{PAPER}{}", self.name);
        Ok(self
            .lake
            .keep_position(&name, serde_json::to_vec(paper)?)
            .await?)
    }

    /// Tells all that is owed one way, for ever.
    async fn serve(self: Arc<Self>, way: Way) {
        let mut pause = FIRST_PAUSE;
        loop {
            let Some(owed) = self.next().await else {
                self.news.notified().await;
                continue;
            };
            let told = match serde_json::from_str(&owed.json) {
                Ok(change) => way.tell(&change, &owed.json).await,
                // Not ours: it cannot be told in any other way either.
                Err(error) => {
                    tell!("relaydrift: error: an alarm that is no change is dropped: {error}");
                    Ok(())
                }
            };
            let Err((why, asked)) = told else {
                pause = FIRST_PAUSE;
                self.told(&owed.key).await;
                continue;
            };
            let waiting = self.later(&owed.key).await;
            let next = asked.map_or(pause, |asked| asked.clamp(pause, LONGEST_PAUSE));
            let (target, why) = (way.target(), visible_lines(&why));
            tell!(
                "relaydrift: error: {}: {why}; {} not told yet, trying again in {} s",
                visible(&target),
                count(waiting as i64, "breaking change"),
                next.as_secs(),
            );
            // One that is never taken does not hold up those that come meanwhile.
            tokio::select! {
                () = tokio::time::sleep(next) => pause = (pause * 2).min(LONGEST_PAUSE),
                () = self.news.notified() => drop(self.later(&owed.key).await),
            }
        }
    }

    async fn next(&self) -> Option<Owed> {
        let paper = self.paper.lock().await;
        paper.as_ref()?.owed.front().cloned()
    }

    /// Puts one behind the others, so that one that is never taken holds up none; how many wait.
    async fn later(&self, key: &str) -> usize {
        let mut paper = self.paper.lock().await;
        paper.as_mut().map_or(0, |told| {
            if told.owed.front().is_some_and(|owed| owed.key == key) {
                told.owed.rotate_left(1);
            }
            told.owed.len()
        })
    }

    /// Crosses one off.
    async fn told(&self, key: &str) {
        let mut paper = self.paper.lock().await;
        let Some(told) = paper.as_mut() else {
            return;
        };
        told.owed.retain(|owed| owed.key != key);
        if let Err(error) = self.keep(told).await {
            let error = crate::chain(&error);
            tell!(
                "relaydrift: error: {}; an alarm that was told is told again after a restart",
                visible_lines(&error)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str, last: i64) -> (Change, String) {
        let last = serde_json::to_value(Time(last)).unwrap();
        let json = serde_json::json!({
            "key": key, "found_at": last, "severity": "high", "kind": "certificate", "class": "renamed",
            "last_refused": last,
        })
        .to_string();
        (serde_json::from_str(&json).unwrap(), json)
    }

    async fn owed(lake: &Lake) -> Vec<String> {
        let desk = Desk::open(lake, "on_drift").await.unwrap();
        let paper = desk.paper.lock().await;
        let owed = paper.iter().flat_map(|told| &told.owed);
        owed.map(|owed| owed.key.clone()).collect()
    }

    #[tokio::test]
    async fn a_change_that_did_no_harm_lately_is_owed_when_it_does_some_again() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open_or_create(folder.path().to_str().unwrap())
            .await
            .unwrap();
        let desk = Desk::open(&lake, "on_drift").await.unwrap();
        let oldest = Time(1_000);
        desk.note(&[change("before", 2_000)], oldest).await.unwrap();
        assert_eq!(owed(&lake).await, [""; 0]);
        let later = [
            change("before", 3_000),
            change("slow", 10),
            change("new", 2_000),
        ];
        desk.note(&later, oldest).await.unwrap();
        assert_eq!(owed(&lake).await, ["new"]);
        desk.note(&[change("slow", 2_000), change("new", 2_500)], oldest)
            .await
            .unwrap();
        assert_eq!(owed(&lake).await, ["new", "slow"]);
        assert_eq!(desk.later("new").await, 2);
        desk.told("slow").await;
        assert_eq!(owed(&lake).await, ["new"]);
    }
}
