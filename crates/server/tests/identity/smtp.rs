//! A mail server in the test: it speaks enough SMTP to be sent to, and notes what it hears.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use workers::mail::{MailConfig, Security};

/// How the server treats who sends to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Takes everything.
    Takes,
    /// Answers this to a recipient.
    Recipient(&'static str),
    /// Answers this to a name and password.
    SignIn(&'static str),
    /// Answers this, with what stands alone in a line of the mail behind it, when it has got the mail.
    Repeats(&'static str),
    /// Accepts the connection and never says a word.
    Stalls,
}

#[derive(Default)]
struct Heard {
    /// What was said, in order, and whether TLS kept it from others.
    lines: Vec<(bool, String)>,
    letters: Vec<String>,
}

pub struct MailServer {
    address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
    manner: Arc<Mutex<Manner>>,
    certificate: String,
}

impl MailServer {
    /// A server that speaks as a client of this security expects; one without TLS does not offer it either.
    pub async fn start(security: Security, manner: Manner) -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard: Arc<Mutex<Heard>> = Arc::default();
        let manner = Arc::new(Mutex::new(manner));
        let (noted, shown) = (heard.clone(), manner.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (noted, acceptor, manner) = (noted.clone(), acceptor.clone(), *shown.lock().unwrap());
                // A client that goes away ends its own conversation only.
                tokio::spawn(async move { meet(stream, security, acceptor, manner, noted).await });
            }
        });
        Self {
            address,
            heard,
            manner,
            certificate: made.cert.pem(),
        }
    }

    pub fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// Settings of a client that trusts this server.
    pub fn config(&self, security: Security) -> MailConfig {
        MailConfig {
            host: self.address.ip().to_string(),
            port: self.address.port(),
            security,
            trusted: Some(self.certificate.clone().into_bytes()),
            credentials: Some(("farm".to_owned(), "s3cret".to_owned())),
            from: "Farmgate <noreply@farm.example>".to_owned(),
            public_url: "https://farm.example/".to_owned(),
            each: Duration::from_secs(10),
        }
    }

    pub fn letters(&self) -> Vec<String> {
        self.heard.lock().unwrap().letters.clone()
    }

    /// What was said in clear, or under TLS.
    pub fn said(&self, secure: bool) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let lines = heard.lines.iter().filter(|(kept, _)| *kept == secure);
        lines.map(|(_, line)| line.clone()).collect()
    }
}

async fn meet(
    stream: TcpStream,
    security: Security,
    acceptor: TlsAcceptor,
    manner: Manner,
    heard: Arc<Mutex<Heard>>,
) -> Option<()> {
    if manner == Manner::Stalls {
        let _held = stream;
        return std::future::pending().await;
    }
    let mut talk = Talk {
        manner,
        heard,
        secure: false,
        offers: security == Security::StartTls,
    };
    if security == Security::Implicit {
        talk.secure = true;
        talk.with(acceptor.accept(stream).await.ok()?, true).await?;
        return Some(());
    }
    if let Some(stream) = talk.with(stream, true).await? {
        (talk.secure, talk.offers) = (true, false);
        talk.with(acceptor.accept(stream).await.ok()?, false).await?;
    }
    Some(())
}

struct Talk {
    manner: Manner,
    heard: Arc<Mutex<Heard>>,
    secure: bool,
    offers: bool,
}

impl Talk {
    /// Talks until the client leaves; gives the stream back if it is to become TLS.
    async fn with<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S, greets: bool) -> Option<Option<S>> {
        let mut stream = BufStream::new(stream);
        if greets {
            say(&mut stream, "220 mail.example ESMTP").await?;
        }
        loop {
            let line = hear(&mut stream).await?;
            self.heard.lock().unwrap().lines.push((self.secure, line.clone()));
            let word: String = line.chars().take(4).collect();
            let answer = match word.to_uppercase().as_str() {
                "EHLO" if self.offers => "250-mail.example\r\n250-STARTTLS\r\n250 AUTH PLAIN",
                "EHLO" => "250-mail.example\r\n250 AUTH PLAIN",
                "STAR" => {
                    say(&mut stream, "220 go ahead").await?;
                    return Some(Some(stream.into_inner()));
                }
                "AUTH" => match self.manner {
                    Manner::SignIn(refusal) => refusal,
                    _ => "235 welcome",
                },
                "RCPT" => match self.manner {
                    Manner::Recipient(refusal) => refusal,
                    _ => "250 yes",
                },
                "DATA" => {
                    say(&mut stream, "354 go on").await?;
                    let letter = self.letter(&mut stream).await?;
                    if let Manner::Repeats(refusal) = self.manner {
                        let alone = letter.lines().find(|line| line.len() == 43);
                        say(&mut stream, &format!("{refusal} {}", alone.unwrap_or_default())).await?;
                        continue;
                    }
                    self.heard.lock().unwrap().letters.push(letter);
                    "250 taken"
                }
                "QUIT" => "221 bye",
                _ => "250 yes",
            };
            say(&mut stream, answer).await?;
        }
    }

    async fn letter<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut BufStream<S>) -> Option<String> {
        let mut letter = String::new();
        loop {
            match hear(stream).await?.as_str() {
                "." => return Some(letter),
                line => letter.push_str(&format!("{line}\r\n")),
            }
        }
    }
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufStream<S>, text: &str) -> Option<()> {
    stream.write_all(format!("{text}\r\n").as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

/// A line; nothing if the client has left.
async fn hear<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufStream<S>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}
