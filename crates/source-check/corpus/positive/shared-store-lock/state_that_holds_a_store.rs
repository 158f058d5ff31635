use std::collections::HashMap;
use std::sync::{Arc, Mutex};
struct Shelf {
    items: HashMap<u64, u64>,
}
struct ShelfState {
    shelf: Shelf,
    names: Vec<Name>,
}
struct Name(String);
struct SqlState {
    connection: rusqlite::Connection,
}
struct App {
    shelves: Arc<Mutex<ShelfState>>, //~ shared-store-lock
    sql: Arc<Mutex<SqlState>>,       //~ shared-store-lock
}
