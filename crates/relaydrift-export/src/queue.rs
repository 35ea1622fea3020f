//! From events to a receiver: a bounded queue, attempts with back-off, and word of what is safe.

use std::fs::File;
use std::io::Write;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Error;
use crate::transport::{Failure, Fate, Record, Transport};

/// Batches that may wait: with the one under way they bound what is in memory.
const WAITING: usize = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long and how carefully a queue tries.
#[derive(Debug)]
pub struct Effort {
    /// For how long one batch is tried again before the queue gives up.
    pub patience: Duration,
    /// Where records go that the receiver will never take; without it such a record is an error.
    pub rejected: Option<File>,
    /// Told of a batch that did not arrive at once, and of each long pause after that.
    pub tell: fn(&Trouble<'_>),
}

/// Why a batch waits.
#[derive(Debug, Clone, Copy)]
pub struct Trouble<'a> {
    /// The receiver.
    pub target: &'a str,
    /// What it said, or what kept it from saying anything: text from outside.
    pub answer: &'a str,
    /// For how long it is still tried.
    pub left: Duration,
}

/// What a queue did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Records that the receiver took.
    pub taken: u64,
    /// Records that it will never take.
    pub rejected: u64,
    /// Attempts that failed and were made good.
    pub retried: u64,
}

/// Told which records are safe, in the order in which they were pushed: nothing before them is not.
pub type Acknowledge<T> =
    Box<dyn FnMut(&[T]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + Send>;

/// Records on their way through a thread of their own. `T` is what the caller remembers a record by.
pub struct Queue<T> {
    batches: SyncSender<Batch<T>>,
    worker: JoinHandle<Result<Sent, Error>>,
    filling: Batch<T>,
    bytes: usize,
    limits: crate::transport::Limits,
}

struct Batch<T> {
    records: Vec<Record>,
    marks: Vec<T>,
}

impl<T: Send + 'static> Queue<T> {
    /// Starts the thread.
    pub fn start(
        transport: Box<dyn Transport>,
        effort: Effort,
        mut safe: Acknowledge<T>,
    ) -> Queue<T> {
        let limits = transport.limits();
        let (batches, waiting) = sync_channel::<Batch<T>>(WAITING);
        let worker = std::thread::spawn(move || {
            let mut delivery = Delivery {
                transport,
                effort,
                sent: Sent::default(),
            };
            for batch in waiting {
                delivery.deliver(&batch.records)?;
                safe(&batch.marks).map_err(Error::Position)?;
            }
            Ok(delivery.sent)
        });
        Queue {
            batches,
            worker,
            filling: Batch {
                records: Vec::new(),
                marks: Vec::new(),
            },
            bytes: 0,
            limits,
        }
    }

    /// Hands over a record; waits while the queue is full.
    ///
    /// # Errors
    /// [`Error::Ended`] where the thread stopped: [`Queue::finish`] says why.
    pub fn push(&mut self, record: Record, mark: T) -> Result<(), Error> {
        let full = self.bytes + record.bytes.len() > self.limits.bytes
            || self.filling.records.len() >= self.limits.records;
        if full && !self.filling.records.is_empty() {
            self.flush()?;
        }
        self.bytes += record.bytes.len();
        self.filling.records.push(record);
        self.filling.marks.push(mark);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let empty = Batch {
            records: Vec::new(),
            marks: Vec::new(),
        };
        let batch = std::mem::replace(&mut self.filling, empty);
        self.bytes = 0;
        self.batches.send(batch).map_err(|_| Error::Ended)
    }

    /// Sends the rest and waits until all is safe.
    ///
    /// # Errors
    /// Whatever stopped the thread.
    pub fn finish(mut self) -> Result<Sent, Error> {
        if !self.filling.records.is_empty() {
            // Where the thread has ended, its own error says more.
            let _ = self.flush();
        }
        drop(self.batches);
        self.worker
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

struct Delivery {
    transport: Box<dyn Transport>,
    effort: Effort,
    sent: Sent,
}

impl Delivery {
    /// Brings every record to the receiver, or into the file of rejected ones.
    fn deliver(&mut self, batch: &[Record]) -> Result<(), Error> {
        let started = Instant::now();
        let mut waiting: Vec<Record> = Vec::new();
        let mut backoff = FIRST_PAUSE;
        let mut attempts = 0;
        loop {
            let records = if attempts == 0 { batch } else { &waiting };
            attempts += 1;
            let (answer, after, rest) = match self.transport.send(records) {
                Ok(fates) => {
                    let (answer, rest) = self.settle(records, fates)?;
                    if rest.is_empty() {
                        return Ok(());
                    }
                    (answer, None, rest)
                }
                Err(Failure::Again { answer, after }) => (answer, after, records.to_vec()),
                Err(Failure::Split(answer)) => return self.halves(records, answer),
                Err(Failure::Stop(error)) => return Err(error),
            };
            waiting = rest;
            let waited = started.elapsed();
            // A receiver may ask to be tried at once; whoever asks for it again waits all the same.
            let pause = match after {
                Some(asked) if attempts == 1 => asked,
                Some(asked) => asked.max(FIRST_PAUSE),
                None => backoff,
            };
            if waited + pause > self.effort.patience {
                let target = self.transport.target().to_owned();
                return Err(Error::GaveUp {
                    target,
                    attempts,
                    waited,
                    answer,
                });
            }
            if attempts == 1 || pause == LONGEST_PAUSE {
                (self.effort.tell)(&Trouble {
                    target: self.transport.target(),
                    answer: &answer,
                    left: self.effort.patience - waited,
                });
            }
            std::thread::sleep(pause);
            backoff = (backoff * 2).min(LONGEST_PAUSE);
            self.sent.retried += 1;
        }
    }

    /// Notes what became of each record; gives back those to try again, and why.
    fn settle(
        &mut self,
        records: &[Record],
        fates: Vec<Fate>,
    ) -> Result<(String, Vec<Record>), Error> {
        let (mut why, mut again) = (String::new(), Vec::new());
        for (record, fate) in records.iter().zip(fates) {
            match fate {
                Fate::Taken => self.sent.taken += 1,
                Fate::Again(answer) => {
                    why = answer;
                    again.push(record.clone());
                }
                Fate::Refused(answer) => self.reject(record, answer)?,
            }
        }
        Ok((why, again))
    }

    /// A batch that is refused as a whole is tried in halves, down to the record that spoils it.
    fn halves(&mut self, batch: &[Record], answer: String) -> Result<(), Error> {
        match batch {
            [] => Ok(()),
            [record] => self.reject(record, answer),
            _ => {
                let (first, second) = batch.split_at(batch.len() / 2);
                self.deliver(first)?;
                self.deliver(second)
            }
        }
    }

    fn reject(&mut self, record: &Record, answer: String) -> Result<(), Error> {
        let target = self.transport.target().to_owned();
        let Some(file) = &mut self.effort.rejected else {
            let key = record.key.clone();
            return Err(Error::Record {
                target,
                key,
                answer,
            });
        };
        let line = [&record.bytes[..], b"\n"].concat();
        let kept = file.write_all(&line).and_then(|()| file.sync_data());
        kept.map_err(|source| Error::Io {
            target: "the file of rejected records".to_owned(),
            source,
        })?;
        self.sent.rejected += 1;
        Ok(())
    }
}
