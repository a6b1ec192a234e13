import { channels, type PubSub } from '../runtime/redis.ts'
import type { EngineAnswer } from './turn-api.ts'

/** A command to a running turn, sent by an API pod. */
export interface Command {
  id: string
  kind: 'abort' | 'request'
  request?: { method: string; path: string; query?: Record<string, string>; body?: unknown }
}

/** Receives the commands for turns and answers them. */
export class Commands {
  readonly #pubsub: Pick<PubSub, 'subscribe' | 'publish'>

  constructor(pubsub: Pick<PubSub, 'subscribe' | 'publish'>) {
    this.#pubsub = pubsub
  }

  /** Answers every command for this turn with what `handle` returns, or with status 503 when it fails. */
  async subscribe(
    turnID: string,
    handle: (command: Command) => Promise<EngineAnswer>,
  ): Promise<() => Promise<void>> {
    return this.#pubsub.subscribe(channels.commands(turnID), (message) => {
      const command = JSON.parse(message) as Command
      void handle(command)
        .catch((error: unknown): EngineAnswer => {
          const detail = error instanceof Error ? error.message : String(error)
          return {
            status: 503,
            headers: { 'content-type': 'application/problem+json' },
            body: { status: 503, title: 'The turn could not answer', detail },
          }
        })
        .then((answer) =>
          this.#pubsub.publish(channels.replies(command.id), JSON.stringify(answer)),
        )
        .catch(() => undefined)
    })
  }
}
