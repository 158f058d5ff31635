struct Db;
impl Db {
    fn query(&self) -> u64 {
        1
    }
}
async fn f(db: &Db) -> u64 {
    db.query()
}
