struct Item;
impl Item {
    fn exists(&self) -> bool {
        true
    }
}
async fn f(item: &Item) -> bool {
    item.exists()
}
