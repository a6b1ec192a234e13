// The credentials Job: makes the random values and keys that a first installation needs, and never changes one that is there.
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { request as plainRequest } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'

const place = z.strictObject({
  namespace: z.string().min(1),
  name: z.string().min(1),
  key: z.string().min(1),
})

const schema = z.strictObject({
  /** Labels of what the Job creates. */
  labels: z.record(z.string(), z.string()),
  secrets: z.array(
    z.strictObject({
      /** Name of the Secret, the same in each namespace. */
      name: z.string().min(1),
      /** The key that must be there. */
      key: z.string().min(1),
      /** Random bytes of the value, which is written as hexadecimal digits. */
      bytes: z.number().int().min(16).max(256),
      /** Where the Secret must be. All of them get the same value. */
      namespaces: z.array(z.string().min(1)).min(1),
    }),
  ),
  keyPairs: z
    .array(
      z.strictObject({
        /** The Secret and its key for the private half: Ed25519, PEM, PKCS#8. */
        private: place,
        /** The ConfigMap and its key for the public half: PEM, SPKI. It follows the private one. */
        public: place,
      }),
    )
    .default([]),
})

/** The file at `SECRETS_FILE`: which values there must be. Names only, no value. */
export type SecretList = z.infer<typeof schema>

/** How the Kubernetes API is reached. */
export interface Cluster {
  /** `https://host:port`. */
  readonly url: string
  readonly token: string
  /** Certificate authority, PEM. */
  readonly ca?: string
}

/** A Secret, whose values are base64, or a ConfigMap, whose values are not. */
interface Holder {
  metadata: { resourceVersion: string }
  data?: Record<string, string>
}

type Kind = 'Secret' | 'ConfigMap'
type Place = z.infer<typeof place>

const resources: Readonly<Record<Kind, string>> = { Secret: 'secrets', ConfigMap: 'configmaps' }

interface Answer {
  status: number
  body: string
}

const account = '/var/run/secrets/kubernetes.io/serviceaccount'

/** Checks the list. @throws Error naming the field that is wrong */
export function parseSecretList(text: string): SecretList {
  const result = schema.safeParse(JSON.parse(text))
  if (result.success) return result.data
  throw new Error(
    `SECRETS_FILE: ${result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')}`,
  )
}

function call(cluster: Cluster, method: string, path: string, body?: object): Promise<Answer> {
  const url = new URL(path, cluster.url)
  const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
  const headers = {
    authorization: `Bearer ${cluster.token}`,
    accept: 'application/json',
    ...(body && { 'content-type': type }),
  }
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? request : plainRequest
    const outgoing = send(
      url,
      { method, headers, timeout: 10_000, ...(cluster.ca && { ca: cluster.ca }) },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() })
        })
        response.on('error', reject)
      },
    )
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 10 s')))
    outgoing.on('error', reject)
    outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

