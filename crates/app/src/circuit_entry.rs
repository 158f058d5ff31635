//! How one comes into a circuit: invitations and join requests.

use std::time::Duration;

use domain::{
    circuit::{InvitationState, JoinRequestState, Permission},
    ids::{CircuitId, InvitationId, JoinRequestId, Timestamp, UserId, WorkspaceId},
    page::{Cursor, Page, PageRequest},
    problem::{ErrorCode, FieldError},
};
use serde_json::json;
use store::{
    circuit_entry::{self, Invitation, JoinRequest},
    circuit_members::{self, Member},
    circuit_roles::{self, Role},
    circuits::{self, Circuit},
    users,
};

use crate::{
    App, AppError, Ctx, Record, Result,
    circuits::{after, needs},
};

/// How long an invitation can be accepted.
const INVITATION_LIFE: Duration = Duration::from_secs(14 * 24 * 3600);
const MAX_MESSAGE: usize = 1_000;

impl App {
    /// Invites a user, by name, to a circuit. The invited decides.
    pub async fn invite_to_circuit(
        &self,
        ctx: &Ctx,
        id: CircuitId,
        username: &str,
        role: &str,
        message: &str,
    ) -> Result<Invitation> {
        let (_, caller) = self.circuit(ctx, id).await?;
        needs(&caller, Permission::Invite)?;
        check_message(message)?;
        let role = self.role_to_grant(ctx, id, &caller, role).await?;
        // The invited belongs to another tenant, whose rows the caller's own scope cannot see.
        let system = ctx.system_scope();
        let found = self.user_by_name(&self.db().scoped(&system), username).await?;
        let invited = found.ok_or_else(|| FieldError::new("username", "unknown_value", "no such user"))?;
        let mut record = Record::new(self, ctx);
        let invitation = Invitation {
            circuit_id: id,
            id: InvitationId::generate(self.ids()),
            invited_user_id: invited.id,
            invited_workspace_id: invited.home_workspace_id,
            role: role.name,
            message: message.to_owned(),
            state: InvitationState::Pending,
            invited_by: ctx.user(),
            created_at: record.now,
            expires_at: record.now.plus(INVITATION_LIFE),
        };
        if circuit_members::find(&self.db().scoped(&system), id, invited.id)
            .await?
            .is_some()
        {
            return Err(AppError::conflict("this user is a member already"));
        }
        let details = json!({"user": invited.id, "role": invitation.role});
        record.steps.push(circuit_entry::insert_invitation(&invitation));
        record.activity(Some(id), "member.invited", &invited.id.to_string(), &details);
        record.audit("circuit.member_invited", &id.to_string(), &details)?;
        record.outbox(
            "circuit.invitation",
            &json!({"circuit_id": id, "invitation_id": invitation.id, "user_id": invited.id}),
        );
        self.ask_once(&ctx.scope(), record, "this user has an open invitation already")
            .await?;
        Ok(invitation)
    }

    /// Puts an invitation or a request before those who decide it. `asked` says that one is open already.
    async fn ask_once(&self, scope: &db::Scope, record: Record<'_>, asked: &str) -> Result<()> {
        match self.db().run(scope, record.steps).await {
            Err(db::DbError::Unique { .. }) => Err(AppError::conflict(asked)),
            other => {
                other?;
                self.wake_outbox();
                Ok(())
            }
        }
    }

    /// The caller's own invitations, oldest first.
    pub async fn my_invitations(&self, ctx: &Ctx, page: &PageRequest) -> Result<Page<Invitation>> {
        // Invitations lie in circuits the caller's workspace has no part in yet; the query names the user.
        let scope = ctx.system_scope();
        let db = self.db().scoped(&scope);
        let rows = circuit_entry::invitations_for(&db, ctx.user(), after(page)?, page).await?;
        Ok(Page::cut(rows, page, |invitation| Cursor::new("", invitation.id)))
    }

    /// Counts them.
    pub async fn count_my_invitations(&self, ctx: &Ctx) -> Result<u64> {
        // As for the list.
        let scope = ctx.system_scope();
        Ok(circuit_entry::count_invitations_for(&self.db().scoped(&scope), ctx.user()).await?)
    }

    /// The invitations to a circuit, oldest first.
    pub async fn circuit_invitations(
        &self,
        ctx: &Ctx,
        id: CircuitId,
        page: &PageRequest,
    ) -> Result<Page<Invitation>> {
        let (_, caller) = self.circuit(ctx, id).await?;
        needs(&caller, Permission::Invite)?;
        let scope = ctx.scope();
        let rows = circuit_entry::invitations_of(&self.db().scoped(&scope), id, after(page)?, page).await?;
        Ok(Page::cut(rows, page, |invitation| Cursor::new("", invitation.id)))
    }

