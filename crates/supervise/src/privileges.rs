//! What we and the program may do: leaving root for a user, and the one capability that low ports ask for.
//!
//! A process that leaves root keeps none of its capabilities, unless it asks to (PR_SET_KEEPCAPS), and a program that is not
//! root's is given none, unless they are ambient (capabilities(7), "Transformation of capabilities during execve()"). So
//! CAP_NET_BIND_SERVICE is kept permitted, without effect, and made ambient in a child that needs it.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc::{self, c_int, c_ulong};
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};

/// CAP_NET_BIND_SERVICE (linux/capability.h).
const BIND_SERVICE: c_ulong = 10;
const BIND_SERVICE_BIT: u64 = 1 << BIND_SERVICE;

/// A user, and the groups that its processes are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub uid: Uid,
    /// Its own group.
    pub gid: Gid,
    /// The other groups that it is in.
    pub groups: Vec<Gid>,
    /// Its folder, where it is known.
    pub home: Option<PathBuf>,
}

/// Gives up root for a user, for good: no capability has effect any more, and none can be got by starting a program
/// (no_new_privs). CAP_NET_BIND_SERVICE stays permitted if it was. Must be done before there is a second thread.
pub fn become_user(user: &User) -> io::Result<()> {
    prctl::set_keepcaps(true)?;
    setgroups(&user.groups)?;
    setresgid(user.gid, user.gid, user.gid)?;
    setresuid(user.uid, user.uid, user.uid)?;
    prctl::set_keepcaps(false)?;
    let permitted = Sets::of_ours()?.permitted & BIND_SERVICE_BIT;
    Sets { permitted, ..Sets::default() }.set()?;
    prctl::set_no_new_privs()?;
    Ok(())
}

/// Whether a program that we start could listen below `ip_unprivileged_port_start` (ip(7)): as root by what root's programs
/// may have at most, as another user by what is ambient or can be made so.
#[must_use]
pub fn may_bind_service() -> bool {
    if geteuid().is_root() {
        return ask(libc::PR_CAPBSET_READ, BIND_SERVICE, 0);
    }
    ask(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_IS_SET as c_ulong, BIND_SERVICE)
        || Sets::of_ours().is_ok_and(|sets| sets.permitted & BIND_SERVICE_BIT != 0)
}

/// Whether a program brings capabilities of its own (`setcap`, the attribute `security.capability` of its file), which it is
/// given unless we may get none any more (no_new_privs). Which ones is not looked at.
#[must_use]
#[expect(unsafe_code, reason = "nix has no getxattr(2)")]
pub fn has_capabilities(program: &Path) -> bool {
    let Ok(path) = CString::new(program.as_os_str().as_bytes()) else { return false };
    // SAFETY: both strings end with a zero and outlive the call, which is given no room to write to.
    let length =
        unsafe { libc::getxattr(path.as_ptr(), c"security.capability".as_ptr(), std::ptr::null_mut(), 0) };
    length > 0 && !prctl::get_no_new_privs().unwrap_or(false)
}

/// Makes CAP_NET_BIND_SERVICE ambient, between fork and exec, where it is permitted and we are not root.
#[expect(unsafe_code, reason = "nix has no ambient capabilities")]
pub(crate) fn hand_over_bind_service() -> nix::Result<()> {
    let sets = Sets::of_ours()?;
    if sets.permitted & BIND_SERVICE_BIT == 0 || geteuid().is_root() {
        return Ok(());
    }
    Sets { inheritable: sets.inheritable | BIND_SERVICE_BIT, ..sets }.set()?;
    // SAFETY: numbers only.
    let result = unsafe {
        libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_RAISE as c_ulong,
            BIND_SERVICE,
            0 as c_ulong,
            0 as c_ulong,
        )
    };
    Errno::result(result).map(drop)
}

/// A question to prctl(2) that is answered by 1, if the kernel knows it.
#[expect(unsafe_code, reason = "nix has no capabilities")]
fn ask(option: c_int, first: c_ulong, second: c_ulong) -> bool {
    // SAFETY: numbers only.
    unsafe { libc::prctl(option, first, second, 0 as c_ulong, 0 as c_ulong) == 1 }
}

/// The sets of capabilities of a thread.
#[derive(Debug, Clone, Copy, Default)]
struct Sets {
    effective: u64,
    permitted: u64,
    inheritable: u64,
}

/// What capget(2) and capset(2) take. The sets are in two halves, the low one first.
#[repr(C)]
struct Header {
    version: u32,
    pid: c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

impl Header {
    /// _LINUX_CAPABILITY_VERSION_3, and the calling thread.
    const OURS: Self = Self { version: 0x2008_0522, pid: 0 };
}

impl Sets {
    #[expect(unsafe_code, reason = "nix has no capget(2)")]
    fn of_ours() -> nix::Result<Self> {
        let mut header = Header::OURS;
        let mut halves = [Half::default(); 2];
        // SAFETY: the call reads the header, may write its version, and writes the two halves that this version has.
        let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, halves.as_mut_ptr()) };
        Errno::result(result)?;
        let whole = |part: fn(&Half) -> u32| u64::from(part(&halves[0])) | u64::from(part(&halves[1])) << 32;
        Ok(Self {
            effective: whole(|half| half.effective),
            permitted: whole(|half| half.permitted),
            inheritable: whole(|half| half.inheritable),
        })
    }

    #[expect(unsafe_code, reason = "nix has no capset(2)")]
    fn set(self) -> nix::Result<()> {
        let half = |shift: u32| Half {
            effective: low(self.effective >> shift),
            permitted: low(self.permitted >> shift),
            inheritable: low(self.inheritable >> shift),
        };
        let mut header = Header::OURS;
        let halves = [half(0), half(32)];
        // SAFETY: the call reads the header, may write its version, and reads the two halves that this version has.
        let result = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, halves.as_ptr()) };
        Errno::result(result).map(drop)
    }
}

/// The lower half.
fn low(whole: u64) -> u32 {
    u32::try_from(whole & u64::from(u32::MAX)).unwrap_or_default()
}
