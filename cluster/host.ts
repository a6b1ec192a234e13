import { existsSync, readFileSync } from 'node:fs'

/** Bit of CAP_SYS_RESOURCE in a capability mask (linux/capability.h). */
const CAP_SYS_RESOURCE = 24n

/** What the host offers, as far as containers care. */
export interface Host {
  /** Contents of os-release: `ID`, `VERSION_CODENAME`, `PRETTY_NAME`, … */
  readonly os: Readonly<Record<string, string>>
  readonly root: boolean
  /** 1 where the cgroup file systems are mounted one a controller. */
  readonly cgroupVersion: 1 | 2
  /** Root here may not raise limits: containers need the restricted runtime. */
  readonly restricted: boolean
  /** An init system that starts services runs as PID 1. */
  readonly systemd: boolean
}

/** Whether a `CapEff:` mask of /proc/<pid>/status holds CAP_SYS_RESOURCE. */
export function hasSysResource(status: string): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1]
  return mask !== undefined && ((BigInt(`0x${mask}`) >> CAP_SYS_RESOURCE) & 1n) === 1n
}

/** Parses an os-release file. */
export function parseOsRelease(text: string): Record<string, string> {
  const entries = [...text.matchAll(/^([A-Z_]+)=(?:"([^"]*)"|(.*))$/gm)]
  return Object.fromEntries(
    entries.map(([, key = '', quoted, plain]) => [key, quoted ?? plain ?? '']),
  )
}

/** Reads the facts of the machine this process runs on. */
export function readHost(): Host {
  const isRoot = process.getuid?.() === 0
  return {
    os: existsSync('/etc/os-release')
      ? parseOsRelease(readFileSync('/etc/os-release', 'utf8'))
      : {},
    root: isRoot,
    cgroupVersion: existsSync('/sys/fs/cgroup/cgroup.controllers') ? 2 : 1,
    // Only root's own mask says something about the daemon's: an unprivileged user has none of them.
    restricted: isRoot && !hasSysResource(readFileSync('/proc/self/status', 'utf8')),
    systemd: existsSync('/run/systemd/system'),
  }
}

/** Whether the host is Debian or made from it. */
export function isDebian(host: Host): boolean {
  return host.os['ID'] === 'debian' || (host.os['ID_LIKE'] ?? '').split(' ').includes('debian')
}

/** Kernel limits that several nodes on one machine need: each runs systemd, containerd and a kubelet, all of which watch files. */
export const kernelSettings: Readonly<Record<string, number>> = {
  'fs.inotify.max_user_instances': 1024,
  'fs.inotify.max_user_watches': 524_288,
}

/** Those of {@link kernelSettings} that the running kernel has lower, as `name=value` for sysctl. */
export function lowKernelSettings(
  read: (path: string) => string = (path) => readFileSync(path, 'utf8'),
): string[] {
  const current = (name: string): number => Number(read(`/proc/sys/${name.replaceAll('.', '/')}`))
  return Object.entries(kernelSettings)
    .filter(([name, wanted]) => current(name) < wanted)
    .map(([name, wanted]) => `${name}=${wanted}`)
}
