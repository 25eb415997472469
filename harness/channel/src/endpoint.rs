//! One end of the channel without I/O: numbers, acknowledgements and repetitions.
//!
//! The sender never has more unacknowledged bytes on the line than `window`, which is what the ring of the other end's
//! serial port holds. Lost data is repeated one frame at a time: a second copy of everything could overflow the ring
//! again.

use std::collections::VecDeque;

use crate::frame::{self, Frame, LARGEST_FRAME};

/// A longer line is no frame. A kernel may print a line of any length.
const LONGEST_LINE: usize = 8192;
/// The number of received bytes an endpoint stores until they are taken.
const STORE: usize = 64 << 10;

/// What an endpoint has noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The other end says that data with this number arrived damaged or not at all. It was sent again.
    SentAgain(u32),
    /// Data with this number was not acknowledged in time. It was sent again.
    Unacknowledged(u32),
    /// Data with this number arrived damaged or not at all, and the other end was asked for it.
    Missing(u32),
    /// A line that is no frame: a kernel may print on the same line.
    Noise(String),
}

/// What an acknowledgement says of the data that is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    /// It may be on its way.
    Awaited,
    /// It is lost.
    Lost,
}

/// One end of the channel.
#[derive(Debug)]
pub struct Endpoint {
    window: usize,
    /// The number of bytes that the other end can store.
    room: usize,
    next: u32,
    unacknowledged: VecDeque<(u32, Vec<u8>)>,
    in_flight: usize,
    /// After a loss: until data before this number is acknowledged, each acknowledgement repeats the data after it.
    repeat_until: Option<u32>,
    expected: u32,
    reported: Option<u32>,
    line: Vec<u8>,
    received: Vec<u8>,
    ended: bool,
    /// What the next acknowledgement says.
    answer: Option<Answer>,
    wire: Vec<u8>,
    events: Vec<Event>,
}

