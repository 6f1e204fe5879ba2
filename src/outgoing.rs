//! The one home of outgoing HTTP clients: time limits, TLS, proxy (`HTTPS_PROXY`, `NO_PROXY`) and further CA certificates.

use std::{fs, path::Path, time::Duration};

use reqwest::{Certificate, Client, ClientBuilder, redirect::Policy};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const LOCAL_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const MOST_REDIRECTS: usize = 3;
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// The file of CA certificates cannot be read.
    #[error("http.ca_file cannot be read")]
    File(#[from] std::io::Error),
    /// The certificates, the proxy settings or the platform's trust store cannot be used.
    #[error("no outgoing HTTPS is possible: http.ca_file, HTTPS_PROXY or the system's CA certificates cannot be used")]
    Tls(#[from] reqwest::Error),
}

/// A client whose requests end after `timeout`, and which follows no redirect to another host. Connections are kept and used
/// again.
///
/// # Errors
/// When the CA file or the proxy settings cannot be used.
pub fn client(ca_file: Option<&Path>, timeout: Duration) -> Result<Client, OutgoingError> {
    Ok(with_ca_file(builder(timeout), ca_file)?.build()?)
}

/// The same, but following no redirect at all: an issuer's keys must come from the address that was asked.
///
/// # Errors
/// When the CA file or the proxy settings cannot be used.
pub fn without_redirects(ca_file: Option<&Path>, timeout: Duration) -> Result<Client, OutgoingError> {
    Ok(with_ca_file(builder(timeout), ca_file)?.redirect(Policy::none()).build()?)
}

/// A client for this machine's own services: past any proxy, never on to another address, and with a short connect timeout
/// (Microsoft's libraries wait two seconds for a managed identity's host).
///
/// # Errors
/// When the platform's trust store cannot be used.
pub fn direct(timeout: Duration) -> Result<Client, OutgoingError> {
    Ok(builder(timeout).connect_timeout(LOCAL_CONNECT_TIMEOUT).no_proxy().redirect(Policy::none()).build()?)
}

fn with_ca_file(builder: ClientBuilder, ca_file: Option<&Path>) -> Result<ClientBuilder, OutgoingError> {
    let Some(file) = ca_file else { return Ok(builder) };
    Ok(builder.tls_certs_merge(Certificate::from_pem_bundle(&fs::read(file)?)?))
}

#[expect(clippy::disallowed_methods, reason = "the one home of outgoing HTTP clients")]
fn builder(timeout: Duration) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("leavebridge/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .redirect(Policy::custom(|attempt| {
            // Neither a token nor a body may go to another host.
            let is_same = attempt.previous().last().is_some_and(|from| from.origin() == attempt.url().origin());
            if is_same && attempt.previous().len() <= MOST_REDIRECTS { attempt.follow() } else { attempt.stop() }
        }))
}
