import { describe, expect, it, type TestContext } from 'vitest'
import { $ } from 'zx'
import { userToken } from '../../cluster/first-prompt.ts'
import { kubectl } from '../../cluster/kind-cluster.ts'
import {
  installRelease,
  removeRelease,
  waitForRelease,
  type Release,
} from '../../cluster/release.ts'
import { portForward } from './lib/kubernetes.ts'
import { kindValues, options } from './lib/environment.ts'

const silent = (): void => undefined

/** A release with namespaces of its own, as several are installed at once; it is removed when the test is over. */
function brokenRelease(
  name: string,
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
): { release: Release } {
  const release: Release = { cluster: options.name, name, namespace: name, helm: 'helm3' }
  onTestFinished(() => removeRelease(release, [`${name}-workers`, `${name}-sandboxes`]))
  return { release }
}

/** What a user reads when the values are wrong or the cluster lacks something. */
describe('messages', () => {
  it.for([
    ['an unknown key', { api: { replcas: 2 } }, /replcas/],
    ['a wrong type', { api: { replicas: 'two' } }, /replicas/],
    ['a value that is not allowed', { postgres: { mode: 'mysql' } }, /mode/],
  ] as const)('name %s and refuse to install', async ([, values, message], context) => {
    const { release } = brokenRelease('refused', context)
    await expect(installRelease(release, { valuesFiles: [kindValues], values })).rejects.toThrow(
      message,
    )
  })

  // At once with the next one: pods are given up as stuck only after a while.
  it.concurrent(
    'name the image that cannot be pulled and the Secret that is missing',
    async (context) => {
      // Redis is not an image of our own: what waits for the Secret says nothing of how those start.
      const { release } = brokenRelease('broken', context)
      const values = {
        websocket: { image: { tag: '9.9.9' } },
        credentials: { redis: { existingSecret: 'not-there' } },
      }
      await installRelease(release, { valuesFiles: [kindValues], values })
      const message = await waitForRelease(release, 240, silent).catch(String)
      expect(message).toMatch(
        /broken-opencode-websocket[^\n]*(ErrImagePull|ImagePullBackOff)[^\n]*9\.9\.9/,
      )
      expect(message).toMatch(
        /broken-opencode-redis[^\n]*CreateContainerConfigError: secret "not-there" not found/,
      )
    },
  )

  it.concurrent("say that the database's volume is full", async (context) => {
    const { release } = brokenRelease('full', context)
    const node = `${options.name}-worker`
    const folder = '/var/small-volume'
    // A volume that is really full: local-path's are as large as the node's disk.
    await $({
      quiet: true,
    })`docker exec ${node} sh -c ${`mkdir -p ${folder} && mount -t tmpfs -o size=128m,mode=0777 tmpfs ${folder}`}`
    const volume = smallVolume(node, folder)
    await kubectl(
      options.name,
      ['apply', '--server-side', '--filename', '-'],
      JSON.stringify(volume),
    )
    try {
      const persistence = { storageClass: volume.spec.storageClassName, size: '128Mi' }
      const values = {
        postgres: {
          embedded: { persistence, parameters: { max_wal_size: '32MB', min_wal_size: '32MB' } },
        },
      }
      await installRelease(release, { valuesFiles: [kindValues], values })
      await waitForRelease(release, 480, silent)
      await $({
        quiet: true,
        nothrow: true,
      })`docker exec ${node} dd if=/dev/zero of=${`${folder}/filler`} bs=1M`
      await using forward = await portForward(
        release.namespace,
        `service/${release.name}-opencode-api`,
        80,
      )
      const token = await userToken(release)
      // The last free pages of the tables themselves take a few sessions more.
      let answer: Response | undefined
      for (let count = 0; count < 2_000 && (answer?.ok ?? true); count += 1)
        answer = await createSession(forward.url, token)
      expect(answer?.status).toBe(507)
      expect(await answer?.json()).toMatchObject({
        detail: expect.stringMatching(/volume of the service's database is full/) as string,
      })
    } finally {
      await kubectl(options.name, [
        'delete',
        'persistentvolume',
        volume.metadata.name,
        '--wait=false',
      ])
      await $({ quiet: true, nothrow: true })`docker exec ${node} umount --lazy ${folder}`
    }
  })
})

/** A session with a title that takes room. */
function createSession(url: string, token: string): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  return fetch(`${url}/session?directory=/workspace/demo`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ title: 'x'.repeat(1_000) }),
  })
}

/** A volume in one folder of one node. */
function smallVolume(node: string, path: string) {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'small-volume' },
    spec: {
      capacity: { storage: '128Mi' },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Retain',
      storageClassName: 'small',
      local: { path },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            {
              matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }],
            },
          ],
        },
      },
    },
  }
}
