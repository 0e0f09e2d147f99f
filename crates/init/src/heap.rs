//! The heap that a role's Node is given: a share of the memory limit, unless somebody has said otherwise.
//!
//! Left alone V8 takes a quarter of the machine's memory for its heap, up to 4 GiB, and Node 20 and 22 know nothing of a
//! limit in most containers: the kernel then kills what V8 would have collected. It is given as an argument, for
//! NODE_OPTIONS would reach every Node that the application starts, and have each of them take the whole share.

use std::ffi::OsString;

use berth_cgroup::{Cgroup, Limit};
use berth_role::{Bytes, Heap};
use serde::Serialize;

use crate::own::Own;

const MEBIBYTE: u64 = 1024 * 1024;

/// Why [`Heap::ByItself`], where there is a limit.
const MANY_THREADS: &str = "it starts as many worker threads as it likes";

/// What V8's old space may take, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// BERTH_HEAP: it is passed on.
    Own(Bytes),
    /// NODE_OPTIONS: nothing is passed on. The number, where it is one.
    NodeOptions(Option<Bytes>),
    /// A share of the limit.
    Share { heap: Bytes, limit: Limit },
    /// Nothing is passed on, and why.
    LeftAlone(&'static str),
    /// Nothing is passed on, though there is a limit: the role's threads are without number.
    Unshared(Limit),
}

impl Chosen {
    /// For a role, here and now.
    pub fn for_role(heap: Heap, own: &Own) -> Self {
        let options = std::env::var_os("NODE_OPTIONS").unwrap_or_default();
        match (own.heap, given(&options.to_string_lossy())) {
            (Some(0), _) => Self::LeftAlone("BERTH_HEAP is 0"),
            (Some(number), _) => Self::Own(Bytes::mebibytes(number.into())),
            (None, Some(given)) => given,
            (None, None) => Cgroup::of("self").memory_limit().map_or(
                Self::LeftAlone("there is no memory limit"),
                |limit| match heap.of(limit.bytes) {
                    Some(heap) => Self::Share { heap, limit },
                    None => Self::Unshared(limit),
                },
            ),
        }
    }

    /// What V8's old space may take, if it is known.
    pub fn heap(&self) -> Option<Bytes> {
        match self {
            Self::Own(heap) | Self::Share { heap, .. } => Some(*heap),
            Self::NodeOptions(heap) => *heap,
            Self::LeftAlone(_) | Self::Unshared(_) => None,
        }
    }

    /// What Node is given. In this spelling Node 20 to 24 take it, in whole MiB.
    pub fn argument(&self) -> Option<OsString> {
        match self {
            Self::Own(heap) | Self::Share { heap, .. } => {
                Some(format!("--max-old-space-size={}", heap.number() / MEBIBYTE).into())
            }
            Self::NodeOptions(_) | Self::LeftAlone(_) | Self::Unshared(_) => None,
        }
    }

    /// Each figure, and where it comes from.
    pub fn told(&self, role: Heap) -> Told {
        let mut told = Told {
            bytes: self.heap().map(Bytes::number),
            passed: self.argument().is_some(),
            because: String::new(),
            limit_bytes: None,
            limit_from: None,
            reserve_bytes: Heap::reserve().number(),
            percent: None,
            threads: None,
        };
        if let Heap::Share { percent, threads } = role {
            (told.percent, told.threads) = (Some(percent), Some(threads));
        }
        if let Self::Share { limit, .. } | Self::Unshared(limit) = self {
            told.limit_bytes = Some(limit.bytes.number());
            told.limit_from = Some(limit.from.display().to_string());
        }
        told.because = match self {
            Self::Own(_) => "BERTH_HEAP".to_owned(),
            Self::NodeOptions(_) => "NODE_OPTIONS".to_owned(),
            Self::LeftAlone(why) => (*why).to_owned(),
            Self::Unshared(limit) => {
                let limit = mebibytes(limit.bytes);
                format!("{MANY_THREADS}, and no part of the memory limit of {limit} would be right for each")
            }
            Self::Share { limit, .. } => {
                let (limit, reserve) = (mebibytes(limit.bytes), mebibytes(Heap::reserve()));
                format!("{role} of the memory limit of {limit} less {reserve} for Node itself")
            }
        };
        told
    }
}

