//! What fits the terminal goes there; what does not, goes to a pager.

use std::io::{self, IsTerminal, Write};
use std::process::{Child, Command, Stdio};

/// Bytes on their way to the terminal. They are held back until it is known whether they fit; on the
/// way out of this value they are shown, or the pager is waited for.
pub struct Pager {
    command: Option<Vec<String>>,
    width: usize,
    height: usize,
    held: Vec<u8>,
    to: To,
}

enum To {
    /// Nobody yet.
    Held,
    /// The terminal itself.
    Terminal,
    /// A pager that runs.
    Child(Child),
}

impl Pager {
    /// The pager that `PAGER` names (none where it is empty), else `less` where it exists.
    pub fn new() -> Self {
        let command = match std::env::var("PAGER") {
            Ok(named) => named.split_whitespace().map(str::to_owned).collect(),
            Err(_) => vec!["less".to_owned(), "-RFX".to_owned()],
        };
        let (width, height) = terminal_size::terminal_size().map_or((80, 24), |(width, height)| {
            (width.0.into(), height.0.into())
        });
        let shown = io::stdout().is_terminal() && !command.is_empty();
        Pager::with(shown.then_some(command), width, height)
    }

    fn with(command: Option<Vec<String>>, width: usize, height: usize) -> Self {
        Pager {
            command,
            width: width.max(1),
            height,
            held: Vec::new(),
            to: To::Held,
        }
    }

    /// Lines on the screen that are held, long ones counted as often as they are wrapped.
    fn lines(&self) -> usize {
        let lines = self.held.split(|byte| *byte == b'\n');
        // Bytes that go on a character take no place of their own.
        let width = |line: &[u8]| line.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        lines
            .map(|line| width(line).div_ceil(self.width).max(1))
            .sum::<usize>()
            .saturating_sub(1)
    }

    fn release(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        let child = self.command.take().and_then(|command| {
            let (program, arguments) = command.split_first()?;
            let mut child = Command::new(program);
            // Without such a program the terminal itself shows it.
            child.args(arguments).stdin(Stdio::piped()).spawn().ok()
        });
        self.to = child.map_or(To::Terminal, To::Child);
        self.write_all(&held)
    }
}

impl Write for Pager {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            To::Terminal => io::stdout().write(bytes),
            To::Child(child) => match &mut child.stdin {
                Some(stdin) => stdin.write(bytes),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            },
            To::Held => {
                self.held.extend_from_slice(bytes);
                // The count of rows and the prompt need two lines.
                if self.lines() + 2 > self.height {
                    self.release()?;
                }
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Held => Ok(()),
            To::Terminal => io::stdout().flush(),
            To::Child(child) => child.stdin.as_mut().map_or(Ok(()), Write::flush),
        }
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        // A terminal that is gone has nobody to tell.
        match &mut self.to {
            To::Held => {
                let mut out = io::stdout();
                let _ = out.write_all(&self.held).and_then(|()| out.flush());
            }
            To::Terminal => drop(io::stdout().flush()),
            To::Child(child) => {
                drop(child.stdin.take());
                let _ = child.wait();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_as_the_terminal_wraps_them() {
        let lines = |text: &str| {
            let mut pager = Pager::with(None, 10, 100);
            pager.held = text.as_bytes().to_vec();
            let lines = pager.lines();
            pager.held.clear();
            lines
        };
        assert_eq!(lines(""), 0);
        assert_eq!(lines("one\ntwo\n"), 2);
        assert_eq!(lines("exactly10!\n"), 1);
        assert_eq!(lines("more than 10\n"), 2);
        assert_eq!(lines("ööööööööö\n"), 1);
    }

    #[cfg(unix)]
    #[test]
    fn what_does_not_fit_goes_to_the_pager() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("paged");
        let command = ["sort", "-o"].map(str::to_owned).into_iter();
        let command = command.chain([file.display().to_string()]).collect();
        let mut pager = Pager::with(Some(command), 80, 5);
        pager.write_all(b"1\n2\n3\n").unwrap();
        assert!(matches!(pager.to, To::Held));
        pager.write_all(b"4\n").unwrap();
        pager.write_all(b"5\n").unwrap();
        drop(pager);
        assert_eq!(std::fs::read(file).unwrap(), b"1\n2\n3\n4\n5\n");
    }
}
