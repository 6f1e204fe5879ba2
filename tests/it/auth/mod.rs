//! Who may call: tokens and signatures, good ones and all the bad ones.

mod scopes;
mod signatures;
mod tokens;
