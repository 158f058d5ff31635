//! The only way to register a route: path, policy, documentation, handler, all at once.
//!
//! A route without a policy cannot be expressed. The list that comes out is what the router serves, what OpenAPI
//! shows, what the metrics are labelled with and what the route walk visits.

pub mod activity;
pub mod admin;
pub mod api_keys;
pub mod audit;
pub mod auth;
pub mod circuits;
pub mod compliance;
pub mod credits;
pub mod events;
pub mod exchange;
pub mod isolation;
pub mod items;
pub mod jobs;
pub mod live;
pub mod local_items;
pub mod members;
mod schema;
pub mod sessions;
pub mod workspace;

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::Request, handler::Handler, response::Response};
use futures_util::future::BoxFuture;
use http::Method;

use domain::problem::ErrorCode;

use crate::{error::ApiError, operation::Operation, policy::Policy};

/// What a handler gives.
type Answer<T> = Result<T, ApiError>;

/// Refusals that nearly every change of something shared can meet.
const REFUSALS: &[ErrorCode] = &[
    ErrorCode::NotFound,
    ErrorCode::Forbidden,
    ErrorCode::Conflict,
    ErrorCode::ValidationFailed,
];

pub(crate) type Handle = Arc<dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync>;
type Bind<S> = Box<dyn FnOnce(S) -> Handle>;

struct Unbound<S> {
    method: Method,
    path: &'static str,
    policy: Policy,
    operation: Operation,
    bind: Bind<S>,
}

/// Routes that still lack their state.
pub struct Routes<S> {
    list: Vec<Unbound<S>>,
}

impl<S> Default for Routes<S> {
    fn default() -> Self {
        Self { list: Vec::new() }
    }
}

macro_rules! methods {
    ($($(#[$meta:meta])* $name:ident = $method:ident;)+) => { $(
        $(#[$meta])*
        #[must_use]
        pub fn $name<H, T>(self, path: &'static str, policy: Policy, operation: Operation, handler: H) -> Self
        where
            H: Handler<T, S>,
            T: 'static,
        {
            self.route(Method::$method, path, policy, operation, handler)
        }
    )+ };
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    methods! {
        /// Adds a `GET` route; it answers `HEAD` too.
        get = GET;
        /// Adds a `POST` route.
        post = POST;
        /// Adds a `PUT` route.
        put = PUT;
        /// Adds a `PATCH` route.
        patch = PATCH;
        /// Adds a `DELETE` route.
        delete = DELETE;
    }

    fn route<H, T>(
        mut self,
        method: Method,
        path: &'static str,
        policy: Policy,
        operation: Operation,
        handler: H,
    ) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let bind: Bind<S> = Box::new(move |state: S| {
            Arc::new(move |request| {
                let answer = handler.clone().call(request, state.clone());
                Box::pin(answer) as BoxFuture<'static, Response>
            })
        });
        self.list.push(Unbound {
            method,
            path,
            policy,
            operation,
            bind,
        });
        self
    }

    /// Adds all routes of another list.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.list.extend(other.list);
        self
    }

    /// Gives every route its state.
    #[must_use]
    pub fn bind(self, state: S) -> BoundRoutes {
        let list = self.list.into_iter().map(|route| Endpoint {
            method: route.method,
            path: route.path,
            policy: route.policy,
            operation: route.operation,
            handle: (route.bind)(state.clone()),
        });
        BoundRoutes { list: list.collect() }
    }
}

/// One route, ready to serve.
pub struct Endpoint {
    /// The method.
    pub method: Method,
    /// The pattern, such as `/api/items/{dfid}`.
    pub path: &'static str,
    /// What the edge enforces.
    pub policy: Policy,
    /// What the documentation says.
    pub operation: Operation,
    pub(crate) handle: Handle,
}

/// Routes that can be served; those of several states may be put together.
#[derive(Default)]
pub struct BoundRoutes {
    list: Vec<Endpoint>,
}

/// Two routes that contradict each other, or a pattern that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// The same method and path twice.
    #[error("{method} {path} is registered twice")]
    Twice {
        /// The method.
        method: Method,
        /// The pattern.
        path: &'static str,
    },
    /// A pattern that is malformed or overlaps another.
    #[error("{path} cannot be routed: {reason}")]
    Pattern {
        /// The pattern.
        path: &'static str,
        /// What the router says.
        reason: String,
    },
}

