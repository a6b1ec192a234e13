import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { $ } from 'zx'
import { hashFiles, imageExists } from '../docker-image.ts'
import { cacheDir } from '../paths.ts'
import { debian } from '../versions.ts'
import { hostMirrorLines } from './apt-sources.ts'

const packages = ['ca-certificates', 'libstdc++6', 'tzdata']

/** Files that no container reads; dpkg leaves them out in every image made on this base too. */
const unused = ['bash-completion', 'doc', 'doc-base', 'info', 'lintian', 'locale', 'man'].map(
  (name) => `/usr/share/${name}/*`,
)

/** apt as images want it: nothing kept of what it downloads, no recommended packages, no translations. */
const aptOptions = [
  'Dir::Cache::pkgcache ""',
  'Dir::Cache::srcpkgcache ""',
  'APT::Install-Recommends "false"',
  'Acquire::Languages "none"',
]
const cleanUp = 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; }'

/** The Debian file system that every image here begins with, where no container registry is in reach. */
export async function ensureDebianBase(line: (text: string) => void): Promise<string> {
  const ref = `opencode-test/debian:${debian.images}-${hashFiles([], [...packages, ...unused, ...aptOptions, cleanUp].join())}`
  if (await imageExists(ref)) return ref
  line(`unpacking Debian ${debian.images} for the images`)
  mkdirSync(cacheDir, { recursive: true })
  const archive = join(cacheDir, `${debian.images}.tar`)
  const options = [
    '--variant=minbase',
    `--include=${packages.join(',')}`,
    ...unused.map((path) => `--dpkgopt=path-exclude=${path}`),
    ...aptOptions.map((option) => `--aptopt=${option}`),
    // Only for what is installed later: mmdebstrap itself still needs its downloads.
    `--customize-hook=printf '%s\\n' '${cleanUp}' > "$1/etc/apt/apt.conf.d/docker-clean"`,
  ]
  await $({
    quiet: true,
  })`mmdebstrap --quiet ${options} ${debian.images} ${archive} ${hostMirrorLines(debian.images)}`
  await $({ quiet: true })`docker import --change ${'CMD ["bash"]'} ${archive} ${ref}`
  rmSync(archive)
  return ref
}
