//! Who calls: a bearer JWT of our own keys or of another issuer, or a Standard Webhooks signature. All end in a [`Caller`](caller::Caller).
//!
//! The algorithm is never taken from the token, signatures are compared in constant time, and no refusal says more than the
//! caller needs to know. One way in that is out of order must never close another.

mod authenticator;
mod caller;
mod claims;
mod issuer;
mod keys;
mod own;
mod signature;

pub(super) use authenticator::Authenticator;
pub(super) use caller::Caller;
pub use own::{MintError, mint};
