import { readFileSync } from 'node:fs'
import { join } from 'node:path'

interface LockEntry {
  version?: string
  license?: string
  integrity?: string
}

/** Folders of npm packages, as `package-lock.json` spells them, that these source paths lie in. */
export function packageFolders(inputs: Iterable<string>): string[] {
  const folders = new Set<string>()
  for (const input of inputs) {
    // The last node_modules counts: packages may carry copies of their own.
    const match = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)
    if (match !== null) folders.add(match[0].slice(match[0].indexOf('node_modules/')))
  }
  return [...folders].sort()
}

/**
 * A bill of materials in CycloneDX 1.6: exactly the npm packages that are in the bundles, from the lock file.
 * Without a timestamp or serial number, so that the same sources give the same file.
 * @see https://cyclonedx.org/docs/1.6/json/
 */
export function billOfMaterials(root: string, name: string, folders: readonly string[]): object {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    version: string
    packages: Record<string, LockEntry>
  }
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: { type: 'application', 'bom-ref': name, name, version: lock.version } },
    components: folders.map((folder) => {
      const entry = lock.packages[folder]
      const version = entry?.version
      if (entry === undefined || version === undefined)
        throw new Error(`${folder} is in a bundle but not in package-lock.json`)
      const packageName = folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length)
      const purl = `pkg:npm/${packageName.replace('@', '%40')}@${version}`
      return {
        type: 'library',
        'bom-ref': `${purl}#${folder}`,
        name: packageName,
        version,
        purl,
        ...(entry.license === undefined ? {} : { licenses: [{ expression: entry.license }] }),
        ...(entry.integrity?.startsWith('sha512-') === true
          ? {
              hashes: [
                {
                  alg: 'SHA-512',
                  content: Buffer.from(entry.integrity.slice(7), 'base64').toString('hex'),
                },
              ],
            }
          : {}),
      }
    }),
  }
}
