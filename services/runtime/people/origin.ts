import { Problem } from '../problem.ts'
import type { HeaderReader } from './cookie.ts'

/** Whether a request changes nothing. */
const isSafe = (method: string) => method === 'GET' || method === 'HEAD' || method === 'OPTIONS'

/**
 * Refuses what another site's page makes a browser send with this site's cookie.
 * Browsers say where a request comes from in `Sec-Fetch-Site`, and older ones in `Origin`; a page can forge neither.
 * @param upgrade - A WebSocket's handshake, which is a GET that any page may send.
 * @throws Problem 403
 */
export function checkOrigin(method: string, header: HeaderReader, upgrade = false): void {
  const site = header('sec-fetch-site')
  const origin = header('origin')
  if (site === 'same-origin') return
  if (isSafe(method) && !upgrade) {
    // A person opens the address, or a program without these headers reads.
    const isOpened = site === 'none' || header('sec-fetch-mode') === 'navigate'
    if (isOpened || (site === undefined && (origin === undefined || isOwn(origin, header)))) return
  } else if (site === undefined && origin !== undefined && isOwn(origin, header)) return
  throw new Problem(
    403,
    'a browser that is signed in may send this only from the page of this service; programs send a token',
    { type: 'foreign-origin' },
  )
}

function isOwn(origin: string, header: HeaderReader): boolean {
  if (!URL.canParse(origin)) return false
  const { host } = new URL(origin)
  return host === header('host') || host === header('x-forwarded-host')
}
