//! Mail: what the outbox asks for is written and handed to a mail server. Who gets one is decided by the use cases.
//!
//! A token that a mail carries is never logged and never part of an error.

use std::{sync::Arc, time::Duration};

use domain::ids::{Clock, Timestamp};
use futures_util::{StreamExt, future::BoxFuture, stream};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    address::AddressError,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error as SmtpError,
        authentication::Credentials,
        client::{Certificate, CertificateStore, Tls, TlsParameters},
        extension::ClientId,
    },
};
use serde::Deserialize;
use store::outbox::{MAIL, Work};
use tokio::time::{Instant, timeout_at};

use crate::outbox::{Handler, Outcome};

/// Mails handed over at once.
const AT_ONCE: usize = 5;

/// How the way to the mail server is kept from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// In clear until `STARTTLS`; nothing is sent to a server that does not offer it.
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// In clear.
    None,
}

/// The mail server, and what stands in every mail.
#[derive(Clone)]
pub struct MailConfig {
    /// The server's name or address; its certificate must be for it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way there is kept from others.
    pub security: Security,
    /// PEM with the certificates to trust in place of the usual ones.
    pub trusted: Option<Vec<u8>>,
    /// Name and password to sign in with.
    pub credentials: Option<(String, String)>,
    /// The sender: `noreply@farm.example`, or `Farmgate <noreply@farm.example>`.
    pub from: String,
    /// Where people reach the server: `https://farm.example`.
    pub public_url: String,
    /// Longest time for one mail. [`EACH`] suits a server anywhere.
    pub each: Duration,
}

/// Longest time for one mail, from connecting to the server's last word.
pub const EACH: Duration = Duration::from_secs(10);
/// Longest time for all mails that are taken together: below the time after which another worker would take them.
const ALL: Duration = Duration::from_secs(25);

/// Why mail cannot be sent with these settings.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The sender is no address.
    #[error("the sender is no address such as noreply@farm.example or `Farm <noreply@farm.example>`")]
    From(#[source] AddressError),
    /// TLS cannot be used with these certificates.
    #[error("the trusted certificates cannot be read: expected a PEM file")]
    Trusted(#[source] SmtpError),
    /// A file without certificates.
    #[error("there is no certificate among the trusted ones: expected a PEM file")]
    Untrusting,
}

/// Hands mail to a server.
pub struct Mailer {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    public_url: String,
    each: Duration,
    clock: Arc<dyn Clock>,
}

impl Mailer {
    /// A mailer for this server. Nothing is connected yet.
    ///
    /// # Errors
    /// If the sender or the certificates cannot be used.
    pub fn new(config: MailConfig, clock: Arc<dyn Clock>) -> Result<Self, MailError> {
        let from: Mailbox = config.from.parse().map_err(MailError::From)?;
        let tls = tls(&config)?;
        let name = ClientId::Domain(from.email.domain().to_owned());
        let mut server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(config.host)
            .port(config.port)
            .tls(tls)
            .timeout(Some(config.each))
            .hello_name(name);
        if let Some((user, password)) = config.credentials {
            server = server.credentials(Credentials::new(user, password));
        }
        Ok(Self {
            server: server.build(),
            from,
            public_url: config.public_url.trim_end_matches('/').to_owned(),
            each: config.each,
            clock,
        })
    }

    async fn deliver(&self, work: &Work, end: Instant) -> Outcome {
        // What the parser complains of could hold what it was given.
        let Ok(letter) = serde_json::from_str::<Letter>(work.payload.get()) else {
            return Outcome::Fail("the row is no mail that this release can write".to_owned());
        };
        let Letter::PasswordReset {
            token, expires_at, ..
        } = &letter;
        if *expires_at <= self.clock.now() {
            return Outcome::Fail("what the mail offers has ended before a server took it".to_owned());
        }
        let message = match self.message(work, &letter) {
            Ok(message) => message,
            Err(why) => return Outcome::Fail(why.to_owned()),
        };
        let end = end.min(Instant::now() + self.each);
        match timeout_at(end, self.server.send(message)).await {
            Ok(Ok(_)) => Outcome::Done,
            Ok(Err(error)) => refused(&error, token),
            Err(_) => Outcome::Retry("the mail server took too long".to_owned()),
        }
    }

    /// The mail. Its parts are typed, so that no text can become a line of its head.
    fn message(&self, work: &Work, letter: &Letter) -> Result<Message, &'static str> {
        let Letter::PasswordReset { to, .. } = letter;
        let to = to
            .parse()
            .map_err(|_| "the address is none that mail can be sent to")?;
        // The same at each attempt: a server or reader that gets it twice can tell.
        let id = format!("<{}@{}>", work.id, self.from.email.domain());
        let date = Duration::from_micros(self.clock.now().micros().unsigned_abs());
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject("Your new password")
            .message_id(Some(id))
            .date(std::time::UNIX_EPOCH + date)
            // So that nobody's absence note is sent back (RFC 3834).
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text(&self.public_url, work.created_at))
            .map_err(|_| "the mail cannot be put together")
    }
}

