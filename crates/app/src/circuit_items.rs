//! What lies in a circuit, and what the public sees of it. How it got there is the subject of `push` and `operations`.

use domain::{
    circuit::Permission,
    dfid::Dfid,
    ids::CircuitId,
    page::{Cursor, Page, PageRequest},
    problem::ErrorCode,
};
use serde_json::json;
use store::{
    circuit_items::{self, CircuitItem, PublishedItem},
    circuits::{self, Circuit},
};

use crate::{App, AppError, Ctx, Record, Result, circuits::needs};

impl App {
    /// What lies in a circuit, by DFID.
    pub async fn circuit_items(
        &self,
        ctx: &Ctx,
        circuit: CircuitId,
        page: &PageRequest,
    ) -> Result<Page<CircuitItem>> {
        self.circuit(ctx, circuit).await?;
        let scope = ctx.scope();
        let rows = circuit_items::list(&self.db().scoped(&scope), circuit, ctx.workspace(), page).await?;
        Ok(Page::cut(rows, page, |item| Cursor::new("", item.dfid)))
    }

    /// Counts it.
    pub async fn count_circuit_items(&self, ctx: &Ctx, circuit: CircuitId) -> Result<u64> {
        self.circuit(ctx, circuit).await?;
        let scope = ctx.scope();
        Ok(circuit_items::count(&self.db().scoped(&scope), circuit, ctx.workspace()).await?)
    }

    /// Takes an item out of a circuit: one's own, or another's with the permission. What was pulled stays pulled.
    pub async fn remove_from_circuit(&self, ctx: &Ctx, circuit: CircuitId, dfid: Dfid) -> Result<()> {
        let place = self.place_of(ctx, circuit, dfid).await?;
        if place.state == "pending" {
            return Err(AppError::conflict(format!(
                "the item waits for approval: cancel the operation {} instead",
                place.operation_id
            )));
        }
        let mut record = Record::new(self, ctx);
        record.steps.extend(circuit_items::remove(circuit, place.dfid));
        record.activity(Some(circuit), "item.removed", &dfid.to_string(), &json!({}));
        record.audit(
            "circuit.item_removed",
            &circuit.to_string(),
            &json!({"dfid": dfid}),
        )?;
        self.db().run(&ctx.scope(), record.steps).await?;
        Ok(())
    }

    /// Shows an item in the circuit's public view, or hides it.
    pub async fn publish_in_circuit(
        &self,
        ctx: &Ctx,
        circuit: CircuitId,
        dfid: Dfid,
        shown: bool,
    ) -> Result<()> {
        self.place_of(ctx, circuit, dfid).await?;
        let mut record = Record::new(self, ctx);
        let action = if shown {
            "item.published"
        } else {
            "item.unpublished"
        };
        record
            .steps
            .push(circuit_items::set_published(circuit, dfid, shown));
        record.activity(Some(circuit), action, &dfid.to_string(), &json!({}));
        record.audit(action, &circuit.to_string(), &json!({"dfid": dfid}))?;
        record.outbox(action, &json!({"circuit": circuit, "dfid": dfid}));
        self.decide(
            &ctx.scope(),
            record,
            "the item waits for approval: it can be published afterwards",
        )
        .await
    }

    async fn place_of(&self, ctx: &Ctx, circuit: CircuitId, dfid: Dfid) -> Result<CircuitItem> {
        let (_, member) = self.circuit(ctx, circuit).await?;
        let scope = ctx.scope();
        let found = circuit_items::find(&self.db().scoped(&scope), circuit, dfid).await?;
        let visible = |place: &CircuitItem| place.state == "active" || place.workspace_id == ctx.workspace();
        let place = found.filter(visible).ok_or_else(|| AppError::not_found("item"))?;
        if place.owner_id != ctx.workspace() {
            needs(&member, Permission::ManageMembers)?;
        }
        Ok(place)
    }

    /// The public view of a circuit; absent unless it shows itself now. A guarded one wants its password.
    pub async fn public_circuit(
        &self,
        slug: &str,
        password: Option<&str>,
        page: &PageRequest,
    ) -> Result<(Circuit, Page<PublishedItem>)> {
        // The public belongs to no tenant; only published items of a circuit that shows itself are read.
        let scope = db::Scope::system();
        let db = self.db().scoped(&scope);
        let found = circuits::by_slug(&db, slug).await?;
        let shown = |one: &Circuit| one.status.allows_exchange() && one.public.is_shown_at(self.now());
        let circuit = found
            .filter(shown)
            .ok_or_else(|| AppError::not_found("circuit"))?;
        if let Some(hash) = &circuit.public_password_hash {
            self.check_public_password(password, hash).await?;
        }
        let rows = circuit_items::published(&db, circuit.id, page).await?;
        Ok((circuit, Page::cut(rows, page, |item| Cursor::new("", item.dfid))))
    }

    /// Counts what the public view of a circuit shows.
    pub async fn count_published(&self, circuit: CircuitId) -> Result<u64> {
        // As for the view itself.
        let scope = db::Scope::system();
        Ok(circuit_items::count_published(&self.db().scoped(&scope), circuit).await?)
    }

    async fn check_public_password(&self, password: Option<&str>, hash: &str) -> Result<()> {
        let wrong = || {
            AppError::new(
                ErrorCode::Unauthenticated,
                "this public view wants its password in `X-Access-Password`",
            )
        };
        let password = password.ok_or_else(wrong)?;
        if self.parts.identity.check_text(password, hash, self.ids()).await? {
            Ok(())
        } else {
            Err(wrong())
        }
    }
}
