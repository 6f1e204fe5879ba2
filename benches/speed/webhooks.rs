//! The webhooks of a portal, ready to be sent: each another leave, spread over all the people.

use std::{net::SocketAddr, sync::Arc};

use anyhow::ensure;
use leavebridge::clock::{Clock as _, SystemClock};

use crate::load::{Connection, Sender};

/// The address of the `n`th person.
pub(crate) fn address(n: usize) -> String {
    format!("p{n}@contoso.com")
}

/// What all webhooks of one portal have in common.
#[derive(Debug, Clone)]
pub(crate) struct Portal {
    pub(crate) service: SocketAddr,
    pub(crate) token: Arc<str>,
    /// In front of every leave's number, so that no two loads post the same leave.
    pub(crate) mark: &'static str,
    pub(crate) people: usize,
    /// What further headers it sends.
    pub(crate) further: &'static str,
}

impl Portal {
    /// The whole request that posts the `n`th leave.
    pub(crate) fn request(&self, n: usize) -> String {
        let Self { service, token, mark, further, .. } = self;
        let body = body(&format!("{mark}-{n}"), &address(n % self.people));
        format!(
            "POST /leaves HTTP/1.1\r\nhost: {service}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\nwebhook-id: {mark}-{n}\r\n{further}content-length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// That many senders, each with a connection of its own.
    pub(crate) async fn senders(&self, count: usize) -> anyhow::Result<Vec<Posting>> {
        let mut senders = Vec::with_capacity(count);
        for _ in 0..count {
            senders.push(Posting { portal: self.clone(), connection: Connection::open(self.service).await? });
        }
        Ok(senders)
    }
}

/// The body of a webhook about three days of that person's.
pub(crate) fn body(id: &str, address: &str) -> String {
    let now = SystemClock.now();
    format!(
        r#"{{"type":"leave.created","timestamp":"{now}","data":{{"id":"{id}","staff":{{"email":"{address}","employee_id":"10042","name":"Amy Chan"}},"leave_type":"ANNUAL","status":"approved","start":"2026-12-21","end":"2026-12-23","time_zone":"Asia/Hong_Kong","reason":"family trip","department":"Sales"}}}}"#
    )
}

/// A portal's connection that posts webhooks.
#[derive(Debug)]
pub(crate) struct Posting {
    portal: Portal,
    connection: Connection,
}

impl Sender for Posting {
    async fn send(&mut self, n: usize) -> anyhow::Result<()> {
        let request = self.portal.request(n);
        let (status, body) = self.connection.exchange(request.as_bytes()).await?;
        ensure!(status == 202, "answered {status}: {}", String::from_utf8_lossy(body));
        Ok(())
    }
}
