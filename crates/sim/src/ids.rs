//! Ids and keys that follow from the seed alone.

use sha2::{Digest, Sha256};

/// Returns the UUID (version 8, "custom") of the `n`th thing of a kind under a seed.
pub(crate) fn uuid(seed: u64, kind: &str, n: u64) -> String {
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&digest(seed, kind, n)[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = hex(&bytes);
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// Returns the only API key that a simulator with this seed takes.
pub(crate) fn api_key(seed: u64) -> String {
    format!("{KEY_PREFIX}{}", hex(&digest(seed, "key", 0)[..12]))
}

/// What every fake key starts with; anything else might be a real one.
pub(crate) const KEY_PREFIX: &str = "sim_key_";

/// The reply to a key that does not look like a fake one.
pub(crate) const REAL_KEY_WARNING: &str = "This is a simulator and takes only its own fake key. If you sent it a real \
     one: it was neither kept nor logged, but point your program at the right base URL.";

/// 16 hexadecimal digits: the name of the `n`th thing of a kind under a seed.
pub(crate) fn token(seed: u64, kind: &str, n: u64) -> String {
    hex(&digest(seed, kind, n)[..8])
}

/// Returns a number below 1 that follows from the seed: the `n`th throw of the die `kind`.
pub(crate) fn chance(seed: u64, kind: &str, n: u64) -> f64 {
    let mut bytes = [0u8; 8];
    bytes.copy_from_slice(&digest(seed, kind, n)[..8]);
    // 53 bits are what an f64 holds exactly.
    (u64::from_be_bytes(bytes) >> 11) as f64 / (1u64 << 53) as f64
}

/// Returns whether a text is a UUID in the hyphenated form.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Returns lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Returns the id by which the client knows a question that these make what it is.
pub(crate) fn question(parts: &[&str]) -> String {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    format!("q_{}", hex(&Sha256::digest(&bytes)[..8]))
}

fn digest(seed: u64, kind: &str, n: u64) -> [u8; 32] {
    let mut sha = Sha256::new();
    sha.update(seed.to_be_bytes());
    sha.update(n.to_be_bytes());
    sha.update(kind.as_bytes());
    sha.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_follows_from_the_seed_and_is_a_uuid() {
        assert_eq!(uuid(7, "task", 1), uuid(7, "task", 1));
        assert_ne!(uuid(7, "task", 1), uuid(8, "task", 1));
        assert_ne!(uuid(7, "task", 1), uuid(7, "task", 2));
        assert!(is_uuid(&uuid(7, "task", 1)));
    }

    #[test]
    fn only_the_hyphenated_form_is_a_uuid() {
        assert!(is_uuid("F1C2a3b4-0000-1111-2222-333344445555"));
        for text in [
            "",
            "abc",
            "f1c2a3b4000011112222333344445555",
            "g1c2a3b4-0000-1111-2222-333344445555",
        ] {
            assert!(!is_uuid(text), "{text}");
        }
    }

    #[test]
    fn chances_fill_the_unit_interval() {
        let throws: Vec<f64> = (0..1000).map(|n| chance(1, "fault", n)).collect();
        assert!(throws.iter().all(|throw| (0.0..1.0).contains(throw)));
        let low = throws.iter().filter(|throw| **throw < 0.3).count();
        assert!((250..350).contains(&low), "{low} of 1000 below 0.3");
    }
}
