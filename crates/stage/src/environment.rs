//! The configuration of a service under test, as the environment variables that an operator would set.
//!
//! It must never read the environment of this process.

use leavebridge_simulator::Simulator;

/// Environment variables: name and value.
pub type Variables = Vec<(String, String)>;

/// Keys of the configuration such as `("SYNC__LEASE", "11s")`, as environment variables.
#[must_use]
pub fn variables(keys: &[(&str, &str)]) -> Variables {
    keys.iter().map(|(key, value)| (format!("LEAVEBRIDGE__{key}"), (*value).to_owned())).collect()
}

/// The tenant `name`, whose Microsoft is the simulated one at `url`.
#[must_use]
pub fn simulated_tenant(name: &str, url: &str) -> Variables {
    let key = |key: &str| format!("LEAVEBRIDGE__TENANTS__{}__MICROSOFT__{key}", name.to_uppercase());
    [
        ("CLOUD", "custom"),
        ("AUTHORITY", url),
        ("GRAPH", url),
        ("DIRECTORY_ID", Simulator::DIRECTORY_ID),
        ("CLIENT_ID", Simulator::CLIENT_ID),
        ("CLIENT_SECRET", Simulator::CLIENT_SECRET),
    ]
    .map(|(name, value)| (key(name), value.to_owned()))
    .to_vec()
}

/// A client that posts leave under its own name as the source, for `tenants`: a name, or `*` for all.
#[must_use]
pub fn portal(name: &str, tenants: &str) -> Variables {
    let key = |key: &str| format!("LEAVEBRIDGE__CLIENTS__{}__{key}", name.to_uppercase());
    [("SOURCE", name), ("TENANTS", tenants), ("SCOPES", "leaves:write leaves:read")]
        .map(|(name, value)| (key(name), value.to_owned()))
        .to_vec()
}

/// The client `ops`: an operator of the tenant `default`.
#[must_use]
pub fn operator() -> Variables {
    variables(&[("CLIENTS__OPS__TENANTS", "default"), ("CLIENTS__OPS__SCOPES", "ops:read ops:write")])
}
