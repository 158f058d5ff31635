//! Which elements of HTML are empty, which close others, and which enclose everything: the rules of the
//! library behind the published tool, for the elements that occur.

/// Elements without content and end tag.
pub(super) fn is_void(name: &str) -> bool {
    const VOID: [&str; 16] = [
        "area", "base", "basefont", "br", "col", "embed", "frame", "hr", "img", "input", "isindex", "link",
        "meta", "param", "source", "wbr",
    ];
    VOID.contains(&name)
}

/// Attributes that mean themselves when they are written without a value.
pub(super) fn is_switch(name: &str) -> bool {
    const SWITCHES: [&str; 13] = [
        "checked", "compact", "declare", "defer", "disabled", "ismap", "multiple", "nohref", "noresize",
        "noshade", "nowrap", "readonly", "selected",
    ];
    SWITCHES.contains(&name)
}

/// Elements whose content is text up to their end tag.
pub(super) fn is_raw_text(name: &str) -> bool {
    matches!(name, "script" | "style")
}

/// Elements that belong into the head when nothing is open yet.
pub(super) fn is_head_content(name: &str) -> bool {
    matches!(name, "script" | "style" | "meta" | "link" | "title" | "base")
}

const HEADINGS: [&str; 6] = ["h1", "h2", "h3", "h4", "h5", "h6"];

/// Elements that end a paragraph, besides headings.
const CLOSE_P: [&str; 34] = [
    "address",
    "blockquote",
    "body",
    "caption",
    "center",
    "col",
    "colgroup",
    "dd",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "form",
    "frameset",
    "head",
    "hr",
    "li",
    "listing",
    "menu",
    "multicol",
    "ol",
    "p",
    "pre",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "title",
    "tr",
    "ul",
    "xmp",
];

/// Whether the start of `new` ends an open `old`.
pub(super) fn start_closes(old: &str, new: &str) -> bool {
    match old {
        "p" => CLOSE_P.contains(&new) || HEADINGS.contains(&new),
        "head" => !is_head_content(new) && !matches!(new, "head" | "html" | "noscript" | "object" | "meta"),
        "li" => new == "li",
        "dd" | "dt" => matches!(new, "dd" | "dt"),
        "option" => matches!(new, "option" | "optgroup"),
        "optgroup" => new == "optgroup",
        "td" | "th" => matches!(new, "td" | "th" | "tr" | "tbody" | "tfoot"),
        "tr" => matches!(new, "tr" | "tbody" | "tfoot"),
        "thead" | "tbody" => matches!(new, "tbody" | "tfoot"),
        "tfoot" => new == "tbody",
        "caption" | "colgroup" => matches!(new, "col" | "colgroup" | "tbody" | "tfoot" | "thead" | "tr"),
        "a" => matches!(new, "a" | "fieldset" | "table" | "td" | "th"),
        "title" | "style" | "script" => new == "body",
        old if HEADINGS.contains(&old) => {
            HEADINGS.contains(&new) || matches!(new, "p" | "fieldset" | "form" | "table")
        }
        _ => false,
    }
}

/// An end tag closes no element that weighs more than its own.
pub(super) fn end_priority(name: &str) -> u32 {
    match name {
        "div" => 150,
        "td" | "th" => 160,
        "tr" => 170,
        "thead" | "tbody" | "tfoot" => 180,
        "table" => 190,
        "head" | "body" => 200,
        "html" => 220,
        _ => 100,
    }
}
