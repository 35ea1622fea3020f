//! One log directory: sessions go in, their rows come out interleaved in files that roll.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::path::{Path, PathBuf};

use super::calendar::{DAY, HOUR, SECOND, append_time, civil};
use super::fleet::Layout;
use super::rng::mix;
use super::rows::Rows;

/// Takes a finished file: its path below the fleet's folder and its bytes.
pub type Store<'a> = &'a (dyn Fn(&Path, &[u8]) -> io::Result<()> + Sync);

/// What was written.
#[derive(Debug, Default, Clone, Copy)]
pub struct Written {
    /// Files.
    pub files: u64,
    /// Bytes, headers and byte-order marks included.
    pub bytes: u64,
    /// Event rows.
    pub rows: u64,
    /// Header lines.
    pub header_lines: u64,
}

/// The log directory of one service.
pub struct Log<'a> {
    folder: PathBuf,
    layout: Layout,
    max_file_bytes: usize,
    /// Rows after this time were still in memory when the logs were collected.
    end: i64,
    salt: u64,
    store: Store<'a>,
    file: Option<File>,
    buffer: Vec<u8>,
    begin_next: bool,
    heap: BinaryHeap<Reverse<(i64, u64, usize)>>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    order: u64,
    written: Written,
}

struct File {
    period: i64,
    instance: u32,
}

#[derive(Default)]
struct Slot {
    rows: Rows,
    next: usize,
    visible: usize,
}

impl<'a> Log<'a> {
    /// An empty log directory `folder`; `salt` decides how late its rows reach the disk.
    pub fn new(
        folder: PathBuf,
        layout: Layout,
        max_file_bytes: usize,
        end: i64,
        salt: u64,
        store: Store<'a>,
    ) -> Self {
        Log {
            folder,
            layout,
            max_file_bytes,
            end,
            salt,
            store,
            file: None,
            buffer: Vec::new(),
            begin_next: false,
            heap: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            order: 0,
            written: Written::default(),
        }
    }

    /// Takes the first `visible` rows of a session and leaves an empty one in its place. Rows come
    /// out with the next [`advance`](Log::advance) past their times.
    pub fn push(&mut self, rows: &mut Rows, visible: usize) {
        if visible == 0 {
            return;
        }
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        let slot = &mut self.slots[at];
        std::mem::swap(&mut slot.rows, rows);
        slot.next = 0;
        slot.visible = visible;
        self.order += 1;
        self.heap
            .push(Reverse((slot.rows.ends[0].0, self.order, at)));
    }

    /// Writes every row older than `time`; no session that starts before it may come later.
    pub fn advance(&mut self, time: i64) -> io::Result<()> {
        while let Some(Reverse((key, order, at))) = self.heap.peek().copied() {
            if key >= time {
                break;
            }
            self.heap.pop();
            let limit = self
                .heap
                .peek()
                .map_or(time, |Reverse((next, ..))| time.min(*next));
            if let Some(next) = self.write(at, limit)? {
                // Threads enqueue rows out of step by a millisecond or two.
                let jitter = (mix(order ^ self.written.rows) & 3) as i64 - 1;
                self.heap.push(Reverse((next + jitter.max(0), order, at)));
            } else {
                self.free.push(at);
            }
        }
        Ok(())
    }

    /// The service crashed and is back: its file goes on with another header inside, or the next
    /// instance is begun.
    pub fn restart(&mut self, time: i64, header_inside: bool) {
        let open = self
            .file
            .as_ref()
            .is_some_and(|file| file.period == self.period(time));
        if open && header_inside {
            self.header(time, false);
        } else if open {
            self.begin_next = true;
        }
    }

    /// Writes what is left.
    pub fn finish(mut self) -> io::Result<Written> {
        self.advance(i64::MAX)?;
        self.close()?;
        Ok(self.written)
    }

