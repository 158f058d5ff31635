//! Reading an OpenAPI 3 document: JSON or YAML, references within the document, and what is asked of it often.

use serde_json::Value;

/// The methods of an OpenAPI path item.
pub(super) const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// Why there is nothing to begin with.
#[derive(Debug, thiserror::Error)]
pub enum BadDocument {
    /// It is not JSON.
    #[error("the OpenAPI document begins like JSON and is none: {0}")]
    Json(#[source] serde_json::Error),
    /// It is not YAML.
    #[error("the OpenAPI document is neither JSON nor YAML: {0}")]
    Yaml(String),
    /// It has no paths.
    #[error("the document has no `paths`: is it an OpenAPI 3 document?")]
    NoPaths,
    /// No operation can be called without more knowledge.
    #[error(
        "nothing can be called without more knowledge, so there is nothing to begin with; write a scenario by hand"
    )]
    NothingToCall,
}

/// An OpenAPI document.
pub(super) struct Document(Value);

/// One operation of it.
#[derive(Clone, Copy)]
pub(super) struct Operation<'a> {
    pub(super) path: &'a str,
    pub(super) method: &'static str,
    item: &'a Value,
    pub(super) value: &'a Value,
}

impl Document {
    pub(super) fn read(text: &str) -> Result<Self, BadDocument> {
        let is_json = text.trim_start().starts_with('{');
        let value: Value = match is_json {
            true => serde_json::from_str(text).map_err(BadDocument::Json)?,
            false => serde_saphyr::from_str(text).map_err(|e| BadDocument::Yaml(e.to_string()))?,
        };
        match value["paths"].as_object() {
            Some(paths) if !paths.is_empty() => Ok(Self(value)),
            _ => Err(BadDocument::NoPaths),
        }
    }

    pub(super) fn title(&self) -> &str {
        self.0["info"]["title"].as_str().unwrap_or("service")
    }

    /// The path before all paths: that of the first server, with the defaults of its variables. Empty if there is none.
    pub(super) fn base_path(&self) -> String {
        let server = &self.0["servers"][0];
        let mut url = server["url"].as_str().unwrap_or_default().to_owned();
        for (name, variable) in server["variables"].as_object().into_iter().flatten() {
            let default = variable["default"].as_str().unwrap_or_default();
            url = url.replace(&format!("{{{name}}}"), default);
        }
        let path = match url.split_once("://") {
            Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
            None => &url,
        };
        let path = path.trim_start_matches("./").trim_matches('/');
        if path.is_empty() {
            String::new()
        } else {
            format!("/{path}")
        }
    }

    /// Every operation in the order of the document.
    pub(super) fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        let paths = self.0["paths"].as_object().into_iter().flatten();
        paths.flat_map(|(path, item)| {
            let there = METHODS.into_iter().filter(|method| item[*method].is_object());
            there.map(move |method| Operation {
                path,
                method,
                item,
                value: &item[method],
            })
        })
    }

    pub(super) fn operation(&self, method: &str, path: &str) -> Option<Operation<'_>> {
        self.operations().find(|o| o.method == method && o.path == path)
    }

    /// Follows references within the document, a few of them in a row.
    pub(super) fn resolve<'a>(&'a self, mut value: &'a Value) -> &'a Value {
        for _ in 0..8 {
            let target = value["$ref"]
                .as_str()
                .and_then(|r| r.strip_prefix('#'))
                .and_then(|p| self.0.pointer(p));
            match target {
                Some(target) => value = target,
                None => break,
            }
        }
        value
    }

    /// Whether a caller must show credentials; an empty requirement in the list means that they are optional.
    pub(super) fn is_secured(&self, operation: Operation<'_>) -> bool {
        let list = operation.value.get("security").or_else(|| self.0.get("security"));
        list.and_then(Value::as_array).is_some_and(|list| {
            let optional = list
                .iter()
                .any(|r| r.as_object().is_some_and(serde_json::Map::is_empty));
            !list.is_empty() && !optional
        })
    }

    /// Whether the document has a security scheme of type `http` and this name, such as `bearer`.
    pub(super) fn has_scheme(&self, name: &str) -> bool {
        let schemes = self.0["components"]["securitySchemes"].as_object();
        schemes.is_some_and(|all| {
            all.values().any(|scheme| {
                let word = self.resolve(scheme)["scheme"].as_str().unwrap_or_default();
                word.eq_ignore_ascii_case(name)
            })
        })
    }

    /// The first documented success: a status between 200 and 399, those that make something first.
    pub(super) fn success(&self, operation: Operation<'_>) -> u16 {
        let responses = operation.value["responses"].as_object();
        let mut codes: Vec<u16> = responses
            .into_iter()
            .flatten()
            .filter_map(|(code, _)| code.parse().ok())
            .collect();
        codes.retain(|code| (200..400).contains(code));
        codes.sort_by_key(|code| (*code != 201 || operation.method != "post", *code));
        codes.first().copied().unwrap_or(200)
    }

    /// The schema of the JSON that the documented success brings.
    pub(super) fn answer_schema<'a>(&'a self, operation: Operation<'a>) -> Option<&'a Value> {
        let status = self.success(operation).to_string();
        let response = self.resolve(&operation.value["responses"][&status]);
        json_of(&response["content"]).map(|media| self.resolve(&media["schema"]))
    }

    /// The schema of its JSON body; an error if it takes a body and JSON is none of its forms.
    pub(super) fn body_schema<'a>(
        &'a self,
        operation: Operation<'a>,
    ) -> Result<Option<&'a Value>, &'static str> {
        let body = self.resolve(&operation.value["requestBody"]);
        match body["content"].as_object() {
            None => Ok(None),
            Some(_) => json_of(&body["content"]).map(Some).ok_or("its body is not JSON"),
        }
    }

    /// Names of the parameters outside the path that must be given.
    pub(super) fn required_parameters(&self, operation: Operation<'_>) -> Vec<String> {
        let lists = [&operation.item["parameters"], &operation.value["parameters"]];
        let all = lists.into_iter().filter_map(Value::as_array).flatten();
        all.map(|parameter| self.resolve(parameter))
            .filter(|parameter| parameter["required"] == true && parameter["in"] != "path")
            .filter_map(|parameter| parameter["name"].as_str().map(str::to_owned))
            .collect()
    }

    /// Whether it switches protocols or answers with a stream that never ends, for which a scenario cannot wait.
    pub(super) fn is_stream(&self, operation: Operation<'_>) -> bool {
        let responses = operation.value["responses"].as_object();
        responses.into_iter().flatten().any(|(code, response)| {
            code == "101"
                || self.resolve(response)["content"]
                    .get("text/event-stream")
                    .is_some()
        })
    }
}

impl Operation<'_> {
    /// Its own name, else method and path.
    pub(super) fn name(self) -> String {
        let name = self.value["operationId"].as_str().map(str::to_owned);
        name.unwrap_or_else(|| self.shown()).replace('\n', " ")
    }

    /// Method and path.
    pub(super) fn shown(self) -> String {
        format!("{} {}", self.method.to_uppercase(), self.path).replace('\n', " ")
    }
}

fn json_of(content: &Value) -> Option<&Value> {
    let is_json = |name: &str| {
        name.split(';')
            .next()
            .is_some_and(|n| n.trim() == "application/json" || n.ends_with("+json"))
    };
    content
        .as_object()?
        .iter()
        .find(|(name, _)| is_json(name))
        .map(|(_, media)| media)
}
