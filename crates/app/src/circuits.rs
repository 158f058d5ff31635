//! Circuits: create, read, change, archive. Their roles are `circuit_roles`' subject, who belongs to them is
//! `circuit_members`'.

use domain::{
    circuit::{
        ApprovalChange, ApprovalSwitches, BuiltInRole, CircuitStatus, IdentifierRules, Permission,
        Permissions, PublicChange, PublicSettings, RuleChange, can_grant, check_texts, merge_patch,
    },
    ids::CircuitId,
    page::{Cursor, Page, PageRequest},
    problem::{ErrorCode, FieldError},
    tier::Limit,
};
use serde_json::{Map, Value, json};
use store::{
    bind,
    circuit_members::{self, Member},
    circuit_roles::{self, Role},
    circuits::{self, Circuit},
};

use crate::{App, AppError, Ctx, Record, Result};

/// The settings of a circuit that people choose. Absent ones, and what a named one leaves out, keep their value, or get
/// the default.
#[derive(Clone, Debug, Default)]
pub struct CircuitSettings {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Where it should stand.
    pub status: Option<CircuitStatus>,
    /// The namespace for identifiers that name none.
    pub default_namespace: Option<String>,
    /// What identifiers must fulfil.
    pub rules: Option<RuleChange>,
    /// What needs approval.
    pub approvals: Option<ApprovalChange>,
    /// How it shows itself to the public.
    pub public: Option<PublicChange>,
    /// Guards the public view; an empty text takes the guard away.
    pub public_password: Option<String>,
    /// Where evidence is kept.
    pub adapter: Option<Map<String, Value>>,
    /// What to tell others after an action.
    pub post_actions: Option<Map<String, Value>>,
}

impl App {
    /// Creates a circuit; the caller becomes its owner.
    pub async fn create_circuit(&self, ctx: &Ctx, settings: CircuitSettings) -> Result<Circuit> {
        let name = settings.name.clone().unwrap_or_default();
        let mut circuit = blank(ctx, CircuitId::generate(self.ids()), self.now());
        self.apply(
            &mut circuit,
            CircuitSettings {
                name: Some(name),
                status: None,
                ..settings
            },
        )
        .await?;
        let mut record = Record::new(self, ctx);
        circuit.created_at = record.now;
        circuit.updated_at = record.now;
        record.steps.push(circuits::insert(&circuit));
        record.steps.extend(owner_and_roles(&circuit));
        record.steps.extend(self.limits().count(ctx, Limit::Circuits, 1));
        record.activity(
            Some(circuit.id),
            "circuit.created",
            &circuit.id.to_string(),
            &json!({"name": circuit.name}),
        );
        record.audit(
            "circuit.created",
            &circuit.id.to_string(),
            &json!({"name": circuit.name}),
        )?;
        match self.db().run(&ctx.scope(), record.steps).await {
            Ok(_) => Ok(circuit),
            Err(error) => Err(self.limits().explain(ctx, Limit::Circuits, error).await),
        }
    }

    /// A circuit the caller is a member of, and the membership.
    pub async fn circuit(&self, ctx: &Ctx, id: CircuitId) -> Result<(Circuit, Member)> {
        let scope = ctx.scope();
        self.circuit_in(&self.db().scoped(&scope), ctx, id).await
    }

    pub(crate) async fn circuit_in(
        &self,
        db: &impl db::Read,
        ctx: &Ctx,
        id: CircuitId,
    ) -> Result<(Circuit, Member)> {
        let found = circuits::find(db, ctx.workspace(), ctx.user(), id).await?;
        found.ok_or_else(|| AppError::not_found("circuit"))
    }

    /// The circuits the caller is a member of, by id.
    pub async fn circuits(
        &self,
        ctx: &Ctx,
        status: Option<CircuitStatus>,
        page: &PageRequest,
    ) -> Result<Page<Circuit>> {
        let scope = ctx.scope();
        let after = after(page)?;
        let rows = circuits::list(
            &self.db().scoped(&scope),
            ctx.workspace(),
            ctx.user(),
            status,
            after,
            page,
        )
        .await?;
        Ok(Page::cut(rows, page, |circuit| Cursor::new("", circuit.id)))
    }

