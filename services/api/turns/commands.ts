import { randomUUID } from 'node:crypto'
import { Problem } from '../../runtime/problem.ts'
import { channels, type PubSub } from '../../runtime/redis.ts'
import type { EngineAnswer, EngineRequest } from '../store/engine-messages.ts'

/** Sends commands to the workers that run turns. */
export class TurnCommands {
  readonly #pubsub: PubSub

  constructor(pubsub: PubSub) {
    this.#pubsub = pubsub
  }

  /** Ends a running turn. The worker learns of it again from its next heartbeat, should the message get lost. */
  async abort(turnID: string): Promise<void> {
    await this.#pubsub.publish(
      channels.commands(turnID),
      JSON.stringify({ id: randomUUID(), kind: 'abort' }),
    )
  }

  /** Asks the engine that runs a turn. @throws Problem 503 when nobody answers in time */
  async request(turnID: string, request: EngineRequest, timeoutMs = 15_000): Promise<EngineAnswer> {
    const id = randomUUID()
    let answered: (answer: EngineAnswer) => void = () => undefined
    const answer = new Promise<EngineAnswer>((resolve) => {
      answered = resolve
    })
    const unsubscribe = await this.#pubsub.subscribe(channels.replies(id), (message) => {
      answered(JSON.parse(message) as EngineAnswer)
    })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(
          new Problem(503, 'the worker that runs this session did not answer; try again', {
            headers: { 'retry-after': '2' },
          }),
        )
      }, timeoutMs)
    })
    try {
      await this.#pubsub.publish(
        channels.commands(turnID),
        JSON.stringify({ id, kind: 'request', request }),
      )
      return await Promise.race([answer, late])
    } finally {
      clearTimeout(timer)
      void unsubscribe().catch(() => undefined)
    }
  }
}
