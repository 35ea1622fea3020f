//! The rows of one session, written one by one, and the facts that they bear.

use super::calendar::append_time;
use super::certificate::append_field;

/// What a row tells; a row that was never written tells nothing.
#[derive(Debug, Clone, Copy)]
pub enum Fact {
    /// The certificate of this index was sent.
    Certificate(u32),
    /// Exchange Online greeted the address of this index.
    Egress(u32),
    /// So many recipients were refused for want of attribution.
    Refused(u32),
    /// So many recipients were refused for another reason that a story tells.
    Denied(u32),
    /// A mail transaction began.
    Transaction,
    /// A recipient was named.
    Recipient,
}

/// One session as bytes. Reused: [`begin`](Rows::begin) empties it.
#[derive(Debug, Default)]
pub struct Rows {
    /// All rows, CRLF included.
    pub bytes: Vec<u8>,
    /// Per row its time and where it ends in `bytes`; times never fall.
    pub ends: Vec<(i64, usize)>,
    /// Facts with the number of the row that tells them, in order.
    pub facts: Vec<(usize, Fact)>,
    /// The session's clock.
    pub now: i64,
    /// Index of the connector.
    pub connector: usize,
    /// The session's id.
    pub id: u64,
    middle: Vec<u8>,
    endpoints: Vec<u8>,
}

impl Rows {
    /// Starts a session; the local endpoint is unknown until [`connected`](Rows::connected).
    pub fn begin(&mut self, connector: usize, field: &[u8], id: u64, start: i64, remote: &str) {
        self.bytes.clear();
        self.ends.clear();
        self.facts.clear();
        self.connector = connector;
        self.id = id;
        self.now = start;
        self.middle.clear();
        self.middle.push(b',');
        self.middle.extend_from_slice(field);
        self.middle.push(b',');
        append_hex(&mut self.middle, id);
        self.middle.push(b',');
        self.connect("", remote);
    }

    /// The `+` row: from here on both endpoints are known.
    pub fn connected(&mut self, local: &str, remote: &str) {
        self.connect(local, remote);
        self.row(b'+', b"", b"");
    }

    fn connect(&mut self, local: &str, remote: &str) {
        self.endpoints.clear();
        self.endpoints.push(b',');
        self.endpoints.extend_from_slice(local.as_bytes());
        self.endpoints.push(b',');
        self.endpoints.extend_from_slice(remote.as_bytes());
        self.endpoints.push(b',');
    }

    /// Lets time pass.
    pub fn wait(&mut self, millis: i64) {
        self.now += millis;
    }

    /// A `>` row.
    pub fn sent(&mut self, data: &[u8]) {
        self.row(b'>', data, b"");
    }

    /// A `<` row.
    pub fn received(&mut self, data: &[u8]) {
        self.row(b'<', data, b"");
    }

    /// A `*` row with text in the context alone.
    pub fn note(&mut self, context: &[u8]) {
        self.row(b'*', b"", context);
    }

    /// The `-` row.
    pub fn disconnected(&mut self, reason: &[u8]) {
        self.row(b'-', b"", reason);
    }

    /// Any row; fields are quoted where CSV asks for it.
    pub fn row(&mut self, event: u8, data: &[u8], context: &[u8]) {
        self.open(event);
        append_field(&mut self.bytes, data);
        self.close(context);
    }

    /// A `*` row whose data is a CSV field already.
    pub fn fact_row(&mut self, data_field: &[u8], context: &[u8]) {
        self.open(b'*');
        self.bytes.extend_from_slice(data_field);
        self.close(context);
    }

    /// Ties a fact to the row written last.
    pub fn tells(&mut self, fact: Fact) {
        self.facts.push((self.ends.len() - 1, fact));
    }

    /// How many rows were written before a time.
    pub fn before(&self, time: i64) -> usize {
        self.ends.partition_point(|(row, _)| *row < time)
    }

    fn open(&mut self, event: u8) {
        append_time(&mut self.bytes, self.now);
        self.bytes.extend_from_slice(&self.middle);
        append_number(&mut self.bytes, self.ends.len() as u64);
        self.bytes.extend_from_slice(&self.endpoints);
        self.bytes.push(event);
        self.bytes.push(b',');
    }

    fn close(&mut self, context: &[u8]) {
        self.bytes.push(b',');
        append_field(&mut self.bytes, context);
        self.bytes.extend_from_slice(b"\r\n");
        self.ends.push((self.now, self.bytes.len()));
    }
}

/// Appends a decimal number.
pub fn append_number(out: &mut Vec<u8>, mut value: u64) {
    let mut text = [0; 20];
    let mut at = text.len();
    loop {
        at -= 1;
        text[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[at..]);
}

/// Appends 16 upper-case hexadecimal digits.
pub fn append_hex(out: &mut Vec<u8>, value: u64) {
    let mut text = [0; 16];
    for (at, digit) in text.iter_mut().enumerate() {
        *digit = b"0123456789ABCDEF"[(value >> (60 - 4 * at)) as usize & 15];
    }
    out.extend_from_slice(&text);
}
