import { isSecret } from './secrets.ts'

/** Hosts whose connections do not leave the machine: browsers take cookies from them without TLS. */
const local = /^(localhost|127\.0\.0\.1)(:\d+)?$/

/** Reads one header of a request; names are in lower case. */
export type HeaderReader = (name: string) => string | undefined

/** Whether a cookie for this request's host is marked `Secure`. */
function isSecure(header: HeaderReader): boolean {
  return !local.test(header('host') ?? '') || header('x-forwarded-proto') === 'https'
}

/** With the prefix, browsers refuse one that another host of the domain has set. */
function nameFor(header: HeaderReader): string {
  return isSecure(header) ? '__Host-opencode' : 'opencode'
}

/** The secret of the browser's session; undefined where there is none. */
export function readCookie(header: HeaderReader): string | undefined {
  const name = nameFor(header)
  for (const pair of (header('cookie') ?? '').slice(0, 16_384).split(';')) {
    const [key = '', value = ''] = pair.trim().split('=', 2)
    if (key === name && isSecret('browser', value)) return value
  }
  return undefined
}

/** The `Cookie` header with which another of our services passes a browser's session on. */
export function cookieHeader(secret: string): string {
  return `opencode=${secret}; __Host-opencode=${secret}`
}

/**
 * The `Set-Cookie` of a browser's session.
 * @param secret - undefined takes the cookie away.
 * @param seconds - Its longest life.
 */
export function writeCookie(
  header: HeaderReader,
  secret: string | undefined,
  seconds: number,
): string {
  const life = secret === undefined ? 0 : seconds
  const secure = isSecure(header) ? '; Secure' : ''
  return `${nameFor(header)}=${secret ?? ''}; Path=/; Max-Age=${life.toString()}; HttpOnly; SameSite=Lax${secure}`
}
