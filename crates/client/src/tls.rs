//! TLS: rustls with ring, the platform's roots and the caller's additional ones. There is no way around verification.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme};
use rustls_platform_verifier::Verifier;
use secrecy::ExposeSecret as _;
use taskward_core::{ConfigError, SecretString};

/// Builds the settings of every handshake. `ca_files` and `ca_pems` are PEM texts of roots to trust besides the platform's;
/// `identity` is the certificate chain to present, with its private key.
///
/// # Errors
/// When one of them cannot be used, or the platform's roots cannot.
pub(crate) fn config(
    ca_files: &[PathBuf],
    ca_pems: &[Vec<u8>],
    identity: Option<&(Vec<u8>, SecretString)>,
) -> Result<Arc<ClientConfig>, ConfigError> {
    let mut roots: Vec<CertificateDer<'static>> = Vec::new();
    for path in ca_files {
        let before = roots.len();
        let unusable = |e| {
            ConfigError::new(format!(
                "the CA file {} cannot be used: {e}",
                path.display()
            ))
        };
        for certificate in CertificateDer::pem_file_iter(path).map_err(unusable)? {
            roots.push(certificate.map_err(unusable)?);
        }
        if roots.len() == before {
            return Err(ConfigError::new(format!(
                "the CA file {} holds no certificate in PEM form",
                path.display()
            )));
        }
    }
    for pem in ca_pems {
        let unusable = |why: &dyn std::fmt::Display| {
            ConfigError::new(format!("a CA given as PEM text cannot be used: {why}"))
        };
        let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|e| unusable(&e))?;
        if found.is_empty() {
            return Err(unusable(&"it holds no certificate in PEM form"));
        }
        roots.extend(found);
    }
    let broken = |e: rustls::Error| ConfigError::new(format!("TLS cannot be set up: {e}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new_with_extra_roots(roots, provider.clone()).map_err(broken)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(broken)?
        // The name is rustls's: this verifier is the platform's own.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Wording(verifier)));
    let config = match identity {
        None => config.with_no_client_auth(),
        Some((chain, key)) => {
            let (chain, key) = parse_identity(chain, key)?;
            config
                .with_client_auth_cert(chain, key)
                .map_err(|e| unusable_identity(&e))?
        }
    };
    Ok(Arc::new(config))
}

fn unusable_identity(why: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::new(format!("the client's identity cannot be used: {why}"))
}

fn parse_identity(
    chain: &[u8],
    key: &SecretString,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), ConfigError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|e| unusable_identity(&e))?;
    if chain.is_empty() {
        return Err(unusable_identity(
            &"its chain holds no certificate in PEM form",
        ));
    }
    // What is wrong with a key is not shown: the words might hold some of it.
    let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes())
        .map_err(|_| unusable_identity(&"its private key is no key in PEM form"))?;
    Ok((chain, key))
}

/// The platform's verifier, whose refusals say when a certificate is self-signed. It accepts what that one accepts.
#[derive(Debug)]
struct Wording(Verifier);

/// A certificate that no authority has signed, only its own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SelfSigned;

impl std::fmt::Display for SelfSigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is self-signed")
    }
}

impl std::error::Error for SelfSigned {}

impl SelfSigned {
    /// Returns why a certificate was refused, with a message of its own when it is self-signed.
    fn or(why: rustls::Error, certificate: &CertificateDer<'_>) -> rustls::Error {
        let unknown = CertificateError::UnknownIssuer;
        let own = webpki::EndEntityCert::try_from(certificate)
            .is_ok_and(|certificate| certificate.issuer() == certificate.subject());
        if own && why == rustls::Error::InvalidCertificate(unknown) {
            return CertificateError::Other(OtherError(Arc::new(Self))).into();
        }
        why
    }
}

impl ServerCertVerifier for Wording {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.0
            .verify_server_cert(certificate, intermediates, name, ocsp, now)
            .map_err(|why| SelfSigned::or(why, certificate))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_without_a_certificate_is_refused_by_name() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("roots.pem");
        let refused = |path: &PathBuf| {
            config(std::slice::from_ref(path), &[], None)
                .expect_err("refused")
                .to_string()
        };
        assert!(refused(&path).contains("roots.pem"));
        std::fs::write(&path, "not a certificate").expect("write");
        assert!(refused(&path).contains("no certificate"));
        std::fs::write(
            &path,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        )
        .expect("write");
        assert!(!refused(&path).is_empty());
    }

    #[test]
    fn a_ca_or_an_identity_that_is_no_pem_text_is_refused_without_its_key() {
        let refused = |ca: &[Vec<u8>], identity: Option<(&[u8], &str)>| {
            let identity = identity.map(|(chain, key)| (chain.to_vec(), SecretString::from(key)));
            let refused = config(&[], ca, identity.as_ref()).expect_err("refused");
            refused.to_string()
        };
        assert!(refused(&[b"nothing".to_vec()], None).contains("no certificate"));
        assert!(refused(&[], Some((b"nothing", "canary"))).contains("no certificate"));
        let chain = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let why = refused(&[], Some((chain, "canary")));
        assert!(why.contains("no key in PEM form"), "{why}");
        assert!(!why.contains("canary"), "{why}");
    }
}
