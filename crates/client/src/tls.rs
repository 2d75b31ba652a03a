//! TLS: rustls, with the library and the roots that the features say, and the caller's additional roots. There is no way
//! around verification.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme};
use secrecy::ExposeSecret as _;
use taskward_core::{ConfigError, SecretString};

/// Builds the settings of every handshake. `ca_files` and `ca_pems` are PEM texts of roots to trust besides the built-in ones;
/// `identity` is the certificate chain to present, with its private key.
///
/// # Errors
/// When one of them cannot be used, or the platform's roots cannot; when this build has nothing that encrypts, or
/// nobody is trusted.
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
    let provider = provider()?;
    let verifier = verifier(roots, provider.clone())?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(broken)?
        // The name is rustls's: this verifier is the platform's own, or rustls's.
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

fn broken(why: impl std::fmt::Display) -> ConfigError {
    ConfigError::new(format!("TLS cannot be set up: {why}"))
}

/// Returns what encrypts. Features add up: whoever asks for aws-lc-rs beside somebody who asks for ring gets ring.
#[cfg(feature = "ring")]
pub(crate) fn provider() -> Result<Arc<CryptoProvider>, ConfigError> {
    Ok(Arc::new(rustls::crypto::ring::default_provider()))
}

#[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
pub(crate) fn provider() -> Result<Arc<CryptoProvider>, ConfigError> {
    Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
pub(crate) fn provider() -> Result<Arc<CryptoProvider>, ConfigError> {
    Err(broken(
        "this build has nothing that encrypts; build it with feature ring or aws-lc-rs",
    ))
}

/// Returns who judges certificates: the platform, which is given these roots too.
#[cfg(feature = "platform-roots")]
fn verifier(
    roots: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, ConfigError> {
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(roots, provider);
    Ok(Arc::new(verifier.map_err(broken)?))
}

/// Returns who judges certificates: rustls, by Mozilla's roots if they are built in, and these.
#[cfg(not(feature = "platform-roots"))]
fn verifier(
    roots: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, ConfigError> {
    let mut trusted = rustls::RootCertStore::empty();
    #[cfg(feature = "webpki-roots")]
    trusted.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for root in roots {
        trusted.add(root).map_err(broken)?;
    }
    if trusted.is_empty() {
        return Err(broken(
            "this build trusts no authority; add one, or build it with feature platform-roots or webpki-roots",
        ));
    }
    let verifier =
        rustls::client::WebPkiServerVerifier::builder_with_provider(trusted.into(), provider);
    Ok(verifier.build().map_err(broken)?)
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

/// A verifier whose refusals say when a certificate is self-signed. It accepts what the one within accepts.
#[derive(Debug)]
struct Wording(Arc<dyn ServerCertVerifier>);

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

    /// What is wrong with this build, if anything is.
    #[allow(dead_code, reason = "each build has one of the tests below")]
    fn of_this_build() -> Option<String> {
        config(&[], &[], None).err().map(|error| error.to_string())
    }

    #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
    #[test]
    fn a_build_that_cannot_encrypt_names_the_features_that_do() {
        let why = of_this_build().expect("refused");
        assert!(why.contains("feature ring or aws-lc-rs"), "{why}");
    }

    #[cfg(all(
        any(feature = "ring", feature = "aws-lc-rs"),
        not(any(feature = "platform-roots", feature = "webpki-roots"))
    ))]
    #[test]
    fn a_build_that_trusts_nobody_names_the_features_with_roots() {
        let why = of_this_build().expect("refused");
        assert!(
            why.contains("feature platform-roots or webpki-roots"),
            "{why}"
        );
    }

    #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
    #[test]
    fn ring_encrypts_wherever_it_is_built_in_and_otherwise_aws_lc_rs() {
        let random = format!("{:?}", provider().expect("one of them").secure_random);
        let expected = if cfg!(feature = "ring") {
            "Ring"
        } else {
            "AwsLcRs"
        };
        assert_eq!(random, expected);
    }

    #[cfg(any(feature = "platform-roots", feature = "webpki-roots"))]
    #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
    #[test]
    fn the_platforms_roots_count_wherever_they_are_built_in_and_otherwise_mozillas() {
        assert_eq!(of_this_build(), None);
        let provider = provider().expect("one of them");
        let verifier = format!("{:?}", verifier(Vec::new(), provider).expect("one of them"));
        let platform = verifier.starts_with("Verifier");
        assert_eq!(platform, cfg!(feature = "platform-roots"), "{verifier}");
    }

    #[cfg(any(feature = "platform-roots", feature = "webpki-roots"))]
    #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
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
