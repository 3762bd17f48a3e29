//! Who asks and what they may see: `Access<G>` is the only way to a connection, and it carries the scope of grant `G`.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, Bool, Text};
use diesel::{AppearsOnTable, Expression, QueryResult, SelectableExpression};
use uuid::Uuid;

use super::Platform;
use super::db::{Author, Read, Tx};
use super::error::{Code, Error, Result};
use super::ids::{Level, RegionCode, new_id};
use super::policy::{Grant, Role};
use super::reads::Seen;

/// One assignment as it counts now.
#[derive(Debug, Clone)]
pub struct Held {
    /// As what.
    pub role: Role,
    /// Where, and everywhere under it.
    pub region: RegionCode,
    /// For which agency, where the role acts for one.
    pub agency: Option<Uuid>,
}

/// Whoever may act: a person, a service account or the system.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The record id.
    pub id: Uuid,
    /// The name they sign in with.
    pub name: String,
    /// The name that people read.
    pub display_name: String,
    /// `person`, `service` or `system`.
    pub kind: String,
    /// The region whose administrators keep this account.
    pub region: RegionCode,
    /// The session that the token belongs to.
    pub session: Uuid,
    /// The assignments in force.
    pub held: Vec<Held>,
}

impl Actor {
    /// The scope of a grant: the regions of those assignments whose role carries it.
    pub fn scope<G: Grant>(&self) -> Scope {
        let roots = match G::ROLES {
            None => vec![Root { region: self.region.clone(), agency: None }],
            Some(roles) => self
                .held
                .iter()
                .filter(|held| roles.contains(&held.role))
                .map(|held| Root { region: held.region.clone(), agency: held.agency })
                .collect(),
        };
        Scope { roots: roots.into() }
    }
}

/// A region (and everything under it), optionally narrowed to one agency's own records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The region.
    pub region: RegionCode,
    /// The agency.
    pub agency: Option<Uuid>,
}

/// What may be seen or written: never everything, not even for the nation, whose root is the country. By default nothing.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    roots: Arc<[Root]>,
}

impl Scope {
    /// The scope of one region.
    pub fn of(region: RegionCode) -> Scope {
        Scope { roots: vec![Root { region, agency: None }].into() }
    }

    /// Its roots.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// Whether a region lies in it.
    pub fn covers(&self, region: &RegionCode) -> bool {
        self.roots.iter().any(|root| root.region.contains(region))
    }

    /// Whether an agency's record in a region lies in it.
    pub fn covers_agency(&self, region: &RegionCode, agency: Uuid) -> bool {
        self.roots.iter().any(|root| root.region.contains(region) && root.agency.is_none_or(|own| own == agency))
    }

    /// The region, when it lies in the scope; what you may not see does not exist.
    pub fn demand(&self, region: &RegionCode) -> Result<()> {
        if self.covers(region) { Ok(()) } else { Err(Code::RegionNotFound.into()) }
    }

    /// SQL: the column's region lies in this scope.
    pub fn within<C>(&self, column: C) -> Within<C> {
        let mut groups: Vec<(Level, Vec<String>)> = Vec::new();
        for root in self.roots.iter() {
            push(&mut groups, root.region.level(), root.region.prefix());
        }
        Within { column, groups }
    }

    /// SQL: the column's region lies in this scope or above it; for reference records (agencies, programs) that a
    /// regency keeps for its villages.
    pub fn reaching<C>(&self, column: C) -> Reaching<C> {
        let mut above: Vec<String> = Vec::new();
        for root in self.roots.iter() {
            above.extend(root.region.ancestors().iter().map(|region| region.as_str().to_owned()));
        }
        above.sort();
        above.dedup();
        Reaching { within: self.within(column), above }
    }

    /// The agencies it is narrowed to, or `None` where any root is not narrowed.
    pub fn agencies(&self) -> Option<Vec<Uuid>> {
        self.roots.iter().map(|root| root.agency).collect()
    }
}

