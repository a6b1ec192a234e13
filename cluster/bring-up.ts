import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { $ } from 'zx'
import { UserError } from '../scripts/lib/user-error.ts'
import { ensureAddonImages } from './addon-images.ts'
import { ensureAddons } from './addons.ts'
import { ensureBackup } from './backup/index.ts'
import { ensureRedisClusterDefinition } from './crds/index.ts'
import { dockerVersion, ensureDocker } from './docker-engine.ts'
import { lowKernelSettings, readHost, type Host } from './host.ts'
import { buildBases } from './images/index.ts'
import { clusterNodes, configureMirrors, ensureCluster } from './kind-cluster.ts'
import { ensureNetworkPolicy, networkPolicyAgent } from './network-policy/index.ts'
import { ensureNodeBase, ensureNodeImage } from './node-image.ts'
import { ensureOperatorImages, ensureOperators } from './operators.ts'
import type { UpOptions } from './options.ts'
import { ensurePackages } from './packages.ts'
import { stateDir } from './paths.ts'
import { checkMachine, isListening, readMachine } from './preflight.ts'
import type { Progress } from './progress.ts'
import { publicRegistryReachable } from './public-registry.ts'
import { connectRegistry, ensureRegistry, registry } from './registry.ts'
import { cliTools, clusterTools, ensureTools, restrictedRuntime, type Tool } from './tools.ts'
import { publishedNodeImage } from './versions.ts'

/** A cluster that is up: what installing the service needs to know. */
export interface RunningCluster {
  readonly name: string
  /** Images had to be built from package registries. */
  readonly offline: boolean
}

/** Command-line tools that bringing a cluster up calls; the others are for tests. */
const used = new Set(['kind', 'kubectl', 'helm4'])

/** Tools for one kind of run: where images are pulled, only the registry is still built here. */
export function toolsFor(host: Pick<Host, 'restricted'>, offline: boolean): Tool[] {
  const runtime = host.restricted ? [restrictedRuntime] : []
  // With the others, so that no processor waits while the last of them is linked.
  const cluster = offline
    ? [...clusterTools, networkPolicyAgent]
    : clusterTools.filter(({ name }) => name === 'registry')
  return [...cliTools.filter(({ name }) => used.has(name)), ...runtime, ...cluster]
}

/**
 * Brings a cluster up, from nothing or from wherever an earlier run ended: packages, Docker, tools, node image, registry,
 * nodes, add-ons. Every step looks at what is there first, so that a second run takes seconds.
 * @throws UserError for everything that the person at the keyboard can put right.
 */
export async function bringUpCluster(
  options: UpOptions,
  progress: Progress,
): Promise<RunningCluster> {
  const host = readHost()
  const offline = await progress.step('preflight', () => preflight(options, host, progress.line))
  await progress.step('Docker', async () => {
    await ensurePackages(host, offline, progress.line)
    if (host.restricted && (await dockerVersion()) === undefined)
      await ensureTools([restrictedRuntime], progress.line)
    await ensureDocker(host, progress.line)
  })
  await progress.step('pinned tools and base images', () =>
    Promise.all([
      ensureTools(toolsFor(host, offline), progress.line),
      // Meanwhile, as one waits for the processor and the other for downloads.
      offline ? buildBases(progress.line).then(() => ensureNodeBase(progress.line)) : undefined,
    ]),
  )
  const nodeImage = await progress.step('node image', () =>
    resolveNodeImage(host, offline, progress.line),
  )
  await progress.step('cluster', async () => {
    await ensureRegistry(progress.line)
    const { name, region, port } = options
    const builtHere = nodeImage !== publishedNodeImage
    await ensureCluster({ name, region, port, nodeImage, builtHere }, host, progress.line)
    await connectRegistry()
    await configureMirrors(name)
  })
  await progress.step('add-ons', async () => {
    if (offline) await ensureAddonImages(progress.line)
    await ensureAddons(options.name, progress.line)
    // kind's published node image comes with a network plugin that enforces policies itself.
    if (nodeImage !== publishedNodeImage) await ensureNetworkPolicy(options.name, progress.line)
  })
  if (options.profile === 'production') {
    await progress.step('operators', async () => {
      await ensureOperatorImages(offline, progress.line)
      await ensureOperators(options.name, progress.line)
      await ensureRedisClusterDefinition(options.name)
      await ensureBackup({
        cluster: options.name,
        registry: registry.host,
        offline,
        namespace: 'opencode',
        line: progress.line,
      })
    })
  }
  return { name: options.name, offline }
}

