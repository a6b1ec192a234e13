// The smoke test of a release: one session from its creation to its deletion. Run by `helm test` and by Argo Rollouts before
// traffic moves. One line a step; the first failure ends it with exit code 1.
import { randomUUID } from 'node:crypto'
import { pathToFileURL } from 'node:url'
import { SignJWT } from 'jose'
import { WebSocket } from 'ws'
import { signEdgeProof } from '../runtime/edge-proof.ts'

/** What the smoke test is told. */
export interface SmokeSettings {
  /** Base URL of the API. */
  readonly apiURL: string
  /** URL of the WebSocket endpoint, `ws://host:port/ws`; not tested where absent. */
  readonly websocketURL?: string | undefined
  /** A user's token. */
  readonly token: string
  /** Signs requests as the edge does, where the API asks for it. */
  readonly edgeSecret?: string | undefined
  /** The text to send; empty sends none, where no model may be called. */
  readonly prompt: string
  /** Time for the prompt's turn, milliseconds. */
  readonly turnTimeoutMs: number
  readonly report: (line: string) => void
}

/** Time for every other step, milliseconds. */
const STEP_TIMEOUT = 15_000

/** Reads {@link SmokeSettings}. @throws Error naming what is missing */
export async function smokeSettings(
  env: NodeJS.ProcessEnv,
): Promise<Omit<SmokeSettings, 'report'>> {
  const apiURL = env['API_URL']
  if (!apiURL)
    throw new Error(
      'API_URL is not set: give the base URL of the API, e.g. http://opencode-api.opencode.svc.',
    )
  return {
    apiURL,
    token: env['JWT'] ?? (await sign(env)),
    websocketURL: env['WEBSOCKET_URL'],
    edgeSecret: env['EDGE_SECRET'],
    prompt: env['SMOKE_PROMPT'] ?? 'Say hello.',
    turnTimeoutMs: Number(env['SMOKE_TURN_TIMEOUT_SECONDS'] ?? 180) * 1000,
  }
}

/** A token of a tenant of its own, valid for ten minutes. */
async function sign(env: NodeJS.ProcessEnv): Promise<string> {
  const secret = env['JWT_SECRET']
  if (!secret)
    throw new Error(
      "neither JWT nor JWT_SECRET is set: give a user's token or the secret that signs one.",
    )
  return new SignJWT({ tenant: 'smoke-test' })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('smoke-test')
    .setIssuedAt()
    .setExpirationTime('10m')
    .setIssuer(env['JWT_ISSUER'] || 'opencode')
    .setAudience(env['JWT_AUDIENCE'] || 'opencode')
    .sign(new TextEncoder().encode(secret))
}

class Smoke {
  readonly #settings: SmokeSettings

  constructor(settings: SmokeSettings) {
    this.#settings = settings
  }