impl BoundRoutes {
    /// Adds all routes of another list.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.list.extend(other.list);
        self
    }

    /// Every route, in the order of registration.
    #[must_use]
    pub fn list(&self) -> &[Endpoint] {
        &self.list
    }

    pub(crate) fn into_table(self) -> Result<RouteTable, RouteError> {
        RouteTable::new(self.list)
    }
}

/// The routes by path: what a request is matched against.
pub(crate) struct RouteTable {
    router: matchit::Router<usize>,
    paths: Vec<PathEntry>,
    endpoints: Vec<Arc<Endpoint>>,
}

struct PathEntry {
    methods: Vec<(Method, usize)>,
    allow: http::HeaderValue,
}

/// What a path and method lead to.
pub(crate) enum Matched<'a> {
    /// A route: its number, itself, and the values of its parameters, still percent-encoded.
    Route(usize, &'a Arc<Endpoint>, Vec<(&'static str, String)>),
    /// The path exists with other methods.
    OtherMethods(&'a http::HeaderValue),
    /// No such path.
    Nothing,
}

impl RouteTable {
    fn new(list: Vec<Endpoint>) -> Result<Self, RouteError> {
        let endpoints: Vec<_> = list.into_iter().map(Arc::new).collect();
        let mut by_path: BTreeMap<&'static str, Vec<(Method, usize)>> = BTreeMap::new();
        for (index, endpoint) in endpoints.iter().enumerate() {
            let methods = by_path.entry(endpoint.path).or_default();
            if methods.iter().any(|(method, _)| *method == endpoint.method) {
                return Err(RouteError::Twice {
                    method: endpoint.method.clone(),
                    path: endpoint.path,
                });
            }
            methods.push((endpoint.method.clone(), index));
        }
        let mut router = matchit::Router::new();
        let mut paths = Vec::with_capacity(by_path.len());
        for (path, methods) in by_path {
            let index = paths.len();
            router.insert(path, index).map_err(|e| RouteError::Pattern {
                path,
                reason: e.to_string(),
            })?;
            paths.push(PathEntry {
                allow: allow(&methods),
                methods,
            });
        }
        Ok(Self {
            router,
            paths,
            endpoints,
        })
    }

    pub(crate) fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    /// Finds the route. `HEAD` is served by `GET`.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Matched<'_> {
        let Ok(found) = self.router.at(path) else {
            return Matched::Nothing;
        };
        let entry = &self.paths[*found.value];
        let wanted = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        let Some((_, index)) = entry.methods.iter().find(|(method, _)| method == wanted) else {
            return Matched::OtherMethods(&entry.allow);
        };
        let endpoint = &self.endpoints[*index];
        let params = found
            .params
            .iter()
            .map(|(name, value)| (param_name(endpoint.path, name), value.to_owned()));
        Matched::Route(*index, endpoint, params.collect())
    }
}

/// The name as it stands in the pattern, which lives for ever.
fn param_name(pattern: &'static str, name: &str) -> &'static str {
    param_names(pattern)
        .find(|known| *known == name)
        .unwrap_or_default()
}

/// The names of the parameters in a pattern, in order.
pub(crate) fn param_names(pattern: &'static str) -> impl Iterator<Item = &'static str> {
    pattern
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
        .map(|name| name.trim_start_matches('*'))
}

fn allow(methods: &[(Method, usize)]) -> http::HeaderValue {
    let mut names: Vec<_> = methods.iter().map(|(method, _)| method.as_str()).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.sort_unstable();
    http::HeaderValue::from_str(&names.join(", ")).unwrap_or(http::HeaderValue::from_static("OPTIONS"))
}
