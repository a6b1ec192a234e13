import { localRef } from './registry.ts'
import { ownImages, ownRef } from './images/index.ts'
import { registry } from './registry.ts'

const accept =
  'application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json'

/**
 * Values that name our own images by the digests the local registry has for them: a changed image keeps its tag during
 * development, and nodes would go on with the one they have.
 */
export async function pinnedImages(): Promise<Record<string, { image: { digest: string } }>> {
  const entries = await Promise.all(
    ownImages.map(
      async ({ component }) =>
        [component, { image: { digest: await digestOf(ownRef(component)) } }] as const,
    ),
  )
  return Object.fromEntries(entries)
}

async function digestOf(ref: string): Promise<string> {
  const [path = '', tag = ''] = localRef(ref, '').slice(1).split(':')
  const url = `http://${registry.host}/v2/${path}/manifests/${tag}`
  const response = await fetch(url, { method: 'HEAD', headers: { accept } })
  const digest = response.headers.get('docker-content-digest')
  if (!response.ok || digest === null) throw new Error(`${url}: ${response.status}`)
  return digest
}
