//! Bounds on how deeply a file may nest, checked on its tokens before anything recursive reads it.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

/// Brackets within brackets. Hand-written code stays under 40.
const MAX_DEPTH: usize = 200;
/// Tokens of one expression or type without a `,`, a `;` or a closing block: bounds chains such as `a + a + a` and `!!!a`.
const MAX_RUN: usize = 10_000;

/// Returns the place where the file nests deeper than the parser can follow, if there is one.
pub fn too_deep(tokens: TokenStream) -> Option<Span> {
    // Every level: its remaining tokens and the length of its current run.
    let mut levels = vec![(tokens.into_iter().peekable(), 0_usize)];
    while let Some((rest, run)) = levels.last_mut() {
        let Some(token) = rest.next() else {
            levels.pop();
            continue;
        };
        *run += 1;
        if *run > MAX_RUN {
            return Some(token.span());
        }
        match token {
            TokenTree::Punct(punct) if matches!(punct.as_char(), ',' | ';') => *run = 0,
            TokenTree::Group(group) => {
                if group.delimiter() == Delimiter::Brace && !rest.peek().is_some_and(continues) {
                    *run = 0;
                }
                if levels.len() >= MAX_DEPTH {
                    return Some(group.span_open());
                }
                levels.push((group.stream().into_iter().peekable(), 0));
            }
            _ => {}
        }
    }
    None
}

/// The token goes on with the expression that a block has just ended.
fn continues(next: &TokenTree) -> bool {
    match next {
        TokenTree::Punct(punct) => punct.as_char() != '#',
        TokenTree::Ident(word) => word == "else" || word == "as",
        _ => false,
    }
}
