//! A cursor over the characters of a file, with the few combinators that the grammar needs.

use std::collections::BTreeMap;

use super::Pos;
use super::error::{Parse, ParseError};

#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    pub(super) index: usize,
    pub(super) pos: Pos,
}

pub(super) struct Reader {
    chars: Vec<char>,
    cursor: Cursor,
    /// Comments met so far, by position: an alternative that was tried in vain may meet one twice.
    pub(super) comments: BTreeMap<Pos, String>,
}

impl Reader {
    pub(super) fn new(text: &str) -> Reader {
        Reader::starting_at(text, Pos { line: 1, column: 1 })
    }

    /// Reads a part of a file that was cut out of it at `pos`.
    pub(super) fn starting_at(text: &str, pos: Pos) -> Reader {
        Reader {
            chars: text.chars().collect(),
            cursor: Cursor { index: 0, pos },
            comments: BTreeMap::new(),
        }
    }

    pub(super) fn cursor(&self) -> Cursor {
        self.cursor
    }

    pub(super) fn pos(&self) -> Pos {
        self.cursor.pos
    }

    pub(super) fn seek(&mut self, to: Cursor) {
        self.cursor = to;
    }

    pub(super) fn is_eof(&self) -> bool {
        self.cursor.index == self.chars.len()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.chars.get(self.cursor.index).copied()
    }

    pub(super) fn rest(&self) -> &[char] {
        &self.chars[self.cursor.index..]
    }

    pub(super) fn starts_with(&self, text: &str) -> bool {
        let mut rest = self.rest().iter();
        text.chars().all(|c| rest.next() == Some(&c))
    }

    pub(super) fn read(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.cursor.index += 1;
        if c == '\n' {
            self.cursor.pos = Pos {
                line: self.cursor.pos.line + 1,
                column: 1,
            };
        } else if !('\u{0301}'..'\u{036f}').contains(&c) {
            // Combining marks take no column of their own.
            self.cursor.pos.column += 1;
        }
        Some(c)
    }

    pub(super) fn read_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut text = String::new();
        while let Some(c) = self.peek().filter(|&c| wanted(c)) {
            self.read();
            text.push(c);
        }
        text
    }

    /// The text from an earlier cursor up to here.
    pub(super) fn since(&self, start: Cursor) -> String {
        self.chars[start.index..self.cursor.index].iter().collect()
    }

    /// Takes the text if it comes next.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let found = self.starts_with(text);
        if found {
            for _ in text.chars() {
                self.read();
            }
        }
        found
    }

    /// The text must come next, or another alternative is tried.
    pub(super) fn try_literal(&mut self, text: &str) -> Parse<()> {
        let pos = self.pos();
        if self.take(text) {
            Ok(())
        } else {
            Err(ParseError::soft(pos, format!("expecting `{text}`")))
        }
    }

    /// The text must come next.
    pub(super) fn literal(&mut self, text: &str) -> Parse<()> {
        self.try_literal(text).map_err(ParseError::into_fatal)
    }

    /// Repeats until the alternative does not fit, or the end.
    pub(super) fn many<T>(&mut self, mut parse: impl FnMut(&mut Reader) -> Parse<T>) -> Parse<Vec<T>> {
        let mut all = Vec::new();
        while !self.is_eof() {
            match self.optional(&mut parse)? {
                Some(one) => all.push(one),
                None => break,
            }
        }
        Ok(all)
    }

    pub(super) fn optional<T>(&mut self, parse: impl FnOnce(&mut Reader) -> Parse<T>) -> Parse<Option<T>> {
        let start = self.cursor;
        match parse(self) {
            Ok(one) => Ok(Some(one)),
            Err(e) if e.recoverable => {
                self.seek(start);
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    pub(super) fn spaces(&mut self) -> usize {
        let start = self.cursor.index;
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.read();
        }
        self.cursor.index - start
    }

    pub(super) fn one_or_more_spaces(&mut self) -> Parse<()> {
        let pos = self.pos();
        if self.spaces() == 0 {
            Err(ParseError::fatal(pos, "expecting a space"))
        } else {
            Ok(())
        }
    }

    pub(super) fn newline(&mut self) -> Parse<()> {
        let pos = self.pos();
        if self.take("\r\n") || self.take("\n") {
            Ok(())
        } else {
            Err(ParseError::fatal(pos, "expecting the end of the line"))
        }
    }

    /// Spaces, a comment, and the end of the line or file.
    pub(super) fn line_end(&mut self) -> Parse<()> {
        self.spaces();
        let pos = self.pos();
        if self.take("#") {
            let mut text = String::new();
            while !self.is_eof() && !self.starts_with("\n") && !self.starts_with("\r\n") {
                text.extend(self.read());
            }
            self.comments.insert(pos, text);
        }
        if self.is_eof() { Ok(()) } else { self.newline() }
    }

    /// Empty and comment lines.
    pub(super) fn blank_lines(&mut self) -> Parse<()> {
        self.many(|r| r.line_end().map_err(ParseError::into_soft))
            .map(|_| ())
    }
}
