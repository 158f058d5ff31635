//! A cooperative that never was: accounts, a circuit, cattle and coffee lots with their movements over two years.
//!
//! Everything goes through the use cases, so the demonstration holds only what a client could have made. The same seed
//! makes the same data but for ids.

use std::{io::Write, time::Duration};

use anyhow::Result;
use app::{App, AppError, Ctx, circuits::CircuitSettings, local_items::NewLocalItem, push::PushLocal};
use domain::{
    caller::{Caller, Credential},
    circuit::CircuitStatus,
    identifier::NewIdentifier,
    identity::Role,
    ids::{CircuitId, SessionId},
    page::PageRequest,
    registry::Registry,
    tier::Tier,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// Pushes under way at a time.
const AT_ONCE: usize = 32;
const BREEDS: [&str; 5] = ["nelore", "angus", "brahman", "senepol", "girolando"];
const VARIETIES: [&str; 4] = ["catuai", "mundo novo", "bourbon", "acaia"];
const FARMS: [&str; 6] = [
    "Santa Rita",
    "Boa Vista",
    "Serra Azul",
    "Tres Irmaos",
    "Agua Limpa",
    "Sao Jorge",
];

/// An account of the demonstration.
#[derive(Debug, Serialize)]
pub struct Account {
    /// Name to sign in with.
    pub username: String,
    /// Random password; it lives as long as the folder.
    pub password: String,
    /// What it is for.
    pub description: &'static str,
}

/// Makes the accounts and fills the first farm's workspace.
pub async fn fill(app: &App, items: usize, seed: u64) -> Result<Vec<Account>> {
    let made = app.identity().create_demo_accounts().await?;
    let find = |name: &str| made.iter().find(|account| account.username == name);
    if let (Some(farm), Some(buyer)) = (find("demo-farm"), find("demo-buyer")) {
        let (farm_ctx, buyer_ctx) = (context(&farm.registered), context(&buyer.registered));
        let circuit = circuit(app, &farm_ctx, &buyer_ctx, &buyer.username).await?;
        push_all(app, &farm_ctx, circuit, items, seed).await?;
    }
    let account = |account: app::identity::DemoAccount| Account {
        username: account.username,
        password: account.password.reveal().to_owned(),
        description: account.description,
    };
    Ok(made.into_iter().map(account).collect())
}

fn context(account: &app::identity::Registered) -> Ctx {
    Ctx {
        caller: Caller {
            user_id: account.user_id,
            workspace_id: account.workspace_id,
            role: Role::Owner,
            tier: Tier::Enterprise,
            platform_admin: false,
            credential: Credential::Token(SessionId::from(Uuid::nil())),
        },
        address: "127.0.0.1".to_owned(),
        request_id: "demo".to_owned(),
        meter: db::Meter::default(),
    }
}

async fn circuit(app: &App, farm: &Ctx, buyer: &Ctx, buyer_name: &str) -> Result<CircuitId, AppError> {
    let settings = CircuitSettings {
        name: Some("Cooperativa Serra Verde".to_owned()),
        description: Some("Cattle and coffee of six farms, shared with a buyer".to_owned()),
        status: Some(CircuitStatus::Active),
        default_namespace: Some("bovino".to_owned()),
        ..CircuitSettings::default()
    };
    let circuit = app.create_circuit(farm, settings).await?;
    app.invite_to_circuit(farm, circuit.id, buyer_name, "member", "Welcome")
        .await?;
    let invitations = app.my_invitations(buyer, &PageRequest::default()).await?;
    for invitation in invitations.data {
        app.answer_invitation(buyer, invitation.id, true).await?;
    }
    Ok(circuit.id)
}

async fn push_all(app: &App, farm: &Ctx, circuit: CircuitId, items: usize, seed: u64) -> Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let made: Vec<_> = (0..items).map(|number| item(&mut random, number)).collect();
    let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} ({eta} left)")?;
    let bar = ProgressBar::new(items as u64)
        .with_style(style)
        .with_message("demonstration data");
    bar.enable_steady_tick(Duration::from_millis(200));
    stream::iter(made)
        .map(|new| async {
            let local = app.create_local_item(farm, new).await?;
            let push = PushLocal {
                local_id: local.local_id,
                identifiers: Vec::new(),
                enriched_data: None,
            };
            app.push_local(farm, circuit, &push).await?;
            bar.inc(1);
            Ok::<_, AppError>(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    bar.finish_and_clear();
    Ok(())
}

fn item(random: &mut ChaCha8Rng, number: usize) -> NewLocalItem {
    let farm = FARMS[random.random_range(0..FARMS.len())];
    let (identifiers, data) = if random.random_ratio(3, 4) {
        animal(random, number)
    } else {
        coffee(random, number)
    };
    let mut data = data;
    data["farm"] = json!(farm);
    NewLocalItem {
        local_id: None,
        identifiers,
        enriched_data: Some(data),
    }
}

fn animal(random: &mut ChaCha8Rng, number: usize) -> (Vec<NewIdentifier>, Value) {
    let data = json!({
        "breed": BREEDS[random.random_range(0..BREEDS.len())],
        "born": date(random, 730),
        "weight_kg": random.random_range(180..620),
        "movements": movements(random),
    });
    let ids = vec![
        identifier("bovino", "sisbov", &sisbov(number), Some("sisbov")),
        identifier("bovino", "ear_tag", &format!("BR-{number:06}"), None),
    ];
    (ids, data)
}

fn coffee(random: &mut ChaCha8Rng, number: usize) -> (Vec<NewIdentifier>, Value) {
    let data = json!({
        "variety": VARIETIES[random.random_range(0..VARIETIES.len())],
        "harvested": date(random, 365),
        "bags": random.random_range(10..320),
        "plot": {"latitude": -21.0 - random.random_range(0.0..1.5), "longitude": -45.0 - random.random_range(0.0..2.0)},
        "movements": movements(random),
    });
    (
        vec![identifier("cafe", "lot", &format!("CAFE-{number:06}"), None)],
        data,
    )
}

fn identifier(namespace: &str, key: &str, value: &str, registry: Option<&str>) -> NewIdentifier {
    NewIdentifier {
        namespace: Some(namespace.to_owned()),
        key: key.to_owned(),
        value: value.to_owned(),
        registry: registry.map(str::to_owned),
        scope: None,
    }
}

/// The `number`th SISBOV number that its registry accepts: country, state, animal, check digit.
fn sisbov(number: usize) -> String {
    let stem = format!("07631{number:09}");
    (0..10)
        .map(|digit| format!("{stem}{digit}"))
        .find(|candidate| Registry::Sisbov.normalise(candidate).is_ok())
        .unwrap_or(stem)
}

fn date(random: &mut ChaCha8Rng, days: u32) -> String {
    let back = random.random_range(0..days);
    format!(
        "{}-{:02}-{:02}",
        2024 + (729 - back.min(729)) / 365,
        random.random_range(1..=12),
        random.random_range(1..=28)
    )
}

fn movements(random: &mut ChaCha8Rng) -> Vec<Value> {
    let steps = ["born", "vaccinated", "moved", "weighed", "inspected", "shipped"];
    let count = random.random_range(1..=4);
    (0..count)
        .map(|index| json!({"step": steps[index], "date": date(random, 700)}))
        .collect()
}

/// Says what to try next.
pub fn explain(out: &mut impl Write, url: &str, accounts: &[Account]) -> std::io::Result<()> {
    writeln!(out, "\nAccounts of this demonstration (gone when it ends):")?;
    for account in accounts {
        writeln!(
            out,
            "  {:14} {:28} {}",
            account.username, account.password, account.description
        )?;
    }
    let Some(farm) = accounts.iter().find(|account| account.username == "demo-farm") else {
        return Ok(());
    };
    writeln!(out, "\nTry, in another terminal:")?;
    writeln!(
        out,
        "  TOKEN=$(curl -s {url}/api/auth/login -H 'Content-Type: application/json' \\"
    )?;
    writeln!(
        out,
        "    -d '{{\"username\":\"{}\",\"password\":\"{}\"}}' | sed 's/.*\"token\":\"\\([^\"]*\\)\".*/\\1/')",
        farm.username, farm.password
    )?;
    writeln!(
        out,
        "  curl -s {url}/api/items?limit=2 -H \"Authorization: Bearer $TOKEN\""
    )?;
    writeln!(
        out,
        "  curl -s {url}/api/circuits -H \"Authorization: Bearer $TOKEN\""
    )?;
    writeln!(out, "\nThe whole API: {url}/docs   End with Ctrl-C.")
}
