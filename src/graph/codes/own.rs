//! Our own words where there is no code of Microsoft's: no answer, or nothing to prove ourselves with. Who uses such a word
//! says what it means for the engine.

use super::Advice;

/// Graph gave no answer, or none that can be understood.
pub(in crate::graph) const NO_ANSWER: &str = "no-answer";

/// What that word means for a person.
#[must_use]
pub fn advice(word: &str) -> Option<Advice> {
    Some(match word {
        "entra-no-answer" => Advice {
            id: "entra-unreachable",
            meaning: "The token endpoint gave no answer that can be understood: it is not reached, or something in \
                between answers in its place.",
            next: "If {authority} is reachable, as told above, something answers in its place: a proxy, a portal page, \
                a firewall. Let this machine through to it, or correct {key}.authority where {key}.cloud is \
                \"custom\".",
        },
        "secret-unreadable" | "credential-unreadable" | "certificate-unusable" | "no-secret" => Advice {
            id: "credential-unusable",
            meaning: "leavebridge has nothing to prove itself with: the file above cannot be used as it is.",
            next: "Mend the file, and let the user that leavebridge runs as read it; no restart is needed.",
        },
        "identity-no-answer" => Advice {
            id: "identity-unreachable",
            meaning: "Nobody here hands out tokens of a managed identity: this machine is not on Azure, or has no \
                identity.",
            next: "Azure portal → this machine → Identity: switch it on; elsewhere choose another {key}.credential.",
        },
        "identity-mismatch" => Advice {
            id: "identity-other",
            meaning: "The host gives tokens of another identity than the configuration names; older Azure Arc agents \
                always do.",
            next: "Compare {key}.managed_identity_client_id with the identity's own Client ID; with Arc, leave it \
                empty.",
        },
        "arc-key" => Advice {
            id: "identity-key",
            meaning: "Azure Arc's agent asks for a key that cannot be read to it.",
            next: "Put the user that leavebridge runs as into the group himds, and start leavebridge anew.",
        },
        NO_ANSWER => Advice {
            id: "graph-unreachable",
            meaning: "Graph gave no answer that can be understood: it is not reached, or something in between answers \
                in its place.",
            next: "See the finding about {graph} above; try again in a few minutes.",
        },
        _ => return None,
    })
}
