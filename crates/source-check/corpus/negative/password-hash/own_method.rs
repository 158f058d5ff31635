struct Users;
impl Users {
    async fn verify_password(&self, _user: &str, _p: &str) -> bool {
        true
    }
}
async fn f(users: &Users) -> bool {
    users.verify_password("a", "b").await
}
