//! The program that `berth-init` supervises in its tests: it does what its words say, in order, and tells on
//! standard output what it sees.
//!
//! | word | what it does |
//! | --- | --- |
//! | `name=NAME` | begins every line it prints with NAME |
//! | `say=TEXT` | prints TEXT |
//! | `send=TEXT` | writes TEXT as a line on the channel that NODE_CHANNEL_FD names |
//! | `ready` | the same with `"ready"`, as Node's `process.send('ready')` does |
//! | `on=SIGNAL:CODE` | exits with CODE at SIGNAL; one that comes before `catch` is held until then |
//! | `on=SIGNAL:CODE:GATE` | the same, once the file GATE is there |
//! | `tell=SIGNAL:TEXT` | does what `send=TEXT` does at SIGNAL, which is held in the same way |
//! | `catch` | blocks all signals, prints `catching`, then `signal N` for each that comes, `signal N with VALUE`, and then `sent by PID UID`, if it was queued with one |
//! | `exit=CODE` | exits with CODE |
//! | `die=SIGNAL` | ends by SIGNAL, without a core file |
//! | `zombie` | has a child that has ended, and does not wait for it |
//! | `exec` | becomes the program that the words after it name |

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::FromRawFd;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::thread::sleep;
use std::time::Duration;

use nix::libc;
use nix::sys::resource::{Resource, setrlimit};

#[derive(Default)]
struct Witness {
    name: String,
    /// What to do at a signal: the exit code, and the file that has to be there before.
    endings: HashMap<i32, (i32, Option<PathBuf>)>,
    /// What to write on the channel at a signal.
    tellings: HashMap<i32, String>,
}

fn main() {
    let mut witness = Witness::default();
    // Before it says ready, after which they may come.
    let named = |word: String| {
        let object = word.strip_prefix("on=").or_else(|| word.strip_prefix("tell="))?;
        object.split(':').next().map(number)
    };
    std::env::args().filter_map(named).for_each(block);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let (verb, object) = word.split_once('=').unwrap_or((&word, ""));
        match verb {
            "name" => witness.name = format!("{object} "),
            "say" => witness.say(object),
            "send" => send(object),
            "ready" => send("\"ready\""),
            "on" => witness.on(object),
            "tell" => witness.tell(object),
            "catch" => witness.catch(),
            "exit" => exit(number(object)),
            "die" => die(number(object)),
            "zombie" => zombie(),
            "exec" => become_program(&mut words),
            _ => panic!("a witness does not know {word:?}"),
        }
    }
}

fn number(text: &str) -> i32 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

#[expect(unsafe_code, reason = "nix's sets know no real-time signal")]
fn block(signal: i32) {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset fills the set that the other two use; no other thread is there to disagree.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
    }
}

impl Witness {
    fn say(&self, text: &str) {
        // In one write, so that lines of several witnesses are not mixed.
        let line = format!("{}{text}\n", self.name);
        std::io::stdout().write_all(line.as_bytes()).expect("a test reads what a witness says");
    }

    fn on(&mut self, object: &str) {
        let mut parts = object.split(':');
        let (signal, code) = (number(parts.next().unwrap_or("")), number(parts.next().unwrap_or("")));
        self.endings.insert(signal, (code, parts.next().map(PathBuf::from)));
    }

    fn tell(&mut self, object: &str) {
        let (signal, text) = object.split_once(':').unwrap_or((object, ""));
        self.tellings.insert(number(signal), text.to_owned());
    }

    #[expect(unsafe_code, reason = "nix's sets know no real-time signal, and it has no sigwaitinfo(2)")]
    fn catch(&self) {
        let mut all = MaybeUninit::uninit();
        // SAFETY: sigfillset fills the set that the other two read; no other thread is there to disagree.
        let all = unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::sigprocmask(libc::SIG_BLOCK, all.as_ptr(), std::ptr::null_mut());
            all.assume_init()
        };
        self.say("catching");
        loop {
            let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
            // SAFETY: the set lives, and so does what the call fills; all zero is as good as not filled.
            let (signal, info) =
                unsafe { (libc::sigwaitinfo(&raw const all, info.as_mut_ptr()), info.assume_init()) };
            // EINTR after SIGSTOP and SIGCONT (signal(7)).
            if signal < 0 {
                continue;
            }
            if info.si_code == libc::SI_QUEUE {
                // SAFETY: the kernel fills in a value for a signal that was sent by sigqueue(3).
                let value = unsafe { info.si_value() }.sival_ptr as usize;
                self.say(&format!("signal {signal} with {value}"));
                // SAFETY: and the sender, which sigqueue(3) names.
                let (pid, uid) = unsafe { (info.si_pid(), info.si_uid()) };
                self.say(&format!("sent by {pid} {uid}"));
            } else {
                self.say(&format!("signal {signal}"));
            }
            if let Some(text) = self.tellings.get(&signal) {
                send(text);
            }
            if let Some((code, gate)) = self.endings.get(&signal) {
                while gate.as_deref().is_some_and(|gate: &Path| !gate.exists()) {
                    sleep(Duration::from_millis(5));
                }
                exit(*code);
            }
        }
    }
}

/// Writes a line on the channel, and leaves it open.
#[expect(unsafe_code, reason = "the channel comes as a number")]
fn send(text: &str) {
    let channel = number(&std::env::var("NODE_CHANNEL_FD").expect("started with a channel"));
    // SAFETY: the descriptor was inherited for this purpose, and is not closed here.
    let mut channel = ManuallyDrop::new(unsafe { File::from_raw_fd(channel) });
    channel.write_all(format!("{text}\n").as_bytes()).expect("somebody listens on the channel");
}

#[expect(unsafe_code, reason = "no crate forks safely")]
fn zombie() {
    // SAFETY: there is no other thread, and the child does nothing but end.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork(2)");
    if child == 0 {
        // SAFETY: ends at once.
        unsafe { libc::_exit(0) };
    }
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let number = libc::id_t::try_from(child).expect("a process id");
    // SAFETY: fills a struct that lives; the child stays a zombie.
    unsafe { libc::waitid(libc::P_PID, number, info.as_mut_ptr(), libc::WEXITED | libc::WNOWAIT) };
}

fn become_program(words: &mut impl Iterator<Item = String>) {
    let words: Vec<_> = words.map(|word| CString::new(word).expect("a word without a NUL")).collect();
    let error = nix::unistd::execvp(&words[0], &words);
    panic!("cannot become {:?}: {error:?}", words[0]);
}

#[expect(unsafe_code, reason = "nix knows no real-time signal")]
fn die(signal: i32) {
    setrlimit(Resource::RLIMIT_CORE, 0, 0).expect("a limit can be lowered");
    // SAFETY: the default action is set for a signal that is then sent to ourselves; SIGKILL refuses the first
    // call and does not need it.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}
