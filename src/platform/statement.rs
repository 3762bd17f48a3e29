//! A statement that no query builder writes well: put together from fixed text, regions and bound values.
//!
//! The text is part of the program and the scope stays the platform's own expression, so nothing that was sent is ever text.

use diesel::expression::SqlLiteral;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Jsonb, Nullable, Text, Untyped, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use super::access::{Within, under};
use super::db::Scoped;
use super::error::Result;
use super::ids::RegionCode;

/// A statement in the making.
#[derive(Default)]
pub struct Statement {
    parts: Vec<Part>,
}

enum Part {
    Sql(&'static str),
    Regions(Within<SqlLiteral<Text>>),
    Text(Option<String>),
    Number(Option<i64>),
    Id(Option<Uuid>),
}

impl Statement {
    /// Text of the program.
    pub fn sql(mut self, text: &'static str) -> Self {
        self.parts.push(Part::Sql(text));
        self
    }

    /// The column's region lies in the scope and, where one is asked for, under a region.
    pub fn regions(mut self, db: &impl Scoped, column: &'static str, region: Option<&RegionCode>) -> Self {
        self.parts.push(Part::Regions(db.scope().within(diesel::dsl::sql::<Text>(column))));
        if let Some(region) = region {
            self.parts.push(Part::Sql(" AND "));
            self.parts.push(Part::Regions(under(diesel::dsl::sql::<Text>(column), region)));
        }
        self
    }

    /// A text.
    pub fn text(mut self, value: impl Into<String>) -> Self {
        self.parts.push(Part::Text(Some(value.into())));
        self
    }

    /// A text or NULL.
    pub fn maybe_text(mut self, value: Option<String>) -> Self {
        self.parts.push(Part::Text(value));
        self
    }

    /// A number or NULL.
    pub fn number(mut self, value: Option<i64>) -> Self {
        self.parts.push(Part::Number(value));
        self
    }

    /// An id or NULL.
    pub fn id(mut self, value: impl Into<Option<Uuid>>) -> Self {
        self.parts.push(Part::Id(value.into()));
        self
    }
}

impl QueryFragment<Pg> for Statement {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // The best plan depends on how many families the regions hold: it is made anew each time (under a millisecond).
        out.unsafe_to_cache_prepared();
        for part in &self.parts {
            match part {
                Part::Sql(text) => out.push_sql(text),
                Part::Regions(within) => within.walk_ast(out.reborrow())?,
                Part::Text(value) => out.push_bind_param::<Nullable<Text>, Option<String>>(value)?,
                Part::Number(value) => out.push_bind_param::<Nullable<BigInt>, Option<i64>>(value)?,
                Part::Id(value) => out.push_bind_param::<Nullable<SqlUuid>, Option<Uuid>>(value)?,
            }
        }
        Ok(())
    }
}

impl QueryId for Statement {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement {
    type SqlType = Untyped;
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Jsonb)]
    answer: Value,
}

impl Statement {
    /// The one row with the one column `answer`, a JSON that holds a `T`.
    pub async fn answer<T: DeserializeOwned>(self, db: &impl Scoped) -> Result<T> {
        let Answer { answer } = self.get_result(&mut db.on()).await?;
        Ok(serde_json::from_value(answer).map_err(|cause| anyhow::Error::new(cause).context("aggregate"))?)
    }
}