    /// Writes rows of one session up to the first one at or after `limit`; at least one.
    fn write(&mut self, at: usize, limit: i64) -> io::Result<Option<i64>> {
        loop {
            let slot = &self.slots[at];
            let (time, end) = slot.rows.ends[slot.next];
            self.roll(time)?;
            let slot = &mut self.slots[at];
            let from = if slot.next == 0 {
                0
            } else {
                slot.rows.ends[slot.next - 1].1
            };
            self.buffer.extend_from_slice(&slot.rows.bytes[from..end]);
            self.written.rows += 1;
            slot.next += 1;
            if slot.next == slot.visible {
                return Ok(None);
            }
            let next = slot.rows.ends[slot.next].0;
            if next >= limit {
                return Ok(Some(next));
            }
        }
    }

    /// Makes sure that the open file is the one that a row of this time goes to.
    fn roll(&mut self, time: i64) -> io::Result<()> {
        let on_disk = self.on_disk(time);
        // Rows out of step by a millisecond never reopen the file before.
        let open = self.file.as_ref().map_or(i64::MIN, |file| file.period);
        let period = self.period(on_disk).max(open);
        let instance = match &self.file {
            Some(file) if file.period == period => {
                if self.buffer.len() <= self.max_file_bytes && !self.begin_next {
                    return Ok(());
                }
                file.instance + 1
            }
            _ => 1,
        };
        self.close()?;
        self.begin_next = false;
        self.file = Some(File { period, instance });
        self.header(on_disk, true);
        Ok(())
    }

    fn header(&mut self, time: i64, first: bool) {
        if first {
            self.buffer.extend_from_slice(b"\xEF\xBB\xBF");
        }
        self.buffer
            .extend_from_slice(b"#Software: Microsoft Exchange Server\r\n#Version: ");
        self.buffer.extend_from_slice(match self.layout {
            Layout::Hourly => b"15.0.0.0",
            Layout::Daily => b"14.0.0.0",
        });
        self.buffer
            .extend_from_slice(b"\r\n#Log-type: SMTP Send Protocol Log\r\n#Date: ");
        append_time(&mut self.buffer, time);
        self.buffer.extend_from_slice(b"\r\n#Fields: date-time,connector-id,session-id,sequence-number,local-endpoint,remote-endpoint,event,data,context\r\n");
        self.written.header_lines += 5;
    }

    fn close(&mut self) -> io::Result<()> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        let (year, month, day) = civil(file.period);
        let instance = file.instance;
        let name = match self.layout {
            Layout::Daily => format!("SEND{year:04}{month:02}{day:02}-{instance}.LOG"),
            Layout::Hourly => {
                let hour = file.period.rem_euclid(DAY) / HOUR;
                format!("SEND{year:04}{month:02}{day:02}{hour:02}-{instance}.LOG")
            }
        };
        (self.store)(&self.folder.join(name), &self.buffer)?;
        self.written.files += 1;
        self.written.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// The hour or day whose file is written at a time.
    fn period(&self, time: i64) -> i64 {
        time - time.rem_euclid(if self.layout == Layout::Daily {
            DAY
        } else {
            HOUR
        })
    }

    /// When a row reaches the file: with the next beat of a second, at some full hours only after
    /// it, so that a file begins with rows older than its name and `#Date`.
    fn on_disk(&self, time: i64) -> i64 {
        let beat = (self.salt % 1000) as i64;
        let late = time + SECOND - (time - beat).rem_euclid(SECOND);
        let hour = time - time.rem_euclid(HOUR) + HOUR;
        let draw = mix(self.salt ^ hour as u64);
        if hour >= self.end {
            return late.min(self.end - 1);
        }
        let held = if draw.is_multiple_of(4) {
            (draw >> 8) as i64 & 0x3FFF
        } else {
            0
        };
        if hour - time < held {
            hour + 200 + (draw >> 40) as i64 % 700
        } else {
            late
        }
    }
}
