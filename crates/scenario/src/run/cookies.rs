//! The cookie jar of one user (RFC 6265), with the limits that browsers have.

use jiff::Timestamp;
use url::{Host, Url};

use super::dates;

/// Cookies past this number push out the oldest.
const MAX_COOKIES: usize = 1000;
/// A cookie longer than this is ignored.
const MAX_LENGTH: usize = 8192;

#[derive(Clone, Debug)]
struct Cookie {
    name: String,
    value: String,
    domain: String,
    host_only: bool,
    path: String,
    secure: bool,
    expires: Option<Timestamp>,
}

/// Cookies in the order in which they were first set.
#[derive(Clone, Debug, Default)]
pub(super) struct Jar {
    cookies: Vec<Cookie>,
}

impl Jar {
    pub(super) fn clear(&mut self) {
        self.cookies.clear();
    }

    /// Takes a `Set-Cookie` header. One that the server may not set is ignored, as the standard wants.
    pub(super) fn set(&mut self, url: &Url, header: &str, now: impl Fn() -> Timestamp) {
        let Some(cookie) = parse(url, header, &now) else {
            return;
        };
        let same = |c: &Cookie| c.name == cookie.name && c.domain == cookie.domain && c.path == cookie.path;
        let expired = cookie.expires.is_some_and(|at| at <= now());
        match self.cookies.iter().position(same) {
            Some(index) if expired => {
                self.cookies.remove(index);
            }
            Some(index) => self.cookies[index] = cookie,
            None if expired => {}
            None => {
                if self.cookies.len() >= MAX_COOKIES {
                    self.cookies.remove(0);
                }
                self.cookies.push(cookie);
            }
        }
    }

    /// The cookies to send, joined; empty if there are none. Longer paths first.
    pub(super) fn header(&mut self, url: &Url, now: impl Fn() -> Timestamp) -> String {
        if self.cookies.is_empty() {
            return String::new();
        }
        if self.cookies.iter().any(|c| c.expires.is_some()) {
            let now = now();
            self.cookies.retain(|c| c.expires.is_none_or(|at| at > now));
        }
        let host = host(url);
        let secure = is_secure(url);
        let mut found: Vec<&Cookie> = self
            .cookies
            .iter()
            .filter(|c| {
                if c.host_only {
                    c.domain == host
                } else {
                    domain_matches(&host, &c.domain)
                }
            })
            .filter(|c| path_matches(url.path(), &c.path) && (secure || !c.secure))
            .collect();
        found.sort_by_key(|c| std::cmp::Reverse(c.path.len()));
        found
            .iter()
            .map(|c| format!("{}={}", c.name, c.value))
            .collect::<Vec<_>>()
            .join("; ")
    }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_ascii_lowercase()
}

/// A loopback address is as good as TLS, as browsers and the published tool have it.
fn is_secure(url: &Url) -> bool {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || loopback
}

fn domain_matches(host: &str, domain: &str) -> bool {
    host == domain
        || (host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
            && host.parse::<std::net::IpAddr>().is_err())
}

/// RFC 6265, section 5.1.4.
fn path_matches(path: &str, cookie: &str) -> bool {
    match path.strip_prefix(cookie) {
        Some(rest) => rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'),
        None => false,
    }
}

fn default_path(url: &Url) -> String {
    match url.path().rfind('/') {
        None | Some(0) => "/".to_string(),
        Some(end) => url.path()[..end].to_string(),
    }
}

fn parse(url: &Url, header: &str, now: &impl Fn() -> Timestamp) -> Option<Cookie> {
    if header.len() > MAX_LENGTH {
        return None;
    }
    let mut parts = header.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let host = host(url);
    let mut cookie = Cookie {
        name: name.trim().to_string(),
        value: value.trim().to_string(),
        domain: host.clone(),
        host_only: true,
        path: default_path(url),
        secure: false,
        expires: None,
    };
    let mut max_age = None;
    for attribute in parts {
        let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let value = value.trim().trim_matches('"');
        match key.trim().to_ascii_lowercase().as_str() {
            "domain" => {
                let domain = value.trim_start_matches('.').to_ascii_lowercase();
                if !domain.is_empty() {
                    cookie.host_only = host == domain && host.parse::<std::net::IpAddr>().is_ok();
                    cookie.domain = domain;
                }
            }
            "path" if value.starts_with('/') => cookie.path = value.to_string(),
            "secure" => cookie.secure = true,
            "max-age" => max_age = value.parse::<i64>().ok(),
            "expires" => cookie.expires = dates::http_date(value),
            _ => {}
        }
    }
    if let Some(seconds) = max_age {
        let seconds = seconds.clamp(-1, 400 * 24 * 3600);
        cookie.expires = now().checked_add(jiff::SignedDuration::from_secs(seconds)).ok();
    }
    is_allowed(&cookie, url, &host).then_some(cookie)
}

/// Whether this host may set this cookie.
fn is_allowed(cookie: &Cookie, url: &Url, host: &str) -> bool {
    let top_level = !cookie.domain.contains('.') && cookie.domain != host;
    let foreign = !domain_matches(host, &cookie.domain) || top_level;
    let refused = foreign || (cookie.secure && !is_secure(url)) || cookie.name.is_empty();
    !refused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn sent(set: &[(&str, &str)], to: &str) -> String {
        let mut jar = Jar::default();
        for (url, header) in set {
            jar.set(&url.parse().unwrap(), header, now);
        }
        jar.header(&to.parse().unwrap(), now)
    }

    #[test]
    fn a_cookie_goes_where_it_may() {
        let shop = "https://a.shop.example/x/y";
        for (header, to, expected) in [
            ("a=1", "https://a.shop.example/x/z", "a=1"),
            ("a=1", "https://a.shop.example/other", ""),
            ("a=1; Path=/", "https://b.shop.example/", ""),
            (
                "a=1; Path=/; Domain=shop.example",
                "https://b.shop.example/",
                "a=1",
            ),
            (
                "a=1; Path=/; Domain=.shop.example",
                "https://shop.example/",
                "a=1",
            ),
            ("a=1; Path=/; Domain=evil.example", "https://evil.example/", ""),
            ("a=1; Path=/; Domain=example", "https://other.example/", ""),
            ("a=1; Path=/; Secure", "http://a.shop.example/", ""),
            ("a=1; Path=/xx", "https://a.shop.example/xxx", ""),
            ("a=1; Path=/; Max-Age=0", "https://a.shop.example/", ""),
            (
                "a=1; Path=/; Expires=Wed, 31 Dec 2025 23:59:59 GMT",
                "https://a.shop.example/",
                "",
            ),
            (
                "a=1; Path=/; Expires=Fri, 02-Jan-2026 00:00:00 GMT",
                "https://a.shop.example/",
                "a=1",
            ),
        ] {
            assert_eq!(sent(&[(shop, header)], to), expected, "{header} to {to}");
        }
    }

    #[test]
    fn longer_paths_come_first_and_a_later_value_replaces() {
        let set = [
            ("http://h/", "a=1; Path=/"),
            ("http://h/", "b=2; Path=/deep"),
            ("http://h/", "a=3; Path=/"),
            ("http://h/", "c=4; Path=/; Max-Age=10"),
            ("http://h/", "c=; Path=/; Max-Age=-1"),
        ];
        assert_eq!(sent(&set, "http://h/deep/er"), "b=2; a=3");
    }
}
