use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};
static ITEMS: LazyLock<Mutex<HashMap<u64, u64>>> = LazyLock::new(Default::default); //~ shared-store-lock
