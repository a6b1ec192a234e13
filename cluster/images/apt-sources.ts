import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** The two archives of Debian that a base image needs, by the end of their address. */
const archives = { debian: '', 'debian-security': '-security' } as const

/** Addresses that apt's source files name, in both of their formats. */
export function sourceAddresses(text: string): string[] {
  const stanzas = [...text.matchAll(/^URIs:\s*(.+)$/gm)].flatMap(([, list = '']) =>
    list.split(/\s+/),
  )
  const lines = [...text.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+)/gm)].map(
    ([, address = '']) => address,
  )
  return [...stanzas, ...lines].filter((address) => /^https?:/.test(address))
}

/**
 * The host's Debian mirrors as source lines for another suite: a machine behind a mirror builds its images from that
 * mirror. Empty where the host names none, which makes mmdebstrap take Debian's own.
 */
export function mirrorLines(addresses: readonly string[], suite: string): string[] {
  const trimmed = addresses.map((address) => address.replace(/\/+$/, ''))
  const lines = Object.entries(archives).flatMap(([archive, suffix]) => {
    const address = trimmed.find((one) => one.endsWith(`/${archive}`))
    if (address === undefined) return []
    const suites = suffix === '' ? [suite, `${suite}-updates`] : [`${suite}${suffix}`]
    return suites.map((name) => `deb ${address} ${name} main`)
  })
  return lines.some((line) => line.includes(` ${suite} main`)) ? lines : []
}

/** Reads {@link mirrorLines} from the host's own configuration (`/etc/apt`). */
export function hostMirrorLines(suite: string, folder = '/etc/apt'): string[] {
  const parts = join(folder, 'sources.list.d')
  const listed = existsSync(parts)
    ? readdirSync(parts)
        .filter((name) => /\.(list|sources)$/.test(name))
        .sort()
    : []
  const files = [join(folder, 'sources.list'), ...listed.map((name) => join(parts, name))].filter(
    (path) => existsSync(path),
  )
  return mirrorLines(
    files.flatMap((path) => sourceAddresses(readFileSync(path, 'utf8'))),
    suite,
  )
}
