//! Entra's codes: AADSTS numbers, `error` words, and HTTP statuses of answers without either.
//!
//! Microsoft asks programs not to depend on the numbers, and ours does not: they choose the words for a person, and whether
//! the same proof, made anew, is worth sending once more.

use std::ops::RangeInclusive;

use super::Advice;

/// A meaning and the codes that have it.
#[derive(Debug)]
pub struct EntraCode {
    /// AADSTS numbers.
    numbers: &'static [u32],
    /// AADSTS numbers in a row.
    ranges: &'static [RangeInclusive<u32>],
    /// `error` words, and HTTP statuses such as `HTTP 503`.
    words: &'static [&'static str],
    /// How the same proof can be made anew, where that is worth a try.
    pub(in crate::graph) retry: Option<ProofRetry>,
    /// Whether it passes by itself.
    pub(in crate::graph) is_temporary: bool,
    /// What it means for a person.
    pub advice: Advice,
}

/// How a refused proof can be made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::graph) enum ProofRetry {
    /// The assertion is outside its time by Entra's clock.
    WithTheirClock,
    /// The key or certificate is not (or no longer) the app's; Microsoft's own libraries read the certificate again then.
    WithNewCertificate,
}

/// The configured secret has the form of a Secret ID, which Entra answers as it answers any wrong secret.
pub const SECRET_ID: Advice = Advice {
    id: "secret-id-pasted",
    meaning: "What is configured has the form of a Secret ID (a GUID). Entra wants the secret's Value, which the \
        portal shows only once, right after the secret was made.",
    next: "{registration} → Certificates & secrets → New client secret: copy the column Value into \
        {key}.client_secret_file.",
};

/// The row of that code: `AADSTS` and a number, or a word.
#[must_use]
pub fn find(code: &str) -> Option<&'static EntraCode> {
    match code.strip_prefix("AADSTS").and_then(|number| number.parse().ok()) {
        Some(number) => find_number(number),
        None => TABLE.iter().find(|row| row.words.contains(&code)),
    }
}

/// The row of that AADSTS number.
pub(in crate::graph) fn find_number(number: u32) -> Option<&'static EntraCode> {
    TABLE.iter().find(|row| row.has(number))
}

impl EntraCode {
    fn has(&self, number: u32) -> bool {
        self.numbers.contains(&number) || self.ranges.iter().any(|range| range.contains(&number))
    }
}

const fn row(advice: Advice) -> EntraCode {
    EntraCode { numbers: &[], ranges: &[], words: &[], retry: None, is_temporary: false, advice }
}

