import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { $ } from 'zx'
import { UserError } from '../../scripts/lib/user-error.ts'
import { buildImage, hashFiles, imageExists } from '../docker-image.ts'
import { root } from '../paths.ts'
import type { Progress } from '../progress.ts'
import { debian, publicNodeBase, storeImages, versions } from '../versions.ts'
import { ensureDebianBase } from './debian-base.ts'
import { fetchNode } from './node-runtime.ts'
import { publish } from './publish.ts'

/** What {@link buildImages} is told. */
export interface ImageOptions {
  /** Host and port of the registry to push to, as this machine reaches it: `127.0.0.1:5001`. */
  readonly registry: string
  /** No container registry is in reach: bases and stores are built from package registries. */
  readonly offline: boolean
  readonly progress: Pick<Progress, 'line'>
}

/** One of our own images. */
export interface OwnImage {
  readonly component: 'api' | 'worker' | 'websocket' | 'sandbox'
  /** Image that it is built on. */
  readonly base: 'node' | 'sandbox-base'
  /** Largest unpacked size, in MB, that still passes. */
  readonly limit: number
}

/** Our own images, each from `services/<component>/Dockerfile`. */
export const ownImages: readonly OwnImage[] = [
  // 21 MB of it are the web interface.
  { component: 'api', base: 'node', limit: 270 },
  { component: 'websocket', base: 'node', limit: 250 },
  { component: 'worker', base: 'node', limit: 250 },
  { component: 'sandbox', base: 'sandbox-base', limit: 600 },
]

/** Stand-ins for public images: folder with the Dockerfile, image that it is built on, public references. */
export const standIns = [
  { folder: 'postgres', base: undefined, refs: [storeImages.postgres] },
  { folder: 'redis', base: undefined, refs: [storeImages.redis] },
  { folder: 'redis-exporter', base: undefined, refs: [storeImages.redisExporter] },
  { folder: 'pgbouncer', base: undefined, refs: [storeImages.pgbouncer, storeImages.cnpgPooler] },
  { folder: 'cnpg-postgres', base: 'postgres', refs: [storeImages.cnpgPostgres] },
] as const

const folder = join(root, 'cluster', 'images')

/** Version that our own images are tagged with: the one of package.json. */
export function appVersion(): string {
  return (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string })
    .version
}

/** Reference of one of our own images, as the chart names it by default. */
export function ownRef(component: string): string {
  return `ghcr.io/opencode/${component}:${appVersion()}`
}

/**
 * Builds every image that a release needs and pushes it to the local registry under the path and tag that the chart names.
 * An image whose inputs are unchanged is not built again; one that the registry has is not pushed again.
 * @throws UserError when an image is larger than its limit, or a service's Dockerfile or bundle is missing.
 */
export async function buildImages({ registry, offline, progress }: ImageOptions): Promise<void> {
  const line = progress.line
  if (offline) await publishStandIns(registry, line)
  const bases = await ownBases(registry, offline, line)
  await bundleServices(root, line)
  for (const image of ownImages) {
    const ref = ownRef(image.component)
    const built = await buildOwn(image.component, root, bases[image.base], ref, line)
    await removeOthers(built)
    await checkSize(image, built, line)
    await publish(built, ref, registry, line)
  }
}

/**
 * Builds the images of the services as a commit has them and pushes them under a tag of their own, so that an earlier chart runs what it
 * was written for.
 * @param sources - An empty folder, on the file system of `node_modules`.
 * @returns the tag
 */
export async function buildEarlierImages(
  commit: string,
  sources: string,
  { registry, offline, progress }: ImageOptions,
): Promise<string> {
  const line = progress.line
  const bases = await ownBases(registry, offline, line)
  await $({ quiet: true, cwd: root })`git archive ${commit} | tar --extract --directory ${sources}`
  // Links: bundles are made of packages, and Docker copies the engine, but neither looks outside its folder.
  await $({ quiet: true })`cp --archive --link ${join(root, 'node_modules')} ${sources}`
  await bundleServices(sources, line)
  const tag = `at-${commit.slice(0, 12)}`
  for (const { component } of ownImages) {
    const dockerfile = join(sources, 'services', component, 'Dockerfile')
    if (!existsSync(dockerfile)) continue
    const base = readFileSync(dockerfile, 'utf8').includes('opencode-linux-x64')
      ? bases['sandbox-base']
      : bases.node
    const [repository = ''] = ownRef(component).split(/:(?!.*\/)/)
    const ref = `${repository}:${tag}`
    await publish(await buildOwn(component, sources, base, ref, line), ref, registry, line)
  }
  return tag
}

/** What our own images are built on. */
async function ownBases(
  registry: string,
  offline: boolean,
  line: (text: string) => void,
): Promise<Record<OwnImage['base'], string>> {
  const node = offline ? await publishNodeBase(registry, line) : await pull(publicNodeBase, line)
  return { node, 'sandbox-base': await derive('sandbox-base', node, line) }
}

/** Not `npm run build`: that may install dependencies, and this process already runs on them. */
async function bundleServices(sources: string, line: (text: string) => void): Promise<void> {
  line('bundling the services')
  await $({ quiet: true, cwd: sources })`${process.execPath} --import tsx scripts/build.ts`
}

