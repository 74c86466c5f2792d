//! A server on actix-web with the routes of a Snowflake service: what somebody would write who
//! wanted just that. One atomic generator; a used-up millisecond is waited out.
//!
//! `actix ADDRESS THREADS WORKER`

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::error::ErrorBadRequest;
use actix_web::web::{Data, Json, Path};
use actix_web::{App, HttpResponse, HttpServer, get};
use ferroid::generator::{AtomicSnowflakeGenerator, Poll};
use ferroid::id::SnowflakeTwitterId;
use ferroid::time::MonotonicClock;
use serde::Serialize;

/// Where the layout's milliseconds begin, in milliseconds since 1970.
const EPOCH: u64 = 1_705_065_354_064;
/// The most IDs of one reply.
const MOST: usize = 4_096_000;

struct Service {
    generator: AtomicSnowflakeGenerator<SnowflakeTwitterId, MonotonicClock>,
    worker: u64,
    generated: AtomicU64,
    exhausted: AtomicU64,
}

impl Service {
    fn id(&self) -> u64 {
        let id = loop {
            match self.generator.poll_id() {
                Poll::Ready { id } => break id.to_raw(),
                Poll::Pending { yield_for: 0 } => {}
                Poll::Pending { .. } => {
                    self.exhausted.fetch_add(1, Ordering::Relaxed);
                    std::thread::yield_now();
                }
            }
        };
        self.generated.fetch_add(1, Ordering::Relaxed);
        id
    }
}

#[derive(Serialize)]
struct One {
    id: String,
}

#[derive(Serialize)]
struct Many {
    ids: Vec<String>,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    worker_id: u64,
}

#[get("/id")]
async fn one(service: Data<Service>) -> Json<One> {
    let id = service.id().to_string();
    Json(One { id })
}

#[get("/ids/{count}")]
async fn many(service: Data<Service>, count: Path<usize>) -> actix_web::Result<Json<Many>> {
    let count = count.into_inner();
    if !(1..=MOST).contains(&count) {
        return Err(ErrorBadRequest("count must be 1 to 4096000"));
    }
    let ids = (0..count).map(|_| service.id().to_string()).collect();
    Ok(Json(Many { ids }))
}

#[get("/health")]
async fn health(service: Data<Service>) -> Json<Health> {
    Json(Health {
        status: "healthy",
        worker_id: service.worker,
    })
}

#[get("/metrics")]
async fn metrics(service: Data<Service>) -> HttpResponse {
    let text = format!(
        "# TYPE id_generator_ids_generated_total counter\n\
         id_generator_ids_generated_total {}\n\
         # TYPE id_generator_sequence_exhausted_total counter\n\
         id_generator_sequence_exhausted_total {}\n\
         # TYPE id_generator_worker_id gauge\n\
         id_generator_worker_id {}\n",
        service.generated.load(Ordering::Relaxed),
        service.exhausted.load(Ordering::Relaxed),
        service.worker,
    );
    let kind = "text/plain; version=0.0.4";
    HttpResponse::Ok().content_type(kind).body(text)
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let threads = arguments[2].parse().expect("a number of threads");
    let worker = arguments[3].parse().expect("a worker ID, 0 to 1023");
    let clock = MonotonicClock::with_epoch(std::time::Duration::from_millis(EPOCH));
    let service = Data::new(Service {
        generator: AtomicSnowflakeGenerator::new(worker, clock),
        worker,
        generated: AtomicU64::new(0),
        exhausted: AtomicU64::new(0),
    });
    let app = move || {
        App::new()
            .app_data(service.clone())
            .service((one, many, health, metrics))
    };
    HttpServer::new(app)
        .workers(threads)
        .bind(&arguments[1])?
        .run()
        .await
}
