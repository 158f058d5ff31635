//! The bytes of a body: of a request to send, or of a response to expect.

use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use tokio::io::AsyncReadExt;

use super::failure::{Failure, Run};
use super::template::Scope;
use crate::outcome::ErrorKind;
use crate::syntax::{BodyKind, Template};
use crate::value::Value;

/// A file larger than this is not sent.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// A body as a value: text, or bytes where the file gives bytes.
pub(super) async fn value(scope: Scope<'_>, kind: &BodyKind) -> Run<Value> {
    Ok(match kind {
        BodyKind::Text(template) | BodyKind::JsonText(template) | BodyKind::XmlText(template) => {
            Value::String(scope.text(template)?.into_owned())
        }
        BodyKind::Raw(text) | BodyKind::Xml(text) => Value::String(text.clone()),
        BodyKind::Json(parts) => Value::String(scope.json(parts)?),
        BodyKind::GraphQl { query, variables } => {
            let query = serde_json::Value::String(scope.text(query)?.trim().to_string());
            Value::String(match variables {
                None => format!(r#"{{"query":{query}}}"#),
                Some(parts) => format!(r#"{{"query":{query},"variables":{}}}"#, scope.json(parts)?),
            })
        }
        BodyKind::Bytes(bytes) => Value::Bytes(bytes.clone().into()),
        BodyKind::File(name) => Value::Bytes(file(scope, name).await?),
    })
}

/// The type that a body has unless a header says otherwise.
pub(super) fn implicit_content_type(kind: &BodyKind) -> Option<&'static str> {
    match kind {
        BodyKind::Json(_) | BodyKind::JsonText(_) | BodyKind::GraphQl { .. } => Some("application/json"),
        BodyKind::Xml(_) | BodyKind::XmlText(_) => Some("application/xml"),
        _ => None,
    }
}

/// Reads a file below the root of the settings.
pub(super) async fn file(scope: Scope<'_>, name: &Template) -> Run<Bytes> {
    let text = scope.text(name)?;
    let failed = |message: String| Failure::new(name.pos, ErrorKind::File, message);
    let folder = std::path::absolute(scope.files).unwrap_or_else(|_| scope.files.to_owned());
    let path = resolve(&folder, &text).ok_or_else(|| {
        let folder = folder.display();
        failed(format!(
            "the file {text} is outside {folder}, the folder whose files may be read"
        ))
    })?;
    let unreadable = |e: std::io::Error| failed(format!("the file {} cannot be read: {e}", path.display()));
    let mut bytes = Vec::new();
    let opened = tokio::fs::File::open(&path).await.map_err(unreadable)?;
    opened
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .await
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(failed(format!("the file {text} is larger than {MAX_FILE} bytes")));
    }
    Ok(bytes.into())
}

/// The path below the root; `None` if it leads out of it.
fn resolve(root: &Path, name: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    let name = Path::new(name);
    let name = if name.is_absolute() {
        name.strip_prefix(root).ok()?
    } else {
        name
    };
    for component in name.components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir if path.pop() => {}
            _ => return None,
        }
    }
    Some(root.join(path))
}
