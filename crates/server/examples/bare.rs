//! A bare axum route behind `axum::serve`: the yardstick of `benches/platform`. Prints its address.
//!
//! It answers with as many bytes as an item read does, and does nothing else.

use std::error::Error;

use axum::{Router, http::header, routing::get};

/// Roughly the body of an item.
const BODY: usize = 640;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let body = "x".repeat(BODY);
    let answer = move || {
        let body = body.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], body) }
    };
    let app = Router::new().route("/{*any}", get(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
