import type { Overlay } from '../schemas/index.ts'
import { buildImages } from './images/index.ts'
import type { UpOptions } from './options.ts'
import { root } from './paths.ts'
import { pinnedImages } from './pinned-images.ts'
import { profileValues } from './profile-values.ts'
import type { Progress } from './progress.ts'
import { chooseProvider } from './provider.ts'
import { ensureRedisCluster } from './redis-cluster/index.ts'
import { registry } from './registry.ts'
import {
  helm,
  installRelease,
  waitForRelease,
  writeProviderKeys,
  writeValues,
  type Release,
} from './release.ts'

/** The cluster's own Gateway, which the chart's routes attach to. */
export const sharedGateway = { enabled: true, parent: { name: 'opencode', namespace: 'gateway' } }

/** What {@link installService} is told. */
export interface ServiceOptions {
  readonly options: UpOptions
  /** Images are built from package registries: what `bringUpCluster` found. */
  readonly offline: boolean
  /** Values over those of the profile. */
  readonly values?: Overlay
  /** Longest time until every pod is ready, in seconds. Default 300. */
  readonly seconds?: number
}

/** The release that `npm run up` makes on a cluster of that name. */
export function releaseOn(cluster: string): Release {
  return { cluster, name: 'opencode', namespace: 'opencode', helm: 'helm4' }
}

/** Builds the images, installs the service with a profile's values on a running cluster and runs its own test. */
export async function installService(
  service: ServiceOptions,
  progress: Progress,
): Promise<Release> {
  const { options, offline, values = {}, seconds = 300 } = service
  const release = releaseOn(options.name)
  await progress.step('images', () => buildImages({ registry: registry.host, offline, progress }))
  await progress.step('helm install', async () => {
    progress.line(`answers come from ${chooseProvider(process.env).title}`)
    await upgradeService(options, values)
  })
  if (options.profile === 'production') {
    const { cluster, namespace } = release
    await progress.step('Redis cluster', () =>
      ensureRedisCluster({ cluster, namespace, line: progress.line }),
    )
  }
  await progress.step('waiting for the pods', () => waitForRelease(release, seconds, progress.line))
  await progress.step('helm test', async () => {
    await helm(release, ['test', release.name, '--timeout', '3m', '--logs'])
  })
  return release
}

/** `helm upgrade --install` with a profile's values and those given over them; does not wait for pods. */
export async function upgradeService(options: UpOptions, values: Overlay = {}): Promise<void> {
  const release = releaseOn(options.name)
  const provider = chooseProvider(process.env)
  await writeProviderKeys(release, provider)
  // One file each, so that Helm merges them deeply.
  const own = { region: options.region, gateway: sharedGateway }
  const parts = {
    profile: profileValues(options.profile),
    images: await pinnedImages(),
    cluster: own,
    provider: provider.values,
    values,
  }
  const files = Object.entries(parts).map(([name, content]) =>
    writeValues(release, name, content ?? {}),
  )
  await installRelease(release, { valuesFiles: [`${root}/values/kind.yaml`, ...files] })
}
