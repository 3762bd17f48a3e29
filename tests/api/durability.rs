//! What the platform promises when clients go away, requests come twice and processes die: one effect, nothing left over.

use entas::platform::ids::RegionCode;
use futures_util::FutureExt;

use crate::support::World;

/// Connections of the service that sit in a transaction, after the server has seen everything sent to it.
async fn open_transactions(world: &World) -> i64 {
    let sql = "SELECT count(*) FILTER (WHERE state = 'idle in transaction'), count(*) FILTER (WHERE state LIKE 'active%')
                 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'entas' AND pid <> pg_backend_pid()";
    for _ in 0..500 {
        let row = world.sql().await.query_one(sql, &[]).await.unwrap();
        let (idle, active): (i64, i64) = (row.get(0), row.get(1));
        if idle == 0 && active == 0 {
            return 0;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    world.sql().await.query_one(sql, &[]).await.unwrap().get(0)
}

#[actix_web::test]
async fn a_caller_who_goes_away_leaves_no_open_transaction() {
    let world = World::new().await;
    let region = RegionCode::country();
    drop(world.services.write_as_system(region.clone()).await.unwrap());
    assert_eq!(open_transactions(&world).await, 0);
    for _ in 0..10 {
        // Polled once: BEGIN is on its way, and then nobody waits for it.
        let mut begin = Box::pin(world.services.write_as_system(region.clone()));
        assert!((&mut begin).now_or_never().is_none(), "it was ready at once: the test proves nothing");
        drop(begin);
    }
    assert_eq!(open_transactions(&world).await, 0);
}
