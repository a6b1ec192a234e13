import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { Identity } from '../runtime/people/identity.ts'
import type { ApiConfig } from '../runtime/config.ts'
import type { Database } from '../runtime/database/index.ts'
import type { LlmConfig } from '../runtime/llm-config.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Metrics } from '../runtime/metrics.ts'
import type { EventStreams } from './events/streams.ts'
import type { FeedItem, Feeds } from './events/feed.ts'
import type { Requests } from './store/requests.ts'
import type { Sessions } from './store/sessions.ts'
import type { People } from '../runtime/people/people.ts'
import type { Refusals } from '../runtime/people/refusals.ts'
import type { Workspaces } from './store/workspaces.ts'
import type { Bodies } from './middleware/bodies.ts'
import type { TurnQueue } from './turns/queue.ts'
import type { TurnService } from './turns/service.ts'
import type { SandboxService } from './sandboxes/service.ts'
import type { TurnClaims, TurnTokens } from './turns/token.ts'
import type { TurnWaiter } from './turns/waiter.ts'
import type { TurnWork } from './turns/work.ts'

/** What routes work with. */
export interface Services {
  config: ApiConfig
  /** Bodies of requests that are being received. */
  bodies: Bodies
  llm: LlmConfig
  database: Database
  logger: Logger
  metrics: Metrics
  people: People
  refusals: Refusals
  sessions: Sessions
  requests: Requests
  turns: TurnService
  work: TurnWork
  sandboxes: SandboxService
  workspaces: Workspaces
  queue: TurnQueue
  tokens: TurnTokens
  waiter: TurnWaiter
  feeds: Feeds
  streams: EventStreams
  /** Tells a tenant's clients, in the order of calls that are awaited. Never fails: what Redis loses is read from PostgreSQL. */
  publish(tenant: string, items: readonly FeedItem[]): Promise<void>
  /** Whether this process is shutting down. */
  draining(): boolean
}

/** What middleware leaves for routes. */
export interface Variables {
  requestID: string
  log: Logger
  identity: Identity
  sessionID?: string
  /** Names the route in metrics and logs where its pattern would not. */
  pattern?: string
  /** The attempt that a worker's token was made for. */
  attempt?: number | undefined
  /** What a worker's token says. */
  claims: TurnClaims
  /** Further headers of an event stream, which the route itself writes. */
  streamHeaders?: Record<string, string>
  /** A turn was stored for the request: what its answer says, the turn's events say too. */
  accepted?: boolean
  /** Gives the request's body up, once it is stored, so that a turn of an hour does not hold it. */
  releaseBody?: () => void
}

/** Environment of the API's hono apps. */
export interface Env {
  Bindings: HttpBindings
  Variables: Variables
}

/** A request's context. */
export type ApiContext = Context<Env>
