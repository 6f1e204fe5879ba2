//! Accepts connections, and hangs up on those that a fault rule says to drop.
//!
//! It must never turn a drop into an answer: a client that lost its connection after the commit is the case that decides
//! whether leave is written once or twice.

use std::{convert::Infallible, io, pin::pin};

use axum::{Router, body::Body, extract::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

/// Marks a response in whose place the connection is to be closed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HangUp;

/// Serves `router` on `listener` until `stop`.
pub(crate) async fn serve(router: Router, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
    let connections = TaskTracker::new();
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // A caller that is gone before we took it is its own affair, not the listener's.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            },
        };
        connections.spawn(converse(router.clone(), stream, stop.clone()));
    }
    connections.close();
    connections.wait().await;
    Ok(())
}

async fn converse(router: Router, stream: TcpStream, stop: CancellationToken) {
    // Many small answers: waiting to fill a packet would add 40 ms to each.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| answer(router.clone(), request));
    // No time limit for the next request: a connection that closes by itself would look like a scripted drop.
    let mut builder = http1::Builder::new();
    let mut connection = pin!(builder.header_read_timeout(None).serve_connection(TokioIo::new(stream), service));
    // Errors end the connection and are either the caller's doing or a scripted drop; there is nobody to tell.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// hyper closes the connection without a byte when the service fails.
async fn answer(router: Router, request: Request<Incoming>) -> io::Result<Response> {
    let response = match router.oneshot(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never as Infallible {},
    };
    if response.extensions().get::<HangUp>().is_some() {
        return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "a fault rule drops this connection"));
    }
    Ok(response)
}
