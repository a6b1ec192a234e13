import { afterEach, describe, expect, it } from 'vitest'
import { kubectl } from '../../cluster/kind-cluster.ts'
import { helm, installRelease, waitForRelease, type Release } from '../../cluster/release.ts'
import { kindValues, options } from './lib/environment.ts'

const silent = (): void => undefined
const broken: Release = { cluster: options.name, name: 'broken', namespace: 'broken', helm: 'helm3' }
const workers = { namespaces: { workers: { name: 'broken-workers' } } }

/** What a user reads when the values are wrong or the cluster lacks something. */
describe('messages', () => {
  afterEach(async () => {
    await helm(broken, ['uninstall', broken.name, '--ignore-not-found'])
    await kubectl(options.name, ['delete', 'namespace', broken.namespace, 'broken-workers', '--ignore-not-found', '--timeout=120s'])
  })

  it.each([
    ['an unknown key', { api: { replcas: 2 } }, /replcas/],
    ['a wrong type', { api: { replicas: 'two' } }, /replicas/],
    ['a value that is not allowed', { postgres: { mode: 'mysql' } }, /mode/],
  ])('name %s and refuse to install', async (_name, values, message) => {
    await expect(installRelease(broken, { valuesFiles: [kindValues], values })).rejects.toThrow(message)
  })

  it('name the image that cannot be pulled', async () => {
    await installRelease(broken, { valuesFiles: [kindValues], values: { ...workers, websocket: { image: { tag: '9.9.9' } } } })
    await expect(waitForRelease(broken, 240, silent)).rejects.toThrow(/broken-opencode-websocket[^\n]*(ErrImagePull|ImagePullBackOff)[^\n]*9\.9\.9/)
  })

  it('name the Secret that is missing', async () => {
    // Redis is not an image of our own: the test says nothing of how those start.
    const values = { ...workers, credentials: { redis: { existingSecret: 'not-there' } } }
    await installRelease(broken, { valuesFiles: [kindValues], values })
    await expect(waitForRelease(broken, 240, silent)).rejects.toThrow(/CreateContainerConfigError: secret "not-there" not found/)
  })
})
