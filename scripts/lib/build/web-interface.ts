import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  existsSync,
  rmSync,
} from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { withEngine } from '../../../services/api/catalogue/read.ts'
import type { WebFile, WebManifest } from '../../../services/api/web/manifest.ts'
import { UserError } from '../user-error.ts'

/** Changes whenever this file makes something else of the same engine. */
const FORM = '2'
/** Files fetched and compressed at once: zlib has four threads. */
const AT_ONCE = 8
/** Brotli's quality, 0 to 11: 11 makes the files 8 % smaller and takes 60 s of a processor instead of 3. */
const BROTLI_QUALITY = 9

/**
 * Takes OpenCode's web interface out of the pinned engine: the engine is started offline and asked
 * for each file it names. Kept below `.cache`, so that an engine is asked once.
 * @returns the folder with `manifest.json` and the files, ready to be served
 * @throws UserError when the engine does not start or names no web interface
 */
export async function webInterface(root: string): Promise<string> {
  const engine = join(root, 'node_modules', 'opencode-linux-x64')
  const { version } = JSON.parse(readFileSync(join(engine, 'package.json'), 'utf8')) as {
    version: string
  }
  const folder = join(root, '.cache', 'web', `${version}-${FORM}`)
  if (existsSync(join(folder, 'manifest.json'))) return folder
  const binary = join(engine, 'bin', 'opencode')
  const names = embeddedFiles(binary)
  mkdirSync(join(root, '.cache', 'web'), { recursive: true })
  const unfinished = mkdtempSync(`${folder}-`)
  try {
    const served = await withEngine(binary, (url) => fetchAll(url, names, unfinished))
    const manifest: WebManifest = { version, ...served }
    await writeFile(join(unfinished, 'manifest.json'), JSON.stringify(manifest))
    rmSync(folder, { recursive: true, force: true })
    // A temporary folder is its owner's alone; in the image another user reads it.
    chmodSync(unfinished, 0o755)
    renameSync(unfinished, folder)
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true })
    // Another build may have been faster.
    if (!existsSync(join(folder, 'manifest.json'))) throw error
  }
  return folder
}

/**
 * Names of the files that the engine's binary carries for its web interface: the keys of the one
 * object in its bundled source that has an `index.html`.
 */
export function embeddedFiles(binary: string): string[] {
  const bytes = readFileSync(binary)
  const at = bytes.indexOf('"index.html":')
  const [from, to] = [bytes.lastIndexOf('={', at), bytes.indexOf('}', at)]
  if (at < 0 || from < 0 || to < 0)
    throw new UserError(`${binary} names no web interface. Is it another engine than the pinned?`)
  const table = bytes.toString('latin1', from + 2, to)
  const names = [...table.matchAll(/(?:^|,)(?:"([^"]+)"|([\w$]+)):[\w$]+/g)]
  // A host's own instructions for headers are no file of the interface.
  return names.map(([, quoted, bare]) => quoted ?? bare ?? '').filter((name) => name !== '_headers')
}

async function fetchAll(url: string, names: readonly string[], folder: string) {
  const files: Record<string, WebFile> = {}
  let policy = ''
  const waiting = [...names]
  const take = async (): Promise<void> => {
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      const response = await fetch(`${url}/${name}`)
      const type = response.headers.get('content-type') ?? ''
      // The engine answers with its page for what it does not have.
      if (!response.ok || (type.startsWith('text/html') && name !== 'index.html'))
        throw new UserError(`the engine does not serve its own file "${name}"`)
      if (name === 'index.html') policy = response.headers.get('content-security-policy') ?? ''
      files[name] = await keep(folder, type, Buffer.from(await response.arrayBuffer()))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, take))
  if (policy === '') throw new UserError("the engine's page came without a content security policy")
  return { policy, files: Object.fromEntries(Object.entries(files).sort()) }
}

/** Writes a file's bytes under their hash; those that compress well, compressed only. */
async function keep(folder: string, type: string, bytes: Buffer): Promise<WebFile> {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 32)
  const path = join(folder, hash)
  const compress = /^(text\/|font\/ttf|image\/(svg|vnd)|application\/manifest)/.test(type)
  if (!compress) {
    await writeFile(path, bytes)
    return { hash, type, compressed: false }
  }
  const [br, gz] = await Promise.all([
    promisify(brotliCompress)(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
    promisify(gzip)(bytes, { level: 9 }),
  ])
  await Promise.all([writeFile(`${path}.br`, br), writeFile(`${path}.gz`, gz)])
  return { hash, type, compressed: true }
}
