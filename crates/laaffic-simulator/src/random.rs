//! Randomness without state: the same seed and the same circumstances always give the same number.
//!
//! A generator with state would make a flow's life depend on who asked first; a hash of the circumstances does not, and it needs no
//! memory for 50,000 flows. The mixing step is SplitMix64 (Steele, Lea, Flood 2014), written out so that a seed means the same for ever.

/// A number that depends on every bit of the seed and of the circumstances, in their order.
pub(crate) fn hash(seed: u64, circumstances: &[u64]) -> u64 {
    circumstances
        .iter()
        .fold(mix(seed), |sum, part| mix(sum ^ part.rotate_left(17)))
}

/// `hash` as a number from 0 up to and without 1.
pub(crate) fn fraction(hash: u64) -> f64 {
    // The upper 53 bits: as many as a double holds exactly.
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

/// One of `choices` by `hash`.
pub(crate) fn pick<T: Copy + Default, const N: usize>(hash: u64, choices: [T; N]) -> T {
    let place = hash % (N as u64).max(1);
    choices.get(place as usize).copied().unwrap_or_default()
}

/// What a piece of text weighs as a circumstance (FNV-1a).
pub(crate) fn hash_text(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_of_splitmix64() {
        // From the reference implementation with state 0: the first output is mix(0).
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn same_circumstances_same_number_other_circumstances_another() {
        assert_eq!(hash(1, &[2, 3]), hash(1, &[2, 3]));
        assert_ne!(hash(1, &[2, 3]), hash(1, &[3, 2]));
        assert_ne!(hash(1, &[2, 3]), hash(2, &[2, 3]));
        assert_ne!(hash_text("a"), hash_text("b"));
    }

    #[test]
    fn fractions_fill_the_unit_interval() {
        let mean = (0..10_000).map(|n| fraction(hash(7, &[n]))).sum::<f64>() / 10_000.0;
        assert!((0.48..0.52).contains(&mean), "{mean}");
        assert!(fraction(u64::MAX) < 1.0);
    }

    #[test]
    fn every_choice_is_picked() {
        let mut seen = [0; 3];
        for n in 0..300 {
            seen[pick(hash(7, &[n]), [0usize, 1, 2])] += 1;
        }
        assert!(seen.iter().all(|count| *count > 60), "{seen:?}");
    }
}
