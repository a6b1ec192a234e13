/** One protection of the services taken away: the case that is there for it must fail then. */
export interface Mutation {
  /** The promise that is broken. */
  readonly breaks: string
  /** Source file, from the repository's root; `from` is in it once and becomes `to`. */
  readonly file: string
  readonly from: string
  readonly to: string
  /** Test file below test/services, without `.test.ts`, and part of the name of its case. */
  readonly test: string
  readonly name: string
}

/** The named cases of the services, each with what it is there to catch. `npm run mutations` tries them all. */
export const mutations: readonly Mutation[] = [
  {
    breaks: 'a turn whose worker was killed completes elsewhere',
    file: 'services/api/turns/reaper.ts',
    from: 'this.#watching ??= this.#redeliver()',
    to: 'this.#watching ??= Promise.resolve()',
    test: 'worker-recovery',
    name: 'WHEN another one takes the turn THEN it completes',
  },
  {
    breaks: 'what a lost sandbox left open is closed',
    file: 'services/worker/restore.ts',
    from: 'const closing = interruptionEvents(history, Date.now())',
    to: 'const closing: DurableEvent[] = []',
    test: 'worker-recovery',
    name: 'WHEN another one takes the turn THEN it completes',
  },
  {
    breaks: 'a client that resumes gets nothing twice',
    file: 'services/api/events/feed.ts',
    from: 'AND tenant_seq > $2',
    to: 'AND tenant_seq >= $2',
    test: 'api-failures',
    name: 'WHEN it is killed THEN all resume at the other one',
  },
  {
    breaks: 'a client that resumes misses nothing',
    file: 'services/api/events/streams.ts',
    from: 'let after = Math.min(this.#request.after ?? head, head)',
    to: 'let after = head',
    test: 'api-failures',
    name: 'WHEN it is killed THEN all resume at the other one',
  },
  {
    breaks: "a turn's events are on its client's stream before its answer",
    file: 'services/api/routes/message.ts',
    from: '  await feeds.passedOn(identity.tenant, context.req.raw.signal)\n',
    to: '',
    test: 'api-answers',
    name: 'WHEN the turn is over',
  },
  {
    breaks: 'turns are queued again after Redis was wiped',
    file: 'services/api/turns/reaper.ts',
    from: '    await this.#requeue()\n',
    to: '',
    test: 'api-failures',
    name: 'WHEN Redis is wiped',
  },
  {
    breaks: 'a write that was answered is stored',
    file: 'services/runtime/database/database.ts',
    from: "const { command } = await client.query('COMMIT')",
    to: "const command: string = (await client.query(Math.random() < 0.02 ? 'ROLLBACK' : 'COMMIT'), 'COMMIT')",
    test: 'api-failures',
    name: 'GIVEN clients that write all the time',
  },
  {
    breaks: "a stale worker's append is refused",
    file: 'services/api/store/turns.ts',
    from: 'turn === undefined || Number(turn.fence) !== fence || !isHeld',
    to: 'turn === undefined || !isHeld',
    test: 'api-failures',
    name: 'WHEN the stale worker writes',
  },
  {
    breaks: "a tenant gets no other tenant's session",
    file: 'services/api/store/sessions.ts',
    from: 'FROM sessions WHERE id = $1 AND tenant = $2 AND',
    to: 'FROM sessions WHERE id = $1 AND $2::text IS NOT NULL AND',
    test: 'api-tenants',
    name: 'GIVEN another tenant that knows every id',
  },
  {
    breaks: "a tenant's stream has no other tenant's events",
    file: 'services/api/events/feed.ts',
    from: 'WHERE tenant = $1 AND',
    to: 'WHERE $1::text IS NOT NULL AND',
    test: 'api-tenants',
    name: 'WHEN it resumes a stream from the beginning',
  },
  {
    breaks: 'a tool finds no secret in its environment',
    file: 'services/sandbox/settings.ts',
    from: "    GIT_TERMINAL_PROMPT: '0',",
    to: "    GIT_TERMINAL_PROMPT: '0', REDIS_URL: 'redis://:secret@redis',",
    test: 'worker-failures',
    name: 'WHEN it reads its environment, /proc and the metadata address',
  },
  {
    breaks: 'a malformed request is the fault of its sender',
    file: 'services/api/body.ts',
    from: "throw new Problem(400, 'the body is not JSON', { type: 'invalid-body' })",
    to: "throw new Error('the body is not JSON')",
    test: 'api-fuzz',
    name: 'GIVEN ten thousand requests',
  },
]
