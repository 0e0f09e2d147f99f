//! Whether clients are connected, by the kernel's tables of TCP connections (proc_pid_net(5)).
//!
//! sock_diag(7) would let the kernel choose the lines, at the price of a netlink client for some seconds of a role's life.

use std::io;

/// The tables for IPv4 and for IPv6. A kernel without IPv6 lacks the second.
const TABLES: [&str; 2] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];

/// TCP_ESTABLISHED of the kernel's include/net/tcp_states.h.
const ESTABLISHED: u16 = 1;

/// How many established connections there are to these ports, in our network namespace. One that waits to be accepted
/// is established too; one whose client has said that it is done (CLOSE-WAIT, RFC 9293 section 3.3.2) is not.
pub(crate) fn established_to(ports: &[u16]) -> io::Result<usize> {
    let mut count = 0;
    for table in TABLES {
        match fs_err::read(table) {
            Ok(table) => count += count_in(&table, ports),
            Err(error) if error.kind() == io::ErrorKind::NotFound && table == TABLES[1] => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

fn count_in(table: &[u8], ports: &[u16]) -> usize {
    let rows = table.split(|byte| *byte == b'\n').filter_map(Row::of);
    rows.filter(|row| row.state == ESTABLISHED && ports.contains(&row.port)).count()
}

/// A line of a table, as far as it is asked.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    /// Of our side.
    port: u16,
    state: u16,
}

impl Row {
    /// `  1: 0100007F:09A5 0100007F:C3A2 01 …`: a number, the address here, the one there, the state. Nothing for the
    /// head, and for whatever else has not this form.
    fn of(line: &[u8]) -> Option<Self> {
        let mut words = str::from_utf8(line).ok()?.split_ascii_whitespace();
        let number = words.next()?.strip_suffix(':')?;
        number.bytes().all(|digit| digit.is_ascii_digit()).then_some(())?;
        let port = port(words.next()?)?;
        self::port(words.next()?)?;
        Some(Self { port, state: hexadecimal(words.next()?, 2)? })
    }
}

/// The port of `ADDRESS:PORT`, where the address has 8 digits for IPv4 and 32 for IPv6.
fn port(place: &str) -> Option<u16> {
    let (address, port) = place.split_once(':')?;
    let is_address =
        [8, 32].contains(&address.len()) && address.bytes().all(|digit| digit.is_ascii_hexdigit());
    if is_address { hexadecimal(port, 4) } else { None }
}

/// Exactly so many digits: `from_str_radix` by itself takes a sign as well.
fn hexadecimal(text: &str, digits: usize) -> Option<u16> {
    let is_number = text.len() == digits && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    if is_number { u16::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};

    use proptest::prelude::*;

    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    /// A line as the kernel writes it (tcp4_seq_show, tcp6_seq_show).
    fn line(number: usize, is_v6: bool, port: u16, state: u8) -> String {
        let address = if is_v6 { "00000000000000000000000001000000" } else { "0100007F" };
        format!(
            "{number:4}: {address}:{port:04X} {address}:D431 {state:02X} 00000000:00000000 00:00000000 00000000  1000        0 \
             67890 1 0000000000000000 20 4 30 10 -1\n"
        )
    }

    fn ports() -> impl Strategy<Value = u16> {
        prop_oneof![Just(2525), Just(2465), any::<u16>()]
    }

    proptest! {
        /// Exactly those that are established, and to the port that is asked for.
        #[test]
        fn what_the_kernel_writes_is_counted(
            rows in prop::collection::vec((any::<bool>(), ports(), 1..=12u8), 0..40),
        ) {
            let lines = rows.iter().enumerate().map(|(number, (v6, port, state))| line(number, *v6, *port, *state));
            let table = HEAD.to_owned() + &lines.collect::<String>();
            let wanted = rows.iter().filter(|(_, port, state)| [2525, 2465].contains(port) && *state == 1).count();
            prop_assert_eq!(count_in(table.as_bytes(), &[2525, 2465]), wanted);
            prop_assert_eq!(count_in(table.as_bytes(), &[]), 0);
        }

        /// No bytes at all make it panic, and none that are no line hide the lines around them.
        #[test]
        fn rubbish_between_lines_hides_none(rubbish in prop::collection::vec(any::<u8>(), 0..200)) {
            let rubbish: Vec<_> = rubbish.into_iter().filter(|byte| *byte != b'\n').collect();
            let alone = count_in(&rubbish, &[2525]);
            let table = [line(0, false, 2525, 1).as_bytes(), &rubbish, b"\n", line(1, true, 2525, 1).as_bytes()].concat();
            prop_assert_eq!(count_in(&table, &[2525]), 2 + alone);
        }

        /// A line that was cut off, or of which a byte is another, counts for what it says or not at all.
        #[test]
        fn a_damaged_line_is_no_other_connection(at in 0usize..60, byte in any::<u8>(), cut in any::<bool>()) {
            let mut bytes = line(3, false, 2526, 6).into_bytes();
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            // Two bytes would have to be others.
            prop_assert_eq!(count_in(&bytes, &[2525]), 0);
        }
    }

    #[test]
    fn what_is_nearly_a_line_is_none() {
        let good = "   0: 0100007F:09DD 0100007F:D431 01 rest";
        assert_eq!(Row::of(good.as_bytes()), Some(Row { port: 2525, state: 1 }));
        for (from, to) in [
            (":09DD", ":+9DD"),
            (":09DD", ":009DD"),
            (":09DD", ":9DD"),
            (":09DD", ""),
            (":D431", ":"),
            (" 01 ", " +1 "),
            (" 01 ", " 1 "),
            (" 01 ", " 001 "),
            (" 01 rest", ""),
            ("0:", "sl"),
            ("0:", "0x:"),
            ("0100007F:", "7F:"),
            ("0100007F:", "0100007G:"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_eq!(Row::of(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_connection_is_seen_from_its_beginning_to_its_end() {
        let listeners = [
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok(),
            // A host may be without.
            TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).ok(),
        ];
        for listener in listeners.into_iter().flatten() {
            let address = listener.local_addr().unwrap();
            let count = || established_to(&[address.port()]).unwrap();
            assert_eq!(count(), 0, "who listens is no client");
            let client = TcpStream::connect(address).unwrap();
            assert_eq!(count(), 1, "not accepted yet");
            let (_accepted, _) = listener.accept().unwrap();
            assert_eq!(count(), 1);
            drop(client);
            assert_eq!(count(), 0, "the client is done");
        }
    }
}
