//! A certificate with its private key, as PEM files hold them: read at start to name what is wrong, and again at every
//! use, so that a renewed file is taken up without a restart.
//!
//! It must never show any of the key, and never take a key that is not the certificate's: Entra's own answer to that says
//! only that some key was not found. Whether the certificate is over is not judged here: an expired one is shown by
//! health while webhooks are still taken in, which a refusal to start would prevent.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::{
    digest,
    signature::{KeyPair as _, RsaKeyPair},
};
use jiff::Timestamp;
use pem::Pem;
use x509_cert::der::Decode as _;

use super::file::why;

/// The shortest key that Entra takes and aws-lc signs with, in bytes.
const SHORTEST_KEY: usize = 256;

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, others of its chain if need be, and the key unless that has a file of its own.
    pub certificate: PathBuf,
    /// The key.
    pub key: Option<PathBuf>,
}

/// A certificate that can sign.
pub struct Certificate {
    thumbprint: Vec<u8>,
    expires: Timestamp,
    key: RsaKeyPair,
}

/// Why a certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateError {
    /// Whether the file of the key is meant, not that of the certificate.
    pub in_key_file: bool,
    /// What is wrong with it, to be read after its name.
    pub problem: String,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl CertificateFiles {
    /// Reads them as they are now.
    ///
    /// # Errors
    /// When there is no certificate with its own RSA key in them.
    pub fn read(&self) -> Result<Certificate, CertificateError> {
        let in_certificate = |problem| CertificateError { in_key_file: false, problem };
        let in_key = |problem| CertificateError { in_key_file: self.key.is_some(), problem };
        let main = blocks(&self.certificate).map_err(in_certificate)?;
        let key_blocks = self.key.as_deref().map(blocks).transpose().map_err(in_key)?;
        let key = key(key_blocks.as_ref().unwrap_or(&main)).map_err(in_key)?;
        let certificates: Vec<&Pem> = main.iter().filter(|block| block.tag() == "CERTIFICATE").collect();
        if certificates.is_empty() {
            return Err(in_certificate("holds no certificate (-----BEGIN CERTIFICATE-----)".into()));
        }
        // The chain may come in any order: ours is the one whose key we hold.
        for block in certificates {
            let der = block.contents();
            let certificate = x509_cert::Certificate::from_der(der)
                .map_err(|_| in_certificate("holds a certificate that is not X.509".into()))?;
            let certificate = certificate.tbs_certificate();
            let public = certificate.subject_public_key_info().subject_public_key.raw_bytes();
            if public == key.public_key().as_ref() {
                let end = certificate.validity().not_after.to_unix_duration();
                let thumbprint = digest::digest(&digest::SHA256, der).as_ref().to_vec();
                return Ok(Certificate { thumbprint, expires: moment(end), key });
            }
        }
        Err(in_key("holds a private key that does not belong to the certificate".into()))
    }
}

impl Certificate {
    /// SHA-256 over the certificate: by it Entra finds the key to check with.
    #[must_use]
    pub fn thumbprint(&self) -> &[u8] {
        &self.thumbprint
    }

    /// The first moment at which it is not good any more.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    /// The private key.
    #[must_use]
    pub const fn key(&self) -> &RsaKeyPair {
        &self.key
    }
}

fn blocks(file: &Path) -> Result<Vec<Pem>, String> {
    let text = fs::read(file).map_err(|error| why(&error))?;
    match pem::parse_many(&text) {
        Ok(blocks) if !blocks.is_empty() => Ok(blocks),
        // The portal's own download, and what most tools make, is binary.
        _ => Err("must be PEM; a .pfx becomes that with `openssl pkcs12 -in app.pfx -out app.pem -nodes`".into()),
    }
}

fn key(blocks: &[Pem]) -> Result<RsaKeyPair, String> {
    let is_encrypted = |block: &Pem| {
        block.tag() == "ENCRYPTED PRIVATE KEY" || block.headers().get("Proc-Type").is_some_and(|t| t.contains("ENCR"))
    };
    let Some(block) = blocks.iter().find(|block| block.tag().ends_with("PRIVATE KEY")) else {
        return Err("holds no private key (-----BEGIN PRIVATE KEY-----)".into());
    };
    if is_encrypted(block) {
        return Err("holds an encrypted private key: take its password off with `openssl pkey`".into());
    }
    let key = match block.tag() {
        "PRIVATE KEY" => RsaKeyPair::from_pkcs8(block.contents()),
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(block.contents()),
        _ => return Err("must hold an RSA key: Entra takes no other".into()),
    };
    let key = key.map_err(|_| "must hold an RSA key of 2048 bits or more: Entra takes no other")?;
    if key.public_modulus_len() < SHORTEST_KEY {
        return Err("must hold an RSA key of 2048 bits or more: Entra takes no other".into());
    }
    Ok(key)
}

fn moment(since_1970: Duration) -> Timestamp {
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}
