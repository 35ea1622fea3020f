//! Commands, the replies that answer them, and the mail transactions they make up.
//!
//! Under PIPELINING several commands are sent before the first reply comes: replies are paired with
//! commands first in, first out. Each recipient has its own reply. The 503 replies that follow a
//! refused MAIL or a transaction without recipients answer those later commands and refuse nobody.

use std::collections::VecDeque;

use crate::{
    Text,
    command::Command,
    reply::Reply,
    session::{Answer, Origin},
};

/// A command that waits for its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending {
    /// EHLO or HELO.
    Ehlo,
    /// STARTTLS.
    StartTls,
    /// AUTH, X-EXPS, or the credentials that follow.
    Auth,
    /// MAIL of a transaction.
    Mail(usize),
    /// RCPT: transaction and recipient.
    Rcpt(usize, usize),
    /// DATA, before 354.
    Data(usize),
    /// The message after 354, or the last BDAT.
    End(usize),
    /// A BDAT that is not the last.
    Chunk(usize),
    /// Anything else.
    Other,
}

/// What became of a recipient.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fate {
    /// No reply seen.
    #[default]
    Unknown,
    /// Accepted, by RCPT and, where seen, for the message.
    Accepted,
    /// Answered with an attribution refusal.
    Refused,
    /// Answered with another error.
    Rejected,
}

/// A recipient of a transaction.
#[derive(Debug, Clone, Copy, Default)]
pub struct Recipient<'a> {
    /// Address without angle brackets.
    pub address: &'a [u8],
    /// What became of it.
    pub fate: Fate,
    /// Time of the reply that decided it.
    pub time: i64,
}

/// One mail transaction.
#[derive(Debug, Clone, Default)]
pub struct Transaction<'a> {
    /// Index of the session's segment it ran in.
    pub segment: usize,
    /// From `sending message with RecordId`.
    pub record_id: &'a [u8],
    /// Without angle brackets.
    pub message_id: &'a [u8],
    /// Time of its first row.
    pub start: i64,
    /// Time of its last reply.
    pub end: i64,
    /// Place of its first row.
    pub origin: Origin,
    /// Address in MAIL, without angle brackets; empty for the null sender.
    pub sender: &'a [u8],
    /// SIZE given in MAIL.
    pub size: Option<u64>,
    /// Sum of the BDAT sizes.
    pub chunked: Option<u64>,
    /// Its recipients are `recipients[first..first + count]` of the session's [`Mail`].
    pub first: usize,
    /// See `first`.
    pub count: usize,
    /// Refusals of MAIL itself: its recipients are not known then.
    pub sender_refused: u64,
    /// Reply to the message itself.
    pub delivered: Option<bool>,
    /// The reply that tells most: the first refusal, else the first error, else the last reply.
    pub answer: Option<Answer<'a>>,
}

/// The mail of one session.
#[derive(Debug, Clone, Default)]
pub struct Mail<'a> {
    /// In order.
    pub transactions: Vec<Transaction<'a>>,
    /// In order, those of one transaction next to each other.
    pub recipients: Vec<Recipient<'a>>,
    pending: VecDeque<Pending>,
    announced: Option<(&'a [u8], &'a [u8], Origin, i64)>,
}

impl<'a> Mail<'a> {
    pub(crate) fn clear(&mut self) {
        self.transactions.clear();
        self.recipients.clear();
        self.pending.clear();
        self.announced = None;
    }

    /// The recipients of one transaction.
    pub fn recipients_of(&self, transaction: &Transaction<'a>) -> &[Recipient<'a>] {
        &self.recipients[transaction.first..transaction.first + transaction.count]
    }

