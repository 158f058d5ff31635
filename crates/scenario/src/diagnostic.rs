//! What is wrong with a scenario file: file, line, column, message, hint, and the line with a caret.

use std::fmt;

use crate::syntax::Pos;

/// One finding in a scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The name under which the file was given.
    pub file: String,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
    /// The text of the line.
    pub source: String,
}

impl Diagnostic {
    pub(crate) fn new(file: &str, text: &str, at: Pos, message: String, hint: Option<String>) -> Diagnostic {
        let index = usize::try_from(at.line).unwrap_or(1).saturating_sub(1);
        let source = text.lines().nth(index).unwrap_or_default().to_string();
        Diagnostic {
            file: file.to_string(),
            line: at.line,
            column: at.column,
            message,
            hint,
            source,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        // A hostile line must not flood the terminal, nor steer it.
        let shown: String = self
            .source
            .chars()
            .take(200)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        writeln!(f, "{number} | {shown}")?;
        let column = usize::try_from(self.column).unwrap_or(1).clamp(1, 201);
        write!(f, "{margin} | {}^", " ".repeat(column - 1))?;
        match &self.hint {
            Some(hint) => write!(f, " {hint}"),
            None => Ok(()),
        }
    }
}

/// Everything wrong with one scenario file; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    pub(crate) fn new(first: Diagnostic) -> Diagnostics {
        Diagnostics(vec![first])
    }

    pub(crate) fn from_vec(all: Vec<Diagnostic>) -> Result<(), Diagnostics> {
        if all.is_empty() {
            Ok(())
        } else {
            Err(Diagnostics(all))
        }
    }

    /// The findings in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnostic) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