/** Builds what {@link buildImages} builds on where no container registry is in reach. Needs Docker alone; mostly waits for downloads. */
export async function buildBases(line: (text: string) => void): Promise<void> {
  await buildStandIns(line)
  await derive('sandbox-base', await ensureNodeRuntime(line), line)
}

/** Builds the Node.js image where no container registry is in reach, pushes it under the public one's name and returns its reference. */
export async function publishNodeBase(
  registry: string,
  line: (text: string) => void,
): Promise<string> {
  const node = await ensureNodeRuntime(line)
  await publish(node, publicNodeBase, registry, line)
  return node
}

async function publishStandIns(registry: string, line: (text: string) => void): Promise<void> {
  const built = await buildStandIns(line)
  for (const { folder: name, refs } of standIns)
    for (const ref of refs) await publish(built[name] ?? '', ref, registry, line)
}

/** @returns the built image of each stand-in. */
async function buildStandIns(line: (text: string) => void): Promise<Record<string, string>> {
  const debianBase = await ensureDebianBase(line)
  const built: Record<string, string> = {}
  for (const { folder: name, base } of standIns) {
    built[name] = await derive(
      name,
      base === undefined ? debianBase : (built[base] ?? debianBase),
      line,
    )
  }
  return built
}

async function pull(ref: string, line: (text: string) => void): Promise<string> {
  if (!(await imageExists(ref))) {
    line(`pulling ${ref}`)
    await $({ quiet: true })`docker pull --quiet ${ref}`
  }
  return ref
}

async function ensureNodeRuntime(line: (text: string) => void): Promise<string> {
  const base = await ensureDebianBase(line)
  const ref = inputRef('node', base, versions.node)
  if (await imageExists(ref)) return ref
  line(`Node.js ${versions.node} on Debian ${debian.images}`)
  await inTemporary(async (context) => {
    await fetchNode(context)
    await buildImage(ref, join(folder, 'node', 'Dockerfile'), context, [
      '--build-arg',
      `BASE=${base}`,
    ])
  })
  return ref
}

/** Builds an image that is nothing but its base and packages. */
async function derive(name: string, base: string, line: (text: string) => void): Promise<string> {
  const ref = inputRef(name, base)
  if (await imageExists(ref)) return ref
  line(`image ${name}`)
  // The host's network, because its resolver may be one that no other network namespace reaches.
  const options = [
    '--network',
    'host',
    ...proxyArguments(process.env),
    '--build-arg',
    `BASE=${base}`,
  ]
  await buildImage(ref, join(folder, name, 'Dockerfile'), join(folder, name), options)
  return ref
}

/** Build arguments that hand the host's proxies to apt; Docker keeps these out of the image's history. */
export function proxyArguments(env: NodeJS.ProcessEnv): string[] {
  const names = ['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']
  return names.filter((name) => env[name]).flatMap((name) => ['--build-arg', name])
}

/** A name made of everything that an image is made of. */
function inputRef(name: string, base: string, extra = ''): string {
  return `opencode-test/${name}:${hashFiles([join(folder, name)], base + extra)}`
}

/** @returns the image as Docker knows it here */
async function buildOwn(
  component: OwnImage['component'],
  sources: string,
  base: string,
  ref: string,
  line: (text: string) => void,
): Promise<string> {
  const dockerfile = join(sources, 'services', component, 'Dockerfile')
  const bundle = join(sources, 'dist', 'services', component)
  for (const path of [dockerfile, bundle])
    if (!existsSync(path))
      throw new UserError(`${path} is missing: run "npm run build" and look at its errors.`)
  const hasEngine = readFileSync(dockerfile, 'utf8').includes('opencode-linux-x64')
  const engine = hasEngine ? [join(root, 'node_modules', 'opencode-linux-x64', 'package.json')] : []
  const built = `opencode-test/${component}:${hashFiles([dockerfile, bundle, ...engine], base)}`
  if (!(await imageExists(built))) {
    line(`image ${ref}`)
    await buildImage(built, dockerfile, sources, ['--build-arg', `BASE=${base}`])
  }
  return built
}

/** @throws UserError when the image is larger than its limit */
async function checkSize(
  { component, limit }: OwnImage,
  built: string,
  line: (text: string) => void,
): Promise<void> {
  const size =
    Number(
      (await $({ quiet: true })`docker image inspect --format ${'{{.Size}}'} ${built}`).stdout,
    ) / 1e6
  if (size > limit)
    throw new UserError(`image ${component} is ${Math.round(size)} MB; its limit is ${limit} MB.`)
  line(`${component}: ${Math.round(size)} MB of at most ${limit} MB`)
}

/** Takes away what earlier bundles were built into: every change of a service makes a new image. */
async function removeOthers(current: string): Promise<void> {
  const [repository = ''] = current.split(':')
  const { stdout } = await $({
    quiet: true,
  })`docker image ls --format ${'{{.Repository}}:{{.Tag}}'} ${repository}`
  const others = stdout.split('\n').filter((ref) => ref !== '' && ref !== current)
  // The registry keeps what is pushed; an image that something here still uses stays.
  if (others.length > 0) await $({ quiet: true, nothrow: true })`docker image rm ${others}`
}

async function inTemporary(run: (folder: string) => Promise<void>): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'image-'))
  try {
    await run(work)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
