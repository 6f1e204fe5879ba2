//! Who calls: a bearer JWT of our own keys or of another issuer, or a Standard Webhooks signature. All give a [`Caller`].
//!
//! The algorithm is never taken from the token, signatures are compared in constant time, and no refusal says more than the
//! caller needs to know. When one way to authenticate does not work, the others must.

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
