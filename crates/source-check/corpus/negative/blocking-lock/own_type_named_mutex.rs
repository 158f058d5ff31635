struct Mutex(u64);
impl Mutex {
    fn lock(&self) -> Result<u64, ()> {
        Ok(self.0)
    }
}
async fn f(m: &Mutex) -> u64 {
    m.lock().unwrap()
}