function fail(what: string, answer: Answer): Error {
  const message = z.object({ message: z.string() }).safeParse(safeJson(answer.body)).data?.message
  return new Error(`${what}: ${answer.status.toString()} ${message ?? answer.body.slice(0, 200)}`)
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function read(
  cluster: Cluster,
  kind: Kind,
  { namespace, name }: Omit<Place, 'key'>,
): Promise<Holder | undefined> {
  const path = `/api/v1/namespaces/${namespace}/${resources[kind]}/${name}`
  const answer = await call(cluster, 'GET', path)
  if (answer.status === 404) return undefined
  if (answer.status !== 200) throw fail(`cannot read ${kind} ${namespace}/${name}`, answer)
  return JSON.parse(answer.body) as Holder
}

/** Writes the key. `false` if somebody else was quicker, so that the caller looks again. */
async function write(
  cluster: Cluster,
  kind: Kind,
  { namespace, name, key }: Place,
  value: string,
  labels: Record<string, string>,
): Promise<boolean> {
  const there = await read(cluster, kind, { namespace, name })
  const path = `/api/v1/namespaces/${namespace}/${resources[kind]}`
  const data = { [key]: value }
  const answer =
    there === undefined
      ? await call(cluster, 'POST', path, {
          apiVersion: 'v1',
          kind,
          ...(kind === 'Secret' && { type: 'Opaque' }),
          metadata: { name, labels },
          data,
        })
      : // The resource version makes the server refuse the patch if the object has changed since it was read.
        await call(cluster, 'PATCH', `${path}/${name}`, {
          metadata: { resourceVersion: there.metadata.resourceVersion },
          data,
        })
  if (answer.status === 409) return false
  if (answer.status >= 300) throw fail(`cannot write ${kind} ${namespace}/${name}`, answer)
  return true
}

/** One entry of the list. @returns the namespaces it wrote to */
async function ensure(
  cluster: Cluster,
  entry: SecretList['secrets'][number],
  labels: Record<string, string>,
): Promise<string[]> {
  const { name, key, bytes, namespaces } = entry
  for (;;) {
    const values = await Promise.all(
      namespaces.map(
        async (namespace) => (await read(cluster, 'Secret', { namespace, name }))?.data?.[key],
      ),
    )
    const known = [...new Set(values.filter((value) => value !== undefined))]
    if (known.length > 1) {
      throw new Error(
        `Secret ${name} has different values of "${key}" in ${namespaces.join(' and ')}: make them equal, or delete one to have it copied.`,
      )
    }
    const missing = namespaces.filter((_, index) => values[index] === undefined)
    const [first] = missing
    if (first === undefined) return []
    const value = known[0] ?? Buffer.from(randomBytes(bytes).toString('hex')).toString('base64')
    // One after the other: if another Job wrote the first one meanwhile, its value is read again and copied.
    const written: string[] = []
    for (const namespace of missing) {
      if (!(await write(cluster, 'Secret', { namespace, name, key }, value, labels))) break
      written.push(namespace)
    }
    if (written.length === missing.length) return written
  }
}

/** One key pair of the list. @returns the halves it wrote, in words */
async function ensureKeyPair(
  cluster: Cluster,
  entry: SecretList['keyPairs'][number],
  labels: Record<string, string>,
): Promise<string[]> {
  const written: string[] = []
  for (;;) {
    const known = (await read(cluster, 'Secret', entry.private))?.data?.[entry.private.key]
    if (known === undefined) {
      const pem = generateKeyPairSync('ed25519')
        .privateKey.export({ type: 'pkcs8', format: 'pem' })
        .toString()
      const value = Buffer.from(pem).toString('base64')
      // What is there in the end is read again: another Job may have been quicker.
      if (await write(cluster, 'Secret', entry.private, value, labels)) written.push('private')
      continue
    }
    const half = publicHalf(Buffer.from(known, 'base64').toString(), entry.private)
    const there = (await read(cluster, 'ConfigMap', entry.public))?.data?.[entry.public.key]
    if (there?.trim() === half.trim()) return written
    if (await write(cluster, 'ConfigMap', entry.public, half, labels)) written.push('public')
  }
}

/** @throws Error that names the Secret and no value, when it holds no Ed25519 private key */
function publicHalf(pem: string, { namespace, name, key }: Place): string {
  const problem = `Secret ${namespace}/${name}: the value of "${key}" is no Ed25519 private key in PEM; delete the key to have one made.`
  let half
  try {
    half = createPublicKey(pem)
  } catch {
    throw new Error(problem)
  }
  if (half.asymmetricKeyType !== 'ed25519' || !pem.includes('PRIVATE KEY')) throw new Error(problem)
  return half.export({ type: 'spki', format: 'pem' }).toString()
}

/**
 * Makes what is missing. A value that is there is never changed; one that is in one namespace only is copied to the others.
 * A public key is none of these: it is made to fit its private key.
 * @returns one line for each entry, without values
 * @throws Error when the namespaces disagree or the API refuses
 */
export async function ensureSecrets(cluster: Cluster, list: SecretList): Promise<string[]> {
  const lines: string[] = []
  for (const entry of list.secrets) {
    const written = await ensure(cluster, entry, list.labels)
    lines.push(
      `${entry.name}/${entry.key}: ${written.length === 0 ? 'is there' : `made in ${written.join(', ')}`}`,
    )
  }
  for (const entry of list.keyPairs) {
    const written = await ensureKeyPair(cluster, entry, list.labels)
    lines.push(
      `${entry.private.name}/${entry.private.key} and ${entry.public.name}/${entry.public.key}: ${
        written.length === 0 ? 'are there' : `${written.join(' and ')} key made`
      }`,
    )
  }
  return lines
}

async function main(): Promise<void> {
  const file = process.env['SECRETS_FILE']
  if (!file) throw new Error('SECRETS_FILE is not set: it holds the path of the list of secrets.')
  const list = parseSecretList(readFileSync(file, 'utf8'))
  const {
    KUBERNETES_SERVICE_HOST: host = 'kubernetes.default.svc',
    KUBERNETES_SERVICE_PORT: port = '443',
  } = process.env
  const deadline = Date.now() + 60_000
  for (;;) {
    try {
      const url = `https://${host.includes(':') ? `[${host}]` : host}:${port}`
      const cluster = {
        url,
        token: readFileSync(`${account}/token`, 'utf8').trim(),
        ca: readFileSync(`${account}/ca.crt`, 'utf8'),
      }
      for (const line of await ensureSecrets(cluster, list)) process.stdout.write(`${line}\n`)
      return
    } catch (error) {
      // The pod's network policy and role binding may be a moment younger than the pod.
      if (Date.now() >= deadline) throw error
      process.stderr.write(
        `${error instanceof Error ? error.message : String(error)}; trying again\n`,
      )
      await sleep(2000)
    }
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error: unknown) => {
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  })
}
