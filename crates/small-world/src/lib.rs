//! Every interleaving of a small world: one leave with three revisions, two mailboxes, two replicas, and what can go wrong.
//!
//! A model checker tries them all, with the very functions that decide in production; nothing here is part of any program.
//! `docs/decisions/0012-every-interleaving.md` says what is explored and what was found.

#[cfg(test)]
mod graph;
#[cfg(test)]
mod intake;
#[cfg(test)]
mod model;
#[cfg(test)]
mod production;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod replica;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod state;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;