/// SQL: the column's region is this one or lies under it.
pub fn under<C>(column: C, region: &RegionCode) -> Within<C> {
    Within { column, groups: vec![(region.level(), vec![region.prefix().to_owned()])] }
}

fn push(groups: &mut Vec<(Level, Vec<String>)>, level: Level, prefix: &str) {
    match groups.iter_mut().find(|(known, _)| *known == level) {
        Some((_, prefixes)) => {
            if !prefixes.iter().any(|known| known == prefix) {
                prefixes.push(prefix.to_owned());
            }
        }
        None => groups.push((level, vec![prefix.to_owned()])),
    }
}

/// `left(column, n) = root` for each level of root: the one shape of scope in SQL, served by expression indexes.
#[derive(Debug, Clone)]
pub struct Within<C> {
    column: C,
    groups: Vec<(Level, Vec<String>)>,
}

/// [`Within`], or one of the regions above.
#[derive(Debug, Clone)]
pub struct Reaching<C> {
    within: Within<C>,
    above: Vec<String>,
}

impl<C: QueryFragment<Pg>> QueryFragment<Pg> for Within<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("(");
        if self.groups.is_empty() {
            out.push_sql("FALSE");
        }
        for (at, (level, prefixes)) in self.groups.iter().enumerate() {
            if at > 0 {
                out.push_sql(" OR ");
            }
            // A village code is a whole one: the bare column serves its index and its foreign keys too.
            if *level == Level::Village {
                self.column.walk_ast(out.reborrow())?;
            } else {
                out.push_sql("left(");
                self.column.walk_ast(out.reborrow())?;
                out.push_sql(match level {
                    Level::Country => ", 0)",
                    Level::Province => ", 2)",
                    Level::Regency => ", 5)",
                    _ => ", 8)",
                });
            }
            match prefixes.as_slice() {
                [one] => {
                    out.push_sql(" = ");
                    out.push_bind_param::<Text, String>(one)?;
                }
                many => {
                    out.push_sql(" = ANY(");
                    out.push_bind_param::<Array<Text>, [String]>(many)?;
                    out.push_sql(")");
                }
            }
        }
        out.push_sql(")");
        Ok(())
    }
}

impl<C: QueryFragment<Pg>> QueryFragment<Pg> for Reaching<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("(");
        self.within.walk_ast(out.reborrow())?;
        out.push_sql(" OR ");
        self.within.column.walk_ast(out.reborrow())?;
        out.push_sql(" = ANY(");
        out.push_bind_param::<Array<Text>, [String]>(self.above.as_slice())?;
        out.push_sql("))");
        Ok(())
    }
}

macro_rules! boolean_expression {
    ($name:ident) => {
        impl<C: Expression> Expression for $name<C> {
            type SqlType = Bool;
        }
        impl<C, QS> AppearsOnTable<QS> for $name<C>
        where
            $name<C>: Expression,
            C: AppearsOnTable<QS>,
        {
        }
        impl<C, QS> SelectableExpression<QS> for $name<C>
        where
            $name<C>: AppearsOnTable<QS>,
            C: SelectableExpression<QS>,
        {
        }
        impl<C, G> diesel::expression::ValidGrouping<G> for $name<C> {
            type IsAggregate = diesel::expression::is_aggregate::No;
        }
        // The text depends on the number and levels of the roots.
        impl<C> QueryId for $name<C> {
            type QueryId = ();
            const HAS_STATIC_QUERY_ID: bool = false;
        }
    };
}
boolean_expression!(Within);
boolean_expression!(Reaching);

/// What the session middleware found out about a request.
pub struct Asked {
    /// The service.
    pub platform: Rc<Platform>,
    /// The request's id, as in the answer's `x-request-id` and in the log.
    pub request_id: Uuid,
    /// Nobody, or somebody with a valid token.
    pub actor: Option<Arc<Actor>>,
    /// The claim on the request's Idempotency-Key.
    pub claim: std::cell::Cell<Option<Uuid>>,
    /// The records of reading that this request made: whoever gets its answer again reads the same again.
    pub seen: std::cell::RefCell<Vec<Seen>>,
}

