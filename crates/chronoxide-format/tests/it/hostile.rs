//! What every decoder must survive: each prefix of valid bytes, and each single flipped bit.

/// Calls `decode` with every proper prefix and every single-bit flip of `valid`. It must not panic; what it decodes
/// must have the asked length, which `decode` checks itself.
pub(crate) fn survives_damage(valid: &[u8], decode: impl Fn(&[u8])) {
    for end in 0..valid.len() {
        decode(&valid[..end]);
    }
    let mut damaged = valid.to_vec();
    for bit in 0..valid.len() * 8 {
        damaged[bit / 8] ^= 1 << (bit % 8);
        decode(&damaged);
        damaged[bit / 8] ^= 1 << (bit % 8);
    }
}
