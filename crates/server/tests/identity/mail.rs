//! Mail for forgotten passwords: from the request to a mail server and back with the token.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use db::{Engine, Scope};
use serde_json::{Value, json};
use workers::{
    mail::{MailConfig, MailError, Mailer, NoMail, Security},
    outbox::{Handler, OutboxConfig, OutboxRunner},
};

use crate::{
    fixture::{PASSWORD, Service},
    smtp::{MailServer, Manner},
};

db::statements! {
    ROWS = "test.mail_rows", "select state, attempts, coalesce(last_error, '') as why from outbox where topic = 'mail'";
    TOKENS = "test.mail_tokens", "select payload from outbox where topic = 'mail'";
    PLANT = "test.mail_plant", "update outbox set payload = $1 where topic = 'mail'";
}

fn runner(service: &Service, config: MailConfig) -> OutboxRunner {
    let mailer = Mailer::new(config, service.clock.clone()).unwrap();
    OutboxRunner::new(&service.app, OutboxConfig::mail(), vec![Arc::new(mailer)])
}

async fn ask(service: &Service) {
    service.person("ana").await;
    let body = json!({"email": "ana@example.org"});
    service.expect_post(202, "/api/auth/password-reset", body).await;
}

/// State, attempts and error of the one row; nothing if it is done.
async fn row(service: &Service) -> Option<(String, i64, String)> {
    let rows = service.db.all(&Scope::system(), ROWS, Vec::new()).await.unwrap();
    assert!(rows.len() <= 1);
    let row = rows.first()?;
    Some((
        row.get("state").unwrap(),
        row.get("attempts").unwrap(),
        row.get("why").unwrap(),
    ))
}

/// The row after one look of the mail worker; its error holds no token, nor do the mail server's ears.
async fn after_one_look(service: &Service, server: &MailServer, config: MailConfig) -> (String, i64, String) {
    let rows = service
        .db
        .all(&Scope::system(), TOKENS, Vec::new())
        .await
        .unwrap();
    let payload: Value = rows[0].get("payload").unwrap();
    assert_eq!(runner(service, config).run_once().await.unwrap(), 1);
    let (state, attempts, why) = row(service).await.expect("the mail was not sent");
    if let Some(token) = payload["token"].as_str() {
        assert!(!why.contains(token), "the error holds the token: {why}");
    }
    assert_eq!(server.letters(), Vec::<String>::new());
    (state, attempts, why)
}

fn token_of(letter: &str) -> &str {
    let alone = |line: &&str| line.len() == 43 && !line.contains(' ');
    letter.lines().find(alone).expect("a token on a line of its own")
}

pub async fn a_reset_arrives_by_mail_and_sets_the_password(engine: Engine) {
    for security in [Security::StartTls, Security::Implicit, Security::None] {
        let service = Service::start(engine).await;
        let server = MailServer::start(security, Manner::Takes).await;
        ask(&service).await;
        let runner = runner(&service, server.config(security));
        assert_eq!(runner.run_once().await.unwrap(), 1);
        assert_eq!(row(&service).await, None, "{security:?}: what is sent is gone");
        let letters = server.letters();
        assert_eq!(letters.len(), 1, "{security:?}");
        let letter = &letters[0];
        for part in [
            "From: Farmgate <noreply@farm.example>\r\n",
            "To: ana@example.org\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "@farm.example>\r\n",
            "Hello ana,",
            "within 30 minutes (until 2027-01-15 08:30 UTC)",
            "https://farm.example/api/auth/password-reset/confirm",
            "Was it not you?",
        ] {
            assert!(
                letter.contains(part),
                "{security:?}: `{part}` is missing in {letter}"
            );
        }
        let clear = server.said(false);
        if security != Security::None {
            let allowed = |line: &String| line.starts_with("EHLO") || line == "STARTTLS";
            assert!(clear.iter().all(allowed), "{security:?}: in clear: {clear:?}");
        }
        let body = json!({"token": token_of(letter), "password": "another good one"});
        service
            .expect_post(204, "/api/auth/password-reset/confirm", body)
            .await;
        service.sign_in("ana", "another good one").await;
        let old = json!({"username": "ana", "password": PASSWORD});
        service.expect_post(401, "/api/auth/login", old).await;
    }
}

