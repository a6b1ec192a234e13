import type { Attempt, AttemptLog, LoadKind } from './attempts.ts'
import type { DrillClient } from './client.ts'
import { startLoad } from './load.ts'

/** The loads of a run. */
export interface Loads {
  stop(): Promise<void>
  /** What the service has of one kind afterwards, as ids that occur once for each time they are found. */
  present(client: DrillClient, kind: LoadKind, attempts: readonly Attempt[]): Promise<string[]>
}

/** Titles are searched for in blocks of a hundred: the service lists at most 1000 sessions at once. */
const block = 100
const number = (n: number): string => String(n).padStart(6, '0')

/** Longest time that a client waits for a turn, ms. */
const turnDeadlineMs = 180_000

/** Starts the loads of a drill. */
export function startLoads(
  client: DrillClient,
  log: AttemptLog,
  kinds: readonly LoadKind[],
  run: string,
): Loads {
  const turnSessions: { number: number; session: string }[] = []
  const write = async (n: number): Promise<string> => {
    const title = `${run} write ${number(n)}`
    await client.createSession(title)
    return title
  }
  const turn = async (n: number): Promise<string> => {
    const session = await client.createSession(`${run} turn ${number(n)}`)
    turnSessions.push({ number: n, session })
    return client.prompt(session, `Use a tool for 2 seconds, this is number ${n}.`, turnDeadlineMs)
  }
  const starters: Record<LoadKind, () => () => Promise<void>> = {
    write: () => startLoad(log, { kind: 'write', everyMs: 200, concurrency: 20, run: write }),
    read: () =>
      startLoad(log, {
        kind: 'read',
        everyMs: 200,
        concurrency: 20,
        run: (n) => client.read().then(() => String(n)),
      }),
    turn: () => startLoad(log, { kind: 'turn', everyMs: 1_000, concurrency: 2, run: turn }),
  }
  const stops = kinds.map((kind) => starters[kind]())
  return {
    async stop() {
      await Promise.all(stops.map((stop) => stop()))
    },
    async present(from, kind, attempts) {
      const mine = attempts.filter((one) => one.kind === kind)
      if (kind === 'write') return presentTitles(from, `${run} write `, mine.length)
      if (kind === 'turn') return presentTurns(from, turnSessions, mine)
      return mine.flatMap((one) => one.id ?? [])
    },
  }
}

async function presentTitles(
  client: DrillClient,
  prefix: string,
  count: number,
): Promise<string[]> {
  const lists: string[][] = []
  for (let n = 0; n < count; n += block)
    lists.push(await client.titles(prefix + number(n).slice(0, -2)))
  return lists.flat()
}

/** Every message once; the answer of a prompt that is there twice as often as the prompt: its turn ran twice. */
async function presentTurns(
  client: DrillClient,
  sessions: readonly { number: number; session: string }[],
  attempts: readonly Attempt[],
): Promise<string[]> {
  const answers = new Map(attempts.map((one) => [one.number, one.id]))
  const lists: string[][] = []
  for (const { number: n, session } of sessions) {
    const messages = await client.messages(session)
    const prompts = messages.filter(({ role }) => role === 'user').length
    const again = Array.from({ length: Math.max(0, prompts - 1) }, () => answers.get(n) ?? session)
    lists.push(
      messages.map(({ id }) => id),
      again,
    )
  }
  return lists.flat()
}
