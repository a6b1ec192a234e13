import { cp, rename, rm } from 'node:fs/promises'
import { basename, join, relative, sep } from 'node:path'
import { $ } from 'zx'
import { goModuleAt } from '../go-module.ts'
import { root } from '../paths.ts'
import { versions } from '../versions.ts'

const module = join(root, 'cluster', 'modules', 'traefik')
const providers = join('providers', 'dns')

/**
 * Copies lego, Traefik's client of certificate authorities, to where Traefik's go.mod replaces it, without the clients of its
 * 180 DNS vendors. Go cannot replace one package of a module, so the module is replaced.
 */
export async function copyLego(): Promise<void> {
  const target = join(module, 'lego')
  const source = await goModuleAt('github.com/go-acme/lego/v5', `v${versions.lego}`)
  const copy = `${target}.new`
  await rm(copy, { recursive: true, force: true })
  await cp(source, copy, { recursive: true, filter: (path) => wanted(relative(source, path)) })
  await $({ quiet: true })`chmod -R u+w ${copy}`
  await cp(join(module, 'dns'), join(copy, providers), { recursive: true })
  await rm(target, { recursive: true, force: true })
  await rename(copy, target)
}

/** Everything but what lies below `providers/dns`, and tests. */
function wanted(path: string): boolean {
  return !path.startsWith(providers + sep) && !basename(path).endsWith('_test.go')
}