    /// Counts them.
    pub async fn count_circuits(&self, ctx: &Ctx, status: Option<CircuitStatus>) -> Result<u64> {
        let scope = ctx.scope();
        Ok(circuits::count(&self.db().scoped(&scope), ctx.workspace(), ctx.user(), status).await?)
    }

    /// Changes settings. `if_version` guards against changes made meanwhile.
    pub async fn update_circuit(
        &self,
        ctx: &Ctx,
        id: CircuitId,
        settings: CircuitSettings,
        if_version: Option<u64>,
    ) -> Result<Circuit> {
        let (mut circuit, member) = self.circuit(ctx, id).await?;
        let archives = settings.status == Some(CircuitStatus::Archived);
        needs(
            &member,
            if archives {
                Permission::Delete
            } else {
                Permission::ManagePermissions
            },
        )?;
        if if_version.is_some_and(|version| version != circuit.version) {
            return Err(changed_meanwhile());
        }
        let archives = archives && circuit.status != CircuitStatus::Archived;
        let changed: Vec<_> = settings.named();
        let settings = settings.merged_into(&circuit);
        self.apply(&mut circuit, settings).await?;
        let mut record = Record::new(self, ctx);
        record.steps.push(circuits::update(&circuit, record.now));
        record.activity(
            Some(id),
            "circuit.updated",
            &id.to_string(),
            &json!({"settings": changed}),
        );
        record.audit("circuit.updated", &id.to_string(), &json!({"settings": changed}))?;
        if archives && circuit.workspace_id == ctx.workspace() {
            record
                .steps
                .extend(self.limits().release(ctx, Limit::Circuits, 1));
        }
        circuit.version += 1;
        circuit.updated_at = record.now;
        self.run_if_first(&ctx.scope(), record.steps, changed_meanwhile())
            .await?;
        Ok(circuit)
    }

    async fn apply(&self, circuit: &mut Circuit, settings: CircuitSettings) -> Result<()> {
        let mut errors = set_texts(circuit, settings.name, settings.description);
        if let Some(status) = settings.status {
            set_status(circuit, status)?;
        }
        if let Some(namespace) = settings.default_namespace {
            errors.extend(domain::namespace::validate("default_namespace", &namespace));
            circuit.default_namespace = Some(namespace);
        }
        if let Some(rules) = settings.rules {
            rules.apply(&mut circuit.rules);
            errors.extend(circuit.rules.validate("rules"));
        }
        if let Some(approvals) = settings.approvals {
            approvals.apply(&mut circuit.approvals);
        }
        if let Some(public) = settings.public {
            public.apply(&mut circuit.public);
            errors.extend(circuit.public.validate("public"));
            let slug = || circuit.id.uuid().simple().to_string();
            circuit.public_slug = circuit.public.enabled.then(slug);
        }
        if let Some(adapter) = settings.adapter {
            errors.extend(check_object("adapter", &adapter));
            circuit.adapter = bind::json(&adapter);
        }
        if let Some(actions) = settings.post_actions {
            errors.extend(check_object("post_actions", &actions));
            circuit.post_actions = bind::json(&actions);
        }
        if !errors.is_empty() {
            return Err(AppError::invalid(errors));
        }
        if let Some(password) = settings.public_password {
            circuit.public_password_hash = self.hash_public_password(&password).await?;
        }
        Ok(())
    }

    async fn hash_public_password(&self, password: &str) -> Result<Option<String>> {
        if password.is_empty() {
            return Ok(None);
        }
        if password.len() > 256 || password.chars().count() < 8 {
            return Err(FieldError::new("public_password", "length", "must have 8 to 256 characters").into());
        }
        self.parts
            .identity
            .hash_text(password, self.ids())
            .await
            .map(Some)
    }
}

impl CircuitSettings {
    /// The settings with the free-form ones as they are once the given ones are merged into a circuit's.
    fn merged_into(self, circuit: &Circuit) -> Self {
        Self {
            adapter: self.adapter.map(|patch| merged(&circuit.adapter, patch)),
            post_actions: self
                .post_actions
                .map(|patch| merged(&circuit.post_actions, patch)),
            ..self
        }
    }

