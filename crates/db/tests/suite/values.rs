//! Every kind of value comes back as it went in, and arguments go where their number says.

use db::{Engine, JsonText, Micros, Scope, Value, args};
use serde_json::json;
use uuid::Uuid;

use crate::{both_engines, database};

db::statements! {
    INSERT = "kinds.insert",
        "insert into kinds (id, flag, whole, small, fraction, name, raw, uid, doc, at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    FIND = "kinds.find", "select id, flag, whole, small, fraction, name, raw, uid, doc, at from kinds where id = $1";
    RENAME = "kinds.rename", "update kinds set name = $3, whole = $2 where id = $1";
    ANY = "kinds.any", "select id from kinds where id {any:$1} and name {any:$2} order by id";
    BUCKETS = "kinds.buckets", "select {bucket:hour:at} as hour, count(*) as n from kinds group by 1 order by 1";
}

both_engines!(
    every_kind_comes_back,
    nulls_come_back,
    arguments_go_by_their_number,
    lists_match_any,
    times_round_down_to_their_bucket,
    a_wrong_number_of_arguments_is_refused,
);

async fn every_kind_comes_back(engine: Engine) {
    let place = database(engine).await;
    let (db, scope) = (place.open().await, Scope::system());
    let (uid, raw) = (Uuid::from_u128(7), vec![0_u8, 255, 39]);
    let doc = json!({"a": [1, "ä", null], "b": {"c": 1.5}});
    let given = args![
        1_i64,
        true,
        i64::MAX,
        -3_i32,
        0.1_f64,
        "it's \u{1f33e}",
        raw.clone(),
        uid,
        doc.clone(),
        Micros(-1)
    ];
    assert_eq!(db.execute(&scope, INSERT, given).await.unwrap(), 1);
    let row = db.one(&scope, FIND, args![1_i64]).await.unwrap();
    assert!(row.get::<bool>("flag").unwrap());
    assert_eq!(row.get::<i64>("whole").unwrap(), i64::MAX);
    assert_eq!(row.get::<i32>("small").unwrap(), -3);
    assert_eq!(row.get::<f64>("fraction").unwrap().to_bits(), 0.1_f64.to_bits());
    assert_eq!(row.get::<String>("name").unwrap(), "it's \u{1f33e}");
    assert_eq!(row.get::<Vec<u8>>("raw").unwrap(), raw);
    assert_eq!(row.get::<Uuid>("uid").unwrap(), uid);
    assert_eq!(row.get::<serde_json::Value>("doc").unwrap(), doc);
    let text = row.get::<JsonText>("doc").unwrap().0;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), doc);
    assert_eq!(row.get::<Micros>("at").unwrap(), Micros(-1));
    // Out of order, and what is not there.
    assert_eq!(row.get::<i64>("id").unwrap(), 1);
    assert!(
        row.get::<i64>("nothing")
            .unwrap_err()
            .to_string()
            .contains("nothing")
    );
    assert!(row.get::<i64>("name").unwrap_err().to_string().contains("name"));
}

async fn nulls_come_back(engine: Engine) {
    let place = database(engine).await;
    let (db, scope) = (place.open().await, Scope::system());
    let mut given = vec![Value::Null; 10];
    given[0] = Value::I64(1);
    db.execute(&scope, INSERT, given).await.unwrap();
    let row = db.one(&scope, FIND, args![1_i64]).await.unwrap();
    assert_eq!(row.get::<Option<Uuid>>("uid").unwrap(), None);
    assert_eq!(row.get::<Option<bool>>("flag").unwrap(), None);
    assert!(row.get::<String>("name").is_err(), "null is no text");
}

async fn arguments_go_by_their_number(engine: Engine) {
    let place = database(engine).await;
    let (db, scope) = (place.open().await, Scope::system());
    let mut given = vec![Value::Null; 10];
    given[0] = Value::I64(5);
    db.execute(&scope, INSERT, given).await.unwrap();
    assert_eq!(
        db.execute(&scope, RENAME, args![5_i64, 9_i64, "nine"])
            .await
            .unwrap(),
        1
    );
    let row = db.one(&scope, FIND, args![5_i64]).await.unwrap();
    assert_eq!(
        (
            row.get::<i64>("whole").unwrap(),
            row.get::<String>("name").unwrap()
        ),
        (9, "nine".to_owned())
    );
}

async fn lists_match_any(engine: Engine) {
    let place = database(engine).await;
    let (db, scope) = (place.open().await, Scope::system());
    for (id, name) in [(1_i64, "a"), (2, "b\"]"), (3, "b\"]")] {
        let given = args![
            id,
            true,
            0_i64,
            0_i32,
            0.0_f64,
            name,
            vec![0_u8],
            Uuid::nil(),
            json!({}),
            Micros(0)
        ];
        db.execute(&scope, INSERT, given).await.unwrap();
    }
    let found = db
        .all(&scope, ANY, args![vec![1_i64, 2], vec!["b\"]".to_owned()]])
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].get::<i64>("id").unwrap(), 2);
}

async fn times_round_down_to_their_bucket(engine: Engine) {
    let place = database(engine).await;
    let (db, scope) = (place.open().await, Scope::system());
    const HOUR: i64 = 3_600_000_000;
    for (id, at) in [(1_i64, -1_i64), (2, 0), (3, HOUR - 1), (4, HOUR)] {
        let given = args![
            id,
            true,
            0_i64,
            0_i32,
            0.0_f64,
            "",
            vec![0_u8],
            Uuid::nil(),
            json!({}),
            Micros(at)
        ];
        db.execute(&scope, INSERT, given).await.unwrap();
    }
    let rows = db.all(&scope, BUCKETS, args![]).await.unwrap();
    let buckets: Vec<(i64, i64)> = rows
        .iter()
        .map(|r| (r.get::<Micros>("hour").unwrap().0, r.get("n").unwrap()))
        .collect();
    assert_eq!(buckets, [(-HOUR, 1), (0, 2), (HOUR, 1)]);
}

async fn a_wrong_number_of_arguments_is_refused(engine: Engine) {
    let place = database(engine).await;
    let (db, scope) = (place.open().await, Scope::system());
    assert!(db.all(&scope, FIND, args![]).await.is_err());
    assert!(db.all(&scope, FIND, args![1_i64, 2_i64]).await.is_err());
    assert!(db.all(&scope, FIND, args![1_i64]).await.unwrap().is_empty());
}
