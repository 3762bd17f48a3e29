//! SQL of new names for people: their keys change when those of the installation do.

use std::collections::BTreeSet;

use diesel::sql_types::{Array, Text, Uuid as SqlUuid};
use diesel::{QueryDsl, QueryableByName, SelectableHelper};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::review::Decision;
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::Result;
use crate::schema::match_decisions;

/// Lasting keys before and after, in the same order.
#[derive(Debug, Default)]
pub struct Renamed {
    /// The statements that tell of these people, of all releases.
    pub statements: Vec<Uuid>,
    /// As people decided about them.
    pub before: Vec<String>,
    /// As they are called from now on.
    pub after: Vec<String>,
}

/// A release that came under the new keys, matched before the old ones were gone, may have been decided about a second time:
/// the decisions that cannot stand beside another one about the same two people. What holds goes before what is proposed,
/// the older before the newer.
pub async fn decided_twice(tx: &mut Tx, renamed: &Renamed) -> Result<Vec<Decision>> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    let found: Vec<Found> = diesel::sql_query(
        "WITH n AS (SELECT DISTINCT before, after FROM unnest($1, $2) AS n (before, after)),
              m AS (SELECT d.id, d.state, coalesce(x.after, d.one_key) COLLATE \"C\" AS a, coalesce(y.after, d.other_key) COLLATE \"C\" AS b
                      FROM match_decisions d LEFT JOIN n x ON x.before = d.one_key LEFT JOIN n y ON y.before = d.other_key
                     WHERE d.state <> 'undone')
         SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY least(a, b), greatest(a, b) ORDER BY state = 'in_force' DESC, id) AS place
                           FROM m) r WHERE place > 1",
    )
    .bind::<Array<Text>, _>(&renamed.before)
    .bind::<Array<Text>, _>(&renamed.after)
    .load(&mut tx.on())
    .await?;
    let mut decisions = Vec::new();
    for Found { id } in found {
        decisions.push(match_decisions::table.select(Decision::as_select()).find(id).first(&mut tx.on()).await?);
    }
    Ok(decisions)
}

/// Gives people their new names in pairs and decisions; tells whose results are to be derived anew: those about whom a decision was
/// renamed, and those whose pair a run stored under names that their decision had left already. The pairs are those of the families'
/// statements, and wherever else a decision holds: somebody whom the source keys by a number may be in another family by now.
pub async fn rename(tx: &mut Tx, renamed: &Renamed) -> Result<BTreeSet<(String, String)>> {
    #[derive(QueryableByName)]
    struct Named {
        #[diesel(sql_type = Text)]
        one_key: String,
        #[diesel(sql_type = Text)]
        other_key: String,
    }
    let caught_up: Vec<Named> = diesel::sql_query(
        "WITH n AS (SELECT DISTINCT before, after FROM unnest($1, $2) AS n (before, after)),
              hit AS (SELECT id, one_key, other_key FROM match_pairs WHERE left_statement_id = ANY ($3)
                      UNION SELECT id, one_key, other_key FROM match_pairs WHERE right_statement_id = ANY ($3)),
              m AS (SELECT h.id, coalesce(x.after, h.one_key) COLLATE \"C\" AS a, coalesce(y.after, h.other_key) COLLATE \"C\" AS b
                      FROM hit h LEFT JOIN n x ON x.before = h.one_key LEFT JOIN n y ON y.before = h.other_key
                     WHERE x.after IS NOT NULL OR y.after IS NOT NULL),
              u AS (UPDATE match_pairs p SET one_key = least(m.a, m.b), other_key = greatest(m.a, m.b) FROM m WHERE p.id = m.id
                    RETURNING p.one_key, p.other_key)
         SELECT u.one_key, u.other_key FROM u JOIN match_decisions d USING (one_key, other_key) WHERE d.state <> 'undone'",
    )
    .bind::<Array<Text>, _>(&renamed.before)
    .bind::<Array<Text>, _>(&renamed.after)
    .bind::<Array<SqlUuid>, _>(&renamed.statements)
    .load(&mut tx.on())
    .await?;
    diesel::sql_query(
        "WITH n AS (SELECT DISTINCT before, after FROM unnest($1, $2) AS n (before, after)),
              m AS (SELECT d.one_key, d.other_key, coalesce(x.after, d.one_key) COLLATE \"C\" AS a, coalesce(y.after, d.other_key) COLLATE \"C\" AS b
                      FROM match_decisions d LEFT JOIN n x ON x.before = d.one_key LEFT JOIN n y ON y.before = d.other_key
                     WHERE x.after IS NOT NULL OR y.after IS NOT NULL)
         UPDATE match_pairs p SET one_key = least(m.a, m.b), other_key = greatest(m.a, m.b) FROM m
          WHERE p.one_key = m.one_key AND p.other_key = m.other_key",
    )
    .bind::<Array<Text>, _>(&renamed.before)
    .bind::<Array<Text>, _>(&renamed.after)
    .execute(&mut tx.on())
    .await?;
    let named: Vec<Named> = diesel::sql_query(
        "WITH n AS (SELECT DISTINCT before, after FROM unnest($1, $2) AS n (before, after)),
              m AS (SELECT d.id, coalesce(x.after, d.one_key) COLLATE \"C\" AS a, coalesce(y.after, d.other_key) COLLATE \"C\" AS b
                      FROM match_decisions d LEFT JOIN n x ON x.before = d.one_key LEFT JOIN n y ON y.before = d.other_key
                     WHERE x.after IS NOT NULL OR y.after IS NOT NULL)
         UPDATE match_decisions d SET one_key = least(m.a, m.b), other_key = greatest(m.a, m.b) FROM m WHERE d.id = m.id
         RETURNING d.one_key, d.other_key",
    )
    .bind::<Array<Text>, _>(&renamed.before)
    .bind::<Array<Text>, _>(&renamed.after)
    .load(&mut tx.on())
    .await?;
    Ok(caught_up.into_iter().chain(named).map(|named| (named.one_key, named.other_key)).collect())
}
