//! What a report tells, as plain records: filled by the caller, in the order in which it is shown.

use super::Text;
use super::time::Time;

/// Everything on the page.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What stands above it.
    pub title: Text,
    /// The answer in one sentence.
    pub verdict: Verdict,
    /// The left end of every time axis.
    pub from: Time,
    /// The latest row: "now".
    pub to: Time,
    /// What was read, in a sentence.
    pub extent: Text,
    /// Connectors toward Exchange Online.
    pub connectors: Vec<Connector>,
    /// What is known of certificates, each once.
    pub certificates: Vec<Certificate>,
    /// All other connectors.
    pub others: Vec<Other>,
    /// Where there are logs.
    pub coverage: Vec<Coverage>,
    /// What could not be read, a sentence each.
    pub unread: Vec<Text>,
}

/// How good or bad something is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// All is well.
    #[default]
    Good,
    /// Look at it.
    Warn,
    /// Mail does not get through.
    Bad,
}

/// The answer in one sentence.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// How bad it is.
    pub tone: Tone,
    /// The sentence; what stands before its first colon stands out.
    pub text: Text,
}

/// A connector toward Exchange Online.
#[derive(Debug, Clone, Default)]
pub struct Connector {
    /// Empty where there is one organization only.
    pub organization: Text,
    /// Its name in the logs.
    pub name: Text,
    /// What it is for, and how that is known.
    pub role: Text,
    /// A lane per server, by name.
    pub lanes: Vec<Lane>,
    /// What changed, one record per server, oldest first.
    pub changes: Vec<Change>,
    /// Incidents with their causes, newest first.
    pub causes: Vec<Cause>,
    /// What Exchange Online answered to refused mail, most recipients first.
    pub answers: Vec<Answer>,
    /// What to do next.
    pub steps: Vec<Step>,
}

/// What one server presented on one connector.
#[derive(Debug, Clone, Default)]
pub struct Lane {
    /// The server.
    pub server: Text,
    /// Certificates that it sent, by thumbprint.
    pub certificates: Vec<Span>,
    /// Addresses that Exchange Online saw it come from.
    pub addresses: Vec<Span>,
    /// Times in which it showed nothing, in order, without overlap.
    pub gaps: Vec<Gap>,
    /// Recipients refused, by hour.
    pub refused: Vec<Refused>,
}

/// A time in which one value was shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    /// The thumbprint or address.
    pub value: Text,
    /// First seen.
    pub from: Time,
    /// Last seen.
    pub to: Time,
}

/// A time in which nothing was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Where it begins.
    pub from: Time,
    /// Where it ends.
    pub to: Time,
    /// There are logs, but no session toward Exchange Online in them; else there are no logs.
    pub logged: bool,
}

/// Recipients refused in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The start of the hour.
    pub hour: Time,
    /// How many.
    pub recipients: i64,
}

/// A finding on one server.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The server; empty where it concerns all.
    pub server: Text,
    /// When the new value was first seen.
    pub at: Time,
    /// `certificate`, `egress`, `tls`, …
    pub kind: Text,
    /// `renewed`, `moved`, …
    pub class: Text,
    /// `critical`, `high`, `medium`, `info`
    pub severity: Text,
    /// Mail was refused for it.
    pub breaking: bool,
    /// Mail is refused for it still.
    pub open: bool,
    /// The value before.
    pub before: Text,
    /// The value after.
    pub after: Text,
    /// What is different, in words.
    pub detail: Text,
    /// What it did to mail, in words; may be empty.
    pub effect: Text,
    /// Recipients refused under the new value.
    pub refused: i64,
    /// File and line of the deciding row; may be empty.
    pub place: Text,
}

/// An incident and what caused it.
#[derive(Debug, Clone, Default)]
pub struct Cause {
    /// The servers it hit.
    pub server: Text,
    /// The cause, in the words of the field.
    pub cause: Text,
    /// How sure that is.
    pub confidence: Text,
    /// Open, recovering, closed, historic.
    pub state: Text,
    /// Why, in a sentence.
    pub explanation: Text,
    /// What to do: lines to copy, may be none.
    pub fix: Vec<Text>,
}

/// What Exchange Online answered to one server.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The server.
    pub server: Text,
    /// The reply.
    pub reply: Text,
    /// Recipients refused with it.
    pub recipients: i64,
    /// Messages.
    pub messages: i64,
    /// The first one.
    pub first: Time,
    /// The last one.
    pub last: Time,
    /// File and line of the first one; may be empty.
    pub place: Text,
}

/// One thing to do.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// What, and what to compare.
    pub text: Text,
    /// The command to copy; may be empty.
    pub command: Text,
}

/// What is known of a certificate.
#[derive(Debug, Clone, Default)]
pub struct Certificate {
    /// SHA-1, upper-case hexadecimal.
    pub thumbprint: Text,
    /// Subject; may be empty.
    pub subject: Text,
    /// Who issued it; may be empty.
    pub issuer: Text,
    /// Serial number; may be empty.
    pub serial: Text,
    /// Start of validity, where any log says it.
    pub not_before: Option<Time>,
    /// End of validity, where any log says it.
    pub not_after: Option<Time>,
    /// Host names in it.
    pub names: Vec<Text>,
    /// Servers that send it now.
    pub servers: Vec<Text>,
    /// How near its end is.
    pub band: Band,
}

/// How near the end of a certificate is; how many days that means is set elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Band {
    /// Far off, or not known.
    #[default]
    Far,
    /// Time to plan.
    First,
    /// Time to act.
    Second,
    /// Days.
    Last,
    /// Sent after its end.
    Expired,
}

/// A connector that is not judged.
#[derive(Debug, Clone, Default)]
pub struct Other {
    /// Its name in the logs.
    pub name: Text,
    /// What it is for.
    pub role: Text,
    /// How that is known.
    pub evidence: Text,
    /// Servers that used it.
    pub servers: i64,
}

/// Where one service of one server has logs.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// The server.
    pub server: Text,
    /// `hub`, `frontend`, …
    pub service: Text,
    /// From the first to the last hour, in order.
    pub runs: Vec<Run>,
}

/// Hours in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Where it begins.
    pub from: Time,
    /// Where it ends.
    pub to: Time,
    /// What there is.
    pub state: Logged,
}

/// What there is of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logged {
    /// Rows in it.
    Rows,
    /// Between the first and the last row of a file.
    Quiet,
    /// Nothing.
    Nothing,
}
