import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { UserError } from '../../../scripts/lib/user-error.ts'

/** What the suite starts for real, by a file of each Debian package. */
const packages: Record<string, string> = {
  postgresql: '/usr/lib/postgresql',
  'redis-server': '/usr/bin/redis-server',
  pgbouncer: '/usr/sbin/pgbouncer',
  tmux: '/usr/bin/tmux',
  // The engine's own search; the worker's image brings it too.
  ripgrep: '/usr/bin/rg',
}

/** Installs what is missing where that is possible. @throws UserError naming what to install */
export default function setup(): void {
  const missing = Object.entries(packages)
    .filter(([, file]) => !existsSync(file))
    .map(([name]) => name)
  if (missing.length === 0) return
  const command = `apt-get install ${missing.join(' ')}`
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get'))
    throw new UserError(`missing on this machine: ${missing.join(', ')}. Run "sudo ${command}".`)
  // RUNLEVEL=1: the packages must not start servers of their own. @see invoke-rc.d(8)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const apt = (...args: string[]) =>
    spawnSync('apt-get', ['--quiet', '--option', 'DPkg::Lock::Timeout=120', ...args], {
      encoding: 'utf8',
      env,
    })
  apt('update')
  const { status, stderr } = apt('install', '--yes', '--no-install-recommends', ...missing)
  if (status !== 0)
    throw new UserError(
      `"${command}" failed:\n${stderr.trimEnd().split('\n').slice(-5).join('\n')}`,
    )
}
