import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { goModuleAt } from '../go-module.ts'
import { kubectl } from '../kind-cluster.ts'
import { root } from '../paths.ts'

/** Definitions that a Go module carries; no controller comes with them. */
interface CrdSource {
  readonly module: string
  readonly version: string
  /** File or folder below the module. */
  readonly path: string
}

/** Custom resources of the production profiles whose controllers a test cluster does not run. */
export const crdSources: readonly CrdSource[] = [
  {
    module: 'github.com/prometheus-operator/prometheus-operator',
    version: 'v0.85.0',
    path: 'example/prometheus-operator-crd',
  },
  {
    module: 'github.com/external-secrets/external-secrets',
    version: 'v1.3.2',
    path: 'config/crds/bases',
  },
  {
    module: 'github.com/cloudnative-pg/plugin-barman-cloud',
    version: 'v0.15.0',
    path: 'config/crd/bases',
  },
  { module: 'github.com/cert-manager/cert-manager', version: 'v1.21.2', path: 'deploy/crds' },
  {
    module: 'istio.io/api',
    version: 'v1.31.4',
    path: 'kubernetes/customresourcedefinitions.gen.yaml',
  },
]

/** Installs every custom resource definition that the regions' values make objects of and that no operator here brings. */
export async function ensureCrds(cluster: string, line: (text: string) => void): Promise<void> {
  for (const { module, version, path } of crdSources) {
    line(`definitions of ${module} ${version}`)
    await apply(cluster, join(await goModuleAt(module, version), path))
  }
  line('definition of RedisCluster')
  await ensureRedisClusterDefinition(cluster)
}

/** Installs the definition of RedisCluster, as the OT redis-operator brings it. */
export async function ensureRedisClusterDefinition(cluster: string): Promise<void> {
  await apply(cluster, join(root, 'cluster', 'crds', 'redisclusters.yaml'))
}

async function apply(cluster: string, path: string): Promise<void> {
  const files = statSync(path).isDirectory()
    ? readdirSync(path).map((name) => join(path, name))
    : [path]
  const texts = files
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => readFileSync(file, 'utf8'))
  const definitions = texts
    .filter((text) => /^kind: CustomResourceDefinition$/m.test(text))
    .join('\n---\n')
  // They are larger than what a client-side apply can note in an annotation.
  await kubectl(
    cluster,
    ['apply', '--server-side', '--force-conflicts', '--filename', '-'],
    definitions,
  )
}