    fn named(&self) -> Vec<&'static str> {
        let given = [
            ("name", self.name.is_some()),
            ("description", self.description.is_some()),
            ("status", self.status.is_some()),
            ("default_namespace", self.default_namespace.is_some()),
            ("rules", self.rules.is_some()),
            ("approvals", self.approvals.is_some()),
            ("public", self.public.is_some()),
            ("public_password", self.public_password.is_some()),
            ("adapter", self.adapter.is_some()),
            ("post_actions", self.post_actions.is_some()),
        ];
        given
            .into_iter()
            .filter_map(|(name, given)| given.then_some(name))
            .collect()
    }
}

fn blank(ctx: &Ctx, id: CircuitId, now: domain::ids::Timestamp) -> Circuit {
    Circuit {
        id,
        workspace_id: ctx.workspace(),
        owner_id: ctx.user(),
        name: String::new(),
        description: String::new(),
        status: CircuitStatus::Active,
        default_namespace: None,
        rules: IdentifierRules::default(),
        approvals: ApprovalSwitches::default(),
        public: PublicSettings::default(),
        public_slug: None,
        public_password_hash: None,
        adapter: bind::json(&Map::new()),
        post_actions: bind::json(&Map::new()),
        version: 1,
        created_at: now,
        updated_at: now,
    }
}

/// The first member of a circuit, and the roles that every circuit has.
fn owner_and_roles(circuit: &Circuit) -> Vec<db::Step> {
    let owner = Member {
        user_id: circuit.owner_id,
        workspace_id: circuit.workspace_id,
        role: BuiltInRole::Owner.to_string(),
        permissions: BuiltInRole::Owner.permissions(),
        joined_at: circuit.created_at,
    };
    let mut steps = circuit_members::insert(circuit.id, &owner);
    for role in BuiltInRole::ALL {
        let role = Role {
            name: role.to_string(),
            permissions: role.permissions(),
            built_in: true,
        };
        steps.push(circuit_roles::insert(circuit.id, &role, circuit.created_at));
    }
    steps
}

/// Gives a circuit its name and what it is for, as far as they are named; says what is wrong with them.
fn set_texts(circuit: &mut Circuit, name: Option<String>, description: Option<String>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(name) = name {
        errors.extend(check_texts(&name, description.as_deref()));
        circuit.name = name.trim().to_owned();
    } else if let Some(description) = &description {
        errors.extend(check_texts("unchanged", Some(description)));
    }
    if let Some(description) = description {
        circuit.description = description;
    }
    errors
}

fn set_status(circuit: &mut Circuit, status: CircuitStatus) -> Result<()> {
    if status != circuit.status && !circuit.status.may_become(status) {
        return Err(AppError::conflict(format!(
            "a circuit that is {} cannot become {status}",
            circuit.status
        )));
    }
    circuit.status = status;
    Ok(())
}

/// Free-form settings with a patch merged into them.
fn merged(present: &db::JsonText, patch: Map<String, Value>) -> Map<String, Value> {
    // Written as an object, or the row would be no circuit's.
    let mut settings: Map<_, _> = serde_json::from_str(&present.0).unwrap_or_default();
    merge_patch(&mut settings, patch);
    settings
}

fn check_object(field: &str, object: &Map<String, Value>) -> Vec<FieldError> {
    domain::canonical::check_data(field, &Value::Object(object.clone()))
}

pub(crate) fn after<T: std::str::FromStr + From<uuid::Uuid>>(page: &PageRequest) -> Result<T> {
    match &page.after {
        Some(cursor) => Ok(cursor.id()?),
        None => Ok(T::from(uuid::Uuid::nil())),
    }
}

/// Refuses a member that lacks a permission.
pub(crate) fn needs(member: &Member, permission: Permission) -> Result<()> {
    if member.permissions.contains(permission) {
        return Ok(());
    }
    Err(AppError::forbidden(format!(
        "needs the permission `{permission}` in this circuit"
    )))
}

/// Refuses a grant of what the member does not hold.
pub(crate) fn grants(member: &Member, wanted: Permissions) -> Result<()> {
    if can_grant(member.permissions, wanted) {
        return Ok(());
    }
    let lacking: Vec<_> = wanted
        .without(member.permissions)
        .iter()
        .map(|one| one.as_str())
        .collect();
    Err(AppError::forbidden(format!(
        "nobody grants what they do not hold: {}",
        lacking.join(", ")
    )))
}

fn changed_meanwhile() -> AppError {
    AppError::new(
        ErrorCode::PreconditionFailed,
        "the circuit has changed: read it again, then retry",
    )
}