    /// Commands that wait for their reply: one more after a command, one less after the reply that closes it.
    pub fn waiting(&self) -> usize {
        self.pending.len()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// Lines of the reply to EHLO are being read, or could be (a head that is cut off).
    pub(crate) fn awaits_ehlo(&self) -> bool {
        matches!(self.pending.front(), Some(Pending::Ehlo) | None)
    }

    /// `sending message with RecordId …`: names the transaction that the next MAIL begins.
    pub(crate) fn announce(&mut self, record: &'a [u8], message: &'a [u8], at: Origin, time: i64) {
        self.announced = Some((record, message, at, time));
    }

    pub(crate) fn command(&mut self, command: Command<'a>, segment: usize, at: Origin, time: i64) {
        let current = self.transactions.len().checked_sub(1);
        let pending = match (command, current) {
            (Command::Ehlo(_), _) => Pending::Ehlo,
            (Command::StartTls, _) => Pending::StartTls,
            // Sent along with their AUTH or X-EXPS, or after its challenge: all one command.
            (Command::Credentials, _) if self.pending.back() == Some(&Pending::Auth) => return,
            (Command::Auth | Command::Credentials, _) => Pending::Auth,
            (Command::Mail { address, size }, _) => {
                self.begin(address, size, segment, at, time);
                Pending::Mail(self.transactions.len() - 1)
            }
            (Command::Rcpt { address }, Some(current)) => {
                self.recipients.push(Recipient {
                    address,
                    ..Recipient::default()
                });
                self.transactions[current].count += 1;
                Pending::Rcpt(current, self.recipients.len() - 1)
            }
            (Command::Data, Some(current)) => Pending::Data(current),
            (Command::Bdat { size, last }, Some(current)) => {
                let chunked = &mut self.transactions[current].chunked;
                *chunked = Some(chunked.unwrap_or(0).saturating_add(size));
                if last {
                    Pending::End(current)
                } else {
                    Pending::Chunk(current)
                }
            }
            _ => Pending::Other,
        };
        self.pending.push_back(pending);
    }

    fn begin(
        &mut self,
        sender: &'a [u8],
        size: Option<u64>,
        segment: usize,
        at: Origin,
        time: i64,
    ) {
        let (record_id, message_id, origin, start) =
            self.announced.take().unwrap_or((b"", b"", at, time));
        self.transactions.push(Transaction {
            segment,
            record_id,
            message_id,
            start,
            end: time,
            origin,
            sender,
            size,
            first: self.recipients.len(),
            ..Transaction::default()
        });
    }

    /// Pairs a whole reply with the command it answers, which is returned.
    pub(crate) fn reply(
        &mut self,
        parsed: &Reply<'a>,
        text: Text<'a>,
        origin: Origin,
        time: i64,
    ) -> Option<Pending> {
        let front = *self.pending.front()?;
        if is_for_mail(parsed) && !matches!(front, Pending::Mail(_)) {
            // Its MAIL stands in rows that are missing.
            return None;
        }
        self.pending.pop_front();
        let answer = Answer::new(parsed, text, origin, time);
        match front {
            Pending::Mail(at) => {
                self.transactions[at].sender_refused += u64::from(answer.refusal);
                self.transactions[at].keep(answer);
            }
            Pending::Rcpt(at, recipient) => {
                let fate = match answer.code {
                    200..=299 => Fate::Accepted,
                    _ if answer.refusal => Fate::Refused,
                    _ => Fate::Rejected,
                };
                self.recipients[recipient].fate = fate;
                self.recipients[recipient].time = time;
                self.transactions[at].keep(answer);
            }
            Pending::Data(at) if (300..400).contains(&answer.code) => {
                self.pending.push_front(Pending::End(at));
            }
            // A challenge: the command waits on.
            Pending::Auth if (300..400).contains(&answer.code) => {
                self.pending.push_front(Pending::Auth);
            }
            Pending::Data(at) | Pending::End(at) => self.end(at, answer),
            Pending::Chunk(at) if answer.code >= 400 => self.end(at, answer),
            Pending::Chunk(_) | Pending::Ehlo | Pending::StartTls => {}
            Pending::Auth | Pending::Other => {}
        }
        Some(front)
    }

    /// The reply to the message decides for every recipient accepted so far.
    fn end(&mut self, at: usize, answer: Answer<'a>) {
        let transaction = &mut self.transactions[at];
        transaction.delivered = Some(answer.code < 300);
        transaction.keep(answer);
        let range = transaction.first..transaction.first + transaction.count;
        if answer.code < 300 {
            return;
        }
        let fate = if answer.refusal {
            Fate::Refused
        } else {
            Fate::Rejected
        };
        for recipient in &mut self.recipients[range] {
            if recipient.fate == Fate::Accepted {
                recipient.fate = fate;
                recipient.time = answer.time;
            }
        }
    }
}

impl<'a> Transaction<'a> {
    /// A first refusal is kept whatever follows, then a first error, else the latest reply.
    fn keep(&mut self, answer: Answer<'a>) {
        self.end = self.end.max(answer.time);
        let better = match &self.answer {
            None => true,
            Some(kept) if kept.refusal => false,
            Some(kept) => answer.refusal || kept.code < 400,
        };
        if better {
            self.answer = Some(answer);
        }
    }
}

fn is_for_mail(reply: &Reply<'_>) -> bool {
    reply.code == 250 && reply.enhanced == Some(b"2.1.0")
}