impl Handler for Mailer {
    fn accepts(&self, topic: &str) -> bool {
        topic == MAIL
    }

    fn handle<'a>(&'a self, work: &'a [Work]) -> BoxFuture<'a, Vec<Outcome>> {
        let end = Instant::now() + ALL;
        let all = stream::iter(work).map(move |one| self.deliver(one, end));
        Box::pin(all.buffered(AT_ONCE).collect())
    }
}

/// Where no mail server is set: mail is given up at once, so that its rows neither wait for ever nor count as sent.
pub struct NoMail;

impl Handler for NoMail {
    fn accepts(&self, topic: &str) -> bool {
        topic == MAIL
    }

    fn handle<'a>(&'a self, work: &'a [Work]) -> BoxFuture<'a, Vec<Outcome>> {
        let why = Outcome::Fail("no mail server is set (`mail.host`)".to_owned());
        Box::pin(std::future::ready(vec![why; work.len()]))
    }
}

/// What the outbox asks to be written.
#[derive(Deserialize)]
#[serde(tag = "template", rename_all = "snake_case")]
enum Letter {
    PasswordReset {
        to: String,
        username: String,
        token: String,
        expires_at: Timestamp,
    },
}

impl Letter {
    fn text(&self, public_url: &str, asked_at: Timestamp) -> String {
        let Self::PasswordReset {
            username,
            token,
            expires_at,
            ..
        } = self;
        let minutes = expires_at.since(asked_at).as_secs() / 60;
        let until = to_the_minute(*expires_at);
        format!(
            "Hello {username},\n\n\
             somebody asked {public_url}\n\
             for a new password for your account. If that was you, this token sets one:\n\n\
             {token}\n\n\
             It works once, within {minutes} minutes (until {until}).\n\
             Send it together with the new password:\n\n\
             curl {public_url}/api/auth/password-reset/confirm \\\n  \
             -H 'Content-Type: application/json' \\\n  \
             -d '{{\"token\": \"{token}\",\n       \
             \"password\": \"YOUR NEW PASSWORD\"}}'\n\n\
             All of your sessions end when it is used.\n\n\
             Was it not you? Then do nothing: your password stays as it is.\n\
             Show this mail to nobody. If such mails come again and again,\n\
             tell the people who run {public_url}.\n"
        )
    }
}

/// `2026-11-21 15:00 UTC`.
fn to_the_minute(moment: Timestamp) -> String {
    let text: String = moment.to_string().chars().take(16).collect();
    format!("{} UTC", text.replace('T', " "))
}

fn tls(config: &MailConfig) -> Result<Tls, MailError> {
    let mut parameters = TlsParameters::builder(config.host.clone());
    if let Some(pem) = &config.trusted {
        if !pem.windows(17).any(|part| part == b"BEGIN CERTIFICATE") {
            return Err(MailError::Untrusting);
        }
        let trusted = Certificate::from_pem(pem).map_err(MailError::Trusted)?;
        parameters = parameters
            .certificate_store(CertificateStore::None)
            .add_root_certificate(trusted);
    }
    let parameters = parameters.build_rustls().map_err(MailError::Trusted)?;
    Ok(match config.security {
        Security::StartTls => Tls::Required(parameters),
        Security::Implicit => Tls::Wrapper(parameters),
        Security::None => Tls::None,
    })
}

/// Answers to the wrong name or password (RFC 4954, section 6): the settings are at fault, and can be mended.
const SIGN_IN: [u16; 4] = [530, 534, 535, 538];

/// What the server's refusal means. Its own words help; should they repeat the mail, they are left out.
fn refused(error: &SmtpError, token: &str) -> Outcome {
    let code = error.status().map(u16::from);
    let words = error.to_string();
    let words = if words.contains(token) {
        code.map_or_else(
            || "the mail server refused it".to_owned(),
            |code| code.to_string(),
        )
    } else {
        words.replace(char::is_control, " ")
    };
    match code {
        Some(code) if error.is_permanent() && !SIGN_IN.contains(&code) => Outcome::Fail(words),
        _ => Outcome::Retry(words),
    }
}
