//! Other issuers of tokens, and the clients that they speak of.

use super::{file, load, told, with};

#[test]
fn each_problem_of_an_issuer_says_what_would_be_right() {
    let issuer = |issuer| [("AUTH__ISSUERS__HR__ISSUER", issuer), ("AUTH__ISSUERS__HR__AUDIENCE", "api://x")];
    let [safe, audience] = issuer("https://hr.example");
    let issuer_without = issuer("");
    let issuer_unsafe = issuer("http://hr.example");
    let issuer_query = issuer("https://hr.example/?tenant=1");
    let keys_unsafe = [safe, audience, ("AUTH__ISSUERS__HR__JWKS_URL", "ftp://hr.example/keys")];
    let same_issuer = [safe, audience, ("AUTH__ISSUERS__IT__ISSUER", safe.1), ("AUTH__ISSUERS__IT__AUDIENCE", "y")];
    let unknown_issuer = [("CLIENTS__ESS__ISSUER", "it"), ("CLIENTS__ESS__SUBJECT", "1"), safe, audience];
    let same_subject = [
        safe,
        audience,
        ("CLIENTS__ESS__ISSUER", "hr"),
        ("CLIENTS__ESS__SUBJECT", "1"),
        ("CLIENTS__FAR__ISSUER", "hr"),
        ("CLIENTS__FAR__SUBJECT", "1"),
        ("CLIENTS__FAR__TENANTS", "*"),
        ("CLIENTS__FAR__SCOPES", "ops:read"),
    ];
    let table: &[(&[(&str, &str)], &str)] = &[
        (&issuer_without, "auth.issuers.hr.issuer: is missing: the iss of its tokens"),
        (&issuer_unsafe, "auth.issuers.hr.issuer: must be an https address"),
        (&issuer_query, "auth.issuers.hr.issuer: must be an https address"),
        (&[safe], "auth.issuers.hr.audience: is missing: the aud of tokens that are meant for us"),
        (&keys_unsafe, "auth.issuers.hr.jwks_url: must be an https address"),
        (&same_issuer, "auth.issuers.it.issuer: is that of another table of [auth.issuers]"),
        (&[safe, audience, ("CLIENTS__ESS__ISSUER", "hr")], "clients.ess.subject: is missing: the sub of the client's"),
        (
            &[("CLIENTS__ESS__SUBJECT", "1")],
            "clients.ess.issuer: is missing: a subject means nothing without its issuer",
        ),
        (&unknown_issuer, "clients.ess.issuer: must name one of [auth.issuers]"),
        (&same_subject, "clients.far.subject: is that of another client with the same issuer"),
    ];
    for (variables, expected) in table {
        let problems = told(with(variables));
        assert!(matches!(problems.as_slice(), [one] if one.starts_with(expected)), "{variables:?}: {problems:#?}");
    }
}

#[test]
fn an_address_is_safe_over_https_or_on_this_machine() {
    for (address, safe) in [
        ("https://login.microsoftonline.com/x/v2.0", true),
        ("http://localhost:8090/x/v2.0", true),
        ("http://127.0.0.1:8090/x", true),
        ("http://[::1]:8090/x", true),
        ("http://localhost.example/x", false),
        ("http://10.0.0.1/x", false),
        ("ftp://localhost/x", false),
        ("file:///etc/keys", false),
    ] {
        assert_eq!(super::super::is_safe(&address.parse().unwrap()), safe, "{address}");
    }
}

#[test]
fn an_issuer_of_a_client_is_a_way_in_without_any_key_of_our_own() {
    let (_kept, path) = file(
        "[database]\nurl = \"postgres://x@localhost/x\"\n[tenants.default.microsoft]\n\
         directory_id = \"contoso.onmicrosoft.com\"\nclient_id = \"0f6b2b2c-6f4e-4a37-9a3f-0c0f6f1f2a11\"\n\
         client_secret = \"x\"\n[auth.issuers.hr]\nissuer = \"https://hr.example/\"\naudience = \"a\"\n\
         [clients.ess]\nsource = \"ess\"\ntenants = [\"*\"]\nscopes = [\"leaves:write\"]\nissuer = \"hr\"\n\
         subject = \"s\"",
    );
    let settings = load(Some(&path), &[]).unwrap();
    assert_eq!(settings.auth.issuers["hr"].issuer, "https://hr.example/", "byte by byte, its slash included");
    assert_eq!(settings.clients["ess"].subject.as_ref().unwrap().subject, "s");
}
