//! What this process uses of the machine.

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// At a moment. What the system does not tell is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Resident.
    pub memory_bytes: Option<u64>,
    /// Of all threads since the start.
    pub cpu_seconds: f64,
    /// Running or waiting.
    pub threads: Option<u64>,
    /// Files and sockets.
    pub open_files: Option<u64>,
}

impl Process {
    /// Now.
    pub fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let files = std::fs::read_dir("/proc/self/fd").ok();
        Self {
            pid: std::process::id(),
            memory_bytes: figure(&status, "VmRSS:").map(|kib| kib * 1_024),
            cpu_seconds: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            threads: figure(&status, "Threads:"),
            // The folder itself is open while it is read.
            open_files: files.map(|files| files.count().saturating_sub(1) as u64),
        }
    }
}

/// `VmRSS:      5964 kB`: 5964.
fn figure(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_where_the_system_tells_them() {
        let status = "VmHWM:\t    9000 kB\nVmRSS:\t    5964 kB\nThreads:\t3\n";
        assert_eq!(figure(status, "VmRSS:"), Some(5_964));
        assert_eq!(figure(status, "Threads:"), Some(3));
        assert_eq!(figure("", "Threads:"), None);
        let now = Process::now();
        assert!(now.cpu_seconds > 0.0);
        assert!(now.open_files.is_none_or(|files| files >= 3));
    }
}
