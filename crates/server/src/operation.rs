//! What the documentation says about one route; given at registration, turned into OpenAPI by [`crate::openapi`].

use std::borrow::Cow;

use domain::problem::ErrorCode;
use utoipa::{
    IntoParams, ToSchema,
    openapi::{
        RefOr, Schema,
        path::{Parameter, ParameterIn},
    },
};

/// A type's schema: its name, its text, and the types it refers to.
#[derive(Clone, Copy)]
pub(crate) struct SchemaOf {
    pub(crate) name: fn() -> Cow<'static, str>,
    pub(crate) schema: fn() -> RefOr<Schema>,
    pub(crate) others: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl SchemaOf {
    fn of<T: ToSchema>() -> Self {
        Self {
            name: T::name,
            schema: T::schema,
            others: T::schemas,
        }
    }
}

/// The content of an answer or a request.
#[derive(Clone, Copy)]
pub(crate) enum Content {
    /// No body.
    Nothing,
    /// JSON of this type.
    Json(SchemaOf),
    /// A page of these, in the shape of every list.
    Page(SchemaOf),
    /// Another media type, documented as text or bytes.
    Media(&'static str),
}

/// The description of a route.
pub struct Operation {
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) description: Option<&'static str>,
    pub(crate) request: Vec<Content>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) paged: bool,
    pub(crate) answers: Vec<(u16, Content)>,
    pub(crate) problems: Vec<ErrorCode>,
    pub(crate) if_match: bool,
}

impl Operation {
    /// A description under this tag; the summary is one sentence in the third person.
    #[must_use]
    pub const fn new(tag: &'static str, summary: &'static str) -> Self {
        Self {
            tag,
            summary,
            description: None,
            request: Vec::new(),
            parameters: Vec::new(),
            paged: false,
            answers: Vec::new(),
            problems: Vec::new(),
            if_match: false,
        }
    }

    /// Adds what a caller must know besides the summary.
    #[must_use]
    pub const fn description(mut self, text: &'static str) -> Self {
        self.description = Some(text);
        self
    }

    /// The request's body is JSON of this type.
    #[must_use]
    pub fn body<T: ToSchema>(mut self) -> Self {
        self.request.push(Content::Json(SchemaOf::of::<T>()));
        self
    }

    /// The query's parameters.
    #[must_use]
    pub fn query<T: IntoParams>(mut self) -> Self {
        self.parameters
            .extend(T::into_params(|| Some(ParameterIn::Query)));
        self
    }

    /// A successful answer of JSON of this type.
    #[must_use]
    pub fn returns<T: ToSchema>(mut self, status: u16) -> Self {
        self.answers.push((status, Content::Json(SchemaOf::of::<T>())));
        self
    }

    /// A successful answer without a body.
    #[must_use]
    pub fn returns_nothing(mut self, status: u16) -> Self {
        self.answers.push((status, Content::Nothing));
        self
    }

    /// A successful answer of another media type.
    #[must_use]
    pub fn returns_media(mut self, status: u16, media_type: &'static str) -> Self {
        self.answers.push((status, Content::Media(media_type)));
        self
    }

    /// A page of these, and the query parameters of every list.
    #[must_use]
    pub fn returns_page<T: ToSchema>(mut self) -> Self {
        self.answers.push((200, Content::Page(SchemaOf::of::<T>())));
        self.paged = true;
        self
    }

    /// The route takes the parameters of a list, though its answer has a shape of its own.
    #[must_use]
    pub const fn paged(mut self) -> Self {
        self.paged = true;
        self
    }

    /// Errors that this route's own rules add; those that every route shares need not be named.
    #[must_use]
    pub fn problems(mut self, codes: &[ErrorCode]) -> Self {
        self.problems.extend_from_slice(codes);
        self
    }

    /// The route reads `If-Match` and answers 412 when the entity has changed.
    #[must_use]
    pub const fn if_match(mut self) -> Self {
        self.if_match = true;
        self
    }
}
