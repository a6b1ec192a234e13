import type { HeaderReader } from './cookie.ts'

/**
 * Where a request comes from: `X-Forwarded-For` as the outermost of our own proxies has written it.
 * @param peer - The other end of the connection.
 * @param proxies - Proxies in front that each append an address; 0 believes no header.
 */
export function addressOf(header: HeaderReader, peer: string | undefined, proxies: number): string {
  const hops = (header('x-forwarded-for') ?? '')
    .split(',')
    .map((hop) => hop.trim())
    .filter((hop) => hop !== '')
  const named = proxies > 0 ? hops.at(-Math.min(proxies, hops.length)) : undefined
  return (named ?? peer ?? 'unknown').slice(0, 64)
}
