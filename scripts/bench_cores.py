"""bench_cores.py - which core is whose.

A disk of one queue has all its interrupts on one core. There they belong to who writes to it, generator, journals and sinks with them:
on the other one they would take a seventh of what the worker could do.
"""
import collections
import os
import pathlib
import re
import tempfile

MOST = 0.9  # of a disk's interrupts: on that core they are


def queues_of(device):
    """The interrupts of a device of sysfs, by number, or of those that it is made of; none where they cannot be seen."""
    parts = [part.resolve() for part in device.glob("slaves/*")]
    if parts:
        return set().union(*map(queues_of, parts))
    found = next((one / "msi_irqs" for one in (device, *device.parents) if (one / "msi_irqs").is_dir()), None)
    return {one.name for one in found.iterdir()} if found else set()


def disk_core(path):
    """The core that a disk interrupts, None where there are several, or none is known."""
    number = os.stat(path).st_dev
    numbers = queues_of(pathlib.Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve())
    counts = collections.Counter()
    for line in pathlib.Path("/proc/interrupts").read_text(encoding="ascii", errors="replace").splitlines():
        number, _, rest = line.partition(":")
        if number.strip() in numbers:
            core = pathlib.Path(f"/proc/irq/{number.strip()}/effective_affinity_list").read_text(encoding="ascii").strip()
            counts[core] += sum(map(int, re.findall(r"(?<!\S)\d+(?!\S)", rest)))
    core, most = counts.most_common(1)[0] if counts else ("", 0)
    return int(core) if core.isdigit() and most and most >= MOST * counts.total() else None


def roles():
    """(control, worker): the cores of generator, journals and sinks, and of the worker."""
    cores = sorted(os.sched_getaffinity(0))
    taken = disk_core(tempfile.gettempdir())
    control = taken if taken in cores else cores[0]
    return control, next((core for core in cores if core != control), control)


CONTROL, WORKER = roles()