impl Endpoint {
    /// An endpoint that has at most `window` bytes of data on the line.
    pub fn new(window: usize) -> Self {
        Self {
            window,
            room: STORE,
            next: 0,
            unacknowledged: VecDeque::new(),
            in_flight: 0,
            repeat_until: None,
            expected: 0,
            reported: None,
            line: Vec::new(),
            received: Vec::new(),
            ended: false,
            answer: None,
            wire: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Sends as many of `bytes` as the window allows, and returns their number.
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while sent < bytes.len() && self.has_room() {
            sent += self.push(&bytes[sent..]);
        }
        sent
    }

    /// Sends the end of the stream. Returns false if the window does not allow it yet.
    pub fn send_end(&mut self) -> bool {
        let has_room = self.has_room();
        if has_room {
            self.push(&[]);
        }
        has_room
    }

    /// Whether everything that was sent has been acknowledged.
    pub fn is_acknowledged(&self) -> bool {
        self.unacknowledged.is_empty()
    }

    /// The number of the oldest data that has not been acknowledged.
    pub fn oldest(&self) -> Option<u32> {
        self.unacknowledged.front().map(|(number, _)| *number)
    }

    /// A quarter of the window is a frame. So there are few acknowledgements at once, and a lost byte costs little.
    fn frame_limit(&self) -> usize {
        (self.window / 4).min(LARGEST_FRAME)
    }

    fn has_room(&self) -> bool {
        self.in_flight + self.frame_limit() <= self.window.min(self.room)
    }

    fn push(&mut self, bytes: &[u8]) -> usize {
        let (frame, taken) = frame::data(self.next, bytes, self.frame_limit());
        self.wire.extend(&frame);
        self.in_flight += frame.len();
        self.unacknowledged.push_back((self.next, frame));
        self.next += 1;
        taken
    }

    /// Nothing has been acknowledged for a while: repeats the oldest data. With none, allows one frame more than the
    /// other end has room for; its acknowledgement tells whether there is room now.
    pub fn time_out(&mut self) {
        if self.unacknowledged.is_empty() {
            self.room = self.room.max(self.frame_limit());
        } else {
            self.events.extend(self.oldest().map(Event::Unacknowledged));
            self.repeat();
        }
    }

    /// Repeats the oldest data.
    fn repeat(&mut self) {
        if let Some((_, frame)) = self.unacknowledged.front() {
            self.wire.extend(frame);
            self.repeat_until = self.repeat_until.or(Some(self.next));
        }
    }

    /// Takes bytes from the line.
    pub fn on_line(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                self.on_frame(&line);
            } else {
                self.line.push(*byte);
                if self.line.len() > LONGEST_LINE {
                    let line = std::mem::take(&mut self.line);
                    self.on_frame(&line);
                }
            }
        }
    }

    fn on_frame(&mut self, line: &[u8]) {
        match frame::parse(line) {
            Some(Frame::Acknowledgement { next, room, is_lost }) => {
                self.on_acknowledgement(next, room, is_lost);
            }
            Some(Frame::Data { number, payload }) => {
                self.answer = self.answer.max(Some(Answer::Awaited));
                if number == self.expected {
                    self.expected += 1;
                    self.ended |= payload.is_empty();
                    self.received.extend(payload);
                } else if number > self.expected {
                    self.report_missing();
                }
            }
            None if line.is_empty() => {}
            None if frame::is_damaged_frame(line) => self.report_missing(),
            None => {
                let text = String::from_utf8_lossy(line).trim().to_owned();
                self.events.push(Event::Noise(text));
            }
        }
    }

    fn report_missing(&mut self) {
        self.answer = Some(Answer::Lost);
        if self.reported != Some(self.expected) {
            self.reported = Some(self.expected);
            self.events.push(Event::Missing(self.expected));
        }
    }

    fn on_acknowledgement(&mut self, next: u32, room: usize, is_lost: bool) {
        self.room = room;
        let mut advanced = false;
        while self.oldest().is_some_and(|number| number < next) {
            let frame = self.unacknowledged.pop_front();
            self.in_flight -= frame.map_or(0, |(_, frame)| frame.len());
            advanced = true;
        }
        if self.repeat_until.is_some_and(|until| next >= until) {
            self.repeat_until = None;
        }
        // The other end takes no data behind a loss, so after a repetition the data behind it is repeated as well.
        let begins = is_lost && self.repeat_until.is_none();
        let goes_on = advanced && self.repeat_until.is_some();
        if (begins || goes_on) && self.oldest() == Some(next) {
            if begins {
                self.events.push(Event::SentAgain(next));
            }
            self.repeat();
        }
    }

    /// The bytes to write to the line. The caller removes what it has written.
    pub fn wire(&mut self) -> &mut Vec<u8> {
        &mut self.wire
    }

    /// Adds the acknowledgement of what has been received since the last call. `stored` is the number of bytes that the
    /// caller has taken and still stores.
    pub fn acknowledge(&mut self, stored: usize) {
        if let Some(answer) = self.answer.take() {
            let room = STORE.saturating_sub(stored + self.received.len());
            self.wire.extend(frame::acknowledgement(
                self.expected,
                room,
                answer == Answer::Lost,
            ));
        }
    }

    /// Announces that there is room again.
    pub fn announce_room(&mut self) {
        self.answer = self.answer.max(Some(Answer::Awaited));
    }

    /// Takes the bytes that have arrived, in order and without gaps.
    pub fn take_received(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }

    /// Whether the other end has ended its stream.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Takes what has been noticed since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The ring of FreeBSD's uart(4), less the acknowledgements of the other end.
    const SMALL: usize = 300;

    /// What the line does to a byte.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Fate {
        Drop,
        Flip,
    }

    /// Moves everything between two endpoints until nothing moves. `fates` has what happens to the n-th byte.
    fn exchange(window: usize, sent: &[u8], fates: &[(usize, Fate)]) -> (Vec<u8>, Vec<Event>) {
        let (mut host, mut guest) = (Endpoint::new(window), Endpoint::new(2048));
        let (mut left, mut received, mut events, mut position) = (sent, Vec::new(), Vec::new(), 0);
        let mut damaged = |bytes: Vec<u8>| -> Vec<u8> {
            let fate = |at| {
                fates
                    .iter()
                    .find(|(place, _)| *place == at)
                    .map(|(_, fate)| *fate)
            };
            let mut kept = Vec::new();
            for byte in bytes {
                match fate(position) {
                    Some(Fate::Drop) => {}
                    Some(Fate::Flip) => kept.push(byte ^ 0x20),
                    None => kept.push(byte),
                }
                position += 1;
            }
            kept
        };
        for _ in 0..10_000 {
            left = &left[host.send(left)..];
            assert!(
                host.in_flight <= window,
                "more bytes on the line than the ring holds"
            );
            let to_guest = damaged(std::mem::take(host.wire()));
            guest.on_line(&to_guest);
            received.extend(guest.take_received());
            guest.acknowledge(0);
            let to_host = damaged(std::mem::take(guest.wire()));
            if to_guest.is_empty() && to_host.is_empty() {
                if left.is_empty() && host.is_acknowledged() {
                    events.extend(host.take_events());
                    return (received, events);
                }
                host.time_out();
            }
            host.on_line(&to_host);
        }
        panic!("the exchange does not end");
    }

    #[test]
    fn without_losses_nothing_is_repeated() {
        let sent: Vec<u8> = (0..20_000_u32).map(|number| number as u8).collect();
        assert_eq!(exchange(SMALL, &sent, &[]), (sent, Vec::new()));
    }

    #[test]
    fn a_lost_byte_costs_one_repetition_and_is_named() {
        let sent = vec![b'x'; 1000];
        let (received, events) = exchange(SMALL, &sent, &[(200, Fate::Drop)]);
        assert_eq!(received, sent);
        assert_eq!(events.first(), Some(&Event::SentAgain(3)), "{events:?}");
    }

    #[test]
    fn a_line_that_loses_every_thousandth_byte_delivers_the_stream_with_any_window() {
        let sent = vec![b'x'; 30_000];
        let fates: Vec<_> = (1..1000).map(|count| (count * 1000, Fate::Drop)).collect();
        for window in [SMALL, 2048, 64 << 10] {
            assert_eq!(exchange(window, &sent, &fates).0, sent, "{window}");
        }
    }

    #[test]
    fn a_receiver_that_takes_nothing_stops_the_sender() {
        let (mut host, mut guest) = (Endpoint::new(SMALL), Endpoint::new(SMALL));
        let mut stored = 0;
        for _ in 0..1000 {
            host.send(&[0; 4096]);
            guest.on_line(&std::mem::take(host.wire()));
            stored += guest.take_received().len();
            guest.acknowledge(stored);
            host.on_line(&std::mem::take(guest.wire()));
        }
        assert!(stored <= STORE, "{stored}");
        guest.announce_room();
        guest.acknowledge(0);
        host.on_line(&std::mem::take(guest.wire()));
        assert!(host.send(b"more") > 0);
    }

    #[test]
    fn a_message_of_the_kernel_is_noise_and_costs_no_data() {
        let (mut host, mut guest) = (Endpoint::new(SMALL), Endpoint::new(SMALL));
        guest.send(b"reply");
        let frame = std::mem::take(guest.wire());
        host.on_line(b"sonewconn: overflow\r\n");
        host.on_line(&frame);
        assert_eq!(host.take_received(), b"reply");
        assert_eq!(
            host.take_events(),
            [Event::Noise("sonewconn: overflow".to_owned())]
        );
    }

    proptest! {
        #[test]
        fn the_stream_is_complete_whatever_the_line_loses(
            sent in prop::collection::vec(any::<u8>(), 0..3000),
            fates in prop::collection::vec((0_usize..6000, prop_oneof![Just(Fate::Drop), Just(Fate::Flip)]), 0..60),
        ) {
            let (received, events) = exchange(SMALL, &sent, &fates);
            prop_assert_eq!(received, sent);
            // Only data that was damaged is repeated, or data whose acknowledgement was.
            prop_assert!(!fates.is_empty() || events.is_empty());
        }
    }
}
