//! From text to tokens (XPath 1.0, section 3.7).

use super::InvalidXPath;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// Punctuation and operators, the named ones too.
    Symbol(&'static str),
    /// A name without colon, or the local part after one.
    Name {
        prefix: Option<String>,
        local: String,
    },
    /// `prefix:*`
    AnyIn(String),
    Literal(String),
    Number(f64),
}

/// The longer ones first.
const SYMBOLS: [&str; 22] = [
    "::", "//", "..", "!=", "<=", ">=", "(", ")", "[", "]", ".", "@", ",", "/", "|", "+", "-", "=", "<", ">",
    "*", "$",
];

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, InvalidXPath> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let digit_after_dot = first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit());
        rest = if matches!(first, '"' | '\'') {
            let (literal, after) = rest[1..].split_once(first).ok_or(InvalidXPath)?;
            tokens.push(Token::Literal(literal.to_string()));
            after
        } else if first.is_ascii_digit() || digit_after_dot {
            number(rest, &mut tokens)?
        } else if first.is_alphabetic() || first == '_' {
            name(rest, &mut tokens)
        } else {
            let symbol = SYMBOLS
                .into_iter()
                .find(|s| rest.starts_with(s))
                .ok_or(InvalidXPath)?;
            let named = symbol == "*" && after_operand(&tokens);
            tokens.push(Token::Symbol(if named { "multiply" } else { symbol }));
            &rest[symbol.len()..]
        };
        rest = rest.trim_start();
    }
    Ok(tokens)
}

/// Whether what comes next is an operator: so `*` and `and` are told from names.
fn after_operand(tokens: &[Token]) -> bool {
    match tokens.last() {
        None => false,
        Some(Token::Symbol(symbol)) => matches!(*symbol, ")" | "]" | "." | ".." | "*"),
        Some(_) => true,
    }
}

fn number<'a>(text: &'a str, tokens: &mut Vec<Token>) -> Result<&'a str, InvalidXPath> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut end = digits(text);
    if text[end..].starts_with('.') {
        end += 1;
        end += digits(&text[end..]);
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        let exponent = digits(&text[end + 1 + sign..]);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    tokens.push(Token::Number(text[..end].parse().map_err(|_| InvalidXPath)?));
    Ok(&text[end..])
}

fn name<'a>(text: &'a str, tokens: &mut Vec<Token>) -> &'a str {
    let (first, rest) = split_name(text);
    if after_operand(tokens)
        && let Some(operator) = ["and", "or", "div", "mod"].into_iter().find(|o| *o == first)
    {
        tokens.push(Token::Symbol(operator));
        return rest;
    }
    let is_start = |c: char| c.is_alphabetic() || c == '_';
    match rest.strip_prefix(':') {
        Some(after) if after.starts_with('*') => {
            tokens.push(Token::AnyIn(first.to_string()));
            &after[1..]
        }
        Some(after) if after.starts_with(is_start) => {
            let (local, rest) = split_name(after);
            tokens.push(Token::Name {
                prefix: Some(first.to_string()),
                local: local.to_string(),
            });
            rest
        }
        _ => {
            tokens.push(Token::Name {
                prefix: None,
                local: first.to_string(),
            });
            rest
        }
    }
}

fn split_name(text: &str) -> (&str, &str) {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\u{b7}');
    text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()))
}
