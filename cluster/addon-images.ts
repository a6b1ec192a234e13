import { join } from 'node:path'
import { buildImage, hashFiles, imageExists } from './docker-image.ts'
import { envoyFolder } from './envoy.ts'
import { publish, publishProgram } from './images/publish.ts'
import { ensureNodeBase } from './node-image.ts'
import { root } from './paths.ts'
import { registry } from './registry.ts'
import { clusterTools, toolNamed } from './tools.ts'
import { versions } from './versions.ts'

/** Images of the add-ons by the names that their own manifests use, each with the program in it. */
export const addonImages: Readonly<Record<string, string>> = {
  [`registry.k8s.io/metrics-server/metrics-server:v${versions.metricsServer}`]: 'metrics-server',
  [`docker.io/envoyproxy/gateway:v${versions.envoyGateway}`]: 'envoy-gateway',
  [`docker.io/envoyproxy/envoy:distroless-v${versions.envoyServer}`]: 'envoy',
}

/** Builds the add-ons' images where no container registry is in reach, and pushes them to the local one. */
export async function ensureAddonImages(line: (text: string) => void): Promise<void> {
  for (const [ref, program] of Object.entries(addonImages)) {
    if (program === 'envoy') await publishEnvoy(ref, line)
    else await publishProgram(toolNamed(program, clusterTools), {}, ref, line)
  }
}

async function publishEnvoy(ref: string, line: (text: string) => void): Promise<void> {
  const dockerfile = join(root, 'cluster', 'gateway', 'envoy.Dockerfile')
  const built = `opencode-test/envoy:${hashFiles([dockerfile], versions.envoyServer)}`
  if (!(await imageExists(built))) {
    line(`image ${ref}`)
    await buildEnvoy(built, dockerfile)
  }
  await publish(built, ref, registry.host, line)
}

async function buildEnvoy(ref: string, dockerfile: string): Promise<void> {
  const base = await ensureNodeBase(() => undefined)
  await buildImage(ref, dockerfile, await envoyFolder(), ['--build-arg', `BASE=${base}`])
}
