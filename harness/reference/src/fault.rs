//! The description of a fault, and the macro with which each family lists its faults.
//!
//! Each family has its own enum of faults, such as `sockets::SocketFault`, so that a function accepts only the faults
//! that it implements. A macro generates the enums, so that the name, the report and the description of a fault stand
//! in one place.

/// Prefix of `reported_in` for a fault without a known report; the rule that it breaks follows.
const HYPOTHETICAL: &str = "hypothetical: ";

/// The description of a fault, for `reusespec faults`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultNote {
    /// The name on the command line, in kebab case.
    pub name: &'static str,
    /// The report of the bug, `owner/repository#number`, or the source that contains it. `hypothetical: RULE` if
    /// neither is known.
    pub reported_in: &'static str,
    /// What goes wrong: a sentence without a full stop.
    pub what: &'static str,
}

impl FaultNote {
    /// Whether no report of the bug is known.
    #[must_use]
    pub fn is_hypothetical(&self) -> bool {
        self.reported_in.starts_with(HYPOTHETICAL)
    }
}

/// Defines an enum of faults. A row is `Variant = name, report, what goes wrong;`, with further documentation before it
/// if needed.
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

            /// The fault with this name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|fault| fault.name() == name)
            }

            /// The name on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                self.note().name
            }

            /// The report of the bug.
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
    fn a_fault_is_found_by_its_name_only() {
        for &fault in SocketFault::ALL {
            assert_eq!(SocketFault::named(fault.name()), Some(fault));
        }
        for &fault in KeepaliveFault::ALL {
            assert_eq!(KeepaliveFault::named(fault.name()), Some(fault));
        }
        assert_eq!(SocketFault::named("keepalive-truncates"), None);
    }
}
