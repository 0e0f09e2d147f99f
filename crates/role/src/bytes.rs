use std::fmt;

const MEBIBYTE: u64 = 1024 * 1024;
const GIBIBYTE: u64 = 1024 * MEBIBYTE;

/// An amount of memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

impl Bytes {
    /// So many bytes.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// So many MiB, as far as they can be counted.
    #[must_use]
    pub const fn mebibytes(number: u64) -> Self {
        Self(number.saturating_mul(MEBIBYTE))
    }

    /// So many GiB, as far as they can be counted.
    #[must_use]
    pub const fn gibibytes(number: u64) -> Self {
        Self(number.saturating_mul(GIBIBYTE))
    }

    /// The number of bytes.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// In the largest unit that leaves a whole number, as container engines read it: `640m`, `2g`.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes % GIBIBYTE == 0 => write!(f, "{}g", bytes / GIBIBYTE),
            bytes if bytes % MEBIBYTE == 0 => write!(f, "{}m", bytes / MEBIBYTE),
            bytes => write!(f, "{bytes}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_engines_read_it() {
        let told = [Bytes::gibibytes(2), Bytes::mebibytes(640), Bytes::mebibytes(1024), Bytes(1500)];
        assert_eq!(told.map(|bytes| bytes.to_string()), ["2g", "640m", "1g", "1500"]);
    }
}
