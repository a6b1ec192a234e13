import { z } from 'zod'

/** Version of what a worker and a sandbox's agent say to each other. An agent also serves the version before. */
export const sandboxProtocol = 1

/** `aud` of tickets. */
export const ticketAudience = 'opencode-sandbox'

/** What a ticket is for. The API signs it (EdDSA), the agent checks it with the API's public key. */
export const ticketClaims = z.object({
  /** UID of the one pod that takes it. */
  pod: z.string().min(1).max(128),
  /** The turn that the connection is for. */
  turn: z.string().min(1).max(128),
  /** Of this sandbox: the agent takes only a higher one than before and drops the older connection. */
  fence: z.number().int().positive(),
})

/** Stands for the agent's relay in the configuration that a worker gives; the agent puts its own address there. */
export const relayPlaceholder = 'http://relay.invalid'

/** Why an engine had to be ended. Also a metric label. */
export const failureReason = z.enum(['crash', 'hang', 'memory', 'start'])

/** Where the engine is. */
export const engineStatus = z.object({
  /** `ready` only while `opencode serve` answers. */
  state: z.enum(['stopped', 'starting', 'ready', 'failed']),
  /** Counts starts. A change in the middle of a turn means that the turn's engine is gone. */
  generation: z.number().int().nonnegative(),
  /** Why this generation failed; absent while it has not. */
  failure: failureReason.optional(),
})

/** What a worker says first, with its ticket. */
export const beginRequest = z.object({
  protocol: z.number().int().positive(),
  /** The engine's configuration, with {@link relayPlaceholder}. Another one than before costs a new start of the engine. */
  config: z.record(z.string(), z.unknown()),
})

/** What the agent answers: where it stands. An attacker's word, like all that it says. */
export const beginAnswer = z.object({
  protocol: z.number().int().positive(),
  engine: engineStatus,
  /** Whether a session was restored here before. */
  isRestored: z.boolean(),
  /** Digest of the files as they were last stored; absent before. */
  storedFiles: z.string().max(128).optional(),
  /** The turn that was asked here last. */
  turnID: z.string().max(128).optional(),
  /** Whether that turn's answer is still awaited. */
  isAsking: z.boolean(),
})

/** A request to the engine's own HTTP API. */
export const sandboxRequest = z.object({
  method: z.string().max(16),
  path: z.string().max(4_096),
  query: z.record(z.string(), z.string()).nullish(),
  body: z.unknown().optional(),
})

/** The engine's answer to the turn's request. */
export const turnAnswer = z.object({
  status: z.number().int().min(100).max(599),
  type: z.string().max(256),
  body: z.string(),
})

/** A row of the engine's event log. */
export const engineRow = z.object({
  id: z.string().min(1).max(128),
  aggregate_id: z.string().min(1).max(128),
  seq: z.number().int().nonnegative(),
  type: z.string().min(1).max(128),
  data: z.record(z.string(), z.unknown()),
})

/** What the engine takes a directory for. */
export const engineProject = z.object({
  id: z.string().max(128),
  vcs: z.literal('git').optional(),
})

/** Headers of a parked stream's answer: the model call that it carries. */
export const relayHead = z.object({
  /** `/llm/<provider>/v1/<call>` */
  path: z.string().max(256),
  headers: z.record(z.string(), z.string().max(1_024)),
})

/** A checked {@link ticketClaims}. */
export type TicketClaims = z.infer<typeof ticketClaims>
/** A checked {@link failureReason}. */
export type FailureReason = z.infer<typeof failureReason>
/** A checked {@link engineStatus}. */
export type EngineStatus = z.infer<typeof engineStatus>
/** A checked {@link beginAnswer}. */
export type BeginAnswer = z.infer<typeof beginAnswer>
/** A checked {@link sandboxRequest}. */
export type SandboxRequest = z.infer<typeof sandboxRequest>
/** A checked {@link turnAnswer}. */
export type TurnAnswer = z.infer<typeof turnAnswer>
/** A checked {@link engineProject}. */
export type Project = z.infer<typeof engineProject>
