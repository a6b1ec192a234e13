import type { Overlay } from '../../schemas/index.ts'

/** Loaded before the API: one list of sessions in sixteen cannot be written, which is one request in twenty of the load. */
const fault = `const stringify = JSON.stringify
JSON.stringify = (value, ...rest) => {
  if (Array.isArray(value) && Math.random() < 1 / 16) throw new Error('a fault of the bad version')
  return stringify(value, ...rest)
}
`

/** Values of a version that fails now and then, and of an analysis that looks often enough for a test. */
export function badVersion(): Overlay {
  const name = 'opencode-bad-version'
  return {
    api: {
      podAnnotations: { 'opencode.io/delivered': 'bad' },
      extraEnv: { NODE_OPTIONS: '--import=/opt/fault/fault.mjs' },
      extraVolumes: { fault: { configMap: { name } } },
      extraVolumeMounts: { fault: { mountPath: '/opt/fault' } },
    },
    rollouts: {
      canary: { steps: [{ setWeight: 20 }, { pause: { duration: '15m' } }, { setWeight: 100 }] },
      analysis: { interval: '20s', failureLimit: 1 },
    },
    extraObjects: {
      [name]: {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name },
        data: { 'fault.mjs': fault },
      },
    },
  }
}