    /// Counts them.
    pub async fn count_circuit_invitations(&self, ctx: &Ctx, id: CircuitId) -> Result<u64> {
        let (_, caller) = self.circuit(ctx, id).await?;
        needs(&caller, Permission::Invite)?;
        let scope = ctx.scope();
        Ok(circuit_entry::count_invitations_of(&self.db().scoped(&scope), id).await?)
    }

    /// Accepts or declines an invitation, as the invited.
    pub async fn answer_invitation(&self, ctx: &Ctx, id: InvitationId, accept: bool) -> Result<Invitation> {
        // Until it is accepted, the circuit is none of the caller's workspace's; the query names the invited.
        let scope = ctx.system_scope();
        let found = circuit_entry::invitation(&self.db().scoped(&scope), id, ctx.user(), None).await?;
        let invitation = found.ok_or_else(|| AppError::not_found("invitation"))?;
        let mut record = Record::new(self, ctx);
        let state = match (accept, invitation.expires_at <= record.now) {
            (true, true) => {
                return Err(AppError::conflict(
                    "the invitation has expired: ask for a new one",
                ));
            }
            (true, false) => InvitationState::Accepted,
            (false, _) => InvitationState::Declined,
        };
        record
            .steps
            .push(circuit_entry::decide_invitation(&invitation, state, record.now));
        if accept {
            let db = self.db().scoped(&scope);
            let role = circuit_roles::find(&db, invitation.circuit_id, &invitation.role).await?;
            let role = role.ok_or_else(|| {
                AppError::conflict("the role offered no longer exists: ask for a new invitation")
            })?;
            let member = self.new_member(ctx.user(), invitation.invited_workspace_id, &role, record.now);
            record.steps.extend(entering(invitation.circuit_id, &member));
        }
        let (action, circuit) = (format!("invitation.{state}"), invitation.circuit_id);
        let details = json!({"role": invitation.role});
        record.activity(Some(circuit), &action, &id.to_string(), &details);
        record.audit(&action, &circuit.to_string(), &details)?;
        let member = "you are a member of this circuit already: decline the invitation";
        self.admit(&scope, record, ("the invitation was decided already", member))
            .await?;
        Ok(Invitation { state, ..invitation })
    }

    /// Takes an open invitation back.
    pub async fn revoke_invitation(&self, ctx: &Ctx, circuit: CircuitId, id: InvitationId) -> Result<()> {
        let (_, caller) = self.circuit(ctx, circuit).await?;
        needs(&caller, Permission::Invite)?;
        let scope = ctx.scope();
        let found =
            circuit_entry::invitation(&self.db().scoped(&scope), id, ctx.user(), Some(circuit)).await?;
        let invitation = found
            .filter(|one| one.circuit_id == circuit)
            .ok_or_else(|| AppError::not_found("invitation"))?;
        let mut record = Record::new(self, ctx);
        record.steps.push(circuit_entry::decide_invitation(
            &invitation,
            InvitationState::Revoked,
            record.now,
        ));
        record.audit(
            "circuit.invitation_revoked",
            &circuit.to_string(),
            &json!({"invitation": id}),
        )?;
        self.decide(&scope, record, "the invitation was decided already")
            .await
    }

    /// Asks to join a circuit that shows itself to the public.
    pub async fn request_to_join(&self, ctx: &Ctx, circuit: CircuitId, message: &str) -> Result<JoinRequest> {
        check_message(message)?;
        // The asker is no member yet. Only circuits with a public view can be asked; others answer as if absent.
        let scope = ctx.system_scope();
        let slug = circuit.uuid().simple().to_string();
        let found = circuits::by_slug(&self.db().scoped(&scope), &slug).await?;
        let shown: Circuit = found
            .filter(|one| one.status.allows_exchange() && one.public.is_shown_at(self.now()))
            .ok_or_else(|| AppError::not_found("circuit"))?;
        if circuit_members::find(&self.db().scoped(&scope), shown.id, ctx.user())
            .await?
            .is_some()
        {
            return Err(AppError::conflict("you are a member already"));
        }
        let mut record = Record::new(self, ctx);
        let request = JoinRequest {
            circuit_id: shown.id,
            id: JoinRequestId::generate(self.ids()),
            workspace_id: ctx.workspace(),
            user_id: ctx.user(),
            message: message.to_owned(),
            state: JoinRequestState::Pending,
            created_at: record.now,
        };
        record.steps.push(circuit_entry::insert_request(&request));
        record.outbox(
            "circuit.join_request",
            &json!({"circuit_id": shown.id, "request_id": request.id}),
        );
        self.ask_once(&scope, record, "you have asked already").await?;
        Ok(request)
    }

    /// The join requests of a circuit, for those who decide them.
    pub async fn join_requests(
        &self,
        ctx: &Ctx,
        id: CircuitId,
        page: &PageRequest,
    ) -> Result<Page<JoinRequest>> {
        let (_, caller) = self.circuit(ctx, id).await?;
        needs(&caller, Permission::ManageMembers)?;
        let scope = ctx.scope();
        let rows = circuit_entry::requests(&self.db().scoped(&scope), id, after(page)?, page).await?;
        Ok(Page::cut(rows, page, |request| Cursor::new("", request.id)))
    }

