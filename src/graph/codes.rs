//! Every code of Microsoft's that leavebridge knows, once: what it means for the engine, for a person, and what to do.
//!
//! A code that is in neither table is unknown: its HTTP status decides, and no fix is invented for it. Sources: Microsoft's
//! error pages and SDKs, the Exchange response-code list, and errors that others have seen from the live service.

mod advice;
pub mod entra;
pub mod graph;
pub mod own;

pub use advice::Advice;
