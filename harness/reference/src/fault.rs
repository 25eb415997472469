//! What is said about a fault, whatever family it belongs to, and how a family lists its own.
//!
//! Each family has an enum of its own faults (`sockets::SocketFault`, `keepalive::KeepaliveFault`), so that no
//! function can be handed a fault it does not know. They are tables for a macro, because name, report and
//! sentence of a fault belong in one place; the price is a macro in the way of a reader's search.

/// What the report of a fault begins with where there is none; the rest is the rule it breaks.
const HYPOTHETICAL: &str = "hypothetical: ";

/// A fault in words, for `reusespec faults`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultNote {
    /// The name on the command line, in kebab case.
    pub name: &'static str,
    /// The report the fault comes from, `owner/repository#number`, or a line of source that has it. `hypothetical: RULE`
    /// where neither is known to us.
    pub reported_in: &'static str,
    /// What goes wrong, in a sentence without a full stop.
    pub what: &'static str,
}

impl FaultNote {
    /// Whether nobody is known to us to have made the mistake.
    #[must_use]
    pub fn is_hypothetical(&self) -> bool {
        self.reported_in.starts_with(HYPOTHETICAL)
    }
}

/// An enum of faults. A row is `Variant = name, report, what goes wrong;`, with more documentation before it
/// where the sentence is not enough.
macro_rules! faults {
    (
        $(#[$about:meta])*
        $faults:ident { $($(#[$does:meta])* $fault:ident = $name:literal, $report:literal, $what:literal;)+ }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $faults {
            $($(#[$does])* #[doc = $what] $fault,)+
        }

        impl $faults {
            /// Every fault, in the order of `reusespec faults`.
            pub const ALL: &[Self] = &[$(Self::$fault,)+];

            /// The fault called `name`.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|fault| fault.name() == name)
            }

            /// The name on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                self.note().name
            }

            /// The report the fault comes from.
            #[must_use]
            pub const fn reported_in(self) -> &'static str {
                self.note().reported_in
            }

            /// What goes wrong, in a sentence.
            #[must_use]
            pub const fn what(self) -> &'static str {
                self.note().what
            }

            /// Name, report and sentence together.
            #[must_use]
            pub const fn note(self) -> $crate::fault::FaultNote {
                match self {
                    $(Self::$fault => $crate::fault::FaultNote {
                        name: $name,
                        reported_in: $report,
                        what: $what,
                    },)+
                }
            }
        }
    };
}

pub(crate) use faults;

#[cfg(test)]
mod tests {
    use crate::keepalive::KeepaliveFault;
    use crate::sockets::SocketFault;

    #[test]
    fn every_fault_is_found_by_its_name_and_by_no_other() {
        for &fault in SocketFault::ALL {
            assert_eq!(SocketFault::named(fault.name()), Some(fault));
        }
        for &fault in KeepaliveFault::ALL {
            assert_eq!(KeepaliveFault::named(fault.name()), Some(fault));
        }
        assert_eq!(SocketFault::named("keepalive-truncates"), None);
    }
}
