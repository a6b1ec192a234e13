import type { EngineAnswer } from './turn-api.ts'

/** A command to a running turn, sent by an API pod. */
export interface Command {
  id: string
  kind: 'abort' | 'request'
  request?: { method: string; path: string; query?: Record<string, string>; body?: unknown }
}

/** The two Redis operations that commands need; sharded pub/sub in cluster mode. */
export interface PubSub {
  subscribe(channel: string, listener: (message: string) => void): Promise<() => Promise<void>>
  publish(channel: string, message: string): Promise<void>
}

/** Receives the commands for turns and answers them. */
export class Commands {
  readonly #pubsub: PubSub

  constructor(pubsub: PubSub) {
    this.#pubsub = pubsub
  }

  /** Answers every command for this turn with what `handle` returns, or with status 503 when it fails. */
  async subscribe(turnID: string, handle: (command: Command) => Promise<EngineAnswer>): Promise<() => Promise<void>> {
    return this.#pubsub.subscribe(`{opencode}:commands:${turnID}`, (message) => {
      const command = JSON.parse(message) as Command
      void handle(command)
        .catch((error: unknown): EngineAnswer => {
          const detail = error instanceof Error ? error.message : String(error)
          return { status: 503, headers: { 'content-type': 'application/problem+json' }, body: { status: 503, title: 'The turn could not answer', detail } }
        })
        .then((answer) => this.#pubsub.publish(`{opencode}:replies:${command.id}`, JSON.stringify(answer)))
        .catch(() => undefined)
    })
  }
}
