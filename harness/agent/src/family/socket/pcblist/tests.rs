//! Tables as two kernels write them, with structures of several lengths.

use super::*;

/// The differences between kernels.
#[derive(Clone, Copy)]
struct Kernel {
    endpoints: usize,
    state: usize,
    first_state: u32,
    length: usize,
    /// The size of the `struct xinpgen` before and after the records. DragonFly has none.
    generation: usize,
}

const FREEBSD_14: Kernel = Kernel {
    endpoints: 8 + 8 + 224 + 4,
    state: 8 + 384 + 160,
    first_state: 1,
    length: 744,
    generation: 64,
};
const DRAGONFLY: Kernel = Kernel {
    endpoints: 8 + 44,
    state: 8 + 288 + 112,
    first_state: 2,
    length: 896,
    generation: 0,
};

/// The rest of a record: small and large numbers, some of which are equal to states, the same in all records.
fn filling(at: usize) -> u8 {
    if at.is_multiple_of(4) {
        (at / 4 % 12) as u8
    } else {
        0
    }
}

impl Kernel {
    fn record(self, (local, peer, state): Known) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..self.length).map(filling).collect();
        let mut put = |at: usize, content: &[u8]| bytes[at..at + content.len()].copy_from_slice(content);
        put(0, &(self.length as u64).to_le_bytes());
        put(self.endpoints, &peer.port().to_be_bytes());
        put(self.endpoints + LOCAL_PORT, &local.port().to_be_bytes());
        for (at, address) in [(FOREIGN_ADDRESS, peer.ip()), (LOCAL_ADDRESS, local.ip())] {
            let at = self.endpoints + at;
            match address {
                IpAddr::V4(address) => put(at + 12, &address.octets()),
                IpAddr::V6(address) => put(at, &address.octets()),
            }
        }
        put(self.state, &(position(state) + self.first_state).to_le_bytes());
        bytes
    }

    fn table(self, sockets: &[Known]) -> Vec<u8> {
        let generation: Vec<u8> = match self.generation {
            0 => Vec::new(),
            length => [&(length as u64).to_le_bytes()[..], &vec![0; length - 8]].concat(),
        };
        let records = sockets.iter().flat_map(|socket| self.record(*socket));
        [generation.clone(), records.collect(), generation].concat()
    }

    fn layout(self) -> Layout {
        Layout {
            endpoints: self.endpoints,
            state: self.state,
            first_state: self.first_state,
        }
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A connection in two of its states, and an unrelated listener.
fn lesson(kernel: Kernel) -> [(Vec<u8>, Vec<Known>); 2] {
    let (here, there) = (address("127.0.0.1:50123"), address("127.0.0.1:50124"));
    let other = (address("0.0.0.0:22"), address("0.0.0.0:0"), TcpState::Listen);
    [
        (TcpState::Established, TcpState::Established),
        (TcpState::FinWait2, TcpState::CloseWait),
    ]
    .map(|(client, server)| {
        let known = vec![(here, there, client), (there, here, server)];
        (kernel.table(&[&[other], &known[..]].concat()), known)
    })
}

#[test]
fn the_layout_of_each_kernel_is_learned() {
    for kernel in [FREEBSD_14, DRAGONFLY] {
        assert_eq!(learned(&lesson(kernel)), Ok(kernel.layout()));
    }
}

#[test]
fn states_are_found_by_local_address_in_both_families() {
    for kernel in [FREEBSD_14, DRAGONFLY] {
        let (v4, v6) = (address("127.0.0.1:4001"), address("[::1]:4001"));
        let table = kernel.table(&[
            (v4, address("127.0.0.1:50000"), TcpState::TimeWait),
            (v6, address("[::]:0"), TcpState::Listen),
            (v4, address("127.0.0.1:50001"), TcpState::Established),
        ]);
        let seen = |local| in_table(&table, kernel.layout(), local);
        assert_eq!(seen(v4), [TcpState::TimeWait, TcpState::Established]);
        assert_eq!(seen(v6), [TcpState::Listen]);
        assert!(seen(address("127.0.0.1:4002")).is_empty());
    }
}

#[test]
fn a_table_that_does_not_follow_the_connection_is_not_read() {
    let mut lesson = lesson(DRAGONFLY);
    // The second table equals the first: the FIN has not arrived.
    lesson[1].0 = lesson[0].0.clone();
    assert_eq!(
        learned(&lesson).unwrap_err(),
        "0 places in the kernel's table of TCP sockets could hold their states"
    );
}

#[test]
fn a_truncated_table_has_no_additional_sockets() {
    let whole = lesson(FREEBSD_14)[0].0.clone();
    let seen = |table| in_table(table, FREEBSD_14.layout(), address("127.0.0.1:50123"));
    let all = seen(&whole);
    assert!(!all.is_empty());
    for length in 0..whole.len() {
        assert!(all.starts_with(&seen(&whole[..length])), "{length}");
    }
    assert!(in_table(&[], DRAGONFLY.layout(), address("127.0.0.1:1")).is_empty());
    assert!(in_table(&[0; 4096], DRAGONFLY.layout(), address("127.0.0.1:1")).is_empty());
}
