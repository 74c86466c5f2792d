//! A web service that gives each order an ID of its own: `web STATE_DIRECTORY ADDRESS`, then
//! `curl -X POST ADDRESS/orders`. Needs the features `async` and `serde`.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;
use shardflake::id::Id;
use shardflake::shard::{MachineId, Options, Shard};
use tokio::net::TcpListener;

#[derive(Serialize)]
struct Order {
    /// A text in JSON: as a number JavaScript would round it.
    id: Id,
}

async fn order(State(shard): State<Arc<Shard>>) -> Result<Json<Order>, (StatusCode, String)> {
    // Sleeps as a task until its tick begins, where all are taken.
    let id = shard.id_async().await;
    let id = id.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    Ok(Json(Order { id }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let state = arguments.next().ok_or("name a state directory")?;
    let address = arguments.next().ok_or("name an address")?;

    let shard = Arc::new(Shard::open(Options::new(state, MachineId::any_of(0..=63)))?);
    shard.await_ready(Duration::from_secs(10))?;
    let routes = Router::new().route("/orders", post(order));
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, routes.with_state(Arc::clone(&shard)))
        .with_graceful_shutdown(async {
            // An error is as good a reason to end.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    // All tasks have ended, and nobody else has it.
    if let Some(shard) = Arc::into_inner(shard) {
        shard.close()?;
    }
    Ok(())
}
