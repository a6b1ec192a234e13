import { $ } from 'zx'
import { buildProgramImage, hashFiles, imageExists, type ProgramImage } from '../docker-image.ts'
import { tool } from '../paths.ts'
import { localRef, registry as local } from '../registry.ts'
import { toolStamp, type Tool } from '../tools.ts'

const quiet = $({ quiet: true })

const manifestTypes =
  'application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json'

/** Path and tag of a reference without its registry: `ghcr.io/a/b:1` is `{ path: 'a/b', tag: '1' }`. */
export function splitRef(ref: string): { path: string; tag: string } {
  const [path = '', tag = 'latest'] = localRef(ref, '').slice(1).split(':')
  return { path, tag }
}

/** Pushes an image to the local registry under a public reference's path and tag, unless that very image is there. */
export async function publish(
  built: string,
  ref: string,
  registry: string,
  line: (text: string) => void,
): Promise<void> {
  const target = localRef(ref, registry)
  const id = (await quiet`docker image inspect --format ${'{{.Id}}'} ${built}`).stdout.trim()
  if ((await publishedId(ref, registry)) === id) return
  line(`pushing ${ref}`)
  await quiet`docker tag ${built} ${target}`
  await quiet`docker push --quiet ${target}`
}

/**
 * Publishes an image of one built tool under a public reference. What goes into it names the image that Docker keeps, so it is built
 * again only when that changes.
 */
export async function publishProgram(
  source: Tool,
  options: Omit<ProgramImage, 'program' | 'file'>,
  ref: string,
  line: (text: string) => void,
): Promise<void> {
  const built = `opencode-test/${source.name}:${hashFiles([], toolStamp(source) + JSON.stringify(options))}`
  if (!(await imageExists(built))) {
    line(`image ${ref}`)
    await buildProgramImage(built, { ...options, program: source.name, file: tool(source.name) })
  }
  await publish(built, ref, local.host, line)
}

/** Id (digest of the configuration) of the image that a registry serves for a reference. */
async function publishedId(ref: string, registry: string): Promise<string | undefined> {
  const { path, tag } = splitRef(ref)
  const response = await fetch(`http://${registry}/v2/${path}/manifests/${tag}`, {
    headers: { accept: manifestTypes },
  })
  if (!response.ok) return undefined
  return ((await response.json()) as { config?: { digest?: string } }).config?.digest
}
