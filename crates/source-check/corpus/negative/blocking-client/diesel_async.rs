use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use crate::schema::users::dsl::*;
async fn all(connection: &mut AsyncPgConnection) -> Vec<i32> {
    users.select(id).load::<i32>(connection).await.unwrap()
}
