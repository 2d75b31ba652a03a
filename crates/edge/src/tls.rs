//! TLS: rustls with ring, the platform's roots and the caller's additional ones. There is no way around verification.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::Verifier;
use taskward_core::ConfigError;

/// The settings of every handshake; `ca_files` are PEM files of roots to trust besides the platform's.
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
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
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
