//! Numbers of any width, the highest bit first.

/// Bits appended to bytes.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits of the last byte that are still free.
    free: u32,
}

impl BitWriter {
    /// Begins after whole bytes.
    pub(super) const fn after(bytes: Vec<u8>) -> Self {
        Self { bytes, free: 0 }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends the lowest `count` bits of `number`.
    pub(super) fn push(&mut self, number: u64, count: u32) {
        let mut rest = count;
        while rest > 0 {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let taken = rest.min(self.free);
            let mask = (1_u64 << taken) - 1;
            let bits = (number >> (rest - taken)) & mask;
            if let Some(last) = self.bytes.last_mut() {
                *last |= (bits as u8) << (self.free - taken);
            }
            self.free -= taken;
            rest -= taken;
        }
    }

    pub(super) fn push_byte(&mut self, byte: u8) {
        self.push(u64::from(byte), 8);
    }

    /// A float as it is in memory.
    pub(super) fn push_float(&mut self, value: f64) {
        self.push(value.to_bits(), 64);
    }

    /// Seven bits to a byte, the lowest first.
    pub(super) fn push_varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.push_byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.push_byte(number as u8);
    }

    /// As [`BitWriter::push_varint`], with the sign in the lowest bit.
    pub(super) fn push_signed_varint(&mut self, number: i64) {
        self.push_varint(((number << 1) ^ (number >> 63)) as u64);
    }

    /// A whole number in a width that grows with it, told by the count of leading ones.
    pub(super) fn push_varbit_signed(&mut self, number: i64) {
        if number == 0 {
            return self.push(0, 1);
        }
        let width = VARBIT_WIDTHS
            .iter()
            .position(|width| fits_signed(number, *width));
        self.push_varbit(number as u64, width);
    }

    /// As [`BitWriter::push_varbit_signed`], without a sign.
    pub(super) fn push_varbit_unsigned(&mut self, number: u64) {
        if number == 0 {
            return self.push(0, 1);
        }
        let width = VARBIT_WIDTHS.iter().position(|width| number >> width == 0);
        self.push_varbit(number, width);
    }

    fn push_varbit(&mut self, number: u64, width: Option<usize>) {
        match width {
            Some(index) => {
                // As many ones as there are narrower widths, plus one, and a zero.
                let ones = index as u32 + 1;
                self.push((1 << (ones + 1)) - 2, ones + 1);
                self.push(number, VARBIT_WIDTHS[index]);
            }
            None => {
                self.push(0xff, 8);
                self.push(number, 64);
            }
        }
    }
}

const VARBIT_WIDTHS: [u32; 7] = [3, 6, 9, 12, 18, 25, 56];

/// Whether `number` fits into `width` bits, of which the pattern with only the highest bit set is a positive number.
pub(super) const fn fits_signed(number: i64, width: u32) -> bool {
    -((1 << (width - 1)) - 1) <= number && number <= 1 << (width - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(push: impl FnOnce(&mut BitWriter)) -> String {
        let mut writer = BitWriter::default();
        push(&mut writer);
        let text: String = writer
            .bytes
            .iter()
            .map(|byte| format!("{byte:08b}"))
            .collect();
        text[..text.len() - writer.free as usize].to_owned()
    }

    #[test]
    fn bits_stand_one_after_the_other() {
        let text = bits(|writer| {
            writer.push(1, 1);
            writer.push(0, 2);
            writer.push(0b10_1101_1001, 10);
            writer.push_byte(0xf0);
        });
        assert_eq!(text, "1".to_owned() + "00" + "1011011001" + "11110000");
    }

    #[test]
    fn widths_grow_with_the_number() {
        for (number, expected) in [
            (0, "0".to_owned()),
            (1, "10001".to_owned()),
            (4, "10100".to_owned()),
            (-3, "10101".to_owned()),
            (5, "110000101".to_owned()),
            (-4, "110111100".to_owned()),
            (i64::MIN, format!("11111111{:064b}", i64::MIN)),
        ] {
            assert_eq!(
                bits(|writer| writer.push_varbit_signed(number)),
                expected,
                "{number}"
            );
        }
        assert_eq!(bits(|writer| writer.push_varbit_unsigned(7)), "10111");
        assert_eq!(bits(|writer| writer.push_varbit_unsigned(8)), "110001000");
    }
}
