//! The channel between host and guest: two byte streams over a line that may lose bytes.
//!
//! A serial port of a BSD drops what its ring of a few hundred bytes cannot hold, and QEMU sends without a pause. So both
//! ends send numbered frames with a checksum, never more bytes than the other end's ring holds, and send again what did
//! not arrive. The streams above are complete and in order, so neither the protocol nor its users know about losses. The
//! host reports each loss as a note.
//!
//! | module | owns |
//! |---|---|
//! | [`frame`] | the form of a frame |
//! | [`endpoint`] | numbers, acknowledgements and repetitions, without I/O |
//! | [`relay`] | the I/O: copies between the line and a local socket until one of them ends |
//! | [`one_way`] | frames that are only sent: a guest in virtual time must not wait for the host |
//!
//! TCP has the same parts, but a guest has no network device that does not need a driver of its own.

pub mod endpoint;
pub mod frame;
pub mod one_way;
pub mod relay;
