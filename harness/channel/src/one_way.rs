//! Frames that are only sent. In virtual time the guest has no input, because its clock would advance by an unknown amount
//! while it waits for the host. A loss cannot be repaired then, but its place is known.

use std::io::{self, Write};

use crate::frame::{self, Frame, LARGEST_FRAME};

/// Writes a stream as frames.
#[derive(Debug)]
pub struct Sender<W> {
    line: W,
    next: u32,
}

impl<W: Write> Sender<W> {
    /// Frames on `line`, from number 0.
    pub fn new(line: W) -> Self {
        Self { line, next: 0 }
    }
}

impl<W: Write> Write for Sender<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            // A frame without a payload would end the stream.
            return Ok(0);
        }
        let (frame, taken) = frame::data(self.next, bytes, LARGEST_FRAME);
        self.line.write_all(&frame)?;
        self.next += 1;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.line.flush()
    }
}

/// Reads the frames of a [`Sender`].
#[derive(Debug, Default)]
pub struct Receiver {
    line: Vec<u8>,
    expected: u32,
}

impl Receiver {
    /// The part of the stream in these bytes of the line. Where frames are missing it has a line of its own, which begins
    /// with [`NOTE`](crate::relay::NOTE) and names them. A line that is no frame is passed on.
    pub fn on_line(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            match frame::parse(&line) {
                Some(Frame::Data { number, payload }) => {
                    if number != self.expected {
                        let (from, note) = (self.expected, crate::relay::NOTE);
                        let lost = format!(
                            "\n{note}the line lost frames {from} to {} of the guest\n",
                            number.wrapping_sub(1)
                        );
                        stream.extend(lost.into_bytes());
                    }
                    self.expected = number + 1;
                    stream.extend(payload);
                }
                // The gap is reported at the next frame.
                None if frame::is_damaged_frame(&line) => {}
                Some(Frame::Acknowledgement { .. }) | None => {
                    stream.extend(line);
                    stream.push(b'\n');
                }
            }
        }
        stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_frame_is_named_and_the_rest_arrives() {
        let mut line = Vec::new();
        let mut sender = Sender::new(&mut line);
        for part in ["one\n", "two\n", "three\n"] {
            sender.write_all(part.as_bytes()).unwrap();
        }
        let frames: Vec<_> = line.split_inclusive(|byte| *byte == b'\n').collect();
        let mut receiver = Receiver::default();
        let all = receiver.on_line(&line);
        assert_eq!(String::from_utf8(all).unwrap(), "one\ntwo\nthree\n");
        let mut receiver = Receiver::default();
        let damaged = [frames[0], &frames[1][1..], b"kernel\n", frames[2]].concat();
        let text = String::from_utf8(receiver.on_line(&damaged)).unwrap();
        assert!(text.starts_with("one\n") && text.ends_with("three\n"), "{text}");
        assert!(text.contains("lost frames 1 to 1 of the guest"), "{text}");
    }
}