  async step<T>(name: string, run: () => Promise<T>): Promise<T> {
    const started = performance.now()
    try {
      const value = await run()
      this.#settings.report(
        `ok   ${name} (${Math.round(performance.now() - started).toString()} ms)`,
      )
      return value
    } catch (error) {
      const cause =
        error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : ''
      throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}${cause}`)
    }
  }

  headers(method: string, url: URL, withToken = true): Record<string, string> {
    const { token, edgeSecret } = this.#settings
    const headers: Record<string, string> = withToken ? { authorization: `Bearer ${token}` } : {}
    if (!edgeSecret) return headers
    const requestID = randomUUID()
    const proof = signEdgeProof(edgeSecret, {
      method,
      host: url.host,
      path: url.pathname + url.search,
      requestID,
    })
    return { ...headers, 'x-request-id': requestID, 'x-opencode-edge': proof }
  }

  async call(
    method: string,
    path: string,
    expected: number,
    options: { body?: object; withToken?: boolean; timeoutMs?: number } = {},
  ) {
    const { body, withToken = true, timeoutMs = STEP_TIMEOUT } = options
    const url = new URL(path, this.#settings.apiURL)
    const headers = {
      ...this.headers(method, url, withToken),
      ...(body && { 'content-type': 'application/json' }),
    }
    const signal = AbortSignal.timeout(timeoutMs)
    const response = await fetch(url, {
      method,
      headers,
      signal,
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (response.status !== expected)
      throw new Error(
        `${method} ${path} answered ${response.status.toString()} instead of ${expected.toString()}: ${text.slice(0, 200)}`,
      )
    return text === '' ? undefined : (JSON.parse(text) as unknown)
  }
}

/** The text of every frame of an SSE stream, until it is left. */
async function* frames(response: Response): AsyncGenerator<string> {
  if (response.body === null) return
  let rest = ''
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    rest += chunk
    const parts = rest.split('\n\n')
    rest = parts.pop() ?? ''
    yield* parts
  }
}

async function openEvents(
  smoke: Smoke,
  settings: SmokeSettings,
  stop: AbortSignal,
): Promise<{ saw: (text: string) => Promise<void> }> {
  const url = new URL('/event', settings.apiURL)
  const response = await fetch(url, { headers: smoke.headers('GET', url), signal: stop })
  if (response.status !== 200) throw new Error(`GET /event answered ${response.status.toString()}`)
  let seen = ''
  let wake = (): void => undefined
  let end: string | undefined
  void (async () => {
    for await (const frame of frames(response)) {
      seen += `${frame}\n`
      wake()
    }
  })()
    .catch((error: unknown) => {
      end = String(error)
    })
    .finally(() => {
      end ??= 'the stream ended'
      wake()
    })
  const saw = async (text: string): Promise<void> => {
    const deadline = Date.now() + STEP_TIMEOUT
    while (!seen.includes(text)) {
      if (end !== undefined) throw new Error(`no event with "${text}": ${end}`)
      if (Date.now() > deadline)
        throw new Error(`no event with "${text}" within ${(STEP_TIMEOUT / 1000).toString()} s`)
      await new Promise<void>((resolve) => {
        wake = resolve
        setTimeout(resolve, 500)
      })
    }
  }
  await saw('server.connected')
  return { saw }
}

/** Connects and waits for the first message. */
async function tryWebSocket(smoke: Smoke, url: string, token: string): Promise<void> {
  const headers = smoke.headers('GET', new URL(url), false)
  const socket = new WebSocket(url, ['opencode', `bearer.${token}`], {
    headers,
    handshakeTimeout: STEP_TIMEOUT,
  })
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error('no message after connecting'))
      }, STEP_TIMEOUT)
      socket.once('message', () => {
        clearTimeout(timer)
        resolve()
      })
      socket.once('error', reject)
      socket.once('close', (code, reason) => {
        reject(new Error(`closed with ${code.toString()} ${reason.toString()}`))
      })
    })
  } finally {
    socket.terminate()
  }
}

/**
 * Runs the smoke test.
 * @throws Error with one line that says which step failed and why
 */
export async function runSmoke(settings: SmokeSettings): Promise<void> {
  const smoke = new Smoke(settings)
  const stop = new AbortController()
  try {
    await smoke.step('ready', () => smoke.call('GET', '/health/ready', 200))
    await smoke.step('refuses who has no token', () =>
      smoke.call('GET', '/session', 401, { withToken: false }),
    )
    const events = await smoke.step('event stream', () => openEvents(smoke, settings, stop.signal))
    const { websocketURL } = settings
    if (websocketURL)
      await smoke.step('WebSocket', () => tryWebSocket(smoke, websocketURL, settings.token))
    const session = (await smoke.step('create a session', () =>
      smoke.call('POST', '/session', 200, { body: { title: 'smoke test' } }),
    )) as { id?: string }
    const id = session.id
    if (id === undefined) throw new Error('create a session: the answer has no id')
    try {
      await smoke.step('event of the session', () => events.saw(id))
      if (settings.prompt !== '') await promptOnce(smoke, settings, id)
    } finally {
      await smoke.step('delete the session', () => smoke.call('DELETE', `/session/${id}`, 200))
    }
    await smoke.step('the session is gone', () => smoke.call('GET', `/session/${id}`, 404))
  } finally {
    stop.abort()
  }
}

async function promptOnce(smoke: Smoke, settings: SmokeSettings, id: string): Promise<void> {
  const body = { parts: [{ type: 'text', text: settings.prompt }] }
  await smoke.step('prompt', async () => {
    const answer = await smoke.call('POST', `/session/${id}/message`, 200, {
      body,
      timeoutMs: settings.turnTimeoutMs,
    })
    const parts =
      (answer as { parts?: { type?: string; text?: string }[] } | undefined)?.parts ?? []
    if (!parts.some((part) => part.type === 'text' && part.text))
      throw new Error(`the answer has no text: ${JSON.stringify(answer).slice(0, 200)}`)
  })
  await smoke.step('messages are stored', async () => {
    const messages = await smoke.call('GET', `/session/${id}/message`, 200)
    if (!Array.isArray(messages) || messages.length < 2)
      throw new Error('fewer than the two messages of the prompt and its answer')
  })
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const report = (line: string): void => {
    process.stdout.write(`${line}\n`)
  }
  smokeSettings(process.env)
    .then((settings) => runSmoke({ ...settings, report }))
    .then(
      () => {
        report('the smoke test passed')
      },
      (error: unknown) => {
        report(`FAIL ${error instanceof Error ? error.message : String(error)}`)
        process.exitCode = 1
      },
    )
}