static TABLE: [EntraCode; 24] = [
    EntraCode {
        numbers: &[7_000_215],
        ..row(Advice {
            id: "secret-wrong",
            meaning: "Entra knows the app, but not this secret: mostly the Secret ID was pasted instead of the Value, \
                or the secret was deleted.",
            next: "{registration} → Certificates & secrets → New client secret: copy the column Value (not Secret ID) \
                into {key}.client_secret_file.",
        })
    },
    EntraCode {
        numbers: &[7_000_222],
        ..row(Advice {
            id: "secret-expired",
            meaning: "The secret was right once; its time is over. No leave of this tenant reaches Outlook until there \
                is a new one. Webhooks are still accepted, and nothing is lost.",
            next: "{registration} → Certificates & secrets → New client secret: copy its Value into \
                {key}.client_secret_file (a file needs no restart) and its date into {key}.secret_expires (which \
                counts from the next start on).",
        })
    },
    EntraCode {
        numbers: &[7_000_216, 7_000_218],
        ..row(Advice {
            id: "credential-not-sent",
            meaning: "Entra found neither a secret nor an assertion in the request: something on the way takes it out, \
                or leavebridge has a fault.",
            next: "Look whether a proxy rewrites requests to {authority}; if none does, report this with the ids \
                above.",
        })
    },
    EntraCode {
        numbers: &[700_027],
        retry: Some(ProofRetry::WithNewCertificate),
        ..row(Advice {
            id: "certificate-unknown",
            meaning: "The app has no certificate with which this signature can be checked: it was never uploaded \
                there, was removed, or belongs to another app.",
            next: "{registration} → Certificates & secrets → Certificates: upload the public half of \
                {key}.certificate_file; the thumbprint shown there must be that of the file.",
        })
    },
    EntraCode {
        numbers: &[700_024],
        retry: Some(ProofRetry::WithTheirClock),
        ..row(Advice {
            id: "assertion-time",
            meaning: "The assertion came too early or too late by Microsoft's clock: this machine's clock is wrong, or \
                the token in the file is an old one.",
            next: "Set this machine's clock right (NTP), then run the doctor again.",
        })
    },
    EntraCode {
        numbers: &[7_000_214, 7_000_277],
        retry: Some(ProofRetry::WithNewCertificate),
        ..row(Advice {
            id: "certificate-revoked",
            meaning: "Entra takes the certificate as revoked, or does not trust it any more.",
            next: "Make a new certificate, then {registration} → Certificates & secrets → Certificates: upload its \
                public half, and put it into {key}.certificate_file.",
        })
    },
    EntraCode {
        numbers: &[7_000_274],
        retry: Some(ProofRetry::WithNewCertificate),
        ..row(Advice {
            id: "certificate-signature",
            meaning: "The signature does not hold: mostly the private key is not that of the uploaded certificate.",
            next: "Check that {key}.certificate_key_file belongs to {key}.certificate_file, and that it is this \
                certificate that was uploaded to the app.",
        })
    },
    EntraCode {
        numbers: &[1_000_502],
        retry: Some(ProofRetry::WithNewCertificate),
        ..row(Advice {
            id: "certificate-expired",
            meaning: "The certificate is outside its validity: not valid yet, or over.",
            next: "Make a new certificate, then {registration} → Certificates & secrets → Certificates: upload its \
                public half, and put it into {key}.certificate_file.",
        })
    },
    EntraCode {
        numbers: &[70_021, 70_025],
        ..row(Advice {
            id: "federated-none",
            meaning: "The app has no federated credential that fits this token, or none at all.",
            next: "{registration} → Certificates & secrets → Federated credentials: Issuer, Subject and Audience must \
                equal iss, sub and aud of the token, letter by letter.",
        })
    },
    EntraCode {
        numbers: &[700_211],
        ..row(Advice {
            id: "federated-issuer",
            meaning: "No federated credential of the app has this token's issuer.",
            next: "{registration} → Certificates & secrets → Federated credentials: Issuer must equal iss of the \
                token, letter by letter.",
        })
    },
    EntraCode {
        numbers: &[700_212],
        ..row(Advice {
            id: "federated-audience",
            meaning: "No federated credential of the app has this token's audience.",
            next: "{registration} → Certificates & secrets → Federated credentials: Audience must equal aud of the \
                token, mostly api://AzureADTokenExchange, letter by letter.",
        })
    },
    EntraCode {
        numbers: &[700_213, 7_002_137, 7_002_138],
        ..row(Advice {
            id: "federated-subject",
            meaning: "No federated credential of the app has this token's subject: mostly the namespace or the service \
                account is another one, or differs in upper and lower case.",
            next: "{registration} → Certificates & secrets → Federated credentials: Subject must equal sub of the \
                token, letter by letter.",
        })
    },
    EntraCode {
        numbers: &[7_000_229],
        ..row(Advice {
            id: "service-principal-missing",
            meaning: "The app is registered, but has no service principal in this directory: made by a script that \
                makes none, or its Enterprise app was deleted.",
            next: "az ad sp create --id {app} (or {admin} → App registrations → the app → Create service principal).",
        })
    },
    EntraCode {
        numbers: &[700_016],
        ..row(Advice {
            id: "app-not-found",
            meaning: "This directory has no app with that Application (client) ID: one of the two ids is wrong, or \
                they are of different directories.",
            next: "{admin} → App registrations → the app → Overview: compare Application (client) ID (not Object ID) \
                with {key}.client_id, and Directory (tenant) ID with {key}.directory_id.",
        })
    },
    EntraCode {
        numbers: &[7_000_112],
        ..row(Advice {
            id: "app-disabled",
            meaning: "The app is there, but somebody has switched it off.",
            next: "{admin} → Enterprise applications → the app {app} → Properties → Enabled for users to sign-in? → \
                Yes.",
        })
    },
    EntraCode {
        numbers: &[90_002],
        ..row(Advice {
            id: "tenant-not-found",
            meaning: "This cloud has no such directory: the id is wrong, or the directory lives in another national \
                cloud.",
            next: "{admin} → Overview: compare Tenant ID with {key}.directory_id (is that the Application (client) ID, \
                perhaps?); if they are equal, {key}.cloud is wrong.",
        })
    },
    EntraCode {
        numbers: &[900_023, 9_001_023],
        ..row(Advice {
            id: "tenant-malformed",
            meaning: "That is no Directory (tenant) ID: a GUID or one of the directory's own domains is needed, not \
                `common` and its like.",
            next: "{admin} → Overview: copy Tenant ID into {key}.directory_id.",
        })
    },
    EntraCode {
        numbers: &[90_038, 500_011, 50_001],
        ..row(Advice {
            id: "wrong-cloud",
            meaning: "The directory does not know Microsoft Graph under the address that was asked for: mostly it \
                lives in another national cloud than the configuration says.",
            next: "Set {key}.cloud to the cloud of the directory: global, us-gov-high, us-gov-dod or china.",
        })
    },
    EntraCode {
        ranges: &[530_000..=530_099, 53_000..=53_011],
        ..row(Advice {
            id: "conditional-access",
            meaning: "A Conditional Access policy for workload identities keeps the app out, mostly by the address \
                from which this machine is seen, or by risk.",
            next: "{admin} → Sign-in logs → Service principal sign-ins: find the Correlation ID above, open \
                Conditional Access, and let that policy allow the app from here.",
        })
    },
    EntraCode {
        numbers: &[70_011, 28_002, 1_002_012, 700_022],
        ..row(Advice {
            id: "scope-wrong",
            meaning: "Entra does not take the scope {graph}/.default, the only one that leavebridge asks for.",
            next: "If {key}.cloud is \"custom\", correct {key}.graph; else report this with the ids above.",
        })
    },
    EntraCode {
        numbers: &[70_003, 900_144, 900_561, 90_014, 50_034],
        ..row(Advice {
            id: "request-malformed",
            meaning: "Entra does not understand the request: something on the way changes it, or leavebridge has a \
                fault.",
            next: "Look whether a proxy rewrites requests to {authority}; if none does, report this with the ids \
                above.",
        })
    },
    EntraCode {
        numbers: &[90_006, 90_012, 90_024, 90_033, 90_090],
        words: &["temporarily_unavailable", "server_error", "HTTP 500", "HTTP 502", "HTTP 503", "HTTP 504"],
        is_temporary: true,
        ..row(Advice {
            id: "entra-unavailable",
            meaning: "Entra has trouble of its own. leavebridge tries again by itself, and leave waits meanwhile.",
            next: "Wait a few minutes and run the doctor again; Microsoft 365 admin center → Health → Service health \
                tells of longer trouble.",
        })
    },
    EntraCode {
        numbers: &[90_055],
        words: &["HTTP 429"],
        is_temporary: true,
        ..row(Advice {
            id: "entra-throttled",
            meaning: "Entra gets too many requests of this directory and asks everybody to wait. leavebridge waits as \
                long as it is told.",
            next: "Wait a few minutes and run the doctor again.",
        })
    },
    EntraCode {
        numbers: &[50_196],
        ..row(Advice {
            id: "loop-detected",
            meaning: "Entra has seen too many token requests of this app and takes it for a program that runs in \
                circles. leavebridge itself asks once a minute at most while it is refused.",
            next: "Find out what else signs in as the app {app}, stop it, and wait ten minutes.",
        })
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_has_one_meaning() {
        let words: Vec<_> = TABLE.iter().flat_map(|row| row.words).collect();
        assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len(), "{words:?}");
        let numbers: Vec<_> = TABLE
            .iter()
            .flat_map(|row| row.numbers.iter().copied().chain(row.ranges.iter().cloned().flatten()))
            .collect();
        assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len(), "{numbers:?}");
        let meanings: BTreeSet<_> = TABLE.iter().map(|row| row.advice.id).collect();
        assert_eq!(meanings.len(), TABLE.len());
    }
}
