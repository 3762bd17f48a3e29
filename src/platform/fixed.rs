//! A fixed piece of SQL inside a typed query, kept prepared.
//!
//! diesel's own `sql` forbids the statement to be kept, because its text may vary; preparing a read of five tables anew
//! costs three times its execution (measured). A text that is `&'static` cannot vary, so it may be kept.

use std::marker::PhantomData;

use diesel::expression::ValidGrouping;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::SingleValue;
use diesel::{AppearsOnTable, Expression, QueryResult, SelectableExpression};

/// See [`fixed`].
#[derive(Debug, Clone, Copy)]
pub struct Fixed<ST> {
    text: &'static str,
    kind: PhantomData<ST>,
}

/// A fixed expression of type `ST`. Its columns must belong to the query it stands in; the database checks that.
pub fn fixed<ST: SingleValue>(text: &'static str) -> Fixed<ST> {
    Fixed { text, kind: PhantomData }
}

impl<ST> QueryFragment<Pg> for Fixed<ST> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(self.text);
        Ok(())
    }
}

impl<ST: SingleValue> Expression for Fixed<ST> {
    type SqlType = ST;
}

impl<ST, QS> AppearsOnTable<QS> for Fixed<ST> where Fixed<ST>: Expression {}
impl<ST, QS> SelectableExpression<QS> for Fixed<ST> where Fixed<ST>: Expression {}

impl<ST, G> ValidGrouping<G> for Fixed<ST> {
    type IsAggregate = diesel::expression::is_aggregate::No;
}

impl<ST> QueryId for Fixed<ST> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
