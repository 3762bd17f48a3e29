//! The statements of an import: a handful for hundreds of families.

use diesel::sql_types::{Array, Binary, Date, Jsonb, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde_json::Value;

use super::super::{Family, Member};
use crate::platform::db::{Scoped, Tx};
use crate::platform::error::Result;

/// `unnest` cannot take arrays of arrays apart, so a list of words travels as one text.
fn joined(words: &[Option<String>]) -> String {
    words.iter().flatten().cloned().collect::<Vec<_>>().join(",")
}

/// Registers families as this source states them.
pub(super) async fn insert_families(tx: &Tx, rows: Vec<Family>, stated: &Value) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    diesel::sql_query(
        "INSERT INTO beneficiaries (id, region_code, address, attributes, needs, provenance)
         SELECT id, region_code, address, attributes::jsonb, string_to_array(needs, ','), $6
           FROM unnest($1, $2, $3, $4, $5) AS n (id, region_code, address, attributes, needs)",
    )
    .bind::<Array<SqlUuid>, _>(rows.iter().map(|row| row.id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.region_code.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| row.address.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.attributes.to_string()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| joined(&row.needs)).collect::<Vec<_>>())
    .bind::<Jsonb, _>(stated)
    .execute(&mut tx.on())
    .await?;
    Ok(())
}

/// Stores families that were on record.
pub(super) async fn update_families(tx: &Tx, rows: Vec<Family>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    diesel::sql_query(
        "UPDATE beneficiaries b
            SET address = n.address, attributes = n.attributes::jsonb, needs = string_to_array(n.needs, ','),
                provenance = n.provenance::jsonb, version = b.version + 1, updated_at = now()
           FROM unnest($1, $2, $3, $4, $5) AS n (id, address, attributes, needs, provenance)
          WHERE b.id = n.id",
    )
    .bind::<Array<SqlUuid>, _>(rows.iter().map(|row| row.id).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| row.address.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.attributes.to_string()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| joined(&row.needs)).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.provenance.to_string()).collect::<Vec<_>>())
    .execute(&mut tx.on())
    .await?;
    Ok(())
}

/// Registers members as this source states them.
pub(super) async fn insert_people(tx: &Tx, rows: Vec<Member>, stated: &Value) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    diesel::sql_query(
        "INSERT INTO members (id, beneficiary_id, name, relation, sex, birth_date, marital_status, occupation, education,
                              nik_sealed, nik_index, nik_mask, warnings, provenance)
         SELECT id, beneficiary_id, name, relation, sex, birth_date, marital_status, occupation, education,
                nik_sealed, nik_index, nik_mask, string_to_array(warnings, ','), $14
           FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
             AS n (id, beneficiary_id, name, relation, sex, birth_date, marital_status, occupation, education,
                   nik_sealed, nik_index, nik_mask, warnings)",
    )
    .bind::<Array<SqlUuid>, _>(rows.iter().map(|row| row.id).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(rows.iter().map(|row| row.beneficiary_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.relation.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| row.sex.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Date>>, _>(rows.iter().map(|row| row.birth_date).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| row.marital_status.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| row.occupation.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| row.education.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Binary>>, _>(rows.iter().map(|row| row.nik_sealed.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Binary>>, _>(rows.iter().map(|row| row.nik_index.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| row.nik_mask.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| joined(&row.warnings)).collect::<Vec<_>>())
    .bind::<Jsonb, _>(stated)
    .execute(&mut tx.on())
    .await?;
    Ok(())
}

/// Stores members who were on record.
pub(super) async fn update_people(tx: &Tx, rows: Vec<Member>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    diesel::sql_query(
        "UPDATE members m
            SET sex = n.sex, birth_date = n.birth_date, marital_status = n.marital_status, occupation = n.occupation,
                education = n.education, nik_sealed = n.nik_sealed, nik_index = n.nik_index, nik_mask = n.nik_mask,
                warnings = string_to_array(n.warnings, ','), provenance = n.provenance::jsonb, version = m.version + 1, updated_at = now()
           FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             AS n (id, sex, birth_date, marital_status, occupation, education, nik_sealed, nik_index, nik_mask, warnings, provenance)
          WHERE m.id = n.id",
    )
    .bind::<Array<SqlUuid>, _>(rows.iter().map(|row| row.id).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| row.sex.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Date>>, _>(rows.iter().map(|row| row.birth_date).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| row.marital_status.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| row.occupation.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| row.education.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Binary>>, _>(rows.iter().map(|row| row.nik_sealed.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Binary>>, _>(rows.iter().map(|row| row.nik_index.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(rows.iter().map(|row| row.nik_mask.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| joined(&row.warnings)).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows.iter().map(|row| row.provenance.to_string()).collect::<Vec<_>>())
    .execute(&mut tx.on())
    .await?;
    Ok(())
}