/// What `explain` says of it.
#[derive(Debug, Serialize)]
pub struct Told {
    bytes: Option<u64>,
    passed: bool,
    because: String,
    limit_bytes: Option<u64>,
    limit_from: Option<String>,
    reserve_bytes: u64,
    percent: Option<u8>,
    threads: Option<u8>,
}

impl Told {
    pub fn line(&self) -> String {
        let heap = self.bytes.map_or("V8's own".to_owned(), |bytes| mebibytes(Bytes::new(bytes)));
        let from = self.limit_from.as_ref().map(|from| format!("; {from}")).unwrap_or_default();
        format!("{heap}: {}{from}", self.because)
    }
}

fn mebibytes(bytes: Bytes) -> String {
    format!("{} MiB", bytes.number() / MEBIBYTE)
}

/// What NODE_OPTIONS says of the heap, if it does. V8 takes hyphens and underscores in the name of an option alike.
fn given(options: &str) -> Option<Chosen> {
    words(options).iter().rev().find_map(|word| {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match name.replace('_', "-").as_str() {
            "--max-old-space-size" => {
                let heap = value.parse().ok().filter(|number| (1..=u64::MAX / MEBIBYTE).contains(number));
                let heap = heap.map(Bytes::mebibytes);
                Some(Chosen::NodeOptions(heap))
            }
            "--max-old-space-size-percentage" | "--max-heap-size" => Some(Chosen::NodeOptions(None)),
            _ => None,
        }
    })
}

/// The words of NODE_OPTIONS: at blanks, but for those in double quotes, in which a backslash takes the next character as it
/// is (<https://nodejs.org/api/cli.html#node_optionsoptions>).
fn words(options: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = options.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quoted => word.extend(letters.next()),
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            letter => word.push(letter),
        }
    }
    words.push(word);
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The last that is given counts, in whatever words it stands; a number that cannot be is a wish of the user's all the same, and
        /// is not told as another number.
        #[test]
        fn what_the_user_has_set_is_never_taken_for_another_number(
            before in "[a-z \\\\-]{0,9}", name in "--max[-_]old[-_]space[-_]size", number in any::<u64>(), after in "( --[a-l]{1,9}){0,3}",
        ) {
            let options = format!("{before} {name}={number}{after}");
            let exact = number.checked_mul(MEBIBYTE).filter(|bytes| *bytes > 0).map(Bytes::new);
            prop_assert_eq!(given(&options), Some(Chosen::NodeOptions(exact)), "{}", options);
            let last = format!("{options} {name}=x");
            prop_assert_eq!(given(&last), Some(Chosen::NodeOptions(None)));
        }

        /// Quotes and backslashes take nothing away but themselves.
        #[test]
        fn any_options_have_words(options in prop_oneof!["[a\\\\\" ]{0,20}", ".{0,20}"]) {
            let letters = |text: &str| text.chars().filter(|letter| !"\\\" ".contains(*letter)).collect::<String>();
            prop_assert_eq!(letters(&words(&options).concat()), letters(&options));
        }
    }

    #[test]
    fn what_the_user_has_set_is_found_in_every_spelling() {
        let heap = Some(Chosen::NodeOptions(Some(Bytes::mebibytes(100))));
        for options in [
            "--max-old-space-size=100",
            "--max_old_space_size=100",
            "--max_old-space_size=100",
            "--enable-source-maps \"--max-old-space-size=100\"",
            "--max-old-space-size=50 --title=\"a \\\" b\" --max-old-space-size=100 --no-warnings",
        ] {
            assert_eq!(given(options), heap, "{options}");
        }
        for options in [
            "--max-heap-size=100",
            "--max-old-space-size-percentage=50",
            "--max-old-space-size=0",
            "--max-old-space-size=18446744073709551615",
        ] {
            assert_eq!(given(options), Some(Chosen::NodeOptions(None)), "{options}");
        }
        for options in ["", "--max-semi-space-size=1", "--title=\"a --max-old-space-size=100\"", "\\"] {
            assert_eq!(given(options), None, "{options}");
        }
    }
}
