import { defaults } from '../../values/defaults.ts'

interface Tricky {
  readonly name: string
  readonly values: unknown
  readonly good: boolean
}

/** The defaults with one leaf changed. */
function at(path: string, leaf: unknown): unknown {
  const change = (value: unknown, keys: string[]): unknown => {
    const [key, ...rest] = keys
    if (key === undefined) return leaf
    const map = (value ?? {}) as Record<string, unknown>
    return { ...map, [key]: change(map[key], rest) }
  }
  return change(defaults, path.split('.'))
}

const good = (path: string, ...leaves: unknown[]): Tricky[] =>
  leaves.map((leaf) => ({
    name: `${path} = ${JSON.stringify(leaf)}`,
    values: at(path, leaf),
    good: true,
  }))
const bad = (path: string, ...leaves: unknown[]): Tricky[] =>
  good(path, ...leaves).map((one) => ({ ...one, good: false }))

/** Values that one of the engines could read differently from the others: edges of patterns, numbers, names, open maps. */
export const trickyValues: readonly Tricky[] = [
  ...good('sandbox.workspace.sizeLimit', '10Gi', '1.5G', '0', '1E'),
  ...bad(
    'sandbox.workspace.sizeLimit',
    ...['10GB', '10 Gi', '', '-1Gi', '1e3', '10gi', '10Gi\n', 'Ⅷ', null],
  ),
  ...good('sandbox.forbiddenTargets', {}, { a: '10.0.0.1:443' }, { a: '[fd00::1]:53' }),
  ...bad(
    'sandbox.forbiddenTargets',
    { a: '10.0.0.1' },
    { a: 'registry:443' },
    { a: 'fd00::1:443' },
    { a: 443 },
    ['10.0.0.1:443'],
  ),
  ...good('api.replicas', 0, 1, 3.0, 1e2),
  ...bad('api.replicas', -1, 1.5, '3', true, null),
  ...good('api.autoscaling.targetCPUUtilizationPercentage', 1, 100),
  ...bad('api.autoscaling.targetCPUUtilizationPercentage', 0, 101, 50.5),
  ...good('api.rollingUpdate.maxSurge', 1, '25%', '0%', '100%'),
  ...bad('api.rollingUpdate.maxSurge', '101%', '25', '%', -1, '٢%'),
  ...good('api.image.repository', 'opencode/api', 'a', 'a-b/c_d/e.f'),
  ...bad('api.image.repository', 'Opencode/api', '/api', 'api/', 'a//b', 'a:b'),
  ...good('api.image.digest', `sha256:${'0'.repeat(64)}`),
  ...bad(
    'api.image.digest',
    `sha256:${'0'.repeat(63)}`,
    `sha256:${'G'.repeat(64)}`,
    `sha512:${'0'.repeat(64)}`,
  ),
  ...good('api.image.tag', '1.2.3', 'v1', '_x'),
  ...bad('api.image.tag', '.1', '-1', 'a b', '', 'a'.repeat(129)),
  ...good('region', 'us', 'eu-west-1', '1'),
  ...bad('region', 'US', '-us', 'us-', 'us.east', '', 'a'.repeat(64), 'ü'),
  ...good('hosts.main', { host: 'api.example.com', streams: false }),
  ...bad(
    'hosts.main',
    { host: 'API.example.com', streams: false },
    { host: '*.example.com', streams: false },
    { host: 'a b', streams: false },
    { host: 'x' },
  ),
  ...good('api.extraEnv', {}, { A: 'yes' }, { A_1: { fieldRef: { fieldPath: 'status.podIP' } } }),
  ...bad(
    'api.extraEnv',
    { '1A': 'x' },
    { 'A-B': 'x' },
    { A: 1 },
    { A: { secretKeyRef: { name: 'x' } } },
    { A: true },
    { A: {} },
    { A: { fieldRef: { fieldPath: 'status.podIP' }, configMapKeyRef: { name: 'x', key: 'y' } } },
  ),
  ...good('api.cors.origins', {}, { a: 'https://app.example.com' }, { a: 'http://localhost:3000' }),
  ...bad('api.cors.origins', { a: 'app.example.com' }, { a: 'https://a.example.com/' }, { a: '*' }),
  ...good('commonLabels', { 'example.com/a': 'b' }),
  ...bad('commonLabels', { a: 1 }, { a: true }, { a: null }, ['a']),
  ...good('global', {}, { imageRegistry: 'mirror:5000', anything: { of: ['a', 'parent'] } }),
  ...bad('global', { imageRegistry: 5 }, { imagePullSecrets: 'one' }),
  ...good('imagePullSecrets', [], ['a'], [{ name: 'a' }], ['a', { name: 'b' }]),
  ...bad('imagePullSecrets', ['Not A Name'], [{ name: 'Not A Name' }], [{}], [{ secret: 'a' }]),
  ...good('tracing.ratio', 0, 1, 0.1),
  ...bad('tracing.ratio', -0.1, 1.1, '0.1'),
  ...good('tracing.endpoint', 'http://collector:4318', 'https://otel.example.com/v1'),
  ...bad('tracing.endpoint', 'collector:4318', 'grpc://collector', 'http://a b'),
  ...good('postgres.mode', 'embedded', 'cnpg', 'external'),
  ...bad('postgres.mode', 'Embedded', '', null, 0),
  ...good('postgres.cnpg.backup.schedule', '0 0 2 * * *', '0 */5 * * * MON-FRI'),
  ...bad('postgres.cnpg.backup.schedule', '0 2 * * *', '@daily', '0 0 2 * *  *'),
  ...good('networkPolicy.blockedCidrs', [], ['10.0.0.0/8', 'fd00::/8']),
  ...bad('networkPolicy.blockedCidrs', ['10.0.0.0'], [10], 'all', ['example.com/8']),
  ...good('monitoring.rules.availabilityObjective', 99.9, 95, 99.999),
  ...bad('monitoring.rules.availabilityObjective', 100, 1, '99.9'),
  ...good('enabled', true, false),
  ...bad('enabled', 'true', 1),
]
