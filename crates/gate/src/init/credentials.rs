//! How a caller gets an account and shows it, as far as a document lets guess: a registration and a login that take a
//! password, and a token in the answer or a cookie.

use serde_json::{Value, json};

use super::document::{Document, Operation};
use super::example;

/// Entries that log in, and the header that shows it.
pub(super) struct Credentials {
    pub(super) entries: Vec<String>,
    pub(super) header: Option<&'static str>,
}

impl Credentials {
    /// What the document lets guess; `None` if nobody can log in by it.
    pub(super) fn find(document: &Document) -> Option<Self> {
        let register = find(document, &["register", "signup", "sign-up", "users", "accounts"]);
        let login = find(
            document,
            &["login", "signin", "sign-in", "token", "session", "sessions"],
        );
        let mut entries = Vec::new();
        let mut token = None;
        for (name, operation) in [("register", register), ("log in", login)] {
            let Some(operation) = operation else { continue };
            let pointer = token_in(document, operation);
            entries.push(entry(
                document,
                name,
                operation,
                pointer.as_deref(),
                entries.is_empty(),
            )?);
            token = pointer.or(token);
        }
        // Without a registration nobody knows an account; without a login nobody is told its token.
        register?;
        login?;
        let bearer = document.has_scheme("bearer");
        let header = (bearer && token.is_some()).then_some("Authorization: Bearer {{token}}");
        let by_cookie = !bearer;
        (header.is_some() || by_cookie).then_some(Self { entries, header })
    }
}

/// An open POST whose path ends in one of these words and whose body has a password.
fn find<'a>(document: &'a Document, words: &[&str]) -> Option<Operation<'a>> {
    let fits = |operation: &Operation<'_>, word: &str| {
        let last = operation
            .path
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default();
        operation.method == "post"
            && last.eq_ignore_ascii_case(word)
            && !document.is_secured(*operation)
            && has_password(document, *operation)
    };
    words
        .iter()
        .find_map(|word| document.operations().find(|o| fits(o, word)))
}

fn has_password(document: &Document, operation: Operation<'_>) -> bool {
    let Ok(Some(media)) = document.body_schema(operation) else {
        return false;
    };
    document.resolve(&media["schema"])["properties"]
        .get("password")
        .is_some()
}

/// Where the answer has its token: at the top, or one level below.
fn token_in(document: &Document, operation: Operation<'_>) -> Option<String> {
    const NAMES: [&str; 5] = ["access_token", "accessToken", "token", "jwt", "id_token"];
    let schema = document.answer_schema(operation)?;
    let of = |schema: &Value| {
        NAMES
            .into_iter()
            .find(|name| schema["properties"].get(*name).is_some())
    };
    if let Some(name) = of(schema) {
        return Some(format!("$.{name}"));
    }
    schema["properties"]
        .as_object()?
        .iter()
        .find_map(|(outer, inner)| {
            let name = of(document.resolve(inner))?;
            Some(format!("$.{outer}.{name}"))
        })
}

fn entry(
    document: &Document,
    name: &str,
    operation: Operation<'_>,
    token: Option<&str>,
    is_first: bool,
) -> Option<String> {
    let media = document.body_schema(operation).ok()??;
    let mut body = example::of_media(document, media);
    for (field, value) in body.as_object_mut()? {
        let known = match field.to_ascii_lowercase().as_str() {
            "username" | "user_name" | "user" | "login" | "name" => "{{caller}}",
            "email" | "mail" => "{{caller}}@example.org",
            "password" | "password_confirmation" => "Gate-{{caller}}-1",
            _ => continue,
        };
        *value = json!(known);
    }
    let made = if is_first {
        "[Options]\nvariable: caller=gate-{{newUuid}}\n"
    } else {
        ""
    };
    let captured = token
        .map(|at| format!("[Captures]\ntoken: jsonpath \"{at}\" redact\n"))
        .unwrap_or_default();
    Some(format!(
        "# @name {name}\nPOST {{{{url}}}}{}\n{made}{}\nHTTP {}\n{captured}",
        operation.path,
        serde_json::to_string_pretty(&body).ok()?,
        document.success(operation),
    ))
}
