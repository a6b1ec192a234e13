import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { $ } from 'zx'
import { root } from './paths.ts'
import { versions } from './versions.ts'

/**
 * Folder of a Go module's sources in the module cache, downloaded and checked against go.sum when it is not there yet.
 * `from` is the folder of the go.mod that pins its version.
 */
export async function goModuleDir(module: string, from: string): Promise<string> {
  const env = { ...process.env, GOTOOLCHAIN: versions.goToolchain }
  const run = $({ cwd: join(root, from), env, quiet: true })
  const result = await run`go mod download -json ${module}`
  return (JSON.parse(result.stdout) as { Dir: string }).Dir
}

/** Folder of a Go module's sources at one version, for modules that nothing here compiles; Go's checksum database vouches. */
export async function goModuleAt(module: string, version: string): Promise<string> {
  const env = { ...process.env, GOTOOLCHAIN: versions.goToolchain, GOFLAGS: '-mod=mod' }
  // Outside any module: a go.mod in reach would decide the version.
  const result = await $({
    cwd: tmpdir(),
    env,
    quiet: true,
  })`go mod download -json ${`${module}@${version}`}`
  return (JSON.parse(result.stdout) as { Dir: string }).Dir
}
