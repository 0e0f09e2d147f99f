//! What this host says of itself: files of /proc, disks, times of files.

use std::fs::FileType;
use std::time::{Duration, SystemTime};

use berth_engine::Folder;

use super::host::Mongodb;

/// A setting of the kernel.
pub fn kernel(name: &str) -> String {
    let text = fs_err::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    text.trim().to_owned()
}

/// `SwapTotal` of /proc/meminfo (proc_meminfo(5)), in bytes.
pub fn swap(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("SwapTotal:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// How many bytes may still be written there.
pub fn free(folder: &str) -> Option<u64> {
    let space = rustix::fs::statvfs(folder).ok()?;
    Some(space.f_bavail * space.f_frsize)
}

/// How many open files an engine of this host may give to a container: what it may have itself, unless it may raise that
/// (CAP_SYS_RESOURCE, setrlimit(2)). Nothing when none is seen.
pub fn files_allowed() -> Option<u64> {
    let read = |pid: &str, file: &str| fs_err::read_to_string(format!("/proc/{pid}/{file}")).ok();
    let entries = fs_err::read_dir("/proc").ok()?.flatten();
    let engines = entries.filter(|entry| entry.file_type().is_ok_and(|kind| FileType::is_dir(&kind)));
    let engines = engines.filter_map(|entry| entry.file_name().into_string().ok());
    let engines = engines.filter(|pid| read(pid, "comm").is_some_and(|name| name.trim() == "dockerd"));
    engines.filter_map(|pid| may_have(&read(&pid, "limits")?, &read(&pid, "status")?)).min()
}

const CAP_SYS_RESOURCE: u32 = 24;

/// The most that the kernel has for anybody (proc_sys_fs(5), nr_open), where nobody changed it.
const ALL_FILES: u64 = 1 << 20;

/// How many open files a process may have, by its `limits` and `status` (proc_pid_limits(5), proc_pid_status(5)).
fn may_have(limits: &str, status: &str) -> Option<u64> {
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let capabilities = u64::from_str_radix(capabilities.trim(), 16).ok()?;
    if capabilities >> CAP_SYS_RESOURCE & 1 == 1 {
        return Some(ALL_FILES);
    }
    let hard =
        limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().nth(1)?;
    if hard == "unlimited" { Some(ALL_FILES) } else { hard.parse().ok() }
}

/// MongoDB's own words on processors: AVX since 5.0, and ARMv8.2-A, of which DC CVAP (`dcpop`) is a part.
pub fn mongodb(cpuinfo: &str, architecture: &str) -> Option<Mongodb> {
    let flags = |key: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.split_whitespace().collect::<Vec<_>>())
    };
    match architecture {
        "x86_64" | "amd64" => {
            Some(if flags("flags")?.contains(&"avx") { Mongodb::Runs } else { Mongodb::NoAvx })
        }
        "aarch64" | "arm64" => {
            Some(if flags("Features")?.contains(&"dcpop") { Mongodb::Runs } else { Mongodb::OldArm })
        }
        _ => None,
    }
}

/// By how much this program, or what it wrote, is newer than now.
pub fn behind_files(folder: Option<&Folder>) -> Option<Duration> {
    let ours = folder
        .into_iter()
        .flat_map(|folder| ["version", "settings.env", "desired.json"].map(|file| folder.path(file)));
    let files = std::env::current_exe().into_iter().chain(ours);
    let newest = files.filter_map(|file| file.metadata().ok()?.modified().ok()).max()?;
    newest.duration_since(SystemTime::now()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_may_raise_limits_has_all() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 20000                files     \n";
        assert_eq!(may_have(limits, "CapEff:\t000001fffeffffff\n"), Some(20000));
        assert_eq!(may_have(limits, "CapEff:\t000001ffffffffff\n"), Some(ALL_FILES));
        assert_eq!(may_have("", "CapEff:\t0\n"), None);
    }

    #[test]
    fn processors_are_told_apart_by_their_flags() {
        let x86 = "processor\t: 0\nflags\t\t: fpu sse4_2 avx avx2\n";
        let arm = "processor\t: 0\nFeatures\t: fp asimd atomics dcpop asimddp\n";
        assert_eq!(mongodb(x86, "x86_64"), Some(Mongodb::Runs));
        assert_eq!(mongodb(&x86.replace("avx", "xva"), "x86_64"), Some(Mongodb::NoAvx));
        assert_eq!(mongodb(arm, "aarch64"), Some(Mongodb::Runs));
        assert_eq!(mongodb(&arm.replace("dcpop", ""), "aarch64"), Some(Mongodb::OldArm));
        assert_eq!(mongodb("", "riscv64"), None);
    }

    #[test]
    fn swap_is_told_in_kibibytes() {
        assert_eq!(swap("MemTotal: 1 kB\nSwapTotal:       2048 kB\n"), Some(2 << 20));
    }
}
