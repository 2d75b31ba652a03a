//! TLS: rustls with ring, the platform's roots and the caller's additional ones. There is no way around verification.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme};
use rustls_platform_verifier::Verifier;
use taskward_core::ConfigError;

/// Builds the settings of every handshake; `ca_files` are PEM files of roots to trust besides the platform's.
///
/// # Errors
/// When a file holds no root, or the platform's cannot be used.
pub fn config(ca_files: &[PathBuf]) -> Result<Arc<ClientConfig>, ConfigError> {
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
    let broken = |e: rustls::Error| ConfigError::new(format!("TLS cannot be set up: {e}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new_with_extra_roots(roots, provider.clone()).map_err(broken)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(broken)?
        // The name is rustls's: this verifier is the platform's own.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Wording(verifier)))
        .with_no_client_auth();
    Ok(Arc::new(config))
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
            config(std::slice::from_ref(path))
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
}
