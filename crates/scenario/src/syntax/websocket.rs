//! WebSocket conversations: comments before a GET, so that the file stays valid for Hurl, which has no WebSockets.
//!
//! ```hurl
//! # @websocket
//! # @send {"op": "hello"}
//! # @expect jsonpath "$.op" == "welcome"
//! GET {{url}}/live
//! HTTP 101
//! ```

use super::Pos;
use super::ast::{Entry, File, Step};
use super::error::{Parse, ParseError};
use super::reader::Reader;
use super::{section, text};

/// Gives each entry the conversation that the comments before it describe.
pub(super) fn attach(file: &mut File) -> Parse<()> {
    for (pos, comment) in &file.comments {
        let trimmed = comment.trim_start();
        let Some((word, rest)) = trimmed.strip_prefix('@').map(first_word) else {
            continue;
        };
        if !matches!(word, "websocket" | "send" | "expect" | "await") {
            continue;
        }
        let following = file.entries.partition_point(|e| e.request.pos < *pos);
        let entry = file
            .entries
            .get_mut(following)
            .ok_or_else(|| ParseError::fatal(*pos, format!("no request follows `@{word}`")))?;
        // The comment begins after its `#`; `rest` begins where the comment's length says.
        let skipped = comment.chars().count() - rest.chars().count();
        let at = Pos {
            line: pos.line,
            column: pos.column + 1 + u32::try_from(skipped).unwrap_or_default(),
        };
        add(entry, *pos, word, rest, at)?;
    }
    Ok(())
}

fn first_word(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| c.is_whitespace() || c == ':')
        .unwrap_or(text.len());
    let rest = text[end..].strip_prefix(':').unwrap_or(&text[end..]);
    (&text[..end], rest.trim_start())
}

fn add(entry: &mut Entry, comment: Pos, word: &str, rest: &str, at: Pos) -> Parse<()> {
    if word == "websocket" {
        let usable = entry.request.method == "GET" && entry.request.body.is_none();
        if !usable {
            return Err(ParseError::fatal(
                entry.request.pos,
                "a WebSocket is opened by a GET without a body",
            ));
        }
        if entry.response.is_none() {
            return Err(
                ParseError::fatal(entry.request.pos, "a WebSocket needs its answer asserted")
                    .hint("add `HTTP 101` below the request"),
            );
        }
        if !rest.is_empty() {
            return Err(ParseError::fatal(at, "`@websocket` takes no value")
                .hint("say `@send`, `@expect` or `@await` on lines of their own below it"));
        }
        entry.websocket.get_or_insert_default();
        return Ok(());
    }
    let Some(steps) = &mut entry.websocket else {
        return Err(
            ParseError::fatal(comment, format!("`@{word}` without `@websocket` above it"))
                .hint("begin the conversation with a line `# @websocket`"),
        );
    };
    let mut reader = Reader::starting_at(rest.trim_end(), at);
    steps.push(match word {
        "send" => Step::Send(text::verbatim(&mut reader)?),
        "expect" => Step::Expect(assert(&mut reader)?),
        _ => Step::Await(assert(&mut reader)?),
    });
    Ok(())
}

fn assert(reader: &mut Reader) -> Parse<super::ast::Assert> {
    let hint = "an assert as in [Asserts], about the message, such as: body contains \"hello\"";
    let assert = section::assert(reader).map_err(|e| match e.hint {
        None => e.into_fatal().hint(hint),
        Some(_) => e.into_fatal(),
    })?;
    match reader.is_eof() {
        true => Ok(assert),
        false => Err(ParseError::fatal(reader.pos(), "expecting the end of the line").hint(hint)),
    }
}
