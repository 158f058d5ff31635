//! A cooperative that never was: accounts, a circuit, plots, cattle and coffee lots with their movements over two years.
//!
//! Everything goes through the use cases, so the demonstration holds only what a client could have made. The first goods
//! are there before anybody is told of the platform; the others follow while it serves.

mod goods;

use std::io::Write;

use anyhow::Result;
use app::{App, AppError, Ctx, circuits::CircuitSettings, events::NewEvent, push::PushLocal};
use domain::{
    caller::{Caller, Credential},
    circuit::CircuitStatus,
    event::Visibility,
    identity::Role,
    ids::{CircuitId, SessionId, Timestamp},
    page::PageRequest,
    tier::Tier,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::goods::{Good, Goods, PLOTS};
use crate::compose;

/// Goods on their way at a time: enough to share commits, few enough to leave callers room.
const AT_ONCE: usize = 16;
/// Goods that are there from the first moment on: all plots and some lots.
const FIRST: usize = PLOTS + 12;

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

/// A demonstration that has begun.
pub struct Demo {
    app: App,
    accounts: Vec<Account>,
    /// The producer, and the circuit it shares with the buyer.
    farm: Option<(Ctx, CircuitId)>,
    goods: Goods,
    items: usize,
    seed: u64,
    made: usize,
}

impl Demo {
    /// Makes accounts, circuit and the first goods.
    pub async fn begin(app: &App, items: usize, seed: u64) -> Result<Self> {
        let made = app.identity().create_demo_accounts().await?;
        let find = |name: &str| made.iter().find(|account| account.username == name);
        let farm = match (find("demo-farm"), find("demo-buyer")) {
            (Some(farm), Some(buyer)) => {
                let (farm, buyer_ctx) = (context(&farm.registered), context(&buyer.registered));
                let circuit = circuit(app, &farm, &buyer_ctx, &buyer.username).await?;
                Some((farm, circuit))
            }
            _ => None,
        };
        let account = |account: app::identity::DemoAccount| Account {
            username: account.username,
            password: account.password.reveal().to_owned(),
            description: account.description,
        };
        let mut demo = Self {
            app: app.clone(),
            accounts: made.into_iter().map(account).collect(),
            farm,
            goods: Goods::new(seed, now()),
            items,
            seed,
            made: 0,
        };
        demo.make(FIRST.min(items), &CancellationToken::new()).await?;
        Ok(demo)
    }

    /// Makes the other goods, until all are there or `stop` comes; says on standard error when they are.
    pub async fn fill(mut self, stop: CancellationToken) {
        let begun = now();
        let left = self.items - self.made;
        match self.make(left, &stop).await {
            // The database may have closed already.
            _ if stop.is_cancelled() => {}
            Ok(()) => {
                let seconds = now().since(begun).as_secs_f64();
                eprintln!(
                    "The demonstration's {} items are all there ({seconds:.1} s).",
                    self.items
                );
            }
            Err(error) => eprintln!(
                "The demonstration has {} items and gets no more: {error:#}",
                self.made
            ),
        }
    }

    async fn make(&mut self, count: usize, stop: &CancellationToken) -> Result<()> {
        let Some((farm, circuit)) = &self.farm else {
            return Ok(());
        };
        let (app, made) = (&self.app, &mut self.made);
        let goods = self
            .goods
            .by_ref()
            .take(count)
            .take_while(|_| !stop.is_cancelled());
        stream::iter(goods)
            .map(|good| keep(app, farm, *circuit, good))
            .buffer_unordered(AT_ONCE)
            .try_for_each(|()| {
                *made += 1;
                std::future::ready(Ok(()))
            })
            .await?;
        Ok(())
    }

    /// What a program that started it wants to know.
    pub fn for_programs(&self) -> Value {
        let circuit = self.farm.as_ref().map(|(_, circuit)| circuit);
        json!({"circuit_id": circuit, "items": self.items, "seed": self.seed})
    }

    /// The accounts.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Says what to try next.
    pub fn explain(&self, out: &mut impl Write, url: &str) -> std::io::Result<()> {
        writeln!(out, "\nAccounts of this demonstration (gone when it ends):")?;
        for account in &self.accounts {
            let (name, password) = (&account.username, &account.password);
            writeln!(out, "  {name:12} {password:22} {}", account.description)?;
        }
        let farm = self
            .accounts
            .iter()
            .find(|account| account.username == "demo-farm");
        let (Some(farm), Some((_, circuit))) = (farm, &self.farm) else {
            return Ok(());
        };
        let program = std::env::current_exe().unwrap_or_else(|_| "farmgate".into());
        let (name, password) = (&farm.username, &farm.password);
        let rest = self.items - self.made;
        if rest > 0 {
            writeln!(
                out,
                "\n{} items are there; {rest} more follow while you look.",
                self.made
            )?;
        }
        writeln!(
            out,
            r#"
Try, in another terminal:
  B={url} J='Content-Type: application/json' C={circuit}
  TOKEN=$(curl -s $B/api/auth/login -H "$J" -d '{{"username":"{name}","password":"{password}"}}' | sed 's/.*"token":"\([^"]*\)".*/\1/')
  A="Authorization: Bearer $TOKEN"
  curl -sw '\n' "$B/api/circuits/$C" -H "$A"
  DFID=$(curl -s "$B/api/items?limit=1" -H "$A" | sed 's/.*"dfid":"\([^"]*\)".*/\1/')
  curl -sw '\n' "$B/api/items/$DFID" -H "$A"
  curl -sw '\n' "$B/api/items/$DFID/timeline" -H "$A"
  printf 'local_id,identifier.lot,data.bags\nmine-1,L1,40\nmine-2,L2,25\n' > lots.csv
  {} import lots.csv --url $B --token "$TOKEN" --circuit $C

The whole API: {url}/docs   End with Ctrl-C."#,
            program.display()
        )
    }
}

fn now() -> Timestamp {
    Timestamp::from_micros(compose::now().0)
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

/// Creates an item, pushes it and records what happened to it.
async fn keep(app: &App, farm: &Ctx, circuit: CircuitId, good: Good) -> Result<(), AppError> {
    let local = app.create_local_item(farm, good.item).await?;
    let push = PushLocal {
        local_id: local.local_id,
        identifiers: Vec::new(),
        enriched_data: None,
    };
    let pushed = app.push_local(farm, circuit, &push).await?;
    let event = |movement: goods::Movement| NewEvent {
        event_type: movement.step.to_owned(),
        source: Some("demo".to_owned()),
        dfid: Some(pushed.dfid),
        circuit_id: Some(circuit),
        visibility: Some(Visibility::Circuit),
        occurred_at: Some(movement.at),
        data: Some(movement.data),
        ..NewEvent::default()
    };
    let events = good.movements.into_iter().map(event).collect();
    app.record_events(farm, events).await?;
    Ok(())
}
