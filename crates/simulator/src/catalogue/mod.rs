//! Every refusal that Entra and Graph are known to give, by name, so that each can be had on request.
//!
//! It must never be asked by what works by itself: what the simulator refuses, it refuses where the reason is known.

mod entra;
mod graph;

use serde_json::{Value, json};

use super::{Simulator, failure::Failure, route::Target, token_request::Refusal};

/// One refusal.
#[derive(Debug)]
pub(crate) enum Row {
    Entra(Refusal),
    Graph(Failure),
}

impl Row {
    /// Whether this is said where `target` is.
    pub(crate) fn fits(&self, target: &Target) -> bool {
        match self {
            Self::Entra(_) => matches!(target, Target::Token { .. }),
            Self::Graph(_) => matches!(target, Target::Graph(_)),
        }
    }
}

/// The refusal of that name: `AADSTS` and the number, or Graph's code.
pub(crate) fn find(name: &str) -> Option<Row> {
    let of_entra = |(number, error, status, sentence): &(u32, &'static str, u16, &str)| {
        Row::Entra(Refusal { status: *status, ..Refusal::new(*number, error, filled(sentence)) })
    };
    if let Some(number) = name.strip_prefix("AADSTS") {
        return entra::ROWS.iter().find(|row| row.0.to_string() == number).map(of_entra);
    }
    graph::ROWS
        .iter()
        .find(|row| row.0 == name)
        .map(|(name, status, message)| Row::Graph(Failure::named(name, *status, message)))
}

fn filled(sentence: &str) -> String {
    sentence.replace("{app}", Simulator::CLIENT_ID).replace("{tenant}", Simulator::DIRECTORY_ID)
}

/// All of them, as a list for people and tests.
pub(crate) fn shown() -> Vec<Value> {
    let entra = entra::ROWS.iter().map(|(number, word, status, sentence)| {
        let name = format!("AADSTS{number}");
        json!({"error": name, "service": "entra", "status": status, "word": word, "text": filled(sentence)})
    });
    let graph = graph::ROWS.iter().map(|(name, status, message)| {
        json!({"error": name, "service": "graph", "status": status, "word": Failure::code_of(name), "text": message})
    });
    entra.chain(graph).collect()
}

/// All names, for whoever asked for one that there is not.
pub(crate) fn names() -> String {
    let entra = entra::ROWS.iter().map(|row| format!("AADSTS{}", row.0));
    let graph = graph::ROWS.iter().map(|row| row.0.to_owned());
    entra.chain(graph).collect::<Vec<_>>().join(", ")
}
