use axum::extract::State;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Mutex;
async fn list(State(items): State<Arc<Mutex<HashMap<u64, u64>>>>) {} //~ shared-store-lock