/** Checks the machine and decides whether images are pulled or built. */
async function preflight(
  options: UpOptions,
  host: Host,
  line: (text: string) => void,
): Promise<boolean> {
  const offline = options.offline || !(await publicRegistryReachable())
  line(
    offline
      ? 'no public container registry: images are built from package registries'
      : 'public images are pulled',
  )
  const docker = (await dockerVersion()) !== undefined
  const runs = docker && (await clusterNodes(options.name)).length > 0
  const registryRuns =
    docker &&
    (await $({ quiet: true, nothrow: true })`docker inspect ${registry.container}`).exitCode === 0
  const ports = [options.port, ...(registryRuns ? [] : [Number(registry.host.split(':')[1])])]
  const problems = checkMachine(await readMachine(host, ports, runs), offline)
  checkSamePort(options, problems)
  await raiseKernelSettings(host, problems, line)
  if (problems.length > 0)
    throw new UserError(
      `this machine is not ready:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    )
  if (runs && !(await isListening(options.port)))
    line("the cluster's nodes are stopped and will be started")
  return offline
}

/** Raises what can be raised for as long as the machine runs, or says how. */
async function raiseKernelSettings(
  host: Host,
  problems: string[],
  line: (text: string) => void,
): Promise<void> {
  const low = lowKernelSettings()
  if (low.length === 0) return
  const raised =
    host.root && (await $({ quiet: true, nothrow: true })`sysctl --write ${low}`).exitCode === 0
  if (raised) line(`raised ${low.join(' and ')}`)
  else
    problems.push(
      `kernel limits are too low for four nodes: run "sudo sysctl --write ${low.join(' ')}".`,
    )
}

/** A cluster's port is set when it is made: another one means another cluster. */
function checkSamePort(options: UpOptions, problems: string[]): void {
  const file = join(stateDir, options.name, 'created')
  if (!existsSync(file)) return
  const made = JSON.parse(readFileSync(file, 'utf8')) as { port: number; region: string }
  if (made.port === options.port && made.region === options.region) return
  const wanted = `--region ${options.region} --port ${options.port}`
  problems.push(
    `cluster "${options.name}" was made with --region ${made.region} --port ${made.port}, not ${wanted}: use those, another --name, or "npm run down" first.`,
  )
}

async function resolveNodeImage(
  host: Host,
  offline: boolean,
  line: (text: string) => void,
): Promise<string> {
  mkdirSync(stateDir, { recursive: true })
  // The published image raises limits in its own units: a restricted host needs the one that does not.
  if (offline || host.restricted) {
    if (!offline) await ensureTools(clusterTools, line)
    return ensureNodeImage(line)
  }
  line(`pulling ${publishedNodeImage}`)
  const pulled = await $({ quiet: true, nothrow: true })`docker pull --quiet ${publishedNodeImage}`
  if (pulled.exitCode === 0) return publishedNodeImage
  line('the pull failed: building the node image from package registries')
  await ensureTools(clusterTools, line)
  return ensureNodeImage(line)
}

/** Writes a run's step times where the next one and the documentation can read them. */
export function saveTimings(cluster: string, progress: Progress): void {
  writeFileSync(join(stateDir, cluster, 'timings.json'), JSON.stringify(progress.timings, null, 2))
}