    /// Counts them.
    pub async fn count_join_requests(&self, ctx: &Ctx, id: CircuitId) -> Result<u64> {
        let (_, caller) = self.circuit(ctx, id).await?;
        needs(&caller, Permission::ManageMembers)?;
        let scope = ctx.scope();
        Ok(circuit_entry::count_requests(&self.db().scoped(&scope), id).await?)
    }

    /// The caller's own join requests.
    pub async fn my_join_requests(&self, ctx: &Ctx, page: &PageRequest) -> Result<Page<JoinRequest>> {
        // The circuits asked are not the caller's workspace's; the query names the user.
        let scope = ctx.system_scope();
        let db = self.db().scoped(&scope);
        let rows = circuit_entry::requests_by(&db, ctx.user(), after(page)?, page).await?;
        Ok(Page::cut(rows, page, |request| Cursor::new("", request.id)))
    }

    /// Counts them.
    pub async fn count_my_join_requests(&self, ctx: &Ctx) -> Result<u64> {
        // As for the list.
        let scope = ctx.system_scope();
        Ok(circuit_entry::count_requests_by(&self.db().scoped(&scope), ctx.user()).await?)
    }

    /// Approves a join request with a role, or rejects it.
    pub async fn decide_join_request(
        &self,
        ctx: &Ctx,
        circuit: CircuitId,
        id: JoinRequestId,
        role: Option<&str>,
    ) -> Result<JoinRequest> {
        let (_, caller) = self.circuit(ctx, circuit).await?;
        needs(&caller, Permission::ManageMembers)?;
        let scope = ctx.scope();
        let found = circuit_entry::request(&self.db().scoped(&scope), circuit, id).await?;
        let request = found.ok_or_else(|| AppError::not_found("join request"))?;
        let mut record = Record::new(self, ctx);
        let state = if role.is_some() {
            JoinRequestState::Approved
        } else {
            JoinRequestState::Rejected
        };
        record.steps.push(circuit_entry::decide_request(
            &request,
            state,
            ctx.user(),
            record.now,
        ));
        if let Some(role) = role {
            let role = self.role_to_grant(ctx, circuit, &caller, role).await?;
            let member = self.new_member(request.user_id, request.workspace_id, &role, record.now);
            record.steps.extend(entering(circuit, &member));
        }
        let action = format!("join_request.{state}");
        record.activity(
            Some(circuit),
            &action,
            &id.to_string(),
            &json!({"user": request.user_id}),
        );
        record.audit(&action, &circuit.to_string(), &json!({"user": request.user_id}))?;
        let member = "this user is a member already: reject the request";
        self.admit(&scope, record, ("the request was decided already", member))
            .await?;
        Ok(JoinRequest { state, ..request })
    }

    /// Runs steps whose first one decides an invitation or a request, and others may make a member. Nothing happens if
    /// it was decided before (`too_late`), or if the user is a member by now (`member`).
    async fn admit(
        &self,
        scope: &db::Scope,
        mut record: Record<'_>,
        (too_late, member): (&str, &str),
    ) -> Result<()> {
        let rest = record.steps.split_off(1);
        let tx = self.db().begin(scope).await?;
        let first = tx.pipeline(record.steps).await?;
        let outcome = if first != [1] {
            Err(AppError::new(ErrorCode::InvalidTransition, too_late))
        } else {
            match tx.pipeline(rest).await {
                Err(error) if circuit_members::is_member_already(&error) => Err(AppError::conflict(member)),
                other => other.map(drop).map_err(AppError::from),
            }
        };
        self.finish(outcome, tx).await
    }

    /// The user with this name, compared as names are: without regard to case.
    pub(crate) async fn user_by_name(&self, db: &impl db::Read, name: &str) -> Result<Option<users::User>> {
        let Some(id) = users::find_id(db, &name.trim().to_lowercase()).await? else {
            return Ok(None);
        };
        Ok(users::find(db, id).await?.map(|account| account.user))
    }

    fn new_member(
        &self,
        user_id: UserId,
        workspace_id: WorkspaceId,
        role: &Role,
        joined_at: Timestamp,
    ) -> Member {
        Member {
            user_id,
            workspace_id,
            role: role.name.clone(),
            permissions: role.permissions,
            joined_at,
        }
    }
}

/// The steps that let somebody in, and end the other ways in that were open.
fn entering(circuit: CircuitId, member: &Member) -> Vec<db::Step> {
    let mut steps = circuit_members::insert(circuit, member);
    steps.extend(circuit_entry::end_open(circuit, member.user_id, member.joined_at));
    steps
}

fn check_message(message: &str) -> Result<()> {
    if message.chars().count() <= MAX_MESSAGE {
        return Ok(());
    }
    let text = format!("must have at most {MAX_MESSAGE} characters");
    Err(FieldError::new("message", "too_long", text).into())
}
