//! The contract of tests/bench on tonic, as its documentation writes servers and clients.
//!
//!     echo server PORT [CERTIFICATE KEY]
//!     echo client PORT IN_FLIGHT SECONDS

use std::cell::Cell;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use pb::echo_client::EchoClient;
use pb::echo_server::{Echo, EchoServer};
use pb::{Amount, Customer, Empty, Line, Order, Payload};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

mod pb {
    tonic::include_proto!("bench.v1");
}

type Payloads = Pin<Box<dyn Stream<Item = Result<Payload, Status>> + Send>>;

struct Service;

#[tonic::async_trait]
impl Echo for Service {
    type ChatStream = Payloads;
    type DownloadStream = Payloads;

    async fn ping(&self, request: Request<Empty>) -> Result<Response<Empty>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn call(&self, request: Request<Order>) -> Result<Response<Order>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn copy(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn chat(
        &self,
        request: Request<Streaming<Payload>>,
    ) -> Result<Response<Payloads>, Status> {
        Ok(Response::new(Box::pin(request.into_inner())))
    }

    async fn upload(
        &self,
        request: Request<Streaming<Payload>>,
    ) -> Result<Response<Amount>, Status> {
        let mut stream = request.into_inner();
        let mut amount = Amount::default();
        while let Some(payload) = stream.next().await {
            amount.messages += 1;
            amount.bytes += payload?.body.len() as u32;
        }
        Ok(Response::new(amount))
    }

    async fn download(&self, request: Request<Amount>) -> Result<Response<Payloads>, Status> {
        let amount = request.into_inner();
        let payload = Payload {
            body: vec![0; amount.bytes.checked_div(amount.messages).unwrap_or(0) as usize],
        };
        let payloads = (0..amount.messages).map(move |_| Ok(payload.clone()));
        Ok(Response::new(Box::pin(tokio_stream::iter(payloads))))
    }
}

async fn serve(port: &str, tls: &[String]) -> Result<(), Box<dyn Error>> {
    let mut server = Server::builder();
    if let [certificate, key] = tls {
        let identity = Identity::from_pem(std::fs::read(certificate)?, std::fs::read(key)?);
        server = server.tls_config(ServerTlsConfig::new().identity(identity))?;
    }
    let address = format!("127.0.0.1:{port}").parse()?;
    server
        .add_service(EchoServer::new(Service))
        .serve(address)
        .await?;
    Ok(())
}

fn cpu_seconds() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the clock exists and `time` is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn order() -> Order {
    let line = |id: &str, quantity, price_minor| Line {
        product_id: id.into(),
        quantity,
        price_minor,
    };
    Order {
        id: "0192f0c1-7a2b-7c3d".into(),
        created_ms: 1763712000000,
        customer: Some(Customer {
            name: "Ada".into(),
            email: "ada@example.org".into(),
        }),
        lines: vec![line("odyssey", 2, 9999), line("argo", 1, 4999)],
        express: true,
        labels: [("k".into(), "v".into())].into(),
        discount: 0.1,
    }
}

async fn drive(port: &str, in_flight: usize, seconds: f64) -> Result<(), Box<dyn Error>> {
    let stub = EchoClient::connect(format!("http://127.0.0.1:{port}")).await?;
    let order = Rc::new(order());
    let calls = Rc::new(Cell::new(0));
    for _ in 0..in_flight {
        let (mut stub, order, calls) = (stub.clone(), order.clone(), calls.clone());
        tokio::task::spawn_local(async move {
            loop {
                let answer = stub.call(Order::clone(&order)).await.expect("no answer");
                assert_eq!(answer.into_inner().id, order.id);
                calls.set(calls.get() + 1);
            }
        });
    }
    tokio::time::sleep(Duration::from_secs_f64(seconds / 4.0)).await;
    let (calls_before, cpu_before, started) = (calls.get(), cpu_seconds(), Instant::now());
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    println!(
        "{} {} {}",
        calls.get() - calls_before,
        started.elapsed().as_secs_f64(),
        cpu_seconds() - cpu_before
    );
    std::process::exit(0)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let work = tokio::task::LocalSet::new();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server", port, ..] => work.block_on(&runtime, serve(port, &arguments[2..])),
        ["client", port, in_flight, seconds] => {
            work.block_on(&runtime, drive(port, in_flight.parse()?, seconds.parse()?))
        }
        _ => Err(
            "usage: echo server PORT [CERTIFICATE KEY] | echo client PORT IN_FLIGHT SECONDS".into(),
        ),
    }
}
