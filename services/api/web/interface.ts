import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { MiddlewareHandler } from 'hono'
import type { ApiContext, Env } from '../context.ts'
import type { WebFile, WebManifest } from './manifest.ts'
import { pagePolicy } from './policy.ts'

/** The page and its assets, read from the folder that the build has made. */
export class WebInterface {
  readonly #folder: string
  readonly #manifest: WebManifest
  readonly #policy: string

  /**
   * @param folder - The folder that `scripts/lib/build/web-interface.ts` makes.
   * @throws Error when there is no manifest
   */
  constructor(folder: string) {
    this.#folder = folder
    this.#manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as WebManifest
    this.#policy = pagePolicy(this.#manifest.policy)
  }

  /** The file that a path names; undefined where there is none. The page itself is at no path. */
  async file(context: ApiContext): Promise<Response | undefined> {
    const name = context.req.path.slice(1)
    if (name === 'index.html' || !Object.hasOwn(this.#manifest.files, name)) return undefined
    const file = this.#manifest.files[name]
    if (file === undefined) return undefined
    return this.#send(context, file, {
      // Names below assets/ carry a hash, but for two fonts, which never change within a version.
      'cache-control': /^assets\/.+-[\w-]{8}\.\w+$/.test(name)
        ? 'public, max-age=31536000, immutable'
        : 'public, max-age=3600',
    })
  }

  /** The page. It is the same for everybody and names nobody. */
  async page(context: ApiContext): Promise<Response> {
    const file = this.#manifest.files['index.html']
    if (file === undefined) throw new Error('the web interface has no index.html')
    return this.#send(context, file, {
      'cache-control': 'no-cache',
      'content-security-policy': this.#policy,
      'referrer-policy': 'same-origin',
      'x-frame-options': 'DENY',
    })
  }

  async #send(
    context: ApiContext,
    { hash, type, compressed }: WebFile,
    headers: Record<string, string>,
  ): Promise<Response> {
    const encoding = compressed
      ? encodingOf(context.req.header('accept-encoding') ?? '')
      : undefined
    const etag = `"${hash}${encoding === undefined ? '' : `-${encoding}`}"`
    const all = {
      ...headers,
      etag,
      'x-content-type-options': 'nosniff',
      ...(compressed ? { vary: 'accept-encoding' } : {}),
    }
    if (
      context.req
        .header('if-none-match')
        ?.split(/\s*,\s*/)
        .includes(etag)
    )
      return new Response(null, { status: 304, headers: all })
    const suffix = compressed ? (encoding === 'br' ? '.br' : '.gz') : ''
    const bytes = await readFile(join(this.#folder, hash + suffix))
    const body = compressed && encoding === undefined ? gunzipSync(bytes) : bytes
    return new Response(new Uint8Array(body), {
      headers: {
        ...all,
        'content-type': type.startsWith('text/') ? `${type}; charset=utf-8` : type,
        'content-length': body.length.toString(),
        ...(encoding === undefined ? {} : { 'content-encoding': encoding }),
      },
    })
  }
}

/** The best encoding a client takes. */
function encodingOf(accepted: string): 'br' | 'gzip' | undefined {
  const takes = (name: string) =>
    accepted.split(',').some((entry) => {
      const [coding = '', quality = ''] = entry.trim().split(/\s*;\s*q=/)
      return coding.trim().toLowerCase() === name && Number(quality || 1) > 0
    })
  return takes('br') ? 'br' : takes('gzip') ? 'gzip' : undefined
}

/** Answers requests for the interface's files; others go to the routes after it. */
export function serveFiles(web: WebInterface): MiddlewareHandler<Env> {
  return async (context, next) => {
    const file = await web.file(context)
    if (file === undefined) return next()
    context.set('pattern', '/assets/*')
    return file
  }
}
