// A process that makes one model call and fetches one key set, as the API does: its proxy and authorities are those of its environment.
import { createAuthenticator } from '../../../services/runtime/auth.ts'
import { Upstream } from '../../../services/api/llm/upstream.ts'

const [base = '', token = ''] = process.argv.slice(2)
const upstream = new Upstream({ retries: 0, connectTimeout: 5_000 })
try {
  const { response } = await upstream.send('own', 'acme', {
    url: `${base}/v1/messages`,
    method: 'POST',
    headers: {},
    body: '{}',
    signal: AbortSignal.timeout(10_000),
  })
  process.stdout.write(`model: ${await response.text()}\n`)
  const identity = await createAuthenticator({
    secret: 'a secret that nobody uses',
    jwksURL: `${base}/keys`,
  }).verify(token)
  process.stdout.write(`keys: ${identity.user}\n`)
} catch (error) {
  const { message, cause } = error as Error
  process.stdout.write(`failed: ${message} ${cause instanceof Error ? cause.message : ''}\n`)
}
await upstream.close()
