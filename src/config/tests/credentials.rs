//! How a tenant signs in: what each kind needs, what it takes from the environment, and what it refuses.

use std::{fs, path::Path};

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::{GUID, MARK, environment, load, told};
use crate::{
    config::{CertificateFiles, Credential, ManagedHost, Microsoft},
    domain::{credential::Expiry, problem::Problems},
};

const PREFIX: &str = "TENANTS__DEFAULT__MICROSOFT__";

/// The least with these keys of the tenant's instead of its secret, and that around it.
fn microsoft(keys: &[(&str, &str)], around: &[(&str, &str)]) -> Result<Microsoft, Problems> {
    let keys: Vec<(String, &str)> = keys.iter().map(|(key, value)| (format!("{PREFIX}{key}"), *value)).collect();
    let mut further: Vec<(&str, &str)> = keys.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    let secret = "TENANTS__DEFAULT__MICROSOFT__CLIENT_SECRET";
    if !further.iter().any(|(key, _)| *key == secret) {
        further.push((secret, ""));
    }
    let mut all = environment(&further);
    all.extend(around.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    load(None, &all).map(|mut settings| settings.tenants.remove("default").unwrap().microsoft)
}

fn problems(keys: &[(&str, &str)], around: &[(&str, &str)]) -> Vec<String> {
    let mut problems = Vec::new();
    if let Err(found) = microsoft(keys, around) {
        problems = told(Err(found));
    }
    problems.into_iter().map(|problem| problem.replace("tenants.default.microsoft.", "")).collect()
}

/// A certificate that ends on 2027-05-15, and its key.
fn certificate(key: &KeyPair) -> String {
    let mut params = CertificateParams::new(["leavebridge".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2027, 5, 15);
    params.self_signed(key).unwrap().pem()
}

fn rsa() -> KeyPair {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()
}

fn write(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_certificate_is_read_with_its_own_date_whatever_the_order_in_its_file() {
    let (key, other) = (rsa(), rsa());
    let folder = tempfile::tempdir().unwrap();
    let (own, chain) = (certificate(&key), certificate(&other));
    let whole = format!("Bag Attributes\n{chain}{own}{}", key.serialize_pem());
    let whole = write(&folder, "whole.pem", whole);
    let (cert, apart) = (write(&folder, "cert.pem", &own), write(&folder, "key.pem", key.serialize_pem()));
    for keys in [
        &[("CREDENTIAL", "certificate"), ("CERTIFICATE_FILE", &whole)][..],
        &[("CREDENTIAL", "certificate"), ("CERTIFICATE_FILE", &cert), ("CERTIFICATE_KEY_FILE", &apart)],
    ] {
        let microsoft = microsoft(keys, &[]).unwrap();
        let expires = Expiry::Moment("2027-05-15T00:00:00Z".parse().unwrap());
        assert_eq!(microsoft.expires, Some(expires));
        assert!(matches!(microsoft.credential, Credential::Certificate { .. }));
    }
    let files = CertificateFiles { certificate: Path::new(&whole).into(), key: None };
    let shown = format!("{files:?} {:?}", files.read().unwrap());
    assert!(!shown.contains("PRIVATE") && !shown.contains("RsaKeyPair"), "{shown}");
}

#[test]
fn what_is_wrong_with_a_certificate_is_named_at_the_file_where_it_can_be_mended() {
    let (key, other) = (rsa(), rsa());
    let elliptic = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cert = write(&folder, "cert.pem", certificate(&key));
    let garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (certificate_file, key_file, expected) in [
        ("/nowhere/app.pem".to_owned(), None, "certificate_file: cannot be read: there is no such file"),
        (write(&folder, "empty", ""), None, "certificate_file: must be PEM; a .pfx becomes that with"),
        (write(&folder, "pfx", [0x30, 0x82, 0xff, 0x00]), None, "certificate_file: must be PEM; a .pfx becomes that"),
        (cert.clone(), None, "certificate_file: holds no private key (-----BEGIN PRIVATE KEY-----)"),
        (write(&folder, "key", key.serialize_pem()), None, "certificate_file: holds no certificate (-----BEGIN CERT"),
        (
            write(&folder, "garbled", format!("{garbled}{}", key.serialize_pem())),
            None,
            "certificate_file: holds a certificate that is not X.509",
        ),
        (
            write(&folder, "foreign", format!("{}{}", certificate(&key), other.serialize_pem())),
            None,
            "certificate_file: holds a private key that does not belong to the certificate",
        ),
        (
            write(&folder, "elliptic", format!("{}{}", certificate(&elliptic), elliptic.serialize_pem())),
            None,
            "certificate_file: must hold an RSA key of 2048 bits or more: Entra takes no other",
        ),
        (
            cert.clone(),
            Some("/nowhere/key.pem".to_owned()),
            "certificate_key_file: cannot be read: there is no such file",
        ),
        (
            cert.clone(),
            Some(write(&folder, "other", other.serialize_pem())),
            "certificate_key_file: holds a private key that does not belong to the certificate",
        ),
        (cert.clone(), Some(write(&folder, "locked", encrypted)), "certificate_key_file: holds an encrypted private"),
        (String::new(), None, "certificate_file: is missing: a PEM file that holds the certificate and its private"),
    ] {
        let key_file = key_file.unwrap_or_default();
        let keys = [
            ("CREDENTIAL", "certificate"),
            ("CERTIFICATE_FILE", certificate_file.as_str()),
            ("CERTIFICATE_KEY_FILE", key_file.as_str()),
        ];
        let found = problems(&keys, &[]);
        assert!(matches!(found.as_slice(), [one] if one.starts_with(expected)), "{expected}: {found:#?}");
    }
}

#[test]
fn what_the_chosen_kind_does_not_use_is_named_by_key() {
    let all = [
        ("CLIENT_SECRET", MARK),
        ("NEXT_CLIENT_SECRET_FILE", "/x"),
        ("SECRET_EXPIRES", "2027-01-01"),
        ("CERTIFICATE_FILE", "/x"),
        ("CERTIFICATE_KEY_FILE", "/x"),
        ("FEDERATED_TOKEN_FILE", "/x"),
        ("MANAGED_IDENTITY_CLIENT_ID", GUID),
    ];
    for (kind, used) in [
        ("secret", &["client_secret", "next_client_secret_file", "secret_expires"][..]),
        ("certificate", &["certificate_file", "certificate_key_file"]),
        ("workload-identity", &["federated_token_file"]),
        ("managed-identity", &["managed_identity_client_id"]),
    ] {
        let found = problems(&[&all[..], &[("CREDENTIAL", kind)]].concat(), &[]);
        let of_no_use = format!("is not used with credential = \"{kind}\"");
        let named: Vec<_> = found.iter().filter(|problem| problem.contains(&of_no_use)).collect();
        // A managed identity needs no client_id either.
        let further = usize::from(kind == "managed-identity");
        assert_eq!(named.len(), all.len() - used.len() + further, "{kind}: {found:#?}");
        assert!(
            named.iter().all(|problem| used.iter().all(|key| !problem.starts_with(&format!("{key}: ")))),
            "{named:#?}"
        );
        assert!(!found.concat().contains("hush"), "{found:#?}");
    }
    let found = problems(&[("CREDENTIAL", "secret"), ("CLIENT_SECRET", MARK), ("CERTIFICATE_FILE", "/x")], &[]);
    assert_eq!(
        found,
        [
            "certificate_file: is not used with credential = \"secret\": take it out, or set credential = \"certificate\""
        ]
    );
}

#[test]
fn kubernetes_fills_in_what_is_left_empty_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (token, own) = (write(&folder, "token", "aaa.bbb.ccc\n"), write(&folder, "own", "ddd.eee.fff"));
    let other = "1f6b2b2c-6f4e-4a37-9a3f-0c0f6f1f2a22";
    let directory = "8a1d6c3e-51b7-4f0a-8c55-2f6e0d9b7a10";
    let around = [
        ("AZURE_TENANT_ID", directory),
        ("AZURE_CLIENT_ID", other),
        ("AZURE_FEDERATED_TOKEN_FILE", token.as_str()),
        ("AZURE_AUTHORITY_HOST", "https://login.chinacloudapi.cn/"),
    ];
    let empty = [("CREDENTIAL", "workload-identity"), ("DIRECTORY_ID", ""), ("CLIENT_ID", "")];
    let filled = microsoft(&empty, &around).unwrap();
    assert_eq!((filled.directory_id.as_str(), filled.client_id.as_str()), (directory, other));
    assert_eq!(filled.authority.as_str(), "https://login.chinacloudapi.cn/");
    assert_eq!(filled.graph.as_str(), "https://microsoftgraph.chinacloudapi.cn/");
    assert!(
        matches!(filled.credential, Credential::WorkloadIdentity { token_file } if token_file == Path::new(&token))
    );

    let given = [("CREDENTIAL", "workload-identity"), ("CLOUD", "global"), ("FEDERATED_TOKEN_FILE", own.as_str())];
    let given = microsoft(&given, &around).unwrap();
    assert_eq!((given.directory_id.as_str(), given.client_id.as_str()), ("contoso.onmicrosoft.com", GUID));
    assert_eq!(given.authority.as_str(), "https://login.microsoftonline.com/");
    assert!(matches!(given.credential, Credential::WorkloadIdentity { token_file } if token_file == Path::new(&own)));

    let custom = [&empty[..], &[("CLOUD", "custom"), ("GRAPH", "https://graph.example")]].concat();
    assert_eq!(microsoft(&custom, &around).unwrap().authority.as_str(), "https://login.chinacloudapi.cn/");
    // Another kind of credential heeds none of them.
    let found = problems(&[("CLIENT_SECRET", MARK), ("DIRECTORY_ID", "")], &around);
    assert!(matches!(found.as_slice(), [one] if one.starts_with("directory_id: is missing")), "{found:#?}");
}

#[test]
fn what_is_wrong_with_a_workload_identity_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (token, no_token) = (write(&folder, "token", "aaa.bbb.ccc"), write(&folder, "none", "hush"));
    let kind = ("CREDENTIAL", "workload-identity");
    let authority = |host| [("AZURE_AUTHORITY_HOST", host)];
    for (keys, around, expected) in [
        (
            vec![kind],
            &[][..],
            "federated_token_file: is missing: the file that holds the other issuer's token; AZURE_FED",
        ),
        (
            vec![kind, ("FEDERATED_TOKEN_FILE", "/nowhere")],
            &[],
            "federated_token_file: cannot be read: there is no such file",
        ),
        (vec![kind, ("FEDERATED_TOKEN_FILE", &no_token)], &[], "federated_token_file: must hold a token (JWT)"),
        (
            vec![kind, ("FEDERATED_TOKEN_FILE", &token)],
            &authority("https://login.microsoftonline.us"),
            "cloud: is missing: AZURE_AUTHORITY_HOST is shared by \"us-gov-high\" and \"us-gov-dod\"",
        ),
        (
            vec![kind, ("FEDERATED_TOKEN_FILE", &token)],
            &authority("https://login.example"),
            "cloud: is missing: AZURE_AUTHORITY_HOST is of no known cloud",
        ),
    ] {
        let found = problems(&keys, around);
        assert!(matches!(found.as_slice(), [one] if one.starts_with(expected)), "{expected}: {found:#?}");
    }
}

#[test]
fn the_environment_tells_who_hands_out_a_managed_identitys_tokens() {
    let keys = [("CREDENTIAL", "managed-identity"), ("CLIENT_ID", ""), ("DIRECTORY_ID", "")];
    let host = |around: &[(&str, &str)]| match microsoft(&keys, around).unwrap().credential {
        Credential::ManagedIdentity { host, client_id: None } => host,
        other => panic!("{other:?}"),
    };
    let (endpoint, header) = (("IDENTITY_ENDPOINT", "http://127.0.0.1:41741/msi/token/"), ("IDENTITY_HEADER", MARK));
    let imds = ("IMDS_ENDPOINT", "http://localhost:40342");
    let app_service = host(&[endpoint, header]);
    assert!(!format!("{app_service:?}").contains("hush"), "{app_service:?}");
    assert!(
        matches!(&app_service, ManagedHost::AppService { endpoint: url, header } if url.as_str() == endpoint.1 && header.expose_secret() == MARK)
    );
    assert!(matches!(host(&[endpoint, header, imds]), ManagedHost::AppService { .. }));
    assert!(
        matches!(host(&[endpoint, imds]), ManagedHost::Arc { keys, .. } if keys == Path::new("/var/opt/azcmagent/tokens"))
    );
    assert!(matches!(host(&[]), ManagedHost::Imds { endpoint } if endpoint.as_str() == "http://169.254.169.254/"));
    assert!(matches!(host(&[imds]), ManagedHost::Imds { endpoint } if endpoint.port() == Some(40342)));

    for (around, expected) in [
        (&[endpoint][..], "credential: cannot be used: IDENTITY_ENDPOINT is set in the environment, but neither"),
        (
            &[("IDENTITY_ENDPOINT", "nowhere"), header],
            "credential: cannot be used: IDENTITY_ENDPOINT in the environment",
        ),
        (&[endpoint, header, ("IDENTITY_SERVER_THUMBPRINT", "00")], "credential: cannot be used on Service Fabric"),
        (&[("IMDS_ENDPOINT", "nowhere")], "credential: cannot be used: IMDS_ENDPOINT in the environment is no URL"),
        (&[endpoint, ("IDENTITY_HEADER", "a\nb")], "credential: cannot be used: IDENTITY_HEADER in the environment"),
    ] {
        let found = problems(&keys, around);
        assert!(matches!(found.as_slice(), [one] if one.starts_with(expected)), "{expected}: {found:#?}");
    }
    let found = problems(&[&keys[..], &[("MANAGED_IDENTITY_CLIENT_ID", "hush")]].concat(), &[]);
    assert_eq!(found, ["managed_identity_client_id: must be a GUID: \"Client ID\" on the identity's own page"]);
}

#[test]
fn a_secret_in_a_file_is_read_as_it_is_at_that_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "secret", "first\n");
    let microsoft = microsoft(&[("CLIENT_SECRET_FILE", &path)], &[]).unwrap();
    let Credential::Secret { current, next: None } = microsoft.credential else { panic!("no secret") };
    assert_eq!(current.read().unwrap().expose_secret(), "first");
    write(&folder, "secret", "second");
    assert_eq!(current.read().unwrap().expose_secret(), "second");
    write(&folder, "secret", " \n");
    assert_eq!(current.read().unwrap_err(), "is empty");
    fs::remove_file(&path).unwrap();
    assert_eq!(current.read().unwrap_err(), "cannot be read: there is no such file");
}