/// The request as the middleware left it.
pub fn asked(request: &HttpRequest) -> Result<Rc<Asked>> {
    request.extensions().get::<Rc<Asked>>().cloned().ok_or_else(|| anyhow::anyhow!("mounted outside the session middleware").into())
}

/// A signed-in actor who holds grant `G` somewhere. The first parameter of every guarded handler.
pub struct Access<G> {
    asked: Rc<Asked>,
    actor: Arc<Actor>,
    scope: Scope,
    grant: PhantomData<G>,
}

impl<G: Grant> Access<G> {
    /// Who asks.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The scope of the grant.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The scope of another grant of the same actor, for what is shown only to some: empty where it is not held.
    pub fn scope_of<Other: Grant>(&self) -> Scope {
        self.actor.scope::<Other>()
    }

    /// The service: keys, settings, clocks.
    pub fn platform(&self) -> &Platform {
        &self.asked.platform
    }

    /// The request's id.
    pub fn request_id(&self) -> Uuid {
        self.asked.request_id
    }

    /// A connection for quick reads.
    pub async fn read(&self) -> Result<Read> {
        self.asked.platform.reader.read(self.scope.clone()).await
    }

    /// A connection for reads that may take long, out of the way of the quick ones.
    pub async fn read_apart(&self) -> Result<Read> {
        self.asked.platform.db.apart(self.scope.clone()).await
    }

    /// A transaction.
    pub async fn write(&self) -> Result<Tx> {
        let by = Author { actor_id: self.actor.id, request_id: Some(self.asked.request_id), claim: self.asked.claim.get() };
        self.asked.platform.db.begin(self.scope.clone(), by).await
    }

    /// Records that personal data was read. Fails closed: what cannot be recorded is not shown.
    pub fn record(
        &self,
        resource: &'static str,
        id: Option<Uuid>,
        action: &'static str,
        rows: usize,
        reason: Option<String>,
    ) -> Result<()> {
        let region = self.scope.roots.first().map_or_else(RegionCode::country, |root| root.region.clone());
        self.record_in(region, resource, id, action, rows, reason)
    }

    /// The same, of a record in a known region.
    pub fn record_in(
        &self,
        region: RegionCode,
        resource: &'static str,
        id: Option<Uuid>,
        action: &'static str,
        rows: usize,
        reason: Option<String>,
    ) -> Result<()> {
        let seen = Seen {
            id: new_id(),
            at: chrono::Utc::now(),
            actor_id: self.actor.id,
            region,
            resource: resource.into(),
            resource_id: id,
            action: action.into(),
            rows: i32::try_from(rows).unwrap_or(i32::MAX),
            reason,
            request_id: self.asked.request_id,
        };
        if self.asked.claim.get().is_some() {
            self.asked.seen.borrow_mut().push(seen.clone());
        }
        self.asked.platform.reads.push(seen)
    }
}

impl<G: Grant> FromRequest for Access<G> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    // Ready and in first place: whoever is not signed in gets 401 before their body is read.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(asked(request).and_then(|asked| {
            let Some(actor) = asked.actor.clone() else { return Err(Code::Unauthenticated.into()) };
            let scope = actor.scope::<G>();
            if scope.roots.is_empty() {
                return Err(Code::Forbidden.into());
            }
            Ok(Access { asked, actor, scope, grant: PhantomData })
        }))
    }
}

/// Anybody, signed in or not. The other permitted first parameter.
pub struct Anyone {
    asked: Rc<Asked>,
}

impl Anyone {
    /// The service.
    pub fn platform(&self) -> &Platform {
        &self.asked.platform
    }

    /// The request's id.
    pub fn request_id(&self) -> Uuid {
        self.asked.request_id
    }
}

impl FromRequest for Anyone {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(asked(request).map(|asked| Anyone { asked }))
    }
}
