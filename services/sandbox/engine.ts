import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type {
  EngineStatus,
  FailureReason,
  SandboxRequest,
  TurnAnswer,
} from '../protocol/sandbox.ts'
import { engineEnvironment, shell, type EngineSettings } from './settings.ts'
import { endAllProcesses } from './sweep.ts'

/** Unanswered checks in a row after which the engine counts as hung. */
const HANG_CHECKS = 5

/** One `opencode serve`: started clean, watched, ended with all that it has started. */
export class Engine {
  readonly #settings: EngineSettings
  readonly #log: (message: string, fields?: object) => void
  readonly #failures: Record<FailureReason, number> = { crash: 0, hang: 0, memory: 0, start: 0 }
  #child: ChildProcess | undefined
  #run = randomUUID()
  #password = ''
  #state: EngineStatus['state'] = 'stopped'
  #generation = 0
  #failure: FailureReason | undefined
  #watch: AbortController | undefined
  /** Called when an engine has failed. */
  onFailure: () => void = () => undefined

  /** @param log - Where starts and failures go. Is never given the engine's own output, which may quote messages. */
  constructor(settings: EngineSettings, log: (message: string, fields?: object) => void) {
    this.#settings = settings
    this.#log = log
  }

  get status(): EngineStatus {
    const failure = this.#failure === undefined ? {} : { failure: this.#failure }
    return { state: this.#state, generation: this.#generation, ...failure }
  }

  /** Failures so far, by reason. */
  get failures(): Record<FailureReason, number> {
    return { ...this.#failures }
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /**
   * Ends what runs and starts an engine, on the records that an earlier one has left.
   * @returns the engine's password, once it answers.
   * @throws Error when it does not answer within the start timeout.
   */
  async start(config: object): Promise<{ password: string }> {
    await this.stop()
    const { home, binary, enginePort } = this.#settings
    await mkdir(home, { recursive: true })
    this.#state = 'starting'
    this.#generation += 1
    this.#failure = undefined
    this.#run = randomUUID()
    this.#password = randomBytes(18).toString('base64url')
    const generation = this.#generation
    const child = spawn(
      binary,
      ['serve', '--port', enginePort.toString(), '--hostname', '127.0.0.1'],
      {
        env: engineEnvironment(this.#settings, { ...config, shell }, this.#password, this.#run),
        cwd: home,
        // Discarded: at its log levels the engine writes prompts and tool output.
        stdio: 'ignore',
        detached: true,
      },
    )
    this.#child = child
    child.on('error', (error) => {
      this.#fail('start', generation, error.message)
    })
    child.on('exit', (code, signal) => {
      this.#fail('crash', generation, `code ${String(code)}, signal ${String(signal)}`)
    })
    await this.#untilReady(generation)
    this.#state = 'ready'
    this.#watch = new AbortController()
    void this.#watchOver(generation, this.#watch.signal)
    return { password: this.#password }
  }

  /** Ends the engine and every process it or its tools have started. Files stay, so that they can still be packed. */
  async stop(): Promise<void> {
    // An engine that dies gives up its memory, then its connections; its end is known here last, after whoever lost a connection.
    const gone = this.#state === 'ready' && (await residentBytes(this.#child?.pid)) === 0
    if (gone) this.#fail('crash', this.#generation, 'it was gone before it was ended')
    this.#state = 'stopped'
    this.#watch?.abort()
    this.#child?.removeAllListeners('exit')
    this.#child = undefined
    await endAllProcesses(this.#run)
  }

  async #untilReady(generation: number): Promise<void> {
    const deadline = Date.now() + this.#settings.startTimeout
    while (this.#generation === generation && this.#state === 'starting') {
      if (await this.#answers(1_000)) return
      if (Date.now() > deadline) {
        this.#fail(
          'start',
          generation,
          `no answer within ${this.#settings.startTimeout.toString()} ms`,
        )
        break
      }
      await sleep(25)
    }
    throw new Error('the engine did not start')
  }

  async #watchOver(generation: number, signal: AbortSignal): Promise<void> {
    const { checkInterval } = this.#settings
    let unanswered = 0
    while (!signal.aborted) {
      await sleep(checkInterval, undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return
      unanswered = (await this.#answers(checkInterval)) ? 0 : unanswered + 1
      const resident = await residentBytes(this.#child?.pid)
      if (signal.aborted) return
      if (unanswered >= HANG_CHECKS)
        this.#fail('hang', generation, `${unanswered.toString()} checks unanswered`)
      else if (resident > this.#settings.memoryMaxBytes)
        this.#fail('memory', generation, `${resident.toString()} bytes resident`)
    }
  }

  async #answers(timeout: number): Promise<boolean> {
    // A request that reaches the engine in the middle of its start can stay unanswered for ever: never without a time limit.
    try {
      const response = await this.open(
        'GET',
        '/global/health',
        undefined,
        AbortSignal.timeout(timeout),
      )
      response.destroy()
      return response.statusCode === 200
    } catch {
      return false
    }
  }

  /** Sends a request and reads the whole answer, however long it takes. */
  async ask(
    { method, path, query, body }: SandboxRequest,
    signal?: AbortSignal,
  ): Promise<TurnAnswer> {
    const search = query ? `?${new URLSearchParams(query).toString()}` : ''
    const text = body === undefined || body === null ? undefined : JSON.stringify(body)
    const response = await this.open(method, path + search, text, signal)
    const pieces: Buffer[] = []
    for await (const piece of response) pieces.push(piece as Buffer)
    return {
      status: response.statusCode ?? 502,
      type: response.headers['content-type'] ?? '',
      body: Buffer.concat(pieces).toString(),
    }
  }

  /** Sends a request; the answer's body is the caller's to read. */
  open(
    method: string,
    path: string,
    body?: string,
    signal?: AbortSignal,
  ): Promise<IncomingMessage> {
    const authorization = `Basic ${Buffer.from(`opencode:${this.#password}`).toString('base64')}`
    const headers = {
      authorization,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    }
    // A connection each: the engine may close one that waits just as it is taken again.
    const to = { host: '127.0.0.1', port: this.#settings.enginePort, agent: false } as const
    return new Promise((done, fail) => {
      const call = request({ ...to, method, path, headers, ...(signal ? { signal } : {}) }, done)
      call.on('error', fail)
      call.end(body)
    })
  }

  #fail(reason: FailureReason, generation: number, detail: string): void {
    if (generation !== this.#generation || this.#state === 'stopped' || this.#state === 'failed')
      return
    this.#state = 'failed'
    this.#failure = reason
    this.#failures[reason] += 1
    this.#watch?.abort()
    this.#log('the engine failed', { reason, detail })
    void endAllProcesses(this.#run)
      .catch((error: unknown) => {
        this.#log('the sweep failed', { error: String(error) })
      })
      .finally(this.onFailure)
  }
}

/** Resident memory of one process, bytes; 0 when it is gone. */
async function residentBytes(pid: number | undefined): Promise<number> {
  if (pid === undefined) return 0
  const text = await readFile(`/proc/${pid.toString()}/status`, 'utf8').catch(() => '')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024
}
