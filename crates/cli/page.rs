//! Lines for a person: indented, wrapped, in columns, and coloured on a terminal.

use std::io::Write;

use anyhow::Result;
use unicode_width::UnicodeWidthStr;

use crate::output::{self, Format, Output, shorten};

/// How a word stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Mail does not get through.
    Bad,
    /// Look at it.
    Warn,
    /// All is well.
    Good,
    /// A heading.
    Strong,
}

/// Text that grows downward.
#[derive(Debug)]
pub struct Page {
    text: String,
    width: usize,
    colour: bool,
}

impl Page {
    /// Lines are wrapped at `width`; commands, paths and columns are not.
    pub fn new(width: usize, colour: bool) -> Self {
        Page {
            text: String::new(),
            width: width.clamp(60, 120),
            colour,
        }
    }

    /// As wide and as coloured as the place that it goes to.
    pub fn of(output: &Output) -> Self {
        Page::new(output.width().unwrap_or(110), output.colour())
    }

    /// Writes it there; what is meant for Markdown keeps its columns.
    pub fn write(self, output: &Output) -> Result<()> {
        let mut out = output.open()?;
        match output.format {
            Format::Markdown => out.write_all(output::fenced(&self.text).as_bytes())?,
            _ => out.write_all(self.text.as_bytes())?,
        }
        out.finish()
    }

    /// What was written.
    pub fn finish(self) -> String {
        self.text
    }

    /// The word in a tone.
    pub fn tone(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Bad => "1;31",
            Tone::Warn => "33",
            Tone::Good => "32",
            Tone::Strong => "1",
        };
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.into()
        }
    }

    /// An empty line.
    pub fn gap(&mut self) {
        self.text.push('\n');
    }

    /// A line as it is.
    pub fn line(&mut self, indent: usize, text: &str) {
        self.text.push_str(&" ".repeat(indent));
        self.text.push_str(text);
        self.text.truncate(self.text.trim_end_matches(' ').len());
        self.text.push('\n');
    }

    /// A heading.
    pub fn heading(&mut self, indent: usize, text: &str) {
        let text = self.tone(Tone::Strong, text);
        self.line(indent, &text);
    }

    /// A text, wrapped between words; further lines begin `hang` further in.
    pub fn wrapped(&mut self, indent: usize, hang: usize, text: &str) {
        let mut line = String::new();
        let mut margin = indent;
        for word in text.split(' ') {
            if !line.is_empty() && margin + places(&line) + 1 + places(word) > self.width {
                self.line(margin, &line);
                line.clear();
                margin = indent + hang;
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(margin, &line);
    }

    /// As [`Page::columns`]; lines that are too long end in `…`.
    pub fn columns_cut(&mut self, indent: usize, rows: &[Vec<String>]) {
        let mut page = Page {
            text: String::new(),
            ..*self
        };
        page.columns(indent, rows);
        for line in page.text.lines() {
            self.line(0, &shorten(line, self.width));
        }
    }

    /// Rows side by side, two blanks between columns.
    pub fn columns(&mut self, indent: usize, rows: &[Vec<String>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |at: usize| {
            rows.iter()
                .filter_map(|row| row.get(at))
                .map(|cell| cell.width())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.push_str(&" ".repeat(width - cell.width() + 2));
            }
            self.line(indent, line.trim_end());
        }
    }
}

/// The places that a text takes on a screen: tones take none.
fn places(text: &str) -> usize {
    let mut parts = text.split("\x1b[");
    let plain = parts.next().map_or(0, UnicodeWidthStr::width);
    let rest = parts.map(|part| part.split_once('m').map_or(0, |(_, text)| text.width()));
    plain + rest.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_takes_no_place() {
        let page = Page::new(60, true);
        assert_eq!(places(&page.tone(Tone::Bad, "BREAKING:")), 9);
        assert_eq!(places("Büro"), 4);
    }

    #[test]
    fn words_wrap_and_columns_align() {
        let mut page = Page::new(60, false);
        page.wrapped(2, 2, &"word ".repeat(14));
        page.columns(
            2,
            &[
                vec!["A".into(), "B".into()],
                vec!["long".into(), "x".into()],
            ],
        );
        let text = page.finish();
        assert!(text.lines().all(|line| line.width() <= 60));
        assert!(text.ends_with("  A     B\n  long  x\n"), "{text}");
        assert_eq!(
            text.lines().nth(1).map(|line| line.starts_with("    word")),
            Some(true)
        );
    }
}
