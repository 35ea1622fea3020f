//! The same message to the same recipient, tried again after a failure.

use std::collections::{HashMap, VecDeque};

/// Failures that are remembered until they are made good.
const FAILED: usize = 500_000;

/// Deliveries that are remembered: a lake gives the sessions of some minutes in the order of their
/// ids, so a failure may come after the delivery that made it good.
const DELIVERED: usize = 200_000;

/// A message and a recipient on a server.
type Key = u64;

/// One attempt for one recipient.
#[derive(Debug, Clone)]
pub struct Attempt<'a> {
    pub place: u32,
    pub connector: &'a str,
    pub message_id: &'a str,
    pub recipient: &'a str,
    pub time: i64,
    /// Taken.
    pub delivered: bool,
    /// A failure that is worth another try: 4xx or no reply.
    pub temporary: bool,
    pub reply: &'a str,
}

/// A recipient that was not taken.
#[derive(Debug, Clone)]
pub struct Failed {
    pub place: u32,
    pub connector: String,
    pub message_id: String,
    pub recipient: String,
    pub first: i64,
    pub last: i64,
    pub attempts: u64,
    pub temporary: bool,
    pub reply: String,
}

/// What is open and what was made good.
#[derive(Default)]
pub struct Retries {
    failed: HashMap<Key, Failed>,
    delivered: HashMap<Key, i64>,
    order: VecDeque<Key>,
    /// Failures that did not fit.
    pub forgotten: u64,
}

/// A recipient that was taken after failures.
#[derive(Debug, Clone)]
pub struct MadeGood {
    pub attempts: u64,
    /// From the first failure on.
    pub took: i64,
}

impl Retries {
    /// Takes in an attempt; tells of a recipient that was taken at last.
    pub fn attempt(&mut self, attempt: &Attempt<'_>) -> Option<MadeGood> {
        if attempt.message_id.is_empty() {
            return None;
        }
        let key = key(attempt);
        if attempt.delivered {
            return self.deliver(key, attempt.time);
        }
        let time = attempt.time;
        if let Some(failed) = self.failed.get_mut(&key) {
            failed.attempts += 1;
            failed.first = failed.first.min(time);
            if time >= failed.last {
                failed.last = time;
                failed.temporary = attempt.temporary;
                failed.reply = attempt.reply.to_owned();
            }
            return None;
        }
        if let Some(delivered) = self
            .delivered
            .get(&key)
            .filter(|delivered| **delivered > time)
        {
            return Some(MadeGood {
                attempts: 2,
                took: delivered - time,
            });
        }
        if self.failed.len() >= FAILED {
            self.forgotten += 1;
            return None;
        }
        self.failed.insert(
            key,
            Failed {
                place: attempt.place,
                connector: attempt.connector.to_owned(),
                message_id: attempt.message_id.to_owned(),
                recipient: attempt.recipient.to_owned(),
                first: time,
                last: time,
                attempts: 1,
                temporary: attempt.temporary,
                reply: attempt.reply.to_owned(),
            },
        );
        None
    }

    fn deliver(&mut self, key: Key, time: i64) -> Option<MadeGood> {
        if let Some(failed) = self.failed.get(&key)
            && failed.last < time
        {
            let failed = self.failed.remove(&key)?;
            return Some(MadeGood {
                attempts: failed.attempts + 1,
                took: time - failed.first,
            });
        }
        if self.delivered.insert(key, time).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > DELIVERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.delivered.remove(&oldest);
        }
        None
    }

    /// What was not made good, oldest first.
    pub fn open(&self) -> Vec<&Failed> {
        let mut open: Vec<&Failed> = self.failed.values().collect();
        open.sort_by(|a, b| {
            (a.first, &a.message_id, &a.recipient).cmp(&(b.first, &b.message_id, &b.recipient))
        });
        open
    }
}

/// Recipients differ in the case of their local part, not of their domain.
fn key(attempt: &Attempt<'_>) -> Key {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    attempt.place.hash(&mut hasher);
    attempt.message_id.hash(&mut hasher);
    match attempt.recipient.rsplit_once('@') {
        Some((local, domain)) => (local, domain.to_ascii_lowercase()).hash(&mut hasher),
        None => attempt.recipient.hash(&mut hasher),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(recipient: &str, time: i64, delivered: bool) -> Attempt<'_> {
        Attempt {
            place: 0,
            connector: "To cloud",
            message_id: "1@a.example",
            recipient,
            time,
            delivered,
            temporary: true,
            reply: "450 later",
        }
    }

    #[test]
    fn a_retry_is_the_same_recipient_after_a_failure() {
        let mut retries = Retries::default();
        assert!(
            retries
                .attempt(&attempt("a@B.example", 10, false))
                .is_none()
        );
        assert!(retries.attempt(&attempt("c@b.example", 20, true)).is_none());
        assert!(
            retries
                .attempt(&attempt("a@b.example", 30, false))
                .is_none()
        );
        let good = retries.attempt(&attempt("a@b.EXAMPLE", 70, true)).unwrap();
        assert_eq!((good.attempts, good.took), (3, 60));
        assert!(retries.open().is_empty());
    }

    #[test]
    fn the_order_of_the_sessions_does_not_matter() {
        let mut retries = Retries::default();
        assert!(retries.attempt(&attempt("a@b.example", 70, true)).is_none());
        let good = retries.attempt(&attempt("a@b.example", 10, false)).unwrap();
        assert_eq!((good.attempts, good.took), (2, 60));
        // A failure after the delivery is another matter.
        assert!(
            retries
                .attempt(&attempt("a@b.example", 90, false))
                .is_none()
        );
        assert_eq!(retries.open().len(), 1);
    }
}
