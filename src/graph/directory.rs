//! The directory: which person an address belongs to.
//!
//! It must never ask for more of a person than the object id, which is all that is kept.

use reqwest::Method;
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use super::{
    client::{Answer, Graph, parse},
    error::GraphError,
    wire,
};
use crate::reconcile::failure::Failure;

#[derive(Deserialize)]
struct User {
    id: Uuid,
}

#[derive(Deserialize)]
struct Users {
    value: Vec<User>,
}

impl Graph {
    /// The object id of the person whose sign-in name, address or former address this is; `None` when the directory has
    /// no person with that address, or several. At most three requests, all over by `end`.
    ///
    /// # Errors
    /// See [`Failure`]; [`Failure::AccessDenied`] when the app may not look into the directory.
    pub async fn look_up(&self, address: &str, end: Instant) -> Result<Option<String>, GraphError> {
        // Graph takes the sign-in name for a key, but no other address (Microsoft: user page).
        let mut url = self.users(&wire::user(address));
        url.set_query(Some("$select=id"));
        match self.call(end, Method::GET, url, None).await {
            Ok(Answer { body, request_ids }) => return Ok(Some(id(&parse(body, &request_ids)?))),
            Err(GraphError { failure: Failure::MailboxMissing | Failure::Rejected, .. }) => {}
            Err(error) => return Err(error),
        }
        // Inside a literal an apostrophe is doubled.
        let literal = address.replace('\'', "''");
        for filter in [format!("mail eq '{literal}'"), format!("proxyAddresses/any(p:p eq 'smtp:{literal}')")] {
            match self.call(end, Method::GET, self.filtered(&filter), None).await {
                Ok(Answer { body, request_ids }) => match parse::<Users>(body, &request_ids)?.value.as_slice() {
                    [] => {}
                    [one] => return Ok(Some(id(one))),
                    [..] => return Ok(None),
                },
                // `User.ReadBasic.All` opens the directory, but not this list.
                Err(GraphError {
                    failure: Failure::AccessDenied | Failure::MailboxMissing | Failure::Rejected,
                    ..
                }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn filtered(&self, filter: &str) -> Url {
        let mut url = self.users("");
        url.set_query(Some(&format!("$select=id&$top=2&$filter={}", wire::segment(filter))));
        url
    }
}

fn id(user: &User) -> String {
    user.id.hyphenated().to_string()
}