pub async fn a_refused_mail_ends_and_a_postponed_one_comes_again(engine: Engine) {
    let service = Service::start(engine).await;
    let server = MailServer::start(Security::StartTls, Manner::Recipient("451 4.3.2 later, please")).await;
    let config = || server.config(Security::StartTls);
    ask(&service).await;
    let (state, attempts, why) = after_one_look(&service, &server, config()).await;
    assert_eq!((state.as_str(), attempts), ("waiting", 1));
    assert!(why.contains("451") && why.contains("later, please"), "{why}");
    assert_eq!(
        runner(&service, config()).run_once().await.unwrap(),
        0,
        "not at once"
    );

    server.behave(Manner::SignIn("535 5.7.8 who are you?"));
    service.clock.pass(Duration::from_secs(3));
    let (state, attempts, why) = after_one_look(&service, &server, config()).await;
    assert_eq!(
        (state.as_str(), attempts),
        ("waiting", 2),
        "the settings may be mended: {why}"
    );

    server.behave(Manner::Repeats("554 5.7.1 not this:"));
    service.clock.pass(Duration::from_secs(5));
    let (state, attempts, why) = after_one_look(&service, &server, config()).await;
    assert_eq!((state.as_str(), attempts, why.as_str()), ("failed", 3, "554"));
    server.behave(Manner::Takes);
    service.clock.pass(Duration::from_secs(3600));
    assert_eq!(
        runner(&service, config()).run_once().await.unwrap(),
        0,
        "failed is failed"
    );
}

pub async fn an_unknown_address_fails_and_a_later_server_gets_the_mail(engine: Engine) {
    let service = Service::start(engine).await;
    let server = MailServer::start(Security::None, Manner::Recipient("550 5.1.1 no such person")).await;
    ask(&service).await;
    let (state, attempts, why) = after_one_look(&service, &server, server.config(Security::None)).await;
    assert_eq!((state.as_str(), attempts), ("failed", 1), "{why}");
    assert!(why.contains("550") && why.contains("no such person"), "{why}");

    let service = Service::start(engine).await;
    ask(&service).await;
    let mut config = server.config(Security::None);
    config.port = 1;
    let (state, _, why) = after_one_look(&service, &server, config).await;
    assert_eq!(state, "waiting", "nobody listens there: {why}");
    server.behave(Manner::Takes);
    service.clock.pass(Duration::from_secs(3));
    let later = runner(&service, server.config(Security::None));
    assert_eq!((later.run_once().await.unwrap(), row(&service).await), (1, None));
    assert_eq!(server.letters().len(), 1);
}

pub async fn nothing_is_sent_to_a_server_that_cannot_be_trusted(engine: Engine) {
    let service = Service::start(engine).await;
    ask(&service).await;
    let plain = MailServer::start(Security::None, Manner::Takes).await;
    let (state, _, why) = after_one_look(&service, &plain, plain.config(Security::StartTls)).await;
    assert_eq!(state, "waiting", "it offers no STARTTLS: {why}");
    let polite = |line: &String| line.starts_with("EHLO") || line == "QUIT";
    assert!(plain.said(false).iter().all(polite), "{:?}", plain.said(false));

    let (other, server) = (
        MailServer::start(Security::StartTls, Manner::Takes).await,
        MailServer::start(Security::StartTls, Manner::Takes).await,
    );
    for trusted in [None, other.config(Security::StartTls).trusted] {
        service.clock.pass(Duration::from_secs(60));
        let config = MailConfig {
            trusted,
            ..server.config(Security::StartTls)
        };
        let (state, _, why) = after_one_look(&service, &server, config).await;
        assert_eq!(state, "waiting", "its certificate is unknown: {why}");
    }
    assert_eq!(server.said(true), Vec::<String>::new());
}

