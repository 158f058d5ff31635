//! Looks into the tables beside the running program: rows that only make sense together are there together.

use std::sync::Arc;

use db::{Db, DbConfig, NoObserver, Scope, statements};

statements! {
    BROKEN = "audit.broken", "
        select 'local items whose status and mapping disagree' as what, count(*) as n from local_items
         where (status = 'local_only') <> (dfid is null)
        union all
        select 'mapped local items without their item', count(*) from local_items l
         where l.dfid is not null and not exists (select 1 from items i where i.dfid = l.dfid)
        union all
        select 'mapped local items without their push', count(*) from local_items
         where dfid is not null and local_id || ' ' || dfid not in (select local_id || ' ' || dfid from operations
               where kind = 'push' and state = 'completed' and local_id is not null)
        union all
        select 'pushes without their place in the circuit', count(*) from operations o
         where o.kind = 'push' and not exists (select 1 from circuit_items c
               where c.circuit_id = o.circuit_id and c.dfid = o.dfid and c.operation_id = o.id)
        union all
        select 'places without their push', count(*) from circuit_items c
         where not exists (select 1 from operations o where o.circuit_id = c.circuit_id and o.id = c.operation_id)
        union all
        select 'items without an identifier', count(*) from items i
         where not exists (select 1 from item_identifiers k where k.dfid = i.dfid)
        union all
        select 'items whose history has not one entry per version', count(*) from items i
         where i.version <> (select count(*) from item_history h where h.dfid = i.dfid)
        union all
        select 'identifiers without their local item', count(*) from local_identifiers k
         where not exists (select 1 from local_items l where l.workspace_id = k.workspace_id and l.local_id = k.local_id)
        union all
        select 'pushes that have not one event each', count(*) from operations o
         where 1 <> (select count(*) from events e
               where e.dfid = o.dfid and e.circuit_id = o.circuit_id and e.event_type = 'item.pushed')
        union all
        select 'pushes without their activity', count(*) from operations
         where dfid not in (select target from activities where action = 'item.pushed')
        union all
        select 'activities without their push, or with several', abs((select count(*) from operations)
                 - (select count(*) from activities where action = 'item.pushed'))
        union all
        select 'items without the leaf of their tokenization', abs((select count(*) from items)
                 - (select count(*) from leaves where kind = 'tokenization'))
        union all
        select 'events without their leaf', count(*) from events e
         where not exists (select 1 from leaves l where l.workspace_id = e.workspace_id and l.id = e.leaf_id)
        union all
        select 'pushes that nobody will be told of', count(*)
          from (select dfid from events where event_type = 'item.pushed' order by id desc limit 500) e
         where dfid not in (
               select payload->>'dfid' from outbox where topic = 'item.pushed'
               union all
               select body->'details'->>'dfid' from live_messages where body->>'type' = 'item.pushed')";
    TORN = "audit.torn",
        sqlite: "select count(*) as n from pragma_integrity_check where integrity_check <> 'ok'",
        postgres: "select count(*) as n from pg_index where not indisvalid";
}

/// Fails if anything in the tables is half made.
pub async fn whole(config: &DbConfig, place: &str) {
    let db = Db::open(config.clone(), Arc::new(NoObserver)).await.unwrap();
    let scope = Scope::system();
    for row in db.all(&scope, BROKEN, Vec::new()).await.unwrap() {
        let (what, found): (String, i64) = (row.get("what").unwrap(), row.get("n").unwrap());
        assert_eq!(found, 0, "half made: {what} ({place})");
    }
    let torn: i64 = db.one(&scope, TORN, Vec::new()).await.unwrap().get("n").unwrap();
    assert_eq!(torn, 0, "the database itself is damaged ({place})");
    db.close().await;
}
