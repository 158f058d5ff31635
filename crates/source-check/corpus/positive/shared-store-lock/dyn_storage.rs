use std::sync::{Arc, Mutex};
trait Storage {}
struct AppState {
    storage: Arc<Mutex<Box<dyn Storage>>>, //~ shared-store-lock
}