pub async fn a_server_that_stalls_holds_up_nothing_else(engine: Engine) {
    let service = Service::start(engine).await;
    let server = MailServer::start(Security::StartTls, Manner::Stalls).await;
    ask(&service).await;
    let begun = Instant::now();
    let mut config = server.config(Security::StartTls);
    config.each = Duration::from_millis(200);
    let own = OutboxRunner::new(
        &service.app,
        OutboxConfig::default(),
        workers::default_handlers(&service.app),
    );
    assert_eq!(own.run_once().await.unwrap(), 0, "mail is left to its own worker");
    let (state, attempts, why) = after_one_look(&service, &server, config).await;
    assert_eq!(
        (state.as_str(), attempts, why.as_str()),
        ("waiting", 1, "the mail server took too long")
    );
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

pub async fn what_cannot_be_sent_any_more_fails_with_its_reason(engine: Engine) {
    let service = Service::start(engine).await;
    let server = MailServer::start(Security::None, Manner::Takes).await;
    let config = || server.config(Security::None);
    ask(&service).await;
    service.clock.pass(Duration::from_secs(30 * 60));
    let (state, _, why) = after_one_look(&service, &server, config()).await;
    assert_eq!(
        (state.as_str(), why.as_str()),
        ("failed", "what the mail offers has ended before a server took it")
    );
    let ends = "2030-01-01T00:00:00Z";
    let forged = "ana@example.org>\r\nBcc: <eve@example.org";
    for (planted, reason) in [
        (
            json!({"template": "password_reset", "to": forged, "username": "ana", "token": "t0ken", "expires_at": ends}),
            "the address is none that mail can be sent to",
        ),
        (
            json!({"template": "invoice_t0ken", "token": "t0ken"}),
            "the row is no mail that this release can write",
        ),
    ] {
        let service = Service::start(engine).await;
        ask(&service).await;
        let text = db::Value::Json(planted);
        service
            .db
            .run(&Scope::system(), vec![(PLANT, vec![text])])
            .await
            .unwrap();
        let (state, _, why) = after_one_look(&service, &server, config()).await;
        assert_eq!((state.as_str(), why.as_str()), ("failed", reason));
    }
    assert_eq!(server.said(false), Vec::<String>::new());
}

pub async fn without_a_mail_server_a_reset_ends_as_failed(engine: Engine) {
    let service = Service::start(engine).await;
    ask(&service).await;
    let handlers: Vec<Arc<dyn Handler>> = vec![Arc::new(NoMail)];
    let runner = OutboxRunner::new(&service.app, OutboxConfig::mail(), handlers);
    assert_eq!(runner.run_once().await.unwrap(), 1);
    let why = "no mail server is set (`mail.host`)".to_owned();
    assert_eq!(row(&service).await, Some(("failed".to_owned(), 1, why)));
}

pub async fn settings_that_cannot_send_are_refused(engine: Engine) {
    let service = Service::start(engine).await;
    let server = MailServer::start(Security::None, Manner::Takes).await;
    let refused = |change: fn(&mut MailConfig)| {
        let mut config = server.config(Security::StartTls);
        change(&mut config);
        Mailer::new(config, service.clock.clone())
            .err()
            .expect("it is refused")
    };
    let forged = refused(|config| config.from = "a@b.example>\r\nBcc: <c@d.example".to_owned());
    assert!(matches!(forged, MailError::From(_)), "{forged}");
    let empty = refused(|config| config.trusted = Some(Vec::new()));
    assert!(matches!(empty, MailError::Untrusting), "{empty}");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let broken_refused = Mailer::new(
        MailConfig {
            trusted: Some(broken.as_bytes().to_vec()),
            ..server.config(Security::StartTls)
        },
        service.clock.clone(),
    );
    assert!(matches!(broken_refused.err(), Some(MailError::Trusted(_))));
}
