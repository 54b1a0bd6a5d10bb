//! What is known of a value's bits.

/// Width of the lanes in which a value was computed. A scalar is one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Lanes {
    F32,
    F64,
}

/// Which kinds of value one may be, as a set. The empty set is a value that is no NaN, or only ever the canonical
/// one: whether it is made canonical makes no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Class(u8);

impl Class {
    /// Never a NaN with other bits than the canonical ones, in lanes of either width.
    pub(super) const NEUTRAL: Class = Class(0);
    /// The bits are those that the guest may see, and must not be changed.
    pub(super) const DEFINED: Class = Class(1);
    /// Fresh from arithmetic: if it is a NaN, the canonical one is meant.
    pub(super) const RAW_32: Class = Class(2);
    /// The same in 64-bit lanes.
    pub(super) const RAW_64: Class = Class(4);
    /// Fresh, with the sign turned: if it is a NaN, the canonical one with its sign set is meant.
    pub(super) const TURNED_32: Class = Class(8);
    /// The same in 64-bit lanes.
    pub(super) const TURNED_64: Class = Class(16);

    const ALL_32: u8 = Self::RAW_32.0 | Self::TURNED_32.0;
    const ALL_64: u8 = Self::RAW_64.0 | Self::TURNED_64.0;

    pub(super) fn raw(lanes: Lanes) -> Class {
        match lanes {
            Lanes::F32 => Self::RAW_32,
            Lanes::F64 => Self::RAW_64,
        }
    }

    /// Either of two.
    pub(super) fn or(self, other: Class) -> Class {
        Class(self.0 | other.0)
    }

    /// Whether it may be fresh.
    pub(super) fn may_be_raw(self) -> bool {
        self.0 & !Self::DEFINED.0 != 0
    }

    /// The one way in which every value of this class can be made canonical, if there is one.
    pub(super) fn certain(self) -> Option<(Lanes, bool)> {
        match self {
            Self::RAW_32 => Some((Lanes::F32, false)),
            Self::TURNED_32 => Some((Lanes::F32, true)),
            Self::RAW_64 => Some((Lanes::F64, false)),
            Self::TURNED_64 => Some((Lanes::F64, true)),
            _ => None,
        }
    }

    fn in_lanes(lanes: Lanes) -> u8 {
        match lanes {
            Lanes::F32 => Self::ALL_32,
            Lanes::F64 => Self::ALL_64,
        }
    }

    /// Whether it may be fresh in lanes of another width, so that reading it in these shows the bits.
    pub(super) fn clashes(self, lanes: Lanes) -> bool {
        self.0 & !Self::DEFINED.0 & !Self::in_lanes(lanes) != 0
    }

    /// As seen by who reads it in these lanes: what is fresh in others has been made canonical.
    fn read_in(self, lanes: Lanes) -> Class {
        if self.clashes(lanes) { Class(self.0 & Self::in_lanes(lanes) | Self::DEFINED.0) } else { self }
    }

    /// With the sign turned.
    fn turned(self) -> Class {
        let raw = Self::RAW_32.0 | Self::RAW_64.0;
        let turned = Self::TURNED_32.0 | Self::TURNED_64.0;
        Class(self.0 & Self::DEFINED.0 | (self.0 & raw) << 2 | (self.0 & turned) >> 2)
    }

    /// With the sign cleared.
    fn positive(self) -> Class {
        let turned = Self::TURNED_32.0 | Self::TURNED_64.0;
        Class(self.0 & !turned | (self.0 & turned) >> 2)
    }
}

/// What happens to a value on its way from one place to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// Nothing.
    Same,
    /// It is read in lanes of this width.
    Read(Lanes),
    /// Its lanes' signs are turned.
    Turn(Lanes),
    /// Its lanes' signs are cleared.
    Clear(Lanes),
}

impl Passage {
    /// The class after it.
    pub(super) fn of(self, class: Class) -> Class {
        match self {
            Passage::Same => class,
            Passage::Read(lanes) => class.read_in(lanes),
            Passage::Turn(lanes) => class.read_in(lanes).turned(),
            Passage::Clear(lanes) => class.read_in(lanes).positive(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_turn_and_clear() {
        for lanes in [Lanes::F32, Lanes::F64] {
            let raw = Class::raw(lanes);
            let turned = Passage::Turn(lanes).of(raw);
            assert_eq!(turned.certain(), Some((lanes, true)));
            assert_eq!(Passage::Turn(lanes).of(turned), raw);
            assert_eq!(Passage::Clear(lanes).of(turned), raw);
            assert_eq!(Passage::Clear(lanes).of(raw), raw);
            for kept in [Class::NEUTRAL, Class::DEFINED] {
                assert_eq!(Passage::Turn(lanes).of(kept), kept);
                assert_eq!(Passage::Clear(lanes).of(kept), kept);
            }
        }
    }

    #[test]
    fn other_lanes_show_the_bits() {
        assert!(Class::RAW_64.clashes(Lanes::F32));
        assert!(Class::TURNED_32.or(Class::DEFINED).clashes(Lanes::F64));
        assert!(!Class::RAW_32.or(Class::TURNED_32).or(Class::DEFINED).clashes(Lanes::F32));
        assert_eq!(Passage::Read(Lanes::F32).of(Class::RAW_64), Class::DEFINED);
        assert_eq!(Passage::Read(Lanes::F32).of(Class::RAW_32), Class::RAW_32);
    }

    #[test]
    fn a_mixture_has_no_certain_form() {
        for mixture in [
            Class::RAW_32.or(Class::DEFINED),
            Class::RAW_32.or(Class::RAW_64),
            Class::RAW_64.or(Class::TURNED_64),
        ] {
            assert!(mixture.may_be_raw());
            assert_eq!(mixture.certain(), None);
        }
        for kept in [Class::NEUTRAL, Class::DEFINED] {
            assert!(!kept.may_be_raw());
            assert_eq!(kept.certain(), None);
        }
    }
}
