async fn f(p: String, done: tokio::sync::oneshot::Sender<bool>) {
    rayon::spawn(move || drop(done.send(bcrypt::verify(p, "x").is_ok())));
}
