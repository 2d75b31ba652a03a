//! Randomness as a value: everything random is derived from one [`Seed`] that the adapter draws.

use hmac_sha256::Hash as Sha256;

/// 32 bytes of fresh entropy, which the adapter draws when a task or a call is created.
///
/// Idempotency keys, form boundaries and jitter are derived from it; the same seed gives the same bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed(pub [u8; 32]);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl Seed {
    /// Derives sixteen bytes for one use, separated from other uses by `label` and by the data they are bound to.
    pub(crate) fn derive(&self, label: &str, bound_to: &[u8]) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update([label.len() as u8]);
        hash.update(label);
        hash.update(bound_to);
        let digest = hash.finalize();
        let mut out = [0; 16];
        out.copy_from_slice(&digest[..16]);
        out
    }

    /// Derives the start state of the jitter generator.
    pub(crate) fn jitter(&self) -> u64 {
        let bytes = self.derive("jitter", &[]);
        u64::from_le_bytes(bytes[..8].try_into().expect("eight of sixteen bytes"))
    }
}

/// Writes bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Reads 32 bytes of hexadecimal.
pub(crate) fn unhex32(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_never_printed() {
        assert_eq!(format!("{:?}", Seed([0xab; 32])), "Seed(..)");
    }

    #[test]
    fn what_comes_of_a_seed_is_the_same_for_the_same_use_alone() {
        let seed = Seed([1; 32]);
        let key = seed.derive("key", b"a");
        assert_eq!(key, Seed([1; 32]).derive("key", b"a"));
        for other in [
            Seed([2; 32]).derive("key", b"a"),
            seed.derive("boundary", b"a"),
            seed.derive("key", b"b"),
            // The label does not run into what it is bound to.
            seed.derive("keya", b""),
        ] {
            assert_ne!(key, other);
        }
    }

    #[test]
    fn hexadecimal_is_read_back_and_nothing_else_is() {
        let bytes: [u8; 32] = std::array::from_fn(|i| i as u8 * 8);
        let text = hex(&bytes);
        assert_eq!(unhex32(&text), Some(bytes));
        assert_eq!(unhex32(&text.to_ascii_uppercase()), Some(bytes));
        for bad in [
            "",
            &text[1..],
            &format!("{text}0"),
            &text.replace("08", "0g"),
            &"é".repeat(32),
        ] {
            assert_eq!(unhex32(bad), None, "{bad}");
        }
    }
}
