//! The schema: up, down and up again gives the same; what the code believes is what the database has.

use std::collections::BTreeMap;

use entas::platform::Services;

use crate::support::db::{Database, look};
use crate::support::world::{config, keys};

/// Everything a schema is made of, as text.
async fn shape(url: &str) -> Vec<String> {
    let sql = look(url).await;
    let query = "
        SELECT format('column %s.%s %s null=%s default=%s', table_name, column_name, udt_name, is_nullable, column_default)
          FROM information_schema.columns WHERE table_schema = 'public'
        UNION ALL SELECT format('constraint %s %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT format('index %s', indexdef) FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT format('trigger %s', pg_get_triggerdef(oid)) FROM pg_trigger WHERE NOT tgisinternal
        ORDER BY 1";
    sql.query(query, &[]).await.unwrap().iter().map(|row| row.get::<_, String>(0)).collect()
}

#[actix_web::test]
async fn migrations_go_up_down_and_up_again() {
    let database = Database::empty().await;
    let services = Services::new(config(&database.url), keys()).unwrap();
    let up = services.db.migrate().await.unwrap();
    let first = shape(&database.url).await;
    assert!(up >= 7 && first.len() > 100);
    assert_eq!(services.db.migrate().await.unwrap(), 0, "a second run applies nothing");
    assert_eq!(services.db.revert_all().await.unwrap(), up);
    let left: Vec<String> = shape(&database.url).await.into_iter().filter(|line| !line.contains("__diesel")).collect();
    assert!(left.is_empty(), "down.sql leaves behind: {left:?}");
    services.db.migrate().await.unwrap();
    assert_eq!(shape(&database.url).await, first);
}

#[actix_web::test]
async fn the_code_believes_what_the_database_has() {
    let database = Database::new().await;
    let sql = look(&database.url).await;
    let rows = sql
        .query(
            "SELECT c.table_name, c.column_name, c.is_nullable = 'YES', c.udt_name FROM information_schema.columns c
              JOIN information_schema.tables t USING (table_schema, table_name)
              WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.table_name <> '__diesel_schema_migrations' ORDER BY 1, c.ordinal_position",
            &[],
        )
        .await
        .unwrap();
    let mut real: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        let (table, column, nullable, kind): (String, String, bool, String) = (row.get(0), row.get(1), row.get(2), row.get(3));
        let kind = match kind.as_str() {
            "text" => "Text",
            "uuid" => "Uuid",
            "int2" => "Int2",
            "int4" => "Int4",
            "int8" => "Int8",
            "float8" => "Float8",
            "bool" => "Bool",
            "date" => "Date",
            "timestamptz" => "Timestamptz",
            "bytea" => "Bytea",
            "json" => "Json",
            "jsonb" => "Jsonb",
            "_text" => "Array<Nullable<Text>>",
            "_uuid" => "Array<Nullable<Uuid>>",
            "_bytea" => "Array<Nullable<Bytea>>",
            other => panic!("a new column type: {other}"),
        };
        let kind = if nullable { format!("Nullable<{kind}>") } else { kind.to_owned() };
        real.entry(table).or_default().push(format!("{column} -> {kind}"));
    }
    let text = std::fs::read_to_string("src/schema.rs").unwrap();
    let mut believed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for block in text.split("diesel::table! {").skip(1) {
        let mut lines = block.lines().map(str::trim).filter(|line| !line.is_empty());
        let table = lines.next().unwrap().split_whitespace().next().unwrap().to_owned();
        let columns = lines.take_while(|line| *line != "}").filter(|line| line.contains(" -> "));
        believed.insert(table, columns.map(|line| line.trim_end_matches(',').to_owned()).collect());
    }
    assert_eq!(believed, real, "run `diesel print-schema > src/schema.rs`");
}
