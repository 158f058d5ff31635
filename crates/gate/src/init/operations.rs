//! From operations to entries: what is open answers, what is secured refuses strangers and answers a caller who has
//! logged in, and what can be made is made, read, listed and deleted again.

use serde_json::Value;

use super::Draft;
use super::credentials::Credentials;
use super::document::{Document, Operation};
use super::example;

/// All drafts, and in the first one what none of them covers.
pub(super) fn drafts(document: &Document, credentials: Option<&Credentials>) -> Vec<Draft> {
    let mut first = draft(
        "first",
        "What can be asked without a login, and what must refuse a stranger.",
        true,
    );
    let mut signed_in = draft(
        "signed-in",
        "What a caller may ask who has just made an account.",
        true,
    );
    signed_in.login = credentials.map(|c| c.entries.clone()).unwrap_or_default();
    let (mut journeys, mut covered) = (Vec::new(), Vec::new());
    for operation in document.operations().filter(|o| o.method == "post") {
        if let Some((journey, used)) = journey(document, operation, credentials) {
            journeys.push(journey);
            covered.extend(used);
        }
    }
    for operation in document.operations() {
        if covered.contains(&operation.shown()) && operation.method != "get" {
            continue;
        }
        match plain(document, operation) {
            Ok(()) => {
                first.steps.push(open_step(document, operation));
                let may_ask = document.is_secured(operation) && !operation.path.contains("/admin");
                if let Some(credentials) = credentials.filter(|_| may_ask) {
                    signed_in
                        .steps
                        .push(signed_step(document, operation, credentials));
                }
            }
            Err(_) if covered.contains(&operation.shown()) => {}
            Err(why) => first.left_out.push(format!("{}: {why}", operation.shown())),
        }
    }
    let mut all = vec![first, signed_in];
    all.extend(journeys);
    all
}

fn draft(name: &str, intro: &str, independent: bool) -> Draft {
    Draft {
        name: name.to_owned(),
        intro: intro.to_owned(),
        login: Vec::new(),
        steps: Vec::new(),
        independent,
        left_out: Vec::new(),
    }
}

/// Whether a GET can be called as it is; else why not.
fn plain(document: &Document, operation: Operation<'_>) -> Result<(), String> {
    let needed = document.required_parameters(operation);
    match operation.method {
        _ if document.is_stream(operation) => Err("a stream, or another protocol".to_owned()),
        "get" if operation.path.contains('{') => Err("needs an id".to_owned()),
        "get" if !needed.is_empty() => Err(format!("needs {}", needed.join(", "))),
        "get" => Ok(()),
        _ => Err("needs values".to_owned()),
    }
}

/// What a document says of an open operation; a secured one must refuse a stranger.
fn open_step(document: &Document, operation: Operation<'_>) -> String {
    let mut text = head(operation, operation.path);
    if document.is_secured(operation) {
        text += "# Needs credentials: without them it must refuse.\nHTTP *\n[Asserts]\nstatus >= 400\nstatus < 500\n";
    } else {
        text += &answer(document, operation);
    }
    text
}

fn signed_step(document: &Document, operation: Operation<'_>, credentials: &Credentials) -> String {
    let header = credentials.header.map(|h| format!("{h}\n")).unwrap_or_default();
    head(operation, operation.path) + &header + &answer(document, operation)
}

fn head(operation: Operation<'_>, path: &str) -> String {
    let method = operation.method.to_uppercase();
    format!("# @name {}\n{method} {{{{url}}}}{path}\n", operation.name())
}

fn answer(document: &Document, operation: Operation<'_>) -> String {
    let json = document.answer_schema(operation).is_some();
    let asserts = if json {
        "[Asserts]\nheader \"Content-Type\" contains \"json\"\n"
    } else {
        ""
    };
    format!("HTTP {}\n{asserts}", document.success(operation))
}

