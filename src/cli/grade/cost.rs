//! What this process has cost the machine so far.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::grade::Cost;

/// A reading.
#[derive(Clone, Copy)]
pub struct Spent {
    cpu: Duration,
    /// Resident bytes.
    memory: Option<u64>,
}

impl Spent {
    /// Processor time of all threads, and resident memory where `/proc` tells it.
    pub fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu = Duration::try_from(cpu).unwrap_or_default();
        let status = std::fs::read_to_string("/proc/self/status").ok();
        let memory = status.as_deref().and_then(resident);
        Self { cpu, memory }
    }

    /// What was spent since this reading.
    pub fn until_now(self) -> Cost {
        let now = Self::now();
        Cost {
            cpu: now.cpu.saturating_sub(self.cpu),
            memory: now
                .memory
                .zip(self.memory)
                .map(|(now, before)| now.saturating_sub(before)),
        }
    }
}

/// `VmRSS:      5964 kB`, in bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_from_the_status_of_the_process() {
        let status = "Name:\ttickwire\nVmHWM:\t    9000 kB\nVmRSS:\t    5964 kB\nThreads:\t1\n";
        assert_eq!(resident(status), Some(5_964 * 1_024));
        assert_eq!(resident("Name:\ttickwire\n"), None);
    }
}
