//! How streams are fed, and a decoder to compare with.

mod oracle;

pub(crate) use oracle::{End, Oracle, feed, feed_at, owned};

/// Tries no cut, each cut, all of them, and some at random.
pub(crate) fn every_cut(bytes: &[u8], mut test: impl FnMut(&[usize])) {
    test(&[]);
    (0..=bytes.len()).for_each(|cut| test(&[cut]));
    test(&(0..bytes.len()).collect::<Vec<_>>());
    let mut random = fastrand::Rng::with_seed(bytes.len() as u64);
    for _ in 0..50 {
        let often = random.u8(1..200);
        let cuts: Vec<usize> = (0..bytes.len()).filter(|_| random.u8(..) < often).collect();
        test(&cuts);
    }
}