/// Make, read, list, delete, gone: if the collection's things can be read by their id. With the operations it covers.
fn journey(
    document: &Document,
    create: Operation<'_>,
    credentials: Option<&Credentials>,
) -> Option<(Draft, Vec<String>)> {
    let collection = Collection::of(document, create)?;
    let used = collection.used();
    let callable = !create.path.contains(['{', ' '])
        && !create.path.contains("/admin")
        && used.iter().all(|o| document.required_parameters(*o).is_empty());
    let id = id_in(document, create, collection.parameter).filter(|_| callable)?;
    let secured = used.iter().any(|o| document.is_secured(*o));
    let header = match (secured, credentials) {
        (false, _) => String::new(),
        (true, Some(credentials)) => credentials.header.map(|h| format!("{h}\n")).unwrap_or_default(),
        (true, None) => return None,
    };
    let body = match document.body_schema(create).ok()? {
        Some(media) => serde_json::to_string_pretty(&example::of_media(document, media)).ok()? + "\n",
        None => String::new(),
    };
    let steps = Steps {
        document,
        header,
        body,
        id,
    };
    let steps = steps.all(&collection);
    let mut draft = draft(
        &file_name(create.path),
        &format!("Made, read and deleted again: {}.", create.path),
        false,
    );
    draft.steps = steps;
    if secured {
        draft.login = credentials.map(|c| c.entries.clone()).unwrap_or_default();
    }
    if collection.delete.is_none() {
        draft.left_out.push(format!(
            "what it makes stays: the document has no DELETE {}",
            collection.read.path
        ));
    }
    Some((draft, used.iter().map(|o| o.shown()).collect()))
}

/// What can be done with the things of one collection.
struct Collection<'a> {
    create: Operation<'a>,
    read: Operation<'a>,
    /// What names the thing in the path that reads it.
    parameter: &'a str,
    list: Option<Operation<'a>>,
    delete: Option<Operation<'a>>,
}

impl<'a> Collection<'a> {
    /// The collection that `create` adds to, if one thing of it can be read.
    fn of(document: &'a Document, create: Operation<'a>) -> Option<Self> {
        let prefix = format!("{}/{{", create.path);
        let read = document.operations().find(|o| {
            let rest = o
                .path
                .strip_prefix(&prefix)
                .and_then(|rest| rest.strip_suffix('}'));
            o.method == "get" && rest.is_some_and(|parameter| !parameter.contains(['/', '{']))
        })?;
        Some(Self {
            create,
            read,
            parameter: read.path.strip_prefix(&prefix)?.trim_end_matches('}'),
            list: document
                .operation("get", create.path)
                .filter(|o| plain(document, *o).is_ok()),
            delete: document.operation("delete", read.path),
        })
    }

    /// All that there are.
    fn used(&self) -> Vec<Operation<'a>> {
        [Some(self.create), Some(self.read), self.list, self.delete]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// What the entries of a journey have in common.
struct Steps<'a> {
    document: &'a Document,
    /// A line with the credentials, or nothing.
    header: String,
    /// The example body, or nothing.
    body: String,
    /// Where the answer has the id.
    id: String,
}

impl Steps<'_> {
    fn all(&self, collection: &Collection<'_>) -> Vec<String> {
        let Self {
            document,
            header,
            body,
            id,
        } = self;
        let Collection {
            create,
            read,
            list,
            delete,
            ..
        } = *collection;
        let one = format!("{}/{{{{id}}}}", create.path);
        let made = document.success(create);
        let captured = format!("HTTP {made}\n[Captures]\nid: jsonpath \"{id}\"\n");
        let mut steps = vec![
            head(create, create.path) + header + body + &captured,
            head(read, &one) + header + &answer(document, read),
        ];
        steps.extend(list.map(|list| head(list, create.path) + header + &answer(document, list)));
        if let Some(delete) = delete {
            steps.push(format!(
                "{}{header}HTTP {}\n",
                head(delete, &one),
                document.success(delete)
            ));
            let gone = "HTTP *\n[Asserts]\nstatus >= 400\nstatus < 500\n";
            steps.push(format!(
                "# @name {} (gone)\nGET {{{{url}}}}{one}\n{header}{gone}",
                read.name()
            ));
        }
        steps
    }
}

/// Where the answer has the id: under the name of the path's parameter or as `id`, at the top or one level below.
fn id_in(document: &Document, create: Operation<'_>, parameter: &str) -> Option<String> {
    let of = |schema: &Value| {
        let names = [parameter, "id"];
        names
            .into_iter()
            .find(|name| schema["properties"].get(*name).is_some())
            .map(str::to_owned)
    };
    let Some(schema) = document
        .answer_schema(create)
        .filter(|s| s["properties"].is_object())
    else {
        return Some("$.id".to_owned());
    };
    of(schema).map(|name| format!("$.{name}")).or_else(|| {
        schema["properties"]
            .as_object()?
            .iter()
            .find_map(|(outer, inner)| {
                let name = of(document.resolve(inner))?;
                Some(format!("$.{outer}.{name}"))
            })
    })
}

/// `/api/items/local` is `items-local`.
fn file_name(path: &str) -> String {
    let words = path.split('/').filter(|word| !word.is_empty() && *word != "api");
    let clean = |word: &str| {
        word.chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect::<String>()
    };
    let name = words.map(clean).collect::<Vec<_>>().join("-");
    if name.is_empty() {
        "journey".to_owned()
    } else {
        name
    }
}
