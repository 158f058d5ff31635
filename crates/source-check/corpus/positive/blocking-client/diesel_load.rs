use diesel::prelude::*;
use crate::schema::users::dsl::*;
async fn all(connection: &mut PgConnection) -> Vec<i32> {
    users.select(id).load::<i32>(connection).unwrap() //~ blocking-client
}
async fn one(url: &str) -> i32 {
    let mut connection = diesel::pg::PgConnection::establish(url).unwrap(); //~ blocking-client
    users.select(id).first(&mut connection).unwrap() //~ blocking-client
}
