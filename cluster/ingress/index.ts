import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { publishProgram } from '../images/publish.ts'
import { kubectl } from '../kind-cluster.ts'
import { root } from '../paths.ts'
import { ensureTools, traefik } from '../tools.ts'
import { versions } from '../versions.ts'

const image = `docker.io/library/traefik:v${versions.traefik}`

/**
 * Installs an ingress controller of the class `nginx` that reads the annotations of ingress-nginx, in the namespace `traefik`,
 * waits until it is ready (at most 3 min) and returns its address on a node. `offline` builds its image.
 */
export async function ensureIngressController(
  cluster: string,
  offline: boolean,
  line: (text: string) => void,
): Promise<string> {
  if (offline) {
    await ensureTools([traefik], line)
    await publishProgram(traefik, { user: 65_532 }, image, line)
  }
  const manifest = readFileSync(join(root, 'cluster', 'ingress', 'traefik.yaml'), 'utf8').replace(
    '__IMAGE__',
    image,
  )
  await kubectl(
    cluster,
    ['apply', '--server-side', '--force-conflicts', '--filename', '-'],
    manifest,
  )
  await kubectl(cluster, [
    'rollout',
    'status',
    'deployment/traefik',
    '--namespace',
    'traefik',
    '--timeout=180s',
  ])
  const address = 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}'
  return `http://${await kubectl(cluster, ['get', 'nodes', '--output', address])}:30081`
}
