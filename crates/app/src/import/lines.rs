//! The lines of a file, one at a time, with their numbers; what is too long is passed over, never held.

use std::{
    collections::VecDeque,
    io::{self, BufRead},
};

/// Longest line, in bytes: far above the 64 KiB that an item's data may take.
pub const MAX_LINE: usize = 1 << 20;

/// A line without its end.
#[derive(Debug)]
pub struct Line {
    /// Counted from 1.
    pub number: u64,
    /// Where the next one begins, in bytes.
    pub end: u64,
    /// The bytes; none if it was too long.
    pub bytes: Option<Vec<u8>>,
    /// The end, as it is written.
    pub ending: &'static [u8],
}

/// Reads lines.
pub struct Lines<R> {
    input: R,
    ends: &'static [u8],
    number: u64,
    end: u64,
    returned: VecDeque<Line>,
}

impl<R: BufRead> Lines<R> {
    /// The lines of an input, which any of `ends` ends; `\r\n` is one end if both are.
    pub const fn new(input: R, ends: &'static [u8]) -> Self {
        Self {
            input,
            ends,
            number: 0,
            end: 0,
            returned: VecDeque::new(),
        }
    }

    /// The next line.
    ///
    /// # Errors
    /// If the input cannot be read.
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        if let Some(line) = self.returned.pop_front() {
            return Ok(Some(line));
        }
        let (mut bytes, mut fits, start) = (Vec::new(), true, self.end);
        let ending: &[u8] = loop {
            let buffer = self.input.fill_buf()?;
            let at = buffer.iter().position(|byte| self.ends.contains(byte));
            let (part, end) = (&buffer[..at.unwrap_or(buffer.len())], at.map(|at| buffer[at]));
            fits &= bytes.len() + part.len() <= MAX_LINE;
            if fits {
                bytes.extend_from_slice(part);
            } else {
                bytes = Vec::new();
            }
            let used = at.map_or(buffer.len(), |at| at + 1);
            self.input.consume(used);
            self.end += used as u64;
            match end {
                Some(b'\r') if self.skip_newline()? => break b"\r\n",
                Some(b'\r') => break b"\r",
                Some(_) => break b"\n",
                None if used == 0 => break b"",
                None => {}
            }
        };
        if self.end == start {
            return Ok(None);
        }
        self.number += 1;
        // A byte order mark is legal in files and part of no value.
        if self.number == 1 && bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        Ok(Some(Line {
            number: self.number,
            end: self.end,
            bytes: fits.then_some(bytes),
            ending,
        }))
    }

    /// Whether a newline stands here, which is passed over.
    fn skip_newline(&mut self) -> io::Result<bool> {
        let found = self.input.fill_buf()?.first() == Some(&b'\n');
        if found {
            self.input.consume(1);
            self.end += 1;
        }
        Ok(found)
    }

    /// Gives lines back, to be read again before the others.
    pub fn give_back(&mut self, lines: impl DoubleEndedIterator<Item = Line>) {
        for line in lines.rev() {
            self.returned.push_front(line);
        }
    }
}
